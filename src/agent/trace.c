/*
 * Recording calls. A call that the VFS passes is made here, not at the program's
 * instruction, so that its result and its time are known. What the record shows
 * of the program's memory is read after the call: so it has what the call filled in.
 */
#include "agent/trace.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "agent/dispatch.h"
#include "agent/user.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "vfs/vfs.h"

#define NAP_NS 200000
#define NAPS 5000 /* a second: then nobody reads */

struct trace_file *trace_file;

void trace_start(const char *path)
{
	long fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_CLOEXEC, 0);
	void *p;

	if (fd < 0)
		return;
	p = sys_mmap(NULL, sizeof(*trace_file), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
	sys_close((int)fd);
	if (!sys_is_err(p))
		trace_file = p;
}

static uint64_t clock_ns(int clock)
{
	struct timespec ts = {0};

	sys_clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The next record, when the reader has made room for it. NULL: there is no reader. */
static struct trace_record *take(uint64_t *turn)
{
	struct trace_file *f = trace_file;
	struct timespec nap = {.tv_nsec = NAP_NS};

	if (load_relaxed(&f->closed))
		return NULL;
	*turn = fetch_add(&f->head, 1);
	for (int i = 0; *turn - load_acquire(&f->tail) >= TRACE_RECORDS; i++) {
		if (i == NAPS)
			store_relaxed(&f->closed, 1);
		if (load_relaxed(&f->closed))
			return NULL;
		sys_call3(SYS_nanosleep, (long)&nap, 0, 0);
	}
	return &f->record[*turn % TRACE_RECORDS];
}

static void put_path(char *to, const struct vfs_call *c, int arg)
{
	long n = arg < 0 ? 0 : agent_copy_string(to, (const char *)c->a[arg], TRACE_PATH - 1);

	to[n < 0 ? 0 : n] = '\0';
}

static void record(const struct vfs_call *c, long ret, uint32_t flags, uint64_t start, uint64_t took)
{
	uint64_t turn;
	struct trace_record *t = take(&turn);
	int at[2];

	if (!t)
		return;
	trace_paths((unsigned)c->nr, at);
	t->pid = (uint32_t)sys_getpid();
	t->tid = (uint32_t)sys_gettid();
	t->nr = (uint32_t)c->nr;
	t->flags = flags;
	t->start = start;
	t->took = took;
	t->ret = ret;
	for (int i = 0; i < 6; i++)
		t->a[i] = c->a[i];
	put_path(t->path[0], c, at[0]);
	put_path(t->path[1], c, at[1]);
	store_release(&t->turn, turn + 1);
}

long trace_call(struct agent_thread *t, struct agent_regs *r, struct vfs_thread *v, const struct vfs_call *c)
{
	uint64_t at = clock_ns(CLOCK_REALTIME), start = clock_ns(CLOCK_MONOTONIC);
	long ret = vfs_call(v, c), known = ret;
	uint32_t flags = 0;

	if (ret == AGENT_HAND_ON) {
		flags = TRACE_HANDED;
		if (c->nr == SYS_mmap || c->nr == SYS_execve || c->nr == SYS_execveat)
			flags |= TRACE_NO_RESULT;
		else
			known = ret = agent_pass(t, r);
	}
	record(c, known, flags, at, clock_ns(CLOCK_MONOTONIC) - start);
	return ret;
}
