/*
 * Division.
 *
 * By a constant, unsigned: a multiplication by the reciprocal (mulx leaves
 * all registers but its own alone).
 *   32 bits: q = hi64(x * ceil(2^64 / d)), exact for all x, d < 2^32.
 *   64 bits, s = floor(log2 d), m = ceil(2^(64+s) / d), e = m*d - 2^(64+s):
 *	e <= 2^s:  q = hi64(x * m) >> s
 *	else:	   m needs 65 bits; with its low 64 bits m' and t = hi64(x * m'),
 *		   q = (((x - t) >> 1) + t) >> s, where m' belongs to s + 1.
 * Everything else uses div and idiv, which want rax and rdx: these are
 * eBPF's R0 and R3, kept in r10 and r11 meanwhile; the divisor is in r9.
 */
#include "bpf/jit_div.h"

__extension__ typedef unsigned __int128 u128;

static unsigned log2_floor(uint64_t d)
{
	return 63 - (unsigned)__builtin_clzll(d);
}

/* r10 = hi64(dst * m); rdx survives in r9. */
static void mul_high(struct x86 *x, unsigned dst, uint64_t m)
{
	x86_mov_imm(x, R10, m);
	if (dst != RDX) {
		x86_mov(x, 1, R9, RDX);
		x86_mov(x, 1, RDX, dst);
	}
	x86_mulx(x, R10, R11, R10);
	if (dst != RDX)
		x86_mov(x, 1, RDX, R9);
}

static void shift_right(struct x86 *x, unsigned reg, unsigned n)
{
	if (n == 0)
		return;
	x86_group(x, 0xc1, 1, 5, reg);
	x86_byte(x, n);
}

/* r10 = dst / d, 64 bits; d is no power of two. */
static void quotient64(struct x86 *x, unsigned dst, uint64_t d)
{
	unsigned s = log2_floor(d);
	u128 one = (u128)1 << (64 + s), m = (one + d - 1) / d;

	if (m * d - one <= (u128)1 << s) {
		mul_high(x, dst, (uint64_t)m);
		shift_right(x, R10, s);
		return;
	}
	m = ((one << 1) + d - 1) / d;
	mul_high(x, dst, (uint64_t)m);
	x86_mov(x, 1, R11, dst);
	x86_rr(x, X86_SUB, 1, R10, R11);
	shift_right(x, R11, 1);
	x86_rr(x, X86_ADD, 1, R11, R10);
	shift_right(x, R10, s);
}

static void by_power(struct x86 *x, const struct bpf_insn *i, unsigned dst, unsigned s)
{
	int w = insn_class(i) == BPF_ALU64;

	if (insn_op(i) == BPF_MOD) {
		x86_alu_imm(x, ALU_AND, w, dst, (int32_t)((1u << s) - 1));
		return;
	}
	if (!w)
		x86_mov(x, 0, dst, dst);
	shift_right(x, dst, s);
}

static void by_constant(struct x86 *x, const struct bpf_insn *i, unsigned dst)
{
	int w = insn_class(i) == BPF_ALU64;
	uint64_t d = (uint32_t)i->imm;

	if ((d & (d - 1)) == 0) {
		by_power(x, i, dst, log2_floor(d));
		return;
	}
	if (w) {
		quotient64(x, dst, d);
	} else {
		x86_mov(x, 0, dst, dst);
		mul_high(x, dst, UINT64_MAX / d + 1);
	}
	if (insn_op(i) == BPF_DIV) {
		x86_mov(x, w, dst, R10);
		return;
	}
	x86_rr(x, 0x69, w, R10, R10); /* imul r10, r10, d */
	x86_i32(x, i->imm);
	x86_rr(x, X86_SUB, w, R10, dst);
}

/* rdx:rax / r9, result in r9, rax and rdx restored where they are not `dst`. */
static void divide(struct x86 *x, const struct bpf_insn *i, unsigned dst)
{
	int w = insn_class(i) == BPF_ALU64;

	x86_mov(x, 1, R10, RAX);
	x86_mov(x, 1, R11, RDX);
	if (dst != RAX)
		x86_mov(x, w, RAX, dst);
	if (i->off) { /* cqo, cdq */
		if (w)
			x86_byte(x, 0x48);
		x86_byte(x, 0x99);
		x86_group(x, 0xf7, w, 7, R9);
	} else {
		x86_rr(x, X86_XOR, 0, RDX, RDX);
		x86_group(x, 0xf7, w, 6, R9);
	}
	x86_mov(x, w, R9, insn_op(i) == BPF_DIV ? RAX : RDX);
	if (dst != RAX)
		x86_mov(x, 1, RAX, R10);
	if (dst != RDX)
		x86_mov(x, 1, RDX, R11);
	x86_mov(x, w, dst, R9);
}

/* The results that div would trap on: by 0, and the smallest number by -1. */
static void special(struct x86 *x, const struct bpf_insn *i, unsigned dst, bool minus_one)
{
	int w = insn_class(i) == BPF_ALU64;
	bool mod = insn_op(i) == BPF_MOD;

	if (minus_one ? mod : !mod)
		x86_rr(x, X86_XOR, 0, dst, dst);
	else if (minus_one)
		x86_group(x, 0xf7, w, 3, dst); /* neg */
	else if (!w)
		x86_mov(x, 0, dst, dst);
}

void jit_div(struct x86 *x, const struct bpf_insn *i, unsigned dst, int src, bool bmi2)
{
	int w = insn_class(i) == BPF_ALU64;
	size_t nonzero, other, out1, out2 = 0;

	if (src < 0 && i->imm > 0 && !i->off && bmi2) {
		by_constant(x, i, dst);
		return;
	}
	if (src < 0)
		x86_mov_imm(x, R9, (uint64_t)(int64_t)i->imm);
	else
		x86_mov(x, 1, R9, (unsigned)src);
	x86_rr(x, X86_TEST, w, R9, R9);
	nonzero = x86_jump_short(x, X86_JCC_SHORT(CC_NE));
	special(x, i, dst, false);
	out1 = x86_jump_short(x, X86_JMP_SHORT);
	x86_here(x, nonzero);
	if (i->off) {
		x86_alu_imm(x, ALU_CMP, w, R9, -1);
		other = x86_jump_short(x, X86_JCC_SHORT(CC_NE));
		special(x, i, dst, true);
		out2 = x86_jump_short(x, X86_JMP_SHORT);
		x86_here(x, other);
	}
	divide(x, i, dst);
	x86_here(x, out1);
	if (out2)
		x86_here(x, out2);
}
