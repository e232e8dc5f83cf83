/*
 * Random programs that are nearly right: most registers are used as what they
 * are, most bounds are checked, and now and then something is not. What the
 * verifier makes of them is its affair.
 */
#pragma once

#include "bpf/insn.h"

#define GEN_MAX 600u

enum gen_flags {
	GEN_LOCAL = 1 << 0, /* nothing that differs between the kernel and the test world */
};

struct gen {
	uint64_t seed;
	unsigned flags;
	struct bpf_insn insns[GEN_MAX];
	uint32_t len;
};

/* Fills insns and len from seed: the same seed, the same program. Context: twelve 64-bit words. */
void gen_program(struct gen *g);
/* The next random number of a seed. */
uint64_t gen_random(uint64_t *seed);
