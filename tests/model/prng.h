/*
 * The generator's random numbers: xoshiro256** (Blackman, Vigna), seeded by
 * splitmix64. Its own, so that a seed means the same sequence on every libc.
 */
#pragma once

#include <stdint.h>

struct prng {
	uint64_t s[4];
};

static inline uint64_t prng_mix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static inline void prng_seed(struct prng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = prng_mix(&seed);
}

static inline uint64_t prng_rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static inline uint64_t prng_next(struct prng *r)
{
	uint64_t *s = r->s, result = prng_rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = prng_rotl(s[3], 45);
	return result;
}

/* 0 to n - 1. The bias of the remainder is below 2^-32 for the n used here. */
static inline uint64_t prng_below(struct prng *r, uint64_t n)
{
	return prng_next(r) % n;
}

/* True in `percent` of 100 cases. */
static inline int prng_chance(struct prng *r, unsigned percent)
{
	return prng_below(r, 100) < percent;
}
