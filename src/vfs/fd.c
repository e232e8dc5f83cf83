/* Calls on descriptors as such: close, dup, fcntl, ioctl, close_range. What numbers they have: numbers.c. */
#include <asm/ioctls.h>
#include <linux/close_range.h>
#include <sys/socket.h>

#include "vfs/internal.h"

#define BUSY_TRIES 1000

/* ---- close, dup --------------------------------------------------------------------- */

/* Closes what is ours, as close(2) does. VFS_PASS: but for what the kernel has there. */
static long shut(struct vfs_thread *v, int store, long fd)
{
	struct vfs_proc *p = v->proc;
	struct task *t = seat(v, (unsigned)store);
	int err = 0;

	/* Its locks on the file go with any descriptor of it. */
	if (unlikely(fd_locked(p, fd)) && !fd_is_real(p, fd))
		drop_locks(v, fd);
	if (fd_is_real(p, fd)) {
		if (fd_to_kernel(p, fd))
			fd_close(v, store, fd);
		return VFS_PASS;
	}
	if (unlikely(!t)) {
		fd_give_back(p, fd);
	} else {
		err = fs_close(t, (uint32_t)fd);
		fd_closed(p, t, fd);
	}
	return err == -EBADF ? err : 0; /* another thread was faster */
}

HANDLER(call_close)
{
	struct vfs_proc *p = v->proc;
	long fd = (int)c->a[0];
	int store = fd_store(p, fd);

	if (store >= 0)
		return shut(v, store, fd);
	if (fd_is_hidden(p, fd))
		return -EBADF;
	store_relaxed(&p->hole, true);
	return VFS_PASS;
}

/* There is no number for a second descriptor here: the kernel makes it, of what is the kernel's alone from now on. */
static long dup_passed(struct vfs_thread *v, long fd)
{
	int err = fd_materialise(v, fd);

	if (!err)
		fd_unpark(v->proc);
	return err ? err : VFS_PASS;
}

/* A second descriptor of an open file of ours, at number `to`. real: of its real one as well. */
static int share(struct vfs_thread *v, long from, long to, bool exec, bool real)
{
	struct vfs_proc *p = v->proc;
	unsigned store = (unsigned)fd_store(p, from);
	struct task *t = seat(v, store);
	int err = t ? fs_dup(t, (uint32_t)from, (uint32_t)to) : -EMFILE;
	int64_t ino;

	if (err)
		return err;
	ino = fs_handle(t, (uint32_t)to, NULL); /* not that of `from`, which another thread may have closed */
	fd_own(p, to, ino > 0 ? (fs_ino)ino : 0, store, exec, real);
	return 0;
}

/* The other may have become real since. */
static long shared(struct vfs_thread *v, long from, long to)
{
	if (unlikely(fd_is_real(v->proc, from) && !fd_is_real(v->proc, to)))
		fd_share_real(v, from, to);
	return to;
}

/* The lowest number from `min` on. */
static long dup_from(struct vfs_thread *v, long fd, long min, bool exec)
{
	bool real;
	long to = fd_take_like(v, fd, min, exec, &real);
	int err;

	if (to < 0)
		return to == VFS_PASS ? dup_passed(v, fd) : to;
	err = share(v, fd, to, exec, real);
	if (err)
		fd_lose(v->proc, to);
	return err ? err : shared(v, fd, to);
}

HANDLER(call_dup)
{
	if (fd_store(v->proc, (int)c->a[0]) < 0)
		return call_makes_fd(v, c);
	return dup_from(v, (int)c->a[0], 0, false);
}

static long dup_once(struct vfs_thread *v, long from, long to, bool exec)
{
	struct vfs_proc *p = v->proc;
	struct fd_over o;
	long ret;

	if (to < 0 || fd_is_kept(p, to))
		return -EBADF;
	if (fd_store(p, to) >= 0 && !fd_is_real(p, to) && unlikely(fd_locked(p, to)))
		drop_locks(v, to);
	ret = fd_take_over(p, from, to, exec, &o);
	if (ret < 0)
		return ret == VFS_PASS ? dup_passed(v, from) : ret;
	fd_close(v, o.there, to);
	ret = share(v, from, to, exec, o.real);
	if (ret)
		fd_lose(p, to);
	return ret ? ret : shared(v, from, to);
}

/* Our own, to a certain number: whatever is there gives way. Another thread may be about to have it. */
static long dup_to(struct vfs_thread *v, long from, long to, bool exec)
{
	long ret = dup_once(v, from, to, exec);

	for (int i = 0; ret == -EBUSY && i < BUSY_TRIES && fd_store(v->proc, from) >= 0; i++) {
		fd_let_move(i);
		ret = dup_once(v, from, to, exec);
	}
	return ret;
}

/* What is not ours, to a certain number: the kernel replaces what is there, a placeholder too. */
static long dup_foreign(struct vfs_thread *v, const struct vfs_call *c)
{
	struct vfs_proc *p = v->proc;
	long from = (int)c->a[0], to = (int)c->a[1], ret;
	int there = fd_store(p, to);

	if (fd_is_hidden(p, from) || fd_is_kept(p, to))
		return -EBADF;
	if (there < 0)
		return fd_give_up(p, to);
	if (!fd_is_real(p, to) && unlikely(fd_locked(p, to)))
		drop_locks(v, to);
	numbers_lock(p);
	ret = sys_call3(c->nr, from, to, c->a[2]);
	if (ret >= 0)
		store_release(&p->fd[to], 0);
	numbers_unlock(p);
	if (ret >= 0)
		fd_close(v, there, to);
	return ret;
}

static long dup_any(struct vfs_thread *v, const struct vfs_call *c, bool exec)
{
	long from = (int)c->a[0];

	return fd_store(v->proc, from) >= 0 ? dup_to(v, from, (int)c->a[1], exec) : dup_foreign(v, c);
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
#define STATUS_FLAGS (O_APPEND | O_NONBLOCK | O_NOATIME | O_DIRECT)

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
		if (cmd == F_SETLK || cmd == F_SETLKW)
			lock_begins_elsewhere(v, fd, (const void *)c->a[2]);
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
		if (c->a[2] & O_ASYNC) {
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
	err = cmd == F_SETLK || cmd == F_SETLKW ? lock_begins(v, fd) : fd_make_real(v, fd);
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

static long close_span(long from, long to, long flags)
{
	return from > to ? 0 : sys_call3(SYS_close_range, from, to, flags);
}

/* All but what is ours by the kernel, which may wait for what it closes. Nothing becomes ours meanwhile. */
static long close_foreign(struct vfs_proc *p, long first, long last, unsigned flags)
{
	long end = min_of(last, (long)FS_HANDLES - 1), err = 0;

	for (long fd = first; fd <= end; fd++) {
		uint8_t f = load_relaxed(&p->fd[fd]);

		if ((f & FD_OWNED) && (flags & CLOSE_RANGE_CLOEXEC)) {
			set_exec(p, fd, true);
		} else if (f) {
			err = close_span(first, fd - 1, flags);
			first = fd + 1;
		}
	}
	return err < 0 ? err : close_span(first, last, flags);
}

HANDLER(call_close_range)
{
	struct vfs_proc *p = v->proc;
	long first = (unsigned)c->a[0], last = (unsigned)c->a[1], err;
	unsigned flags = (unsigned)c->a[2];

	if (first > last || (flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
		return -EINVAL;
	if (flags & CLOSE_RANGE_UNSHARE)
		go_passive(v); /* descriptors of the thread's own, which we do not follow */
	for (long fd = first; fd <= last && fd < fd_end(p) && !(flags & CLOSE_RANGE_CLOEXEC); fd++) {
		int store = fd_store(p, fd);

		if (store >= 0)
			(void)shut(v, store, fd);
	}
	seats_return(v); /* nobody is to wait for them as long as the kernel may take */
	numbers_close_begin(p);
	err = close_foreign(p, first, last, flags);
	numbers_close_end(p);
	return err;
}
