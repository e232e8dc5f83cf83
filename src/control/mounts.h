/* The kernel's mount table, as far as it concerns this file system. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/err.h"

#define MOUNTS_TYPE "fuse.bt-fuse"

struct mounts_entry {
	int id; /* of this mount, unique while it lasts */
	dev_t dev;
	uid_t user; /* who mounted it */
	char dir[PATH_MAX];
	char source[256];
};

/* Calls `each` for every mount of this type; stops where it returns nonzero and returns that. Or -errno. */
int mounts_each(int (*each)(void *arg, const struct mounts_entry *m), void *arg);

/* The topmost mount of this type on `dir` (as mounts_resolve gives it). */
bool mounts_find(const char *dir, struct mounts_entry *out);

/*
 * Does nobody answer for the mount on `dir` any more? Asks with statfs(2): its
 * answer is never cached, unlike stat's. False too where this user may not ask,
 * and after two seconds without an answer. For a process with one thread.
 */
bool mounts_dead(const char *dir);

/*
 * The absolute path of a directory that is or may become a mount point,
 * without touching the directory itself, which may be a dead mount. `out` has
 * PATH_MAX bytes. 0 or -errno.
 */
int mounts_resolve(const char *dir, char *out);

enum mounts_how {
	MOUNTS_CLEAN = 0, /* -EBUSY while a file in it is open */
	MOUNTS_LAZY = 1,  /* takes it out of the tree at once */
};

/*
 * Unmounts `dir`: by itself where this user may, else with fusermount3 (a
 * child process; standard error is caught: control/capture.h). 0 or -errno
 * with a text.
 */
int mounts_unmount(const char *dir, enum mounts_how how, struct err *err);
