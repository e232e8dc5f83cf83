/* Text in JSON, to standard output. */
#pragma once

/* In quotes. What is no UTF-8 (names of files may be anything) becomes U+FFFD: else no parser takes the rest. */
void json_text(const char *s);
