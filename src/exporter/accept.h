/* What a client would rather have. */
#pragma once

#include <stdbool.h>

/* Is OpenMetrics preferred to the plain text format, by the header "Accept" (NULL: there is none)? */
bool accept_open_metrics(const char *accept);
