/*
 * Tristate arithmetic. For sums: adding the values gives the result with no
 * unknown bit set, adding values and masks the one with all set; the bits in
 * which the two differ are those that carries can reach.
 */
#include "bpf/tnum.h"

static struct tnum make(uint64_t value, uint64_t mask)
{
	return (struct tnum){value & ~mask, mask};
}

struct tnum tnum_range(uint64_t min, uint64_t max)
{
	uint64_t differ = min ^ max;

	if (differ == 0)
		return tnum_const(min);
	/* All bits below the highest one that differs. */
	return make(min, UINT64_MAX >> __builtin_clzll(differ));
}

struct tnum tnum_add(struct tnum a, struct tnum b)
{
	uint64_t low = a.value + b.value, high = low + a.mask + b.mask;

	return make(low, (low ^ high) | a.mask | b.mask);
}

struct tnum tnum_sub(struct tnum a, struct tnum b)
{
	uint64_t base = a.value - b.value, low = base - b.mask, high = base + a.mask;

	return make(base, (low ^ high) | a.mask | b.mask);
}

struct tnum tnum_and(struct tnum a, struct tnum b)
{
	uint64_t ones = a.value & b.value, possible = (a.value | a.mask) & (b.value | b.mask);

	return make(ones, possible & ~ones);
}

struct tnum tnum_or(struct tnum a, struct tnum b)
{
	uint64_t ones = a.value | b.value;

	return make(ones, (a.mask | b.mask) & ~ones);
}

struct tnum tnum_xor(struct tnum a, struct tnum b)
{
	return make(a.value ^ b.value, a.mask | b.mask);
}

/* Schoolbook: a known bit of `a` adds b shifted, an unknown one adds b or nothing. */
struct tnum tnum_mul(struct tnum a, struct tnum b)
{
	struct tnum sum = tnum_const(0);

	for (; a.value | a.mask; a = tnum_rsh(a, 1), b = tnum_lsh(b, 1)) {
		if (a.value & 1)
			sum = tnum_add(sum, b);
		else if (a.mask & 1)
			sum = tnum_add(sum, make(0, b.value | b.mask));
	}
	return sum;
}

struct tnum tnum_lsh(struct tnum a, unsigned n)
{
	return (struct tnum){a.value << n, a.mask << n};
}

struct tnum tnum_rsh(struct tnum a, unsigned n)
{
	return (struct tnum){a.value >> n, a.mask >> n};
}

struct tnum tnum_arsh(struct tnum a, unsigned n)
{
	return make((uint64_t)((int64_t)a.value >> n), (uint64_t)((int64_t)a.mask >> n));
}

bool tnum_intersect(struct tnum a, struct tnum b, struct tnum *out)
{
	*out = make(a.value | b.value, a.mask & b.mask);
	return ((a.value ^ b.value) & ~a.mask & ~b.mask) == 0;
}

struct tnum tnum_low(struct tnum a, unsigned bits)
{
	uint64_t keep = bits < 64 ? ((uint64_t)1 << bits) - 1 : UINT64_MAX;

	return (struct tnum){a.value & keep, a.mask & keep};
}

struct tnum tnum_sext(struct tnum a, unsigned bits)
{
	return tnum_arsh(tnum_lsh(a, 64 - bits), 64 - bits);
}

bool tnum_contains(struct tnum a, struct tnum b)
{
	return (b.mask & ~a.mask) == 0 && ((a.value ^ b.value) & ~a.mask) == 0;
}

bool tnum_is_aligned(struct tnum a, uint64_t size)
{
	return ((a.value | a.mask) & (size - 1)) == 0;
}
