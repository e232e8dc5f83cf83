/* What the parts of the compiler share. Private to jit_*.c. */
#pragma once

#include "bpf/prog.h"
#include "bpf/x86.h"

/* What a function needs of its frame. */
struct shape {
	uint32_t saved; /* bit k: saved_regs[k] is pushed */
	bool frame;	/* uses R10 */
	uint32_t pad;	/* bytes that rsp moves by: the program's stack, and alignment */
};

struct jit {
	struct x86 x;
	const struct prog *prog;
	uint32_t *addr;		   /* of each slot; from the pass before ahead of the current one */
	uint8_t *is_short;	   /* jumps that were found to fit a byte */
	uint32_t *entry;	   /* of each function: its prologue; a jump to its first instruction goes behind it */
	uint32_t *stub;		   /* of each function whose address is taken */
	const struct shape *shape; /* of the current function */
	struct shape *shapes;
	uint32_t pc;
	bool bmi2;
	bool relax; /* addresses are known: jumps may be short */
};

/* Where an instruction's registers lie. */
extern const uint8_t jit_reg[INSN_REGS];

static inline unsigned dst_of(const struct bpf_insn *i)
{
	return jit_reg[i->dst_reg];
}

static inline unsigned src_of(const struct bpf_insn *i)
{
	return jit_reg[i->src_reg];
}

/* jit_alu.c */
void jit_alu(struct jit *j, const struct bpf_insn *i);

/* jit_mem.c: loads, stores, atomics; a load through any address. */
void jit_load(struct jit *j, const struct bpf_insn *i, struct x86_mem m);
void jit_mem(struct jit *j, const struct bpf_insn *i);

/*
 * jit_fuse.c: how many of the slots from j->pc on became one instruction; 0:
 * none, nothing was emitted. `left` slots are left in the function.
 */
uint32_t jit_fuse(struct jit *j, const struct bpf_insn *i, uint32_t left);
