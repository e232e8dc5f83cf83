/*
 * Maps whose values are references: a word each, changed by one exchange. For
 * a program a map in a map is the address of that map; what a slot of the
 * other types means is the matter of who put it there.
 */
#include "maps/hash.h"

static int fd_array_plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	uint32_t allowed = BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;

	if (a->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		allowed |= BPF_F_PRESERVE_ELEMS;
	if (a->key_size != 4 || a->value_size != 4 || !a->max_entries || (a->flags & ~allowed) ||
	    check_access_flags(a->flags))
		return -EINVAL;
	/* Programs neither read nor write what is no value of theirs. */
	if (a->flags & (BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG))
		return -EINVAL;
	m->stride = 8;
	m->values = plan_room(m, a->max_entries, 8, 64);
	return 0;
}

static uint64_t *slot_of(const struct map *m, uint32_t i)
{
	return (uint64_t *)map_ptr(m, m->values) + i;
}

static uint32_t index_of(const void *key)
{
	return *(const uint32_t *)key;
}

static int put_slot(struct map *m, const void *key, uint64_t ref, uint64_t flags, uint64_t *old)
{
	if (flags != BPF_ANY)
		return -EINVAL;
	if (index_of(key) >= m->max_entries)
		return -E2BIG;
	*old = swap(slot_of(m, index_of(key)), ref);
	return 0;
}

static int drop_slot(struct map *m, const void *key, uint64_t *old)
{
	if (index_of(key) >= m->max_entries)
		return -E2BIG;
	*old = swap(slot_of(m, index_of(key)), 0);
	return *old ? 0 : -ENOENT;
}

static int slot_next(struct task *t, struct map *m, const void *key, void *next)
{
	return array_ops.next(t, m, key, next);
}

static void *find_map(struct task *t, struct map *m, const void *key, uint32_t cpu)
{
	uint64_t ref = map_slot(m, index_of(key));

	return ref ? t->pool->base + ref : NULL;
}

static void *hash_find_map(struct task *t, struct map *m, const void *key, uint32_t cpu)
{
	const uint64_t *ref = hash_ops.find(t, m, key, 0);
	uint64_t off = ref ? load_acquire(ref) : 0;

	return off ? t->pool->base + off : NULL;
}

static int no_remove(struct task *t, struct map *m, const void *key)
{
	return -EINVAL;
}

const struct map_ops fd_array_ops = {.plan = fd_array_plan, .next = slot_next, .remove = no_remove};
const struct map_ops array_of_maps_ops = {.plan = fd_array_plan, .find = find_map, .next = slot_next};

static int hash_of_maps_plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	return a->value_size == 4 ? hash_ops.plan(p, a, m) : -EINVAL;
}

static int hash_fill(struct task *t, struct map *m)
{
	return hash_ops.fill(t, m);
}

static int hash_next(struct task *t, struct map *m, const void *key, void *next)
{
	return hash_ops.next(t, m, key, next);
}

static int hash_verify(struct task *t, struct map *m)
{
	return hash_ops.verify(t, m);
}

const struct map_ops hash_of_maps_ops = {
    .plan = hash_of_maps_plan, .fill = hash_fill, .find = hash_find_map, .next = hash_next, .verify = hash_verify};

/* --- for who counts them --- */

static int ref_key(const struct map *m, const void *key, uint64_t *buf)
{
	if (m->key_size > MAP_KEY_MAX)
		return -EINVAL;
	return user_copy(buf, key, m->key_size) ? -EFAULT : 0;
}

int map_put_ref(struct task *t, struct map *m, const void *key, uint64_t ref, uint64_t flags, uint64_t *old)
{
	uint64_t buf[MAP_KEY_MAX / 8];
	int err = load_acquire(&m->frozen) ? -EPERM : flags & BPF_F_LOCK ? -EINVAL : ref_key(m, key, buf);

	*old = 0;
	if (err)
		return err;
	if (m->type == BPF_MAP_TYPE_HASH_OF_MAPS)
		return hash_put_ref(t, m, buf, ref, flags, old);
	return put_slot(m, buf, ref, flags, old);
}

int map_get_ref(struct task *t, struct map *m, const void *key, uint64_t *ref)
{
	uint64_t buf[MAP_KEY_MAX / 8];
	int err = m->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY ? -MAP_ENOTSUPP : ref_key(m, key, buf);
	const uint64_t *at;

	if (err)
		return err;
	if (m->type != BPF_MAP_TYPE_HASH_OF_MAPS) {
		*ref = map_slot(m, index_of(buf));
		return *ref ? 0 : -ENOENT;
	}
	at = hash_ops.find(t, m, buf, 0);
	*ref = at ? load_acquire(at) : 0;
	return *ref ? 0 : -ENOENT;
}

int map_drop_ref(struct task *t, struct map *m, const void *key, uint64_t *old)
{
	uint64_t buf[MAP_KEY_MAX / 8];
	int err = load_acquire(&m->frozen) ? -EPERM : ref_key(m, key, buf);

	*old = 0;
	if (err)
		return err;
	if (m->type == BPF_MAP_TYPE_HASH_OF_MAPS)
		return hash_drop_ref(t, m, buf, old);
	return drop_slot(m, buf, old);
}

uint64_t map_next_ref(const struct map *m, uint32_t *at)
{
	uint64_t ref = 0;

	if (m->type == BPF_MAP_TYPE_HASH_OF_MAPS)
		return hash_next_ref(m, at);
	if (!map_holds_refs(m))
		return 0;
	while (!ref && *at < m->max_entries)
		ref = map_slot(m, (*at)++);
	return ref;
}
