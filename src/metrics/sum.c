/* The readers' side: see sum.h. */
#include "metrics/sum.h"

#include <string.h>

#include "base/atomic.h"

/* Records are nothing but counters of 8 bytes. */
static void add_words(uint64_t *to, const uint64_t *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / 8; i++)
		to[i] += load_relaxed(&from[i]);
}

static const struct metrics_shared *shared(const struct pool *pool)
{
	const struct pool_region *r = &pool->region[REGION_METRICS];

	return r->len >= METRICS_BYTES ? (const struct metrics_shared *)(const void *)(pool->base + r->off) : NULL;
}

bool metrics_add_seat(const struct pool *pool, uint32_t i, struct metrics_seat *sum)
{
	const struct metrics_shared *s = shared(pool);
	const struct metrics_seat *m = s ? (const void *)((const char *)s + POOL_PAGE) : NULL;
	unsigned parts = s && i < POOL_TASKS ? load_acquire(&s->parts[i]) : 0;

	if (!(parts & METRICS_PART_COUNTERS))
		return false;
	m += i;
	add_words((uint64_t *)sum, (const uint64_t *)m, offsetof(struct metrics_seat, latency));
	for (unsigned p = 0; p < METRICS_PATHS; p++)
		if (parts & METRICS_PART_LATENCY(p))
			add_words((uint64_t *)&sum->latency[p], (const uint64_t *)&m->latency[p],
				  sizeof(m->latency[p]));
	return true;
}

void metrics_sum(const struct pool *pool, struct metrics_seat *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (uint32_t i = 0; i < task_slots_used(pool); i++)
		metrics_add_seat(pool, i, sum);
	if (shared(pool))
		sum->handed[HANDED_NO_SEAT] += load_relaxed(&shared(pool)->no_seat);
}

struct metrics_shared metrics_read_shared(const struct pool *pool)
{
	const struct metrics_shared *s = shared(pool);
	struct metrics_shared out = {0};

	if (!s)
		return out;
	out.tick = load_relaxed(&s->tick);
	for (unsigned i = 0; i < METRICS_INVALS; i++)
		out.invals[i] = load_relaxed(&s->invals[i]);
	out.deaths = load_relaxed(&s->deaths);
	out.ring_requests = load_relaxed(&s->ring_requests);
	return out;
}

uint64_t metrics_ops_of(const struct metrics_seat *m, unsigned path, unsigned op)
{
	return m->ops[path][op][METRICS_OK] + m->ops[path][op][METRICS_ERROR];
}

uint64_t metrics_samples(const struct metrics_latency *l)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < METRICS_BUCKETS; i++)
		n += l->bucket[i];
	return n;
}

double metrics_quantile(const struct metrics_latency *l, double q)
{
	double want = q * (double)metrics_samples(l), seen = 0;

	for (unsigned i = 0; i < METRICS_BUCKETS - 1; i++) {
		double from = i ? (double)metrics_bound(i - 1) : 0, to = (double)metrics_bound(i);

		if (l->bucket[i] && seen + (double)l->bucket[i] >= want)
			return from + (to - from) * (want - seen) / (double)l->bucket[i];
		seen += (double)l->bucket[i];
	}
	return want > 0 ? (double)metrics_bound(METRICS_BUCKETS - 2) : 0;
}

void metrics_minus(struct metrics_seat *a, const struct metrics_seat *b)
{
	uint64_t *to = (uint64_t *)a;
	const uint64_t *from = (const uint64_t *)b;

	for (size_t i = 0; i < sizeof(*a) / 8; i++)
		to[i] -= from[i];
}
