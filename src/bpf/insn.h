/*
 * The instruction set: RFC 9669, versions 1 to 4. Encodings come from
 * linux/bpf.h; what Debian 12's copy (Linux 6.1) lacks is added here.
 *
 * Words: a "slot" is 8 bytes of program text; an instruction takes one, lddw
 * takes two. A pc is the index of a slot.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef BPF_MEMSX
#define BPF_MEMSX 0x80 /* load and extend the sign */
#endif

#define INSN_LDDW (BPF_LD | BPF_IMM | BPF_DW)
#define INSN_CALL (BPF_JMP | BPF_CALL)
#define INSN_EXIT (BPF_JMP | BPF_EXIT)
#define INSN_JA (BPF_JMP | BPF_JA)
#define INSN_GOTOL (BPF_JMP32 | BPF_JA)

#define INSN_REGS 11u	    /* R0 to R10 */
#define INSN_FP 10u	    /* R10, the frame pointer, is never written */
#define INSN_STACK 512u	    /* bytes of stack of all frames of a program together */
#define INSN_FRAMES 8u	    /* depth of local calls */
#define INSN_MAX 1000000u   /* slots in a program */
#define INSN_TAIL_CALLS 33u /* in a row */

/* How lddw's src_reg says what its 64 bits mean: BPF_PSEUDO_*; 0: a number. */

static inline unsigned insn_class(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code);
}

/* The operation bits of an ALU or jump instruction. */
static inline unsigned insn_op(const struct bpf_insn *i)
{
	return BPF_OP(i->code);
}

static inline bool insn_is_alu(const struct bpf_insn *i)
{
	return insn_class(i) == BPF_ALU || insn_class(i) == BPF_ALU64;
}

static inline bool insn_is_jump(const struct bpf_insn *i)
{
	return insn_class(i) == BPF_JMP || insn_class(i) == BPF_JMP32;
}

/* Jumps on a condition. */
static inline bool insn_is_branch(const struct bpf_insn *i)
{
	return insn_is_jump(i) && insn_op(i) != BPF_JA && insn_op(i) != BPF_CALL && insn_op(i) != BPF_EXIT;
}

static inline bool insn_is_goto(const struct bpf_insn *i)
{
	return i->code == INSN_JA || i->code == INSN_GOTOL;
}

static inline bool insn_is_local_call(const struct bpf_insn *i)
{
	return i->code == INSN_CALL && i->src_reg == BPF_PSEUDO_CALL;
}

static inline bool insn_is_helper(const struct bpf_insn *i)
{
	return i->code == INSN_CALL && i->src_reg == 0;
}

static inline bool insn_is_func_ref(const struct bpf_insn *i)
{
	return i->code == INSN_LDDW && i->src_reg == BPF_PSEUDO_FUNC;
}

/* lddw that names a map, or an address in a map's value. */
static inline bool insn_is_map_ref(const struct bpf_insn *i)
{
	return i->code == INSN_LDDW && (i->src_reg == BPF_PSEUDO_MAP_FD || i->src_reg == BPF_PSEUDO_MAP_VALUE ||
					i->src_reg == BPF_PSEUDO_MAP_IDX || i->src_reg == BPF_PSEUDO_MAP_IDX_VALUE);
}

static inline bool insn_is_atomic(const struct bpf_insn *i)
{
	return insn_class(i) == BPF_STX && BPF_MODE(i->code) == BPF_ATOMIC;
}

/* Bytes that a load or store moves. */
static inline unsigned insn_size(const struct bpf_insn *i)
{
	switch (BPF_SIZE(i->code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	default:
		return 8;
	}
}

/* Where a jump, a branch that is taken, a local call or a function reference at `pc` leads. */
static inline int64_t insn_target(const struct bpf_insn *i, uint32_t pc)
{
	if (i->code == INSN_GOTOL || i->code == INSN_CALL || i->code == INSN_LDDW)
		return (int64_t)pc + 1 + i->imm;
	return (int64_t)pc + 1 + i->off;
}

static inline uint64_t insn_imm64(const struct bpf_insn *i)
{
	return (uint32_t)i[0].imm | (uint64_t)(uint32_t)i[1].imm << 32;
}

static inline uint32_t insn_slots(const struct bpf_insn *i)
{
	return i->code == INSN_LDDW ? 2 : 1;
}
