/*
 * Descriptors (I6): a descriptor of ours is the lowest free number, as POSIX
 * has it, and the kernel holds the number with a placeholder, on which every call
 * fails; or with a real descriptor of the same file, see real.c.
 *
 * Getting and giving back a number costs no system call in the steady state: a
 * few placeholders whose numbers are free for the program stay open (parked),
 * and the lowest is used next. Before the kernel hands out a number by itself,
 * they are closed; after it has closed one, a lower number than the first
 * parked may be free, and it is asked (`hole`).
 */
#include <asm/ioctls.h>
#include <linux/close_range.h>
#include <sys/socket.h>

#include "vfs/internal.h"

/*
 * Where descriptors of our own lie, if the limit allows it: above those that programs
 * count on, and no higher, since each fork and exec copies the kernel's table up to the last.
 */
#define HIDDEN_FROM 500

/* Kept over exec: the next image of the process uses it again. */
static int hide(int fd)
{
	for (int from = HIDDEN_FROM; from >= 64; from /= 2) {
		int high = sys_fcntl(fd, F_DUPFD, from);

		if (high >= 0) {
			sys_close(fd);
			return high;
		}
	}
	return fd;
}

static int removed_dir(const char *in)
{
	char path[64];
	long pid = sys_getpid(), fd;
	uint32_t n = 0;

	for (; in[n]; n++)
		path[n] = in[n];
	mem_copy(path + n, "/.bt-fuse.", 10);
	n += 10;
	do {
		path[n++] = (char)('0' + pid % 10);
	} while ((pid /= 10));
	path[n] = 0;
	sys_call3(SYS_rmdir, (long)path, 0, 0); /* of one that had our pid and was killed in between */
	if (sys_call3(SYS_mkdir, (long)path, 0500, 0) < 0)
		return -ENOENT;
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	sys_call3(SYS_rmdir, (long)path, 0, 0);
	sys_call3(SYS_fchmod, fd, 0, 0);
	return (int)fd;
}

/*
 * A directory that is removed: it can be neither read, written nor mapped, holds
 * nothing, is always ready, and its name in /proc opens to no more than that, and for root only.
 */
int vfs_placeholder(void)
{
	static const char *const places[] = {"/dev/shm", "/tmp", "/run", "/var/tmp"};
	int fd = -ENOENT;

	for (unsigned i = 0; i < array_len(places) && fd < 0; i++)
		fd = removed_dir(places[i]);
	if (fd < 0) /* else a socket that is not connected: not ready to be read, but as unusable */
		fd = (int)sys_call3(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? fd : hide(fd);
}

bool fd_is_placeholder(const struct vfs_proc *p, int fd)
{
	struct stat mine, there;

	return sys_call3(SYS_fstat, p->placeholder, (long)&mine, 0) == 0 &&
	       sys_call3(SYS_fstat, fd, (long)&there, 0) == 0 && mine.st_ino == there.st_ino &&
	       mine.st_dev == there.st_dev;
}

#define NAP_NS 1000000u

void numbers_hold(struct vfs_proc *p)
{
	numbers_lock(p);
	store_relaxed(&p->fd_lock, NUMBERS_HELD);
}

void numbers_let_go(struct vfs_proc *p)
{
	numbers_unlock(p);
	futex_wake(&p->fd_lock, 1 << 30);
}

cold void numbers_wait(struct vfs_proc *p, uint32_t seen)
{
	if (seen == NUMBERS_HELD)
		futex_wait(&p->fd_lock, NUMBERS_HELD, NAP_NS);
	else
		cpu_relax();
}

/* ---- Parked numbers. Under fd_lock. ---------------------------------------------- */

static bool park(struct vfs_proc *p, long fd)
{
	uint32_t at = p->nparked;

	if (at == PARKED)
		return false;
	store_release(&p->fd[fd], FD_CAUGHT);
	while (at > 0 && p->parked[at - 1] > fd) {
		p->parked[at] = p->parked[at - 1];
		at--;
	}
	p->parked[at] = (uint16_t)fd;
	p->nparked++;
	return true;
}

static bool unpark_one(struct vfs_proc *p, long fd)
{
	for (uint32_t i = 0; i < p->nparked; i++) {
		if (p->parked[i] != fd)
			continue;
		store_release(&p->fd[fd], 0);
		for (p->nparked--; i < p->nparked; i++)
			p->parked[i] = p->parked[i + 1];
		return true;
	}
	return false;
}

static long take_parked(struct vfs_proc *p)
{
	long fd = p->parked[0];

	unpark_one(p, fd);
	return fd;
}

/* Asks the kernel for its lowest free number. */
static long take_fresh(struct vfs_proc *p)
{
	long fd = sys_fcntl(p->placeholder, F_DUPFD, 0);

	if (fd < 0)
		return p->nparked ? take_parked(p) : fd;
	if (p->nparked && fd > p->parked[0]) {
		long low = take_parked(p);

		p->hole = false;
		if (fd >= (long)FS_HANDLES || !park(p, fd))
			sys_close((int)fd);
		return low;
	}
	return fd;
}

long fd_take(struct vfs_thread *v)
{
	struct vfs_proc *p = v->proc;
	long fd;

	numbers_lock(p);
	fd = p->nparked && !p->hole ? take_parked(p) : take_fresh(p);
	if (fd >= (long)FS_HANDLES) {
		sys_close((int)fd);
		fd = -EMFILE;
	}
	numbers_unlock(p);
	if (fd >= 0 && unlikely(fd_store(p, fd) >= 0)) { /* the program closed it where no hook saw it */
		fd_close(v, fd_store(p, fd), fd);
		store_release(&p->fd[fd], 0);
	}
	return fd;
}

void fd_own(struct vfs_proc *p, long fd, fs_ino ino, unsigned store, bool exec)
{
	store_relaxed(&p->ino[fd], ino);
	store_release(&p->fd[fd], (uint8_t)(FD_OWNED | FD_CAUGHT | (exec ? FD_EXEC : 0) | store << FD_STORE));
}

void fd_give_back(struct vfs_proc *p, long fd)
{
	bool real; /* since the caller looked: another thread forks */

	numbers_lock(p);
	real = load_relaxed(&p->fd[fd]) & FD_REAL;
	store_release(&p->fd[fd], 0);
	if (unlikely(real))
		p->hole = true;
	if (real || !park(p, fd))
		sys_close((int)fd);
	numbers_unlock(p);
}

void fd_lose(struct vfs_proc *p, long fd)
{
	uint8_t was = load_relaxed(&p->fd[fd]);

	store_release(&p->fd[fd], 0);
	if (!(was & FD_REAL))
		sys_close((int)fd);
}

static void unpark_all(struct vfs_proc *p)
{
	while (p->nparked)
		sys_close((int)take_parked(p));
}

void fd_unpark(struct vfs_proc *p)
{
	if (!load_relaxed(&p->nparked))
		return;
	numbers_lock(p);
	unpark_all(p);
	numbers_unlock(p);
}

void fd_keep(struct vfs_proc *p, long fd)
{
	if ((unsigned long)fd < FS_HANDLES)
		store_release(&p->fd[fd], FD_CAUGHT);
}

void fd_keep_all(struct vfs_proc *p)
{
	fd_keep(p, p->placeholder);
	fd_keep(p, p->hidden);
	for (unsigned i = 0; i < p->nmounts; i++)
		fd_keep(p, p->mount[i].fs.pool.fd);
}

/* Descriptors that are ours for good. */
static bool is_kept(const struct vfs_proc *p, long fd)
{
	bool kept = fd == p->placeholder || fd == p->hidden;

	for (unsigned i = 0; i < p->nmounts; i++)
		kept |= fd == p->mount[i].fs.pool.fd;
	return kept;
}

/* ---- close, dup, fcntl --------------------------------------------------------------- */

HANDLER(call_close)
{
	struct vfs_proc *p = v->proc;
	long fd = (int)c->a[0];
	int store = fd_store(p, fd);

	if (store < 0) {
		if (fd_is_hidden(p, fd))
			return -EBADF;
		store_relaxed(&p->hole, true);
		return VFS_PASS;
	}
	/* Its locks on the file go with any descriptor of it. */
	if (unlikely(fd_locked(p, fd)) && !(load_relaxed(&p->fd[fd]) & FD_REAL))
		drop_locks(v, fd);
	if (load_relaxed(&p->fd[fd]) & FD_REAL) {
		store_release(&p->fd[fd], 0);
		fd_close(v, store, fd);
		store_relaxed(&p->hole, true);
		return VFS_PASS;
	}
	fd_close(v, store, fd);
	fd_give_back(p, fd);
	return 0;
}

static bool is_real(const struct vfs_proc *p, long fd)
{
	return load_relaxed(&p->fd[fd]) & FD_REAL;
}

/* A second descriptor of an open file of ours, at number `to`, which the kernel holds already as it holds `from`. */
static long share(struct vfs_thread *v, long from, long to, bool exec)
{
	struct vfs_proc *p = v->proc;
	unsigned store = (unsigned)fd_store(p, from);
	struct task *t = seat(v, store);
	int err = t ? fs_dup(t, (uint32_t)from, (uint32_t)to) : -EMFILE;
	int64_t ino;

	if (err) {
		if (is_real(p, from))
			sys_close((int)to);
		else
			fd_give_back(p, to);
		return err;
	}
	ino = fs_handle(t, (uint32_t)to, NULL); /* not that of `from`, which another thread may have closed */
	fd_own(p, to, ino > 0 ? (fs_ino)ino : 0, store, exec);
	if (is_real(p, from))
		store_release(&p->fd[to], load_relaxed(&p->fd[to]) | FD_REAL);
	return to;
}

/* The lowest number from `min` on. The kernel finds it. */
static long dup_from(struct vfs_thread *v, long fd, long min, bool exec)
{
	struct vfs_proc *p = v->proc;
	long to;

	if (min == 0 && !is_real(p, fd)) {
		to = fd_take(v);
		return to < 0 ? to : share(v, fd, to, exec);
	}
	fd_unpark(p);
	to = sys_fcntl(is_real(p, fd) ? (int)fd : p->placeholder, exec ? F_DUPFD_CLOEXEC : F_DUPFD, min);
	if (to >= (long)FS_HANDLES) {
		sys_close((int)to);
		return -EMFILE;
	}
	return to < 0 ? to : share(v, fd, to, exec);
}

HANDLER(call_dup)
{
	if (fd_store(v->proc, (int)c->a[0]) < 0)
		return call_makes_fd(v, c);
	return dup_from(v, (int)c->a[0], 0, false);
}

/* Our own, to a certain number: whatever is there gives way. */
static long dup_to(struct vfs_thread *v, long from, long to, bool exec)
{
	struct vfs_proc *p = v->proc;
	int there = fd_store(p, to);
	bool parked, held;
	long err;

	if ((unsigned long)to >= FS_HANDLES || (there < 0 && is_kept(p, to)))
		return -EBADF;
	if (there >= 0 && !is_real(p, to) && unlikely(fd_locked(p, to)))
		drop_locks(v, to);
	numbers_lock(p);
	parked = unpark_one(p, to);
	numbers_unlock(p);
	held = parked || (there >= 0 && !is_real(p, to)); /* by a placeholder */
	if (!held || is_real(p, from)) {
		err = sys_call3(SYS_dup3, is_real(p, from) ? from : p->placeholder, to, exec ? O_CLOEXEC : 0);
		if (err < 0)
			return err;
	}
	if (there >= 0) {
		fd_close(v, there, to);
		store_release(&p->fd[to], 0);
	}
	return share(v, from, to, exec);
}

static long dup_any(struct vfs_thread *v, const struct vfs_call *c, bool exec)
{
	struct vfs_proc *p = v->proc;
	long from = (int)c->a[0], to = (int)c->a[1];
	int there = fd_store(p, to);

	if (fd_store(p, from) >= 0)
		return dup_to(v, from, to, exec);
	if (fd_is_hidden(p, from) || is_kept(p, to))
		return -EBADF;
	/* The kernel replaces what is there, a placeholder too. */
	numbers_lock(p);
	unpark_one(p, to);
	numbers_unlock(p);
	if (there >= 0) {
		long ret = sys_call3(c->nr, from, to, c->a[2]);

		if (ret >= 0) {
			store_release(&p->fd[to], 0);
			fd_close(v, there, to);
		}
		return ret;
	}
	return VFS_PASS;
}

HANDLER(call_dup2)
{
	long fd = (int)c->a[0];

	if (fd == (int)c->a[1])
		return fd_store(v->proc, fd) >= 0 ? fd : fd_passed(v->proc, fd);
	return dup_any(v, c, false);
}

HANDLER(call_dup3)
{
	if (fd_store(v->proc, (int)c->a[0]) < 0)
		return dup_any(v, c, false);
	if ((int)c->a[0] == (int)c->a[1] || ((int)c->a[2] & ~O_CLOEXEC))
		return -EINVAL;
	return dup_any(v, c, (int)c->a[2] & O_CLOEXEC);
}

#ifndef FICLONE
#define FICLONE 0x40049409u /* linux/fs.h, which has a BLOCK_SIZE of its own */
#endif
static void note_lock(struct vfs_proc *p, long fd)
{
	numbers_lock(p);
	if (!fd_locked(p, fd)) {
		if (p->nlocked < LOCKED)
			store_relaxed(&p->locked[p->nlocked], p->ino[fd]);
		store_release(&p->nlocked, p->nlocked + 1);
	}
	numbers_unlock(p);
}

#define STATUS_FLAGS (O_APPEND | O_NONBLOCK | O_NOATIME)

static long get_flags(struct vfs_thread *v, long fd)
{
	uint32_t flags = 0;
	int64_t ino = fd_inode(v, fd, &flags);

	/* As the kernel shows it on 64 bits: O_LARGEFILE is always there. */
	return ino < 0 ? (long)ino : (long)((flags & ~(uint32_t)(O_CLOEXEC | O_CREAT)) | 0100000);
}

static long was_created(struct vfs_thread *v, long fd)
{
	uint32_t flags = 0;
	int64_t ino = fd_inode(v, fd, &flags);

	return ino < 0 ? (long)ino : (flags & O_CREAT) != 0;
}

static long set_flags(struct vfs_thread *v, long fd, long to)
{
	struct task *t = fd_seat(v, fd);
	uint32_t flags = 0;
	struct fs_attr a;
	int64_t ino = fd_inode(v, fd, &flags);
	int err = ino < 0 ? (int)ino : 0;

	if (!err && (to & ~(long)flags & O_NOATIME)) {
		err = fs_getattr(t, (fs_ino)ino, &a);
		if (!err && a.uid != cred(v)->uid && !(cred(v)->caps & FS_CAP_FOWNER))
			err = -EPERM;
	}
	return err ? err : fs_set_flags(t, (uint32_t)fd, STATUS_FLAGS, (uint32_t)to);
}

/* FD_CLOEXEC: ours to remember, and the kernel's where it may have it set. */
static void set_exec(struct vfs_proc *p, long fd, bool exec)
{
	uint8_t f = load_relaxed(&p->fd[fd]);

	if ((f & FD_REAL) || (f & FD_EXEC))
		sys_fcntl((int)fd, F_SETFD, exec ? FD_CLOEXEC : 0);
	store_release(&p->fd[fd], (uint8_t)(exec ? f | FD_EXEC : f & ~FD_EXEC));
}

/* A lock may begin at the offset or at the end: the kernel is to know where that is. */
static void tell_where(struct vfs_thread *v, long fd, const void *arg)
{
	struct flock l;
	struct task *t;
	int64_t pos;

	if (user_copy(&l, arg, sizeof l))
		return;
	if (l.l_whence == SEEK_END)
		ask_size(fd);
	if (l.l_whence != SEEK_CUR)
		return;
	t = fd_seat(v, fd);
	pos = t ? fs_seek_to(t, (uint32_t)fd, 0, SEEK_CUR) : -EBADF;
	if (pos >= 0)
		sys_call3(SYS_lseek, fd, pos, SEEK_SET);
}

/* Somebody wants to hear of changes in a directory: they are made through the kernel. */
static void note_watch(struct vfs_thread *v, long fd)
{
	struct task *t = fd_seat(v, fd);
	int64_t ino = fd_inode(v, fd, NULL);

	if (t && ino > 0)
		fs_watch(t, (fs_ino)ino);
}

HANDLER(call_fcntl)
{
	struct vfs_proc *p = v->proc;
	long fd = (int)c->a[0];
	int store = fd_store(p, fd), cmd = (int)c->a[1], err;

	if (store < 0) {
		if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
			return call_makes_fd(v, c);
		return fd_passed(p, fd);
	}
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_from(v, fd, (int)c->a[2], cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return load_relaxed(&p->fd[fd]) & FD_EXEC ? FD_CLOEXEC : 0;
	case F_SETFD:
		set_exec(p, fd, c->a[2] & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return get_flags(v, fd);
	case 1024 + 4: /* F_CREATED_QUERY */
		return was_created(v, fd);
	case F_SETFL:
		if (c->a[2] & (O_DIRECT | O_ASYNC)) {
			err = fd_materialise(v, fd);
			return err ? err : VFS_PASS;
		}
		return set_flags(v, fd, c->a[2]);
	case F_SETLEASE:
		/* Who opens the file here would not break it, and who has it open is not seen: no lease. */
		if ((int)c->a[2] != F_UNLCK)
			return -EINVAL;
		break;
	case F_NOTIFY:
		note_watch(v, fd);
		break;
	}
	/* Locks are the kernel's; reading and writing stay here. */
	err = fd_make_real(v, fd);
	if (cmd == F_SETLK || cmd == F_SETLKW)
		note_lock(p, fd);
	switch (cmd) {
	case F_SETLK:
	case F_SETLKW:
	case F_GETLK:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		if (!err)
			tell_where(v, fd, (const void *)c->a[2]);
	}
	return err ? err : VFS_PASS;
}

/* FIONREAD of a regular file: what is left behind the offset. */
static long left_to_read(struct vfs_thread *v, struct task *t, long fd, void *to)
{
	struct fs_attr a;
	int64_t ino = fd_inode(v, fd, NULL), pos = ino < 0 ? ino : fs_seek_to(t, (uint32_t)fd, 0, SEEK_CUR);
	int err = pos < 0 ? (int)pos : ino < 0 ? (int)ino : fs_getattr(t, (fs_ino)ino, &a), n;

	if (err)
		return err;
	if (!S_ISREG(a.mode))
		return call_first_fd(v, &(const struct vfs_call){SYS_ioctl, {fd}});
	n = (int)((int64_t)a.size - pos);
	return user_copy(to, &n, sizeof n) ? -EFAULT : 0;
}

HANDLER(call_ioctl)
{
	struct vfs_proc *p = v->proc;
	long fd = (int)c->a[0];
	int store = fd_store(p, fd), err;

	if (store < 0) {
		err = fd_is_hidden(p, fd) ? -EBADF : ioctl_makes_real(v, (unsigned)c->a[1], c->a[2]);
		return err ? err : VFS_PASS;
	}
	switch ((unsigned)c->a[1]) {
	case TCGETS: /* isatty() asks each stream */
		return -ENOTTY;
	case FIONCLEX:
	case FIOCLEX:
		set_exec(p, fd, (unsigned)c->a[1] == FIOCLEX);
		return 0;
	case FIONREAD:
		return left_to_read(v, fd_seat(v, fd), fd, (void *)c->a[2]);
	case FICLONE: /* cp tries it first */
		if (fd_store(p, (int)c->a[2]) == store)
			return -EOPNOTSUPP;
		break;
	}
	err = ioctl_makes_real(v, (unsigned)c->a[1], c->a[2]);
	return err ? err : call_first_fd(v, c);
}

/* ---- close_range ------------------------------------------------------------------- */

/* Ours are closed here, the rest by the kernel around what is hidden from the program. */
static long close_span(long from, long to, long flags)
{
	return from > to ? 0 : sys_call3(SYS_close_range, from, to, flags);
}

HANDLER(call_close_range)
{
	struct vfs_proc *p = v->proc;
	unsigned long first = (unsigned)c->a[0], last = (unsigned)c->a[1];
	unsigned flags = (unsigned)c->a[2];
	long from = (long)first, err = 0;

	if (first > last || (flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE)
		go_passive(v); /* descriptors of the thread's own, which we do not follow */
	/* What another thread parks meanwhile the kernel would close. */
	seats_take(v);
	numbers_hold(p);
	unpark_all(p);
	for (unsigned long fd = first; fd <= last && fd < FS_HANDLES; fd++) {
		int store = fd_store(p, (long)fd);

		if (store >= 0 && (flags & CLOSE_RANGE_CLOEXEC)) {
			set_exec(p, (long)fd, true);
		} else if (store >= 0) {
			store_release(&p->fd[fd], 0);
			fd_close(v, store, fd);
		}
		if (is_kept(p, (long)fd)) {
			err = close_span(from, (long)fd - 1, flags);
			from = (long)fd + 1;
		}
	}
	p->hole = true;
	if (err >= 0)
		err = close_span(from, (long)last, flags);
	numbers_let_go(p);
	return err;
}
