/*
 * Pages of threads, and the calls that make and end threads and processes.
 *
 * A clone is made in entry.S with %gs already at the child's page: the child
 * inherits it and is never without one of its own. Signals are blocked from
 * before the call until each side is back in its own page. A page is free
 * again when its thread has ended *and* its parent has returned from the clone.
 */
#pragma once

#include "agent/agent.h"

/* The first thread's page. There must be wrgsbase. */
void thread_start(void);

/* Handlers. */
long handle_clone(struct agent_thread *t, struct agent_regs *r);
long handle_clone3(struct agent_thread *t, struct agent_regs *r);
long handle_fork(struct agent_thread *t, struct agent_regs *r);
long handle_vfork(struct agent_thread *t, struct agent_regs *r);
long handle_exit(struct agent_thread *t, struct agent_regs *r);
long handle_exit_group(struct agent_thread *t, struct agent_regs *r);

/* entry.S: the way in. */
void agent_entry(void);
/* entry.S: after the call, on both sides. */
void agent_cloned(struct agent_thread *t, struct agent_regs *r);
/* entry.S */
void agent_clone(void);
void agent_exit_thread(uint32_t *refs, long status) __attribute__((noreturn));

/* Calls `f` with the page of each thread of the process. Counters in them may be moving. */
void thread_each(void (*f)(struct agent_thread *t, void *arg), void *arg);
