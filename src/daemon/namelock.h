/*
 * One daemon a name: proven by the kernel with flock(2) on a file of its own,
 * <runtime directory>/<name>.lock. The pool's file will not do: its open file
 * description is handed to clients, which would hold the lock on.
 */
#pragma once

#include "base/compiler.h"
#include "control/rundir.h"

struct namelock {
	int fd; /* -1: not held */
	char path[PATH_MAX / 2];
};

/*
 * Takes the lock. A daemon of this name that is just ending is waited for, up
 * to five seconds. 0; -EEXIST: a daemon serves this name; or -errno; with a text.
 */
int namelock_take(struct namelock *l, const struct rundir *dir, const char *name, struct err *err) must_check;

/* Removes the file and lets go. */
void namelock_release(struct namelock *l);
