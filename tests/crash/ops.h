/* The operations that are killed at each of their steps. */
#pragma once

#include "common/rig.h"

enum op_flags {
	OP_STEPWISE = 1 << 0, /* moves bytes in several transactions: "target" may be found in between */
	OP_KERNEL = 1 << 1,   /* by a task of the daemon */
	OP_COLD = 1 << 2,     /* the victim's arenas are empty */
};

struct op {
	const char *name;
	void (*set_up)(struct task *t);	 /* what the pool holds before; by a process that leaves in order */
	void (*prepare)(struct task *t); /* by the victim, not yet to be killed; may be NULL */
	void (*run)(struct task *t);	 /* what it is killed in */
	unsigned flags;
};

/* Each ends with an entry without a name. */
extern const struct op ops_names[], ops_data[], ops_rest[];
