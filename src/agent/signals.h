/*
 * Signals. Every handler of the program is entered through the agent, which
 * either goes on to it at once, with the frame and the registers that the
 * kernel made, or, where the agent itself was interrupted, puts the signal
 * off: it is queued again, everything is blocked, and agent_leave opens the
 * mask when no state of the agent is at stake. No system call on the path of a
 * caught call, none for a signal that hits the program's own code.
 *
 * SIGSEGV and SIGBUS are the agent's: faults in its copies (user.h) become
 * -EFAULT, all others are the program's. It never blocks them in truth; what
 * the program reads back is what it set.
 */
#pragma once

#include <signal.h>

#include "agent/agent.h"

#define SIGNALS 64

/* As rt_sigaction(2) takes it. */
struct signal_action {
	uint64_t handler; /* SIG_DFL, SIG_IGN or an address */
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

/* What the program set, by number. Shared like the kernel's own table. */
struct sigtable {
	uint32_t lock; /* writers; readers of `action` take what is there */
	struct signal_action action[SIGNALS + 1];
};

/* The process's table, and the agent's claim on SIGSEGV and SIGBUS. */
struct sigtable *signal_first_table(void);
/* Takes SIGSEGV and SIGBUS over. After thread_start. 0 or -errno. */
int signal_start(void);

/* The table of a clone's child: the parent's, or a copy where it shares memory and not handlers. NULL: no memory. */
struct sigtable *signal_table_for(struct agent_thread *parent, struct agent_thread *child, uint64_t flags);
void signal_table_drop(struct agent_thread *t);
/* In the child: of a fork; with CLONE_CLEAR_SIGHAND. */
void signal_forked(struct agent_thread *t);
void signal_cleared(struct agent_thread *t);

/*
 * What outlives exec has to be as the program sees it: ignored and blocked
 * SIGSEGV and SIGBUS. Undo where the exec failed.
 */
void signal_before_exec(struct agent_thread *t);
void signal_exec_failed(struct agent_thread *t);

/* Handlers. */
long handle_sigaction(struct agent_thread *t, struct agent_regs *r);
long handle_sigprocmask(struct agent_thread *t, struct agent_regs *r);

/* entry.S */
void agent_signal_entry(void);
void agent_restorer(void);
uint64_t agent_signal(int sig, siginfo_t *info, void *context);
void agent_open_mask(struct agent_thread *t, struct agent_regs *r);
