/* Operations on a descriptor's data: the checks of read_write.c and open.c of the kernel. */
#include "vfs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"

static bool readable(const struct vfs_file *f)
{
	return (f->flags & O_ACCMODE) != O_WRONLY;
}

static bool writable(const struct vfs_file *f)
{
	return (f->flags & O_ACCMODE) != O_RDONLY;
}

int64_t vfs_read(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	int64_t off = k->o->off, n;
	unsigned char *buf;

	if (!(k->o->flags & 1) && off < 0)
		return -EINVAL;
	if (!f || !readable(f))
		return -EBADF;
	if (f->type == S_IFDIR)
		return -EISDIR;
	if (k->o->flags & 1)
		off = f->pos;
	buf = malloc((size_t)k->o->len + 1);
	if ((k->o->flags & 1) && k->v->ops->read_next)
		n = k->v->ops->read_next(k->v->s, vfs_handle(k->v, k->o->fd), buf, (size_t)k->o->len);
	else
		n = k->v->ops->read(k->v->s, f->ino, buf, (size_t)k->o->len, off,
				    f->flags & O_NOATIME ? FS_IO_NOATIME : 0);
	if (n >= 0)
		digest_read(k->r, buf, (size_t)n);
	if (n > 0 && (k->o->flags & 1))
		f->pos += n;
	free(buf);
	return n;
}

int64_t vfs_write(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	int64_t off = k->o->off, end = 0, n;
	unsigned char *buf;

	if (!(k->o->flags & 1) && off < 0)
		return -EINVAL;
	if (!f || !writable(f))
		return -EBADF;
	if (k->o->flags & 1)
		off = f->pos;
	buf = malloc((size_t)k->o->len + 1);
	op_fill(buf, (size_t)k->o->len, k->o->fill);
	if ((k->o->flags & 1) && k->v->ops->write_next)
		n = k->v->ops->write_next(k->v->s, k->c, vfs_handle(k->v, k->o->fd), buf, (size_t)k->o->len);
	else
		n = k->v->ops->write(k->v->s, k->c, f->ino, buf, (size_t)k->o->len, off,
				     f->flags & O_APPEND ? FS_IO_APPEND : 0, &end);
	if (n > 0 && (k->o->flags & 1))
		f->pos = end;
	free(buf);
	return n;
}

static int64_t seek_plain(struct vfs_call *k, struct vfs_file *f)
{
	struct fs_attr a;
	int64_t base = 0, pos;
	int ret = k->v->ops->getattr(k->v->s, f->ino, &a);

	if (ret < 0)
		return ret;
	if (k->o->flags == SEEK_CUR)
		base = f->pos;
	if (k->o->flags == SEEK_END)
		base = (int64_t)a.size;
	if (__builtin_add_overflow(base, k->o->off, &pos) || pos < 0 || pos > k->v->size_max)
		return -EINVAL;
	return f->pos = pos;
}

/* The position stays after SEEK_DATA and SEEK_HOLE: their answers may differ, what follows must not. */
int64_t vfs_lseek(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);

	if (!f)
		return -EBADF;
	if (k->o->flags > SEEK_HOLE || f->type != S_IFREG)
		return -EINVAL;
	if (k->o->flags != SEEK_DATA && k->o->flags != SEEK_HOLE)
		return k->v->ops->seek_to
			   ? k->v->ops->seek_to(k->v->s, vfs_handle(k->v, k->o->fd), k->o->off, k->o->flags)
			   : seek_plain(k, f);
	if (k->o->off < 0)
		return -ENXIO;
	return k->v->ops->seek(k->v->s, f->ino, k->o->off, k->o->flags);
}

int64_t vfs_fallocate(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	int64_t end;

	if (!f)
		return -EBADF;
	if (k->o->off < 0 || k->o->len <= 0)
		return -EINVAL;
	if (k->o->flags & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
			    FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE))
		return -EOPNOTSUPP;
	if ((k->o->flags & FALLOC_FL_PUNCH_HOLE) && k->o->flags != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!writable(f))
		return -EBADF;
	if (__builtin_add_overflow(k->o->off, k->o->len, &end) || end > k->v->size_max)
		return -EFBIG;
	return k->v->ops->fallocate(k->v->s, k->c, f->ino, k->o->flags, k->o->off, k->o->len);
}

int64_t vfs_copy_range(struct vfs_call *k)
{
	struct vfs_file *in = vfs_slot(k, k->o->fd), *out = vfs_slot(k, k->o->fd2);

	if (in && (in->flags & O_NOATIME))
		return -EPERM; /* not a rule of Linux: see posix_data.c */
	if (!in || !out)
		return -EBADF;
	if (in->type == S_IFDIR || out->type == S_IFDIR)
		return -EISDIR;
	if (!readable(in) || !writable(out) || (out->flags & O_APPEND))
		return -EBADF;
	return k->v->ops->copy_range(k->v->s, k->c, in->ino, k->o->off, out->ino, k->o->off2, (uint64_t)k->o->len);
}

int64_t vfs_fsync(struct vfs_call *k)
{
	return vfs_slot(k, k->o->fd) ? 0 : -EBADF;
}

struct content {
	struct vfs_call *k;
	fs_ino ino;
};

static int64_t content_seek(void *arg, int64_t off, int whence)
{
	struct content *c = arg;

	return c->k->v->ops->seek(c->k->v->s, c->ino, off, whence);
}

static int64_t content_read(void *arg, void *buf, size_t len, int64_t off)
{
	struct content *c = arg;

	return c->k->v->ops->read(c->k->v->s, c->ino, buf, len, off, FS_IO_NOATIME);
}

int64_t vfs_content(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	struct content c = {.k = k};
	struct digest_source src = {content_seek, content_read, &c};

	if (!f || !readable(f))
		return -EBADF;
	if (f->type != S_IFREG)
		return -EINVAL;
	c.ino = f->ino;
	digest_file(&src, k->r);
	return k->r->ret;
}
