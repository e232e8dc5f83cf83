/* The calls of fs.h as a table. */
#include "node_store.h"

#define T(s) ((struct task *)(s))

static int st_lookup(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n, struct fs_attr *out)
{
	return fs_lookup(T(s), c, dir, n, out);
}

static int st_make(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n, const struct fs_new *new,
		   struct fs_attr *out)
{
	return fs_make(T(s), c, dir, n, new, out);
}

static int st_tmpfile(void *s, const struct fs_cred *c, fs_ino dir, const struct fs_new *new, uint32_t handle,
		      struct fs_attr *out)
{
	return fs_tmpfile(T(s), c, dir, new, handle, out);
}

static int st_link(void *s, const struct fs_cred *c, fs_ino ino, fs_ino dir, struct fs_name n, struct fs_attr *out)
{
	return fs_link(T(s), c, ino, dir, n, out);
}

static int st_unlink(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n)
{
	return fs_unlink(T(s), c, dir, n);
}

static int st_rmdir(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n)
{
	return fs_rmdir(T(s), c, dir, n);
}

static int st_rename(void *s, const struct fs_cred *c, fs_ino olddir, struct fs_name oldname, fs_ino newdir,
		     struct fs_name newname, unsigned flags)
{
	return fs_rename(T(s), c, olddir, oldname, newdir, newname, flags);
}

static int st_readdir(void *s, fs_ino dir, uint64_t cookie, struct fs_dirent *out, int n)
{
	return fs_readdir(T(s), dir, cookie, out, n);
}

static int st_getattr(void *s, fs_ino ino, struct fs_attr *out)
{
	return fs_getattr(T(s), ino, out);
}

static int st_setattr(void *s, const struct fs_cred *c, fs_ino ino, unsigned set, const struct fs_attr *in,
		      struct fs_attr *out)
{
	return fs_setattr(T(s), c, ino, set, in, out);
}

static int st_access(void *s, const struct fs_cred *c, fs_ino ino, int mask)
{
	return fs_access(T(s), c, ino, mask);
}

static int st_readlink(void *s, fs_ino ino, char *buf, size_t size)
{
	return fs_readlink(T(s), ino, buf, size);
}

static int st_open(void *s, const struct fs_cred *c, fs_ino ino, int flags, uint32_t handle)
{
	return fs_open(T(s), c, ino, flags, handle);
}

static int st_close(void *s, uint32_t handle)
{
	return fs_close(T(s), handle);
}

static int64_t st_read(void *s, fs_ino ino, void *buf, size_t len, int64_t off, unsigned flags)
{
	return fs_read(T(s), ino, buf, len, off, flags);
}

static int64_t st_write(void *s, const struct fs_cred *c, fs_ino ino, const void *buf, size_t len, int64_t off,
			unsigned flags, int64_t *end)
{
	return fs_write(T(s), c, ino, buf, len, off, flags, end);
}

static int st_fallocate(void *s, const struct fs_cred *c, fs_ino ino, int mode, int64_t off, int64_t len)
{
	return fs_fallocate(T(s), c, ino, mode, off, len);
}

static int64_t st_seek(void *s, fs_ino ino, int64_t off, int whence)
{
	return fs_seek(T(s), ino, off, whence);
}

static int64_t st_copy_range(void *s, const struct fs_cred *c, fs_ino in, int64_t in_off, fs_ino out, int64_t out_off,
			     uint64_t len)
{
	return fs_copy_range(T(s), c, in, in_off, out, out_off, len);
}

static int st_getxattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name, void *value, size_t size)
{
	return fs_getxattr(T(s), c, ino, name, value, size);
}

static int st_setxattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name, const void *value, size_t size,
		       int flags)
{
	return fs_setxattr(T(s), c, ino, name, value, size, flags);
}

static int st_listxattr(void *s, const struct fs_cred *c, fs_ino ino, char *list, size_t size)
{
	return fs_listxattr(T(s), c, ino, list, size);
}

static int st_removexattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name)
{
	return fs_removexattr(T(s), c, ino, name);
}

static int st_statfs(void *s, struct fs_stats *out)
{
	return fs_statfs(T(s), out);
}

const struct node_ops store_ops = {
    .lookup = st_lookup,
    .make = st_make,
    .tmpfile = st_tmpfile,
    .link = st_link,
    .unlink = st_unlink,
    .rmdir = st_rmdir,
    .rename = st_rename,
    .readdir = st_readdir,
    .getattr = st_getattr,
    .setattr = st_setattr,
    .access = st_access,
    .readlink = st_readlink,
    .open = st_open,
    .close = st_close,
    .read = st_read,
    .write = st_write,
    .fallocate = st_fallocate,
    .seek = st_seek,
    .copy_range = st_copy_range,
    .getxattr = st_getxattr,
    .setxattr = st_setxattr,
    .listxattr = st_listxattr,
    .removexattr = st_removexattr,
    .statfs = st_statfs,
};
