/*
 * The kernel's way in: a FUSE session whose operations are calls of the store.
 * A FUSE node id is an inode number of the store, its generation the inode's.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "control/err.h"
#include "fs/fs.h"

struct session;

enum session_flags {
	SESSION_NOATIME = 1 << 0, /* reading never changes atime */
};

struct session_config {
	struct pool *pool;
	const char *mountpoint;
	const char *source;	  /* what the mount table is to show */
	const char *options;	  /* for libfuse */
	unsigned flags;		  /* enum session_flags */
	void (*ready)(void *arg); /* the mount works; from one of the session's threads */
	void *arg;
};

/* Mounts. The same thread calls session_run at once: whoever enters the mount waits for it. 0, or -errno with a text.
 */
int session_open(const struct session_config *config, struct session **out, struct err *err) must_check;

/*
 * Serves, with threads of its own, until unmounted, aborted or stopped. 0, or
 * -errno where the connection broke. When it returns, no thread is left.
 */
int session_run(struct session *s);

/*
 * Has session_run return. From any thread but the session's, and again every
 * few milliseconds until it has: libfuse can miss one. Uses SIGUSR1.
 */
void session_stop(struct session *s);

/* Is it still in the mount table? After session_run tells an unmount from an abort. */
bool session_mounted(const struct session *s);

/* st_dev of the mount. */
uint64_t session_dev(const struct session *s);

/*
 * Has the kernel forget the attributes of an item, and takes the mark away. `t`: the
 * calling thread's. False: it may be open for writing, which is a matter for
 * session_forget_all.
 */
bool session_forget_attr(struct session *s, struct task *t, const struct stale_item *item);
/* May the kernel have it open for writing? It is a regular file then. */
bool session_may_be_written(struct session *s, struct task *t, fs_ino ino);
/* Drops pages: from the answer to a request that holds the kernel's lock of the inode. */
void session_settle(struct session *s, struct task *t, fs_ino ino);

/*
 * The same for all of a list, of every mark. It can wait for locks that the kernel
 * holds while it waits for an answer: never from one of the session's threads.
 */
void session_forget_all(struct session *s, struct task *t, const struct stale_list *list, uint32_t n);

/*
 * The inode of a list that has ended while the kernel refers to it, or 0; and having
 * the kernel let go of it: nobody need wait for that. Waits as session_forget_all does.
 */
fs_ino session_gone_in(const struct stale_list *list, uint32_t n);
void session_let_go(struct session *s, struct task *t, fs_ino ino);

struct teller;
/* Who has the kernel let go of what its own calls have left. Before session_run. */
void session_set_teller(struct session *s, struct teller *t);

/* Is there something for session_tidy to do? To be asked now and then. */
bool session_untidy(struct session *s);
/* Has the kernel drop what it was given by number some time ago. Waits as session_forget_all does. */
void session_tidy(struct session *s);

/* Unmounts, lazily if need be, and frees. NULL is fine. */
void session_close(struct session *s);
