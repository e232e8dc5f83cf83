/*
 * Going to sleep without missing what happens, and waking only who sleeps.
 *
 * A bell is one word in shared memory: bit 0 says that somebody sleeps or is
 * about to, the rest counts. There is a condition beside it (a queue is not
 * empty, a slot is free), which the ringer makes true and the sleeper looks at.
 *
 *	sleeper				ringer
 *	bell_announce: set bit 0	make the condition true
 *	 (A) full barrier		 (B) full barrier
 *	look at the condition		bell_ring: bit 0 set? count, wake
 *	sleep while the word is as announced
 *
 * (A) pairs with (B), as in Dekker's algorithm: whichever comes first in the
 * one order of full barriers, the other side's load after its own barrier sees
 * it. So either the sleeper finds the condition true, or the ringer finds the
 * bit. Weaker orders would let both loads pass both stores (x86 keeps a store
 * in its buffer while later loads go ahead).
 *
 * The ringer may be killed anywhere. It takes the bit away only after the wake
 * call, so that one who dies before it leaves the bit for the next; and only
 * if the word is as it made it: each announcement changes the word, so a bit
 * that was set after the wake stays. Killed between condition and bell it has
 * told nobody: sleepers who depend on such a one's news sleep in slices
 * (RING_PATIENCE_NS) and look again.
 *
 * tests/ring/ring.pml is this, line by line, and the mutations that break it.
 * Freestanding; from any thread, a signal handler, a vfork child.
 */
#pragma once

#include <limits.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/futex.h"

/* A place to die, in builds with BTFUSE_STEPS: see shm/step.h. Here there is no task to ask. */
#ifdef BTFUSE_STEPS
extern void (*bell_step_hook)(void);
static inline void bell_step(void)
{
	if (bell_step_hook)
		bell_step_hook();
}
#else
static inline void bell_step(void)
{
}
#endif

#define BELL_SLEEPER 1u
#define BELL_COUNT 2u

/* Returns the word's value to sleep on, once the condition was seen to be false. */
static inline uint32_t bell_announce(uint32_t *bell)
{
	uint32_t old = load_relaxed(bell);

	/* (A): the exchange. */
	while (!cas(bell, &old, (old + BELL_COUNT) | BELL_SLEEPER))
		;
	return (old + BELL_COUNT) | BELL_SLEEPER;
}

/* Awake again, or found the condition true. Only where a bell has a single sleeper. */
static inline void bell_awake(uint32_t *bell)
{
	if (load_relaxed(bell) & BELL_SLEEPER)
		fetch_and(bell, ~BELL_SLEEPER);
}

/* `fd`: the eventfd on which the sleeper waits, or -1 where it waits on the word itself. */
static inline void bell_wake(uint32_t *bell, int fd)
{
	const uint64_t one = 1;

	if (fd >= 0)
		sys_call3(SYS_write, fd, (long)&one, sizeof one);
	else
		futex_wake(bell, INT_MAX);
}

/* The condition has become true. */
static inline void bell_ring(uint32_t *bell, int fd)
{
	uint32_t v;

	fence_full(); /* (B) */
	if (likely(!(load_relaxed(bell) & BELL_SLEEPER)))
		return;
	/* Who has announced itself and does not sleep yet, will not: the word changed. */
	v = fetch_add(bell, BELL_COUNT) + BELL_COUNT;
	bell_step();
	bell_wake(bell, fd);
	bell_step();
	if (v & BELL_SLEEPER)
		cas(bell, &v, v & ~BELL_SLEEPER);
}
