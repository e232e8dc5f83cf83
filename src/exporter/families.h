/* All metrics, as docs/metrics.md lists them. */
#pragma once

#include "exporter/text.h"
#include "watch/watch.h"

/* Writes what the look has seen. */
void families_write(struct text *t, const struct watch *w);
