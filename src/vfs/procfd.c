/*
 * What the kernel tells of its own descriptors in /proc/self/fd, and would not
 * know of ours: the paths of what is open; which numbers are the program's.
 *
 * A directory has one path. A file is told by the entry that it was opened by, as
 * long as that leads to it; once that is moved, by one that is looked for; else by its
 * number, which the daemon opens as well.
 */
#include "vfs/internal.h"

/* Entries looked at for a name of a moved file: first where it was opened, then everywhere; some 50 ns each. */
#define NEAR 4096u
#define FAR 65536u

static uint32_t add(char *out, uint32_t at, const char *s, uint32_t n)
{
	if (at + n < VFS_PATH)
		mem_copy(out + at, s, n);
	return at + n;
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
	char digits[12];
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
	at = add(out, at, digits, (uint32_t)(mem_decimal(digits, ino) - digits) + 1);
	return at < VFS_PATH ? 0 : -ENAMETOOLONG;
}

/* Has it lost its last name? */
static bool is_gone(struct task *t, fs_ino ino)
{
	struct fs_attr a;

	return fs_getattr(t, ino, &a) == 0 && a.nlink == 0;
}

/* By an entry that leads to the file: that which it was opened by, or if that is moved or removed, any. */
static long path_of_entry(struct vfs_thread *v, const struct vmount *m, struct task *t, long fd, fs_ino ino, char *out)
{
	struct fs_dirent *d = &v->batch[1]; /* the first is path_of_dir's */
	uint32_t at = 0;
	fs_ino dir = FS_ROOT;
	long err = fs_opened_name(t, (uint32_t)fd, &dir, d);

	if (err == -ENOENT && !is_gone(t, ino)) {
		err = dir == FS_ROOT ? -ENOENT : fs_find_name(t, ino, dir, NEAR, &dir, d);
		if (err == -ENOENT)
			err = fs_find_name(t, ino, FS_ROOT, FAR, &dir, d);
	}
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
	err = path_of_entry(v, m, t, fd, (fs_ino)ino, out);
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

/* Is a descriptor of the kernel's, or AT_FDCWD the working directory, this process's own /proc/self/fd? */
static bool is_own_directory(long fd)
{
	char entry[32] = "/proc/self/cwd", path[64];
	const char *rest;
	long n;

	if (fd != AT_FDCWD) {
		mem_copy(entry + 11, "fd/", 3);
		mem_decimal(entry + 14, (uint32_t)fd);
	}
	n = sys_call3(SYS_readlink, (long)entry, (long)path, sizeof path - 1);
	if (n <= 0 || n >= (long)sizeof path - 1)
		return false;
	path[n] = 0;
	rest = below_own_fds(path);
	return rest && !*rest;
}

/* Does `path`, whose last component is at `last`, lead to an entry of it? */
static bool is_own_entry(int dir, char *path, uint32_t last)
{
	const char *rest;
	char first = path[last];
	bool own;
	int fd;

	if (named_fd(path, &rest) >= 0 && !*rest)
		return true;
	if (!last)
		return is_own_directory(dir);
	path[last] = 0;
	fd = (int)sys_call4(SYS_openat, dir, (long)path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	path[last] = first;
	own = fd >= 0 && is_own_directory(fd);
	if (fd >= 0)
		sys_close(fd);
	return own;
}

/* A number as /proc writes it, and nothing else; -1: it is none. */
static long number_of(const char *s)
{
	long n = 0, digits = 0;

	while (digits < 9 && s[digits] >= '0' && s[digits] <= '9')
		n = n * 10 + (s[digits++] - '0');
	return digits && !s[digits] && (digits == 1 || s[0] != '0') ? n : -1;
}

long readlink_entry(struct vfs_thread *v, int dir, char *path, char *buf, size_t size)
{
	static const char gone[] = " (deleted)"; /* proc(5) */
	const struct vfs_proc *p = v->proc;
	uint32_t last = length(path);
	char *out = v->path[1];
	long len, fd;
	int64_t ino;

	while (last > 0 && path[last - 1] != '/')
		last--;
	fd = number_of(path + last);
	if ((fd_store(p, fd) < 0 && !fd_is_hidden(p, fd)) || !is_own_entry(dir, path, last))
		return VFS_PASS;
	if (fd_is_hidden(p, fd))
		return -ENOENT;
	ino = fd_inode(v, fd, NULL);
	len = path_of_fd(v, fd, out);
	if (len < 0)
		return VFS_PASS;
	if (ino > 0 && is_gone(fd_seat(v, fd), (fs_ino)ino)) {
		uint32_t end = add(out, (uint32_t)len, gone, sizeof gone - 1);

		len = end < VFS_PATH ? end : len;
	}
	len = min_of(len, (long)min_of(size, (size_t)VFS_PATH));
	return user_copy(buf, out, (size_t)len) ? -EFAULT : len;
}

/* ---- The directory --------------------------------------------------------------------- */

/*
 * An entry as getdents64 and getdents give it: the name lies behind the length, and in the newer the type, which in the
 * older is the last byte.
 */
struct foreign {
	uint16_t len; /* of the entry */
	char name[12];
};

#define LEN_AT 16 /* inode and offset are in front */

static bool look_at(const struct vfs_call *c, long at, long n, struct foreign *e)
{
	long name = LEN_AT + (c->nr == SYS_getdents64 ? 3 : 2), room = n - at - name;
	const char *from = (const char *)c->a[1] + at;

	if (room <= 0 || user_copy(&e->len, from + LEN_AT, sizeof e->len) || e->len <= name ||
	    user_copy(e->name, from + name, min_of((size_t)room, sizeof e->name)))
		return false;
	e->name[sizeof e->name - 1] = 0;
	return true;
}

/* Is there anything in it that is to be hidden? What is no /proc/self/fd is known by its first name. */
static bool shows_hidden(const struct vfs_call *c, long n, bool (*hidden)(const void *arg, long fd), const void *arg)
{
	struct foreign e;
	long fd;

	for (long at = 0; at < n && look_at(c, at, n, &e); at += e.len) {
		if (e.name[0] == '.')
			continue;
		fd = number_of(e.name);
		if (fd < 0)
			return false;
		if (hidden(arg, fd))
			return true;
	}
	return false;
}

/* Takes out of `n` bytes of entries those that are hidden; what is left. */
static long squeeze(const struct vfs_call *c, long n, bool (*hidden)(const void *arg, long fd), const void *arg)
{
	char *buf = (char *)c->a[1];
	struct foreign e;
	long to = 0;

	for (long from = 0; from < n; from += e.len) {
		if (!look_at(c, from, n, &e))
			return -EFAULT;
		if (hidden(arg, number_of(e.name)))
			continue;
		if (to != from && user_copy(buf + to, buf + from, e.len))
			return -EFAULT;
		to += e.len;
	}
	return to;
}

long vfs_list_hiding(const struct vfs_call *c, bool (*hidden)(const void *arg, long fd), const void *arg)
{
	long n, left;

	do {
		n = left = sys_call3(c->nr, c->a[0], c->a[1], c->a[2]);
		if (n > 0 && shows_hidden(c, n, hidden, arg) && is_own_directory((int)c->a[0]))
			left = squeeze(c, n, hidden, arg);
	} while (n > 0 && left == 0);
	return left;
}

static bool is_hidden(const void *arg, long fd)
{
	return fd_is_hidden(arg, fd);
}

long list_foreign(struct vfs_thread *v, const struct vfs_call *c)
{
	long n;

	if (v->proc->passive || fd_is_hidden(v->proc, (int)c->a[0]))
		return fd_passed(v->proc, (int)c->a[0]);
	n = vfs_list_hiding(c, is_hidden, v->proc);
	count_passed(v);
	v->used = NULL; /* it is not to be counted as answered */
	return n;
}
