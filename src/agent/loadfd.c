/*
 * The table of descriptors. A client holds an object once, however many
 * descriptors lead to it: the last one that is closed gives it up.
 *
 * A child of vfork has its own descriptors and our memory: its calls are left
 * to the kernel, which finds the same numbers there.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "world/wake.h"
#include "base/atomic.h"
#include "base/sys.h"

static struct load_fd table[LOAD_FDS];
static uint32_t table_lock;
static uint32_t brood = POOL_CLIENTS; /* the seat of a child that is about to be */
static agent_handler below[AGENT_NR];

static void lock(void)
{
	while (swap(&table_lock, 1))
		cpu_relax();
}

static void unlock(void)
{
	store_release(&table_lock, 0);
}

bool load_look(long fd, struct load_fd *out)
{
	if (fd < 0 || fd >= (long)LOAD_FDS || !load_relaxed(&table[fd].kind))
		return false;
	lock();
	*out = table[fd];
	unlock();
	return out->kind != LOAD_NONE;
}

void load_set(long fd, const struct load_fd *f)
{
	lock();
	table[fd] = *f;
	unlock();
}

static int find_object(struct task *t, long fd, unsigned kind, unsigned access, struct object *out)
{
	struct load_fd f;

	if (!load_look(fd, &f) || f.kind != LOAD_OBJECT)
		return sys_fcntl((int)fd, F_GETFD, 0) < 0 ? -EBADF : -EINVAL;
	if (kind && f.object != kind)
		return -EINVAL;
	if (f.denied & access)
		return -EPERM;
	return object_get(agent_world(), t, f.id, f.object, out) == 0 ? 0 : -EBADF;
}

int load_object(struct task *t, long fd, unsigned kind, struct object *out)
{
	return find_object(t, fd, kind, 0, out);
}

int load_map(struct task *t, long fd, unsigned access, struct object *out)
{
	return find_object(t, fd, OBJECT_MAP, access, out);
}

void load_each_ring(void (*f)(void *arg, long fd, const struct load_fd *e), void *arg)
{
	for (long fd = 0; fd < (long)LOAD_FDS; fd++) {
		struct load_fd e;

		if (load_relaxed(&table[fd].ring) && load_look(fd, &e) && e.ring)
			f(arg, fd, &e);
	}
}

/* ---- Making -------------------------------------------------------------------- */

long load_number(const char *name)
{
	long fd = sys_call3(SYS_memfd_create, (long)name, MFD_CLOEXEC | MFD_ALLOW_SEALING, 0);

	if (fd >= 0)
		sys_fcntl((int)fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

long load_fifo(const char *path)
{
	sys_call4(SYS_mknodat, AT_FDCWD, (long)path, 0010600 /* S_IFIFO | 0600 */, 0);
	return sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_NONBLOCK | O_CLOEXEC, 0);
}

static long fifo_of(uint64_t ring)
{
	char path[WAKE_PATH];

	wake_path(agent_world(), ring, path);
	return load_fifo(path);
}

static const char *const names[] = {"bpf", "bpf-prog", "bpf-map", "bpf-link", "btf", "bpf-ring"};

static bool is_ring(const struct object *o)
{
	return o->kind == OBJECT_MAP && (o->type == BPF_MAP_TYPE_RINGBUF || o->type == BPF_MAP_TYPE_USER_RINGBUF);
}

int load_denied(unsigned flags, bool only)
{
	unsigned of = flags & (BPF_F_RDONLY | BPF_F_WRONLY);

	if ((only && flags != of) || of == (BPF_F_RDONLY | BPF_F_WRONLY))
		return -EINVAL;
	return of == BPF_F_RDONLY ? LOAD_WRITE : of == BPF_F_WRONLY ? LOAD_READ : 0;
}

long load_new(struct task *t, const struct object *o)
{
	return load_new_limited(t, o, 0);
}

long load_new_limited(struct task *t, const struct object *o, unsigned denied)
{
	struct load_fd f = {.kind = LOAD_OBJECT,
			    .object = (uint8_t)o->kind,
			    .ring = is_ring(o),
			    .denied = (uint8_t)denied,
			    .id = o->id};
	long fd = f.ring ? fifo_of(o->off) : load_number(names[o->kind]);

	if (fd >= (long)LOAD_FDS) {
		sys_close((int)fd);
		fd = -EMFILE;
	}
	if (fd < 0) {
		object_release(agent_world(), t, o->id);
		return fd;
	}
	load_set(fd, &f);
	return fd;
}

/* ---- Closing -------------------------------------------------------------------- */

static bool is_last(const struct load_fd *f)
{
	for (uint32_t i = 0; i < LOAD_FDS; i++)
		if (table[i].kind && table[i].id == f->id)
			return false;
	return true;
}

static bool forget(long fd, struct load_fd *f)
{
	bool last;

	lock();
	*f = table[fd];
	table[fd] = (struct load_fd){0};
	last = f->kind && f->id && is_last(f);
	unlock();
	return last;
}

/* The number is free for others only when the kernel has closed it: so ours first. */
static void let_go(struct agent_thread *t, long fd)
{
	struct load_fd f;
	struct task *task;

	if (fd < 0 || fd >= (long)LOAD_FDS || !load_relaxed(&table[fd].kind) || !forget(fd, &f))
		return;
	task = load_task(t);
	if (task)
		object_release(agent_world(), task, f.id);
}

static bool shares(const struct agent_thread *t)
{
	return !(t->clone_flags & CLONE_VM) || (t->clone_flags & (CLONE_THREAD | CLONE_FILES));
}

static long handle_close(struct agent_thread *t, struct agent_regs *r)
{
	if (shares(t))
		let_go(t, (int)r->rdi);
	return below[SYS_close](t, r);
}

static long handle_close_range(struct agent_thread *t, struct agent_regs *r)
{
	unsigned long first = (unsigned)r->rdi, last = (unsigned)r->rsi;

	for (unsigned long fd = first; shares(t) && !(r->rdx & 4) && fd <= last && fd < LOAD_FDS; fd++)
		let_go(t, (long)fd);
	return below[SYS_close_range](t, r);
}

/* ---- Copies ---------------------------------------------------------------------- */

static long copied(struct agent_thread *t, struct agent_regs *r)
{
	long from = (int)r->rdi, ret = below[r->rax](t, r);
	struct load_fd f;

	if (!shares(t) || !load_look(from, &f))
		return ret;
	if (ret == AGENT_HAND_ON)
		ret = agent_pass(t, r);
	if (ret >= 0 && ret < (long)LOAD_FDS)
		load_set(ret, &f);
	return ret;
}

static long handle_dup(struct agent_thread *t, struct agent_regs *r)
{
	return copied(t, r);
}

static long handle_dup_to(struct agent_thread *t, struct agent_regs *r)
{
	if (r->rdi == r->rsi)
		return below[r->rax](t, r);
	if (shares(t) && sys_fcntl((int)r->rdi, F_GETFD, 0) >= 0)
		let_go(t, (int)r->rsi);
	return copied(t, r);
}

static long handle_fcntl(struct agent_thread *t, struct agent_regs *r)
{
	if (r->rsi == F_DUPFD || r->rsi == F_DUPFD_CLOEXEC)
		return copied(t, r);
	return below[SYS_fcntl](t, r);
}

void load_register_fds(void)
{
	static const struct {
		uint16_t nr;
		agent_handler h;
	} all[] = {
	    {SYS_close, handle_close}, {SYS_close_range, handle_close_range},
	    {SYS_dup, handle_dup},     {SYS_dup2, handle_dup_to},
	    {SYS_dup3, handle_dup_to}, {SYS_fcntl, handle_fcntl},
	};

	for (unsigned i = 0; i < array_len(all); i++)
		below[all[i].nr] = agent_register(all[i].nr, all[i].h);
}

/* ---- fork -------------------------------------------------------------------------- */

static bool any(void)
{
	for (uint32_t i = 0; i < LOAD_FDS; i++)
		if (table[i].kind)
			return true;
	return false;
}

/* The child's seat is made and holds everything before the parent can let go of it. */
long load_before_clone(struct agent_thread *parent, uint64_t flags)
{
	struct world *w = agent_world();
	struct task *t;

	brood = POOL_CLIENTS;
	if (!load_active() || (flags & CLONE_VM) || !any())
		return 0;
	t = load_task(parent);
	if (!t || client_make(&w->arena.pool, &brood) != 0)
		return -EAGAIN;
	if (object_inherit(w, t, brood) == 0)
		return 0;
	object_drop_client(w, t, brood);
	client_give_up(&w->arena.pool, brood);
	return -EAGAIN;
}

void load_parent_cloned(struct agent_thread *parent, uint64_t flags, long pid)
{
	struct world *w = agent_world();
	struct task *t = brood < POOL_CLIENTS ? load_task(parent) : NULL;

	if (!t || (flags & CLONE_VM))
		return;
	if (pid > 0) {
		store_relaxed(&client_slot(&w->arena.pool, brood)->pid, (uint32_t)pid);
	} else {
		object_drop_client(w, t, brood);
		client_give_up(&w->arena.pool, brood);
	}
	brood = POOL_CLIENTS;
}

void load_child_cloned(struct agent_thread *child, uint64_t flags)
{
	if (!load_active() || (flags & CLONE_VM))
		return;
	table_lock = 0;
	load_prog_forked();
	if (brood < POOL_CLIENTS)
		agent_world_take(brood);
	brood = POOL_CLIENTS;
}
