/*
 * Elements of a hash: where free ones come from, and what is done when
 * somebody died with one on its way.
 *
 * An element changes its stripe (it is claimed fresh, or moved from another
 * stripe's list) by one store to `owner`; before it both stripes have it in
 * `taken`. repair() of a stripe that is not the owner then has nothing to do.
 */
#include "maps/hash.h"

#define COMMIT_ELEMS 64u /* elements that get memory at once where nothing is preallocated */
#define VICTIMS 4u	 /* turns of the LRU's search, in maps */

static uint32_t stripe_id(const struct map *m, const struct stripe *s)
{
	return (uint32_t)(s - (const struct stripe *)map_ptr(m, m->stripes)) + 1;
}

uint32_t *hash_link(const struct map *m, uint32_t head, uint32_t i)
{
	uint32_t *link = hash_head(m, head);

	for (uint32_t n = 0; n <= m->nelems; n++) {
		uint32_t at = load_relaxed(link);

		if (at == i)
			return link;
		if (at == 0 || at > m->nelems)
			return NULL;
		link = &hash_elem(m, at)->next;
	}
	return NULL;
}

static bool is_linked(const struct map *m, uint64_t named)
{
	return named >> 32 != NO_HEAD && hash_link(m, (uint32_t)(named >> 32), (uint32_t)named);
}

static void repair_replaced(struct task *t, struct map *m, struct stripe *s)
{
	uint64_t named = s->replaced;

	if (is_linked(m, named >> 32 << 32 | s->spare))
		store_relaxed(&s->spare, (uint32_t)named);
	fence_death();
	step(t);
	store_relaxed(&s->replaced, 0);
	fence_death();
}

cold void hash_repair(struct task *t, struct map *m, struct stripe *s)
{
	uint32_t i = (uint32_t)s->taken;

	if (s->replaced)
		repair_replaced(t, m, s);
	if (!s->taken)
		return;
	if (i && i <= m->nelems && load_relaxed(&hash_elem(m, i)->owner) == stripe_id(m, s) && i != s->free &&
	    !is_linked(m, s->taken))
		hash_put_free(t, m, s, i);
	store_relaxed(&s->taken, 0);
	fence_death();
}

static void announce(struct task *t, struct stripe *s, uint64_t head, uint32_t i)
{
	step(t);
	store_relaxed(&s->taken, head << 32 | i);
	fence_death();
	step(t);
}

/* --- fresh ones --- */

/* Memory for the elements around number `i`. */
static int commit_around(struct task *t, struct map *m, uint32_t i)
{
	uint64_t from = i - 1, n = min_of(COMMIT_ELEMS, m->nelems - (i - 1)), old;
	int err = pool_commit(t->pool, map_off(t->pool, m) + m->elems + from * m->elem_bytes, n * m->elem_bytes);

	for (uint32_t c = 0; c < m->ncpus && m->cpu_stride && !err; c++)
		err = pool_commit(t->pool, map_off(t->pool, m) + m->values + c * m->cpu_stride + from * m->stride,
				  n * m->stride);
	if (err)
		return -ENOMEM;
	old = load_relaxed(&m->committed);
	while (old < from + n && !cas(&m->committed, &old, from + n))
		;
	return 0;
}

static int take_fresh(struct task *t, struct map *m, struct stripe *s, uint32_t head, uint32_t *i)
{
	uint64_t at;

	while ((at = load_acquire(&m->fresh)) < m->nelems) {
		uint32_t none = 0, e = (uint32_t)at + 1;

		if (unlikely(at >= load_acquire(&m->committed)) && commit_around(t, m, e) != 0)
			return -ENOMEM;
		if (load_relaxed(&hash_elem(m, e)->owner) == 0) {
			announce(t, s, head, e);
			if (cas(&hash_elem(m, e)->owner, &none, stripe_id(m, s))) {
				step(t);
				cas(&m->fresh, &at, at + 1);
				*i = e;
				return 0;
			}
		}
		cas(&m->fresh, &at, at + 1); /* for who claimed it and has not come to this */
	}
	store_relaxed(&s->taken, 0);
	fence_death();
	return -E2BIG;
}

/* --- other stripes' --- */

/* Makes the element in v->taken that of `s`, for the chain at `head`. */
static void move_owner(struct task *t, struct map *m, struct stripe *v, struct stripe *s, uint32_t head)
{
	uint32_t i = (uint32_t)v->taken;

	announce(t, s, head, i);
	store_release(&hash_elem(m, i)->owner, stripe_id(m, s));
	fence_death();
	step(t);
	store_relaxed(&v->taken, 0);
	fence_death();
}

static void pop_free(struct task *t, struct map *m, struct stripe *s, uint64_t head)
{
	uint32_t i = s->free;

	announce(t, s, head, i);
	store_relaxed(&s->free, hash_elem(m, i)->next);
	fence_death();
	step(t);
}

static int take_other(struct task *t, struct map *m, struct stripe *s, uint32_t head, uint32_t *i)
{
	struct stripe *all = map_ptr(m, m->stripes);
	uint32_t own = stripe_id(m, s) - 1;
	int err = -E2BIG;

	for (uint32_t k = 1; k < m->nstripes; k++) {
		struct stripe *v = &all[(own + k) & (m->nstripes - 1)];

		if (!load_relaxed(&v->free) && !load_relaxed(&v->taken))
			continue;
		if (fast_trylock(t, &v->word) != 0) {
			err = -EAGAIN;
			continue;
		}
		if (unlikely(v->taken || v->replaced))
			hash_repair(t, m, v);
		if (v->free) {
			pop_free(t, m, v, NO_HEAD);
			*i = (uint32_t)v->taken;
			move_owner(t, m, v, s, head);
			err = 0;
		}
		fast_unlock(t, &v->word, err ? 0 : LOCK_VERSION);
		if (!err)
			return 0;
	}
	return err;
}

/* --- the least recently used --- */

/* Takes element `i` out of its chain, of a stripe `v` whose lock is held, and gives it to `s`. */
static bool evict(struct task *t, struct map *m, struct stripe *v, uint32_t i, struct stripe *s, uint32_t head)
{
	struct elem *e = hash_elem(m, i);
	uint32_t from = e->hash & (m->nheads - 1);
	uint32_t *link = e->owner == stripe_id(m, v) ? hash_link(m, from, i) : NULL;

	if (!link)
		return false;
	announce(t, v, from, i);
	store_release(link, e->next);
	fence_death();
	step(t);
	if (v == s)
		announce(t, s, head, i);
	else
		move_owner(t, m, v, s, head);
	return true;
}

static int take_victim(struct task *t, struct map *m, struct stripe *s, uint32_t head, uint32_t *i)
{
	int err = -E2BIG;

	for (uint64_t n = 0; n < (uint64_t)m->nelems * VICTIMS; n++) {
		uint32_t k = (uint32_t)(fetch_add(&m->hand, 1) % m->nelems);
		struct elem *e = hash_elem(m, k + 1);
		uint32_t owner = load_relaxed(&e->owner);
		struct stripe *v = (struct stripe *)map_ptr(m, m->stripes) + (owner - 1);
		bool done;

		if (!owner || owner > m->nstripes)
			continue;
		if (load_relaxed(&e->ref)) {
			store_relaxed(&e->ref, 0);
			continue;
		}
		if (v != s && fast_trylock(t, &v->word) != 0) {
			err = -EAGAIN;
			continue;
		}
		if (v != s && unlikely(v->taken || v->replaced))
			hash_repair(t, m, v);
		done = evict(t, m, v, k + 1, s, head);
		if (v != s)
			fast_unlock(t, &v->word, done ? LOCK_VERSION : 0);
		if (done) {
			*i = k + 1;
			return 0;
		}
	}
	return err;
}

int hash_take(struct task *t, struct map *m, struct stripe *s, uint32_t head, uint32_t *i)
{
	int err;

	if (likely(s->free)) {
		*i = s->free;
		pop_free(t, m, s, head);
		return 0;
	}
	err = take_fresh(t, m, s, head, i);
	if (err == -E2BIG)
		err = take_other(t, m, s, head, i);
	if (err == -E2BIG && (m->type == BPF_MAP_TYPE_LRU_HASH || m->type == BPF_MAP_TYPE_LRU_PERCPU_HASH))
		err = take_victim(t, m, s, head, i);
	return err;
}
