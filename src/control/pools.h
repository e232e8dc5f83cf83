/*
 * Where pools lie as files: one for each mount, in the system's shared memory
 * file system. It outlives its daemon when that is killed.
 */
#pragma once

#include <limits.h>
#include <stdint.h>

#include "base/compiler.h"

#define POOLS_DIR "/dev/shm"

struct pools_path {
	char s[128];
};

/* The file of this user's pool `name`. */
struct pools_path pools_path(const char *name);

/*
 * Opens it for reading and writing. -ENOENT: there is none. -EPERM: what is
 * there is not a plain file of this user with mode 0600, or has other names.
 */
int pools_open(const char *name) must_check;

struct pools_found {
	char name[64];
	uint64_t size;	 /* length of the file */
	uint64_t memory; /* bytes of memory it takes */
};

/* Calls `each` for all of this user's pool files, of live and of dead daemons. 0 or -errno. */
int pools_each(void (*each)(void *arg, const struct pools_found *found), void *arg);
