/*
 * Counting: the writers' side. Freestanding, no system call, no lock, nothing
 * shared between tasks; a counter is one `add` to memory, so that a thread that
 * is killed has counted a thing or has not. Where the task has no record
 * (t->count is NULL: no memory could be had) nothing is counted.
 *
 * Latency is sampled: two looks at the clock for every 64th call on average,
 * with a gap that changes, or a program that makes its calls in a cycle would
 * show one of them only.
 */
#pragma once

#include "metrics/layout.h"

/*
 * Gives the task, which has just sat down, the record of its seat. Without memory for it t->count stays NULL.
 */
void metrics_attach(struct task *t);

static inline void metrics_add(uint64_t *counter, uint64_t n)
{
	__asm__("addq %1, %0" : "+m"(*counter) : "er"(n) : "cc");
}

/* One operation, and how it ended: -errno, or any other value. */
static inline void metrics_op(struct metrics_seat *m, enum metrics_path path, unsigned op, long ret)
{
	bool failed = (unsigned long)ret > (unsigned long)-(long)METRICS_ERRNOS;

	metrics_add(&m->ops[path][op][failed], 1);
	if (unlikely(failed))
		metrics_add(&m->errors[-ret], 1);
	else if (op - OP_READ <= OP_WRITE - OP_READ)
		metrics_add(&m->bytes[path][op - OP_READ], (uint64_t)ret);
}

static inline struct metrics_shared *metrics_shared(const struct pool *pool)
{
	return (struct metrics_shared *)(void *)(pool->base + pool->region[REGION_METRICS].off);
}

/* A call of a task that has found no seat. */
static inline void metrics_no_seat(const struct pool *pool)
{
	if (pool->region[REGION_METRICS].len >= METRICS_BYTES)
		fetch_add(&metrics_shared(pool)->no_seat, 1);
}

/* ---- Latency ----------------------------------------------------------------- */

/* A thread's own: calls until the next sample, and what the gaps are drawn from. */
struct metrics_sampler {
	uint32_t left;
	uint32_t seed;
};

/* Is this call one to be timed? */
static inline bool metrics_due(struct metrics_sampler *s)
{
	return unlikely(s->left-- == 0);
}

/* Draws the next gap: 0 to 126, 63 on average, so that one call in 64 is timed. */
void metrics_rearm(struct metrics_sampler *s);

static inline uint64_t metrics_ticks(void)
{
	return __builtin_ia32_rdtsc();
}

/* Adds a sample of so many ticks; takes memory for the task's histograms at the first one. */
void metrics_sample(struct task *t, enum metrics_path path, unsigned op, uint64_t ticks);
/* The same in ns. */
void metrics_sample_ns(struct task *t, enum metrics_path path, unsigned op, uint64_t ns);
