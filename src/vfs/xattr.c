/*
 * Extended attributes: the twelve calls are four, each on what a path leads to,
 * on a symlink itself, or on an open file.
 *
 * What the kernel decides by itself stays its own: writing security.*, which
 * asks the security modules, and reading what of it is there, which they unfold.
 */
#include <linux/xattr.h>

#include "vfs/internal.h"

/* What a call works on. */
struct target {
	struct task *t;
	fs_ino ino;
};

enum target_how { BY_PATH, BY_PATH_NOFOLLOW, BY_FD };

static long find_target(struct vfs_thread *v, long what, enum target_how by, struct target *x)
{
	struct where w;
	int64_t ino;
	int store;
	long err;

	if (by == BY_FD) {
		store = fd_store(v->proc, (int)what);
		x->t = store < 0 ? NULL : seat(v, (unsigned)store);
		ino = x->t ? fs_handle(x->t, (uint32_t)what, NULL) : 0;
		x->ino = ino > 0 ? (fs_ino)ino : 0;
		return !x->t ? fd_passed(v->proc, (int)what) : ino < 0 ? (long)ino : 0;
	}
	err = locate(v, AT_FDCWD, (const char *)what, by == BY_PATH_NOFOLLOW ? LOCATE_NOFOLLOW : 0, 0, &w);
	x->t = w.t;
	x->ino = w.w.ino;
	return err;
}

/* The call is the kernel's after all. */
static long hand_back(struct vfs_thread *v, long what, enum target_how by)
{
	int err = by == BY_FD ? fd_make_real(v, (int)what) : 0;

	return err ? err : VFS_PASS;
}

/* The attribute's name, into v->path[1]. */
static long take_name(struct vfs_thread *v, const char *name)
{
	long n = user_copy_string(v->path[1], name, FS_XATTR_NAME_MAX + 1);

	if (n < 0)
		return -EFAULT;
	return n == 0 || n > (long)FS_XATTR_NAME_MAX ? -ERANGE : 0;
}

static bool is_security(const char *name)
{
	return mem_equal(name, XATTR_SECURITY_PREFIX, XATTR_SECURITY_PREFIX_LEN);
}

static long get(struct vfs_thread *v, const struct vfs_call *c, enum target_how by)
{
	size_t size = min_of((size_t)c->a[3], FS_XATTR_SIZE_MAX);
	struct target x;
	long err = take_name(v, (const char *)c->a[1]);

	if (!err)
		err = find_target(v, c->a[0], by, &x);
	if (err)
		return err;
	err = fs_getxattr(x.t, cred(v), x.ino, v->path[1], v->value, size);
	if (err != -ENODATA && is_security(v->path[1]))
		return hand_back(v, c->a[0], by);
	if (err > 0 && size && user_copy((void *)c->a[2], v->value, (size_t)err))
		return -EFAULT;
	return err;
}

static long set(struct vfs_thread *v, const struct vfs_call *c, enum target_how by)
{
	size_t size = (size_t)c->a[3];
	struct target x;
	long err;

	if (c->a[4] & ~(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	err = take_name(v, (const char *)c->a[1]);
	if (!err && size > FS_XATTR_SIZE_MAX)
		err = -E2BIG;
	if (!err && size && user_copy(v->value, (const void *)c->a[2], size))
		err = -EFAULT;
	if (!err)
		err = find_target(v, c->a[0], by, &x);
	if (err)
		return err;
	if (is_security(v->path[1]))
		return hand_back(v, c->a[0], by);
	return fs_setxattr(x.t, cred(v), x.ino, v->path[1], v->value, size, (int)c->a[4]);
}

static long list(struct vfs_thread *v, const struct vfs_call *c, enum target_how by)
{
	size_t size = min_of((size_t)c->a[2], FS_XATTR_SIZE_MAX); /* XATTR_LIST_MAX is the same */
	struct target x;
	long err = find_target(v, c->a[0], by, &x);

	if (err)
		return err;
	err = fs_listxattr(x.t, cred(v), x.ino, v->value, size);
	if (err > 0 && size && user_copy((void *)c->a[1], v->value, (size_t)err))
		return -EFAULT;
	return err;
}

static long drop(struct vfs_thread *v, const struct vfs_call *c, enum target_how by)
{
	struct target x;
	long err = take_name(v, (const char *)c->a[1]);

	if (!err)
		err = find_target(v, c->a[0], by, &x);
	if (err)
		return err;
	if (is_security(v->path[1]))
		return hand_back(v, c->a[0], by);
	return fs_removexattr(x.t, cred(v), x.ino, v->path[1]);
}

HANDLER(call_getxattr)
{
	return get(v, c, BY_PATH);
}

HANDLER(call_lgetxattr)
{
	return get(v, c, BY_PATH_NOFOLLOW);
}

HANDLER(call_fgetxattr)
{
	return get(v, c, BY_FD);
}

HANDLER(call_setxattr)
{
	return set(v, c, BY_PATH);
}

HANDLER(call_lsetxattr)
{
	return set(v, c, BY_PATH_NOFOLLOW);
}

HANDLER(call_fsetxattr)
{
	return set(v, c, BY_FD);
}

HANDLER(call_listxattr)
{
	return list(v, c, BY_PATH);
}

HANDLER(call_llistxattr)
{
	return list(v, c, BY_PATH_NOFOLLOW);
}

HANDLER(call_flistxattr)
{
	return list(v, c, BY_FD);
}

HANDLER(call_removexattr)
{
	return drop(v, c, BY_PATH);
}

HANDLER(call_lremovexattr)
{
	return drop(v, c, BY_PATH_NOFOLLOW);
}

HANDLER(call_fremovexattr)
{
	return drop(v, c, BY_FD);
}
