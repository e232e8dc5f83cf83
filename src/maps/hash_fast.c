/*
 * Hashes with keys of 4 or 8 bytes and values of 8: what programs do most, with
 * all sizes constant. Compiled code calls these by numbers of their own
 * (map_info.fast_*); whatever is out of the ordinary goes the usual way.
 */
#include "base/hash.h"
#include "maps/hash.h"
#include "maps/help.h"

#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t load_key(const void *key, unsigned size)
{
	return size == 4 ? (uint32_t)hash_load(key, 4) : hash_load(key, 8);
}

/* As hash_of(). */
INLINE uint32_t hash_small(const struct map *m, uint64_t key)
{
	uint64_t h = hash_fold(key ^ m->secret, 0xa0761d6478bd642fu);

	return (uint32_t)(h ^ h >> 32);
}

/* The chain, up to the key: its number, or 0. */
racy_read INLINE uint32_t walk(const struct map *m, uint64_t key, uint32_t hash, unsigned size)
{
	uint32_t i = load_relaxed(hash_head(m, hash));

	for (uint32_t n = 0; i != 0 && i <= m->nelems && n <= m->nelems; n++) {
		const struct elem *e = hash_elem(m, i);

		if (load_relaxed(&e->hash) == hash && load_relaxed(&e->key[0]) == key)
			return i;
		i = load_relaxed(&e->next);
	}
	return 0;
}

INLINE uint32_t find(struct task *t, struct map *m, const void *key, unsigned size)
{
	uint64_t k = load_key(key, size), seq;
	uint32_t hash = hash_small(m, k), i;
	struct stripe *s = hash_stripe(m, hash);

	do {
		if (unlikely(seq_begin(t, &s->word, &seq)))
			return 0;
		i = walk(m, k, hash, size);
	} while (!seq_valid(&s->word, seq));
	return i;
}

INLINE uint64_t lookup(uint64_t map, uint64_t key, struct run *run, unsigned size)
{
	struct map *m = map_arg(map);
	uint32_t i = find(task_of(run), m, ptr(key), size);

	return i ? addr(hash_elem(m, i)) + m->value_at : 0;
}

INLINE uint64_t lookup_cpu(uint64_t map, uint64_t key, struct run *run, unsigned size)
{
	struct map *m = map_arg(map);
	uint32_t cpu = likely(run->cpu) ? run->cpu - 1 : maps_cpu(run), i = find(task_of(run), m, ptr(key), size);

	return i ? map + m->values + cpu * m->cpu_stride + (uint64_t)(i - 1) * m->stride : 0;
}

INLINE uint64_t update(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, struct run *run, unsigned size)
{
	struct map *m = map_arg(map);
	uint64_t k = load_key(ptr(key), size);
	uint32_t hash = hash_small(m, k), i;
	struct stripe *s = hash_stripe(m, hash);
	struct task *t = task_of(run);
	int err = 0;

	if (unlikely(flags != BPF_ANY) || unlikely(fast_lock(t, &s->word)))
		return num(map_ops(m->type)->update(t, m, ptr(key), ptr(value), flags, (struct side){0}));
	if (unlikely(s->taken || s->replaced))
		hash_repair(t, m, s);
	i = walk(m, k, hash, size);
	if (likely(i))
		store_relaxed((uint64_t *)(void *)((char *)hash_elem(m, i) + m->value_at), hash_load(ptr(value), 8));
	else
		err = hash_insert(t, m, s, ptr(key), hash, ptr(value), (struct side){0});
	fast_unlock(t, &s->word, i ? 0 : LOCK_VERSION);
	if (unlikely(err == -EAGAIN))
		err = map_ops(m->type)->update(t, m, ptr(key), ptr(value), flags, (struct side){0});
	return num(err);
}

INLINE uint64_t delete_key(uint64_t map, uint64_t key, struct run *run, unsigned size)
{
	struct map *m = map_arg(map);
	uint64_t k = load_key(ptr(key), size);
	uint32_t hash = hash_small(m, k), *link, i;
	struct stripe *s = hash_stripe(m, hash);
	struct task *t = task_of(run);

	if (unlikely(fast_lock(t, &s->word)))
		return num(-EUCLEAN);
	if (unlikely(s->taken || s->replaced))
		hash_repair(t, m, s);
	link = hash_head(m, hash);
	for (uint32_t n = 0; (i = load_relaxed(link)) != 0 && likely(i <= m->nelems && n <= m->nelems); n++) {
		struct elem *e = hash_elem(m, i);

		if (e->hash == hash && e->key[0] == k) {
			hash_unlink(t, m, s, link, hash);
			fast_unlock(t, &s->word, LOCK_VERSION);
			return 0;
		}
		link = &e->next;
	}
	fast_unlock(t, &s->word, 0);
	return num(-ENOENT);
}

#define SIZED(n)                                                                                                       \
	uint64_t help_hash_lookup##n(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)     \
	{                                                                                                              \
		return lookup(a, b, run, n);                                                                           \
	}                                                                                                              \
	uint64_t help_hash_lookup_cpu##n(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run) \
	{                                                                                                              \
		return lookup_cpu(a, b, run, n);                                                                       \
	}                                                                                                              \
	uint64_t help_hash_update##n(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)     \
	{                                                                                                              \
		return update(a, b, c, d, run, n);                                                                     \
	}                                                                                                              \
	uint64_t help_hash_delete##n(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)     \
	{                                                                                                              \
		return delete_key(a, b, run, n);                                                                       \
	}
SIZED(4)
SIZED(8)

void hash_describe(const struct map *m, struct map_info *info)
{
	unsigned at = m->key_size == 4 ? 0 : 1;

	if ((m->key_size != 4 && m->key_size != 8) ||
	    (m->type != BPF_MAP_TYPE_HASH && m->type != BPF_MAP_TYPE_PERCPU_HASH))
		return;
	info->fast_delete = (uint8_t)(FAST_DELETE + at);
	info->fast_lookup = (uint8_t)(m->cpu_stride ? FAST_LOOKUP_CPU + at : FAST_LOOKUP + at);
	if (!m->cpu_stride && m->value_len == 8 && m->spin_lock_off < 0)
		info->fast_update = (uint8_t)(FAST_UPDATE + at);
}
