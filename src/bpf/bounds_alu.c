/*
 * Arithmetic on sets of numbers.
 *
 * 32-bit operations are computed twice in 64 bits, once with both operands
 * zero extended and once sign extended: the low halves of both results are the
 * result, and each brings the ranges that it has not lost to a wrap. An
 * operation that looks at more than the low half of its operands (right
 * shifts, division) is computed only with the extension that it means.
 */
#include "bpf/bounds.h"
#include "bpf/interp_alu.h"

static struct bounds with_bits(struct tnum bits)
{
	struct bounds out = bounds_unknown();

	out.bits = bits;
	return out;
}

static struct bounds add(const struct bounds *a, const struct bounds *b)
{
	struct bounds out = with_bits(tnum_add(a->bits, b->bits));
	uint64_t umin, umax;
	int64_t smin, smax;

	/* Both ends wrap, or none: the range stays in one piece. */
	if (__builtin_add_overflow(a->umin, b->umin, &umin) == __builtin_add_overflow(a->umax, b->umax, &umax)) {
		out.umin = umin;
		out.umax = umax;
	}
	if (!__builtin_add_overflow(a->smin, b->smin, &smin) && !__builtin_add_overflow(a->smax, b->smax, &smax)) {
		out.smin = smin;
		out.smax = smax;
	}
	return out;
}

static struct bounds sub(const struct bounds *a, const struct bounds *b)
{
	struct bounds out = with_bits(tnum_sub(a->bits, b->bits));
	int64_t smin, smax;

	if (a->umin >= b->umax) {
		out.umin = a->umin - b->umax;
		out.umax = a->umax - b->umin;
	}
	if (!__builtin_sub_overflow(a->smin, b->smax, &smin) && !__builtin_sub_overflow(a->smax, b->smin, &smax)) {
		out.smin = smin;
		out.smax = smax;
	}
	return out;
}

static struct bounds mul(const struct bounds *a, const struct bounds *b)
{
	struct bounds out = with_bits(tnum_mul(a->bits, b->bits));
	uint64_t umax;
	int64_t p[4];

	if (!__builtin_mul_overflow(a->umax, b->umax, &umax)) {
		out.umin = a->umin * b->umin;
		out.umax = umax;
	}
	if (__builtin_mul_overflow(a->smin, b->smin, &p[0]) || __builtin_mul_overflow(a->smin, b->smax, &p[1]) ||
	    __builtin_mul_overflow(a->smax, b->smin, &p[2]) || __builtin_mul_overflow(a->smax, b->smax, &p[3]))
		return out;
	out.smin = min_of(min_of(p[0], p[1]), min_of(p[2], p[3]));
	out.smax = max_of(max_of(p[0], p[1]), max_of(p[2], p[3]));
	return out;
}

static struct bounds and (const struct bounds *a, const struct bounds *b)
{
	struct bounds out = with_bits(tnum_and(a->bits, b->bits));

	out.umax = min_of(a->umax, b->umax);
	if (a->smin >= 0 || b->smin >= 0)
		out.smin = 0;
	return out;
}

static struct bounds or (const struct bounds *a, const struct bounds *b)
{
	struct bounds out = with_bits(tnum_or(a->bits, b->bits));

	out.umin = max_of(a->umin, b->umin);
	return out;
}

static struct bounds unsigned_div(const struct bounds *a, const struct bounds *b)
{
	struct bounds out = bounds_unknown();

	/* By 0 the result is 0. */
	out.umin = b->umin ? a->umin / b->umax : 0;
	out.umax = b->umin ? a->umax / b->umin : a->umax;
	return out;
}

static struct bounds unsigned_mod(const struct bounds *a, const struct bounds *b)
{
	struct bounds out = bounds_unknown();

	if (b->umin && a->umax < b->umin)
		return *a;
	out.umax = b->umin ? min_of(a->umax, b->umax - 1) : a->umax;
	return out;
}

static struct bounds shift(unsigned op, unsigned width, const struct bounds *a, const struct bounds *b)
{
	struct bounds out = bounds_unknown();
	unsigned n = (unsigned)b->umin;

	if (b->umax >= width)
		return out;
	if (op == BPF_LSH) {
		if (bounds_is_const(b))
			out.bits = tnum_lsh(a->bits, n);
		if (a->umax <= UINT64_MAX >> b->umax) {
			out.umin = a->umin << n;
			out.umax = a->umax << b->umax;
		}
		if (bounds_is_const(b) && a->smin >= INT64_MIN >> n && a->smax <= INT64_MAX >> n) {
			out.smin = (int64_t)((uint64_t)a->smin << n);
			out.smax = (int64_t)((uint64_t)a->smax << n);
		}
	} else if (op == BPF_RSH) {
		if (bounds_is_const(b))
			out.bits = tnum_rsh(a->bits, n);
		out.umin = a->umin >> b->umax;
		out.umax = a->umax >> n;
	} else {
		if (bounds_is_const(b))
			out.bits = tnum_arsh(a->bits, n);
		out.smin = a->smin >> (a->smin < 0 ? n : b->umax);
		out.smax = a->smax >> (a->smax < 0 ? b->umax : n);
	}
	return out;
}

/* The operation on 64 bits; `width` is that of the instruction, for shifts. */
static struct bounds wide(const struct bpf_insn *i, unsigned width, const struct bounds *a, const struct bounds *b)
{
	unsigned op = insn_op(i);

	if (bounds_is_const(a) && bounds_is_const(b) && width == 64)
		return bounds_const(alu64(op, i->off, a->bits.value, b->bits.value));
	switch (op) {
	case BPF_ADD:
		return add(a, b);
	case BPF_SUB:
		return sub(a, b);
	case BPF_MUL:
		return mul(a, b);
	case BPF_AND:
		return and(a, b);
	case BPF_OR:
		return or (a, b);
	case BPF_XOR:
		return with_bits(tnum_xor(a->bits, b->bits));
	case BPF_DIV:
		return i->off ? bounds_unknown() : unsigned_div(a, b);
	case BPF_MOD:
		return i->off ? bounds_unknown() : unsigned_mod(a, b);
	case BPF_MOV:
		return *b;
	default:
		return shift(op, width, a, b);
	}
}

/* With which extension of the operands does the low half come out right? */
static bool fits_zext(const struct bpf_insn *i)
{
	unsigned op = insn_op(i);

	return op != BPF_ARSH && !((op == BPF_DIV || op == BPF_MOD) && i->off);
}

static bool fits_sext(const struct bpf_insn *i)
{
	unsigned op = insn_op(i);

	return op != BPF_RSH && op != BPF_DIV && op != BPF_MOD;
}

static struct bounds narrow(const struct bpf_insn *i, const struct bounds *a, const struct bounds *b)
{
	struct bounds out = bounds_range(0, UINT32_MAX), r, x, y;

	if (bounds_is_const(a) && bounds_is_const(b))
		return bounds_const(alu32(insn_op(i), i->off, (uint32_t)a->bits.value, (uint32_t)b->bits.value));
	y = bounds_zext32(b);
	if (fits_zext(i)) {
		x = bounds_zext32(a);
		r = wide(i, 32, &x, &y);
		bounds_sync(&r);
		r = bounds_zext32(&r);
		bounds_intersect(&out, &r);
	}
	if (fits_sext(i)) {
		x = bounds_sext(a, 32);
		if (insn_op(i) != BPF_LSH && insn_op(i) != BPF_ARSH)
			y = bounds_sext(b, 32);
		r = wide(i, 32, &x, &y);
		bounds_sync(&r);
		r = bounds_zext32(&r);
		bounds_intersect(&out, &r);
	}
	return out;
}

static struct bounds swapped(const struct bpf_insn *i, const struct bounds *a)
{
	bool swap = insn_class(i) == BPF_ALU64 || BPF_SRC(i->code) == BPF_TO_BE;

	if (bounds_is_const(a))
		return bounds_const(alu_end(i, a->bits.value));
	if (!swap)
		return bounds_zext(a, (unsigned)i->imm);
	return i->imm == 64 ? bounds_unknown() : bounds_range(0, ((uint64_t)1 << i->imm) - 1);
}

struct bounds bounds_alu(const struct bpf_insn *i, const struct bounds *a, const struct bounds *b)
{
	const struct bounds zero = bounds_const(0);
	struct bpf_insn minus = *i;
	struct bounds out;

	if (insn_op(i) == BPF_END)
		return swapped(i, a);
	if (insn_op(i) == BPF_NEG) {
		minus.code = (uint8_t)(insn_class(i) | BPF_SUB | BPF_X);
		return bounds_alu(&minus, &zero, a);
	}
	if (insn_class(i) == BPF_ALU)
		return narrow(i, a, b);
	out = wide(i, 64, a, b);
	bounds_sync(&out);
	return out;
}
