/*
 * Task storage: a hash by the number of the thread. What the kernel frees with
 * the task, the agent deletes when a thread ends (map_delete), and
 * map_storage_sweep() where one was killed.
 *
 * Their number has no bound in the kernel; here STORAGE_ENTRIES.
 */
#include "base/sys.h"
#include "maps/hash.h"

#define STORAGE_ENTRIES 4096u

static int plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	struct map_attr table = *a;

	if (a->flags & ~(uint32_t)(BPF_F_NO_PREALLOC | BPF_F_CLONE) || !(a->flags & BPF_F_NO_PREALLOC) ||
	    a->max_entries || a->key_size != 4 || !a->value_size)
		return -EINVAL;
	if (a->value_size > 65536 - 64)
		return -E2BIG;
	table.flags = BPF_F_NO_PREALLOC;
	table.max_entries = STORAGE_ENTRIES;
	return hash_ops.plan(p, &table, m);
}

static int fill(struct task *t, struct map *m)
{
	return hash_ops.fill(t, m);
}

static int read_value(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	return hash_ops.read(t, m, key, value, flags);
}

static int update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags, struct side s)
{
	return hash_ops.update(t, m, key, value, flags, s);
}

static int remove_key(struct task *t, struct map *m, const void *key)
{
	return hash_ops.remove(t, m, key);
}

static void *find(struct task *t, struct map *m, const void *key, uint32_t cpu)
{
	return hash_ops.find(t, m, key, cpu);
}

static int verify(struct task *t, struct map *m)
{
	return hash_ops.verify(t, m);
}

static int no_next(struct task *t, struct map *m, const void *key, void *next)
{
	return -MAP_ENOTSUPP;
}

const struct map_ops storage_ops = {.plan = plan,
				    .fill = fill,
				    .find = find,
				    .read = read_value,
				    .update = update,
				    .remove = remove_key,
				    .next = no_next,
				    .verify = verify};

int map_storage_make(struct task *t, struct map *m, uint32_t tid, const void *value)
{
	int err = hash_ops.update(t, m, &tid, value, BPF_NOEXIST, (struct side){.zero = !value});

	return err == -EEXIST ? 0 : err;
}

void map_storage_sweep(struct task *t, struct map *m)
{
	uint32_t key = 0, next;

	if (m->type != BPF_MAP_TYPE_TASK_STORAGE || hash_ops.next(t, m, NULL, &key))
		return;
	for (uint32_t n = 0; n <= m->nelems; n++) {
		bool more = hash_ops.next(t, m, &key, &next) == 0;

		if (sys_call3(SYS_tkill, (long)key, 0, 0) == -ESRCH && hash_ops.remove(t, m, &key))
			return;
		if (!more)
			return;
		key = next;
	}
}
