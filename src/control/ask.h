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
/* The same with another patience than five seconds. */
int ask_connect_within(const char *name, unsigned ms) must_check;

/* What the daemon says of itself. 0 or -errno. */
int ask_info(int sock, struct control_info *info) must_check;

/* A descriptor of the pool, to be handed to fs_attach. Returns it or -errno. */
int ask_pool(int sock, struct control_attach *reply) must_check;

/* Calls `each` with the answer of every daemon of this user that answers; stops where it returns nonzero. */
int ask_each(int (*each)(void *arg, const struct control_info *info), void *arg);
/*
 * The same for who looks on and must not be held up by a daemon that is stopped: all of them together have `ms`
 * to answer. *silent: how many did not.
 */
int ask_each_within(unsigned ms, unsigned *silent, int (*each)(void *arg, const struct control_info *info), void *arg);

/* Finds the daemon whose mount is on `dir` (canonical). */
bool ask_find(const char *dir, struct control_info *info);
