/* Stack traces: BPF_MAP_TYPE_STACK_TRACE. */
#pragma once

#include "maps/internal.h"

#define TRACE_MAX 127u /* addresses, as kernel.perf_event_max_stack is by default */

/* The id of this trace, put in if it is not there: -EEXIST where another one is and `flags` do not say to replace it.
 */
int64_t trace_put(struct task *t, struct map *m, const uint64_t *ip, uint32_t nr, uint64_t flags) must_check;
