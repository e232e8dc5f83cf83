/* open(2) as do_open() of the kernel orders its checks. */
#include "vfs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static void close_slot(struct vfs *v, int slot)
{
	struct vfs_file *f = v->file[slot];

	if (!f)
		return;
	if (v->ops->dup || f->slots == 1)
		v->ops->close(v->s, vfs_handle(v, slot));
	if (--f->slots == 0)
		free(f);
	v->file[slot] = NULL;
}

void vfs_close_all(struct vfs *v)
{
	for (int i = 0; i < OP_SLOTS; i++)
		close_slot(v, i);
}

/* A handle for what is to be opened into a slot that is free. */
static uint32_t new_handle(const struct vfs *v, int slot)
{
	uint32_t h = v->first_handle;

	if (v->ops->dup)
		return h + (uint32_t)slot;
	for (int i = 0; i < OP_SLOTS; i++)
		if (v->file[i] && v->file[i]->handle == h) {
			h++;
			i = -1;
		}
	return h;
}

int64_t vfs_close(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);

	if (!f)
		return -EBADF;
	close_slot(k->v, k->o->fd);
	return 0;
}

int64_t vfs_dup(struct vfs_call *k)
{
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	int ret = 0;

	if (k->o->fd == k->o->fd2)
		return -EINVAL; /* as dup3(2) */
	if (!f)
		return -EBADF;
	close_slot(k->v, k->o->fd2);
	if (k->v->ops->dup)
		ret = k->v->ops->dup(k->v->s, vfs_handle(k->v, k->o->fd), k->v->first_handle + (uint32_t)k->o->fd2);
	if (ret < 0)
		return ret;
	f->slots++;
	k->v->file[k->o->fd2] = f;
	return 0;
}

/* fcntl(2) F_SETFL. */
int64_t vfs_setfl(struct vfs_call *k)
{
	const int mask = O_APPEND | O_NOATIME;
	struct vfs_file *f = vfs_slot(k, k->o->fd);
	struct fs_attr a;
	int ret;

	if (!f)
		return -EBADF;
	ret = k->v->ops->getattr(k->v->s, f->ino, &a);
	if (ret < 0)
		return ret;
	if ((k->o->flags & ~f->flags & O_NOATIME) && a.uid != k->c->uid && !(k->c->caps & FS_CAP_FOWNER))
		return -EPERM;
	f->flags = (f->flags & ~mask) | (k->o->flags & mask);
	if (!k->v->ops->set_flags)
		return 0;
	return k->v->ops->set_flags(k->v->s, vfs_handle(k->v, k->o->fd), mask, (uint32_t)f->flags);
}

static int64_t install(struct vfs_call *k, const struct fs_attr *a, uint32_t handle)
{
	struct vfs_file *f = k->v->file[k->o->fd] = malloc(sizeof(*f));

	*f = (struct vfs_file){
	    .slots = 1,
	    .ino = a->ino,
	    .handle = handle,
	    .type = a->mode & S_IFMT,
	    .flags = k->o->flags,
	};
	return 0;
}

/* What the kernel asks before the file system's open. */
static int may_open(struct vfs_call *k, const struct vfs_place *p)
{
	int flags = k->o->flags;
	uint32_t type = p->attr.mode & S_IFMT;
	int ret = 0;

	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if ((flags & O_CREAT) && type == S_IFDIR)
		return -EISDIR;
	if (flags & O_CREAT)
		ret = vfs_may_create_over(k->v, k->c, p->dir, &p->attr);
	if (ret < 0)
		return ret;
	if ((flags & O_DIRECTORY) && type != S_IFDIR)
		return -ENOTDIR;
	if (type == S_IFLNK)
		return -ELOOP;
	/* Fifos, sockets and devices are opened by the kernel; posix.c answers the same without opening. */
	return type == S_IFREG || type == S_IFDIR ? 0 : -ENXIO;
}

static int64_t open_existing(struct vfs_call *k, const struct vfs_place *p)
{
	uint32_t handle = new_handle(k->v, k->o->fd);
	int ret = may_open(k, p);

	if (ret == 0)
		ret = k->v->ops->open(k->v->s, k->c, p->attr.ino, k->o->flags, handle);
	return ret < 0 ? ret : install(k, &p->attr, handle);
}

static int64_t create(struct vfs_call *k, const struct vfs_place *p)
{
	struct fs_new new = {.mode = S_IFREG | (k->o->mode & 07777), .umask = k->o->umask};
	int flags = k->o->flags & ~(O_CREAT | O_EXCL | O_TRUNC);
	uint32_t handle = new_handle(k->v, k->o->fd);
	struct fs_attr a;
	int ret = k->v->ops->make(k->v->s, k->c, p->dir, p->name, &new, &a);

	if (ret < 0)
		return ret;
	/* The new file's mode does not bind who creates it. */
	ret = k->v->ops->open(k->v->s, NULL, a.ino, flags, handle);
	return ret < 0 ? ret : install(k, &a, handle);
}

int64_t vfs_open(struct vfs_call *k)
{
	struct vfs_place p;
	int flags = k->o->flags;
	bool follow = !(flags & O_NOFOLLOW) && !((flags & O_CREAT) && (flags & O_EXCL));
	int64_t ret;

	close_slot(k->v, k->o->fd);
	if ((flags & O_CREAT) && (flags & O_DIRECTORY))
		return -EINVAL;
	for (int i = 0; i < 1000; i++) {
		ret = vfs_walk(k->v, k->c, k->o->at, k->o->path, follow ? VFS_FOLLOW : 0, &p);
		if (ret < 0)
			return ret;
		if (p.err == 0)
			return open_existing(k, &p);
		if (p.err != -ENOENT || !(flags & O_CREAT))
			return p.err;
		ret = create(k, &p);
		if (ret != -EEXIST || (flags & O_EXCL))
			return ret; /* else another thread was faster */
	}
	return -EEXIST;
}

int64_t vfs_tmpfile(struct vfs_call *k)
{
	struct fs_new new = {.mode = S_IFREG | (k->o->mode & 07777), .umask = k->o->umask};
	struct fs_attr dir, a;
	uint32_t handle;
	int ret;

	close_slot(k->v, k->o->fd);
	if ((k->o->flags & O_ACCMODE) == O_RDONLY)
		return -EINVAL;
	ret = vfs_find(k, k->o->path, true, &dir);
	if (ret < 0)
		return ret;
	if (!S_ISDIR(dir.mode))
		return -ENOTDIR;
	handle = new_handle(k->v, k->o->fd);
	ret = k->v->ops->tmpfile(k->v->s, k->c, dir.ino, &new, handle, &a);
	if (ret == 0 && k->v->ops->set_flags) /* fs_tmpfile() opens for reading and writing */
		ret = k->v->ops->set_flags(k->v->s, handle, O_ACCMODE | O_APPEND, (uint32_t)k->o->flags);
	return ret < 0 ? ret : install(k, &a, handle);
}
