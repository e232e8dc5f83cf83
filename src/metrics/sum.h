/*
 * Reading counters: the sum over the records of all seats. Needs no seat and no
 * right to write. Each counter is read at one moment, but not all at the same:
 * what is still going on may be in one and not yet in another.
 */
#pragma once

#include "metrics/layout.h"

/* Adds the record of task seat `i` to *sum; false where there is none. */
bool metrics_add_seat(const struct pool *pool, uint32_t i, struct metrics_seat *sum);
/* Sets *sum to the sum of all. */
void metrics_sum(const struct pool *pool, struct metrics_seat *sum);
/* The words that are counted once for all tasks. */
struct metrics_shared metrics_read_shared(const struct pool *pool);

/* Calls that the path has answered, and samples of their latency. */
uint64_t metrics_ops_of(const struct metrics_seat *m, unsigned path, unsigned op);
uint64_t metrics_samples(const struct metrics_latency *l);
/* The latency in ns that a part `q` (0 to 1) of the samples does not exceed, within its bucket by proportion. 0: none.
 */
double metrics_quantile(const struct metrics_latency *l, double q);

/* *a - *b, word by word: what was counted between two sums. */
void metrics_minus(struct metrics_seat *a, const struct metrics_seat *b);
