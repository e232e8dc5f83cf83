/*
 * Timers of programs (maps/timer.h) fire in the processes that serve loaders:
 * a thread of each sleeps until one is due and runs its callback. They are
 * many for one world; who comes first fires. Where no loader runs any more and
 * a pin holds the map, a process does that was left behind (keeper.h). Hosted.
 */
#pragma once

#include <pthread.h>

#include "world/world.h"

struct timers {
	struct world *world;
	pthread_t thread;
	uint32_t stop;	/* atomic */
	uint32_t ready; /* the thread runs */
};

/* 0 or -errno. `w` stays the caller's, and joined until timers_stop(). */
int timers_start(struct timers *ts, struct world *w) must_check;
/* Waits for a callback that runs. Nothing where it was not started. */
void timers_stop(struct timers *ts);
