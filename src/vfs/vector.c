/*
 * readv, writev and their relatives: the buffers of a vector are read or
 * written as one. With a single one that is not empty they are read and write.
 */
#include "vfs/internal.h"

/* What such a call is about. */
struct vector {
	struct task *t;
	uint32_t fd;
	uint32_t n; /* buffers in v->vec, none of them empty */
	int64_t off;
	bool next; /* at the open file's own offset, which moves */
	bool append;
};

/* Copies the vector into v->vec without what is empty or beyond what one call can move. */
static long take_vector(struct vfs_thread *v, const struct iovec *from, long n, struct vector *x)
{
	size_t total = 0;

	if (n < 0 || n > (long)VECTOR)
		return -EINVAL;
	if (n && user_copy(v->vec, from, (size_t)n * sizeof *from))
		return -EFAULT;
	x->n = 0;
	for (long k = 0; k < n; k++) {
		struct iovec io = v->vec[k];

		if ((ssize_t)io.iov_len < 0)
			return -EINVAL;
		io.iov_len = min_of(io.iov_len, io_len(-1) - total);
		total += io.iov_len;
		if (io.iov_len)
			v->vec[x->n++] = io;
	}
	return 0;
}

static int64_t read_vector(struct vfs_thread *v, const struct vector *x)
{
	uint32_t flags = 0;
	int64_t ino;

	if (x->next)
		return fs_readv_next(x->t, x->fd, v->vec, x->n);
	ino = fs_handle(x->t, x->fd, &flags);
	if (ino < 0 || (flags & O_ACCMODE) == O_WRONLY)
		return ino < 0 ? ino : -EBADF;
	return fs_readv(x->t, (fs_ino)ino, v->vec, x->n, x->off, flags & O_NOATIME ? FS_IO_NOATIME : 0);
}

static int64_t write_vector(struct vfs_thread *v, const struct vector *x)
{
	uint32_t flags = 0;
	int64_t ino;

	if (x->next)
		return fs_writev_next(x->t, cred(v), x->fd, v->vec, x->n, x->append ? FS_IO_APPEND : 0);
	ino = fs_handle(x->t, x->fd, &flags);
	if (ino < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return ino < 0 ? ino : -EBADF;
	return fs_writev(x->t, cred(v), (fs_ino)ino, v->vec, x->n, x->off,
			 flags & O_APPEND || x->append ? FS_IO_APPEND : 0, NULL);
}

static long vector(struct vfs_thread *v, const struct vfs_call *c, struct vector *x, bool write)
{
	long err;

	x->fd = (uint32_t)c->a[0];
	x->t = write ? grower(v, (int)c->a[0]) : owner(v, (int)c->a[0]);
	if (!x->t)
		return passed(v);
	if (!x->next && x->off < 0)
		return -EINVAL;
	err = take_vector(v, (const struct iovec *)c->a[1], c->a[2], x);
	if (err)
		return err;
	return write ? write_vector(v, x) : read_vector(v, x);
}

HANDLER(call_readv)
{
	struct vector x = {.next = true};

	return vector(v, c, &x, false);
}

HANDLER(call_writev)
{
	struct vector x = {.next = true};

	return vector(v, c, &x, true);
}

HANDLER(call_preadv)
{
	struct vector x = {.off = c->a[3]};

	return vector(v, c, &x, false);
}

HANDLER(call_pwritev)
{
	struct vector x = {.off = c->a[3]};

	return vector(v, c, &x, true);
}

/* Memory is as safe as it gets, and what is there needs no waiting for; all other flags are the kernel's to judge. */
#define RWF_OURS (RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)

static long vector2(struct vfs_thread *v, const struct vfs_call *c, bool write)
{
	struct vector x = {.off = c->a[3], .next = c->a[3] == -1, .append = c->a[5] & RWF_APPEND};

	return (int)c->a[5] & ~RWF_OURS ? call_hand_over(v, c) : vector(v, c, &x, write);
}

HANDLER(call_preadv2)
{
	return vector2(v, c, false);
}

HANDLER(call_pwritev2)
{
	return vector2(v, c, true);
}
