/*
 * The Bloom filter: bits that are only ever set, by atomic instructions. No
 * lock, nothing to undo: who dies has set some of its bits, which is a value
 * that was not put in and may seem to be.
 */
#include "maps/internal.h"
#include "maps/jhash.h"

#define BLOOM_FLAGS                                                                                                    \
	(BPF_F_NUMA_NODE | BPF_F_ZERO_SEED | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)
#define HASHES_DEFAULT 5u
#define VALUE_MAX 1024u /* copied onto the stack before it is hashed */

enum {
	OWN_HASHES,
	OWN_MASK,
	OWN_SEED,
};

static uint64_t bits_for(uint64_t entries, uint64_t hashes)
{
	uint64_t bits = entries * hashes * 7 / 5, n = 64;

	if (entries * hashes * 7 > UINT32_MAX || bits > 1ull << 31)
		return 1ull << 32;
	while (n < bits)
		n *= 2;
	return n;
}

static int plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	uint64_t hashes = a->extra & 15, bits;

	if (a->key_size || !a->value_size || !a->max_entries || (a->flags & ~(uint32_t)BLOOM_FLAGS) ||
	    check_access_flags(a->flags) || (a->extra & ~15ull))
		return -EINVAL;
	if (a->value_size > VALUE_MAX)
		return -E2BIG;
	hashes = hashes ? hashes : HASHES_DEFAULT;
	bits = bits_for(a->max_entries, hashes);
	m->own[OWN_HASHES] = hashes;
	m->own[OWN_MASK] = bits - 1;
	m->own[OWN_SEED] = (uint32_t)m->secret;
	m->values = plan_room(m, bits / 8, 1, 64);
	return 0;
}

static uint32_t bit_of(const struct map *m, const void *value, uint32_t k)
{
	uint32_t seed = (uint32_t)m->own[OWN_SEED] + k;
	uint32_t h =
	    m->value_size % 4 ? jhash(value, m->value_size, seed) : jhash_words(value, m->value_size / 4, seed);

	return h & (uint32_t)m->own[OWN_MASK];
}

static int each_bit(struct map *m, const void *value, bool set)
{
	uint64_t *bits = map_ptr(m, m->values);

	for (uint32_t k = 0; k < m->own[OWN_HASHES]; k++) {
		uint32_t b = bit_of(m, value, k);
		uint64_t bit = 1ull << b % 64;

		if (set)
			fetch_or(&bits[b / 64], bit);
		else if (!(load_relaxed(&bits[b / 64]) & bit))
			return -ENOENT;
	}
	return 0;
}

/* A value of the caller's, whole, before the first bit is set. */
static int with_value(struct map *m, const void *value, struct side s, bool set)
{
	uint64_t buf[VALUE_MAX / 8];

	if (!s.user)
		return each_bit(m, value, set);
	return copy_in(s, buf, value, m->value_size) ? -EFAULT : each_bit(m, buf, set);
}

static int push(struct task *t, struct map *m, const void *value, uint64_t flags, struct side s)
{
	return flags != BPF_ANY ? -EINVAL : with_value(m, value, s, true);
}

static int peek(struct task *t, struct map *m, void *value, struct side s)
{
	return with_value(m, value, s, false);
}

static int no_pop(struct task *t, struct map *m, void *value, struct side s)
{
	return -MAP_ENOTSUPP;
}

static int no_remove(struct task *t, struct map *m, const void *key)
{
	return -EOPNOTSUPP;
}

static int no_next(struct task *t, struct map *m, const void *key, void *next)
{
	return -EOPNOTSUPP;
}

const struct map_ops bloom_ops = {
    .plan = plan, .push = push, .peek = peek, .pop = no_pop, .remove = no_remove, .next = no_next};
