/*
 * A file system below the kernel's path walk and descriptors: the calls of
 * fs.h, as a table, so that vfs.c runs on the model and on the store alike.
 * `s` is a session of the file system. Contracts: fs.h.
 */
#pragma once

#include "fs/fs.h"

struct node_ops {
	int (*lookup)(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n, struct fs_attr *out);
	int (*make)(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n, const struct fs_new *new,
		    struct fs_attr *out);
	int (*tmpfile)(void *s, const struct fs_cred *c, fs_ino dir, const struct fs_new *new, uint32_t handle,
		       struct fs_attr *out);
	int (*link)(void *s, const struct fs_cred *c, fs_ino ino, fs_ino dir, struct fs_name n, struct fs_attr *out);
	int (*unlink)(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n);
	int (*rmdir)(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name n);
	int (*rename)(void *s, const struct fs_cred *c, fs_ino olddir, struct fs_name oldname, fs_ino newdir,
		      struct fs_name newname, unsigned flags);
	int (*readdir)(void *s, fs_ino dir, uint64_t cookie, struct fs_dirent *out, int n);
	int (*getattr)(void *s, fs_ino ino, struct fs_attr *out);
	int (*setattr)(void *s, const struct fs_cred *c, fs_ino ino, unsigned set, const struct fs_attr *in,
		       struct fs_attr *out);
	int (*access)(void *s, const struct fs_cred *c, fs_ino ino, int mask);
	int (*readlink)(void *s, fs_ino ino, char *buf, size_t size);
	int (*open)(void *s, const struct fs_cred *c, fs_ino ino, int flags, uint32_t handle);
	int (*close)(void *s, uint32_t handle);
	int64_t (*read)(void *s, fs_ino ino, void *buf, size_t len, int64_t off, unsigned flags);
	int64_t (*write)(void *s, const struct fs_cred *c, fs_ino ino, const void *buf, size_t len, int64_t off,
			 unsigned flags, int64_t *end);
	int (*fallocate)(void *s, const struct fs_cred *c, fs_ino ino, int mode, int64_t off, int64_t len);
	int64_t (*seek)(void *s, fs_ino ino, int64_t off, int whence);
	int64_t (*copy_range)(void *s, const struct fs_cred *c, fs_ino in, int64_t in_off, fs_ino out, int64_t out_off,
			      uint64_t len);
	int (*getxattr)(void *s, const struct fs_cred *c, fs_ino ino, const char *name, void *value, size_t size);
	int (*setxattr)(void *s, const struct fs_cred *c, fs_ino ino, const char *name, const void *value, size_t size,
			int flags);
	int (*listxattr)(void *s, const struct fs_cred *c, fs_ino ino, char *list, size_t size);
	int (*removexattr)(void *s, const struct fs_cred *c, fs_ino ino, const char *name);
	int (*statfs)(void *s, struct fs_stats *out);

	/* What vfs.c does itself where these are NULL: path walks, shared descriptors, their offsets. */
	int (*walk)(void *s, const struct fs_cred *c, struct fs_walk *w);
	int (*dup)(void *s, uint32_t from, uint32_t to);
	int (*set_flags)(void *s, uint32_t handle, uint32_t mask, uint32_t flags);
	int64_t (*read_next)(void *s, uint32_t handle, void *buf, size_t len);
	int64_t (*write_next)(void *s, const struct fs_cred *c, uint32_t handle, const void *buf, size_t len);
	int64_t (*seek_to)(void *s, uint32_t handle, int64_t off, int whence);
};
