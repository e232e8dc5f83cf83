/* Making, removing and renaming names. */
#include <stdio.h>
#include <unistd.h>

#include "vfs/internal.h"

/* Where a name is to be made or taken: its directory and last component. */
static long parent_of(struct vfs_thread *v, int dir, const char *path, unsigned room, struct where *w)
{
	long err = locate(v, dir, path, LOCATE_PARENT, room, w);

	/* The mount point itself has no name in the store: the kernel says what is wrong. */
	if (!err && !w->w.last.len)
		return call_pass_from(v, dir);
	return err;
}

static long make_at(struct vfs_thread *v, int dir, const char *path, const struct fs_new *new)
{
	struct where w;
	long err = parent_of(v, dir, path, 0, &w);

	if (err)
		return err;
	if (w.w.slash && !S_ISDIR(new->mode)) {
		/* "name/" can only be a directory: -EEXIST where there is one, -ENOENT else. */
		err = fs_lookup(w.t, cred(v), w.w.dir, w.w.last, NULL);
		return err ? err : -EEXIST;
	}
	return fs_make(w.t, cred(v), w.w.dir, w.w.last, new, NULL);
}

static long mkdir_at(struct vfs_thread *v, int dir, const char *path, uint32_t mode)
{
	const struct fs_new new = {.mode = S_IFDIR | (mode & 01777), .umask = v->place->umask};

	return make_at(v, dir, path, &new);
}

HANDLER(call_mkdir)
{
	return mkdir_at(v, AT_FDCWD, (const char *)c->a[0], (uint32_t)c->a[1]);
}

HANDLER(call_mkdirat)
{
	return mkdir_at(v, (int)c->a[0], (const char *)c->a[1], (uint32_t)c->a[2]);
}

static long mknod_at(struct vfs_thread *v, int dir, const char *path, uint32_t mode, uint32_t dev)
{
	struct fs_new new = {.mode = mode, .umask = v->place->umask, .rdev = dev};

	if ((mode & S_IFMT) == 0)
		new.mode |= S_IFREG;
	switch (new.mode &S_IFMT) {
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return make_at(v, dir, path, &new);
	}
	return S_ISDIR(mode) ? -EPERM : -EINVAL;
}

HANDLER(call_mknod)
{
	return mknod_at(v, AT_FDCWD, (const char *)c->a[0], (uint32_t)c->a[1], (uint32_t)c->a[2]);
}

HANDLER(call_mknodat)
{
	return mknod_at(v, (int)c->a[0], (const char *)c->a[1], (uint32_t)c->a[2], (uint32_t)c->a[3]);
}

static long symlink_at(struct vfs_thread *v, const char *target, int dir, const char *path)
{
	long len = user_copy_string(v->path[1], target, VFS_PATH);
	const struct fs_new new = {.mode = S_IFLNK | 0777, .target = v->path[1], .target_len = (size_t)len};

	if (len < 0 || len >= (long)VFS_PATH)
		return len < 0 ? -EFAULT : -ENAMETOOLONG;
	if (len == 0)
		return -ENOENT;
	return make_at(v, dir, path, &new);
}

HANDLER(call_symlink)
{
	return symlink_at(v, (const char *)c->a[0], AT_FDCWD, (const char *)c->a[1]);
}

HANDLER(call_symlinkat)
{
	return symlink_at(v, (const char *)c->a[0], (int)c->a[1], (const char *)c->a[2]);
}

/* ---- unlink, rmdir --------------------------------------------------------------------- */

/* What is watched the kernel removes. */
static long removed(struct vfs_thread *v, int dir, long ret)
{
	return unlikely(ret == -EREMCHG) ? call_pass_from(v, dir) : ret;
}

static long unlink_at(struct vfs_thread *v, int dir, const char *path)
{
	struct where w;
	struct fs_attr a;
	long err = parent_of(v, dir, path, 0, &w);

	if (err)
		return err;
	if (w.w.slash) { /* -EISDIR for a directory, -ENOTDIR for what is none */
		err = fs_lookup(w.t, cred(v), w.w.dir, w.w.last, &a);
		return err ? err : S_ISDIR(a.mode) ? -EISDIR : -ENOTDIR;
	}
	return removed(v, dir, fs_unlink(w.t, cred(v), w.w.dir, w.w.last));
}

static long rmdir_at(struct vfs_thread *v, int dir, const char *path)
{
	struct where w;
	long err = parent_of(v, dir, path, 0, &w);

	return err ? err : removed(v, dir, fs_rmdir(w.t, cred(v), w.w.dir, w.w.last));
}

HANDLER(call_unlink)
{
	return unlink_at(v, AT_FDCWD, (const char *)c->a[0]);
}

HANDLER(call_rmdir)
{
	return rmdir_at(v, AT_FDCWD, (const char *)c->a[0]);
}

HANDLER(call_unlinkat)
{
	if ((int)c->a[2] & ~AT_REMOVEDIR)
		return -EINVAL;
	return (int)c->a[2] & AT_REMOVEDIR ? rmdir_at(v, (int)c->a[0], (const char *)c->a[1])
					   : unlink_at(v, (int)c->a[0], (const char *)c->a[1]);
}

/* ---- Two paths ----------------------------------------------------------------------------- */

/* Two paths for the kernel, relative to these. */
static long pass_from_both(struct vfs_thread *v, int one, int other)
{
	int err = fd_make_real(v, one);

	return err ? err : call_pass_from(v, other);
}

/*
 * Both in one store: 0. Else the kernel does it, on the mount, and finds -EXDEV
 * where that is the answer; then both directories are to be real.
 */
static long both(struct vfs_thread *v, long one, long two, const struct where *a, const struct where *b, int dir_a,
		 int dir_b)
{
	if (one != VFS_PASS && two != VFS_PASS && (one || two || a->store == b->store))
		return one ? one : two;
	if ((one && one != VFS_PASS) || (two && two != VFS_PASS && one != VFS_PASS))
		return one && one != VFS_PASS ? one : two;
	return pass_from_both(v, dir_a, dir_b);
}

/*
 * The open file that linkat is to give a name: AT_EMPTY_PATH, or its entry in
 * /proc followed, which is how a file of O_TMPFILE gets one. -1: an ordinary path.
 */
static long linked_fd(struct vfs_thread *v, int from, const char *old, int flags)
{
	const char *rest = "";
	long fd = -1;

	if (empty_path(old, flags))
		fd = from;
	else if ((flags & AT_SYMLINK_FOLLOW) && user_copy_string(v->path[0], old, VFS_PATH) > 0)
		fd = named_fd(v->path[0], &rest);
	return fd >= 0 && !*rest && fd_store(v->proc, fd) >= 0 ? fd : -1;
}

/* fs.protected_hardlinks (proc(5)); -1: not to be found out. */
static int hardlinks_protected(void)
{
	char c = 0;
	long fd = sys_call4(SYS_openat, AT_FDCWD, (long)"/proc/sys/fs/protected_hardlinks", O_RDONLY | O_CLOEXEC, 0);
	long n = fd < 0 ? fd : sys_call3(SYS_read, fd, (long)&c, 1);

	if (fd >= 0)
		sys_close((int)fd);
	return n == 1 ? c != '0' : -1;
}

/* A stranger's file, which that may forbid to link. */
static bool doubtful(struct vfs_thread *v, struct task *t, fs_ino ino)
{
	const struct fs_cred *who = cred(v);
	struct fs_attr a;

	if ((who->caps & FS_CAP_FOWNER) || fs_getattr(t, ino, &a) || a.uid == who->uid)
		return false;
	return !S_ISREG(a.mode) || (a.mode & S_ISUID) || (a.mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ||
	       fs_access(t, who, ino, R_OK | W_OK) != 0;
}

/* VFS_PASS: the kernel is to judge. */
static long link_ino(struct vfs_thread *v, const struct where *b, fs_ino ino)
{
	if (doubtful(v, b->t, ino)) {
		int protected = hardlinks_protected();
		long err = protected > 0 ? fs_lookup(b->t, cred(v), b->w.dir, b->w.last, NULL) : VFS_PASS;

		if (protected > 0)
			return !err ? -EEXIST : err == -ENOENT ? -EPERM : err;
		if (protected < 0)
			return VFS_PASS;
	}
	return fs_link(b->t, cred(v), ino, b->w.dir, b->w.last, NULL);
}

static long link_fd(struct vfs_thread *v, long fd, int to, const char *new)
{
	unsigned store = (unsigned)fd_store(v->proc, fd);
	struct where b;
	long two = parent_of(v, to, new, 1, &b);
	int64_t ino;

	if (two && two != VFS_PASS)
		return two;
	if (two || b.store != store) {
		int err = fd_make_real(v, fd);

		return err ? err : two ? VFS_PASS : call_pass_from(v, to);
	}
	if (b.w.slash) {
		two = fs_lookup(b.t, cred(v), b.w.dir, b.w.last, NULL);
		return two ? two : -EEXIST;
	}
	ino = fs_handle(b.t, (uint32_t)fd, NULL);
	two = ino < 0 ? (long)ino : link_ino(v, &b, (fs_ino)ino);
	if (two == VFS_PASS) {
		int err = fd_make_real(v, fd);

		return err ? err : call_pass_from(v, to);
	}
	return two;
}

static long link_at(struct vfs_thread *v, int from, const char *old, int to, const char *new, int flags)
{
	struct where a, b;
	unsigned n = 0;
	long one, two, err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	one = linked_fd(v, from, old, flags);
	if (one >= 0)
		return link_fd(v, one, to, new);
	if (flags & AT_EMPTY_PATH)
		return pass_from_both(v, from, to);
	do {
		one = locate(v, from, old, flags & AT_SYMLINK_FOLLOW ? 0 : LOCATE_NOFOLLOW, 0, &a);
		two = parent_of(v, to, new, 1, &b);
		err = both(v, one, two, &a, &b, from, to);
		if (err)
			return err;
		if (b.w.slash) {
			err = fs_lookup(b.t, cred(v), b.w.dir, b.w.last, NULL);
			return err ? err : -EEXIST;
		}
		begin_meant(&a);
		err = end_meant(&a, link_ino(v, &b, a.w.ino));
	} while (walk_again(err, &n));
	if (err == VFS_PASS)
		return pass_from_both(v, from, to);
	return err;
}

HANDLER(call_link)
{
	return link_at(v, AT_FDCWD, (const char *)c->a[0], AT_FDCWD, (const char *)c->a[1], 0);
}

HANDLER(call_linkat)
{
	return link_at(v, (int)c->a[0], (const char *)c->a[1], (int)c->a[2], (const char *)c->a[3], (int)c->a[4]);
}

/* "name/" is right for directories only. */
static long slashes_ok(struct vfs_thread *v, const struct where *a, const struct where *b)
{
	struct fs_attr attr;
	long err;

	if (!a->w.slash && !b->w.slash)
		return 0;
	err = fs_lookup(a->t, cred(v), a->w.dir, a->w.last, &attr);
	return err ? err : S_ISDIR(attr.mode) ? 0 : -ENOTDIR;
}

/*
 * The directories of both names come before the names. What is wrong with that
 * of `w`, 0: nothing. Asked only where something is.
 */
static long not_searched(struct vfs_thread *v, const struct where *w)
{
	struct fs_attr dir;
	int err = fs_getattr(w->t, w->w.dir, &dir);

	if (err)
		return err;
	return S_ISDIR(dir.mode) ? fs_access(w->t, cred(v), w->w.dir, X_OK) : -ENOTDIR;
}

/* Is there a directory of that name that the kernel knows? */
static bool is_known_dir(struct vfs_thread *v, const struct where *w)
{
	struct fs_attr attr;

	return fs_lookup(w->t, cred(v), w->w.dir, w->w.last, &attr) == 0 && S_ISDIR(attr.mode) &&
	       fs_is_held(w->t, attr.ino);
}

/*
 * The kernel has one entry for a directory. Where it meets it under another parent
 * it moves the entry, but only if it gets two locks at once, which others' renames
 * hold: else a path through there is ESTALE. So what it knows it moves itself.
 */
static bool is_kernels_to_move(struct vfs_thread *v, const struct where *a, const struct where *b, unsigned flags)
{
	return a->w.dir != b->w.dir && (is_known_dir(v, a) || ((flags & RENAME_EXCHANGE) && is_known_dir(v, b)));
}

static long rename_at(struct vfs_thread *v, int from, const char *old, int to, const char *new, unsigned flags)
{
	struct where a, b;
	long one, two, err;

	if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) ||
	    ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT))))
		return -EINVAL;
	one = parent_of(v, from, old, 0, &a);
	if (one && one != VFS_PASS)
		return one;
	two = parent_of(v, to, new, 1, &b);
	if (!one && two && two != VFS_PASS)
		one = not_searched(v, &a);
	err = both(v, one, two, &a, &b, from, to);
	if (!err)
		err = slashes_ok(v, &a, &b);
	if (!err && is_kernels_to_move(v, &a, &b, flags))
		return pass_from_both(v, from, to);
	if (!err)
		err = fs_rename(a.t, cred(v), a.w.dir, a.w.last, b.w.dir, b.w.last, flags);
	if (err == -EREMCHG)
		return pass_from_both(v, from, to);
	if (!one && !two && (err == -ENAMETOOLONG || err == -ENOENT)) {
		one = not_searched(v, &a);
		two = one ? 0 : not_searched(v, &b);
		err = one ? one : two ? two : err;
	}
	return err;
}

HANDLER(call_rename)
{
	return rename_at(v, AT_FDCWD, (const char *)c->a[0], AT_FDCWD, (const char *)c->a[1], 0);
}

HANDLER(call_renameat)
{
	return rename_at(v, (int)c->a[0], (const char *)c->a[1], (int)c->a[2], (const char *)c->a[3], 0);
}

HANDLER(call_renameat2)
{
	return rename_at(v, (int)c->a[0], (const char *)c->a[1], (int)c->a[2], (const char *)c->a[3],
			 (unsigned)c->a[4]);
}
