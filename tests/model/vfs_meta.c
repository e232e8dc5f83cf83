/* Operations on attributes. */
#include "vfs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "listing.h"

static int64_t report_attr(struct vfs_call *k, const char *what, const struct fs_attr *a)
{
	k->r->probe[k->r->nprobe++] = (struct probe){.what = what, .attr = *a};
	return 0;
}

int64_t vfs_stat(struct vfs_call *k)
{
	struct fs_attr a;
	int ret = vfs_find(k, k->o->path, !(k->o->flags & AT_SYMLINK_NOFOLLOW), &a);

	return ret < 0 ? ret : report_attr(k, "stat", &a);
}

int64_t vfs_fstat(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	struct fs_attr a;
	int ret = f ? k->v->ops->getattr(k->v->s, f->ino, &a) : -EBADF;

	return ret < 0 ? ret : report_attr(k, "fstat", &a);
}

int64_t vfs_access(struct vfs_call *k)
{
	struct fs_attr a;
	int ret = vfs_find(k, k->o->path, true, &a);

	return ret < 0 ? ret : k->v->ops->access(k->v->s, k->c, a.ino, (int)k->o->mode);
}

/* fs_setattr on the path's object or the slot's. */
static int64_t set_path(struct vfs_call *k, bool follow, unsigned set, const struct fs_attr *in)
{
	struct fs_attr a;
	int ret = vfs_find(k, k->o->path, follow, &a);

	return ret < 0 ? ret : k->v->ops->setattr(k->v->s, k->c, a.ino, set, in, NULL);
}

static int64_t set_fd(struct vfs_call *k, unsigned set, const struct fs_attr *in)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);

	return f ? k->v->ops->setattr(k->v->s, k->c, f->ino, set, in, NULL) : -EBADF;
}

int64_t vfs_truncate(struct vfs_call *k)
{
	struct fs_attr in = {.size = (uint64_t)k->o->off};

	return k->o->off < 0 ? -EINVAL : set_path(k, true, FS_SET_SIZE, &in);
}

int64_t vfs_ftruncate(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	struct fs_attr in = {.size = (uint64_t)k->o->off};

	if (k->o->off < 0)
		return -EINVAL;
	if (f && (f->type != S_IFREG || (f->flags & O_ACCMODE) == O_RDONLY))
		return -EINVAL;
	return set_fd(k, FS_SET_SIZE | FS_SET_OPEN, &in);
}

int64_t vfs_chmod(struct vfs_call *k)
{
	struct fs_attr in = {.mode = k->o->mode & 07777};

	return set_path(k, true, FS_SET_MODE, &in);
}

int64_t vfs_fchmod(struct vfs_call *k)
{
	struct fs_attr in = {.mode = k->o->mode & 07777};

	return set_fd(k, FS_SET_MODE, &in);
}

static unsigned chown_set(const struct op *o, struct fs_attr *in)
{
	unsigned set = 0;

	if (o->uid >= 0) {
		in->uid = (uid_t)o->uid;
		set |= FS_SET_UID;
	}
	if (o->gid >= 0) {
		in->gid = (gid_t)o->gid;
		set |= FS_SET_GID;
	}
	return set;
}

int64_t vfs_chown(struct vfs_call *k)
{
	struct fs_attr in = {0};
	unsigned set = chown_set(k->o, &in);

	return set_path(k, !(k->o->flags & AT_SYMLINK_NOFOLLOW), set, &in);
}

int64_t vfs_fchown(struct vfs_call *k)
{
	struct fs_attr in = {0};
	unsigned set = chown_set(k->o, &in);

	return set_fd(k, set, &in);
}

static bool bad_nsec(struct timespec t)
{
	return t.tv_nsec != UTIME_NOW && t.tv_nsec != UTIME_OMIT && (t.tv_nsec < 0 || t.tv_nsec >= 1000000000);
}

static unsigned utimens_set(const struct op *o, struct fs_attr *in)
{
	unsigned set = 0;

	if (o->atime.tv_nsec != UTIME_OMIT)
		set |= o->atime.tv_nsec == UTIME_NOW ? FS_SET_ATIME_NOW : FS_SET_ATIME;
	if (o->mtime.tv_nsec != UTIME_OMIT)
		set |= o->mtime.tv_nsec == UTIME_NOW ? FS_SET_MTIME_NOW : FS_SET_MTIME;
	in->atime = o->atime;
	in->mtime = o->mtime;
	return set;
}

/* 1: nothing to do, the kernel does not even look at the path. */
static int utimens_check(const struct op *o)
{
	if (o->atime.tv_nsec == UTIME_OMIT && o->mtime.tv_nsec == UTIME_OMIT)
		return 1;
	return 0;
}

int64_t vfs_utimens(struct vfs_call *k)
{
	struct fs_attr in = {0}, a;
	unsigned set = utimens_set(k->o, &in);
	bool follow = !(k->o->flags & AT_SYMLINK_NOFOLLOW);
	int ret;

	if (utimens_check(k->o))
		return 0;
	if (!bad_nsec(k->o->atime) && !bad_nsec(k->o->mtime))
		return set_path(k, follow, set, &in);
	ret = vfs_find(k, k->o->path, follow, &a);
	return ret < 0 ? ret : -EINVAL;
}

int64_t vfs_futimens(struct vfs_call *k)
{
	struct fs_attr in = {0};
	unsigned set = utimens_set(k->o, &in);

	if (utimens_check(k->o))
		return 0;
	if (vfs_slot(k, k->o->fd) && (bad_nsec(k->o->atime) || bad_nsec(k->o->mtime)))
		return -EINVAL;
	return set_fd(k, set, &in);
}

/* What the kernel checks of an attribute's name before the path. */
static int name_check(const char *name)
{
	size_t n = strlen(name);

	return n == 0 || n > FS_XATTR_NAME_MAX ? -ERANGE : 0;
}

int64_t vfs_setxattr(struct vfs_call *k)
{
	const struct op *o = k->o;
	struct fs_attr a;
	int ret;

	if (o->flags & ~3)
		return -EINVAL;
	ret = name_check(o->path2);
	if (ret < 0)
		return ret;
	if (o->value_len > FS_XATTR_SIZE_MAX)
		return -E2BIG;
	ret = vfs_find(k, o->path, !o->mode, &a);
	if (ret < 0)
		return ret;
	return k->v->ops->setxattr(k->v->s, k->c, a.ino, o->path2, o->value ? o->value : (const void *)"", o->value_len,
				   o->flags);
}

int64_t vfs_getxattr(struct vfs_call *k)
{
	struct fs_attr a;
	int ret = name_check(k->o->path2);
	char *buf;

	if (ret == 0)
		ret = vfs_find(k, k->o->path, !k->o->mode, &a);
	if (ret < 0)
		return ret;
	buf = malloc((size_t)k->o->len + 1);
	ret = k->v->ops->getxattr(k->v->s, k->c, a.ino, k->o->path2, buf, (size_t)k->o->len);
	if (ret > 0 && k->o->len)
		result_text(k->r, buf, (size_t)ret);
	free(buf);
	return ret;
}

int64_t vfs_listxattr(struct vfs_call *k)
{
	struct fs_attr a;
	int ret = vfs_find(k, k->o->path, !k->o->mode, &a);
	char *buf;

	if (ret < 0)
		return ret;
	buf = malloc((size_t)k->o->len + 1);
	k->r->ret = ret = k->v->ops->listxattr(k->v->s, k->c, a.ino, buf, (size_t)k->o->len);
	if (ret > 0 && k->o->len)
		listing_names(k->r, buf, (size_t)ret);
	free(buf);
	return ret;
}

int64_t vfs_removexattr(struct vfs_call *k)
{
	struct fs_attr a;
	int ret = name_check(k->o->path2);

	if (ret == 0)
		ret = vfs_find(k, k->o->path, !k->o->mode, &a);
	return ret < 0 ? ret : k->v->ops->removexattr(k->v->s, k->c, a.ino, k->o->path2);
}

/* Numbers differ from file system to file system; that they make sense is what is compared. */
int64_t vfs_statfs(struct vfs_call *k)
{
	struct fs_stats st;
	int ret = k->v->ops->statfs(k->v->s, &st);

	if (ret < 0)
		return ret;
	return st.blocks_free > st.blocks || st.inodes_free > st.inodes || st.blocks == 0 ? -ERANGE : 0;
}
