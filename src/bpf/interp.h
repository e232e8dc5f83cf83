/*
 * The checking interpreter: the reference for the compiler, and the judge of
 * the verifier. It trusts nothing but the structure of the text
 * (prog_decode): every access is held against known memory, every register
 * and byte of stack must have been written before it is read, helpers'
 * arguments are held against their prototypes, and the run ends when its
 * budget is spent. What trips a check is reported, never executed.
 *
 * Any thread; needs about 10 KiB of stack, more for nested callbacks.
 */
#pragma once

#include "bpf/prog.h"
#include "bpf/run.h"

struct interp_mem {
	uint64_t start, len;
	bool writable;
};

struct interp_env {
	const struct interp_mem *mem; /* beyond the program's own stack */
	uint32_t nmem;
	/* Memory that comes and goes (map values, records). NULL: none. */
	bool (*access)(void *arg, uint64_t addr, uint64_t len, bool write);
	/* The program in a slot of a program array, or NULL. NULL: no tail calls. */
	const struct prog *(*tail)(void *arg, uint64_t map, uint32_t index);
	void *arg;
	uint64_t budget; /* instructions; 0: 64 million */
	/*
	 * Trace: called before each instruction with the registers and the
	 * mask of those that are initialised. NULL: none.
	 */
	void (*trace)(void *arg, uint32_t pc, const uint64_t *reg, uint32_t init, uint32_t depth);
};

/* What tripped. */
struct interp_fault {
	int err; /* -EFAULT: memory; -EINVAL: uninitialised or bad argument; -ELOOP: budget; -E2BIG: call depth */
	uint32_t pc;
	uint64_t addr;
	const char *what;
};

/*
 * Runs `prog` with R1 and R2. 0 and the program's R0 in *r0, or
 * fault->err. R2 counts as initialised only if `nargs` is 2.
 */
int interp_run(const struct prog *prog, struct run *run, const struct interp_env *env, const uint64_t *args,
	       uint32_t nargs, uint64_t *r0, struct interp_fault *fault) must_check;
