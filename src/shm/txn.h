/*
 * Transactions: a change of several words in the pool that happens wholly or
 * not at all, whenever its process is killed.
 *
 *	txn_begin(t);
 *	if ((err = txn_lock(t, &a->lock)) || ...)
 *		return txn_abort(t, err);
 *	txn_set(t, &a->x, ...);
 *	return txn_commit(t);
 *
 * Before a word is changed its old value goes into the task's undo log. The
 * commit is one store: the log's length becomes 0. Then the locks are
 * released. Whoever finds the task dead writes the logged values back, last
 * first, and releases its locks; doing so twice is the same as once.
 *
 * Words of fresh objects, which nothing in the pool leads to, need no log.
 * One transaction is open a task; locks are held from txn_lock to the end. A
 * lock that was taken before txn_begin outlives it: a file's data lock is held
 * over the several transactions of a write.
 */
#pragma once

#include "shm/lock.h"
#include "shm/step.h"

enum undo_kind {
	UNDO_8 = 0, /* size of the word: 1 << kind bytes */
	UNDO_16 = 1,
	UNDO_32 = 2,
	UNDO_64 = 3,
	UNDO_ZERO = 4, /* `old` 32-bit words that were all 0 */
};

static inline void txn_begin(struct task *t)
{
	check(t->depth == 0 && t->slot->nundo == 0);
	t->depth = 1;
	t->outer = t->slot->nheld;
	t->broken = 0;
	t->settled = 0;
}

static inline int txn_lock(struct task *t, uint64_t *word)
{
	return lock_acquire(t, word);
}

/*
 * For a transaction that changes nothing but the task's slot and what hangs on
 * its hand: it needs to shut nobody out, but who freezes the pool must see it.
 */
static inline int txn_lock_own(struct task *t)
{
	return lock_acquire(t, &t->slot->own);
}

/* Releases everything with the changes made. -EUCLEAN if the log ran over (a damaged pool): nothing is done then. */
int txn_commit(struct task *t) must_check;
/* The same where no reader needs to see a new version: nothing changed that is read without the lock. */
int txn_commit_quiet(struct task *t) must_check;
/*
 * Makes what was done so far final and goes on, holding the same locks: for
 * work in steps that each leave the pool valid.
 */
static inline void txn_settle(struct task *t)
{
	step(t);
	fence_death();
	store_release(&t->slot->nundo, 0);
	fence_death();
	t->settled = 1;
	step(t);
}
/* Undoes everything since begin or settle, and releases. Returns err. */
int txn_abort(struct task *t, int err);

/* Writes down what a word was. False: there is no room, and the transaction cannot commit. */
static inline bool txn_log(struct task *t, const void *word, enum undo_kind kind, uint64_t old)
{
	struct task_slot *s = t->slot;
	uint32_t n = s->nundo;

	check(t->depth == 1);
	if (unlikely(n >= TASK_UNDO)) {
		t->broken = 1;
		return false;
	}
	step(t);
	s->undo[n].where = pool_off(t->pool, word) << 3 | kind;
	s->undo[n].old = old;
	fence_death(); /* the entry is whole before it counts */
	store_relaxed(&s->nundo, n + 1);
	fence_death(); /* and counts before the word changes */
	step(t);
	return true;
}

#define txn_kind(p) (sizeof(*(p)) == 8 ? UNDO_64 : sizeof(*(p)) == 4 ? UNDO_32 : sizeof(*(p)) == 2 ? UNDO_16 : UNDO_8)

/*
 * *p = v, undone if the transaction does not commit. For words of 1 to 8 bytes.
 * The store is a release (free on x86): who acquires an inode's type from it
 * sees the rest of a new inode, see regular().
 */
#define txn_set(t, p, v)                                                                                               \
	do {                                                                                                           \
		__typeof__(p) txn_p = (p);                                                                             \
		if (likely(txn_log((t), txn_p, txn_kind(txn_p), (uint64_t)*txn_p)))                                    \
			store_release(txn_p, (__typeof__(*(p)))(v));                                                   \
		step(t);                                                                                               \
	} while (0)

/* Announces that `n` 32-bit words from `p`, all 0 now, will be stored to. False: they must not. */
static inline bool txn_fill(struct task *t, uint32_t *p, uint32_t n)
{
	return txn_log(t, p, UNDO_ZERO, n);
}

/* Room in the log for this many more words? For work that is cut into several transactions. */
static inline uint32_t txn_room(const struct task *t)
{
	return TASK_UNDO - t->slot->nundo;
}

/* Writes a slot's logged values back and empties its log (also for the dead). */
void txn_undo(struct pool *pool, struct task_slot *slot);

/*
 * The hand: objects that belong to the task and hang on nothing. An allocator
 * puts them in (in its own small transaction), the transaction that links them
 * takes them out; one that unlinks puts them in, and they are freed after it.
 * So whoever buries a task knows what to free. What the items mean is
 * fs/hand.h's matter. Empty between two calls of fs/.
 */
static inline bool hand_push(struct task *t, uint64_t item)
{
	uint32_t n = t->slot->nhand;

	if (unlikely(n >= TASK_HAND)) {
		t->broken = 1;
		return false;
	}
	/* Logged: the transaction may have taken another item from this place, which a rollback puts back. */
	txn_set(t, &t->slot->hand[n], item);
	txn_set(t, &t->slot->nhand, n + 1);
	return true;
}

/* Takes out the item at `i`; the last one takes its place. */
static inline void hand_take(struct task *t, uint32_t i)
{
	struct task_slot *s = t->slot;
	uint32_t n = s->nhand;

	check(i < n);
	if (i != n - 1)
		txn_set(t, &s->hand[i], s->hand[n - 1]);
	txn_set(t, &s->nhand, n - 1);
}
