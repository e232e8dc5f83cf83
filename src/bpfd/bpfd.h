/*
 * The kernel's side for one loader: answers its requests (world/wire.h) until it
 * has ended, and fires timers. Hosted; one thread, and that of the timers.
 */
#pragma once

#include "control/err.h"
#include "bpfd/timers.h"
#include "control/rundir.h"
#include "world/world.h"

#define BPFD_PEERS 60u /* at once: a loader and its children */

struct bpfd {
	struct world world;
	struct task task;
	struct timers timers;
	int listener;
	uint32_t npeers;
	int peer[BPFD_PEERS]; /* they stay connected from one bpfd_run to the next */
	char path[160];	      /* of the socket */
};

/* The socket of the loader `name` (NULL: this process's own). 0 or -errno with a text. */
int bpfd_path(const char *name, char *path, size_t size, struct rundir *dir, struct err *err) must_check;
/* Joins the world and opens the socket. 0 or -errno with a text; bpfd_end() in either case. */
int bpfd_start(struct bpfd *s, const char *name, struct err *err) must_check;
/* Serves until the process behind `pidfd` has ended (false), or `stop` (a descriptor) is readable (true). */
bool bpfd_run(struct bpfd *s, int pidfd, int stop);
/* Leaves the world, clears up after the loader, removes the socket. What timers are pinned go on: keeper.h. */
void bpfd_end(struct bpfd *s);
