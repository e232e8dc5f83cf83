/*
 * fork and exec: what becomes of descriptors and seats.
 *
 * A child that gets a copy of the memory finds its state in it and takes the
 * seats that were made for it. A child that shares the memory, but not the
 * descriptors (vfork, posix_spawn), gets a state of its own, which the parent
 * drops when the child has let go of the memory.
 */
#include <sys/mman.h>

#include "vfs/internal.h"

static void abandon(struct vfs_thread *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		fs_fork_abandon(seat(v, i), v->brood.seat[i]);
}

static int make_seats(struct vfs_thread *v)
{
	for (uint32_t i = 0; i < v->proc->nmounts; i++) {
		struct task *t = seat(v, i);
		int err = t ? fs_fork_prepare(t, &v->brood.seat[i]) : -EAGAIN;

		if (err) {
			abandon(v, i);
			return -EAGAIN; /* as fork has it where a limit is reached */
		}
	}
	return 0;
}

/*
 * Mapping and unmapping the states is dear: their pages have to be found, and given up on
 * every processor. A program that starts others by the hundred uses the same ones again.
 */
static struct vfs_states *take_states(struct vfs_proc *p)
{
	struct vfs_states *s = swap(&p->spare, NULL);

	if (s)
		return s;
	s = sys_mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return sys_is_err(s) ? NULL : s;
}

static void unmap_states(struct vfs_states *s)
{
	if (s)
		sys_munmap(s, sizeof *s);
}

/* Not where the child's first thread alone has ended. Those of others that an exec ended are left as well. */
static void drop_states(struct vfs_proc *p, struct vfs_states *s)
{
	if (!s || load_acquire(&s->proc.others))
		return;
	unmap_states(s->proc.spare); /* of its own children */
	cred_drop(&s->thread);
	unmap_states(swap(&p->spare, s));
}

void vfs_child_end(struct vfs_thread *v)
{
	struct vfs_states *s = (struct vfs_states *)(void *)v->proc;

	if (v != &s->thread || load_acquire(&s->proc.others))
		return;
	unmap_states(s->proc.spare);
	cred_drop(v);
	unmap_states(s);
}

/* What is 0 is only read: most of it has no memory. */
static void clear_numbers(uint8_t *fd, size_t n)
{
	for (; n < FS_HANDLES && n % 8; n++)
		fd[n] = 0;
	for (uint64_t *w = (uint64_t *)(void *)(fd + n); n < FS_HANDLES; n += 8, w++)
		if (*w)
			*w = 0;
}

static void copy_proc(struct vfs_proc *to, const struct vfs_proc *from, const struct vfs_place *place)
{
	size_t n = (size_t)fd_end(from);

	mem_copy(to, from, offsetof(struct vfs_proc, mount) + from->nmounts * sizeof from->mount[0]);
	mem_copy(&to->nmounts, &from->nmounts, offsetof(struct vfs_proc, spare) - offsetof(struct vfs_proc, nmounts));
	mem_copy(to->fd, from->fd, n * sizeof to->fd[0]);
	clear_numbers(to->fd, n);
	fd_keep_all(to);
	mem_copy(to->ino, from->ino, n * sizeof to->ino[0]);
	numbers_forked(to);
	to->nlocked = 0; /* locks are not inherited */
	to->place = *place;
	place_forked(&to->place);
	to->spare = NULL;
	to->others = 0;
	to->common_there = false;
	to->common_lock = 0;
}

static int make_states(struct vfs_thread *v)
{
	struct vfs_states *s = take_states(v->proc);

	v->brood.states = s;
	if (!s)
		return -EAGAIN;
	copy_proc(&s->proc, v->proc, v->place);
	__builtin_memset(&s->thread, 0, offsetof(struct vfs_thread, cred_epochs));
	s->thread.proc = &s->proc;
	s->thread.place = &s->proc.place;
	seat_none(&s->thread);
	return 0;
}

/*
 * Might a program that the child becomes have it in common with us (see real.c)?
 * What is closed at exec may be moved to another number first: that is looked
 * at where it is open for writing, since nothing must be overwritten.
 */
static bool has_in_common(struct vfs_thread *v, long fd)
{
	struct vfs_proc *p = v->proc;
	uint8_t f = load_relaxed(&p->fd[fd]);
	uint32_t flags = 0;

	if ((f & (FD_OWNED | FD_REAL)) != FD_OWNED)
		return false;
	return !(f & FD_EXEC) || (fd_inode(v, fd, &flags) >= 0 && (flags & O_ACCMODE) != O_RDONLY);
}

/*
 * The child's three copies (what the kernel has, what we say of it, the handles) are made one after the other;
 * likewise those of directory and umask.
 */
static void brood_hold(struct vfs_thread *v)
{
	place_hold(v->place); /* which may take as long as another thread's chdir: the numbers are not held meanwhile */
	numbers_hold(v->proc);
	v->brood.holds = 1;
}

/* By a child for whose end we wait, or by us. */
static void brood_let_go(struct vfs_thread *v)
{
	if (!swap(&v->brood.holds, 0))
		return;
	numbers_let_go(v->proc);
	place_let_go(v->place);
}

int vfs_fork_prepare(struct vfs_thread *v, bool vm, struct vfs_thread **child)
{
	int err;

	fd_unpark(v->proc);
	for (long fd = 0; fd < fd_end(v->proc); fd++)
		if (has_in_common(v, fd))
			fd_make_real(v, fd);
	seats_take(v);
	brood_hold(v);
	err = make_seats(v);
	if (!err && vm) {
		err = make_states(v);
		if (err)
			abandon(v, v->proc->nmounts);
	}
	v->brood.pending = !err;
	*child = v;
	if (err) {
		brood_let_go(v);
	} else if (vm) {
		/* We may go on, and fork again, before the child has looked at ours. */
		*child = &v->brood.states->thread;
		(*child)->brood = v->brood;
	}
	seats_return(v);
	return err;
}

void vfs_fork_done(struct vfs_thread *v, long pid, bool gone)
{
	if (!v->brood.pending)
		return;
	v->brood.pending = false;
	brood_let_go(v);
	if (pid < 0)
		abandon(v, v->proc->nmounts);
	for (uint32_t i = 0; pid > 0 && i < v->proc->nmounts; i++)
		fs_fork_child_is(seat(v, i), v->brood.seat[i], (int)pid);
	if (gone || pid < 0)
		drop_states(v->proc, v->brood.states);
	v->brood = (struct vfs_brood){0};
	seats_return(v);
}

/*
 * Other threads may have been in the middle of opening and closing: then table and
 * memory differ. What is not in both the child does not have; its number would not be
 * usable again.
 */
static void reconcile(struct vfs_thread *v, unsigned store, long parents)
{
	struct vfs_proc *p = v->proc;
	struct task *t = seat(v, store);
	uint32_t end = max_of((uint32_t)parents, fs_handles(&p->mount[store].fs));

	for (uint32_t h = 0; t && h < end; h++) {
		bool owned = fd_store(p, h) == (int)store;
		int64_t ino = fs_handle(t, h, NULL);
		bool same = owned && ino == p->ino[h];

		if (ino >= 0 && !same)
			fs_close(t, h);
		if (owned && !same)
			fd_lose(p, h);
	}
}

/* It has no seats, and must not use the parent's, whose memory it shares: all is the kernel's. */
static struct vfs_thread *without_seats(struct vfs_thread *v)
{
	v->proc->nmounts = 0;
	v->proc->passive = true;
	clear_numbers(v->proc->fd, 0);
	return v;
}

struct vfs_thread *vfs_fork_child(struct vfs_thread *v, struct vfs_thread *waiting)
{
	struct vfs_brood b = v->brood;
	long end = fd_end(v->proc); /* while the seats in it are still the parent's */

	v->brood = (struct vfs_brood){0};
	v->seated = 0; /* the parent's seats */
	v->proc->common_there = false;
	v->proc->common_lock = 0;
	v->proc->nlocked = 0;
	if (!b.states)
		spare_forked();
	if (waiting) /* its other threads do not */
		brood_let_go(waiting);
	numbers_forked(v->proc);
	place_forked(&v->proc->place);
	place_forked(v->place);
	seat_none(v);
	for (uint32_t i = 0; i < v->proc->nmounts; i++)
		if (fs_fork_child(&v->proc->mount[i].fs, b.seat[i]) != 0)
			return b.states ? without_seats(v) : NULL;
	for (uint32_t i = 0; i < v->proc->nmounts; i++)
		reconcile(v, i, end);
	fd_drop_taken(v->proc);
	seats_return(v);
	return v;
}

/* ---- exec -------------------------------------------------------------------- */

static void set_exec(int fd, bool on)
{
	sys_fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0);
}

static void set_hidden(struct vfs_proc *p, bool close)
{
	set_exec(p->placeholder, close);
	for (uint32_t i = 0; i < p->nmounts; i++)
		set_exec(p->mount[i].fs.pool.fd, close);
}

void vfs_exec_prepare(struct vfs_thread *v, bool carries)
{
	struct vfs_proc *p = v->proc;

	fd_unpark(p);
	for (long fd = 0; fd < fd_end(p); fd++) {
		uint8_t f = load_relaxed(&p->fd[fd]);

		if (!(f & FD_OWNED))
			continue;
		if (f & FD_EXEC)
			set_exec((int)fd, true);
		else if (!carries)
			fd_materialise(v, fd);
	}
	if (!carries)
		set_hidden(p, true);
	/* The new image's threads take seats of their own. */
	seats_leave(v);
}

void vfs_exec_failed(struct vfs_thread *v)
{
	struct vfs_proc *p = v->proc;

	fd_unpark(p); /* one that was closed meanwhile is to be closed at exec as well */
	set_hidden(p, false);
	for (long fd = 0; fd < fd_end(p); fd++)
		if ((load_relaxed(&p->fd[fd]) & (FD_OWNED | FD_EXEC)) == (FD_OWNED | FD_EXEC))
			set_exec((int)fd, false);
	seats_return(v);
}
