/*
 * Arithmetic: never undefined in C, whatever the operands. Division by zero
 * gives 0, modulo by zero the dividend, shifts use the low bits of their
 * count, and the most negative number divided by -1 wraps.
 */
#include "bpf/interp_alu.h"

static uint64_t sdiv64(int64_t a, int64_t b)
{
	if (b == 0)
		return 0;
	return b == -1 ? -(uint64_t)a : (uint64_t)(a / b);
}

static uint64_t smod64(int64_t a, int64_t b)
{
	if (b == 0)
		return (uint64_t)a;
	return b == -1 ? 0 : (uint64_t)(a % b);
}

uint64_t alu64(unsigned op, int off, uint64_t dst, uint64_t src)
{
	switch (op) {
	case BPF_ADD:
		return dst + src;
	case BPF_SUB:
		return dst - src;
	case BPF_MUL:
		return dst * src;
	case BPF_DIV:
		if (off)
			return sdiv64((int64_t)dst, (int64_t)src);
		return src ? dst / src : 0;
	case BPF_MOD:
		if (off)
			return smod64((int64_t)dst, (int64_t)src);
		return src ? dst % src : dst;
	case BPF_OR:
		return dst | src;
	case BPF_AND:
		return dst & src;
	case BPF_XOR:
		return dst ^ src;
	case BPF_LSH:
		return dst << (src & 63);
	case BPF_RSH:
		return dst >> (src & 63);
	case BPF_ARSH:
		return (uint64_t)((int64_t)dst >> (src & 63));
	default: /* BPF_MOV */
		return src;
	}
}

uint32_t alu32(unsigned op, int off, uint32_t dst, uint32_t src)
{
	switch (op) {
	case BPF_LSH:
		return dst << (src & 31);
	case BPF_RSH:
		return dst >> (src & 31);
	case BPF_ARSH:
		return (uint32_t)((int32_t)dst >> (src & 31));
	case BPF_DIV:
	case BPF_MOD:
		if (off)
			return (uint32_t)alu64(op, off, alu_sext(dst, 32), alu_sext(src, 32));
		return (uint32_t)alu64(op, off, dst, src);
	default: /* the low half of the result depends on the low halves only */
		return (uint32_t)alu64(op, off, dst, src);
	}
}

uint64_t alu_end(const struct bpf_insn *i, uint64_t v)
{
	bool swap = insn_class(i) == BPF_ALU64 || BPF_SRC(i->code) == BPF_TO_BE;

	switch (i->imm) {
	case 16:
		return swap ? __builtin_bswap16((uint16_t)v) : (uint16_t)v;
	case 32:
		return swap ? __builtin_bswap32((uint32_t)v) : (uint32_t)v;
	default:
		return swap ? __builtin_bswap64(v) : v;
	}
}

uint64_t alu_sext(uint64_t v, unsigned bits)
{
	switch (bits) {
	case 8:
		return (uint64_t)(int8_t)v;
	case 16:
		return (uint64_t)(int16_t)v;
	default:
		return (uint64_t)(int32_t)v;
	}
}

static bool cond(unsigned op, uint64_t a, uint64_t b, int64_t sa, int64_t sb)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JSLT:
		return sa < sb;
	case BPF_JSLE:
		return sa <= sb;
	default: /* BPF_JSET */
		return (a & b) != 0;
	}
}

bool alu_cond(unsigned op, bool is32, uint64_t a, uint64_t b)
{
	if (is32)
		return cond(op, (uint32_t)a, (uint32_t)b, (int32_t)a, (int32_t)b);
	return cond(op, a, b, (int64_t)a, (int64_t)b);
}
