/* The parts of the posix executor: one function for each kind of operation. */
#pragma once

#include "cred.h"
#include "exec.h"

struct exec_fs {
	char *dir; /* the instance's directory */
	int fd;	   /* of dir */
	bool multiuser, mixed;
};

struct exec {
	struct exec_fs *fs;
	int root;     /* the session's root directory */
	int raw_root; /* the same, opened past the agent; -1: nothing goes past it */
	uint64_t runs;
	int file[OP_SLOTS];
	int mask;
};

typedef int64_t px_fn(struct exec *e, const struct op *o, struct result *r);

/* posix_names.c */
px_fn px_mkdir, px_rmdir, px_mknod, px_symlink, px_readlink, px_link, px_linkfd, px_unlink, px_rename, px_open,
    px_tmpfile, px_close, px_dup, px_setfl, px_readdir;
/* posix_data.c */
px_fn px_read, px_write, px_lseek, px_truncate, px_ftruncate, px_fallocate, px_copy_range, px_content, px_fsync,
    px_statfs;
/* posix_meta.c */
px_fn px_stat, px_fstat, px_access, px_chmod, px_fchmod, px_chown, px_fchown, px_utimens, px_futimens, px_setxattr,
    px_getxattr, px_listxattr, px_removexattr;

/* The directory that the operation's paths start from. */
int px_at(const struct exec *e, const struct op *o);
/* The slot's descriptor, or -1. */
int px_fd(const struct exec *e, int slot);
/* 0 or -errno. */
int px_attr(int at, const char *path, int flags, struct fs_attr *a);
/* A result of a system call: itself, or -errno. */
int64_t px_ret(int64_t ret);
