/*
 * The VFS in the agent: gives it the calls that are caught, and does for it
 * what only the agent can: copies that survive bad pointers, calls that may
 * block, the clock, telling the daemon.
 */

#include <errno.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>

#include "agent/agent.h"
#include "agent/chain.h"
#include "agent/dispatch.h"
#include "agent/load.h"
#include "agent/mem.h"
#include "agent/trace.h"
#include "agent/tell.h"
#include "agent/user.h"
#include "agent/vdso.h"
#include "agent/world.h"
#include "base/sys.h"
#include "base/user.h"
#include "launch/stats_file.h"
#include "metrics/layout.h"
#include "vfs/vfs.h"

_Static_assert(VFS_PASS == AGENT_HAND_ON, "the VFS passes what the agent hands on");

_Static_assert(VFS_MOUNTS <= TELL_STORES, "each store has a channel");

/* A caught call lies in the registers as the VFS wants it: nothing is copied. */
_Static_assert(offsetof(struct agent_regs, rax) == offsetof(struct vfs_call, nr) &&
		   offsetof(struct agent_regs, rdi) == offsetof(struct vfs_call, a[0]) &&
		   offsetof(struct agent_regs, r9) == offsetof(struct vfs_call, a[5]),
	       "registers are a call");

/* So does a thread of it begin as the engine wants it. */
_Static_assert(sizeof(struct vfs_foreign) == sizeof(struct agent_foreign) &&
		   offsetof(struct vfs_foreign, ours) == offsetof(struct agent_foreign, ours) &&
		   offsetof(struct vfs_foreign, count) == offsetof(struct agent_foreign, count) &&
		   VFS_FDS == FOREIGN_FDS,
	       "descriptors of others");

static struct vfs_proc *first; /* the process's state; a vfork child's thread has another */

/* ---- What fs/ and vfs/ copy with ------------------------------------------------------ */

size_t user_copy(void *dst, const void *src, size_t n)
{
	return agent_copy(dst, src, n);
}

size_t user_zero(void *dst, size_t n)
{
	return agent_zero(dst, n);
}

int user_byte(const void *src)
{
	return agent_byte(src);
}

long user_copy_string(char *dst, const char *src, long n)
{
	long len = agent_copy_string(dst, src, n);

	return len == -EFAULT ? -1 : len;
}

/* ---- Calls ------------------------------------------------------------------------------ */

static struct vfs_thread *thread_of(struct agent_thread *t)
{
	struct vfs_thread *v = t->user;

	if (unlikely(!v)) {
		if (!first || vfs_thread_start(first, &v) != 0)
			return NULL;
		t->user = v;
	}
	return v;
}

/* Without memory for the thread: its descriptors are ours all the same. */
cold static long call_borrowed(const struct vfs_call *c)
{
	struct vfs_thread *v = vfs_thread_borrow(first);
	long ret;

	if (c->nr == SYS_unshare)
		vfs_pass_all(v);
	ret = vfs_call(v, c);
	vfs_thread_return(v);
	return ret;
}

static long handle_vfs(struct agent_thread *t, struct agent_regs *r)
{
	struct vfs_thread *v = thread_of(t);
	const struct vfs_call *c = (const struct vfs_call *)(const void *)r;

	if (unlikely(!v))
		return first ? call_borrowed(c) : AGENT_HAND_ON;
	return unlikely(trace_on()) ? trace_call(t, r, v, c) : vfs_call(v, c);
}

static agent_handler below[AGENT_NR]; /* the engine's own, where it has one for a call that we look at first */

/* A filter on system calls: from here on the agent makes as few of its own as it can. */
static long handle_sandbox(struct agent_thread *t, struct agent_regs *r)
{
	bool sets = r->rax == SYS_seccomp ? (unsigned long)r->rdi <= SECCOMP_SET_MODE_FILTER : r->rdi == PR_SET_SECCOMP;
	long ret = below[r->rax](t, r);

	if (ret != AGENT_HAND_ON)
		return ret;
	ret = handle_vfs(t, r);
	if (sets)
		agent_quiet = true;
	return ret;
}

/* ---- Threads and processes ------------------------------------------------------------------ */

static bool own_files(uint64_t flags)
{
	return !(flags & CLONE_FILES) || !(flags & CLONE_VM);
}

/* One that was made sharing this memory is another process than the first, and so are its threads. */
static long thread_beside(struct agent_thread *parent, struct agent_thread *child)
{
	struct vfs_thread *v = NULL;
	long err;

	if (!parent->user || vfs_proc_of(parent->user) == first)
		return 0;
	err = vfs_thread_start(vfs_proc_of(parent->user), &v);
	child->user = v;
	return err;
}

static long before_clone(struct agent_thread *parent, struct agent_thread *child, uint64_t flags)
{
	struct vfs_thread *v = first && own_files(flags) ? thread_of(parent) : NULL;
	long err = first && own_files(flags) && !v ? -EAGAIN : load_before_clone(parent, flags);

	if (err)
		return err;
	if (!v && first && thread_of(parent))
		vfs_thread_clone(parent->user);
	/*
	 * Descriptors, or a place, that two have in common and their memory (or ours of it) not: what either does with
	 * them the other would not know. Likewise a thread that goes its own way from the beginning.
	 */
	if (v ? flags & (CLONE_FILES | CLONE_FS) : first && parent->user && !(flags & CLONE_FS))
		vfs_pass_all(parent->user);
	if (!v)
		return own_files(flags) ? 0 : thread_beside(parent, child);
	err = vfs_fork_prepare(v, flags & CLONE_VM, &v);
	child->user = v;
	return err;
}

static void parent_cloned(struct agent_thread *parent, struct agent_thread *child, uint64_t flags, long pid)
{
	load_parent_cloned(parent, flags, pid);
	if (!own_files(flags) && pid < 0 && child->user)
		vfs_thread_end(child->user);
	if (own_files(flags) && parent->user)
		vfs_fork_done(parent->user, pid, !(flags & CLONE_VM) || (flags & CLONE_VFORK));
}

static void child_cloned(struct agent_thread *child, uint64_t flags)
{
	bool waits = flags & CLONE_VM && flags & CLONE_VFORK;

	agent_world_cloned(child, flags);
	load_child_cloned(child, flags);
	if (!first || !own_files(flags))
		return;
	if (child->user)
		child->user = vfs_fork_child(child->user, waits ? child->parent->user : NULL);
	if (!(flags & CLONE_VM) && !child->user)
		first = NULL; /* no seat: all goes through the kernel */
	if (child->user && (flags & (CLONE_NEWNS | CLONE_NEWUSER)))
		vfs_pass_all(child->user);
}

static void before_exec(struct agent_thread *t, bool carries)
{
	if (first && !thread_of(t))
		t->user = vfs_thread_borrow(first);
	if (t->user)
		vfs_exec_prepare(t->user, carries);
	agent_world_exec(t, carries);
}

static void exec_failed(struct agent_thread *t)
{
	agent_world_exec_failed(t);
	if (!t->user)
		return;
	vfs_exec_failed(t->user);
	if (vfs_thread_return(t->user))
		t->user = NULL;
}

static void blind(struct agent_thread *t)
{
	struct vfs_thread *v = !first ? NULL : thread_of(t) ? t->user : vfs_thread_borrow(first);

	if (!v)
		return;
	vfs_pass_all(v);
	vfs_thread_return(v);
}

static void before_exit(struct agent_thread *t, int whole)
{
	const uint64_t how = t->clone_flags & (CLONE_VM | CLONE_VFORK | CLONE_THREAD);
	bool unwaited; /* a child with a state of its own, which nobody else drops */

	agent_world_exit(t, whole);
	if (!t->user)
		return;
	unwaited = how == CLONE_VM && vfs_proc_of(t->user) != first;
	if (whole)
		vfs_proc_leave(t->user);
	else
		vfs_thread_end(t->user);
	if (unwaited)
		vfs_child_end(t->user);
	t->user = NULL;
}

static unsigned why(const void *user, unsigned nr)
{
	_Static_assert((int)STATS_WHY_ELSEWHERE == HANDED_ELSEWHERE + 1 && (int)STATS_WHY_REAL == HANDED_REAL + 1 &&
			   (int)STATS_WHY_OUTSIDE == HANDED_OUTSIDE + 1 &&
			   (int)STATS_WHY_PASSIVE == HANDED_PASSIVE + 1 &&
			   (int)STATS_WHY_NO_SEAT == HANDED_NO_SEAT + 1 && (int)STATS_WHYS == HANDED_USED + 1,
		       "one list of reasons");
	return vfs_knows(nr) ? STATS_WHY_ELSEWHERE + vfs_why(user) : STATS_WHY_AGENT;
}

/* ---- Start --------------------------------------------------------------------------------- */

/* "<placeholder>,<pool>[,<pool>]...", then ";<world>" where there is one, then ",<socket>,<btf>" in a loader. */
static const char *take_number(const char *s, int *n)
{
	*n = -1;
	while (*s >= '0' && *s <= '9')
		*n = (*n < 0 ? 0 : *n) * 10 + (*s++ - '0');
	return *s == ',' ? s + 1 : s;
}

/* Calls that the engine does something about as well: mmap of code, exec. */
static long handle_both(struct agent_thread *t, struct agent_regs *r)
{
	long ret = handle_vfs(t, r);

	return ret == AGENT_HAND_ON ? below[r->rax](t, r) : ret;
}

/* A call that is only handed on need not be caught: each page of libc that is patched costs 2 to 3 us a start. */
static void forgo(unsigned nr)
{
	agent_handler h = agent_register(nr, NULL);

	if (h != handle_pass)
		agent_register(nr, h);
}

static void register_short(unsigned nr)
{
	agent_register_short(nr, (agent_short)(uintptr_t)vfs_call_known);
	if (vfs_by_descriptor(nr))
		agent_by_descriptor(nr);
}

static void register_all(void)
{
	for (unsigned nr = 0; nr < AGENT_NR; nr++) {
		if (!vfs_knows(nr)) {
			forgo(nr);
			continue;
		}
		below[nr] = agent_register(nr, handle_vfs);
		if (nr == SYS_mmap || nr == SYS_execve || nr == SYS_execveat)
			agent_register(nr, handle_both);
		else if (nr == SYS_prctl || nr == SYS_seccomp)
			agent_register(nr, handle_sandbox);
		else if (!trace_on()) /* the tracer sees what handle_vfs sees */
			register_short(nr);
	}
}

/* Its path ends where the world's part begins. */
static void start_trace(const char *config)
{
	char path[256];
	size_t n = 0;

	while (config[n] && config[n] != ';' && n < sizeof(path) - 1) {
		path[n] = config[n];
		n++;
	}
	path[n] = '\0';
	trace_start(path);
}

static void add_store(const struct fs *fs)
{
	tell_register(fs);
	agent_room += fs->pool.size;
}

static void set_up_stores(const char *config)
{
	const struct vfs_host host = {.clock = vdso_clock(), .invalidate = tell_stale};
	int placeholder, pool, attached = 0;
	bool covered = false;

	config = take_number(config, &placeholder);
	if (placeholder < 0 || vfs_proc_start(&host, placeholder, &first) != 0)
		return;
	while (config = take_number(config, &pool), pool >= 0) {
		int err = vfs_attach(first, pool);

		attached += err >= 0;
		covered |= err > 0;
	}
	for (int i = 0; i < attached; i++)
		add_store(vfs_store(first, (unsigned)i));
	/* Behind them, the file of a tracer. */
	if (*config == '/')
		start_trace(config);
	if (attached)
		register_all();
	else
		first = NULL;
	if (covered || (first && !vfs_ids_hold(first)))
		blind(agent_self());
}

/* A loader's own calls are not hooked: it could not undo what denies it everything. */
static bool set_up_world(const char *config)
{
	int fd;

	while (*config && *config != ';')
		config++;
	if (*config)
		config++;
	config = take_number(config, &fd);
	if (fd < 0 || agent_world_start(fd) != 0)
		return false;
	if (first)
		vfs_hide(first, fd);
	else
		agent_hide_world();
	if (*config)
		load_start(config);
	else
		agent_world_hook();
	return true;
}

void agent_setup(const char *config)
{
	bool world;

	/* The stubs of patched code need room within 2 GiB of each library: the pools keep away from there. */
	pool_place = POOL_PLACE;
	set_up_stores(config);
	world = set_up_world(config);
	if (first || world)
		agent_hooks = (struct agent_hooks){.before_clone = before_clone,
						   .parent_cloned = parent_cloned,
						   .child_cloned = child_cloned,
						   .clone_returns = chain_cloned,
						   .started = chain_started,
						   .before_exec = before_exec,
						   .exec_failed = exec_failed,
						   .before_exit = before_exit,
						   .blind = blind,
						   .why = why};
}
