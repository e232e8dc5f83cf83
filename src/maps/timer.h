/*
 * Timers in map values. Armed ones stand in a table of the world; they do not
 * fire by themselves: who can run programs at any time (a loader's server)
 * sleeps in timers_sleep() and calls timers_fire(). Any number may do so.
 *
 * As in the kernel: a timer's callback runs once at a time; who cancels waits
 * for the end of one that runs, but for the callback itself and for two that
 * cancel each other (-EDEADLK); a timer whose map no loader holds and no pin
 * names is not initialised (-EPERM), and fires no more.
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
	uint64_t entry; /* for maps_run.timer */
	uint64_t map;	/* offset in the world */
	void *key;	/* in `index` for arrays */
	void *value;
	uint64_t callback; /* what maps_host.callback_ref gave */
	uint32_t index;
};

/* Lives the map at this offset by a loader or a pin? See maps_host. */
typedef bool (*timer_map_used)(void *arg, uint64_t map);

/* bpf_timer_init and its like, on the timer at `at` in a value of `m`. */
int timer_init(struct task *t, struct map *m, void *at, uint64_t clock, bool used) must_check;
/* The map of an initialised timer; 0: it is none. */
uint64_t timer_map(struct task *t, void *at);
int timer_set_callback(struct task *t, void *at, uint64_t callback) must_check;
int timer_start(struct task *t, void *at, uint64_t ns, uint64_t flags) must_check;
/*
 * 1: it was armed. `self`: the entry whose callback calls (maps_run.timer), 0:
 * none. Waits for the end of a callback that runs elsewhere.
 */
int timer_cancel(struct task *t, void *at, uint64_t self) must_check;

/*
 * Calls `call` for each whose time has come by `now` (CLOCK_MONOTONIC): it is
 * idle then, and its callback is to be called with (map, key, value). The
 * caller is in a run that has its CPU: another run may wait here with one.
 * How many there were.
 */
struct timer_host {
	timer_map_used used;
	void (*call)(void *arg, const struct timer_due *due);
	void *arg;
};
uint32_t timers_fire(struct task *t, uint64_t now, const struct timer_host *host);
/* When the next one is due; UINT64_MAX: none is armed. */
uint64_t timers_next(const struct pool *p);
/*
 * Sleeps until the next one is due, one is started that is due earlier, or
 * timers_ring() is called; not if that has happened since *bell was read
 * (timers_bell()).
 */
void timers_sleep(struct task *t, uint32_t bell);
uint32_t timers_bell(const struct pool *p);
void timers_ring(const struct pool *p);
/* Callbacks of the map's timers, from *at on (0 at first); 0: no more. They keep their programs alive. */
uint64_t timers_callback(const struct pool *p, uint64_t map, uint32_t *at);
