/*
 * What the Linux kernel does above a file system, for the executors that have
 * no kernel above them: the path walk with symbolic links, descriptors and
 * their offsets, and the checks that come before the file system is asked.
 * Validated against the kernel itself (model against tmpfs).
 */
#pragma once

#include "exec.h"
#include "node.h"

/* An open file, as open(2) means it: slots that were made with dup share one. */
struct vfs_file {
	unsigned slots;
	fs_ino ino;
	uint32_t handle; /* where the file system knows no dup */
	uint32_t type;	 /* S_IFMT bits */
	int flags;
	int64_t pos;
};

struct vfs {
	const struct node_ops *ops;
	void *s;
	fs_ino root;
	uint32_t first_handle; /* of OP_SLOTS that are this session's */
	int64_t size_max;      /* largest offset that the kernel lets through */
	bool link_policy;      /* the kernel's sysctls fs.protected_* apply */
	struct vfs_file *file[OP_SLOTS];
};

/* Carries out one operation. `probe`: also observe the objects that it named. */
void vfs_run(struct vfs *v, const struct op *o, bool probe, struct result *r);
void vfs_close_all(struct vfs *v);

/* walk.c: where a path leads. */
struct vfs_place {
	fs_ino dir;	     /* the directory that holds (or would hold) the last name */
	struct fs_name name; /* the last name, points into `path`; len 0: the path is the start itself */
	int err;	     /* of the last lookup: 0, or -ENOENT and so on; attr is valid where 0 */
	struct fs_attr attr;
	char path[3 * 4096];
};

enum vfs_walk {
	VFS_FOLLOW = 1 << 0, /* follow a symbolic link in the last place */
	VFS_PARENT = 1 << 1, /* do not look the last name up */
};

/* 0: place is filled in (look at place->err for the last name); -errno: an earlier component failed. */
int vfs_walk(struct vfs *v, const struct fs_cred *c, int at, const char *path, unsigned flags, struct vfs_place *p);

/* policy.c: the sysctls fs.protected_hardlinks, _symlinks, _regular, as this kernel has them set. */
int vfs_may_follow(struct vfs *v, const struct fs_cred *c, fs_ino dir, const struct fs_attr *link);
int vfs_may_link(struct vfs *v, const struct fs_cred *c, const struct fs_attr *target);
int vfs_may_create_over(struct vfs *v, const struct fs_cred *c, fs_ino dir, const struct fs_attr *file);
