/*
 * Instructions by name, for tests: initialisers; an array of these is a program. The words
 * are those of the kernel's own macros where it has one.
 */
#pragma once

#include "bpf/insn.h"

#define INSN(c, d, s, o, i)                                                                                            \
	{                                                                                                              \
		.code = (c), .dst_reg = (d)&15, .src_reg = (s)&15, .off = (int16_t)(o), .imm = (int32_t)(i)            \
	}

#define ALU64_K(op, d, i) INSN(BPF_ALU64 | BPF_##op | BPF_K, d, 0, 0, i)
#define ALU64_X(op, d, s) INSN(BPF_ALU64 | BPF_##op | BPF_X, d, s, 0, 0)
#define ALU32_K(op, d, i) INSN(BPF_ALU | BPF_##op | BPF_K, d, 0, 0, i)
#define ALU32_X(op, d, s) INSN(BPF_ALU | BPF_##op | BPF_X, d, s, 0, 0)
#define MOV_K(d, i) ALU64_K(MOV, d, i)
#define MOV_X(d, s) ALU64_X(MOV, d, s)
#define MOV32_X(d, s) ALU32_X(MOV, d, s)
#define MOVSX(bits, d, s) INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, bits, 0)
#define ADD_K(d, i) ALU64_K(ADD, d, i)
#define ADD_X(d, s) ALU64_X(ADD, d, s)

#define LDX(size, d, s, o) INSN(BPF_LDX | BPF_MEM | BPF_##size, d, s, o, 0)
#define LDXS(size, d, s, o) INSN(BPF_LDX | BPF_MEMSX | BPF_##size, d, s, o, 0)
#define STX(size, d, s, o) INSN(BPF_STX | BPF_MEM | BPF_##size, d, s, o, 0)
#define ST(size, d, o, i) INSN(BPF_ST | BPF_MEM | BPF_##size, d, 0, o, i)
#define ATOMIC_OP(size, op, d, s, o) INSN(BPF_STX | BPF_ATOMIC | BPF_##size, d, s, o, op)

#define J_K(op, d, i, o) INSN(BPF_JMP | BPF_##op | BPF_K, d, 0, o, i)
#define J_X(op, d, s, o) INSN(BPF_JMP | BPF_##op | BPF_X, d, s, o, 0)
#define J32_K(op, d, i, o) INSN(BPF_JMP32 | BPF_##op | BPF_K, d, 0, o, i)
#define J32_X(op, d, s, o) INSN(BPF_JMP32 | BPF_##op | BPF_X, d, s, o, 0)
#define GOTO(o) INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define GOTOL(o) INSN(BPF_JMP32 | BPF_JA, 0, 0, 0, o)
#define CALL(name) INSN(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_##name)
#define CALL_LOCAL(o) INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, o)
#define EXIT() INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

/* Two slots each. */
#define LDDW(d, v)                                                                                                     \
	INSN(INSN_LDDW, d, 0, 0, (uint32_t)((uint64_t)(v))), INSN(0, 0, 0, 0, (uint32_t)((uint64_t)(v) >> 32))
#define LD_MAP(d, fd) INSN(INSN_LDDW, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define LD_VALUE(d, fd, o) INSN(INSN_LDDW, d, BPF_PSEUDO_MAP_VALUE, 0, fd), INSN(0, 0, 0, 0, o)
#define LD_FUNC(d, o) INSN(INSN_LDDW, d, BPF_PSEUDO_FUNC, 0, o), INSN(0, 0, 0, 0, 0)
