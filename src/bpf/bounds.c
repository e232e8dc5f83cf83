/*
 * Sets of numbers, and how the six views of one inform each other.
 *
 * Everything is narrowed with intersections only, so a view is never wrong
 * for want of information in another; at worst it is wide.
 */
#include "bpf/bounds.h"

struct bounds bounds_unknown(void)
{
	return (struct bounds){TNUM_UNKNOWN, 0, UINT64_MAX, INT64_MIN, INT64_MAX, 0, UINT32_MAX, INT32_MIN, INT32_MAX};
}

struct bounds bounds_range(uint64_t min, uint64_t max)
{
	struct bounds b = bounds_unknown();

	b.umin = min;
	b.umax = max;
	bounds_sync(&b);
	return b;
}

struct bounds bounds_signed(int64_t min, int64_t max)
{
	struct bounds b = bounds_unknown();

	b.smin = min;
	b.smax = max;
	bounds_sync(&b);
	return b;
}

struct bounds bounds_const(uint64_t v)
{
	uint32_t low = (uint32_t)v;

	return (struct bounds){tnum_const(v), v, v, (int64_t)v, (int64_t)v, low, low, (int32_t)low, (int32_t)low};
}

static void unsigned_within(struct bounds *b, uint64_t min, uint64_t max)
{
	b->umin = max_of(b->umin, min);
	b->umax = min_of(b->umax, max);
}

static void signed_within(struct bounds *b, int64_t min, int64_t max)
{
	b->smin = max_of(b->smin, min);
	b->smax = min_of(b->smax, max);
}

static void unsigned32_within(struct bounds *b, uint32_t min, uint32_t max)
{
	b->umin32 = max_of(b->umin32, min);
	b->umax32 = min_of(b->umax32, max);
}

static void signed32_within(struct bounds *b, int32_t min, int32_t max)
{
	b->smin32 = max_of(b->smin32, min);
	b->smax32 = min_of(b->smax32, max);
}

static void from_bits(struct bounds *b)
{
	uint64_t min = b->bits.value, max = b->bits.value | b->bits.mask;

	unsigned_within(b, min, max);
	unsigned32_within(b, (uint32_t)min, (uint32_t)max);
}

/* Where a range does not cross the wrap of the other view, it is a range there too. */
static void signs(struct bounds *b)
{
	if ((int64_t)b->umin <= (int64_t)b->umax)
		signed_within(b, (int64_t)b->umin, (int64_t)b->umax);
	if ((uint64_t)b->smin <= (uint64_t)b->smax)
		unsigned_within(b, (uint64_t)b->smin, (uint64_t)b->smax);
	if ((int32_t)b->umin32 <= (int32_t)b->umax32)
		signed32_within(b, (int32_t)b->umin32, (int32_t)b->umax32);
	if ((uint32_t)b->smin32 <= (uint32_t)b->smax32)
		unsigned32_within(b, (uint32_t)b->smin32, (uint32_t)b->smax32);
}

/* Between the 64 bits and their low half. */
static void halves(struct bounds *b)
{
	if (b->umin >> 32 == b->umax >> 32) {
		uint64_t high = b->umin >> 32 << 32;

		unsigned32_within(b, (uint32_t)b->umin, (uint32_t)b->umax);
		unsigned_within(b, high | b->umin32, high | b->umax32);
	}
	if (b->smin >= INT32_MIN && b->smax <= INT32_MAX) {
		signed32_within(b, (int32_t)b->smin, (int32_t)b->smax);
		signed_within(b, b->smin32, b->smax32);
	}
}

static bool to_bits(struct bounds *b)
{
	struct tnum low, high;

	if (!tnum_intersect(b->bits, tnum_range(b->umin, b->umax), &b->bits))
		return false;
	low = tnum_range(b->umin32, b->umax32);
	high = tnum_lsh(tnum_rsh(b->bits, 32), 32);
	low = (struct tnum){low.value | high.value, low.mask | high.mask};
	return tnum_intersect(b->bits, low, &b->bits);
}

static bool is_empty(const struct bounds *b)
{
	return b->umin > b->umax || b->smin > b->smax || b->umin32 > b->umax32 || b->smin32 > b->smax32;
}

bool bounds_sync(struct bounds *b)
{
	for (int round = 0; round < 2; round++) {
		from_bits(b);
		if (is_empty(b))
			return false;
		signs(b);
		if (is_empty(b))
			return false;
		halves(b);
		if (is_empty(b))
			return false;
		signs(b);
		if (is_empty(b) || !to_bits(b))
			return false;
	}
	from_bits(b);
	return !is_empty(b);
}

bool bounds_contain(const struct bounds *b, const struct bounds *in)
{
	return b->umin <= in->umin && b->umax >= in->umax && b->smin <= in->smin && b->smax >= in->smax &&
	       b->umin32 <= in->umin32 && b->umax32 >= in->umax32 && b->smin32 <= in->smin32 &&
	       b->smax32 >= in->smax32 && tnum_contains(b->bits, in->bits);
}

bool bounds_intersect(struct bounds *b, const struct bounds *with)
{
	if (!tnum_intersect(b->bits, with->bits, &b->bits))
		return false;
	unsigned_within(b, with->umin, with->umax);
	signed_within(b, with->smin, with->smax);
	unsigned32_within(b, with->umin32, with->umax32);
	signed32_within(b, with->smin32, with->smax32);
	return !is_empty(b) && bounds_sync(b);
}

/* --- width --- */

struct bounds bounds_zext32(const struct bounds *b)
{
	struct bounds out = bounds_unknown();

	out.bits = tnum_low(b->bits, 32);
	out.umin = b->umin32;
	out.umax = b->umax32;
	out.umin32 = b->umin32;
	out.umax32 = b->umax32;
	out.smin32 = b->smin32;
	out.smax32 = b->smax32;
	bounds_sync(&out);
	return out;
}

struct bounds bounds_zext(const struct bounds *b, unsigned bits)
{
	struct bounds out = bounds_unknown();
	uint64_t top = bits < 64 ? ((uint64_t)1 << bits) - 1 : UINT64_MAX;

	if (bits == 32)
		return bounds_zext32(b);
	if (b->umax <= top)
		return *b;
	out.bits = tnum_low(b->bits, bits);
	bounds_sync(&out);
	return out;
}

struct bounds bounds_sext(const struct bounds *b, unsigned bits)
{
	struct bounds out = bounds_unknown();
	int64_t top = ((int64_t)1 << (bits - 1)) - 1;

	if (b->smin >= -top - 1 && b->smax <= top)
		return *b;
	out.bits = tnum_sext(b->bits, bits);
	out.smin = -top - 1;
	out.smax = top;
	if (bits == 32)
		signed_within(&out, b->smin32, b->smax32);
	bounds_sync(&out);
	return out;
}

/* --- conditions --- */

unsigned bounds_inverse(unsigned op)
{
	switch (op) {
	case BPF_JEQ:
		return BPF_JNE;
	case BPF_JNE:
		return BPF_JEQ;
	case BPF_JGT:
		return BPF_JLE;
	case BPF_JGE:
		return BPF_JLT;
	case BPF_JLT:
		return BPF_JGE;
	case BPF_JLE:
		return BPF_JGT;
	case BPF_JSGT:
		return BPF_JSLE;
	case BPF_JSGE:
		return BPF_JSLT;
	case BPF_JSLT:
		return BPF_JSGE;
	case BPF_JSLE:
		return BPF_JSGT;
	default:
		return BOUNDS_JNSET;
	}
}

static bool assume_unsigned(unsigned op, struct bounds *a, struct bounds *b)
{
	bool strict = op == BPF_JLT;

	if (op == BPF_JGT || op == BPF_JGE)
		return assume_unsigned(op == BPF_JGT ? BPF_JLT : BPF_JLE, b, a);
	if (strict && (b->umax == 0 || a->umin == UINT64_MAX))
		return false;
	a->umax = min_of(a->umax, b->umax - strict);
	b->umin = max_of(b->umin, a->umin + strict);
	return true;
}

static bool assume_signed(unsigned op, struct bounds *a, struct bounds *b)
{
	bool strict = op == BPF_JSLT;

	if (op == BPF_JSGT || op == BPF_JSGE)
		return assume_signed(op == BPF_JSGT ? BPF_JSLT : BPF_JSLE, b, a);
	if (strict && (b->smax == INT64_MIN || a->smin == INT64_MAX))
		return false;
	a->smax = min_of(a->smax, b->smax - strict);
	b->smin = max_of(b->smin, a->smin + strict);
	return true;
}

/* a differs from the number v: that narrows where v is an end of the range. */
static bool assume_not(struct bounds *a, uint64_t v)
{
	if (a->umin == v && a->umax == v)
		return false;
	a->umin += a->umin == v;
	a->umax -= a->umax == v;
	a->smin += a->smin == (int64_t)v;
	a->smax -= a->smax == (int64_t)v;
	return true;
}

static bool assume_bits(unsigned op, struct bounds *a, const struct bounds *b)
{
	uint64_t v = b->bits.value;

	if (!bounds_is_const(b))
		return true;
	if (op == BOUNDS_JNSET)
		return tnum_intersect(a->bits, (struct tnum){0, ~v}, &a->bits);
	if (v == 0)
		return false;
	if ((v & (v - 1)) == 0) /* one bit: it is set */
		return tnum_intersect(a->bits, (struct tnum){v, ~v}, &a->bits);
	return true;
}

static bool assume64(unsigned op, struct bounds *a, struct bounds *b)
{
	bool ok = true;

	switch (op) {
	case BPF_JEQ:
		ok = bounds_intersect(a, b);
		*b = *a;
		break;
	case BPF_JNE:
		if (bounds_is_const(b))
			ok = assume_not(a, b->bits.value);
		else if (bounds_is_const(a))
			ok = assume_not(b, a->bits.value);
		break;
	case BPF_JSET:
	case BOUNDS_JNSET:
		ok = assume_bits(op, a, b);
		break;
	case BPF_JSGT:
	case BPF_JSGE:
	case BPF_JSLT:
	case BPF_JSLE:
		ok = assume_signed(op, a, b);
		break;
	default:
		ok = assume_unsigned(op, a, b);
	}
	return ok && !is_empty(a) && !is_empty(b) && bounds_sync(a) && bounds_sync(b);
}

static bool is_signed(unsigned op)
{
	return op == BPF_JSGT || op == BPF_JSGE || op == BPF_JSLT || op == BPF_JSLE;
}

/* What is now known of the low half, taken over into the whole. */
static bool take_low(struct bounds *b, const struct bounds *low)
{
	struct tnum bits = {low->bits.value & UINT32_MAX, low->bits.mask | ~(uint64_t)UINT32_MAX};

	bits.value &= ~bits.mask;
	unsigned32_within(b, low->umin32, low->umax32);
	signed32_within(b, low->smin32, low->smax32);
	return tnum_intersect(b->bits, bits, &b->bits) && !is_empty(b) && bounds_sync(b);
}

bool bounds_assume(unsigned op, bool is32, struct bounds *a, struct bounds *b)
{
	struct bounds low_a, low_b;

	if (!is32)
		return assume64(op, a, b);
	low_a = is_signed(op) ? bounds_sext(a, 32) : bounds_zext32(a);
	low_b = is_signed(op) ? bounds_sext(b, 32) : bounds_zext32(b);
	if (!assume64(op, &low_a, &low_b))
		return false;
	return take_low(a, &low_a) && take_low(b, &low_b);
}

int bounds_taken(unsigned op, bool is32, const struct bounds *a, const struct bounds *b)
{
	struct bounds x = *a, y = *b;

	if (!bounds_assume(op, is32, &x, &y))
		return 0;
	x = *a;
	y = *b;
	if (!bounds_assume(bounds_inverse(op), is32, &x, &y))
		return 1;
	return -1;
}
