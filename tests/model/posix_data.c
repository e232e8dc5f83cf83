/* System calls on data. */
#include "posix_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "digest.h"
#include "raw.h"

int64_t px_read(struct exec *e, const struct op *o, struct result *r)
{
	int fd = px_fd(e, o->fd);
	char *buf = malloc((size_t)o->len + 1);
	int64_t n = px_ret(o->flags & 1 ? read(fd, buf, (size_t)o->len) : pread(fd, buf, (size_t)o->len, o->off));

	if (n >= 0)
		digest_read(r, buf, (size_t)n);
	free(buf);
	return n;
}

int64_t px_write(struct exec *e, const struct op *o, struct result *r)
{
	int fd = px_fd(e, o->fd);
	unsigned char *buf = malloc((size_t)o->len + 1);
	int64_t n;

	op_fill(buf, (size_t)o->len, o->fill);
	n = px_ret(o->flags & 1 ? write(fd, buf, (size_t)o->len) : pwrite(fd, buf, (size_t)o->len, o->off));
	free(buf);
	return n;
}

/* Positions of directories are the file system's own. */
int64_t px_lseek(struct exec *e, const struct op *o, struct result *r)
{
	int fd = px_fd(e, o->fd);
	struct fs_attr a;
	int64_t ret;
	off_t pos;

	if (fd >= 0 && px_attr(fd, "", AT_EMPTY_PATH, &a) == 0 && (a.mode & 0170000) != 0100000)
		return -EINVAL;
	pos = lseek(fd, 0, SEEK_CUR);
	ret = px_ret(lseek(fd, o->off, o->flags));
	if (o->flags == SEEK_DATA || o->flags == SEEK_HOLE)
		lseek(fd, pos, SEEK_SET); /* as vfs.c does */
	return ret;
}

int64_t px_truncate(struct exec *e, const struct op *o, struct result *r)
{
	char path[64 + 4096];

	/* There is no truncateat(); a path longer than its limit stays longer. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", px_at(e, o), o->path);
	if (!o->path[0])
		return o->off < 0 ? -EINVAL : -ENOENT;
	if (px_at(e, o) < 0)
		return o->off < 0 ? -EINVAL : -EBADF;
	return px_ret(truncate(path, o->off));
}

int64_t px_ftruncate(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(ftruncate(px_fd(e, o->fd), o->off));
}

int64_t px_fallocate(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(fallocate(px_fd(e, o->fd), o->flags, o->off, o->len));
}

int64_t px_copy_range(struct exec *e, const struct op *o, struct result *r)
{
	off64_t in = o->off, out = o->off2;
	int flags = fcntl(px_fd(e, o->fd), F_GETFL);

	/* fs_copy_range() knows no O_NOATIME: vfs.c and this one refuse alike. */
	if (flags >= 0 && (flags & O_NOATIME))
		return -EPERM;
	return px_ret(copy_file_range(px_fd(e, o->fd), &in, px_fd(e, o->fd2), &out, (size_t)o->len, 0));
}

int64_t px_fsync(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(o->flags ? fdatasync(px_fd(e, o->fd)) : fsync(px_fd(e, o->fd)));
}

int64_t px_statfs(struct exec *e, const struct op *o, struct result *r)
{
	struct statvfs st;

	if (fstatvfs(e->root, &st) < 0)
		return -errno;
	if (st.f_bfree > st.f_blocks || st.f_bavail > st.f_bfree || st.f_ffree > st.f_files || st.f_namemax != 255)
		return -ERANGE;
	return 0;
}

static int64_t content_seek(void *arg, int64_t off, int whence)
{
	return px_ret(lseek(*(int *)arg, off, whence));
}

static int64_t content_read(void *arg, void *buf, size_t len, int64_t off)
{
	return px_ret(pread(*(int *)arg, buf, len, off));
}

int64_t px_content(struct exec *e, const struct op *o, struct result *r)
{
	int fd = px_fd(e, o->fd), flags;
	struct digest_source src = {content_seek, content_read, &fd};
	struct fs_attr a;
	off_t pos;

	if (fd < 0)
		return -EBADF;
	flags = fcntl(fd, F_GETFL);
	if ((flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (px_attr(fd, "", AT_EMPTY_PATH, &a) < 0 || (a.mode & 0170000) != 0100000)
		return -EINVAL;
	fcntl(fd, F_SETFL, flags | O_NOATIME);
	pos = lseek(fd, 0, SEEK_CUR);
	digest_file(&src, r);
	lseek(fd, pos, SEEK_SET);
	fcntl(fd, F_SETFL, flags);
	return r->ret;
}
