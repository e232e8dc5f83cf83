/*
 * What libfuse 3.14 does not pass on: parts of the FUSE protocol that this file
 * system needs and the library neither negotiates nor hands to its operations.
 * Sits between libfuse and /dev/fuse, through fuse_session_custom_io().
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

struct herald;

/* One connection to the kernel. Zeroed, then `ready` set, before the first read. */
struct wire {
	void (*ready)(void *arg); /* the kernel has its answer to INIT: the mount works */
	void *arg;
	unsigned long init;    /* unique id of the INIT request, 0 when answered */
	unsigned offered;      /* INIT flags of the kernel */
	struct herald *herald; /* writes what waits for the kernel's locks, or NULL */
};

/* read(2) and writev(2) on a descriptor of /dev/fuse, looking into what passes. */
ssize_t wire_read(struct wire *w, int fd, void *buf, size_t len);
ssize_t wire_writev(struct wire *w, int fd, struct iovec *iov, int count);

/*
 * Does the request that this thread read last want the set-id bits dropped? By
 * FUSE_HANDLE_KILLPRIV_V2: a write, truncation or opening with O_TRUNC by a
 * caller without CAP_FSETID.
 */
bool wire_kill_suidgid(void);
