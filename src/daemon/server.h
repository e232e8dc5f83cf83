/*
 * The daemon's end of the control socket (control/control.h): tells this
 * user's processes about the mount, and hands them the pool.
 */
#pragma once

#include "control/control.h"
#include "control/err.h"
#include "control/rundir.h"
#include "loop/loop.h"

struct server;

struct server_config {
	struct loop *loop;
	const struct rundir *dir;
	const char *name;
	int pool; /* descriptor to hand out, not owned */
	/* Fill in replies, but for their heads. From the loop's thread. 0 or -errno. */
	int (*info)(void *arg, struct control_info *info);
	int (*attach)(void *arg, struct control_attach *reply);
	/*
	 * Has the kernel forget, later, and then calls server_told(sock), which it owns: from any thread. From the
	 * loop's thread. -errno: not, and `sock` is closed.
	 */
	int (*stale)(void *arg, const struct control_stale *s, int sock);
	void *arg;
};

/* Answers a CONTROL_STALE, and closes. */
void server_told(int sock);

/* Path of the socket. */
const char *server_path(const struct server *s);

/*
 * Listens. A socket that a killed daemon left is replaced: the caller holds
 * the name's lock. 0, or -errno with a text.
 */
int server_open(const struct server_config *config, struct server **out, struct err *err) must_check;

/* Stops listening, drops the clients, removes the socket. Its loop does not run any more. NULL is fine. */
void server_close(struct server *s);
