/* Links: a program at a place. What runs where is read from them by every hooked process (chain.c). */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "agent/user.h"
#include "base/sys.h"
#include "world/event.h"

uint64_t load_inode(long fd)
{
	struct stat st;

	return fd >= 0 && sys_call4(SYS_newfstatat, fd, (long)"", (long)&st, AT_EMPTY_PATH) == 0 ? st.st_ino : 0;
}

int load_attach(struct task *t, unsigned type, const struct object *prog, uint32_t event, uint64_t cookie, long fd)
{
	const struct object o = {.kind = OBJECT_LINK,
				 .type = type,
				 .len = load_inode(fd),
				 .prog = prog->id,
				 .event = event,
				 .cookie = cookie};

	return object_add(agent_world(), t, &o);
}

/* Found by the event `target`, or where there is none (-1) by its own descriptor. */
static long link(struct task *t, unsigned type, const struct object *prog, uint32_t event, uint64_t cookie, long target)
{
	struct object o = {.kind = OBJECT_LINK};
	int id = load_attach(t, type, prog, event, cookie, target);
	long fd;

	if (id < 0)
		return id;
	o.id = (uint32_t)id;
	fd = load_new(t, &o);
	if (fd >= 0 && target < 0)
		(void)!object_set_inode(agent_world(), t, o.id, load_inode(fd));
	return fd;
}

long load_raw_open(struct task *t, union bpf_attr *attr, void *uattr)
{
	char name[128];
	struct object prog;
	uint32_t event;
	long err = load_object(t, (int)attr->raw_tracepoint.prog_fd, OBJECT_PROG, &prog);

	if (err)
		return err;
	if (prog.type != BPF_PROG_TYPE_RAW_TRACEPOINT || !attr->raw_tracepoint.name)
		return -EINVAL;
	if (strncpy_from_user(name, (const char *)(uintptr_t)attr->raw_tracepoint.name, sizeof(name)) < 0)
		return -EFAULT;
	event = event_find(NULL, name);
	return event ? link(t, BPF_LINK_TYPE_RAW_TRACEPOINT, &prog, event, 0, -1) : -EOPNOTSUPP;
}

long load_link_create(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object prog;
	struct load_fd f;
	long err = load_object(t, (int)attr->link_create.prog_fd, OBJECT_PROG, &prog);

	if (err)
		return err;
	if (attr->link_create.attach_type != BPF_PERF_EVENT)
		return -EOPNOTSUPP;
	if (!load_look((int)attr->link_create.target_fd, &f) || f.kind != LOAD_POINT)
		return load_kernel_event((int)attr->link_create.target_fd) ? -EOPNOTSUPP : -EBADF;
	if (prog.type != BPF_PROG_TYPE_TRACEPOINT || attr->link_create.flags)
		return -EINVAL;
	return link(t, BPF_LINK_TYPE_PERF_EVENT, &prog, f.event, attr->link_create.perf_event.bpf_cookie,
		    (int)attr->link_create.target_fd);
}

long load_link_update(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object l, prog, old;
	long err = load_object(t, (int)attr->link_update.link_fd, OBJECT_LINK, &l);

	if (!err)
		err = load_object(t, (int)attr->link_update.new_prog_fd, OBJECT_PROG, &prog);
	if (err)
		return err;
	if (attr->link_update.flags & BPF_F_REPLACE) {
		err = load_object(t, (int)attr->link_update.old_prog_fd, OBJECT_PROG, &old);
		if (err || old.id != l.prog)
			return err ? err : -EPERM;
	}
	if (object_get(agent_world(), t, l.prog, OBJECT_PROG, &old) == 0 && old.type != prog.type)
		return -EINVAL;
	return object_set_prog(agent_world(), t, l.id, prog.id);
}

long load_link_detach(struct task *t, union bpf_attr *attr, void *uattr)
{
	struct object l;
	long err = load_object(t, (int)attr->link_detach.link_fd, OBJECT_LINK, &l);

	return err ? err : object_detach(agent_world(), t, l.id);
}
