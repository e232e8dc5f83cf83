/*
 * Lock words: see lock.h. Nothing here but lock_wait ever enters the kernel.
 *
 * The gate of pool_freeze: a task's first lock of a transaction is followed by
 * a look at `freeze`. The freezer sets `freeze` and then looks at every slot's
 * `nheld`. Both sides have a full barrier between their store and their look
 * (the compare-and-swap of the lock; fence_full), so at least one sees the
 * other: no transaction runs beside a freezer.
 */
#include <errno.h>

#include "base/futex.h"
#include "shm/lock.h"
#include "shm/step.h"

#define LOOKS 8
#define SPINS 64 /* about 2 us: a hold is shorter, a wake-up across cores longer */

static uint32_t *futex_half(uint64_t *word)
{
	return (uint32_t *)(void *)word; /* little-endian: owner, W and the low end of the version */
}

/* Does the slot say that its task holds the word, or is about to take it? */
static bool is_held(const struct task *t, const struct task_slot *s, const uint64_t *word)
{
	uint32_t n = min_of(load_acquire(&s->nheld), TASK_HELD);

	while (n > 0)
		if (load_relaxed(&s->held[--n]) == pool_off(t->pool, word))
			return true;
	return false;
}

/* Can the task in that slot hold this word? Yes: its client. */
static int owner_client(struct task *t, const struct task_slot *s, const uint64_t *word)
{
	uint64_t seat = load_acquire(&s->seat);
	uint32_t c = seat_client(seat);

	if (seat_state(seat) != SLOT_LIVE || c >= POOL_CLIENTS || !is_held(t, s, word) ||
	    load_acquire(&client_slot(t->pool, c)->state) != SLOT_LIVE)
		return -EUCLEAN;
	return (int)c;
}

/*
 * Is the owner in `w` one that can let go? Buries it when it is dead: 1. A look
 * that finds it cannot be the owner may fall into the moment between two holds
 * by one task, or by two that had one slot: only if it does again and again
 * while the word stays the same is that damage.
 */
static int owner_look(struct task *t, uint64_t *word, uint64_t w)
{
	uint32_t owner = (uint32_t)(w & LOCK_OWNER);

	if (owner == t->id || owner > task_slots_used(t->pool))
		return -EUCLEAN;
	for (int i = 0; i < LOOKS; i++) {
		int c = owner_client(t, task_slot(t->pool, owner - 1), word);

		if (load_acquire(word) != w)
			return 0;
		if (c < 0)
			continue;
		return (uint32_t)c != t->pool->client ? client_bury(t, (uint32_t)c) : 0;
	}
	return -EUCLEAN;
}

/* Unless the owner in `w` is known to be dead. */
static bool may_live(struct task *t, const uint64_t *word, uint64_t w)
{
	int c = owner_client(t, task_slot(t->pool, (uint32_t)(w & LOCK_OWNER) - 1), word);

	return c < 0 || (uint32_t)c == t->pool->client || client_alive(t->pool, (uint32_t)c);
}

static uint64_t clock_us(int clock)
{
	struct timespec ts = {0};

	sys_clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000;
}

/* For who looks at how long the dead hold up the living. */
cold static void waited_for_dead(struct task *t, uint64_t us)
{
	uint32_t *longest = &pool_header(t->pool)->longest_wait;
	uint32_t old = load_relaxed(longest), now = (uint32_t)min_of(us, UINT32_MAX);

	while (old < now && !cas(longest, &old, now))
		;
}

/* Held alone: `word` itself may be on the list of what is held, or a word is only read. */
static bool may_give_up(const struct task *t)
{
	return !t->firm && load_relaxed(&t->slot->nheld) <= 1 && load_acquire(&t->given_up);
}

/*
 * Sleeps until the word is not `seen` any more, whoever sees to that. What is noted of
 * a dead owner is ours: the sleeps since it was last found alive, each as long as it
 * was to be, and the processor time of burying. That a killed process waits for its
 * turn to die, or this thread for its own to wake up, is the scheduler's.
 */
cold static int sleep_while(struct task *t, uint64_t *word, uint64_t seen)
{
	uint64_t slept = 0, cpu;
	int err;

	do {
		uint64_t since = clock_us(CLOCK_MONOTONIC);

		err = futex_wait(futex_half(word), (uint32_t)seen, LOCK_PATIENCE_NS);
		/* A program whose timer interrupts every wait must find the dead as well. */
		if (err != -ETIMEDOUT && err != -EINTR) {
			err = 0;
			continue;
		}
		slept += min_of(clock_us(CLOCK_MONOTONIC) - since, LOCK_PATIENCE_NS / 1000);
		cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);
		err = owner_look(t, word, seen);
		if (err > 0)
			waited_for_dead(t, slept + clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu);
		else if (!err && may_live(t, word, seen))
			slept = 0;
		if (!err && may_give_up(t))
			return -EINTR;
	} while (!err && load_acquire(word) == seen);
	return min_of(err, 0);
}

cold int lock_wait(struct task *t, uint64_t *word, uint64_t seen)
{
	for (int i = 0; i < SPINS; i++) {
		cpu_relax();
		if (load_relaxed(word) != seen)
			return 0;
	}
	if (!(seen & LOCK_WAITERS)) {
		if (!cas(word, &seen, seen | LOCK_WAITERS))
			return 0;
		seen |= LOCK_WAITERS;
	}
	return sleep_while(t, word, seen);
}

static int take(struct task *t, uint64_t *word)
{
	uint64_t w = load_relaxed(word);

	for (;;) {
		if (likely(!(w & LOCK_OWNER))) {
			if (likely(cas(word, &w, (w & ~LOCK_WAITERS) | t->id)))
				return 0;
			continue;
		}
		int err = lock_wait(t, word, w);

		if (err)
			return err;
		w = load_relaxed(word);
	}
}

int lock_acquire_past_freeze(struct task *t, uint64_t *word)
{
	int err;

	step(t);
	held_push(t, word);
	step(t);
	err = take(t, word);
	if (unlikely(err))
		held_pop(t);
	step(t);
	return err;
}

static bool frozen_by_other(struct task *t, uint64_t *freeze, uint64_t *w)
{
	*w = load_acquire(freeze);
	return (*w & LOCK_OWNER) && (*w & LOCK_OWNER) != t->id;
}

/* Stands back while somebody else has the pool frozen. */
cold int lock_gate(struct task *t, uint64_t *word)
{
	uint64_t *freeze = &pool_header(t->pool)->freeze;
	uint64_t w;

	while (word != freeze && unlikely(frozen_by_other(t, freeze, &w))) {
		int err = 0;

		lock_release(t, 0);
		while (!err && frozen_by_other(t, freeze, &w))
			err = lock_wait(t, freeze, w);
		if (!err)
			err = lock_acquire_past_freeze(t, word);
		if (err)
			return err;
	}
	return 0;
}

cold int lock_acquire_slowly(struct task *t, uint64_t *word, uint64_t seen)
{
	int err = 0;

	/* As take() does, with the first look done. */
	if (seen & LOCK_OWNER)
		err = lock_wait(t, word, seen);
	if (!err)
		err = take(t, word);
	if (unlikely(err))
		held_pop(t);
	step(t);
	return !err && t->slot->nheld == 1 ? lock_gate(t, word) : err;
}

cold void lock_wake(uint64_t *word)
{
	futex_wake(futex_half(word), 1 << 30);
}

void lock_break(uint64_t *word, uint32_t owner)
{
	if ((load_acquire(word) & LOCK_OWNER) == owner)
		unlock_word(word, LOCK_VERSION);
}

/* Is the task in no transaction? So is one that waits to freeze the pool itself. */
static bool idle(const struct pool *pool, const struct task_slot *s)
{
	uint32_t n = load_acquire(&s->nheld);

	return n == 0 || (n == 1 && load_relaxed(&s->held[0]) == pool_off(pool, &pool_header(pool)->freeze));
}

/* Waits until the task in slot `i` is idle; buries it when it is dead. */
static int wait_idle(struct task *t, uint32_t i)
{
	struct task_slot *s = task_slot(t->pool, i);
	uint32_t tries = 0;
	int err = 0;

	while (err >= 0 && !idle(t->pool, s)) {
		uint64_t seat = load_acquire(&s->seat);

		if (seat_state(seat) != SLOT_LIVE || seat_client(seat) >= POOL_CLIENTS ||
		    load_acquire(&client_slot(t->pool, seat_client(seat))->state) != SLOT_LIVE)
			return 0;
		cpu_relax();
		if (++tries % 128 != 0)
			continue;
		if (seat_client(seat) != t->pool->client)
			err = client_bury(t, seat_client(seat));
		futex_wait(&s->nheld, load_relaxed(&s->nheld), 100000);
	}
	return min_of(err, 0);
}

int pool_freeze(struct task *t)
{
	int err = lock_acquire(t, &pool_header(t->pool)->freeze);

	if (err)
		return err;
	fence_full();
	for (uint32_t i = 0; i < task_slots_used(t->pool) && !err; i++)
		if (i + 1 != t->id)
			err = wait_idle(t, i);
	if (err)
		pool_thaw(t);
	return err;
}

void pool_thaw(struct task *t)
{
	lock_release(t, LOCK_VERSION);
}
