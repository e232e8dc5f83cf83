/*
 * perf_event_open(2) for two things: a system call's tracepoint, to which a
 * program is attached, and a ring into which programs put their output. Other
 * tracepoints and probes are there for programs only, which nothing runs there:
 * -EOPNOTSUPP. What counts and samples is the kernel's, without programs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
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

/* The number by which the kernel's own events of `pmu` are opened; -1: it has none. */
static int pmu_type(const char *pmu)
{
	char path[64] = "/sys/bus/event_source/devices/", text[16];
	size_t n = mem_length(path), k = mem_length(pmu);
	int type = 0;
	long fd, len;

	memcpy(path + n, pmu, k);
	memcpy(path + n + k, "/type", sizeof("/type"));
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	len = sys_call3(SYS_read, fd, (long)text, sizeof(text));
	sys_close((int)fd);
	for (long i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		type = type * 10 + (text[i] - '0');
	return len > 0 ? type : -1;
}

static bool is_probe(uint32_t type)
{
	return type >= PERF_TYPE_MAX && ((int)type == pmu_type("kprobe") || (int)type == pmu_type("uprobe"));
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
		return !f.event || (int)r->rsi > 0 ? -EOPNOTSUPP : number(&f, (unsigned long)r->r8);
	}
	if (is_probe(attr.type))
		return -EOPNOTSUPP;
	if (attr.type == PERF_TYPE_SOFTWARE && attr.config == PERF_COUNT_SW_BPF_OUTPUT) {
		f.kind = LOAD_RING;
		return load_ring_open(&f, (unsigned long)r->r8);
	}
	return below_open(t, r);
}

bool load_kernel_event(long fd)
{
	char path[48] = "/proc/thread-self/fd/", name[32] = "";

	if (fd < 0)
		return false;
	mem_decimal(path + mem_length(path), (unsigned)fd);
	return sys_call4(SYS_readlinkat, AT_FDCWD, (long)path, (long)name, sizeof(name) - 1) > 0 &&
	       mem_prefix(name, "anon_inode:[perf_event]");
}

/* ---- ioctl --------------------------------------------------------------------------------- */

static long attach(struct task *t, long fd, struct load_fd *f)
{
	struct object prog;
	int id, err = object_get(agent_world(), t, f->prog, OBJECT_PROG, &prog);

	if (err)
		return err;
	id = load_attach(t, BPF_LINK_TYPE_PERF_EVENT, &prog, f->event, 0, fd);
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

/* Filters, periods, a ring that others write to. */
static long no_ioctl(unsigned long cmd)
{
	return (cmd >> _IOC_TYPESHIFT & _IOC_TYPEMASK) == '$' ? -EOPNOTSUPP : -ENOTTY;
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
		return no_ioctl(cmd);
	}
}

static long handle_ioctl(struct agent_thread *t, struct agent_regs *r)
{
	struct load_fd f;
	struct task *task;

	if (!load_look((int)r->rdi, &f) || f.kind == LOAD_OBJECT) /* the kernel can't run what is ours */
		return r->rsi == PERF_EVENT_IOC_SET_BPF && load_kernel_event((int)r->rdi) ? -EOPNOTSUPP
											  : below_ioctl(t, r);
	if (f.kind == LOAD_RING) /* it takes what programs give from the beginning */
		return r->rsi == PERF_EVENT_IOC_ENABLE || r->rsi == PERF_EVENT_IOC_DISABLE
			   ? 0
			   : no_ioctl((unsigned long)r->rsi);
	task = load_task(t);
	return task ? point_ioctl(task, (int)r->rdi, &f, (unsigned long)r->rsi, r->rdx) : -EAGAIN;
}

void load_register_perf(void)
{
	below_open = agent_register(SYS_perf_event_open, handle_open);
	below_ioctl = agent_register(SYS_ioctl, handle_ioctl);
}
