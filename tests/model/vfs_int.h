/* Shared by the parts of vfs.c: one function for each kind of operation. */
#pragma once

#include "cred.h"
#include "vfs.h"

#include <stdlib.h>

/* One operation under way. */
struct vfs_call {
	struct vfs *v;
	const struct op *o;
	const struct fs_cred *c;
	struct result *r;
};

typedef int64_t vfs_fn(struct vfs_call *k);

/* vfs_names.c */
vfs_fn vfs_mkdir, vfs_rmdir, vfs_mknod, vfs_symlink, vfs_readlink, vfs_link, vfs_linkfd, vfs_unlink, vfs_rename,
    vfs_readdir;
/* vfs_open.c */
vfs_fn vfs_open, vfs_tmpfile, vfs_close, vfs_dup, vfs_setfl;
/* vfs_data.c */
vfs_fn vfs_read, vfs_write, vfs_lseek, vfs_fallocate, vfs_copy_range, vfs_content, vfs_fsync;
/* vfs_meta.c */
vfs_fn vfs_stat, vfs_fstat, vfs_access, vfs_truncate, vfs_ftruncate, vfs_chmod, vfs_fchmod, vfs_chown, vfs_fchown,
    vfs_utimens, vfs_futimens, vfs_setxattr, vfs_getxattr, vfs_listxattr, vfs_removexattr, vfs_statfs;

/* The open file of a slot, NULL where there is none (-EBADF). */
static inline struct vfs_file *vfs_slot(struct vfs_call *k, int fd)
{
	return fd < 0 || fd >= OP_SLOTS ? NULL : k->v->file[fd];
}

/* The handle that the slot's file has in the file system. */
static inline uint32_t vfs_handle(const struct vfs *v, int slot)
{
	return v->ops->dup ? v->first_handle + (uint32_t)slot : v->file[slot]->handle;
}

/* Walks to an existing object. 0 and its attributes, or -errno. */
static inline int vfs_find(struct vfs_call *k, const char *path, bool follow, struct fs_attr *a)
{
	struct vfs_place *p = malloc(sizeof(*p));
	int ret = vfs_walk(k->v, k->c, k->o->at, path, follow ? VFS_FOLLOW : 0, p);

	if (ret == 0)
		ret = p->err;
	*a = ret == 0 ? p->attr : (struct fs_attr){0};
	free(p);
	return ret;
}
