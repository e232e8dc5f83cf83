/* The commands' end of the control socket. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "control/control.h"
#include "control/rundir.h"

/*
 * Connects to the daemon that serves the mount `name` and verifies that it is
 * of this user. Returns the socket, -ENOENT or -ECONNREFUSED where there is no
 * daemon, or -errno. A daemon that does not answer within five seconds gives
 * -ETIMEDOUT in the calls below.
 */
int ask_connect(const char *name) must_check;

/* What the daemon says of itself. 0 or -errno. */
int ask_info(int sock, struct control_info *info) must_check;

/* A descriptor of the pool, to be handed to fs_attach. Returns it or -errno. */
int ask_pool(int sock, struct control_attach *reply) must_check;

/* What came of one daemon. */
struct ask_answer {
	const char *name;		 /* of its socket */
	int sock;			 /* connected, for more requests until `each` returns */
	const struct control_info *info; /* NULL: it has not answered in time, it may be stopped; sock is -1 then */
};

typedef int (*ask_each_fn)(void *arg, const struct ask_answer *answer);

/* How long to wait for daemons where there is no reason for another time. */
#define ASK_EACH_MS 2000u

/*
 * Asks every daemon of this user, all at once, and calls `each` with each answer
 * as it comes; after `ms` with those that have not answered. Stops where it
 * returns nonzero, and returns that. 0 or -errno.
 */
int ask_each(unsigned ms, ask_each_fn each, void *arg);

/* Finds the daemon whose mount is on `dir` (canonical). */
bool ask_find(const char *dir, struct control_info *info);
