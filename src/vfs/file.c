/* Opening, reading and writing. */
#include <dirent.h>
#include <linux/openat2.h>
#include <unistd.h>

#include "vfs/internal.h"

/* Nothing lies between memory and memory: what is written is there for all (O_DIRECT), and as safe as it gets (O_SYNC).
 */
#define OPEN_KNOWN                                                                                                     \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW |        \
	 O_NOATIME | O_DIRECT | O_SYNC | O_DSYNC | O_CLOEXEC | 0100000 /* O_LARGEFILE */)

/* ---- open --------------------------------------------------------------------- */

/*
 * It may be running, which the kernel knows; where nobody hears of that, also a program that is only about to run: the
 * kernel is to know of the writer.
 */
static bool is_program(struct task *t, fs_ino ino)
{
	return unlikely(fs_kernel_marks(t, ino) & FS_MARK_RUN) ||
	       (unlikely(fs_opens_unseen(t)) && (fs_mode(t, ino) & 0111));
}

static bool may_run(const struct where *w, fs_ino ino, int flags)
{
	return ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC)) && is_program(w->t, ino);
}

static long open_ino(struct vfs_thread *v, struct where *w, fs_ino ino, int flags)
{
	struct vfs_proc *p = v->proc;
	long fd, err;

	if (unlikely(ino_locked(p, ino)))
		return lock_open(v, w, flags);
	fd = fd_take(v);
	if (fd < 0)
		return fd;
	begin_meant(w);
	err = end_meant(w, fs_open(w->t, cred(v), ino, flags & ~O_CLOEXEC, (uint32_t)fd));
	if (!err && may_run(w, ino, flags)) { /* since it was looked at: one of both sees the other */
		fs_close(w->t, (uint32_t)fd);
		err = VFS_PASS;
	}
	if (err) {
		fd_give_back(p, fd);
		return err;
	}
	fs_opened_by(w->t, (uint32_t)fd, w->w.dir, w->w.entry);
	fd_own(p, fd, ino, w->store, flags & O_CLOEXEC, false);
	if (unlikely(
		p->common_there)) { /* another thread may have begun to lock it, and have made this one real or not */
		fence_full();
		if (ino_locked(p, ino) && !fd_is_real(p, fd)) {
			fs_close(w->t, (uint32_t)fd);
			fd_give_back(p, fd);
			return lock_open(v, w, flags);
		}
	}
	return fd;
}

static long create(struct vfs_thread *v, struct where *w, int flags, uint32_t mode)
{
	struct fs_new new = {.mode = S_IFREG | (mode & 07777), .umask = v->place->umask};
	long fd = fd_take(v), err;
	fs_ino ino;

	if (fd < 0)
		return fd;
	err = fs_create(w->t, cred(v), w->w.dir, w->w.last, &new, flags & ~O_CLOEXEC, (uint32_t)fd, &ino);
	if (err) {
		fd_give_back(v->proc, fd);
		return err;
	}
	fs_opened_by(w->t, (uint32_t)fd, w->w.dir, w->w.last.key);
	fd_own(v->proc, fd, ino, w->store, flags & O_CLOEXEC, false);
	return fd;
}

#define TMPFILE_BIT (O_TMPFILE & ~O_DIRECTORY)

static bool is_tmpfile(int flags)
{
	return (flags & O_TMPFILE) == O_TMPFILE && !(flags & O_CREAT) && (flags & O_ACCMODE) != O_RDONLY &&
	       !(flags & ~(OPEN_KNOWN | TMPFILE_BIT));
}

static long open_tmpfile(struct vfs_thread *v, struct where *w, int flags, uint32_t mode)
{
	const struct fs_new new = {
	    .mode = S_IFREG | (mode & 07777), .umask = v->place->umask, .nameless = flags & O_EXCL};
	long fd = fd_take(v), err;
	struct fs_attr a;
	fs_ino ino;

	if (fd < 0)
		return fd;
	begin_meant(w);
	err = end_meant(w, fs_tmpfile(w->t, cred(v), w->w.ino, &new, (uint32_t)fd, &a));
	ino = a.ino;
	if (err) {
		fd_give_back(v->proc, fd);
		return err;
	}
	fs_set_flags(w->t, (uint32_t)fd, UINT32_MAX, (uint32_t)flags & ~(uint32_t)(O_EXCL | O_CLOEXEC));
	fd_own(v->proc, fd, ino, w->store, flags & O_CLOEXEC, false);
	return fd;
}

/* Is it something that the store alone can open: a regular file or a directory? */
static long openable(const struct where *w, int flags)
{
	uint32_t mode = fs_mode(w->t, w->w.ino);

	if (!mode)
		return -ESTALE;
	if (S_ISLNK(mode)) /* of a stranger's in a sticky directory the kernel may say something else first */
		return flags & O_CREAT ? VFS_PASS : -ELOOP;
	if (S_ISDIR(mode) && (flags & O_CREAT))
		return -EISDIR;
	return S_ISREG(mode) || S_ISDIR(mode) ? 0 : VFS_PASS;
}

/* O_CREAT finds a stranger's file in a sticky directory: fs.protected_regular (proc(5)) may forbid to open it. */
static bool doubtful(struct vfs_thread *v, const struct where *w)
{
	struct fs_attr dir, a;

	if (!w->w.dir || fs_getattr(w->t, w->w.dir, &dir) || !(dir.mode & S_ISVTX) || !(dir.mode & 022))
		return false;
	return fs_getattr(w->t, w->w.ino, &a) == 0 && a.uid != dir.uid && a.uid != cred(v)->uid;
}

static bool is_exclusive(int flags)
{
	return (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}

static long open_found(struct vfs_thread *v, struct where *w, int flags, uint32_t mode, long found)
{
	long err;

	if (found == -ENOENT && (flags & O_CREAT) && w->w.dir && w->w.last.len)
		return w->w.slash ? -EISDIR : create(v, w, flags, mode);
	if (found)
		return found;
	if (is_exclusive(flags))
		return -EEXIST;
	err = openable(w, flags);
	if (!err && (flags & O_TRUNC) && fs_kernel_marks(w->t, w->w.ino))
		return VFS_PASS;
	if (!err && may_run(w, w->w.ino, flags))
		return VFS_PASS;
	if (!err && (flags & O_CREAT) && doubtful(v, w))
		return VFS_PASS;
	return err ? err : open_ino(v, w, w->w.ino, flags);
}

/* The kernel opens, and hands out a number. */
static long open_passed(struct vfs_thread *v, long ret)
{
	if (ret == VFS_PASS)
		fd_unpark(v->proc);
	return ret;
}

/* What was found is none of the store's to open, or there is no number that could be ours. */
static long open_passed_from(struct vfs_thread *v, int dir, long ret)
{
	return open_passed(v, ret == VFS_PASS ? call_pass_from(v, dir) : ret);
}

/* A file that must be new: whether the name is free is seen when it is made. */
static long open_new(struct vfs_thread *v, int dir, const char *path, int flags, uint32_t mode)
{
	struct where w;
	long err = locate(v, dir, path, LOCATE_PARENT, 0, &w);

	if (err)
		return open_passed(v, err);
	if (!w.w.last.len)
		return -EEXIST; /* the mount point */
	return w.w.slash ? -EISDIR : open_passed_from(v, dir, create(v, &w, flags, mode));
}

static long do_open(struct vfs_thread *v, int dir, const char *path, int flags, uint32_t mode)
{
	bool excl = is_exclusive(flags);
	unsigned how = flags & O_NOFOLLOW || excl ? LOCATE_NOFOLLOW : 0;
	unsigned n = 0;
	struct where w;
	long ret;

	if ((flags & TMPFILE_BIT) && (flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	if (excl && !(flags & ~OPEN_KNOWN))
		return open_new(v, dir, path, flags, mode);
	do {
		long found = locate(v, dir, path, how, 0, &w);

		if (!found && is_tmpfile(flags))
			return open_passed_from(v, dir, open_tmpfile(v, &w, flags, mode));
		if (found == VFS_PASS || (!found && (flags & ~OPEN_KNOWN))) {
			/* O_PATH, O_DIRECT, O_TMPFILE and the like: the kernel does them, on the mount. */
			int err = found ? 0 : fd_make_real(v, dir);

			return open_passed(v, err ? err : VFS_PASS);
		}
		ret = open_found(v, &w, flags, mode, found);
		/* Made by somebody else between the look and the making: then it is to be opened. */
	} while ((ret == -EEXIST && !excl) || walk_again(ret, &n));
	return open_passed_from(v, dir, ret);
}

HANDLER(call_open)
{
	return do_open(v, AT_FDCWD, (const char *)c->a[0], (int)c->a[1], (uint32_t)c->a[2]);
}

HANDLER(call_openat)
{
	return do_open(v, (int)c->a[0], (const char *)c->a[1], (int)c->a[2], (uint32_t)c->a[3]);
}

HANDLER(call_creat)
{
	return do_open(v, AT_FDCWD, (const char *)c->a[0], O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)c->a[1]);
}

/*
 * With nothing to resolve in a special way it is openat. Else the kernel walks, from the same place; what is wrong
 * with the call it says as well.
 */
HANDLER(call_openat2)
{
	const uint64_t known = OPEN_KNOWN & ~(uint64_t)0100000;
	struct open_how how;
	struct where w;

	if (c->a[3] == sizeof how && !user_copy(&how, (const void *)c->a[2], sizeof how) && !how.resolve &&
	    !(how.flags & ~known) && !(how.mode & ~(uint64_t)07777) && (!how.mode || (how.flags & O_CREAT)) &&
	    (how.flags & (O_DIRECTORY | O_CREAT)) != (O_DIRECTORY | O_CREAT))
		return do_open(v, (int)c->a[0], (const char *)c->a[1], (int)how.flags, (uint32_t)how.mode);
	(void)locate(v, (int)c->a[0], (const char *)c->a[1], 0, 0, &w); /* for what it names on its way */
	return call_makes_fd(v, c);
}

/* ---- read, write ------------------------------------------------------------------ */

/* Mapped through the mount, or a limit that the kernel enforces: from here on by a real descriptor. */
static struct task *hand_over(struct vfs_thread *v, long fd)
{
	v->refused = fd_materialise(v, fd);
	return NULL;
}

static struct task *nobody(struct vfs_thread *v, long fd)
{
	v->refused = fd_is_hidden(v->proc, fd) ? -EBADF : 0;
	return NULL;
}

struct task *owner(struct vfs_thread *v, long fd)
{
	int store = fd_store(v->proc, fd);
	struct task *t;

	if (store < 0)
		return nobody(v, fd);
	t = seat(v, (unsigned)store);
	return !t || unlikely(fs_kernel_marks(t, load_relaxed(&v->proc->ino[fd])) & (FS_MARK_MAPPED | FS_MARK_WATCHED))
		   ? hand_over(v, fd)
		   : t;
}

struct task *grower(struct vfs_thread *v, long fd)
{
	int store = fd_store(v->proc, fd);
	struct task *t;

	if (store < 0)
		return nobody(v, fd);
	t = seat(v, (unsigned)store);
	if (!t || unlikely(v->proc->limited || fs_kernel_marks(t, load_relaxed(&v->proc->ino[fd]))))
		return hand_over(v, fd);
	return t;
}

HANDLER(call_read)
{
	struct task *t = owner(v, (int)c->a[0]);

	return t ? fs_read_next(t, (uint32_t)c->a[0], (void *)c->a[1], io_len(c->a[2])) : passed(v);
}

HANDLER(call_write)
{
	struct task *t = grower(v, (int)c->a[0]);

	return t ? fs_write_next(t, cred(v), (uint32_t)c->a[0], (const void *)c->a[1], io_len(c->a[2])) : passed(v);
}

/*
 * The inode and flags of a descriptor of ours. The inode is the handle's; that the
 * process remembers it lets what follows begin before the handle's loads are there.
 */
static int64_t handle_of(struct vfs_thread *v, struct task *t, uint32_t fd, uint32_t *flags)
{
	int64_t ino = load_relaxed(&v->proc->ino[fd]), is = fs_handle(t, fd, flags);
	bool same = is == ino;

	__asm__("" : "+r"(ino)); /* or the compiler takes the other, which is the same */
	return likely(same) ? ino : is;
}

static int64_t read_at(struct vfs_thread *v, struct task *t, uint32_t fd, void *buf, size_t len, int64_t off)
{
	uint32_t flags = 0;
	int64_t ino = handle_of(v, t, fd, &flags);

	if (off < 0) /* before all that the descriptor may be lacking */
		return -EINVAL;
	if (ino < 0 || (flags & O_ACCMODE) == O_WRONLY)
		return ino < 0 ? ino : -EBADF;
	return fs_read(t, (fs_ino)ino, buf, len, off, flags & O_NOATIME ? FS_IO_NOATIME : 0);
}

/* On Linux, pwrite to a file open for appending appends. */
static int64_t write_at(struct vfs_thread *v, struct task *t, uint32_t fd, const void *buf, size_t len, int64_t off)
{
	uint32_t flags = 0;
	int64_t ino = handle_of(v, t, fd, &flags);

	if (off < 0)
		return -EINVAL;
	if (ino < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return ino < 0 ? ino : -EBADF;
	return fs_write(t, cred(v), (fs_ino)ino, buf, len, off, flags & O_APPEND ? FS_IO_APPEND : 0, NULL);
}

HANDLER(call_pread)
{
	struct task *t = owner(v, (int)c->a[0]);

	return t ? read_at(v, t, (uint32_t)c->a[0], (void *)c->a[1], io_len(c->a[2]), c->a[3]) : passed(v);
}

HANDLER(call_pwrite)
{
	struct task *t = grower(v, (int)c->a[0]);

	return t ? write_at(v, t, (uint32_t)c->a[0], (const void *)c->a[1], io_len(c->a[2]), c->a[3]) : passed(v);
}

HANDLER(call_lseek)
{
	int store = fd_store(v->proc, (int)c->a[0]);
	struct task *t = store < 0 ? NULL : seat(v, (unsigned)store);

	return t ? fs_seek_to(t, (uint32_t)c->a[0], c->a[1], (int)c->a[2]) : fd_passed(v->proc, (int)c->a[0]);
}

/* ---- getdents ------------------------------------------------------------------------ */

/* An entry of getdents64, and of getdents, which has the type behind the name. */
struct entry64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[FS_NAME_MAX + 1];
};

struct entry32 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	char name[FS_NAME_MAX + 3];
};

static uint32_t entry_len(const struct fs_dirent *d, bool old)
{
	return old ? round_up((uint32_t)offsetof(struct entry32, name) + d->len + 2u, 8u)
		   : round_up((uint32_t)offsetof(struct entry64, name) + d->len + 1u, 8u);
}

static int entry64_out(const struct fs_dirent *d, char *to)
{
	struct entry64 e;
	uint32_t len = entry_len(d, false);
	uint64_t zero = 0;

	/* What lies behind the name, and may be all of it: zeroing the whole takes longer than the rest. */
	mem_copy((char *)&e + len - sizeof zero, &zero, sizeof zero);
	e.ino = d->ino;
	e.off = (int64_t)d->cookie;
	e.reclen = (uint16_t)len;
	e.type = (uint8_t)(d->mode >> 12);
	mem_copy(e.name, d->name, d->len + 1u);
	return user_copy(to, &e, e.reclen) ? -EFAULT : 0;
}

static int entry32_out(const struct fs_dirent *d, char *to)
{
	struct entry32 e = {.ino = d->ino, .off = (int64_t)d->cookie, .reclen = (uint16_t)entry_len(d, true)};

	mem_copy(e.name, d->name, d->len + 1u);
	((char *)&e)[e.reclen - 1] = (char)(d->mode >> 12);
	return user_copy(to, &e, e.reclen) ? -EFAULT : 0;
}

/* A listing: the caller's buffer, and the cookie of the last entry in it. */
struct listing {
	char *buf;
	size_t size;
	uint64_t cookie;
	bool old;
};

static long list(struct vfs_thread *v, struct task *t, fs_ino ino, struct listing *l)
{
	size_t used = 0;

	for (;;) {
		int n = fs_readdir(t, ino, l->cookie, v->batch, BATCH);

		if (n <= 0)
			return used ? (long)used : n;
		for (int k = 0; k < n; k++) {
			const struct fs_dirent *d = &v->batch[k];
			uint32_t len = entry_len(d, l->old);

			if (used + len > l->size)
				return used ? (long)used : -EINVAL;
			if (l->old ? entry32_out(d, l->buf + used) : entry64_out(d, l->buf + used))
				return used ? (long)used : -EFAULT;
			used += len;
			l->cookie = d->cookie;
		}
	}
}

static long getdents(struct vfs_thread *v, const struct vfs_call *c, bool old)
{
	struct task *t = owner(v, (int)c->a[0]);
	struct listing l = {(char *)c->a[1], (unsigned)c->a[2], 0, old};
	uint32_t fd = (uint32_t)c->a[0];
	int64_t ino, pos;
	long n;

	if (!t)
		return passed(v);
	ino = fs_handle(t, fd, NULL);
	pos = ino < 0 ? ino : fs_seek_to(t, fd, 0, SEEK_CUR);
	if (pos < 0)
		return pos;
	l.cookie = (uint64_t)pos;
	n = list(v, t, (fs_ino)ino, &l);
	if (n > 0)
		fs_seek_to(t, fd, (int64_t)l.cookie, SEEK_SET);
	return n;
}

HANDLER(call_getdents64)
{
	return fd_store(v->proc, (int)c->a[0]) < 0 ? list_foreign(v, c) : getdents(v, c, false);
}

HANDLER(call_getdents)
{
	return fd_store(v->proc, (int)c->a[0]) < 0 ? list_foreign(v, c) : getdents(v, c, true);
}

/* ---- Sizes and ranges ------------------------------------------------------------------- */

/* Inode of a descriptor that is open for writing. */
static int64_t writable(struct task *t, uint32_t fd, int otherwise)
{
	uint32_t flags = 0;
	int64_t ino = fs_handle(t, fd, &flags);

	return ino < 0 ? ino : (flags & O_ACCMODE) == O_RDONLY ? otherwise : ino;
}

HANDLER(call_ftruncate)
{
	struct task *t = grower(v, (int)c->a[0]);
	struct fs_attr a = {.size = (uint64_t)c->a[1]};
	int64_t ino;

	if (!t)
		return passed(v);
	if (c->a[1] < 0)
		return -EINVAL;
	ino = writable(t, (uint32_t)c->a[0], -EINVAL);
	return ino < 0 ? ino : fs_setattr(t, cred(v), (fs_ino)ino, FS_SET_SIZE | FS_SET_OPEN, &a, NULL);
}

HANDLER(call_truncate)
{
	struct fs_attr a = {.size = (uint64_t)c->a[1]};
	unsigned n = 0;
	struct where w;
	long err;

	if (c->a[1] < 0)
		return -EINVAL;
	if (v->proc->limited)
		return VFS_PASS;
	do {
		err = locate(v, AT_FDCWD, (const char *)c->a[0], 0, 0, &w);
		if (!err && (fs_kernel_marks(w.t, w.w.ino) || is_program(w.t, w.w.ino)))
			return VFS_PASS;
		if (err)
			return err;
		begin_meant(&w);
		err = end_meant(&w, fs_setattr(w.t, cred(v), w.w.ino, FS_SET_SIZE, &a, NULL));
	} while (walk_again(err, &n));
	return err;
}

HANDLER(call_fallocate)
{
	struct task *t = grower(v, (int)c->a[0]);
	int64_t ino;

	if (!t)
		return passed(v);
	ino = writable(t, (uint32_t)c->a[0], -EBADF);
	if (ino == -EBADF && fs_handle(t, (uint32_t)c->a[0], NULL) >= 0) /* how it is open is looked at last */
		return call_first_fd(v, c);
	return ino < 0 ? ino : fs_fallocate(t, cred(v), (fs_ino)ino, (int)c->a[1], c->a[2], c->a[3]);
}

/* As the kernel checks it; there is nothing to be written out. */
HANDLER(call_sync_range)
{
	if (!owner(v, (int)c->a[0]))
		return passed(v);
	return (unsigned)c->a[3] > 7 || c->a[1] < 0 || c->a[2] < 0 || c->a[1] + c->a[2] < c->a[1] ? -EINVAL : 0;
}

/* What is in memory for ever is as safe as it gets. */
HANDLER(call_fsync)
{
	return owner(v, (int)c->a[0]) ? 0 : passed(v);
}

HANDLER(call_fadvise)
{
	if (!owner(v, (int)c->a[0]))
		return passed(v);
	return c->nr == SYS_fadvise64 && (unsigned)c->a[3] > 5 ? -EINVAL : 0;
}
