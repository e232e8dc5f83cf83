/*
 * Real descriptors: an open file of a store that the kernel has to know.
 *
 * A descriptor of ours is *real* where the kernel holds its number with the same
 * file, opened through the mount. It is answered here all the same: what makes
 * it real needs no more than that the kernel knows the file (locks, a directory
 * that a passed call starts at, a mapping). The offset stays the one in the
 * pool.
 *
 * It is *handed over* when the kernel has to read or write at the offset: from
 * then on the kernel's offset is the one that counts, for everybody who shares
 * the open file. That can only be if they all have the same descriptor of the
 * kernel's: so a descriptor that is going to be inherited by another program is
 * made real before the first fork.
 */
#include <unistd.h>

#include "vfs/internal.h"

/* Who has been somebody else, and could be again, may open what it had open before. */
static long open_as_before(const char *path, long flags)
{
	uid_t real, effective, saved;
	long fd;

	if (sys_call3(SYS_getresuid, (long)&real, (long)&effective, (long)&saved) || effective == 0 ||
	    (real != 0 && saved != 0) || sys_call3(SYS_setresuid, -1, 0, -1))
		return -EACCES;
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, flags, 0);
	sys_call3(SYS_setresuid, -1, (long)effective, -1);
	return fd;
}

/* A signal interrupts it, but is put off: the host sees to that no handler runs in a call of ours. */
static long open_through_mount(const char *path, long flags)
{
	long fd;

	do
		fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, flags, 0);
	while (fd == -EINTR);
	return fd;
}

/* A directory below the working directory, which may lie where no path from the root leads to any more. */
static long open_from_cwd(struct vfs_thread *v, struct task *t, unsigned store, fs_ino ino, size_t n, long flags)
{
	const struct vfs_place *p = v->place;

	if (p->store != (int)store)
		return -EACCES;
	for (; ino != p->ino; n--) {
		if (!n || ino == FS_ROOT || fs_dirname(t, ino, &ino, &v->batch[0]))
			return -EACCES;
		while (n && v->real[n - 1] != '/')
			n--;
	}
	return open_through_mount(v->real[n] ? v->real + n + 1 : ".", flags);
}

/*
 * What was made with a mode that forbids it, or has got such a mode since, is open all the same. The kernel takes
 * it for a new file and lets it have any size meanwhile; and so that what is told of it does not cross its first
 * write, as at any opening to write (docs/coherence.md), that is waited for.
 */
static long open_forbidden(struct vfs_thread *v, struct task *t, unsigned store, fs_ino ino, long flags)
{
	struct fs_attr a;
	size_t n = 0;
	long fd;

	while (v->real[n])
		n++;
	if (fs_getattr(t, ino, &a))
		return -EACCES;
	if (S_ISDIR(a.mode))
		return open_from_cwd(v, t, store, ino, n, flags);
	if (!S_ISREG(a.mode) || n + sizeof FS_BY_CREATION > VFS_PATH)
		return -EACCES;
	mem_copy(v->real + n, FS_BY_CREATION, sizeof FS_BY_CREATION);
	fd = open_through_mount(v->real, flags | O_CREAT);
	if (fd >= 0)
		fs_settle(t, ino);
	return fd;
}

static long open_real(struct vfs_thread *v, long fd)
{
	struct vfs_proc *p = v->proc;
	unsigned store = (unsigned)fd_store(p, fd);
	struct task *t = seat(v, store);
	uint32_t flags = 0;
	int64_t ino = t ? fs_handle(t, (uint32_t)fd, &flags) : -EMFILE;
	long real, err;

	if (ino < 0)
		return ino;
	err = path_of_ino(v, &p->mount[store], t, (fs_ino)ino, v->real);
	if (err)
		return err;
	if ((flags & O_TMPFILE) == O_TMPFILE) /* which opens a directory */
		flags &= ~(uint32_t)O_TMPFILE;
	/* O_APPEND is for who writes through it, and makes all others slow: see fd_materialise(). */
	flags = (flags & ~(uint32_t)(O_CREAT | O_NOFOLLOW | O_APPEND)) | O_CLOEXEC;
	real = open_through_mount(v->real, (long)flags);
	if (real == -EACCES)
		real = open_as_before(v->real, (long)flags);
	return real == -EACCES ? open_forbidden(v, t, store, (fs_ino)ino, (long)flags) : real;
}

long fd_open_real(struct vfs_thread *v, unsigned store, fs_ino ino, int flags)
{
	struct task *t = seat(v, store);
	long err = t ? path_of_ino(v, &v->proc->mount[store], t, ino, v->real) : -EMFILE;

	if (err)
		return err;
	fd_unpark(v->proc);
	return open_through_mount(v->real, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | O_APPEND));
}

/*
 * Where no other number is left, the real one comes out of open at its own: all lower ones are filled meanwhile. A
 * process that holds record locks of the file would lose them by the close of the other one (fcntl(2)): of such a
 * file it has real descriptors only: see lock.c.
 */
#define FILL 64

struct filler {
	int fd[FILL];
	int n;
};

static void fill_below(const struct vfs_proc *p, long fd, struct filler *f)
{
	for (f->n = 0; f->n < FILL; f->n++) {
		int got = sys_fcntl(p->placeholder, F_DUPFD, 0);

		if (got > fd)
			sys_close(got);
		if (got < 0 || got > fd)
			break;
		f->fd[f->n] = got;
	}
	sys_close((int)fd); /* a placeholder, which locks nothing */
}

void drop_locks(struct vfs_thread *v, long fd)
{
	long real;

	(void)!fd_seat(v, fd);
	fd_pass_begin(v->proc);
	real = open_real(v, fd);
	if (real >= 0)
		sys_close((int)real);
	fd_pass_end(v->proc);
}

/* The kernel holds number `fd` with a real descriptor now. Under the lock of numbers. */
static void is_real(struct vfs_proc *p, long fd)
{
	store_release(&p->fd[fd], load_relaxed(&p->fd[fd]) | FD_REAL);
}

/* Calls `f` for all of our descriptors of the open file of `fd`, that one included. */
static void each_of_file(struct vfs_thread *v, long fd, void (*f)(struct vfs_thread *v, long fd, long other))
{
	struct vfs_proc *p = v->proc;
	int store = fd_store(p, fd);
	struct task *t = seat(v, (unsigned)store);
	uint32_t file = t ? fs_handle_file(t, (uint32_t)fd) : 0, n = t ? fs_handles(&p->mount[store].fs) : 0;

	for (uint32_t k = 0; file && k < n; k++)
		if (fd_store(p, k) == store && fs_handle_file(t, k) == file)
			f(v, fd, k);
}

static void share_real(struct vfs_thread *v, long fd, long other)
{
	struct vfs_proc *p = v->proc;
	uint8_t f = load_relaxed(&p->fd[other]);

	if (!(f & FD_REAL) && sys_call3(SYS_dup3, fd, other, f & FD_EXEC ? O_CLOEXEC : 0) >= 0)
		is_real(p, other);
}

void fd_share_real(struct vfs_thread *v, long fd, long to)
{
	struct vfs_proc *p = v->proc;
	struct task *t = fd_seat(v, to);
	uint32_t file = t ? fs_handle_file(t, (uint32_t)to) : 0;

	numbers_lock(p);
	if (file && fd_store(p, to) >= 0 && fd_store(p, fd) == fd_store(p, to) && fd_is_real(p, fd) &&
	    fs_handle_file(t, (uint32_t)fd) == file)
		share_real(v, fd, to);
	numbers_unlock(p);
}

/* What a number of ours leads to. */
struct lead {
	uint32_t file, flags;
	int64_t ino;
	int store;
};

static struct lead lead_of(struct vfs_thread *v, long fd)
{
	struct lead l = {.store = fd_store(v->proc, fd)};
	struct task *t = l.store < 0 ? NULL : seat(v, (unsigned)l.store);

	l.ino = t ? fs_handle(t, (uint32_t)fd, &l.flags) : -EMFILE;
	l.file = t ? fs_handle_file(t, (uint32_t)fd) : 0;
	return l;
}

/* Under the lock of numbers: in another store than it was in it has no seat, and must not wait for one there. */
static bool leads_still(struct vfs_thread *v, long fd, const struct lead *was)
{
	struct lead now;

	if (fd_store(v->proc, fd) != was->store)
		return false;
	now = lead_of(v, fd);
	return now.file == was->file && now.ino == was->ino && now.flags == was->flags;
}

/*
 * The kernel gets `real` at number `fd`, unless another thread has closed that since,
 * and perhaps got it again for another file: in a fork all threads' files are made real.
 */
static long put_in_place(struct vfs_thread *v, long real, long fd, const struct lead *was)
{
	struct vfs_proc *p = v->proc;
	bool exec, same;
	long err = 0;

	numbers_lock(p);
	exec = load_relaxed(&p->fd[fd]) & FD_EXEC;
	same = leads_still(v, fd, was) && !fd_is_real(p, fd);
	if (same && real == fd)
		sys_fcntl((int)fd, F_SETFD, exec ? FD_CLOEXEC : 0);
	else if (same)
		err = sys_call3(SYS_dup3, real, fd, exec ? O_CLOEXEC : 0);
	if (same && err >= 0) {
		is_real(p, fd);
		each_of_file(v, fd, share_real);
	}
	numbers_unlock(p);
	if (!same || real != fd)
		sys_close((int)real);
	return min_of(err, 0l);
}

static bool is_virtual(const struct vfs_proc *p, long fd)
{
	return fd_store(p, fd) >= 0 && !(load_relaxed(&p->fd[fd]) & FD_REAL);
}

static int try_to_make_real(struct vfs_thread *v, long fd)
{
	struct vfs_proc *p = v->proc;
	const struct lead was = lead_of(v, fd);
	struct filler f = {.n = 0};
	long real;
	bool filled = false;

	fd_pass_begin(p);
	fd_unpark(p);
	real = open_real(v, fd);
	if (real == -EMFILE && is_virtual(p, fd)) { /* there is this very number */
		filled = true;
		fill_below(p, fd, &f);
		real = open_real(v, fd);
	}
	if (real >= 0)
		real = put_in_place(v, real, fd, &was);
	else if (filled)
		sys_call3(SYS_dup3, p->placeholder, fd, 0);
	while (f.n)
		sys_close(f.fd[--f.n]);
	fd_pass_end(p);
	return (int)real;
}

/* What the number leads to, or its flags (F_SETFL, by whoever shares the file), may change meanwhile: then once more.
 */
int fd_make_real(struct vfs_thread *v, long fd)
{
	int err = 0;

	if (fd_store(v->proc, fd) >= 0)
		v->why = HANDED_REAL;
	else if (fd_is_hidden(v->proc, fd))
		return -EBADF;
	while (!err && is_virtual(v->proc, fd))
		err = try_to_make_real(v, fd);
	return err;
}

/* It is the kernel's alone from now on. */
static void drop(struct vfs_thread *v, long fd, long other)
{
	int store = fd_store(v->proc, other);

	store_release(&v->proc->fd[other], 0);
	fd_close(v, store, other);
}

int fd_materialise(struct vfs_thread *v, long fd)
{
	struct vfs_proc *p = v->proc;
	int store = fd_store(p, fd), err;
	bool fresh = store >= 0 && !(load_relaxed(&p->fd[fd]) & FD_REAL), late;
	struct task *t;
	uint32_t flags = 0;
	int64_t ino, pos;

	if (store < 0)
		return fd_is_hidden(p, fd) ? -EBADF : 0;
	err = fd_make_real(v, fd);
	if (err)
		return err;
	t = seat(v, (unsigned)store);
	if (!t)
		return -EMFILE;
	late = fs_offset_given(t, (uint32_t)fd);
	ino = fs_handle(t, (uint32_t)fd, &flags);
	if (ino >= 0 && (flags & O_APPEND) && (flags & O_ACCMODE) != O_RDONLY)
		(void)!fs_mark_appended(t, (fs_ino)ino, FS_MARK_APPENDER);
	if (ino >= 0)
		sys_fcntl((int)fd, F_SETFL, (long)(flags & (O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT)));
	pos = fs_give_offset(t, (uint32_t)fd, (int)fd);
	if (fresh && late && pos >= 0) /* not the descriptor that the others share: it starts where they began */
		sys_call3(SYS_lseek, fd, pos, SEEK_SET);
	/* Those that share it: all of them, this one at last. */
	each_of_file(v, fd, drop);
	count_real(v);
	return 0;
}

void fd_follow(struct vfs_thread *v)
{
	struct vfs_proc *p = v->proc;

	for (long fd = 0; fd < fd_end(p); fd++) {
		int store = fd_store(p, fd);
		struct task *t = store < 0 ? NULL : seat(v, (unsigned)store);

		/* One that has no real descriptor in common with the others goes on from where they left it. */
		if (t && fs_offset_given(t, (uint32_t)fd))
			fd_materialise(v, fd);
	}
}

bool fd_is_inode(const struct vmount *m, long fd, fs_ino *ino)
{
	struct stat st;

	if (sys_call3(SYS_fstat, fd, (long)&st, 0) || st.st_dev != m->dev || st.st_ino > UINT32_MAX)
		return false;
	*ino = (fs_ino)st.st_ino;
	return true;
}
