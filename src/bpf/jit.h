/*
 * The compiler to x86-64. It trusts the program: what it compiles was accepted
 * by the verifier, or is a test's own.
 *
 * The code is position independent and reaches everything that differs
 * between processes through struct run (run.h), so that one copy in shared
 * memory serves all processes on the machine it was compiled on. It is emitted into ordinary
 * memory; jit_map() puts a copy where it can run, and no page is ever
 * writable and executable at once.
 */
#pragma once

#include "bpf/prog.h"
#include "bpf/run.h"

enum jit_flags {
	JIT_PLAIN = 1 << 0, /* only instructions that every x86-64 has */
};

struct jit_code {
	uint8_t *text; /* owned */
	size_t size;
	uint32_t *addr; /* owned: offset of each slot in text, [len] is the end of the program */
	uint32_t len;	/* slots */
};

/* Compiles. The entry is offset 0. -ENOMEM. The caller frees with jit_free(). */
int jit_compile(const struct prog *prog, unsigned flags, struct jit_code *out) must_check;
void jit_free(struct jit_code *code);

/* A mapping of the code in this process. */
struct jit_map {
	run_fn entry;
	void *base;
	size_t len;
};
/* Copies the code into fresh pages, then makes them executable and read-only. 0 or -errno. */
int jit_map(const struct jit_code *code, struct jit_map *out) must_check;
void jit_unmap(struct jit_map *map);
