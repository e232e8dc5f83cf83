/*
 * A lane: one thread that carries out the same operations on one or two
 * executors, in step, and compares.
 */
#pragma once

#include "exec.h"

#define LANE_SIDES 2

struct lane_setup {
	const struct exec_kind *kind[LANE_SIDES]; /* the second one may be NULL: nothing to compare with */
	struct exec_params params[LANE_SIDES];
	unsigned traits; /* that both have */
	bool shared;	 /* the root directory belongs to several lanes: its attributes are not compared */
	bool ticking;	 /* wait for a tick of the kernel's clock before each operation */
	bool probe;	 /* observe what operations named */
};

struct lane {
	const struct lane_setup *s;
	int sides;
	struct exec *e[LANE_SIDES];
	struct timeline time[LANE_SIDES];
	size_t cap[LANE_SIDES];	     /* of the time lines' arrays */
	struct result r[LANE_SIDES]; /* of the last operation */
	const char *diff;	     /* what differed, NULL: nothing */
	struct op last;
	uint64_t ops;
};

/* Opens sessions on the instances. false: reported. */
bool lane_open(struct lane *l, const struct lane_setup *s, struct exec_fs *const *fs, const char *sub);
void lane_close(struct lane *l);
/* Runs one operation. NULL, or a word for what differs; l->r and l->last then tell more. */
const char *lane_step(struct lane *l, const struct op *o);
/* Walks the whole tree and every descriptor and compares. */
const char *lane_dump(struct lane *l);
/* Has the executors verify themselves; complaints go to `f`. */
const char *lane_check(struct lane *l, FILE *f);
void lane_report(struct lane *l, FILE *f);

/* Opens and closes instances for all sides. */
bool lane_instances(const struct lane_setup *s, struct exec_fs **fs);
void lane_instances_close(const struct lane_setup *s, struct exec_fs **fs);
