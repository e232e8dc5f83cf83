/* System calls on attributes. */
#include "posix_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "listing.h"
#include "raw.h"

static int64_t report(struct result *r, const char *what, int at, const char *path, int flags)
{
	struct probe *p = &r->probe[0];
	int ret = px_attr(at, path, flags, &p->attr);

	if (ret == 0) {
		p->what = what;
		r->nprobe = 1;
	}
	return ret;
}

int64_t px_stat(struct exec *e, const struct op *o, struct result *r)
{
	return report(r, "stat", px_at(e, o), o->path, o->flags);
}

int64_t px_fstat(struct exec *e, const struct op *o, struct result *r)
{
	return report(r, "fstat", px_fd(e, o->fd), "", AT_EMPTY_PATH);
}

int64_t px_access(struct exec *e, const struct op *o, struct result *r)
{
	/* faccessat2(2), Linux 5.8: the effective ids, which are the ones that files are opened with. */
	return px_ret(px_syscall4(SYS_faccessat2, px_at(e, o), o->path, o->mode, AT_EACCESS));
}

int64_t px_chmod(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(fchmodat(px_at(e, o), o->path, o->mode, 0));
}

int64_t px_fchmod(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(fchmod(px_fd(e, o->fd), o->mode));
}

int64_t px_chown(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(fchownat(px_at(e, o), o->path, (uid_t)o->uid, (gid_t)o->gid, o->flags));
}

int64_t px_fchown(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(fchown(px_fd(e, o->fd), (uid_t)o->uid, (gid_t)o->gid));
}

int64_t px_utimens(struct exec *e, const struct op *o, struct result *r)
{
	struct timespec t[2] = {o->atime, o->mtime};

	return px_ret(px_syscall4(SYS_utimensat, px_at(e, o), o->path, t, o->flags));
}

int64_t px_futimens(struct exec *e, const struct op *o, struct result *r)
{
	struct timespec t[2] = {o->atime, o->mtime};

	return px_ret(syscall(SYS_utimensat, px_fd(e, o->fd), NULL, t, 0));
}

/* The attribute calls of Linux before 6.13 have no *at form: the path goes through /proc/self/fd. */
static int xattr_path(struct exec *e, const struct op *o, char *path, size_t size)
{
	int at = px_at(e, o);

	if (!o->path[0])
		return -ENOENT;
	if (at < 0)
		return -EBADF;
	snprintf(path, size, "/proc/self/fd/%d/%s", at, o->path);
	return 0;
}

/* The checks of the name come before the path's; with a bad start they would never be reached. */
static int name_check(const struct op *o, int ret)
{
	size_t n = strlen(o->path2);

	return n == 0 || n > 255 ? -ERANGE : ret;
}

int64_t px_setxattr(struct exec *e, const struct op *o, struct result *r)
{
	char path[64 + 4096];
	const void *value = o->value ? o->value : (const void *)"";
	int ret = xattr_path(e, o, path, sizeof(path));

	if (ret < 0)
		return o->flags & ~3 ? -EINVAL : name_check(o, o->value_len > 65536 ? -E2BIG : ret);
	return px_ret(px_xattr(setxattr, o->mode, path, o->path2, value, o->value_len, o->flags));
}

int64_t px_getxattr(struct exec *e, const struct op *o, struct result *r)
{
	char path[64 + 4096], *buf;
	int64_t ret = xattr_path(e, o, path, sizeof(path));

	if (ret < 0)
		return name_check(o, (int)ret);
	buf = malloc((size_t)o->len + 1);
	ret = px_ret(px_xattr(getxattr, o->mode, path, o->path2, buf, (size_t)o->len, 0));
	if (ret > 0 && o->len)
		result_text(r, buf, (size_t)ret);
	free(buf);
	return ret;
}

int64_t px_listxattr(struct exec *e, const struct op *o, struct result *r)
{
	char path[64 + 4096], *buf;
	int64_t ret = xattr_path(e, o, path, sizeof(path));

	if (ret < 0)
		return ret;
	buf = malloc((size_t)o->len + 1);
	r->ret = ret = px_ret(px_xattr(listxattr, o->mode, path, buf, (size_t)o->len, 0, 0));
	if (ret > 0 && o->len)
		listing_names(r, buf, (size_t)ret);
	free(buf);
	return ret;
}

int64_t px_removexattr(struct exec *e, const struct op *o, struct result *r)
{
	char path[64 + 4096];
	int ret = xattr_path(e, o, path, sizeof(path));

	if (ret < 0)
		return name_check(o, ret);
	return px_ret(px_xattr(removexattr, o->mode, path, o->path2, 0, 0, 0));
}
