/*
 * Timers in map values. Armed ones stand in a table of the world; they do not
 * fire by themselves: who can run programs at any time (a loader's server)
 * asks timers_due() and calls what it gives.
 *
 *	value	u64 number of the entry, 0: none; u64 unused
 *
 * An entry belongs to the value that names it. A value that is used anew, or a
 * map that is gone, leaves an entry that nobody names: it is freed when it is
 * looked at.
 */
#pragma once

#include "maps/internal.h"

struct timer_due {
	uint64_t map; /* offset in the world */
	void *key;    /* in `index` for arrays */
	void *value;
	uint64_t callback; /* what maps_host.callback_ref gave */
	uint32_t index;
};

/* bpf_timer_init and its like, on the timer at `at` in a value of `m`. */
int timer_init(struct task *t, struct map *m, void *at, uint64_t clock) must_check;
int timer_set_callback(struct task *t, void *at, uint64_t callback) must_check;
int timer_start(struct task *t, void *at, uint64_t ns, uint64_t flags) must_check;
/* 1: it was armed. */
int timer_cancel(struct task *t, void *at) must_check;

/*
 * One whose time has come (CLOCK_MONOTONIC): it is idle afterwards, and its
 * callback is to be called with (map, key, value) in a run of the caller. 0:
 * none is due.
 */
int timers_due(struct task *t, uint64_t now, struct timer_due *due) must_check;
/* When the next one is due; UINT64_MAX: none is armed. */
uint64_t timers_next(const struct pool *p);
