/*
 * perf_event_open(2) for two things: a system call's tracepoint, to which a
 * program is attached, and a ring into which programs put their output. All
 * other events are the kernel's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "agent/user.h"
#include "base/sys.h"
#include "world/event.h"

static agent_handler below_open, below_ioctl;

static long number(struct load_fd *f, unsigned long flags)
{
	long fd = load_number("perf-event");

	if (fd >= (long)LOAD_FDS) {
		sys_close((int)fd);
		return -EMFILE;
	}
	if (fd < 0)
		return fd;
	if (!(flags & PERF_FLAG_FD_CLOEXEC))
		sys_fcntl((int)fd, F_SETFD, 0);
	load_set(fd, f);
	return fd;
}

static long handle_open(struct agent_thread *t, struct agent_regs *r)
{
	struct load_fd f = {0};
	struct perf_event_attr attr;
	uint32_t size;

	memset(&attr, 0, sizeof(attr));
	if (copy_from_user(&size, (const char *)r->rdi + 4, 4) != 0)
		return -EFAULT;
	if (copy_from_user(&attr, (const void *)r->rdi, size ? min_of(size, sizeof(attr)) : PERF_ATTR_SIZE_VER0) != 0)
		return -EFAULT;
	if (attr.type == PERF_TYPE_TRACEPOINT) {
		f.kind = LOAD_POINT;
		f.event = event_of_id(attr.config);
		if (!f.event)
			return -EINVAL;
		return (int)r->rsi > 0 ? -EOPNOTSUPP : number(&f, (unsigned long)r->r8);
	}
	if (attr.type == PERF_TYPE_SOFTWARE && attr.config == PERF_COUNT_SW_BPF_OUTPUT) {
		f.kind = LOAD_RING;
		return load_ring_open(&f, (unsigned long)r->r8);
	}
	return below_open(t, r);
}

/* ---- ioctl --------------------------------------------------------------------------------- */

static long attach(struct task *t, long fd, struct load_fd *f)
{
	struct object prog;
	int id, err = object_get(agent_world(), t, f->prog, OBJECT_PROG, &prog);

	if (err)
		return err;
	id = load_attach(t, BPF_LINK_TYPE_PERF_EVENT, &prog, f->event, 0);
	if (id < 0)
		return id;
	f->id = (uint32_t)id;
	load_set(fd, f);
	return 0;
}

static long set_prog(struct task *t, long fd, struct load_fd *f, long prog_fd)
{
	struct object prog;
	long err = load_object(t, prog_fd, OBJECT_PROG, &prog);

	if (err)
		return err;
	if (prog.type != BPF_PROG_TYPE_TRACEPOINT)
		return -EINVAL;
	if (f->id)
		return -EEXIST;
	f->prog = prog.id;
	return attach(t, fd, f);
}

/* Off: the link stays, so that the program does, and stands nowhere. */
static long enable(struct task *t, long fd, struct load_fd *f, bool on)
{
	if (!f->prog || on == (f->id != 0))
		return 0;
	if (on)
		return attach(t, fd, f);
	object_release(agent_world(), t, f->id);
	f->id = 0;
	load_set(fd, f);
	return 0;
}

static long point_ioctl(struct task *t, long fd, struct load_fd *f, unsigned long cmd, long arg)
{
	switch (cmd) {
	case PERF_EVENT_IOC_SET_BPF:
		return set_prog(t, fd, f, (int)arg);
	case PERF_EVENT_IOC_ENABLE:
		return enable(t, fd, f, true);
	case PERF_EVENT_IOC_DISABLE:
		return enable(t, fd, f, false);
	case PERF_EVENT_IOC_REFRESH:
	case PERF_EVENT_IOC_RESET:
		return 0;
	default:
		return -ENOTTY;
	}
}

static long handle_ioctl(struct agent_thread *t, struct agent_regs *r)
{
	struct load_fd f;
	struct task *task;

	if (!load_look((int)r->rdi, &f) || f.kind == LOAD_OBJECT)
		return below_ioctl(t, r);
	if (f.kind == LOAD_RING) /* it takes what programs give from the beginning */
		return r->rsi == PERF_EVENT_IOC_ENABLE || r->rsi == PERF_EVENT_IOC_DISABLE ? 0 : -ENOTTY;
	task = load_task(t);
	return task ? point_ioctl(task, (int)r->rdi, &f, (unsigned long)r->rsi, r->rdx) : -EAGAIN;
}

void load_register_perf(void)
{
	below_open = agent_register(SYS_perf_event_open, handle_open);
	below_ioctl = agent_register(SYS_ioctl, handle_ioctl);
}
