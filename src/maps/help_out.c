/*
 * Helpers that hand data to a loader: ring buffers, perf buffers, stack
 * traces; and the spin lock.
 */
#include "maps/help.h"
#include "maps/perf.h"
#include "maps/ring.h"
#include "maps/trace.h"

#define WAKEUP_FLAGS ((uint64_t)(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP))

/* Most programs reserve from one ring: it is remembered. */
static struct map *ring_of(struct run *run, const void *record)
{
	struct maps_run *mr = owner_of(run);
	struct map *m = mr->ring;

	if (likely(m && ring_holds(m, record)))
		return m;
	return map_at(mr->t->pool, arena_base(mr->t->pool, pool_off(mr->t->pool, record)));
}

static void wake(struct run *run, struct map *m, bool caught_up, uint64_t flags)
{
	struct maps_run *mr = owner_of(run);

	if ((flags & BPF_RB_FORCE_WAKEUP) || (caught_up && !(flags & BPF_RB_NO_WAKEUP)))
		mr->host->wake(mr, map_off(mr->t->pool, m));
}

uint64_t help_ring_reserve(uint64_t map, uint64_t size, uint64_t flags, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	mr->ring = map_arg(map);
	return flags ? 0 : addr(ring_reserve(mr->t, mr->ring, size));
}

static uint64_t commit(struct run *run, void *record, uint64_t flags, uint32_t bit)
{
	struct map *m = ring_of(run, record);

	if (m)
		wake(run, m, ring_commit(task_of(run), m, record, bit), flags);
	return 0;
}

uint64_t help_ring_submit(uint64_t record, uint64_t flags, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	return commit(run, ptr(record), flags, 0);
}

uint64_t help_ring_discard(uint64_t record, uint64_t flags, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	return commit(run, ptr(record), flags, BPF_RINGBUF_DISCARD_BIT);
}

uint64_t help_ring_output(uint64_t map, uint64_t data, uint64_t size, uint64_t flags, uint64_t e5, struct run *run)
{
	struct map *m = map_arg(map);
	void *record;

	if (flags & ~WAKEUP_FLAGS)
		return num(-EINVAL);
	record = ring_reserve(task_of(run), m, size);
	if (!record)
		return num(-EAGAIN);
	mem_copy(record, ptr(data), size);
	wake(run, m, ring_commit(task_of(run), m, record, 0), flags);
	return 0;
}

uint64_t help_ring_query(uint64_t map, uint64_t what, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	const struct map *m = map_arg(map);

	switch (what) {
	case BPF_RB_AVAIL_DATA:
		return load_acquire(ring_producer(m)) - load_relaxed(ring_consumer(m));
	case BPF_RB_RING_SIZE:
		return m->max_entries;
	case BPF_RB_CONS_POS:
		return load_acquire(ring_consumer(m));
	case BPF_RB_PROD_POS:
		return load_acquire(ring_producer(m));
	default:
		return 0;
	}
}

uint64_t help_perf_output(uint64_t ctx, uint64_t map, uint64_t flags, uint64_t data, uint64_t size, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	const struct map *m = map_arg(map);
	uint64_t index = flags & BPF_F_INDEX_MASK, ring;
	int err;

	if (flags & ~(uint64_t)BPF_F_INDEX_MASK)
		return num(-EINVAL);
	if (index == BPF_F_CURRENT_CPU)
		index = maps_cpu(run);
	if (index >= m->max_entries)
		return num(-E2BIG);
	ring = map_slot(m, (uint32_t)index);
	if (!ring)
		return num(-ENOENT);
	err = perf_output(mr->t, ring, ptr(data), (uint32_t)size);
	mr->host->wake(mr, ring);
	return num(err);
}

/* --- stacks: there is the program's own, and no kernel's --- */

#define STACK_FLAGS ((uint64_t)(BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK | BPF_F_FAST_STACK_CMP | BPF_F_REUSE_STACKID))

uint64_t help_stackid(uint64_t ctx, uint64_t map, uint64_t flags, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	uint32_t skip = flags & BPF_F_SKIP_FIELD_MASK;
	uint64_t ip[TRACE_MAX];
	int n;

	if (flags & ~STACK_FLAGS)
		return num(-EINVAL);
	n = flags & BPF_F_USER_STACK ? mr->host->stack(mr, ptr(ctx), ip, TRACE_MAX) : 0;
	if (n <= (int)skip)
		return num(-EFAULT);
	return num(trace_put(mr->t, map_arg(map), ip + skip, (uint32_t)n - skip, flags));
}

uint64_t help_stack(uint64_t ctx, uint64_t buf, uint64_t size, uint64_t flags, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	uint32_t skip = flags & BPF_F_SKIP_FIELD_MASK, room = (uint32_t)size, bytes;
	uint64_t ip[TRACE_MAX];
	int n;

	mem_zero(ptr(buf), room);
	if (flags & BPF_F_USER_BUILD_ID)
		return num(-EOPNOTSUPP);
	if ((flags & ~(uint64_t)(BPF_F_SKIP_FIELD_MASK | BPF_F_USER_STACK)) || room % 8)
		return num(-EINVAL);
	n = flags & BPF_F_USER_STACK ? mr->host->stack(mr, ptr(ctx), ip, TRACE_MAX) : 0;
	if (n <= (int)skip)
		return num(-EFAULT);
	bytes = min_of(((uint32_t)n - skip) * 8, room);
	mem_copy(ptr(buf), ip + skip, bytes);
	return bytes;
}

/* --- the spin lock --- */

uint64_t help_spin_lock(uint64_t lock, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	uint64_t *word = spin_word(mr->t->pool, ptr(lock));

	mr->spin = fast_lock(mr->t, word) == 0 ? pool_off(mr->t->pool, word) : 0;
	return 0;
}

uint64_t help_spin_unlock(uint64_t lock, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	if (mr->spin)
		fast_unlock(mr->t, (uint64_t *)(void *)(mr->t->pool->base + mr->spin), LOCK_VERSION);
	mr->spin = 0;
	return 0;
}
