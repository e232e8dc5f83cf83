/*
 * Copies from file to file: copy_file_range, and sendfile where both ends are
 * files of the same store. Between a file and a pipe or socket, and between two
 * file systems, the kernel copies, on real descriptors.
 */
#include "vfs/internal.h"

#define COPY_AT_ONCE ((uint64_t)1 << 30)

/* One end: the offset that the caller named, or the open file's own. */
struct end {
	uint32_t fd;
	int64_t ino;
	uint32_t flags;
	int64_t *at; /* the program's memory, NULL: the open file's offset */
	int64_t off;
};

static long take_end(struct task *t, long fd, long at, struct end *e)
{
	*e = (struct end){.fd = (uint32_t)fd, .at = (int64_t *)at};
	e->ino = fs_handle(t, e->fd, &e->flags);
	if (e->ino < 0)
		return (long)e->ino;
	if (!at)
		e->off = fs_seek_to(t, e->fd, 0, SEEK_CUR);
	else if (user_copy(&e->off, e->at, sizeof e->off))
		return -EFAULT;
	return e->off < 0 ? (at ? -EINVAL : (long)e->off) : 0;
}

static long put_end(struct task *t, const struct end *e, int64_t n)
{
	int64_t to = e->off + n;

	if (!e->at)
		return fs_seek_to(t, e->fd, to, SEEK_SET) < 0 ? -EBADF : 0;
	return user_copy(e->at, &to, sizeof to) ? -EFAULT : 0;
}

/* Both ends are ours and of one store: its task. NULL: the kernel copies. */
static struct task *common(struct vfs_thread *v, long in, long out)
{
	int store = fd_store(v->proc, in);

	if (store < 0 || store != fd_store(v->proc, out) || !owner(v, in) || !grower(v, out))
		return NULL;
	return fd_store(v->proc, in) == store ? seat(v, (unsigned)store) : NULL;
}

/* What they are comes before how they are open. */
static long both_files(struct task *t, const struct end *in, const struct end *out)
{
	struct fs_attr a, b;
	int err = fs_getattr(t, (fs_ino)in->ino, &a);

	if (!err)
		err = fs_getattr(t, (fs_ino)out->ino, &b);
	if (!err && (S_ISDIR(a.mode) || S_ISDIR(b.mode)))
		err = -EISDIR;
	return err;
}

static long copy(struct vfs_thread *v, struct task *t, struct end *in, struct end *out, uint64_t len)
{
	int64_t n;

	if ((in->flags & O_ACCMODE) == O_WRONLY || (out->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	n = fs_copy_range(t, cred(v), (fs_ino)in->ino, in->off, (fs_ino)out->ino, out->off, min_of(len, COPY_AT_ONCE));
	if (n > 0 && (put_end(t, in, n) || put_end(t, out, n)))
		return -EFAULT;
	return (long)n;
}

static bool is_open(const struct vfs_proc *p, long fd)
{
	return fd_store(p, fd) >= 0 || (!fd_is_hidden(p, fd) && sys_fcntl((int)fd, F_GETFD, 0) >= 0);
}

/* The kernel copies. Nothing is handed over to it where it cannot come to that. */
static long pass(struct vfs_thread *v, const struct vfs_call *c, long in, long out)
{
	return is_open(v->proc, in) && is_open(v->proc, out) ? call_two_fds(v, c) : -EBADF;
}

HANDLER(call_copy_file_range)
{
	struct task *t = common(v, (int)c->a[0], (int)c->a[2]);
	struct end in, out;
	long err;

	if (!t)
		return pass(v, c, (int)c->a[0], (int)c->a[2]);
	err = take_end(t, (int)c->a[0], c->a[1], &in);
	if (!err)
		err = take_end(t, (int)c->a[2], c->a[3], &out);
	if (err)
		return err;
	err = c->a[5] ? -EINVAL : both_files(t, &in, &out);
	if (err)
		return err;
	return out.flags & O_APPEND ? -EBADF : copy(v, t, &in, &out, (uint64_t)c->a[4]);
}

HANDLER(call_sendfile)
{
	struct task *t = common(v, (int)c->a[1], (int)c->a[0]);
	struct end in, out;
	struct fs_attr a;
	long err;

	if (!t)
		return pass(v, c, (int)c->a[1], (int)c->a[0]);
	err = take_end(t, (int)c->a[1], c->a[2], &in);
	if (!err)
		err = take_end(t, (int)c->a[0], 0, &out);
	if (!err && (out.flags & O_APPEND))
		err = -EINVAL;
	if (!err && c->a[3] < 0)
		err = -EINVAL;
	if (!err)
		err = fs_getattr(t, (fs_ino)in.ino, &a);
	/* It reads before it writes: ranges of one file may overlap, which copying does not have. */
	if (!err && (in.ino == out.ino || !S_ISREG(a.mode)))
		return call_two_fds(v, c);
	return err ? err : copy(v, t, &in, &out, (uint64_t)c->a[3]);
}
