/*
 * What programs ask of the process in which they run. Answers that cost a
 * system call are remembered: who the process is until it changes that or
 * forks, a thread's name until it sets another.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#include "agent/mem.h"
#include "world/wake.h"
#include "agent/user.h"
#include "agent/world.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "world/object.h"
#include "world/trace.h"

run_fn agent_helpers[MAPS_HELPERS];

static struct {
	uint32_t pid; /* atomic; 0: not asked yet, like the rest */
	uint32_t who; /* atomic: 1: uid and gid hold */
	uint32_t uid, gid;
	uint32_t ns; /* atomic: 1: the two below hold */
	uint64_t ns_dev, ns_ino;
	uint32_t nsproxy; /* atomic: 1: the namespace of mounts holds */
	struct maps_mnt_ns mnt_ns;
} known;

static struct maps_nsproxy nsproxy = {&known.mnt_ns};

static struct world_thread *of(struct maps_run *mr)
{
	return mr->arg;
}

static uint32_t pid(void)
{
	uint32_t p = load_relaxed(&known.pid);

	if (unlikely(!p)) {
		p = (uint32_t)sys_getpid();
		store_relaxed(&known.pid, p);
	}
	return p;
}

static uint32_t tid_of(struct agent_thread *t)
{
	if (unlikely(!t->tid))
		t->tid = sys_gettid();
	return (uint32_t)t->tid;
}

static uint64_t env_pid_tgid(struct maps_run *mr)
{
	return (uint64_t)pid() << 32 | tid_of(of(mr)->call->thread);
}

static uint64_t env_uid_gid(struct maps_run *mr)
{
	if (unlikely(!load_acquire(&known.who))) {
		known.uid = (uint32_t)sys_call3(SYS_getuid, 0, 0, 0);
		known.gid = (uint32_t)sys_call3(SYS_getgid, 0, 0, 0);
		store_release(&known.who, 1);
	}
	return (uint64_t)known.gid << 32 | known.uid;
}

static const char *comm_of(struct world_thread *w)
{
	if (unlikely(!w->comm_known)) {
		sys_call3(SYS_prctl, PR_GET_NAME, (long)w->comm, 0);
		w->comm_known = 1;
	}
	return w->comm;
}

static void env_comm(struct maps_run *mr, char comm[16])
{
	memcpy(comm, comm_of(of(mr)), 16);
}

void agent_env_forget(void)
{
	store_changed(&known.pid, 0);
	store_changed(&known.who, 0);
	store_changed(&known.ns, 0);
	store_changed(&known.nsproxy, 0);
}

static struct maps_nsproxy *nsproxy_of_this(void)
{
	struct stat st;

	if (!load_acquire(&known.nsproxy)) {
		if (sys_call4(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/ns/mnt", (long)&st, 0) != 0)
			return NULL;
		known.mnt_ns.inum = (uint32_t)st.st_ino;
		store_release(&known.nsproxy, 1);
	}
	return &nsproxy;
}

/* Its parent is known by number and name only, and asked for each time: it may have changed. */
static void *env_task(struct maps_run *mr)
{
	struct world_thread *w = of(mr);
	struct maps_task *i = &w->image, *parent = &w->parent;
	struct timespec now = {0};

	i->pid = (int32_t)tid_of(w->call->thread);
	i->tgid = (int32_t)pid();
	memcpy(i->comm, comm_of(w), 16);
	i->group_leader = i;
	i->nsproxy = nsproxy_of_this();
	i->real_parent = i->parent = parent;
	if (!i->start_time) {
		sys_clock_gettime(CLOCK_MONOTONIC, &now);
		i->start_time = i->start_boottime = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	}
	parent->pid = parent->tgid = (int32_t)sys_call3(SYS_getppid, 0, 0, 0);
	parent->group_leader = parent->real_parent = parent->parent = parent;
	return i;
}

static int env_ns(struct maps_run *mr, uint64_t *dev, uint64_t *ino)
{
	struct stat st;

	if (!load_acquire(&known.ns)) {
		long err = sys_call4(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/ns/pid", (long)&st, 0);

		if (err)
			return (int)err;
		known.ns_dev = st.st_dev;
		known.ns_ino = st.st_ino;
		store_release(&known.ns, 1);
	}
	*dev = known.ns_dev;
	*ino = known.ns_ino;
	return 0;
}

/* It waits until the agent has done with this call, like one from outside. */
static int env_send_signal(struct maps_run *mr, uint32_t sig, bool thread)
{
	uint32_t tid = tid_of(of(mr)->call->thread);

	if (sig == 0 || sig > 64)
		return -EINVAL;
	if (thread)
		return (int)sys_call3(SYS_tgkill, pid(), tid, sig);
	return (int)sys_call3(SYS_kill, pid(), sig, 0);
}

static void env_print(struct maps_run *mr, const char *text, uint32_t len)
{
	struct world_thread *w = of(mr);
	struct tracelog_line line;
	struct timespec now = {0};

	sys_clock_gettime(CLOCK_MONOTONIC, &now);
	line.when = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	line.pid = tid_of(w->call->thread);
	line.cpu = maps_cpu(&w->run);
	memcpy(line.comm, comm_of(w), 16);
	line.len = min_of(len, TRACE_TEXT - 1);
	memcpy(line.text, text, line.len);
	line.text[line.len] = '\0';
	tracelog_write(agent_world(), &line);
}

static int env_override(struct maps_run *mr, void *ctx, uint64_t value)
{
	struct hook_call *c = of(mr)->call;

	c->ret = (long)value;
	c->overridden = true;
	return 0;
}

static int env_get_retval(struct maps_run *mr)
{
	const struct hook_call *c = of(mr)->call;

	return c->exit || c->overridden ? (int)c->ret : 0;
}

static int env_set_retval(struct maps_run *mr, int value)
{
	return env_override(mr, NULL, (uint64_t)(int64_t)value);
}

static uint64_t env_cookie(struct maps_run *mr, void *ctx)
{
	return of(mr)->call->cookie;
}

struct frame {
	uint64_t next, ret;
};

/*
 * As the kernel walks a program's stack: by frame pointers, whatever else the
 * register may be used for. Where the call was made is sure; a program just
 * begun has nothing.
 */
static int env_stack(struct maps_run *mr, void *ctx, uint64_t *ip, uint32_t max)
{
	const struct agent_regs *r = of(mr)->call->regs;
	uint64_t at = r->rbp;
	struct frame f;
	uint32_t n = 0;

	if (!r->site || !max)
		return 0;
	ip[n++] = r->site + 2;
	/* Not the first page: nothing is mapped there, and finding that out takes a signal. */
	while (n < max && at >= 4096 && copy_from_user(&f, (const void *)(uintptr_t)at, sizeof(f)) == 0) {
		ip[n++] = f.ret;
		at = f.next;
	}
	return (int)n;
}

static uint64_t env_entry(struct maps_run *mr, uint64_t ref)
{
	return (uint64_t)(uintptr_t)agent_code(of(mr), (uint32_t)ref);
}

static void env_wake(struct maps_run *mr, uint64_t ring)
{
	world_wake(agent_world(), ring);
}

static uint64_t env_callback_ref(struct maps_run *mr, uint64_t fn)
{
	return agent_callback_ref(fn);
}

static bool env_map_used(struct maps_run *mr, uint64_t map)
{
	return object_used(agent_world(), mr->t, map);
}

const struct maps_host agent_env = {
    .pid_tgid = env_pid_tgid,
    .uid_gid = env_uid_gid,
    .comm = env_comm,
    .task = env_task,
    .ns = env_ns,
    .send_signal = env_send_signal,
    .print = env_print,
    .wake = env_wake,
    .override = env_override,
    .get_retval = env_get_retval,
    .set_retval = env_set_retval,
    .cookie = env_cookie,
    .stack = env_stack,
    .entry = env_entry,
    .callback_ref = env_callback_ref,
    .map_used = env_map_used,
};

/* ---- Calls that change what is remembered -------------------------------------- */

static agent_handler below_prctl;

static long handle_prctl(struct agent_thread *t, struct agent_regs *r)
{
	long ret;

	if (r->rdi != PR_SET_NAME)
		return below_prctl(t, r);
	ret = agent_pass(t, r);
	if (t->world)
		((struct world_thread *)t->world)->comm_known = 0;
	return ret;
}

/* Nothing that the verifier accepts ends here. */
static uint64_t missing(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	return (uint64_t)(int64_t)-EINVAL;
}

void agent_env_helpers(void)
{
	for (unsigned i = 0; i < MAPS_HELPERS; i++)
		agent_helpers[i] = maps_helpers[i] ? maps_helpers[i] : missing;
	agent_own_start();
}

void agent_env_start(void)
{
	below_prctl = agent_register(SYS_prctl, handle_prctl);
}
