/*
 * A keyed 64-bit hash of short strings: eight bytes a step, mixed by the
 * folded 128-bit product. Keyed by a secret of the pool, so that nobody can
 * prepare names that collide in it. Not cryptographic. Freestanding.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t hash_load(const void *p, size_t n)
{
	uint64_t v = 0;

	__builtin_memcpy(&v, p, n);
	return v;
}

/* The up to seven bytes that are left, without reading past them. */
static inline uint64_t hash_tail(const unsigned char *p, size_t n)
{
	if (n >= 4)
		return hash_load(p, 4) | hash_load(p + n - 4, 4) << 32;
	if (n == 0)
		return 0;
	return (uint64_t)p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16;
}

static inline uint64_t hash_bytes(uint64_t secret, const void *data, size_t len)
{
	const unsigned char *p = data;
	uint64_t h = secret ^ (len * 0x9e3779b97f4a7c15u);

	for (; len >= 8; len -= 8, p += 8)
		h = hash_fold(h ^ hash_load(p, 8), 0xa0761d6478bd642fu);
	h = hash_fold(h ^ hash_tail(p, len), 0xe7037ed1a0b428dbu);
	return hash_fold(h ^ secret, 0x8ebc6af09c88c6e3u);
}
