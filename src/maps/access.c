/*
 * What of the world a program may touch, for the checking interpreter: bytes
 * within one value of a map, or within one record of a ring. Slow, and exact.
 */
#include "maps/helper.h"
#include "maps/hash.h"
#include "maps/ring.h"

static bool within(uint64_t at, uint64_t len, uint64_t size)
{
	return at <= size && len <= size - at;
}

/* In a row of things of `stride` bytes of which `size` from `skip` on are to be touched. */
static bool in_row(uint64_t at, uint64_t len, uint64_t n, uint64_t stride, uint64_t skip, uint64_t size)
{
	return at < n * stride && at % stride >= skip && within(at % stride - skip, len, size);
}

static bool in_values(const struct map *m, uint64_t at, uint64_t len)
{
	uint64_t n = m->nelems ? m->nelems : m->max_entries;

	if (at < m->values)
		return false;
	at -= m->values;
	if (!m->cpu_stride)
		return in_row(at, len, n, m->stride, 0, m->value_len);
	return at < m->cpu_stride * m->ncpus && in_row(at % m->cpu_stride, len, n, m->stride, 0, m->value_len);
}

static bool in_elems(const struct map *m, uint64_t at, uint64_t len, bool write)
{
	if (at < m->elems)
		return false;
	at -= m->elems;
	if (!m->cpu_stride && in_row(at, len, m->nelems, m->elem_bytes, m->value_at, m->value_len))
		return true;
	return !write && in_row(at, len, m->nelems, m->elem_bytes, sizeof(struct elem), m->key_size);
}

/* Records are walked from the consumer's position on. */
static bool in_record(const struct map *m, uint64_t addr, uint64_t len)
{
	uint64_t at = load_acquire(ring_consumer(m)), end = load_acquire(ring_producer(m));

	while (at < end) {
		const char *r = ring_data(m) + (at & (m->max_entries - 1));
		uint32_t size = load_acquire((const uint32_t *)(const void *)r);
		uint64_t in = addr - (uint64_t)(uintptr_t)(r + 8);
		uint32_t bytes = size & ~(uint32_t)(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if ((size & BPF_RINGBUF_BUSY_BIT) && within(in, len, bytes))
			return true;
		at += round_up((uint64_t)bytes + 8, 8);
	}
	return false;
}

bool maps_access(const struct pool *p, uint64_t addr, uint64_t len, bool write)
{
	uint64_t off = addr - (uint64_t)(uintptr_t)p->base;
	uint64_t base = off < p->size ? arena_base(p, off) : 0;
	const struct map *m = base ? map_at(p, base) : NULL;

	if (!m || (write && (m->flags & BPF_F_RDONLY_PROG)))
		return false;
	switch (m->type) {
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return in_values(m, off - base, len);
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return in_values(m, off - base, len) || in_elems(m, off - base, len, write);
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_TASK_STORAGE:
		return in_elems(m, off - base, len, write);
	case BPF_MAP_TYPE_LPM_TRIE:
		return off - base >= m->elems &&
		       in_row(off - base - m->elems, len, m->nelems, m->elem_bytes, m->value_at, m->value_len);
	case BPF_MAP_TYPE_RINGBUF:
		return in_record(m, addr, len);
	default:
		return false;
	}
}
