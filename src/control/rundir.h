/*
 * Where a user's daemons meet the user's commands: the runtime directory with
 * a socket and a lock file for each mount, and the names of mounts.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "control/err.h"

#define RUNDIR_CANDIDATES 2

struct rundir {
	char path[PATH_MAX / 4];
};

/*
 * The n-th directory in which this user's sockets may lie, n below
 * RUNDIR_CANDIDATES; false where there is none. Root: /run/bt-fuse, whatever
 * the environment says: mounts made at boot and by hand are to meet. Others:
 * $XDG_RUNTIME_DIR/bt-fuse, if that is a directory of the user's own (su keeps
 * the variable of who called it), or else /run/user/<uid>/bt-fuse, where the
 * variable usually points; then /tmp/bt-fuse-<uid>. A daemon uses the first;
 * who looks for daemons looks into all: the user may have logged in meanwhile.
 */
bool rundir_candidate(int n, struct rundir *dir);

/*
 * Makes the first candidate if need be and verifies that it is a directory,
 * of this user, with mode 0700, and no symbolic link. 0 or -errno with a text.
 */
int rundir_make(struct rundir *dir, struct err *err) must_check;

/* As rundir_make verifies, without making and without a text. */
bool rundir_trusted(const struct rundir *dir);

/* Is it a name for a mount: 1 to 63 of [A-Za-z0-9._-], no '.' first? */
bool rundir_name_ok(const char *name);

/*
 * The name of a mount on `path` (absolute, canonical) if none is given: its
 * last component and a hash of the whole, so that mounting the same place
 * again finds the same pool. `name` has 64 bytes.
 */
void rundir_default_name(const char *path, char *name);
