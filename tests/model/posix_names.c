/* System calls on names and descriptors. */
#include "posix_int.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "listing.h"
#include "raw.h"

int64_t px_mkdir(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(mkdirat(px_at(e, o), o->path, o->mode));
}

int64_t px_rmdir(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(unlinkat(px_at(e, o), o->path, AT_REMOVEDIR));
}

int64_t px_mknod(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(mknodat(px_at(e, o), o->path, o->mode, (dev_t)o->len));
}

int64_t px_symlink(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(symlinkat(o->path2, px_at(e, o), o->path));
}

int64_t px_readlink(struct exec *e, const struct op *o, struct result *r)
{
	char buf[FS_SYMLINK_MAX + 1];
	size_t size = o->len > (int64_t)sizeof(buf) ? sizeof(buf) : (size_t)o->len;
	/* The system call: glibc's wrapper is the same, but fortified. */
	int64_t n = px_ret(px_syscall4(SYS_readlinkat, px_at(e, o), o->path, buf, size));

	if (n > 0)
		result_text(r, buf, (size_t)n);
	return n;
}

int64_t px_link(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(linkat(px_at(e, o), o->path, px_at(e, o), o->path2, o->flags));
}

int64_t px_linkfd(struct exec *e, const struct op *o, struct result *r)
{
	int fd = px_fd(e, o->fd);
	char path[64];

	if (fd < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return px_ret(linkat(AT_FDCWD, path, px_at(e, o), o->path2, AT_SYMLINK_FOLLOW));
}

int64_t px_unlink(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(unlinkat(px_at(e, o), o->path, 0));
}

int64_t px_rename(struct exec *e, const struct op *o, struct result *r)
{
	return px_ret(renameat2(px_at(e, o), o->path, px_at(e, o), o->path2, (unsigned)o->flags));
}

static void close_slot(struct exec *e, int slot)
{
	if (e->file[slot] >= 0)
		close(e->file[slot]);
	e->file[slot] = -1;
}

int64_t px_close(struct exec *e, const struct op *o, struct result *r)
{
	if (px_fd(e, o->fd) < 0)
		return -EBADF;
	close_slot(e, o->fd);
	return 0;
}

int64_t px_dup(struct exec *e, const struct op *o, struct result *r)
{
	int fd;

	if (o->fd == o->fd2)
		return -EINVAL;
	if (px_fd(e, o->fd) < 0)
		return -EBADF;
	close_slot(e, o->fd2);
	fd = fcntl(px_fd(e, o->fd), F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	e->file[o->fd2] = fd;
	return 0;
}

int64_t px_setfl(struct exec *e, const struct op *o, struct result *r)
{
	int old = fcntl(px_fd(e, o->fd), F_GETFL);

	if (old < 0)
		return -EBADF;
	return px_ret(fcntl(px_fd(e, o->fd), F_SETFL, (old & ~(O_APPEND | O_NOATIME)) | o->flags));
}

/* Would open(2) reach a fifo, a socket or a device? Opening those might block or do things. */
static bool special(struct exec *e, const struct op *o)
{
	int nofollow = o->flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
	struct stat st;

	if ((o->flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY) || (o->flags & O_DIRECTORY))
		return false;
	if ((o->flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return false;
	if (fstatat(px_at(e, o), o->path, &st, nofollow) < 0)
		return false;
	return !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode);
}

int64_t px_open(struct exec *e, const struct op *o, struct result *r)
{
	int fd;

	close_slot(e, o->fd);
	if (special(e, o))
		return -ENXIO;
	fd = openat(px_at(e, o), o->path, o->flags | O_CLOEXEC | O_NONBLOCK, o->mode);
	if (fd < 0)
		return -errno;
	e->file[o->fd] = fd;
	return 0;
}

int64_t px_tmpfile(struct exec *e, const struct op *o, struct result *r)
{
	int fd;

	close_slot(e, o->fd);
	fd = openat(px_at(e, o), o->path, o->flags | O_TMPFILE | O_CLOEXEC, o->mode);
	if (fd < 0)
		return -errno;
	e->file[o->fd] = fd;
	return 0;
}

/* A record of getdents64(2), which libc's readdir() would hide behind a buffer of its own size. */
struct record {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

int64_t px_readdir(struct exec *e, const struct op *o, struct result *r)
{
	int fd = px_fd(e, o->fd);
	struct listing l = {0};
	_Alignas(8) char buf[8192];
	size_t size = o->len < 8 ? 300 : o->len > 64 ? sizeof(buf) : (size_t)o->len * 100;
	struct stat st;
	int64_t n;

	if (fd < 0)
		return -EBADF;
	if (fcntl(fd, F_GETFL) & O_NOATIME)
		return -EPERM; /* see vfs_names.c */
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		lseek(fd, 0, SEEK_SET);
	while ((n = px_ret(syscall(SYS_getdents64, fd, buf, size))) > 0) {
		for (int64_t at = 0; at < n; at += ((struct record *)(void *)(buf + at))->len) {
			struct record *d = (struct record *)(void *)(buf + at);

			listing_add(&l, (uint32_t)DTTOIF(d->type), d->name);
		}
	}
	if (n == 0) {
		listing_finish(&l, r);
		return r->ret;
	}
	free(l.v);
	return n;
}
