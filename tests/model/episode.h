/*
 * An episode: fresh file systems, one or several threads with a sequence of
 * random operations each, all drawn from one seed. It runs in a process of its
 * own, so that a crash or a hang is a finding like any other.
 */
#pragma once

#include "lane.h"

#define EPISODE_SECONDS 60 /* what takes longer, hangs */

enum episode_mode {
	EPISODE_OWN,	/* each thread in its own directory */
	EPISODE_SHARED, /* one directory, names of their own */
	EPISODE_MELEE,	/* one directory, the same names: only invariants are checked */
};

struct episode {
	struct lane_setup setup;
	enum episode_mode mode;
	int threads, users;
	size_t ops; /* operations a thread at most */
	int64_t far;
	bool zero_range, truncate, tmpfile;
	uint64_t seed;
};

struct episode_count {
	uint64_t episodes, ops;
};

/* Runs it. 0: agreed; else it was reported on stderr. Adds to *count, which is shared memory. */
int episode_run(const struct episode *p, struct episode_count *count);

/* The operations of a thread. */
void episode_ops(const struct episode *p, int thread, struct op_list *out);

/*
 * Runs a list of operations on fresh file systems, in a process of its own, and
 * compares after each. Returns the number of operations after which the sides
 * differed or the process died, 0: they agreed. Reports on `f` unless NULL.
 */
size_t episode_replay(const struct lane_setup *s, const struct op_list *ops, FILE *f);

/* shrink.c: removes what is not needed for the replay to fail. */
void episode_shrink(const struct lane_setup *s, struct op_list *ops);

/* melee.c: all threads at once, then everything is deleted. 0: fine. */
int episode_melee(const struct episode *p, struct episode_count *count);
