/* What the storm's controller and its workers share: a file of these, mapped by all. */
#pragma once

#include <stdint.h>

#define WORKERS 6
#define LIMIT_NS 10000000u /* that nobody is to wait for another's death */

/* One kind of load. Times in ns. */
struct waits {
	uint64_t calls;
	uint64_t over_wall;  /* calls that took longer than LIMIT_NS */
	uint64_t over_sleep; /* of these: asleep for longer than that, so neither running nor waiting for a processor */
	uint64_t max_wall;
	uint64_t max_sleep;
};

enum kind {
	DARK, /* where the kernel has never looked: nothing but the store and its locks */
	SEEN, /* where it looks all the time: its forgetting is waited for, and the daemon with it */
	KINDS,
};

struct shared {
	uint32_t stop;
	uint32_t pause; /* odd: somebody holds all up on purpose (fsck), or the daemon is away. Counts */
	uint32_t away;	/* the daemon is: calls that the kernel makes may fail */
	uint32_t failed;
	char why[256];
	struct waits waits[KINDS];
};

/* A worker on the mount `dir`: until it is killed or told to stop. */
int work(const char *self, const char *dir, const char *state, unsigned id, unsigned seed);
struct shared *shared_map(const char *state);
