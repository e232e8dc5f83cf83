/*
 * Runs a program in the interpreter and compiled, with and without the newer
 * machine instructions, and demands the same result and the same memory.
 */
#pragma once

#include "bpf/jit.h"
#include "bpf/prog.h"

struct both {
	const struct prog *prog;
	const struct run *run; /* copied for each run */
	void *mem;	       /* R1 points to a copy of it; NULL: R1 is 0 */
	size_t len;	       /* R2 */
	/* Results. */
	uint64_t r0;
	char why[200]; /* what went wrong */
};

/*
 * 0: all agree. -1: they do not, or the interpreter tripped: `why` says it.
 * After it, `mem` holds what the program left there.
 */
int both_run(struct both *b);
