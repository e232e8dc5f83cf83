/*
 * The verifier: may this program run? It walks every path that the program
 * can take, with sets of values in place of values, and accepts if on each of
 * them every access lies in memory that the program may touch, nothing is
 * read that was not written, helpers get what their prototypes ask for,
 * references and locks are given back, and the end comes.
 *
 * What it accepts runs in the checking interpreter (interp.h) without
 * tripping a check, on every input.
 */
#pragma once

#include "bpf/prog.h"

/* A kind of program: what its context is, and what it may return. Constant. */
struct prog_type {
	const char *name;
	uint32_t ctx_start, ctx_end; /* bytes of the context that may be accessed */
	uint32_t flags;		     /* enum prog_type_flags */
	int32_t ret_min, ret_max;    /* with TYPE_RETURNS */
};

enum prog_type_flags {
	TYPE_CTX_WRITE = 1 << 0, /* the context may be written */
	TYPE_RETURNS = 1 << 1,	 /* R0 must lie in ret_min to ret_max */
};

extern const struct prog_type prog_type_tracepoint;	/* offsets below 8 are the kernel's own */
extern const struct prog_type prog_type_raw_tracepoint; /* twelve 64-bit words */

struct verify_opts {
	const struct prog_type *type;
	struct log *log;    /* or NULL */
	uint32_t log_level; /* bit 0: the path that fails; bit 1: every path; bit 2: the statistics */
	uint32_t budget;    /* instructions to look at; 0: one million */
};

struct verify_stats {
	uint32_t insns;	 /* looked at */
	uint32_t states; /* remembered */
	uint32_t peak;	 /* remembered at once */
	uint32_t most;	 /* at one instruction */
};

/*
 * Verifies a program that prog_decode() made and prog_resolve_maps() went
 * over; 0 or the kernel's error (-EACCES, -EINVAL, -E2BIG, -EFAULT, -ENOMEM)
 * with the reason in the log. On success prog->funcs[].stack, prog->call_map
 * and MARK_DEAD are set. `stats` may be NULL. Hosted; any thread.
 */
int verify_prog(struct prog *prog, const struct verify_opts *opts, struct verify_stats *stats) must_check;
