/*
 * What running code meets: the contract between compiled programs, the
 * interpreter, helpers, and whoever runs a program. Freestanding.
 *
 * A struct run belongs to one thread while a program runs on it. Compiled
 * code keeps its address in a register for the whole run and hands it to
 * every helper as sixth argument, so that helpers need no thread-local
 * storage. Everything that differs between processes (where the maps are,
 * where the helpers are) is reached through it: the code itself is position
 * independent and the same in all of them.
 */
#pragma once

#include <stdint.h>

#include "base/compiler.h"

struct run;

/* A helper, a compiled program, a compiled callback: one calling convention. */
typedef uint64_t (*run_fn)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5, struct run *run);

struct run {
	/* Read by compiled code: the offsets are part of it (jit_x86.c). */
	char *base;	       /* maps lie at base + map_info.off */
	const run_fn *helpers; /* by helper number, each slot below `nhelpers` filled */
	uint64_t tail_left;    /* tail calls still allowed; set to INSN_TAIL_CALLS before a run */
	/*
	 * The entry of the program in slot `index` of the program array at
	 * `map`, or 0. It was verified for the same kind of context.
	 */
	uint64_t (*tail)(struct run *run, uint64_t map, uint32_t index);
	/* Calls a callback of the program: see run_callback(). NULL: `fn` is its address. */
	uint64_t (*callback)(struct run *run, uint64_t fn, const uint64_t args[5]);
	uint32_t nhelpers;
	uint32_t cpu; /* read by compiled code: 1 + the CPU that this run has for itself; 0: none yet */
	void *owner;  /* for helpers: what the layer above knows of this run */
};

_Static_assert(offsetof(struct run, base) == 0, "compiled code reads it");
_Static_assert(offsetof(struct run, helpers) == 8, "compiled code reads it");
_Static_assert(offsetof(struct run, tail_left) == 16, "compiled code reads it");
_Static_assert(offsetof(struct run, tail) == 24, "compiled code reads it");
_Static_assert(offsetof(struct run, cpu) == 44, "compiled code reads it");

/* For helpers: calls function `fn` of the program, an argument of theirs. */
static inline uint64_t run_callback(struct run *run, uint64_t fn, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	if (run->callback) {
		const uint64_t args[5] = {a, b, c, d, 0};

		return run->callback(run, fn, args);
	}
	return ((run_fn)(uintptr_t)fn)(a, b, c, d, 0, run);
}

/* Runs a compiled program with nothing but a context. */
static inline uint64_t run_program(run_fn entry, void *ctx, struct run *run)
{
	run->tail_left = 33;
	return entry((uint64_t)(uintptr_t)ctx, 0, 0, 0, 0, run);
}
