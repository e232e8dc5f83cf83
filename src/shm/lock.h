/*
 * A lock word in shared memory: lock, owner and version in eight bytes.
 *
 *	 63                              17  16  15            0
 *	+----------------------------------+---+---------------+
 *	| version                          | W | owner         |
 *	+----------------------------------+---+---------------+
 *
 * owner: id of the task that holds it (task.h), 0: nobody.
 * W: somebody sleeps; only ever set while there is an owner.
 * version: goes up by one with each release of a holder that changed
 * something, so that a reader who found no owner before and the same word
 * after has read a state that was whole (a seqlock). It does not wrap: 2^47
 * changes at one each 100 ns take 163 days of nothing else.
 *
 * A holder can die at any instruction. Each lock that a task holds, or is about
 * to take, stands in its slot's `held` before the word is touched. Who waits
 * longer than LOCK_PATIENCE_NS asks the kernel whether the owner lives, and if
 * not, rolls it back and releases its locks (client_bury in task.h).
 *
 * All of these return -EUCLEAN where the word names an owner that cannot be:
 * the pool is damaged.
 *
 * Order (no task waits for a word that stands before one that it holds):
 *	offset of an open file < data word of one inode < rename lock < inode words by number
 *	< client handle table < arena < allocator's control < reaper, a task's own
 */
#pragma once

#include "shm/step.h"
#include "shm/task.h"

#define LOCK_OWNER 0xffffull
#define LOCK_WAITERS 0x10000ull
#define LOCK_VERSION 0x20000ull /* one version */

#define LOCK_PATIENCE_NS 2000000u

/* The same while the pool is frozen: for a burial, which is what the freezer may be waiting for. */
int lock_acquire_past_freeze(struct task *t, uint64_t *word) must_check;

/* Takes the word over from a proven dead owner (recovery only). */
void lock_break(uint64_t *word, uint32_t owner);

/* Sleeps or spins until the owner that `seen` names may have let go. */
int lock_wait(struct task *t, uint64_t *word, uint64_t seen) must_check;

/* What lock_acquire has not got at once: waits for the owner, or for the thaw. Its parts are in lock.c. */
int lock_acquire_slowly(struct task *t, uint64_t *word, uint64_t seen) must_check;
int lock_gate(struct task *t, uint64_t *word) must_check;
void lock_wake(uint64_t *word);

static inline void held_push(struct task *t, uint64_t *word)
{
	struct task_slot *s = t->slot;

	check(s->nheld < TASK_HELD);
	store_relaxed(&s->held[s->nheld], pool_off(t->pool, word));
	fence_death();
	store_relaxed(&s->nheld, s->nheld + 1);
	fence_death();
}

static inline void held_pop(struct task *t)
{
	fence_death();
	store_release(&t->slot->nheld, t->slot->nheld - 1); /* pairs with wait_idle's look */
}

/* Here and not in lock.c: every change of the store takes several that nobody else wants, for 5 ns each. */
static inline must_check int lock_acquire(struct task *t, uint64_t *word)
{
	uint64_t w;

	step(t);
	held_push(t, word);
	step(t);
	w = load_relaxed(word) & ~(LOCK_OWNER | LOCK_WAITERS);
	if (unlikely(!cas(word, &w, w | t->id)))
		return lock_acquire_slowly(t, word, w);
	step(t);
	/* The first lock of a transaction: see pool_freeze. */
	return unlikely(t->slot->nheld == 1 && load_acquire(&pool_header(t->pool)->freeze) & LOCK_OWNER)
		   ? lock_gate(t, word)
		   : 0;
}

static inline void unlock_word(uint64_t *word, uint64_t changed)
{
	uint64_t w = load_relaxed(word);

	w = swap(word, (w & ~(LOCK_OWNER | LOCK_WAITERS)) + changed);
	if (unlikely(w & LOCK_WAITERS))
		lock_wake(word);
}

/* Releases the lock taken last. `changed`: LOCK_VERSION, or 0 where nothing was. */
static inline void lock_release(struct task *t, uint64_t changed)
{
	struct task_slot *s = t->slot;

	check(s->nheld > 0);
	unlock_word((uint64_t *)(void *)(t->pool->base + s->held[s->nheld - 1]), changed);
	step(t);
	held_pop(t);
}

/*
 * Reading without a lock:
 *
 *	do {
 *		if ((err = seq_begin(t, word, &seq)))
 *			return err;
 *		... copy what is needed, check every offset before its use ...
 *	} while (!seq_valid(word, seq));
 *
 * seq_begin's acquire pairs with lock_release's exchange; the fence of
 * seq_valid orders the copying before the second look, and pairs with the
 * compare-and-swap of lock_acquire, which comes before the writer's stores.
 */
static inline int seq_begin(struct task *t, uint64_t *word, uint64_t *seq)
{
	uint64_t w;

	while (unlikely((w = load_acquire(word)) & LOCK_OWNER)) {
		int err = lock_wait(t, word, w);

		if (err)
			return err;
	}
	*seq = w;
	return 0;
}

static inline bool seq_valid(uint64_t *word, uint64_t seq)
{
	fence_acquire();
	return likely(load_relaxed(word) == seq);
}

/*
 * Holds up all transactions in the pool until thawed, and waits for those
 * that are under way. The pool does not change in between. For the checker.
 */
int pool_freeze(struct task *t) must_check;
void pool_thaw(struct task *t);
