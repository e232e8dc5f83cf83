/*
 * Tristate numbers: what is known of each bit of a value. A bit set in `mask`
 * is unknown, the others are as in `value`; value & mask == 0 always.
 *
 * Each operation yields a tnum that contains the results for all members of
 * its operands. Pure functions.
 */
#pragma once

#include "base/compiler.h"

struct tnum {
	uint64_t value;
	uint64_t mask;
};

#define TNUM_UNKNOWN ((struct tnum){0, UINT64_MAX})

static inline struct tnum tnum_const(uint64_t v)
{
	return (struct tnum){v, 0};
}

static inline bool tnum_is_const(struct tnum a)
{
	return a.mask == 0;
}

/* The smallest tnum that holds all of min to max. */
struct tnum tnum_range(uint64_t min, uint64_t max);
struct tnum tnum_add(struct tnum a, struct tnum b);
struct tnum tnum_sub(struct tnum a, struct tnum b);
struct tnum tnum_and(struct tnum a, struct tnum b);
struct tnum tnum_or(struct tnum a, struct tnum b);
struct tnum tnum_xor(struct tnum a, struct tnum b);
struct tnum tnum_mul(struct tnum a, struct tnum b);
struct tnum tnum_lsh(struct tnum a, unsigned n);
struct tnum tnum_rsh(struct tnum a, unsigned n);
struct tnum tnum_arsh(struct tnum a, unsigned n);
/* What is known by either; false where they contradict each other. */
bool tnum_intersect(struct tnum a, struct tnum b, struct tnum *out);
/* The low `bits` bits, the others zero. */
struct tnum tnum_low(struct tnum a, unsigned bits);
/* The low `bits` bits, the others as bit bits-1. */
struct tnum tnum_sext(struct tnum a, unsigned bits);
/* Is every member of `b` one of `a`? */
bool tnum_contains(struct tnum a, struct tnum b);
/* Is every member a multiple of `size`, a power of two? */
bool tnum_is_aligned(struct tnum a, uint64_t size);
