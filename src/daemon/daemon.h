/*
 * The daemon of one mount: makes a pool or takes over the one that a killed
 * daemon left, mounts it, and answers the kernel and the control socket until
 * it is unmounted.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/compiler.h"
#include "control/err.h"

enum daemon_flags {
	DAEMON_NOATIME = 1 << 0,
};

struct daemon_config {
	const char *mountpoint; /* canonical, see mounts_resolve */
	const char *name;	/* see rundir_name_ok */
	const char *options;	/* for libfuse, comma-separated; may be empty */
	uint64_t size;		/* bytes of data; 0: not given */
	uint64_t inodes;	/* 0: not given */
	uint32_t root_mode;	/* permission bits of a new pool's root */
	uid_t root_uid;
	gid_t root_gid;
	unsigned flags; /* enum daemon_flags */

	/* Something that the user ought to know, one line; before `ready` and from the calling thread. */
	void (*note)(void *arg, const char *line);
	/* The mount answers. Once, from any thread. */
	void (*ready)(void *arg);
	void *arg;
};

/*
 * Mounts, serves, returns 0 after the unmount. -errno with a text: it was not
 * mounted, or ended by an error, and is mounted no more. The process is the
 * daemon's alone: it has one thread, signals are taken over, and it must not
 * have attached a pool. Whoever wants to go on in the background forks first.
 *
 * The pool's file is removed at the unmount, as a tmpfs forgets. It stays where
 * the daemon dies or the connection to the kernel breaks: the next daemon of
 * this name then takes it over.
 */
int daemon_serve(const struct daemon_config *config, struct err *err) must_check;

/* The process that daemon_serve starts beside itself (daemon/herald.h): the program, with these two descriptors. */
int daemon_herald(int fuse, int sock);
