/* Starting a loader: a libbpf application whose bpf(2) is answered here. */
#pragma once

#include <sys/types.h>

#include "bpfd/bpfd.h"

#define LOADER_SETS 32 /* --set options */

/* The loader of object files and its arguments: {attach, "--set", ..., object, NULL}. */
struct loader_object {
	char *argv[2 * LOADER_SETS + 6];
	int argc;
};

/* Begins argv with bt-fuse-attach. -ENOENT with a text: it is not installed. free(o->argv[0]). */
int loader_object(struct loader_object *o, struct err *err) must_check;
void loader_add(struct loader_object *o, const char *option, const char *value);

/*
 * Forks and becomes `argv` in the child, standard output at `out` (-1: as it
 * is). The child ends when this process does. The pid, or -errno.
 */
pid_t loader_spawn(const struct bpfd *s, char **argv, int out);

/* What `bt-fuse run` hands to the agent: all mounts, the world. NULL: nothing. To be freed. */
char *loader_run_config(void);
