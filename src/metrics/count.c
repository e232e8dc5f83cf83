/* What is not on the way of every call: a record's memory, the drawing of gaps, samples. See count.h. */
#include "metrics/count.h"

/* Memory for a part of the seat's record. The seat is ours: nobody else sets its bits. */
static bool take_part(struct task *t, unsigned part, void *from, size_t len)
{
	uint8_t *parts = &metrics_shared(t->pool)->parts[t->id - 1];
	uint8_t have = load_relaxed(parts);

	if (have & part)
		return true;
	if (pool_commit(t->pool, pool_off(t->pool, from), len) != 0)
		return false;
	store_release(parts, (uint8_t)(have | part));
	return true;
}

void metrics_attach(struct task *t)
{
	char *base = t->pool->base + t->pool->region[REGION_METRICS].off;
	struct metrics_seat *m = (struct metrics_seat *)(void *)(base + POOL_PAGE) + (t->id - 1);

	t->count = NULL;
	if (t->pool->region[REGION_METRICS].len >= METRICS_BYTES &&
	    take_part(t, METRICS_PART_COUNTERS, m, offsetof(struct metrics_seat, latency)))
		t->count = m;
}

void metrics_rearm(struct metrics_sampler *s)
{
	s->seed = s->seed * 1664525u + 1013904223u;
	s->left = (s->seed >> 16) % 127;
}

void metrics_sample_ns(struct task *t, enum metrics_path path, unsigned op, uint64_t ns)
{
	struct metrics_seat *m = t->count;

	if (!m || !take_part(t, METRICS_PART_LATENCY(path), &m->latency[path], sizeof m->latency[path]))
		return;
	metrics_add(&m->latency[path].op[op].sum, ns);
	metrics_add(&m->latency[path].op[op].bucket[metrics_bucket(ns)], 1);
}

void metrics_sample(struct task *t, enum metrics_path path, unsigned op, uint64_t ticks)
{
	uint64_t tick = load_relaxed(&metrics_shared(t->pool)->tick);

	/* Counters of two processors may differ, and a thread may have slept for days. */
	if (tick && ticks < 1ull << 40)
		metrics_sample_ns(t, path, op, ticks * tick >> METRICS_TICK_SHIFT);
}
