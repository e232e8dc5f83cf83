/*
 * A process that tells the kernel what takes locks. Dropping an entry waits for
 * the kernel's lock on its directory, without a way to be interrupted, and who has
 * that lock may wait for an answer of the daemon's. Were it a thread of the daemon
 * that waits, a daemon that is killed could not end: its descriptors of /dev/fuse
 * stay open while one of its threads lives, so the kernel does not end the
 * connection, the answer never comes, and all who want the directory hang for ever.
 *
 * The herald has a descriptor of its own. When the daemon is gone it refuses what
 * the kernel asks until it has its own lock, and goes too.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/compiler.h"

struct herald {
	int sock; /* -1: there is none */
	pid_t pid;
	pthread_mutex_t mutex;
};

/* `fuse`: the connection, mounted. The calling process has one thread. -errno: there is none, and the calls say so. */
int herald_start(struct herald *h, int fuse);
/* Writes a message to the kernel, as writev does: bytes or -errno of the kernel's. -EPIPE: there is no herald. */
ssize_t herald_writev(struct herald *h, const struct iovec *iov, int count);
/* Looks a path up, and the attributes of what it leads to. -EPIPE as above, or the kernel's answer. */
int herald_look(struct herald *h, const char *path);
/*
 * Opens a regular file, asks where it ends, and then where its data begins: both under the kernel's lock of the inode,
 * which writers hold. -EPIPE as above, or what opening it said.
 */
int herald_settle(struct herald *h, const char *path);
/* Is that the herald's pid? */
bool herald_is(const struct herald *h, pid_t pid);
/* Waits for its end. No call is under way. */
void herald_stop(struct herald *h);

/* What the process does, with the numbers of its descriptors. */
int herald_main(int fuse, int sock);
