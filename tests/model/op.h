/*
 * An operation of the model test: one system call with all its arguments, in a
 * form that every executor can carry out and that a trace file can hold.
 *
 * Descriptors are slots (0 to OP_SLOTS - 1) of the session that runs the
 * operation; opening into a slot closes what was there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define OP_SLOTS 9     /* the last one belongs to the dump */
#define OP_SLOTS_GEN 8 /* what the generator uses */
#define OP_ROOT (-1)   /* op.at: paths start at the session's root */

enum op_kind {
	OP_STAT,    /* path, flags: AT_SYMLINK_NOFOLLOW */
	OP_FSTAT,   /* fd */
	OP_ACCESS,  /* path, mode: R_OK... */
	OP_MKDIR,   /* path, mode */
	OP_RMDIR,   /* path */
	OP_MKNOD,   /* path, mode with type, len: device number */
	OP_SYMLINK, /* path2: target, path: the link */
	OP_READLINK,
	OP_LINK,   /* path, path2, flags: AT_SYMLINK_FOLLOW */
	OP_LINKFD, /* fd, path2 */
	OP_UNLINK,
	OP_RENAME,  /* path, path2, flags of renameat2 */
	OP_OPEN,    /* path, flags, mode, fd: slot to fill */
	OP_TMPFILE, /* the same, path is the directory */
	OP_CLOSE,
	OP_DUP,	     /* fd, fd2: slot to fill */
	OP_SETFL,    /* fd, flags: O_APPEND, O_NOATIME */
	OP_READ,     /* fd, len, off; flags 1: at the descriptor's own offset */
	OP_WRITE,    /* the same, and fill: seed of the bytes */
	OP_LSEEK,    /* fd, off, flags: whence */
	OP_TRUNCATE, /* path, off */
	OP_FTRUNCATE,
	OP_FALLOCATE,  /* fd, flags: mode, off, len */
	OP_COPY_RANGE, /* fd, off, fd2, off2, len */
	OP_CHMOD,      /* path, mode */
	OP_FCHMOD,
	OP_CHOWN, /* path, uid, gid, flags: AT_SYMLINK_NOFOLLOW */
	OP_FCHOWN,
	OP_UTIMENS, /* path, atime, mtime, flags */
	OP_FUTIMENS,
	OP_SETXATTR, /* path, path2: name, value, flags: XATTR_CREATE..., mode 1: do not follow */
	OP_GETXATTR, /* path, path2, len: size of the buffer */
	OP_LISTXATTR,
	OP_REMOVEXATTR,
	OP_READDIR, /* fd, len: entries or bytes a call */
	OP_STATFS,
	OP_FSYNC,
	OP_CONTENT, /* fd: digest of all pages that are not zero */
	OP_KINDS
};

struct op {
	enum op_kind kind;
	int who; /* index of the credentials */
	int at;	 /* OP_ROOT or the slot of a directory that paths start from */
	int fd, fd2;
	int flags;
	uint32_t umask;
	uint32_t mode;
	int64_t uid, gid;
	int64_t off, off2, len;
	int64_t fill;
	struct timespec atime, mtime;
	char *path, *path2;
	unsigned char *value;
	size_t value_len;
};

/* A growing array of operations, which owns what they point to. */
struct op_list {
	struct op *v;
	size_t n, cap;
};

struct op op_make(enum op_kind kind);
void op_free(struct op *o);
struct op op_copy(const struct op *o);
void op_list_add(struct op_list *l, struct op o); /* takes over o's strings */
void op_list_free(struct op_list *l);

const char *op_name(enum op_kind kind);

/* The bytes of a write: a function of (fill, index). */
void op_fill(unsigned char *buf, size_t len, int64_t fill);

/* One line a operation; strings are quoted with \xHH. */
void op_print(FILE *f, const struct op *o);
/* 1: read one, 0: end of file or "# end", -1: not an operation. Lines that start with '#' are skipped. */
int op_parse(FILE *f, struct op *o);
