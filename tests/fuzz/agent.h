/*
 * The loader's side of eBPF (src/agent/load*.c) in a process of the test: its
 * handlers are called as functions, on a world of their own, with a server
 * (src/bpfd) in a child. Memory that a call names is copied by the kernel, so
 * that a bad pointer is an error, and one that is used without a copy a crash.
 */
#pragma once

#include "world/world.h"

/* Once. Ends the process where it fails. Environment: VMLINUX, what loaders find as the kernel's BTF. */
void agent_start(void);
/* The call as a loader would make it; its result. */
long agent_call(long nr, long a, long b, long c, long d, long e, long f);
/* A fork of the loader that the kernel refuses. */
void agent_fork_fails(void);
/* First thing in a child: it is a loader of its own. 0 or -errno. */
int agent_forked(void) must_check;
struct task *agent_task(void);
/* A connection to the server, for who has something else to say to it. */
int agent_connect(void);
