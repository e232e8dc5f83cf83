/* What there is: ids, information, pins, what stands behind others' descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "agent/user.h"
#include "base/sys.h"
#include "bpf/insn.h"
#include "world/event.h"

long load_next_id(struct task *t, unsigned kind, union bpf_attr *attr, void *uattr)
{
	struct object o;
	int err = object_next(agent_world(), t, attr->start_id, kind, &o);

	return err ? err : load_put(uattr, offsetof(union bpf_attr, next_id), &o.id, sizeof(o.id));
}

/* The flags limit a map; of a link they must not, of a program they say nothing. */
static long open_id(struct task *t, unsigned kind, uint32_t id, unsigned flags)
{
	int denied = load_denied(flags, true);
	struct object o;
	int err = denied < 0 ? denied : object_get(agent_world(), t, id, kind, &o);

	if (!err && denied && o.kind == OBJECT_LINK)
		err = -EINVAL;
	if (!err)
		err = object_hold(agent_world(), t, id);
	return err ? err : load_new_limited(t, &o, o.kind == OBJECT_MAP ? (unsigned)denied : 0);
}

long load_by_id(struct task *t, unsigned kind, union bpf_attr *attr, void *uattr)
{
	return open_id(t, kind, attr->prog_id, kind == OBJECT_MAP ? attr->open_flags : 0);
}

/* ---- Pins ---------------------------------------------------------------------------- */

long load_pin(struct task *t, union bpf_attr *attr, void *uattr)
{
	char path[256];
	const char *name;
	struct object o;
	long err = load_object(t, (int)attr->bpf_fd, 0, &o);

	if (err)
		return err;
	if (strncpy_from_user(path, (const char *)(uintptr_t)attr->pathname, sizeof(path)) < 0)
		return -EFAULT;
	name = load_pin_path(path);
	return name ? pin_add(agent_world(), t, name, o.id) : -EPERM;
}

long load_unpinned(struct task *t, union bpf_attr *attr, void *uattr)
{
	char path[256];
	const char *name;
	uint32_t id;
	long err;

	if (strncpy_from_user(path, (const char *)(uintptr_t)attr->pathname, sizeof(path)) < 0)
		return -EFAULT;
	name = load_pin_path(path);
	err = name ? pin_find(agent_world(), t, name, &id) : -ENOENT;
	return err ? err : open_id(t, 0, id, attr->file_flags);
}

/* ---- BPF_OBJ_GET_INFO_BY_FD ------------------------------------------------------------- */

/* As much of the information as the program has room for; it is told how much there is. */
static long hand_out(union bpf_attr *attr, void *uattr, const void *info, uint32_t size)
{
	uint32_t n = min_of(attr->info.info_len, size);

	if (copy_to_user((void *)(uintptr_t)attr->info.info, info, n) != 0)
		return -EFAULT;
	return load_put(uattr, offsetof(union bpf_attr, info.info_len), &n, sizeof(n));
}

static long take_in(const union bpf_attr *attr, void *info, uint32_t size)
{
	return copy_from_user(info, (const void *)(uintptr_t)attr->info.info, min_of(attr->info.info_len, size));
}

/* An array of which the program says how much fits, and is told how much there is. */
static long fill_array(uint64_t to, uint32_t room, const void *from, uint32_t bytes)
{
	if (!to || !room)
		return 0;
	return copy_to_user((void *)(uintptr_t)to, from, min_of(room, bytes));
}

static long map_info(struct task *t, const struct object *o, union bpf_attr *attr, void *uattr)
{
	const struct map *m = map_at(&agent_world()->arena.pool, o->off);
	struct bpf_map_info i = {.type = o->type,
				 .id = o->id,
				 .btf_id = o->btf,
				 .btf_key_type_id = o->btf_key,
				 .btf_value_type_id = o->btf_value};

	if (!m)
		return -EUCLEAN;
	i.key_size = m->key_size;
	i.value_size = m->value_size;
	i.max_entries = m->max_entries;
	i.map_flags = m->flags;
	i.map_extra = m->extra;
	memcpy(i.name, o->name, sizeof(i.name));
	return hand_out(attr, uattr, &i, sizeof(i));
}

/* Map references as the kernel shows them: by id, values by id and offset. */
static long put_text(const struct prog_image *img, uint64_t to, uint32_t room)
{
	return fill_array(to, room, (const char *)img + img->text_at, img->nslots * 8);
}

static long prog_info(struct task *t, const struct object *o, union bpf_attr *attr, void *uattr)
{
	const struct prog_image *img = object_image(agent_world(), o);
	struct bpf_prog_info i = {0}, in;
	uint32_t nmaps;
	long err;

	if (!img)
		return -EUCLEAN;
	memset(&in, 0, sizeof(in));
	if (take_in(attr, &in, sizeof(in)) != 0)
		return -EFAULT;
	i.type = o->type;
	i.id = o->id;
	memcpy(i.tag, img->tag, sizeof(i.tag));
	memcpy(i.name, o->name, sizeof(i.name));
	i.load_time = (uint64_t)o->made;
	i.created_by_uid = (uint32_t)sys_call3(SYS_getuid, 0, 0, 0);
	i.gpl_compatible = img->gpl;
	i.btf_id = o->btf;
	i.verified_insns = img->verified;
	nmaps = load_acquire(&img->nmaps);
	i.nr_map_ids = nmaps;
	i.map_ids = in.map_ids;
	i.xlated_prog_len = img->nslots * 8;
	i.xlated_prog_insns = in.xlated_prog_insns;
	i.jited_prog_len = img->code_bytes;
	i.jited_prog_insns = in.jited_prog_insns;
	err = fill_array(in.map_ids, in.nr_map_ids * 4, img->map, min_of(nmaps, PROG_IMAGE_MAPS) * 4);
	if (!err)
		err = put_text(img, in.xlated_prog_insns, in.xlated_prog_len);
	if (!err)
		err = fill_array(in.jited_prog_insns, in.jited_prog_len, (const char *)img + img->code_at,
				 img->code_bytes);
	return err ? err : hand_out(attr, uattr, &i, sizeof(i));
}

static long link_info(struct task *t, const struct object *o, union bpf_attr *attr, void *uattr)
{
	struct bpf_link_info i, in;
	char name[64];
	uint32_t n;

	memset(&i, 0, sizeof(i));
	memset(&in, 0, sizeof(in));
	if (take_in(attr, &in, sizeof(in)) != 0)
		return -EFAULT;
	i.type = o->type;
	i.id = o->id;
	i.prog_id = o->prog;
	if (o->type == BPF_LINK_TYPE_RAW_TRACEPOINT) {
		n = event_name(o->event, name, sizeof(name)) + 1;
		if (!in.raw_tracepoint.tp_name != !in.raw_tracepoint.tp_name_len)
			return -EINVAL;
		if (fill_array(in.raw_tracepoint.tp_name, in.raw_tracepoint.tp_name_len, name, n) != 0)
			return -EFAULT;
		i.raw_tracepoint.tp_name = in.raw_tracepoint.tp_name;
		i.raw_tracepoint.tp_name_len = n;
	}
	return hand_out(attr, uattr, &i, sizeof(i));
}

static long btf_info(struct task *t, const struct object *o, union bpf_attr *attr, void *uattr)
{
	struct bpf_btf_info i = {.id = o->id}, in;

	memset(&in, 0, sizeof(in));
	if (take_in(attr, &in, sizeof(in)) != 0)
		return -EFAULT;
	if (fill_array(in.btf, in.btf_size, agent_world()->arena.pool.base + o->off, (uint32_t)o->len) != 0)
		return -EFAULT;
	if (in.name && in.name_len && copy_to_user((void *)(uintptr_t)in.name, "", 1) != 0)
		return -EFAULT;
	i.btf = in.btf;
	i.btf_size = (uint32_t)o->len;
	i.name = in.name;
	return hand_out(attr, uattr, &i, sizeof(i));
}

long load_info(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object o;
	long err = load_object(t, (int)attr->info.bpf_fd, 0, &o);

	if (err)
		return err;
	switch (o.kind) {
	case OBJECT_PROG:
		return prog_info(t, &o, attr, uattr);
	case OBJECT_MAP:
		return map_info(t, &o, attr, uattr);
	case OBJECT_LINK:
		return link_info(t, &o, attr, uattr);
	default:
		return btf_info(t, &o, attr, uattr);
	}
}

/* ---- BPF_TASK_FD_QUERY ------------------------------------------------------------------- */

/* The link that the descriptor of any process stands for: by the inode of the file that holds its number. */
static int link_of(struct task *t, unsigned pid, unsigned fd, struct object *o)
{
	char path[48] = "/proc/", name[32] = "";
	struct stat st;
	uint32_t id = 0;
	long err;

	mem_decimal(path + mem_length(path), pid);
	if (sys_call4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0) != 0)
		return -ENOENT;
	memcpy(path + mem_length(path), "/fd/", sizeof("/fd/"));
	mem_decimal(path + mem_length(path), fd);
	err = sys_call4(SYS_readlinkat, AT_FDCWD, (long)path, (long)name, sizeof(name) - 1);
	if (err < 0)
		return err == -ENOENT ? -EBADF : (int)err;
	if (!mem_prefix(name, "/memfd:perf-event") && !mem_prefix(name, "/memfd:bpf-link"))
		return -MAP_ENOTSUPP;
	if (sys_call4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0) != 0)
		return -EBADF;
	while (object_next(agent_world(), t, id, OBJECT_LINK, o) == 0) {
		id = o->id;
		if (o->len == st.st_ino && o->prog && o->event)
			return 0;
	}
	/* A link at an event is not asked for by its own descriptor. */
	return mem_prefix(name, "/memfd:bpf-link") ? -MAP_ENOTSUPP : -ENOENT;
}

/* As much of the name as the program has room for; it is told how long it is. */
static long put_name(const union bpf_attr *attr, void *uattr, char *name)
{
	uint32_t n = (uint32_t)mem_length(name), room = attr->task_fd_query.buf_len;
	void *to = (void *)(uintptr_t)attr->task_fd_query.buf;
	long err = load_put(uattr, offsetof(union bpf_attr, task_fd_query.buf_len), &n, sizeof(n));

	if (err || !to)
		return err;
	if (!room)
		return -EINVAL;
	if (room > n)
		return copy_to_user(to, name, n + 1);
	name[room - 1] = '\0';
	return copy_to_user(to, name, room) ? -EFAULT : -ENOSPC;
}

long load_task_fd(struct task *t, union bpf_attr *attr, void *uattr)
{
	uint32_t type;
	uint64_t none = 0;
	struct object o;
	char name[64], *leaf = name;
	long err =
	    attr->task_fd_query.flags ? -EINVAL : link_of(t, attr->task_fd_query.pid, attr->task_fd_query.fd, &o);

	if (err)
		return err;
	event_name(o.event, name, sizeof(name));
	for (char *s = name; *s; s++)
		if (*s == '/')
			leaf = s + 1;
	type = o.type == BPF_LINK_TYPE_RAW_TRACEPOINT ? BPF_FD_TYPE_RAW_TRACEPOINT : BPF_FD_TYPE_TRACEPOINT;
	err = put_name(attr, uattr, leaf);
	if (err && err != -ENOSPC)
		return err;
	if (load_put(uattr, offsetof(union bpf_attr, task_fd_query.prog_id), &o.prog, sizeof(o.prog)) != 0 ||
	    load_put(uattr, offsetof(union bpf_attr, task_fd_query.fd_type), &type, sizeof(type)) != 0 ||
	    load_put(uattr, offsetof(union bpf_attr, task_fd_query.probe_offset), &none, sizeof(none)) != 0 ||
	    load_put(uattr, offsetof(union bpf_attr, task_fd_query.probe_addr), &none, sizeof(none)) != 0)
		return -EFAULT;
	return err;
}
