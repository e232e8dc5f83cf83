/*
 * CPUs as seats: see helper.h. The seat's number is kept in struct run, where
 * compiled code finds it; the lock word stands in the task's `held` below all
 * others, because it is given back last.
 */
#include "maps/helper.h"
#include "maps/internal.h"

/* The CPU this thread runs on, as the vdso finds it: the limit of a segment that Linux keeps for it. */
static uint32_t this_cpu(void)
{
	uint32_t v = 0;

	__asm__("lsl %1, %0" : "=r"(v) : "r"(15u * 8 + 3), "0"(v));
	return v & 0xfff;
}

static uint32_t take_any(struct task *t)
{
	struct arena_ctl *ctl = arena_ctl(t->pool);
	uint32_t n = arena_cpus(t->pool), first = this_cpu() % n;

	for (uint32_t k = 0; k < n; k++)
		if (fast_trylock(t, &ctl->cpu[(first + k) % n].word) == 0)
			return (first + k) % n + 1;
	/* All run; one of them may be dead. A damaged word is no reason to stop the program: unshared, then. */
	return lock_acquire_past_freeze(t, &ctl->cpu[first].word) == 0 ? first + 1 : 0;
}

uint32_t maps_cpu(struct run *run)
{
	struct maps_run *mr = run->owner;

	if (unlikely(!run->cpu))
		run->cpu = take_any(mr->t);
	return run->cpu ? run->cpu - 1 : 0;
}

void maps_run_end(struct run *run)
{
	struct maps_run *mr = run->owner;

	if (run->cpu) {
		fast_unlock(mr->t, &arena_ctl(mr->t->pool)->cpu[run->cpu - 1].word, 0);
		run->cpu = 0;
	}
}
