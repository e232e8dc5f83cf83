/* Transactions: see txn.h. */
#include <errno.h>

#include "shm/txn.h"

static void undo_one(struct pool *pool, const struct undo_entry *e)
{
	uint64_t off = e->where >> 3;
	uint64_t words = min_of(e->old, pool->size);
	uint64_t len = (e->where & 7) == UNDO_ZERO ? words * 4 : 1u << (e->where & 3);
	void *p = pool->base + off;

	if (off < POOL_PAGE || off >= pool->size || len > pool->size - off)
		return; /* a damaged log: the rest of it may still be right */
	switch (e->where & 7) {
	case UNDO_8:
		store_relaxed((uint8_t *)p, (uint8_t)e->old);
		break;
	case UNDO_16:
		store_relaxed((uint16_t *)p, (uint16_t)e->old);
		break;
	case UNDO_32:
		store_relaxed((uint32_t *)p, (uint32_t)e->old);
		break;
	case UNDO_64:
		store_relaxed((uint64_t *)p, e->old);
		break;
	case UNDO_ZERO:
		for (uint64_t i = 0; i < words; i++)
			store_relaxed((uint32_t *)p + i, 0);
		break;
	}
}

void txn_undo(struct pool *pool, struct task_slot *s)
{
	uint32_t n = min_of(load_acquire(&s->nundo), TASK_UNDO);

	while (n > 0) {
		step_in(pool);
		undo_one(pool, &s->undo[--n]);
	}
	step_in(pool);
	fence_death();
	store_relaxed(&s->nundo, 0);
	fence_death();
	step_in(pool);
}

static inline void release_all(struct task *t, uint64_t changed)
{
	while (t->slot->nheld > t->outer)
		lock_release(t, changed);
	t->depth = 0;
}

static inline int commit(struct task *t, uint64_t changed)
{
	check(t->depth == 1);
	if (unlikely(t->broken))
		return txn_abort(t, -EUCLEAN);
	step(t);
	fence_death();
	store_release(&t->slot->nundo, 0); /* the commit */
	fence_death();
	step(t);
	release_all(t, changed);
	return 0;
}

int txn_commit(struct task *t)
{
	return commit(t, LOCK_VERSION);
}

int txn_commit_quiet(struct task *t)
{
	return commit(t, 0);
}

int txn_abort(struct task *t, int err)
{
	uint64_t changed = t->slot->nundo || t->settled ? LOCK_VERSION : 0;

	check(t->depth == 1);
	txn_undo(t->pool, t->slot);
	release_all(t, changed);
	return err;
}
