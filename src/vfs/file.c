/* Opening, reading and writing. */
#include <dirent.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vfs/internal.h"

#define OPEN_KNOWN                                                                                                     \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DIRECTORY | O_NOFOLLOW |        \
	 O_NOATIME | O_CLOEXEC | 0100000 /* O_LARGEFILE */)

/* ---- open --------------------------------------------------------------------- */

/* `who` NULL: without asking. */
static long open_ino(struct vfs_thread *v, struct where *w, const struct fs_cred *who, fs_ino ino, int flags)
{
	long fd = fd_take(v), err;

	if (fd < 0)
		return fd;
	err = fs_open(w->t, who, ino, flags & ~O_CLOEXEC, (uint32_t)fd);
	if (err) {
		fd_give_back(v->proc, fd);
		return err;
	}
	fd_own(v->proc, fd, w->store, flags & O_CLOEXEC);
	return fd;
}

static long create(struct vfs_thread *v, struct where *w, int flags, uint32_t mode)
{
	struct fs_new new = {.mode = S_IFREG | (mode & 07777), .umask = v->proc->umask};
	struct fs_attr a;
	long err = fs_make(w->t, cred(v), w->w.dir, w->w.last, &new, &a);

	/* Who has just made it may open it, whatever its mode says. */
	return err ? err : open_ino(v, w, NULL, a.ino, flags & ~O_TRUNC);
}

/* Is it something that the store alone can open: a regular file or a directory? */
static long openable(const struct where *w, int flags)
{
	struct fs_attr a;
	int err = fs_getattr(w->t, w->w.ino, &a);

	if (err)
		return err;
	if (S_ISLNK(a.mode))
		return -ELOOP;
	if (S_ISDIR(a.mode) && (flags & O_CREAT))
		return -EISDIR;
	return S_ISREG(a.mode) || S_ISDIR(a.mode) ? 0 : VFS_PASS;
}

static long open_found(struct vfs_thread *v, struct where *w, int flags, uint32_t mode, long found)
{
	long err;

	if (found == -ENOENT && (flags & O_CREAT) && w->w.dir && w->w.last.len)
		return w->w.slash ? -EISDIR : create(v, w, flags, mode);
	if (found)
		return found;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	err = openable(w, flags);
	return err ? err : open_ino(v, w, cred(v), w->w.ino, flags);
}

static long do_open(struct vfs_thread *v, int dir, const char *path, int flags, uint32_t mode)
{
	bool excl = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
	unsigned how = flags & O_NOFOLLOW || excl ? LOCATE_NOFOLLOW : 0;
	struct where w;
	long ret;

	do {
		long found = locate(v, dir, path, how, 0, &w);

		if (found == VFS_PASS || (!found && (flags & ~OPEN_KNOWN))) {
			/* O_PATH, O_DIRECT, O_TMPFILE and the like: the kernel does them, on the mount. */
			int err = found ? 0 : fd_materialise(v, dir);

			fd_unpark(v->proc);
			return err ? err : VFS_PASS;
		}
		ret = open_found(v, &w, flags, mode, found);
		/* Made by somebody else between the look and the making: then it is to be opened. */
	} while (ret == -EEXIST && !excl);
	if (ret == VFS_PASS)
		fd_unpark(v->proc);
	return ret;
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

/* ---- read, write ------------------------------------------------------------------ */

/* Mapped through the mount, or a limit that the kernel enforces: from here on by a real descriptor. */
static struct task *hand_over(struct vfs_thread *v, long fd)
{
	fd_materialise(v, fd);
	return NULL;
}

/* The store's task for an owned descriptor, NULL where it is not ours. */
static struct task *owner(struct vfs_thread *v, long fd)
{
	int store = fd_store(v->proc, fd);
	struct task *t = store < 0 ? NULL : seat(v, (unsigned)store);
	int64_t ino = t ? fs_handle(t, (uint32_t)fd, NULL) : 0;

	return t && unlikely(ino > 0 && fs_is_mapped(t, (fs_ino)ino)) ? hand_over(v, fd) : t;
}

/* The same for what may make the file larger. */
static struct task *grower(struct vfs_thread *v, long fd)
{
	if (unlikely(v->proc->limited) && fd_store(v->proc, fd) >= 0)
		return hand_over(v, fd);
	return owner(v, fd);
}

static size_t io_len(long n)
{
	return (size_t)n > 0x7ffff000 ? 0x7ffff000 : (size_t)n; /* MAX_RW_COUNT */
}

HANDLER(call_read)
{
	struct task *t = owner(v, (int)c->a[0]);

	return t ? fs_read_next(t, (uint32_t)c->a[0], (void *)c->a[1], io_len(c->a[2])) : VFS_PASS;
}

HANDLER(call_write)
{
	struct task *t = grower(v, (int)c->a[0]);

	return t ? fs_write_next(t, cred(v), (uint32_t)c->a[0], (const void *)c->a[1], io_len(c->a[2])) : VFS_PASS;
}

static int64_t read_at(struct task *t, uint32_t fd, void *buf, size_t len, int64_t off)
{
	uint32_t flags = 0;
	int64_t ino = fs_handle(t, fd, &flags);

	if (ino < 0 || (flags & O_ACCMODE) == O_WRONLY)
		return ino < 0 ? ino : -EBADF;
	return fs_read(t, (fs_ino)ino, buf, len, off, flags & O_NOATIME ? FS_IO_NOATIME : 0);
}

/* On Linux, pwrite to a file open for appending appends. */
static int64_t write_at(struct task *t, const struct fs_cred *who, uint32_t fd, const void *buf, size_t len,
			int64_t off)
{
	uint32_t flags = 0;
	int64_t ino = fs_handle(t, fd, &flags);

	if (ino < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return ino < 0 ? ino : -EBADF;
	return fs_write(t, who, (fs_ino)ino, buf, len, off, flags & O_APPEND ? FS_IO_APPEND : 0, NULL);
}

HANDLER(call_pread)
{
	struct task *t = owner(v, (int)c->a[0]);

	return t ? read_at(t, (uint32_t)c->a[0], (void *)c->a[1], io_len(c->a[2]), c->a[3]) : VFS_PASS;
}

HANDLER(call_pwrite)
{
	struct task *t = grower(v, (int)c->a[0]);

	return t ? write_at(t, cred(v), (uint32_t)c->a[0], (const void *)c->a[1], io_len(c->a[2]), c->a[3]) : VFS_PASS;
}

/* One piece of a vector: at the open file's own offset where `off` is negative. */
static int64_t piece(struct vfs_thread *v, struct task *t, uint32_t fd, const struct iovec *io, int64_t off, bool write)
{
	if (off < 0)
		return write ? fs_write_next(t, cred(v), fd, io->iov_base, io->iov_len)
			     : fs_read_next(t, fd, io->iov_base, io->iov_len);
	return write ? write_at(t, cred(v), fd, io->iov_base, io->iov_len, off)
		     : read_at(t, fd, io->iov_base, io->iov_len, off);
}

/*
 * Vectors of more than one piece would have to be read and written as one: the
 * kernel does that, on a real descriptor.
 */
static long vector(struct vfs_thread *v, const struct vfs_call *c, int64_t off, bool write)
{
	struct task *t = write ? grower(v, (int)c->a[0]) : owner(v, (int)c->a[0]);
	struct iovec one = {0}, io;
	long n = c->a[2], filled = 0;
	int err;

	if (!t)
		return VFS_PASS;
	if (n < 0 || n > 1024)
		return -EINVAL;
	for (long i = 0; i < n; i++) {
		if (user_copy(&io, (const struct iovec *)c->a[1] + i, sizeof io))
			return -EFAULT;
		if ((ssize_t)io.iov_len < 0)
			return -EINVAL;
		if (io.iov_len && ++filled == 1)
			one = io;
	}
	if (filled <= 1)
		return piece(v, t, (uint32_t)c->a[0], &one, off, write);
	err = fd_materialise(v, (int)c->a[0]);
	return err ? err : VFS_PASS;
}

HANDLER(call_readv)
{
	return vector(v, c, -1, false);
}

HANDLER(call_writev)
{
	return vector(v, c, -1, true);
}

HANDLER(call_preadv)
{
	return fd_store(v->proc, (int)c->a[0]) >= 0 && c->a[3] < 0 ? -EINVAL : vector(v, c, c->a[3], false);
}

HANDLER(call_pwritev)
{
	return fd_store(v->proc, (int)c->a[0]) >= 0 && c->a[3] < 0 ? -EINVAL : vector(v, c, c->a[3], true);
}

HANDLER(call_lseek)
{
	struct task *t = owner(v, (int)c->a[0]);

	return t ? fs_seek_to(t, (uint32_t)c->a[0], c->a[1], (int)c->a[2]) : VFS_PASS;
}

/* ---- getdents ------------------------------------------------------------------------ */

/* linux_dirent64 of getdents(2). */
struct entry {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[FS_NAME_MAX + 1];
};

static uint32_t entry_len(const struct fs_dirent *d)
{
	return round_up((uint32_t)offsetof(struct entry, name) + d->len + 1u, 8u);
}

static int entry_out(const struct fs_dirent *d, char *to)
{
	struct entry e = {.ino = d->ino,
			  .off = (int64_t)d->cookie,
			  .reclen = (uint16_t)entry_len(d),
			  .type = (uint8_t)(d->mode >> 12)};

	mem_copy(e.name, d->name, d->len + 1u);
	return user_copy(to, &e, e.reclen) ? -EFAULT : 0;
}

/* Fills the caller's buffer; *cookie is that of the last entry in it. */
static long list(struct vfs_thread *v, struct task *t, fs_ino ino, char *buf, size_t size, uint64_t *cookie)
{
	size_t used = 0;

	for (;;) {
		int n = fs_readdir(t, ino, *cookie, v->batch, BATCH);

		if (n <= 0)
			return used ? (long)used : n;
		for (int k = 0; k < n; k++) {
			const struct fs_dirent *d = &v->batch[k];

			if (used + entry_len(d) > size)
				return used ? (long)used : -EINVAL;
			if (entry_out(d, buf + used))
				return -EFAULT;
			used += entry_len(d);
			*cookie = d->cookie;
		}
	}
}

HANDLER(call_getdents64)
{
	struct task *t = owner(v, (int)c->a[0]);
	uint32_t fd = (uint32_t)c->a[0];
	int64_t ino, pos;
	uint64_t cookie;
	long n;

	if (!t)
		return VFS_PASS;
	ino = fs_handle(t, fd, NULL);
	pos = ino < 0 ? ino : fs_seek_to(t, fd, 0, SEEK_CUR);
	if (pos < 0)
		return pos;
	cookie = (uint64_t)pos;
	n = list(v, t, (fs_ino)ino, (char *)c->a[1], (size_t)(unsigned)c->a[2], &cookie);
	if (n > 0)
		fs_seek_to(t, fd, (int64_t)cookie, SEEK_SET);
	return n;
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
		return VFS_PASS;
	if (c->a[1] < 0)
		return -EINVAL;
	ino = writable(t, (uint32_t)c->a[0], -EINVAL);
	return ino < 0 ? ino : fs_setattr(t, cred(v), (fs_ino)ino, FS_SET_SIZE | FS_SET_OPEN, &a, NULL);
}

HANDLER(call_truncate)
{
	struct fs_attr a = {.size = (uint64_t)c->a[1]};
	struct where w;
	long err;

	if (c->a[1] < 0)
		return -EINVAL;
	if (v->proc->limited)
		return VFS_PASS;
	err = locate(v, AT_FDCWD, (const char *)c->a[0], 0, 0, &w);
	return err ? err : fs_setattr(w.t, cred(v), w.w.ino, FS_SET_SIZE, &a, NULL);
}

HANDLER(call_fallocate)
{
	struct task *t = grower(v, (int)c->a[0]);
	int64_t ino;

	if (!t)
		return VFS_PASS;
	ino = writable(t, (uint32_t)c->a[0], -EBADF);
	return ino < 0 ? ino : fs_fallocate(t, cred(v), (fs_ino)ino, (int)c->a[1], c->a[2], c->a[3]);
}

/* What is in memory for ever is as safe as it gets. */
HANDLER(call_fsync)
{
	return owner(v, (int)c->a[0]) ? 0 : VFS_PASS;
}

HANDLER(call_fadvise)
{
	if (!owner(v, (int)c->a[0]))
		return VFS_PASS;
	return c->nr == SYS_fadvise64 && (unsigned)c->a[3] > 5 ? -EINVAL : 0;
}
