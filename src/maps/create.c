/*
 * Making maps, and what is asked about one that stands.
 */
#include "base/hash.h"
#include "maps/internal.h"

#define TYPE_LAST 33u /* BPF_MAP_TYPE_ARENA, the last of Linux 6.18: the headers may be older */

static const struct map_ops *const all_ops[] = {
    [BPF_MAP_TYPE_HASH] = &hash_ops,
    [BPF_MAP_TYPE_ARRAY] = &array_ops,
    [BPF_MAP_TYPE_PERCPU_HASH] = &percpu_hash_ops,
    [BPF_MAP_TYPE_PERCPU_ARRAY] = &percpu_array_ops,
    [BPF_MAP_TYPE_LRU_HASH] = &lru_hash_ops,
    [BPF_MAP_TYPE_LRU_PERCPU_HASH] = &lru_percpu_hash_ops,
    [BPF_MAP_TYPE_QUEUE] = &queue_ops,
    [BPF_MAP_TYPE_STACK] = &stack_ops,
    [BPF_MAP_TYPE_BLOOM_FILTER] = &bloom_ops,
    [BPF_MAP_TYPE_LPM_TRIE] = &trie_ops,
    [BPF_MAP_TYPE_STACK_TRACE] = &trace_ops,
    [BPF_MAP_TYPE_RINGBUF] = &ring_ops,
    [BPF_MAP_TYPE_USER_RINGBUF] = &user_ring_ops,
    [BPF_MAP_TYPE_PROG_ARRAY] = &fd_array_ops,
    [BPF_MAP_TYPE_PERF_EVENT_ARRAY] = &fd_array_ops,
    [BPF_MAP_TYPE_ARRAY_OF_MAPS] = &array_of_maps_ops,
    [BPF_MAP_TYPE_HASH_OF_MAPS] = &hash_of_maps_ops,
    [BPF_MAP_TYPE_TASK_STORAGE] = &storage_ops,
};

const struct map_ops *map_ops(uint32_t type)
{
	return type < array_len(all_ops) ? all_ops[type] : NULL;
}

static bool one_of(uint32_t type, uint64_t types)
{
	return type < 64 && (1ull << type & types);
}

#define T(name) (1ull << BPF_MAP_TYPE_##name)
#define LOCK_TYPES (T(HASH) | T(ARRAY) | T(TASK_STORAGE))
#define TIMER_TYPES (T(HASH) | T(LRU_HASH) | T(ARRAY))
#define REF_TYPES (T(PROG_ARRAY) | T(PERF_EVENT_ARRAY) | T(ARRAY_OF_MAPS) | T(HASH_OF_MAPS))

bool map_holds_refs(const struct map *m)
{
	return one_of(m->type, REF_TYPES);
}

/* Fields of the value that only helpers touch: which types may have them. */
static int check_fields(const struct map_attr *a)
{
	if (a->spin_lock_off < 0 && a->timer_off < 0)
		return 0;
	if (a->flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG))
		return -EACCES;
	if (a->spin_lock_off >= 0 &&
	    (!one_of(a->type, LOCK_TYPES) || (uint64_t)a->spin_lock_off + 4 > a->value_size || a->spin_lock_off % 4))
		return -MAP_ENOTSUPP;
	if (a->timer_off >= 0 &&
	    (!one_of(a->type, TIMER_TYPES) || (uint64_t)a->timer_off + 16 > a->value_size || a->timer_off % 8))
		return -MAP_ENOTSUPP;
	return 0;
}

static int check_attr(const struct task *t, const struct map_attr *a)
{
	if (!map_ops(a->type))
		return a->type && a->type <= TYPE_LAST ? -EOPNOTSUPP : -EINVAL;
	if (a->extra && a->type != BPF_MAP_TYPE_BLOOM_FILTER)
		return -EINVAL;
	if (one_of(a->type, T(ARRAY_OF_MAPS) | T(HASH_OF_MAPS)) != (a->inner != 0))
		return -EINVAL;
	if (a->inner && !map_at(t->pool, a->inner))
		return -EBADF;
	return 0;
}

static void shape_of(const struct map *m, struct map_shape *s)
{
	*s = (struct map_shape){.type = m->type,
				.key_size = m->key_size,
				.value_size = m->value_size,
				.max_entries = m->max_entries,
				.flags = m->flags,
				.spin_lock_off = m->spin_lock_off,
				.timer_off = m->timer_off};
}

static void begin(const struct task *t, const struct map_attr *a, struct map *m)
{
	*m = (struct map){.magic = MAP_MAGIC,
			  .type = a->type,
			  .key_size = a->key_size,
			  .value_size = a->value_size,
			  .max_entries = a->max_entries,
			  .value_len = one_of(a->type, REF_TYPES) ? 8 : a->value_size,
			  .flags = a->flags,
			  .spin_lock_off = a->spin_lock_off,
			  .timer_off = a->timer_off,
			  .extra = a->extra,
			  .bytes = sizeof(struct map),
			  .ncpus = 1,
			  .secret = a->flags & BPF_F_ZERO_SEED ? 0 : t->pool->secret};
	mem_copy(m->name, a->name, sizeof m->name);
	m->name[sizeof m->name - 1] = 0;
	if (a->inner)
		shape_of(map_at(t->pool, a->inner), &m->inner);
}

/* What is not preallocated gets its memory when it is used: see hash_elem.c. */
static int commit(struct task *t, const struct map *m, uint64_t off)
{
	return pool_commit(t->pool, off, m->flags & BPF_F_NO_PREALLOC ? sizeof *m : m->bytes) ? -ENOMEM : 0;
}

int map_create(struct task *t, const struct map_attr *a, uint64_t *off)
{
	const struct map_ops *ops = map_ops(a->type);
	struct map *m, plan;
	int err = check_attr(t, a);

	if (err)
		return err;
	begin(t, a, &plan);
	err = ops->plan(t->pool, a, &plan);
	if (!err)
		err = check_fields(a);
	if (!err)
		err = arena_take(t, plan.bytes, off);
	if (err)
		return err;
	m = (struct map *)(void *)(t->pool->base + *off);
	err = commit(t, &plan, *off);
	if (!err) {
		uint64_t magic = plan.magic;

		plan.magic = 0;
		*m = plan;
		err = ops->fill ? ops->fill(t, m) : 0;
		store_release(&m->magic, magic);
	}
	return err ? min_of(err, arena_put(t, *off)) : 0;
}

struct map *map_at(const struct pool *p, uint64_t off)
{
	struct map *m = pool_at(p, REGION_PAGES, off, sizeof *m);
	uint64_t size = m ? arena_size(p, off) : 0;

	if (!size || load_acquire(&m->magic) != MAP_MAGIC || m->bytes > size || !map_ops(m->type))
		return NULL;
	return m;
}

uint32_t map_value_bytes(const struct map *m)
{
	switch (m->type) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return value_room(m) * m->ncpus;
	case BPF_MAP_TYPE_PROG_ARRAY:
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		return 4;
	default:
		return m->value_size;
	}
}

bool map_fits(const struct map *m, const struct map_shape *s)
{
	return m->type == s->type && m->key_size == s->key_size && m->value_size == s->value_size &&
	       m->flags == s->flags && m->spin_lock_off == s->spin_lock_off && m->timer_off == s->timer_off &&
	       (m->type != BPF_MAP_TYPE_ARRAY || (m->flags & BPF_F_INNER_MAP) || m->max_entries == s->max_entries);
}

static void describe_shape(const struct map_shape *s, struct map_info *info)
{
	*info = (struct map_info){.type = s->type,
				  .key_size = s->key_size,
				  .value_size = s->value_size,
				  .max_entries = s->max_entries,
				  .flags = s->flags,
				  .spin_lock_off = s->spin_lock_off,
				  .timer_off = s->timer_off};
}

/* Compiled code and the verifier reach into these by themselves. */
static bool is_addressable(const struct map *m)
{
	return m->type == BPF_MAP_TYPE_ARRAY || m->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

void map_describe(const struct pool *p, const struct map *m, struct map_info *info, struct map_info *inner)
{
	struct map_shape s;
	uint64_t off = map_off(p, m);

	shape_of(m, &s);
	describe_shape(&s, info);
	info->off = off;
	info->frozen = load_acquire(&m->frozen);
	if (is_addressable(m)) {
		info->value_off = off + m->values;
		info->stride = m->stride;
		info->cpu_stride = m->cpu_stride;
	}
	if (m->type == BPF_MAP_TYPE_ARRAY && info->frozen && (m->flags & BPF_F_RDONLY_PROG) && m->max_entries == 1)
		info->rodata = map_ptr(m, m->values);
	hash_describe(m, info);
	if (m->inner.type && inner) {
		describe_shape(&m->inner, inner);
		info->inner = inner;
	}
	mem_copy(info->name, m->name, sizeof info->name);
}

uint64_t map_mmap_bytes(const struct map *m, uint64_t *off)
{
	*off = m->values;
	if (m->type == BPF_MAP_TYPE_RINGBUF || m->type == BPF_MAP_TYPE_USER_RINGBUF)
		return 2 * ARENA_PAGE + 2 * (uint64_t)m->max_entries;
	if (m->type != BPF_MAP_TYPE_ARRAY || !(m->flags & BPF_F_MMAPABLE))
		return 0;
	return round_up((uint64_t)m->max_entries * m->stride, ARENA_PAGE);
}

int map_check(struct task *t, struct map *m)
{
	const struct map_ops *ops = map_ops(m->type);

	return ops->verify ? ops->verify(t, m) : 0;
}
