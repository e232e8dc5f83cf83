/*
 * Random operations. Few names on few levels, so that operations meet; sizes
 * and offsets around the boundaries where file systems go wrong.
 */
#pragma once

#include <stdbool.h>

#include "op.h"
#include "prng.h"

struct gen {
	struct prng r;
	const char *prefix; /* of each path's first name, "" for none: threads that share a directory */
	int users;	    /* credentials used: 1 or CRED_N */
	int64_t far;	    /* offsets reach to here and a little beyond */
	int64_t near;	    /* and mostly stay below this */
	bool zero_range;    /* FALLOC_FL_ZERO_RANGE too */
	bool tmpfile;	    /* both sides have it: libfuse before 3.17 has not */
	bool truncate;	    /* by path: its rule for the times is the same on both sides */
	unsigned flavour;   /* what the sequence prefers: drawn from the seed */
};

void gen_init(struct gen *g, uint64_t seed);
struct op gen_next(struct gen *g);

/* gen_args.c: arguments. */
char *gen_path(struct gen *g);
char *gen_target(struct gen *g);
int64_t gen_offset(struct gen *g);
int64_t gen_length(struct gen *g);
uint32_t gen_mode(struct gen *g);
struct timespec gen_time(struct gen *g);
char *gen_xattr_name(struct gen *g);
void gen_xattr_value(struct gen *g, struct op *o);
