/*
 * Arrays: max_entries values in a row, all there from the start. Of a per-CPU
 * array each CPU has such a row on pages of its own, so that CPUs share no
 * line. Updates overwrite in place, as in the kernel: who reads at the same
 * time may see half of a value larger than a word.
 */
#include "maps/internal.h"

#define SHARED_FLAGS                                                                                                   \
	(BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG | BPF_F_MMAPABLE |      \
	 BPF_F_PRESERVE_ELEMS | BPF_F_INNER_MAP)

static int check_attr(const struct map_attr *a, bool percpu)
{
	if (a->max_entries == 0 || a->key_size != 4 || a->value_size == 0 || (a->flags & ~SHARED_FLAGS))
		return -EINVAL;
	if (check_access_flags(a->flags) || (percpu && (a->flags & BPF_F_NUMA_NODE)))
		return -EINVAL;
	if (a->type != BPF_MAP_TYPE_ARRAY && (a->flags & (BPF_F_MMAPABLE | BPF_F_INNER_MAP)))
		return -EINVAL;
	if (a->type != BPF_MAP_TYPE_PERF_EVENT_ARRAY && (a->flags & BPF_F_PRESERVE_ELEMS))
		return -EINVAL;
	if (a->value_size > INT32_MAX || (percpu && round_up(a->value_size, 8u) > 32768u))
		return -E2BIG;
	return 0;
}

static int plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	int err = check_attr(a, false);

	if (err)
		return err;
	m->stride = value_room(m);
	m->values = plan_room(m, a->max_entries, m->stride, a->flags & BPF_F_MMAPABLE ? ARENA_PAGE : 64);
	m->cpu_stride = 0;
	if (a->flags & BPF_F_MMAPABLE)
		m->bytes = round_up(m->bytes, ARENA_PAGE);
	return 0;
}

static int percpu_plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	int err = check_attr(a, true);

	if (err)
		return err;
	m->ncpus = arena_cpus(p);
	m->stride = value_room(m);
	m->cpu_stride = round_up((uint64_t)a->max_entries * m->stride, ARENA_PAGE);
	m->values = plan_room(m, m->ncpus, m->cpu_stride, ARENA_PAGE);
	return 0;
}

static uint32_t index_of(const void *key)
{
	uint32_t i;

	mem_copy(&i, key, sizeof i);
	return i;
}

static void *value_of(const struct map *m, uint32_t i, uint32_t cpu)
{
	return map_ptr(m, m->values + cpu * m->cpu_stride + (uint64_t)i * m->stride);
}

static void *find(struct task *t, struct map *m, const void *key, uint32_t cpu)
{
	uint32_t i = index_of(key);

	return likely(i < m->max_entries && cpu < m->ncpus) ? value_of(m, i, cpu) : NULL;
}

static int array_read(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	uint32_t i = index_of(key);

	if (i >= m->max_entries)
		return -ENOENT;
	if (flags & BPF_F_LOCK)
		return value_out_locked(t, m, value, value_of(m, i, 0));
	return value_out(m, value, value_of(m, i, 0));
}

static int percpu_read(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	uint32_t i = index_of(key);
	int err = 0;

	if (i >= m->max_entries)
		return -ENOENT;
	for (uint32_t c = 0; c < m->ncpus && !err; c++)
		err = copy_out((char *)value + (uint64_t)c * m->stride, value_of(m, i, c), m->stride);
	return err;
}

static int update_check(const struct map *m, const void *key, uint64_t flags)
{
	int err = check_update_flags(m, flags);

	if (err)
		return err;
	if (index_of(key) >= m->max_entries)
		return -E2BIG;
	return flags & BPF_NOEXIST ? -EEXIST : 0;
}

static int array_update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags,
			struct side s)
{
	int err = update_check(m, key, flags);
	void *to = value_of(m, index_of(key), 0);

	if (err)
		return err;
	return flags & BPF_F_LOCK ? value_in_locked(t, m, to, value) : value_in(s, m, to, value);
}

static int percpu_update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags,
			 struct side s)
{
	int err = flags & BPF_F_LOCK ? -EINVAL : update_check(m, key, flags);
	uint32_t i = index_of(key);

	if (err)
		return err;
	if (!s.user)
		return value_in(s, m, value_of(m, i, s.cpu), value);
	for (uint32_t c = 0; c < m->ncpus && !err; c++)
		err = copy_in(s, value_of(m, i, c), (const char *)value + (uint64_t)c * m->stride, m->stride);
	return err;
}

static int array_remove(struct task *t, struct map *m, const void *key)
{
	return -EINVAL;
}

static int array_next(struct task *t, struct map *m, const void *key, void *next)
{
	uint32_t i = key ? index_of(key) : UINT32_MAX;

	if (i == m->max_entries - 1)
		return -ENOENT;
	i = i >= m->max_entries ? 0 : i + 1;
	mem_copy(next, &i, sizeof i);
	return 0;
}

static int64_t array_each(struct task *t, struct map *m, uint32_t cpu,
			  bool (*visit)(void *arg, const void *key, void *value), void *arg)
{
	int64_t n = 0;

	for (uint32_t i = 0; i < m->max_entries; i++) {
		n++;
		if (!visit(arg, &i, value_of(m, i, cpu)))
			break;
	}
	return n;
}

const struct map_ops array_ops = {
    .plan = plan,
    .find = find,
    .read = array_read,
    .update = array_update,
    .remove = array_remove,
    .next = array_next,
    .each = array_each,
};

const struct map_ops percpu_array_ops = {
    .plan = percpu_plan,
    .find = find,
    .read = percpu_read,
    .update = percpu_update,
    .remove = array_remove,
    .next = array_next,
    .each = array_each,
};
