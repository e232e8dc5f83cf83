/*
 * Hash maps: lookup, update, delete, iteration. See hash.h for the table and
 * how it survives deaths.
 *
 * A value of up to eight bytes is overwritten by one store. A larger one, as in
 * the kernel, is replaced with its element: readers see the old or the new one
 * whole. Values of per-CPU hashes and those under a spin lock are written in
 * place, there as here.
 */
#include "maps/hash.h"

#include "base/hash.h"

#define HASH_FLAGS                                                                                                     \
	(BPF_F_NO_PREALLOC | BPF_F_NO_COMMON_LRU | BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | \
	 BPF_F_WRONLY_PROG | BPF_F_ZERO_SEED)
#define STRIPES_MIN 16u
#define STRIPES_MAX 256u
#define LOOK_AGAIN 64u /* links after which a reader asks whether it is in a chain that still is */

static bool is_lru(const struct map *m)
{
	return m->type == BPF_MAP_TYPE_LRU_HASH || m->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static bool is_percpu(const struct map *m)
{
	return m->cpu_stride != 0;
}

/* --- making --- */

static int check_attr(const struct map_attr *a, bool lru, bool percpu)
{
	bool prealloc = !(a->flags & BPF_F_NO_PREALLOC);

	if (a->flags & ~(uint32_t)HASH_FLAGS)
		return -EINVAL;
	if (check_access_flags(a->flags))
		return -EINVAL;
	if (!lru && (a->flags & BPF_F_NO_COMMON_LRU))
		return -EINVAL;
	if (lru && !prealloc)
		return -MAP_ENOTSUPP;
	if ((a->flags & BPF_F_NUMA_NODE) && (percpu || (a->flags & BPF_F_NO_COMMON_LRU)))
		return -EINVAL;
	if (a->max_entries == 0 || a->key_size == 0 || a->value_size == 0)
		return -EINVAL;
	if ((uint64_t)a->key_size + a->value_size >= 0x400000 - 64)
		return -E2BIG;
	if (percpu && round_up(a->value_size, 8u) > 32768u)
		return -E2BIG;
	return 0;
}

static uint32_t pow2_at_least(uint64_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static void plan_table(struct map *m, const struct map_attr *a, bool percpu)
{
	m->nheads = pow2_at_least(a->max_entries);
	m->nstripes = min_of(max_of(m->nheads / 16, STRIPES_MIN), STRIPES_MAX);
	m->nstripes = min_of(m->nstripes, m->nheads);
	m->nelems = a->max_entries + m->nstripes;
	m->key_room = round_up(a->key_size, 8);
	m->value_at = (uint32_t)sizeof(struct elem) + m->key_room;
	m->elem_bytes = m->value_at + (percpu ? 0 : value_room(m));
	m->stripes = plan_room(m, m->nstripes, sizeof(struct stripe), 64);
	m->heads = plan_room(m, m->nheads, sizeof(uint32_t), 64);
	m->elems = plan_room(m, m->nelems, m->elem_bytes, 64);
}

static int plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	int err = check_attr(a, is_lru(m), false);

	if (err)
		return err;
	if (a->max_entries > 1u << 31)
		return -E2BIG;
	plan_table(m, a, false);
	m->stride = m->elem_bytes;
	return 0;
}

static int percpu_plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	int err = check_attr(a, is_lru(m), true);

	if (err)
		return err;
	if (a->max_entries > 1u << 31)
		return -E2BIG;
	plan_table(m, a, true);
	m->ncpus = arena_cpus(p);
	m->stride = value_room(m);
	m->cpu_stride = round_up((uint64_t)m->nelems * m->stride, ARENA_PAGE);
	m->values = plan_room(m, m->ncpus, m->cpu_stride, ARENA_PAGE);
	return 0;
}

/* The first elements are the stripes' spares. */
static int fill(struct task *t, struct map *m)
{
	struct stripe *s = map_ptr(m, m->stripes);
	uint64_t off = map_off(t->pool, m);
	int err = pool_commit(t->pool, off + m->stripes, m->elems - m->stripes);

	if (!err)
		err = pool_commit(t->pool, off + m->elems, (uint64_t)m->nstripes * m->elem_bytes);
	for (uint32_t c = 0; c < m->ncpus && m->cpu_stride && !err; c++)
		err = pool_commit(t->pool, off + m->values + c * m->cpu_stride, (uint64_t)m->nstripes * m->stride);
	if (err)
		return -ENOMEM;
	m->committed = m->flags & BPF_F_NO_PREALLOC ? m->nstripes : m->nelems;
	m->fresh = m->nstripes;
	for (uint32_t i = 0; i < m->nstripes; i++) {
		s[i].spare = i + 1;
		hash_elem(m, i + 1)->owner = i + 1;
	}
	return 0;
}

/* --- looking --- */

uint32_t hash_of(const struct map *m, const void *key)
{
	uint64_t h;

	if (likely(m->key_size == 4))
		h = hash_fold(hash_load(key, 4) ^ m->secret, 0xa0761d6478bd642fu);
	else if (m->key_size == 8)
		h = hash_fold(hash_load(key, 8) ^ m->secret, 0xa0761d6478bd642fu);
	else
		h = hash_bytes(m->secret, key, m->key_size);
	return (uint32_t)(h ^ h >> 32);
}

bool hash_key_equal(const struct map *m, const struct elem *e, const void *key)
{
	if (likely(m->key_size == 4))
		return (uint32_t)hash_load(key, 4) == (uint32_t)load_relaxed(&e->key[0]);
	if (m->key_size == 8)
		return hash_load(key, 8) == load_relaxed(&e->key[0]);
	return mem_equal(e->key, key, m->key_size);
}

/* 1: found; 0: not in this chain; the chain may have been torn. */
racy_read static bool walk(const struct map *m, const struct stripe *s, uint64_t seq, const void *key, uint32_t hash,
			   struct elem **found)
{
	uint32_t i = load_relaxed(hash_head(m, hash));

	for (uint32_t n = 1; i != 0 && i <= m->nelems; n++) {
		struct elem *e = hash_elem(m, i);

		if (load_relaxed(&e->hash) == hash && hash_key_equal(m, e, key)) {
			*found = e;
			return true;
		}
		i = load_relaxed(&e->next);
		if (n % LOOK_AGAIN == 0 && load_relaxed(&s->word) != seq)
			break;
	}
	*found = NULL;
	return true;
}

struct elem *hash_find(struct task *t, struct map *m, const void *key, uint32_t hash)
{
	struct stripe *s = hash_stripe(m, hash);
	struct elem *e = NULL;
	uint64_t seq;

	do {
		if (seq_begin(t, &s->word, &seq))
			return NULL;
		walk(m, s, seq, key, hash, &e);
	} while (!seq_valid(&s->word, seq));
	return e;
}

static void *find(struct task *t, struct map *m, const void *key, uint32_t cpu)
{
	struct elem *e = hash_find(t, m, key, hash_of(m, key));

	return e ? hash_value(m, e, cpu) : NULL;
}

static void *lru_find(struct task *t, struct map *m, const void *key, uint32_t cpu)
{
	struct elem *e = hash_find(t, m, key, hash_of(m, key));

	if (!e)
		return NULL;
	if (!load_relaxed(&e->ref))
		store_relaxed(&e->ref, 1);
	return hash_value(m, e, cpu);
}

static int elem_out(struct task *t, const struct map *m, const struct elem *e, void *value, uint64_t flags)
{
	int err = 0;

	if (!is_percpu(m))
		return flags & BPF_F_LOCK ? value_out_locked(t, m, value, hash_value(m, e, 0))
					  : value_out(m, value, hash_value(m, e, 0));
	for (uint32_t c = 0; c < m->ncpus && !err; c++)
		err = copy_out((char *)value + (uint64_t)c * m->stride, hash_value(m, e, c), m->stride);
	return err;
}

static int read_value(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	uint32_t hash = hash_of(m, key);
	struct stripe *s = hash_stripe(m, hash);
	struct elem *e;
	uint64_t seq;
	int err;

	do {
		err = seq_begin(t, &s->word, &seq);
		if (err)
			return err;
		walk(m, s, seq, key, hash, &e);
		err = e ? elem_out(t, m, e, value, flags) : -ENOENT;
	} while (!seq_valid(&s->word, seq));
	return err;
}

/* --- changing --- */

static int lock_stripe(struct task *t, struct map *m, struct stripe *s)
{
	int err = fast_lock(t, &s->word);

	if (likely(!err) && unlikely(s->taken || s->replaced))
		hash_repair(t, m, s);
	return err;
}

/* The link to this key's element in its chain, under the lock; NULL: there is none. */
static uint32_t *find_link(const struct map *m, const void *key, uint32_t hash)
{
	uint32_t *link = hash_head(m, hash), i;

	for (uint32_t n = 0; (i = *link) != 0 && i <= m->nelems && n <= m->nelems; n++) {
		struct elem *e = hash_elem(m, i);

		if (e->hash == hash && hash_key_equal(m, e, key))
			return link;
		link = &e->next;
	}
	return NULL;
}

static int cpu_values_in(struct map *m, struct elem *e, const void *value, struct side s, bool fresh)
{
	int err = 0;

	if (!s.user) {
		for (uint32_t c = 0; c < m->ncpus && fresh; c++)
			mem_zero(hash_value(m, e, c), m->stride);
		return value_in(s, m, hash_value(m, e, s.cpu), value);
	}
	for (uint32_t c = 0; c < m->ncpus && !err; c++)
		err = copy_in(s, hash_value(m, e, c), (const char *)value + (uint64_t)c * m->stride, m->stride);
	return err;
}

static int elem_fill(struct map *m, struct elem *e, const void *key, uint32_t hash, const void *value, struct side s)
{
	store_relaxed(&e->hash, hash);
	store_relaxed(&e->ref, 0);
	if (m->key_size == 4) {
		e->key[0] = (uint32_t)hash_load(key, 4);
	} else {
		e->key[m->key_room / 8 - 1] = 0;
		mem_copy(e->key, key, m->key_size);
	}
	if (is_percpu(m))
		return cpu_values_in(m, e, value, s, true);
	if (m->value_len == 8 && !s.user && !s.zero && m->spin_lock_off < 0) {
		*(uint64_t *)hash_value(m, e, 0) = hash_load(value, 8);
		return 0;
	}
	mem_zero(hash_value(m, e, 0), value_room(m));
	return value_in(s, m, hash_value(m, e, 0), value);
}

/* A new element in the chain; in s->taken until the link to it stands. */
int hash_insert(struct task *t, struct map *m, struct stripe *s, const void *key, uint32_t hash, const void *value,
		struct side side)
{
	uint32_t *head = hash_head(m, hash), i = 0;
	int err = hash_take(t, m, s, hash & (m->nheads - 1), &i);
	struct elem *e;

	if (err)
		return err;
	e = hash_elem(m, i);
	err = elem_fill(m, e, key, hash, value, side);
	if (err) {
		hash_give(t, m, s);
		return err;
	}
	store_relaxed(&e->next, *head);
	fence_death();
	step(t);
	store_release(head, i); /* it has happened */
	fence_death();
	step(t);
	store_relaxed(&s->taken, 0);
	fence_death();
	return 0;
}

/* The spare takes the element's place in the chain. */
static int replace(struct task *t, struct map *m, struct stripe *s, uint32_t *link, const void *key, uint32_t hash,
		   const void *value, struct side side)
{
	uint32_t old = *link;
	struct elem *e = hash_elem(m, s->spare);
	int err = elem_fill(m, e, key, hash, value, side);

	if (err)
		return err;
	store_relaxed(&e->next, hash_elem(m, old)->next);
	store_relaxed(&e->ref, hash_elem(m, old)->ref);
	step(t);
	store_relaxed(&s->replaced, (uint64_t)(hash & (m->nheads - 1)) << 32 | old);
	fence_death();
	step(t);
	store_release(link, s->spare); /* it has happened */
	fence_death();
	step(t);
	hash_drop_timer(m, hash_elem(m, old));
	store_relaxed(&s->spare, old);
	fence_death();
	step(t);
	store_relaxed(&s->replaced, 0);
	fence_death();
	return 0;
}

/* Up to eight bytes: one store. */
static int overwrite_word(struct map *m, struct elem *e, const void *value, struct side s)
{
	uint64_t v = 0;
	int err = copy_in(s, &v, value, m->value_len);

	if (!err)
		store_relaxed((uint64_t *)hash_value(m, e, 0), v);
	return err;
}

static int change(struct task *t, struct map *m, struct stripe *s, uint32_t *link, const void *key, uint32_t hash,
		  const void *value, uint64_t flags, struct side side)
{
	struct elem *e = hash_elem(m, *link);

	if (is_percpu(m))
		return cpu_values_in(m, e, value, side, false);
	if (flags & BPF_F_LOCK)
		return value_in_locked(t, m, hash_value(m, e, 0), value);
	if (m->value_len <= 8 && m->spin_lock_off < 0)
		return overwrite_word(m, e, value, side);
	return replace(t, m, s, link, key, hash, value, side);
}

static int update_locked(struct task *t, struct map *m, struct stripe *s, const void *key, uint32_t hash,
			 const void *value, uint64_t flags, struct side side)
{
	uint32_t *link = find_link(m, key, hash);

	if (link && (flags & BPF_NOEXIST))
		return -EEXIST;
	if (!link && (flags & BPF_EXIST))
		return -ENOENT;
	return link ? change(t, m, s, link, key, hash, value, flags, side)
		    : hash_insert(t, m, s, key, hash, value, side);
}

/* Somebody held the stripe whose elements were wanted: waits for it, or finds it dead, with no lock held. */
static int wait_for_others(struct task *t, struct map *m)
{
	struct stripe *s = map_ptr(m, m->stripes);

	for (uint32_t i = 0; i < m->nstripes; i++) {
		int err = load_relaxed(&s[i].word) & LOCK_OWNER ? lock_stripe(t, m, &s[i]) : -EAGAIN;

		if (!err)
			fast_unlock(t, &s[i].word, LOCK_VERSION);
		else if (err != -EAGAIN)
			return err;
	}
	return 0;
}

static int update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags, struct side side)
{
	uint32_t hash = hash_of(m, key);
	struct stripe *s = hash_stripe(m, hash);
	int err = check_update_flags(m, flags);

	if (err)
		return err;
	do {
		err = lock_stripe(t, m, s);
		if (err)
			return err;
		err = update_locked(t, m, s, key, hash, value, flags, side);
		fast_unlock(t, &s->word, LOCK_VERSION);
		if (unlikely(err == -EAGAIN) && wait_for_others(t, m) != 0)
			return -EUCLEAN;
	} while (unlikely(err == -EAGAIN));
	return err;
}

static int remove_key(struct task *t, struct map *m, const void *key)
{
	uint32_t hash = hash_of(m, key), *link;
	struct stripe *s = hash_stripe(m, hash);
	int err = lock_stripe(t, m, s);

	if (err)
		return err;
	link = find_link(m, key, hash);
	if (link)
		hash_unlink(t, m, s, link, hash);
	fast_unlock(t, &s->word, link ? LOCK_VERSION : 0);
	return link ? 0 : -ENOENT;
}

static int take_key(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	uint32_t hash = hash_of(m, key), *link;
	struct stripe *s = hash_stripe(m, hash);
	int err = lock_stripe(t, m, s);

	if (err)
		return err;
	link = find_link(m, key, hash);
	err = link ? elem_out(t, m, hash_elem(m, *link), value, flags) : -ENOENT;
	if (link) /* gone even if the value could not be handed over, as in the kernel */
		hash_unlink(t, m, s, link, hash);
	fast_unlock(t, &s->word, link ? LOCK_VERSION : 0);
	return err;
}

static int chain_out(struct task *t, struct map *m, uint32_t head, char *keys, char *values, uint32_t room,
		     uint64_t flags)
{
	uint32_t n = 0, bytes = map_value_bytes(m);
	int err = 0;

	for (uint32_t i = *hash_head(m, head); i; i = hash_elem(m, i)->next)
		if (++n > room)
			return -ENOSPC;
	n = 0;
	for (uint32_t i = *hash_head(m, head); i && !err; i = hash_elem(m, i)->next, n++) {
		const struct elem *e = hash_elem(m, i);

		err = copy_out(keys + (uint64_t)n * m->key_size, e->key, m->key_size);
		if (!err)
			err = elem_out(t, m, e, values + (uint64_t)n * bytes, flags);
	}
	return err ? err : (int)n;
}

int64_t hash_chain_out(struct task *t, struct map *m, uint32_t head, void *keys, void *values, uint32_t room,
		       uint64_t flags, bool remove)
{
	struct stripe *s = hash_stripe(m, head);
	int64_t n;
	int err;

	if (!load_relaxed(hash_head(m, head)))
		return 0;
	err = lock_stripe(t, m, s);
	if (err)
		return err;
	n = chain_out(t, m, head, keys, values, room, flags);
	while (n >= 0 && remove && *hash_head(m, head))
		hash_unlink(t, m, s, hash_head(m, head), head);
	fast_unlock(t, &s->word, remove ? LOCK_VERSION : 0);
	return n;
}

/* --- references --- */

static int put_ref_locked(struct task *t, struct map *m, struct stripe *s, const void *key, uint32_t hash, uint64_t ref,
			  uint64_t flags, uint64_t *old)
{
	uint32_t *link = find_link(m, key, hash);

	if (link && !(flags & BPF_NOEXIST)) {
		*old = swap((uint64_t *)hash_value(m, hash_elem(m, *link), 0), ref);
		return 0;
	}
	return update_locked(t, m, s, key, hash, &ref, flags, (struct side){0});
}

int hash_put_ref(struct task *t, struct map *m, const void *key, uint64_t ref, uint64_t flags, uint64_t *old)
{
	uint32_t hash = hash_of(m, key);
	struct stripe *s = hash_stripe(m, hash);
	int err = check_update_flags(m, flags);

	if (err)
		return err;
	do {
		err = lock_stripe(t, m, s);
		if (err)
			return err;
		err = put_ref_locked(t, m, s, key, hash, ref, flags, old);
		fast_unlock(t, &s->word, LOCK_VERSION);
		if (err == -EAGAIN && wait_for_others(t, m) != 0)
			return -EUCLEAN;
	} while (err == -EAGAIN);
	return err;
}

int hash_drop_ref(struct task *t, struct map *m, const void *key, uint64_t *old)
{
	uint32_t hash = hash_of(m, key), *link;
	struct stripe *s = hash_stripe(m, hash);
	int err = lock_stripe(t, m, s);

	if (err)
		return err;
	link = find_link(m, key, hash);
	if (link) {
		*old = load_relaxed((uint64_t *)hash_value(m, hash_elem(m, *link), 0));
		hash_unlink(t, m, s, link, hash);
	}
	fast_unlock(t, &s->word, link ? LOCK_VERSION : 0);
	return link ? 0 : -ENOENT;
}

/* By number of the element: those in chains have a key whose chain holds them. */
uint64_t hash_next_ref(const struct map *m, uint32_t *at)
{
	while (*at < m->nelems) {
		uint32_t i = ++*at;
		const struct elem *e = hash_elem(m, i);

		if (i > load_acquire(&m->committed))
			return 0;
		if (e->owner && hash_link(m, e->hash, i))
			return *(const uint64_t *)hash_value(m, e, 0);
	}
	return 0;
}

/* --- iterating --- */

/* The first element of the chains from `head` on; 0: there is none. */
static uint32_t first_from(const struct map *m, uint64_t head)
{
	for (; head < m->nheads; head++) {
		uint32_t i = load_acquire(hash_head(m, (uint32_t)head));

		if (i)
			return i <= m->nelems ? i : 0;
	}
	return 0;
}

/* Copies the key of element `i`, looking whether it is still in the chain that it was found in. */
static int key_of(struct task *t, const struct map *m, uint32_t i, void *out)
{
	const struct elem *e = hash_elem(m, i);
	uint32_t hash = load_relaxed(&e->hash);
	struct stripe *s = hash_stripe(m, hash);
	uint64_t seq;
	int err = seq_begin(t, &s->word, &seq);

	if (err)
		return err;
	if (load_relaxed(&e->hash) != hash || !hash_link(m, hash, i))
		return -EAGAIN;
	mem_copy(out, e->key, m->key_size);
	return seq_valid(&s->word, seq) ? 0 : -EAGAIN;
}

static int next_key(struct task *t, struct map *m, const void *key, void *next)
{
	for (;;) {
		uint32_t i = 0;
		int err;

		if (key) {
			uint32_t hash = hash_of(m, key);
			struct elem *e = hash_find(t, m, key, hash);

			if (e) {
				i = load_acquire(&e->next);
				if (!i)
					i = first_from(m, (uint64_t)(hash & (m->nheads - 1)) + 1);
				if (!i)
					return -ENOENT;
			}
		}
		if (!i)
			i = first_from(m, 0);
		if (!i)
			return -ENOENT;
		err = i <= m->nelems ? key_of(t, m, i, next) : -EAGAIN;
		if (err != -EAGAIN)
			return err;
	}
}

#define BATCH 32u

/* Numbers of the elements of one chain from place `skip` on. */
static int collect(struct task *t, struct map *m, uint32_t head, uint32_t skip, uint32_t *out, uint32_t *n)
{
	struct stripe *s = hash_stripe(m, head);
	uint64_t seq;

	do {
		int err = seq_begin(t, &s->word, &seq);
		uint32_t i = load_relaxed(hash_head(m, head)), at = 0;

		if (err)
			return err;
		*n = 0;
		for (; i && i <= m->nelems && *n < BATCH && at < m->nelems; at++) {
			if (at >= skip)
				out[(*n)++] = i;
			i = load_relaxed(&hash_elem(m, i)->next);
		}
	} while (!seq_valid(&s->word, seq));
	return 0;
}

static int64_t each(struct task *t, struct map *m, uint32_t cpu, bool (*visit)(void *arg, const void *key, void *value),
		    void *arg)
{
	int64_t visited = 0;

	for (uint32_t head = 0; head < m->nheads; head++) {
		uint32_t found[BATCH], n = 0, skip = 0;

		if (!load_relaxed(hash_head(m, head)))
			continue;
		do {
			if (collect(t, m, head, skip, found, &n))
				return visited;
			for (uint32_t k = 0; k < n; k++) {
				struct elem *e = hash_elem(m, found[k]);

				/* It may be gone, by the call before: then it is nobody's, or another key's. */
				if (load_relaxed(&e->owner) && !hash_link(m, head, found[k]))
					continue;
				visited++;
				if (!visit(arg, e->key, hash_value(m, e, cpu)))
					return visited;
			}
			skip += n;
		} while (n == BATCH);
	}
	return visited;
}

/* --- checking --- */

/* Each element that was ever used is in a chain, in a list or a spare. */
static int check_table(struct task *t, struct map *m)
{
	struct stripe *s = map_ptr(m, m->stripes);
	uint64_t linked = 0, listed = 0, owned = 0;

	for (uint32_t k = 0; k < m->nstripes; k++) {
		int err = lock_stripe(t, m, &s[k]);

		if (err)
			return err;
		fast_unlock(t, &s[k].word, 0);
	}

	for (uint32_t h = 0; h < m->nheads; h++) {
		uint32_t n = 0;

		for (uint32_t i = *hash_head(m, h); i; i = hash_elem(m, i)->next, n++, linked++) {
			const struct elem *e = i <= m->nelems ? hash_elem(m, i) : NULL;

			if (!e || n > m->nelems || (e->hash & (m->nheads - 1)) != h ||
			    e->owner != (h & (m->nstripes - 1)) + 1 || hash_of(m, e->key) != e->hash)
				return -EUCLEAN;
		}
	}
	for (uint32_t k = 0; k < m->nstripes; k++) {
		uint32_t n = 0;

		if (s[k].taken || s[k].replaced || (s[k].word & LOCK_OWNER) || hash_elem(m, s[k].spare)->owner != k + 1)
			return -EUCLEAN;
		for (uint32_t i = s[k].free; i; i = hash_elem(m, i)->next, n++, listed++)
			if (i > m->nelems || n > m->nelems || hash_elem(m, i)->owner != k + 1)
				return -EUCLEAN;
	}
	for (uint64_t i = 1; i <= m->committed; i++)
		owned += hash_elem(m, (uint32_t)i)->owner != 0;
	return linked + listed + m->nstripes == owned ? 0 : -EUCLEAN;
}

#define HASH_OPS(plan_fn, find_fn)                                                                                     \
	{                                                                                                              \
		.plan = plan_fn, .fill = fill, .find = find_fn, .read = read_value, .update = update,                  \
		.remove = remove_key, .take = take_key, .next = next_key, .each = each, .verify = check_table          \
	}

const struct map_ops hash_ops = HASH_OPS(plan, find);
const struct map_ops percpu_hash_ops = HASH_OPS(percpu_plan, find);
const struct map_ops lru_hash_ops = HASH_OPS(plan, lru_find);
const struct map_ops lru_percpu_hash_ops = HASH_OPS(percpu_plan, lru_find);
