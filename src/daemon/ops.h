/* What the files of FUSE operations share; session.c puts them together. */
#pragma once

#define FUSE_USE_VERSION 314

#include <fuse3/fuse_lowlevel.h>

#include "daemon/absent.h"
#include "daemon/herald.h"
#include "daemon/numbers.h"
#include "daemon/session.h"
#include "daemon/wire.h"
#include "daemon/writers.h"

/* Timeout of what the kernel may keep until it is told otherwise: seconds, ten years. */
#define OPS_FOREVER (10.0 * 365 * 86400)
#define OPS_BUFFER (1u << 20) /* bytes that one request reads at most */
#define OPS_LISTED 8192u      /* entries that one readdirplus answers at most */

struct session {
	struct pool *pool;
	struct fuse_session *fuse;
	struct absent *absent;	 /* what the kernel was told */
	struct numbers *numbers; /* what it was given by number */
	struct teller *teller;
	struct wire wire;
	struct herald herald; /* tells the kernel */
	struct herald looker; /* looks, and causes requests by it during which the other one may have to tell */
	struct writers writers;
	struct writers appenders; /* the mark of which is set and taken away under `appending` */
	pthread_mutex_t appending;
	unsigned flags;	  /* enum session_flags */
	bool zero_open;	  /* the kernel opens files without asking */
	pthread_t runner; /* thread in session_run */
	int mount_id;
	uint64_t dev;
	char mountpoint[];
};

/* A thread of the session: its seat in the pool, and its memory. */
struct worker {
	struct task task;
	struct session *session;
	fuse_req_t request; /* the one under way, or the last. Atomic */
	bool keep;	    /* the kernel may keep the absence that the last lookup has found */
	char buf[OPS_BUFFER];
	fs_ino listed[OPS_LISTED];
};

/* Once, before any other. 0 or -errno. */
int ops_prepare(void);

/* The calling thread's; NULL, and the request is answered with an error, where it can have no seat. */
struct worker *ops_worker(fuse_req_t req);
struct session *ops_session(fuse_req_t req);
/* The calling thread's seat, outside of a request. NULL: it can have none. */
struct task *ops_task(struct session *s);

void ops_stat(const struct fs_attr *a, struct stat *st);
void ops_entry(const struct fs_attr *a, struct fuse_entry_param *e);
struct fs_name ops_name(const char *s);

/* Answers with the result of a call that returns nothing but success: ret is 0 or -errno. */
void ops_reply(fuse_req_t req, int ret);
/*
 * Answers with the inode that a call gave a kernel reference. Where the
 * request was given up meanwhile, the kernel has not got that reference.
 */
void ops_reply_entry(fuse_req_t req, struct worker *w, int ret, const struct fs_attr *a);
/* Answers with n bytes of w->buf, or with -n as error. */
void ops_reply_bytes(fuse_req_t req, struct worker *w, int64_t n);

/* Is the caller neither in the group nor has CAP_FSETID? Some 20 us where it matters: see caller.h. */
bool ops_is_stranger(fuse_req_t req, gid_t gid);
/*
 * What fs_setattr() is to be told where the request takes set-id bits of a file
 * with these attributes: 0 (there are none) or FS_SET_NO_SETID, and
 * FS_SET_STRANGER if the caller is one and it matters.
 */
unsigned ops_setid(fuse_req_t req, const struct fs_attr *a);
/*
 * Drops the set-id bits of a regular file that its caller's change takes. Has
 * the kernel forget the mode: its answer to a write or an opening carries none.
 */
int ops_kill_suidgid(fuse_req_t req, struct worker *w, fs_ino ino);

/* An open file of the kernel's begins, and ends: is it one that is written through? The first sets fi->fh. */
void data_opened(struct session *s, struct task *t, fs_ino ino, struct fuse_file_info *fi);
void data_closed(struct session *s, struct task *t, fs_ino ino, const struct fuse_file_info *fi);

/* Each file fills in its operations. */
void names_fill(struct fuse_lowlevel_ops *ops);
void inodes_fill(struct fuse_lowlevel_ops *ops);
void data_fill(struct fuse_lowlevel_ops *ops);
void listing_fill(struct fuse_lowlevel_ops *ops);
