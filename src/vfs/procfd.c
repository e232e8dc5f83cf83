/*
 * What the kernel tells of its own descriptors in /proc/self/fd, and would not
 * know of ours: the paths of what is open; which numbers are the program's.
 *
 * A directory has one path. A file is told by the entry that it was opened by, as
 * long as that leads to it; else by its number, which the daemon opens as well.
 */
#include "vfs/internal.h"

static uint32_t add(char *out, uint32_t at, const char *s, uint32_t n)
{
	if (at + n < VFS_PATH)
		mem_copy(out + at, s, n);
	return at + n;
}

static uint32_t add_number(char *out, uint32_t at, uint32_t n)
{
	char digits[12];
	uint32_t k = sizeof digits;

	do {
		digits[--k] = (char)('0' + n % 10);
	} while ((n /= 10));
	return add(out, at, digits + k, (uint32_t)sizeof digits - k);
}

/* A directory has one path: put together from its end. */
long path_of_dir(struct vfs_thread *v, const struct vmount *m, struct task *t, fs_ino ino, char *out)
{
	uint32_t at = VFS_PATH - 1;
	fs_ino parent;

	out[at] = 0;
	for (; ino != FS_ROOT; ino = parent) {
		struct fs_dirent *d = &v->batch[0];
		int err = fs_dirname(t, ino, &parent, d);

		if (err)
			return err;
		if (at < m->len + d->len + 2u)
			return -ENAMETOOLONG;
		at -= d->len;
		mem_copy(out + at, d->name, d->len);
		out[--at] = '/';
	}
	mem_copy(out, m->path, m->len);
	__builtin_memmove(out + m->len, out + at, VFS_PATH - at);
	return 0;
}

/* Any path that leads to the inode through the mount. */
long path_of_ino(struct vfs_thread *v, const struct vmount *m, struct task *t, fs_ino ino, char *out)
{
	struct fs_attr a;
	uint32_t at;
	int err = fs_getattr(t, ino, &a);

	if (err)
		return err;
	/* The kernel has one name for a directory; of one that is removed, none. */
	err = S_ISDIR(a.mode) ? (int)path_of_dir(v, m, t, ino, out) : -ENOENT;
	if (err != -ENOENT)
		return err;
	at = add(out, 0, m->path, m->len);
	at = add(out, at, "/" FS_BY_NUMBER, sizeof FS_BY_NUMBER);
	at = add_number(out, at, ino);
	add(out, at, "", 1);
	return at < VFS_PATH ? 0 : -ENAMETOOLONG;
}

/* By the entry that it was opened by. */
static long path_of_entry(struct vfs_thread *v, const struct vmount *m, struct task *t, long fd, char *out)
{
	struct fs_dirent *d = &v->batch[1]; /* the first is path_of_dir's */
	uint32_t at = 0;
	fs_ino dir;
	long err = fs_opened_name(t, (uint32_t)fd, &dir, d);

	if (!err)
		err = path_of_dir(v, m, t, dir, out);
	if (err)
		return err;
	while (out[at])
		at++;
	at = add(out, at, "/", 1);
	at = add(out, at, d->name, d->len + 1u);
	return at < VFS_PATH ? 0 : -ENAMETOOLONG;
}

static uint32_t length(const char *s)
{
	uint32_t n = 0;

	while (s[n])
		n++;
	return n;
}

static long path_of_fd(struct vfs_thread *v, long fd, char *out)
{
	int store = vfs_fd_mount(v, fd);
	struct task *t = store < 0 ? NULL : seat(v, (unsigned)store);
	int64_t ino = t ? fs_handle(t, (uint32_t)fd, NULL) : -ENOENT;
	const struct vmount *m;
	long err;

	if (ino < 0)
		return ino;
	m = &v->proc->mount[store];
	err = path_of_entry(v, m, t, fd, out);
	if (err == -ENOENT)
		err = path_of_ino(v, m, t, (fs_ino)ino, out);
	return err ? err : (long)length(out);
}

long vfs_fd_path(struct vfs_thread *v, long fd, char *out)
{
	long n = path_of_fd(v, fd, out);

	if (v)
		seats_return(v);
	return n;
}

long names_entry(const char *path)
{
	const char *rest;
	long fd = path[0] == '/' && (path[1] == 'p' || path[1] == 'd') ? named_fd(path, &rest) : -1;

	return fd >= 0 && !*rest && !(path[1] == 'd' && path[5] == 's') ? fd : -1;
}

static bool is_gone(struct vfs_thread *v, long fd)
{
	struct task *t = fd_seat(v, fd);
	int64_t ino = t ? fs_handle(t, (uint32_t)fd, NULL) : -ENOENT;
	struct fs_attr a;

	return ino >= 0 && fs_getattr(t, (fs_ino)ino, &a) == 0 && a.nlink == 0;
}

long readlink_fd(struct vfs_thread *v, const char *path, char *buf, size_t size)
{
	static const char gone[] = " (deleted)"; /* proc(5) */
	char *copy = v->path[0], *out = v->path[1];
	long len = user_copy_string(copy, path, VFS_PATH), fd;

	fd = v->proc->passive || len <= 0 || len >= (long)VFS_PATH ? -1 : names_entry(copy);
	if (fd_is_hidden(v->proc, fd))
		return -ENOENT;
	len = fd < 0 || fd_store(v->proc, fd) < 0 ? -ENOENT : path_of_fd(v, fd, out);
	if (len < 0)
		return VFS_PASS;
	if (is_gone(v, fd)) {
		uint32_t end = add(out, (uint32_t)len, gone, sizeof gone - 1);

		len = end < VFS_PATH ? end : len;
	}
	len = min_of(len, (long)min_of(size, (size_t)VFS_PATH));
	return user_copy(buf, out, (size_t)len) ? -EFAULT : len;
}

/* ---- The directory --------------------------------------------------------------------- */

/* Is a descriptor of the kernel's open at this process's own /proc/self/fd? */
static bool is_own_directory(long fd)
{
	char entry[32] = "/proc/self/fd/", path[64];
	uint32_t at = 14;
	long n;

	at = add_number(entry, at, (uint32_t)fd);
	entry[at] = 0;
	n = sys_call3(SYS_readlink, (long)entry, (long)path, sizeof path - 1);
	if (n <= 0 || n >= (long)sizeof path - 1)
		return false;
	path[n] = 0;
	return n > 3 && path[n - 3] == '/' && path[n - 2] == 'f' && path[n - 1] == 'd' && is_own_pid(path);
}

static bool is_hidden_entry(const struct vfs_proc *p, const char *name)
{
	long fd = 0, digits = 0;

	while (digits < 9 && name[digits] >= '0' && name[digits] <= '9')
		fd = fd * 10 + name[digits++] - '0';
	return digits && !name[digits] && fd_is_hidden(p, fd);
}

/* Takes out of `n` bytes of entries those that are hidden; what is left. */
static long squeeze(struct vfs_thread *v, char *buf, long n)
{
	struct linux_dirent64 {
		uint64_t ino;
		int64_t off;
		uint16_t reclen;
		uint8_t type;
		char name[12];
	} e;
	long from = 0, to = 0, size = offsetof(struct linux_dirent64, name) + 5;

	for (; from + size <= n; from += e.reclen) {
		if (user_copy(&e, buf + from, min_of((size_t)(n - from), sizeof e)) || e.reclen < size)
			return -EFAULT;
		e.name[sizeof e.name - 1] = 0;
		if (is_hidden_entry(v->proc, e.name))
			continue;
		if (to != from && user_copy(buf + to, buf + from, e.reclen))
			return -EFAULT;
		to += e.reclen;
	}
	return to;
}

long list_numbers(struct vfs_thread *v, const struct vfs_call *c)
{
	long n, left;

	if (!is_own_directory((int)c->a[0]))
		return VFS_PASS;
	do {
		n = sys_call3(c->nr, c->a[0], c->a[1], c->a[2]);
		left = n > 0 ? squeeze(v, (char *)c->a[1], n) : n;
	} while (n > 0 && left == 0);
	return left;
}
