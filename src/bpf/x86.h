/*
 * Encoding of the x86-64 instructions that the compiler uses, into a growing
 * buffer. Nothing here knows eBPF.
 *
 * An operand size is `w`: 1 for 64 bits, 0 for 32 (which clears the upper
 * half of the destination).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

enum x86_reg {
	RAX = 0,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R9,
	R10,
	R11,
	R12,
	R13,
	R14,
	R15,
};

/* Condition codes, as in jcc. */
enum x86_cc {
	CC_B = 2,
	CC_AE = 3,
	CC_E = 4,
	CC_NE = 5,
	CC_BE = 6,
	CC_A = 7,
	CC_L = 12,
	CC_GE = 13,
	CC_LE = 14,
	CC_G = 15,
};

/* One-byte opcodes of the form `op rm, reg`. */
enum x86_op {
	X86_ADD = 0x01,
	X86_OR = 0x09,
	X86_AND = 0x21,
	X86_SUB = 0x29,
	X86_XOR = 0x31,
	X86_CMP = 0x39,
	X86_TEST = 0x85,
	X86_MOV = 0x89,
};

/* A memory operand [base + disp], or [base + index + disp]. */
struct x86_mem {
	unsigned base;
	int32_t disp;
	bool indexed;
	unsigned index;
};

struct x86 {
	uint8_t *buf; /* owned */
	size_t len, cap;
	int err; /* -ENOMEM: what follows is not written */
};

void x86_bytes(struct x86 *x, const void *bytes, size_t n);
void x86_byte(struct x86 *x, unsigned b);
void x86_i32(struct x86 *x, int32_t v);
void x86_i64(struct x86 *x, uint64_t v);

/* op rm, reg: both registers. */
void x86_rr(struct x86 *x, unsigned op, int w, unsigned reg, unsigned rm);
/* 0f op reg, rm: both registers. */
void x86_rr_0f(struct x86 *x, unsigned op, int w, unsigned reg, unsigned rm);
/* The group `op /ext rm`: a register. */
void x86_group(struct x86 *x, unsigned op, int w, unsigned ext, unsigned rm);
/*
 * A memory instruction: `prefix` (0: none; 0x66, 0xf0), `op` (0x0fXX takes the
 * two-byte map). With byte_reg the register operand is an 8-bit one.
 */
struct x86_access {
	uint8_t prefix;
	uint16_t op;
	uint8_t w;
	uint8_t byte_reg;
};
void x86_rm(struct x86 *x, struct x86_access a, unsigned reg, struct x86_mem m);

/* add, or, and, sub, xor, cmp with a constant; `ext` is the group number. */
enum x86_alu {
	ALU_ADD = 0,
	ALU_OR = 1,
	ALU_AND = 4,
	ALU_SUB = 5,
	ALU_XOR = 6,
	ALU_CMP = 7,
};
void x86_alu_imm(struct x86 *x, enum x86_alu ext, int w, unsigned rm, int32_t imm);
/* mov in the shortest form. */
void x86_mov_imm(struct x86 *x, unsigned reg, uint64_t v);
void x86_mov(struct x86 *x, int w, unsigned dst, unsigned src);
/* lea dst, [base + disp]; lea dst, [base + index << scale + disp8] */
void x86_lea(struct x86 *x, unsigned dst, struct x86_mem m);
void x86_lea_index(struct x86 *x, unsigned dst, unsigned base, unsigned index, unsigned scale);
void x86_push(struct x86 *x, unsigned reg);
void x86_pop(struct x86 *x, unsigned reg);

/* BMI2: three operands, no flags. pp: 1 shlx, 2 sarx, 3 shrx. */
void x86_shiftx(struct x86 *x, unsigned pp, int w, unsigned dst, unsigned src, unsigned count);
/* mulx hi, lo, src: the product with rdx. */
void x86_mulx(struct x86 *x, unsigned hi, unsigned lo, unsigned src);

/* A short jump forward whose end x86_here() sets: at most 127 bytes. */
size_t x86_jump_short(struct x86 *x, unsigned opcode);
void x86_here(struct x86 *x, size_t jump);
#define X86_JCC_SHORT(cc) (0x70u | (cc))
#define X86_JMP_SHORT 0xebu
