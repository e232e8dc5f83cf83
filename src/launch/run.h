/*
 * Starting a program with the agent. The agent comes by LD_PRELOAD; the
 * variables that carry it are taken out again before the program's first
 * instruction (agent/exec.h).
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct run_options {
	const char *agent;	    /* libbtfuse-agent.so. NULL: installed, or beside this program in the build tree */
	const char *scanner;	    /* bt-fuse-sites. NULL: likewise */
	const char *table;	    /* the table file. NULL: ~/.cache/bt-fuse/sites */
	const char *const *objects; /* ELF files whose sites should be known too; NULL-terminated, or NULL */
	bool stats;		    /* print what was counted when the program has ended */
	bool processes;		    /* with stats: each process */
	bool verbose;		    /* with stats: each call, and programs that took no agent */
	FILE *out;		    /* where to. NULL: stderr */
	const char *unserved;	    /* with stats: mounts that the handlers are not told of. NULL: none */
	const char *handlers;	    /* what the agent's handlers are told: see agent/host.c. NULL: nothing */
};

/*
 * Replaces this process by `argv` with the agent; with `stats`, runs it as a
 * child and waits. Returns only then: its exit status (as a shell has it for a
 * signal, 128 + number), or where it could not be started 126 or 127, after
 * saying why on stderr. A program that takes no agent runs without one. So
 * does every program where the agent or the table can't be had.
 */
int run_exec(const struct run_options *o, char **argv);

/*
 * Sees to it that the table knows the C library and the loader that this
 * process runs with, libraries beside them that are known to make system calls
 * of their own, and o->objects. 60 ms for what is missing, once. 0 or -errno.
 */
int run_prepare(const struct run_options *o);

/*
 * A file that was installed or built together with this program: the first of
 * `names` (paths below the prefix or the build directory, NULL at the end) that
 * is there. To be freed. NULL: none.
 */
char *run_find(const char *const *names);

/* How many of these objects the table does not know yet, or -errno. Scans nothing. */
int run_unknown(const struct run_options *o);
/* Are the agent and the scanner where they are looked for? */
bool run_installed(const struct run_options *o);
