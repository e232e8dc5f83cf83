/*
 * Maps: descriptors become objects, and maps/map.h does the rest on the shared
 * memory itself. In maps whose values are references, what the program writes
 * is a descriptor and what it reads an id.
 */
#include <errno.h>
#include <fcntl.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "agent/user.h"
#include "base/sys.h"
#include "world/btf.h"

static int find(struct task *t, long fd, unsigned access, struct object *o, struct map **m)
{
	int err = load_map(t, fd, access, o);

	if (err)
		return err;
	*m = map_at(&agent_world()->arena.pool, o->off);
	return *m ? 0 : -EUCLEAN;
}

static bool name_ok(const char name[16])
{
	for (unsigned i = 0; i < 16; i++) {
		char c = name[i];

		if (!c)
			return true;
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		      c == '.'))
			return false;
	}
	return false;
}

/* Where the value has its lock and its timer, as its BTF says. */
static int look_into(struct task *t, const union bpf_attr *attr, struct map_attr *a, struct object *btf)
{
	int err;

	a->spin_lock_off = a->timer_off = -1;
	if (!attr->btf_key_type_id && !attr->btf_value_type_id)
		return 0;
	err = load_object(t, (int)attr->btf_fd, OBJECT_BTF, btf);
	if (err)
		return err;
	if (attr->btf_value_type_id) {
		struct btf_view v;

		err = btf_view(agent_world()->arena.pool.base + btf->off, btf->len, &v);
		if (err)
			return err;
		a->spin_lock_off = btf_member(&v, attr->btf_value_type_id, "bpf_spin_lock");
		a->timer_off = btf_member(&v, attr->btf_value_type_id, "bpf_timer");
	}
	return 0;
}

long load_map_create(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct map_attr a = {.type = attr->map_type,
			     .key_size = attr->key_size,
			     .value_size = attr->value_size,
			     .max_entries = attr->max_entries,
			     /* These are the descriptor's. */
			     .flags = attr->map_flags & ~(unsigned)(BPF_F_RDONLY | BPF_F_WRONLY),
			     .extra = attr->map_extra};
	/* A filter by cgroup is loaded with every tool that has one, used or not; nothing here is in a cgroup's array.
	 */
	bool cgroups = a.type == BPF_MAP_TYPE_CGROUP_ARRAY;
	struct object o = {.kind = OBJECT_MAP, .type = attr->map_type}, btf = {0}, inner;
	struct map *m;
	long id;
	int denied = load_denied(attr->map_flags, false);
	int err = denied < 0 || !name_ok(attr->map_name) ? -EINVAL : look_into(t, attr, &a, &btf);

	if (!err && (a.type == BPF_MAP_TYPE_ARRAY_OF_MAPS || a.type == BPF_MAP_TYPE_HASH_OF_MAPS)) {
		err = find(t, (int)attr->inner_map_fd, 0, &inner, &m);
		a.inner = inner.off;
	}
	/* The kernel wants to know what a task's storage holds. */
	if (!err && a.type == BPF_MAP_TYPE_TASK_STORAGE && (!attr->btf_key_type_id || !attr->btf_value_type_id))
		err = -EINVAL;
	if (err)
		return err;
	if (cgroups)
		a.type = BPF_MAP_TYPE_PROG_ARRAY;
	memcpy(a.name, attr->map_name, sizeof(a.name));
	memcpy(o.name, attr->map_name, sizeof(o.name));
	o.btf = btf.id;
	o.btf_key = attr->btf_key_type_id;
	o.btf_value = attr->btf_value_type_id;
	err = map_create(t, &a, &o.off);
	if (err)
		return err;
	id = object_add(agent_world(), t, &o);
	if (id < 0) {
		(void)!arena_put(t, o.off);
		return id;
	}
	o.id = (uint32_t)id;
	return load_new_limited(t, &o, (unsigned)denied);
}

/* ---- References ---------------------------------------------------------------------- */

/* What a map of this type keeps for the descriptor that the program gave. */
static int reference(struct task *t, const struct map *m, long fd, uint64_t *ref)
{
	struct map_shape shape;
	struct load_fd f;
	struct object o;
	int err;

	switch (m->type) {
	case BPF_MAP_TYPE_PROG_ARRAY:
		err = load_object(t, fd, OBJECT_PROG, &o);
		*ref = o.id;
		return err;
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
		if (!load_look(fd, &f) || f.kind != LOAD_RING || !f.id)
			return -EINVAL;
		err = object_get(agent_world(), t, f.id, OBJECT_RING, &o);
		*ref = o.off;
		return err;
	default:
		err = load_object(t, fd, OBJECT_MAP, &o);
		if (err)
			return err;
		shape = m->inner;
		*ref = o.off;
		return map_fits(map_at(&agent_world()->arena.pool, o.off), &shape) ? 0 : -EINVAL;
	}
}

static long put_reference(struct task *t, struct map *m, const struct object *o, const union bpf_attr *attr)
{
	uint64_t ref, old = 0;
	int fd, err;

	if (o->type == BPF_MAP_TYPE_CGROUP_ARRAY)
		return -EOPNOTSUPP;
	if (copy_from_user(&fd, (const void *)(uintptr_t)attr->value, sizeof(fd)) != 0)
		return -EFAULT;
	err = reference(t, m, fd, &ref);
	if (!err)
		err = map_put_ref(t, m, (const void *)(uintptr_t)attr->key, ref, attr->flags, &old);
	if (!err && old)
		object_collect(agent_world(), t);
	return err;
}

/* What the program reads is an id. Nobody is told the id of a ring. */
static long get_reference(struct task *t, struct map *m, const union bpf_attr *attr)
{
	uint64_t ref;
	struct object o;
	uint32_t id;
	int err;

	if (m->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return -MAP_ENOTSUPP;
	err = map_get_ref(t, m, (const void *)(uintptr_t)attr->key, &ref);
	if (err)
		return err;
	id = (uint32_t)ref;
	if (m->type != BPF_MAP_TYPE_PROG_ARRAY) {
		if (object_at(agent_world(), t, ref, &o) != 0)
			return -ENOENT;
		id = o.id;
	}
	return copy_to_user((void *)(uintptr_t)attr->value, &id, sizeof(id));
}

/* ---- Task storage ---------------------------------------------------------------------- */

/* The number behind "Pid:" in the descriptor's entry in /proc. -EBADF: it is no pidfd. -ENOENT: its task is gone. */
static int task_of_pidfd(int fd)
{
	char text[512], path[48] = "/proc/thread-self/fdinfo/";
	long len, info;

	if (fd < 0)
		return -EBADF;
	mem_decimal(path + mem_length(path), (unsigned)fd);
	info = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
	if (info < 0)
		return -EBADF;
	len = sys_call3(SYS_read, info, (long)text, sizeof(text) - 1);
	sys_close((int)info);
	text[max_of(len, 0)] = '\0';
	for (const char *s = text; *s; s++) {
		int pid = 0;

		if ((s > text && s[-1] != '\n') || !mem_prefix(s, "Pid:\t"))
			continue;
		for (s += 5; *s >= '0' && *s <= '9'; s++)
			pid = pid * 10 + (*s - '0');
		return pid > 0 ? pid : -ENOENT;
	}
	return -EBADF;
}

/* The kernel reads a value before it looks at the descriptor. */
static bool readable(const char *value, uint32_t n)
{
	char part[256];

	for (uint32_t at = 0; at < n; at += sizeof(part))
		if (copy_from_user(part, value + at, min_of(n - at, (uint32_t)sizeof(part))) != 0)
			return false;
	return true;
}

/* A loader's key is a pidfd; here it is the number of the thread, into *tid. */
static int task_key(const struct map *m, const union bpf_attr *attr, bool has_value, uint32_t *tid)
{
	int fd, pid;

	if (copy_from_user(&fd, (const void *)(uintptr_t)attr->key, sizeof(fd)) != 0)
		return -EFAULT;
	if (has_value && !readable((const char *)(uintptr_t)attr->value, m->value_size))
		return -EFAULT;
	pid = task_of_pidfd(fd);
	*tid = (uint32_t)pid;
	return pid < 0 ? pid : 0;
}

static bool is_storage(const struct map *m)
{
	return m->type == BPF_MAP_TYPE_TASK_STORAGE;
}

/* ---- Elements ------------------------------------------------------------------------- */

#define KEY(attr) ((void *)(uintptr_t)(attr)->key)
#define VALUE(attr) ((void *)(uintptr_t)(attr)->value)

long load_map_lookup(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object o;
	struct map *m;
	uint32_t tid;
	int err = find(t, (int)attr->map_fd, LOAD_READ, &o, &m);

	if (!err && is_storage(m)) {
		if (attr->flags & ~(uint64_t)BPF_F_LOCK)
			return -EINVAL;
		err = task_key(m, attr, false, &tid);
		return err ? err : map_lookup(t, m, &tid, VALUE(attr), attr->flags);
	}
	if (err)
		return err;
	return map_holds_refs(m) ? get_reference(t, m, attr) : map_lookup(t, m, KEY(attr), VALUE(attr), attr->flags);
}

long load_map_update(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object o;
	struct map *m;
	uint32_t tid;
	int err = find(t, (int)attr->map_fd, LOAD_WRITE, &o, &m);

	if (!err && is_storage(m)) {
		err = task_key(m, attr, true, &tid);
		return err ? err : map_update(t, m, &tid, VALUE(attr), attr->flags);
	}
	if (err)
		return err;
	return map_holds_refs(m) ? put_reference(t, m, &o, attr)
				 : map_update(t, m, KEY(attr), VALUE(attr), attr->flags);
}

long load_map_delete(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object o;
	struct map *m;
	uint64_t old = 0;
	uint32_t tid;
	int err = find(t, (int)attr->map_fd, LOAD_WRITE, &o, &m);

	if (!err && is_storage(m)) {
		err = task_key(m, attr, false, &tid);
		return err ? err : map_delete(t, m, &tid);
	}
	if (err)
		return err;
	if (!map_holds_refs(m))
		return map_delete(t, m, KEY(attr));
	err = map_drop_ref(t, m, KEY(attr), &old);
	if (!err)
		object_collect(agent_world(), t);
	return err;
}

long load_map_next_key(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object o;
	struct map *m;
	int err = find(t, (int)attr->map_fd, LOAD_READ, &o, &m);

	return err ? err : map_next_key(t, m, KEY(attr), (void *)(uintptr_t)attr->next_key);
}

long load_map_take(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object o;
	struct map *m;
	int err = find(t, (int)attr->map_fd, LOAD_READ | LOAD_WRITE, &o, &m);

	return err ? err : map_lookup_and_delete(t, m, KEY(attr), VALUE(attr), attr->flags);
}

long load_map_freeze(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object o;
	struct map *m;
	int err = find(t, (int)attr->map_fd, LOAD_WRITE, &o, &m);

	return err ? err : map_freeze(t, m);
}

static unsigned batch_access(int cmd)
{
	return cmd == BPF_MAP_LOOKUP_BATCH		? LOAD_READ
	       : cmd == BPF_MAP_LOOKUP_AND_DELETE_BATCH ? LOAD_READ | LOAD_WRITE
							: LOAD_WRITE;
}

long load_map_batch(struct task *t, int cmd, union bpf_attr *attr, void *uattr)
{
	const size_t at = offsetof(union bpf_attr, batch.count);
	bool write_count = false;
	struct object o;
	struct map *m;
	int err = find(t, (int)attr->batch.map_fd, batch_access(cmd), &o, &m);

	if (err)
		return err;
	if (map_holds_refs(m))
		return -MAP_ENOTSUPP;
	err = map_batch(t, m, cmd, attr, &write_count);
	if (write_count && load_put(uattr, at, &attr->batch.count, sizeof(attr->batch.count)) != 0)
		return -EFAULT;
	return err;
}
