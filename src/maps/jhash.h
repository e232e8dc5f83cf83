/*
 * Bob Jenkins' hash for tables ("lookup3", in the public domain), as the kernel
 * uses it: a Bloom filter that is made without a seed has the same false
 * positives here and there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define JHASH_START 0xdeadbeefu

static inline uint32_t jhash_rot(uint32_t x, unsigned k)
{
	return x << k | x >> (32 - k);
}

static inline void jhash_mix(uint32_t v[3])
{
	static const uint8_t by[6] = {4, 6, 8, 16, 19, 4};

	for (unsigned i = 0; i < 6; i++) {
		uint32_t *a = &v[i % 3], *b = &v[(i + 1) % 3], *c = &v[(i + 2) % 3];

		*a = (*a - *c) ^ jhash_rot(*c, by[i]);
		*c += *b;
	}
}

static inline void jhash_final(uint32_t v[3])
{
	static const uint8_t by[7] = {14, 11, 25, 16, 4, 14, 24};

	for (unsigned i = 0; i < 7; i++) {
		uint32_t *to = &v[(i + 2) % 3], from = v[(i + 1) % 3];

		*to = (*to ^ from) - jhash_rot(from, by[i]);
	}
}

static inline uint32_t jhash(const void *key, uint32_t len, uint32_t seed)
{
	uint32_t v[3] = {JHASH_START + len + seed, JHASH_START + len + seed, JHASH_START + len + seed};
	const uint8_t *k = key;

	for (; len > 12; len -= 12, k += 12) {
		for (unsigned i = 0; i < 12; i++)
			v[i / 4] += (uint32_t)k[i] << i % 4 * 8;
		jhash_mix(v);
	}
	if (len == 0)
		return v[2];
	for (unsigned i = 0; i < len; i++)
		v[i / 4] += (uint32_t)k[i] << i % 4 * 8;
	jhash_final(v);
	return v[2];
}

/* The same of `n` words; differs from jhash() in its start. */
static inline uint32_t jhash_words(const void *key, uint32_t n, uint32_t seed)
{
	uint32_t start = JHASH_START + (n << 2) + seed, v[3] = {start, start, start}, w[3];
	const uint8_t *k = key;

	for (; n > 3; n -= 3, k += 12) {
		__builtin_memcpy(w, k, 12);
		for (unsigned i = 0; i < 3; i++)
			v[i] += w[i];
		jhash_mix(v);
	}
	if (n == 0)
		return v[2];
	__builtin_memcpy(w, k, n * 4);
	for (unsigned i = 0; i < n; i++)
		v[i] += w[i];
	jhash_final(v);
	return v[2];
}
