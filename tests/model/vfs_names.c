/* Operations on names. */
#include "vfs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "listing.h"

/* Walks to the parent of a path's last name. */
static int parent(struct vfs_call *k, const char *path, struct vfs_place *p)
{
	return vfs_walk(k->v, k->c, k->o->at, path, VFS_PARENT, p);
}

/* new_encode_dev() of the kernel. */
static uint32_t encode_dev(dev_t d)
{
	return (minor(d) & 0xff) | (major(d) << 8) | ((minor(d) & ~0xffu) << 12);
}

static int64_t make(struct vfs_call *k, uint32_t mode, uint32_t rdev, const char *target)
{
	struct vfs_place p;
	struct fs_new new = {.mode = mode, .umask = k->o->umask, .rdev = rdev, .target = target};
	int ret = parent(k, k->o->path, &p);

	if (target)
		new.target_len = strlen(target);
	return ret < 0 ? ret : k->v->ops->make(k->v->s, k->c, p.dir, p.name, &new, NULL);
}

int64_t vfs_mkdir(struct vfs_call *k)
{
	return make(k, S_IFDIR | (k->o->mode & 01777), 0, NULL);
}

int64_t vfs_mknod(struct vfs_call *k)
{
	uint32_t type = k->o->mode & S_IFMT;

	if (type == S_IFDIR)
		return -EPERM;
	return make(k, k->o->mode, type == S_IFCHR || type == S_IFBLK ? encode_dev((dev_t)k->o->len) : 0, NULL);
}

int64_t vfs_symlink(struct vfs_call *k)
{
	size_t n = strlen(k->o->path2);

	if (n == 0)
		return -ENOENT;
	if (n > FS_SYMLINK_MAX)
		return -ENAMETOOLONG;
	return make(k, S_IFLNK | 0777, 0, k->o->path2);
}

int64_t vfs_rmdir(struct vfs_call *k)
{
	struct vfs_place p;
	int ret = parent(k, k->o->path, &p);

	return ret < 0 ? ret : k->v->ops->rmdir(k->v->s, k->c, p.dir, p.name);
}

int64_t vfs_unlink(struct vfs_call *k)
{
	struct vfs_place p;
	int ret = parent(k, k->o->path, &p);

	return ret < 0 ? ret : k->v->ops->unlink(k->v->s, k->c, p.dir, p.name);
}

int64_t vfs_readlink(struct vfs_call *k)
{
	struct fs_attr a;
	char buf[FS_SYMLINK_MAX + 1];
	size_t size = k->o->len > (int64_t)sizeof(buf) ? sizeof(buf) : (size_t)k->o->len;
	int ret;

	if (k->o->len <= 0)
		return -EINVAL;
	ret = vfs_find(k, k->o->path, false, &a);
	if (ret < 0)
		return ret;
	if (!S_ISLNK(a.mode))
		return -EINVAL;
	ret = k->v->ops->readlink(k->v->s, a.ino, buf, size);
	if (ret > 0)
		result_text(k->r, buf, (size_t)ret);
	return ret;
}

/* linkat() after the source is known. */
static int64_t link_to(struct vfs_call *k, const struct fs_attr *a)
{
	struct vfs_place p;
	struct fs_attr old;
	int ret = parent(k, k->o->path2, &p);

	if (ret < 0)
		return ret;
	ret = vfs_may_link(k->v, k->c, a);
	if (ret < 0) { /* but only after the new name was looked up */
		int found = k->v->ops->lookup(k->v->s, k->c, p.dir, p.name, &old);

		return found == 0 ? -EEXIST : found == -ENOENT ? ret : found;
	}
	return k->v->ops->link(k->v->s, k->c, a->ino, p.dir, p.name, NULL);
}

int64_t vfs_link(struct vfs_call *k)
{
	struct fs_attr a;
	int ret = vfs_find(k, k->o->path, k->o->flags & AT_SYMLINK_FOLLOW, &a);

	return ret < 0 ? ret : link_to(k, &a);
}

int64_t vfs_linkfd(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	struct fs_attr a;
	int ret;

	if (!f)
		return -EBADF;
	ret = k->v->ops->getattr(k->v->s, f->ino, &a);
	return ret < 0 ? ret : link_to(k, &a);
}

int64_t vfs_rename(struct vfs_call *k)
{
	struct vfs_place from, to;
	unsigned flags = (unsigned)k->o->flags;
	int ret;

	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	ret = parent(k, k->o->path, &from);
	if (ret == 0)
		ret = parent(k, k->o->path2, &to);
	if (ret < 0)
		return ret;
	return k->v->ops->rename(k->v->s, k->c, from.dir, from.name, to.dir, to.name, flags);
}

static int list_all(struct vfs_call *k, fs_ino dir, struct fs_dirent *e, int chunk, struct listing *l)
{
	uint64_t cookie = 0;
	int n;

	while ((n = k->v->ops->readdir(k->v->s, dir, cookie, e, chunk)) > 0) {
		for (int i = 0; i < n; i++)
			listing_add(l, e[i].mode, e[i].name);
		cookie = e[n - 1].cookie;
		if (l->n > 1000000)
			return -ELOOP; /* cookies that lead in a circle */
	}
	return n;
}

int64_t vfs_readdir(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	int chunk = k->o->len < 1 ? 1 : k->o->len > 64 ? 64 : (int)k->o->len, n;
	struct fs_dirent *e = malloc((size_t)chunk * sizeof(*e));
	struct listing l = {0};

	/* O_NOATIME: fs_readdir() does not know it; posix_names.c refuses alike. */
	n = !f ? -EBADF : f->flags & O_NOATIME ? -EPERM : f->type != S_IFDIR ? -ENOTDIR : 0;
	if (n == 0)
		n = list_all(k, f->ino, e, chunk, &l);
	free(e);
	if (n == 0) {
		listing_finish(&l, k->r);
		return k->r->ret;
	}
	free(l.v);
	return n;
}
