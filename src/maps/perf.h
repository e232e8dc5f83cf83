/*
 * Perf rings: what a loader maps of a perf event that programs write to with
 * bpf_perf_event_output() (linux/perf_event.h, struct perf_event_mmap_page).
 *
 *	+ 0 page	head, tail and sizes; our lock word and lost count at 512
 *	+ 1 page	data, a power of two of pages
 */
#pragma once

#include "maps/internal.h"

/* Makes one with `bytes` of data; its run is in the task's hand. -EINVAL, -ENOMEM. */
int perf_create(struct task *t, uint64_t bytes, uint64_t *off) must_check;
/*
 * A sample with `size` bytes, preceded by a record of what was lost where
 * there was no room before. -ENOSPC: there is none now either; -EUCLEAN.
 */
int perf_output(struct task *t, uint64_t ring, const void *data, uint32_t size) must_check;
/* Is there something to read? For epoll. */
bool perf_ready(const struct pool *p, uint64_t ring);
