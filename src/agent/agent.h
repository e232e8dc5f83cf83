/*
 * The hook engine: catches system calls of the program that it is loaded into
 * and gives each to the handler of its number. docs/agent.md has the drawing.
 *
 * Everything here is freestanding and runs on the program's stack, at a depth
 * that the program did not plan for: handlers keep their frames small (below
 * 2 KiB in all). No handler calls libc, keeps a lock across the program's
 * code, aborts or prints. On doubt it hands the call on.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "agent/layout.h"
#include "base/compiler.h"

struct sigtable;

/*
 * The registers of a caught call, as the program had them. Registers that are
 * not here still hold the program's values. What a handler writes to rdi..r9
 * is what the program finds in them afterwards.
 */
struct agent_regs {
	long rax;			 /* the number */
	long rdi, rsi, rdx, r10, r8, r9; /* arguments, in this order */
	long flags;			 /* ah: lahf, al: the overflow flag */
	uint64_t site;			 /* address of the syscall instruction */
	uint64_t resume;		 /* where the program goes on */
	uint64_t mask;			 /* entry.S: the signal mask to go back to */
	uint64_t rbp;			 /* to look at: the program keeps what it has */
};

/* A thread of the program: a page of its own, found through the %gs base. */
struct agent_thread {
	struct agent_thread *self;
	uint32_t depth;	  /* 1 while the agent runs in this thread */
	uint32_t pending; /* 1: signals were put off, all are blocked: see signal.h */

	/* Between a clone and its two returns (thread.c); signals are blocked. */
	struct agent_thread *child;
	struct agent_thread *parent;
	uint64_t clone_resume;
	uint64_t clone_mask;  /* the program's signal mask */
	uint64_t clone_flags; /* of the clone that made this thread */
	uint32_t refs;	      /* the thread itself, and its parent until it has returned. Atomic. */

	int tid;
	uint64_t saved_mask;	      /* with `pending`: the mask to go back to */
	uint64_t hidden_mask;	      /* SIGSEGV, SIGBUS: blocked as the program sees it, open in truth */
	struct sigtable *signals;     /* shared by threads, as the kernel shares handlers */
	struct sigtable *own_signals; /* mapped for a child that shares memory but not handlers */
	void *scratch;		      /* of an exec in a child that shares memory: the parent unmaps it */
	size_t scratch_size;
	void *user;	   /* for the handlers' owner: survives nothing but this thread; see agent_hooks */
	void *world;	   /* this thread's seat in the world of eBPF: see world.h */
	uint32_t clone_nr; /* between a clone and its two returns: which call it is */
	uint32_t spare32;
	uint64_t entry; /* agent_entry, where stubs go: their code knows no address of the process */
	uint64_t spare;

	uint32_t calls[AGENT_NR]; /* caught */
	uint32_t answered[AGENT_NR];
} __attribute__((aligned(4096)));

_Static_assert(sizeof(struct agent_thread) == 4096, "one page");
_Static_assert(sizeof(struct agent_regs) == R_SIZE, "entry.S");
_Static_assert(offsetof(struct agent_thread, depth) == T_DEPTH, "entry.S");
_Static_assert(offsetof(struct agent_thread, pending) == T_PENDING, "entry.S");
_Static_assert(offsetof(struct agent_thread, child) == T_CHILD, "entry.S");
_Static_assert(offsetof(struct agent_thread, parent) == T_PARENT, "entry.S");
_Static_assert(offsetof(struct agent_thread, clone_resume) == T_RESUME, "entry.S");
_Static_assert(offsetof(struct agent_thread, user) == T_USER, "entry.S");
_Static_assert(offsetof(struct agent_thread, entry) == T_ENTRY, "patch.c");
_Static_assert(offsetof(struct agent_thread, calls) == T_CALLS, "entry.S");
_Static_assert(offsetof(struct agent_thread, answered) == T_ANSWERED, "entry.S");
_Static_assert(offsetof(struct agent_regs, rax) == R_RAX, "entry.S");
_Static_assert(offsetof(struct agent_regs, rdi) == R_RDI, "entry.S");
_Static_assert(offsetof(struct agent_regs, r9) == R_R9, "entry.S");
_Static_assert(offsetof(struct agent_regs, site) == R_SITE, "entry.S");
_Static_assert(offsetof(struct agent_regs, mask) == R_MASK, "entry.S");
_Static_assert(offsetof(struct agent_regs, rbp) == R_RBP, "entry.S");

/* Not results of any system call: neither an errno nor an address. */
#define AGENT_HAND_ON ((long)INT64_MIN)	      /* the kernel is to do it, at the program's own instruction */
#define AGENT_ELSEWHERE ((long)INT64_MIN + 1) /* the handler has set regs->resume */

/*
 * A handler: the result as the kernel would give it (a value or -errno), or
 * AGENT_HAND_ON. Runs with depth 1: handlers of the program that would
 * interrupt it are put off to its end, so it must not block: see
 * agent_kernel.
 */
typedef long (*agent_handler)(struct agent_thread *t, struct agent_regs *r);

/*
 * Sets the handler of a number; NULL: hand on. Before agent_patch has run (from
 * agent_setup), or any time for a number that is caught already. Returns the
 * handler that was there, to be called for what the new one does not do.
 */
agent_handler agent_register(unsigned nr, agent_handler h);

/*
 * Sets a short way for a number that has a handler: called in its place with
 * t->user, where that is not NULL, and the registers. Returns the one that was there.
 */
typedef long (*agent_short)(void *user, const struct agent_regs *r);
agent_short agent_register_short(unsigned nr, agent_short f);

/*
 * How `user` begins, where there are short ways. A call whose number has one and was
 * given to agent_by_descriptor is handed on at once if bit 0 of ours[rdi] is not
 * set, and *count goes up by one: before anything is saved, so that pipes and sockets
 * hardly wait.
 */
struct agent_foreign {
	const uint8_t *ours; /* FOREIGN_FDS of them */
	uint64_t *count;
};
void agent_by_descriptor(unsigned nr);

/*
 * `changed` is called in each thread's next caught call after *word has another
 * value than agent_seen(), which it sets: for those who change handlers while
 * the program runs. Costs each call a load and a branch.
 */
void agent_watch(const uint32_t *word, void (*changed)(struct agent_thread *t));
void agent_seen(uint32_t value);

/* Called once, before any code is patched: the place for agent_register. Weak; the user-space VFS defines it. `config`:
 * the third field of BTFUSE_AGENT. */
void agent_setup(const char *config);

/*
 * Makes a system call as the program: put-off signals are delivered first,
 * handlers may run during it (and leave it by siglongjmp: no state may be held
 * that this would strand). For calls that may block, and for exec.
 */
long agent_kernel(struct agent_thread *t, long nr, long a, long b, long c, long d, long e, long f);
/* The caught call itself, so made. For those who want to see its result. */
long agent_pass(struct agent_thread *t, const struct agent_regs *r);

/* This thread. Defined in every thread of a program with the agent active. */
static inline struct agent_thread *agent_self(void)
{
	struct agent_thread *t;

	__asm__("mov %%gs:0, %0" : "=r"(t));
	return t;
}

/*
 * Moments in the life of threads and processes that the handlers' owner needs
 * to see. NULL: not wanted. All run with depth 1 and all signals blocked.
 * `flags` are clone's (CLONE_VM, CLONE_FILES, CLONE_THREAD...).
 */
struct agent_hooks {
	/* Before a clone: in the parent. Not 0: the clone fails with it. */
	long (*before_clone)(struct agent_thread *parent, struct agent_thread *child, uint64_t flags);
	/* After it: in the parent; `pid` is what it returns, -errno where it failed. */
	void (*parent_cloned)(struct agent_thread *parent, struct agent_thread *child, uint64_t flags, long pid);
	/* After it: first thing in the child, before any of its code. */
	void (*child_cloned)(struct agent_thread *child, uint64_t flags);
	/* After these, in both: `nr` was the call, r->rax is what it gives, and may be changed in the parent. */
	void (*clone_returns)(struct agent_thread *t, struct agent_regs *r, uint32_t nr);
	/* The agent is up in a new program, and nothing of it has run. */
	void (*started)(struct agent_thread *t);
	void (*before_exec)(struct agent_thread *t, bool carries); /* the new program will have the agent too */
	void (*exec_failed)(struct agent_thread *t);
	/* The thread ends (exit), or with `whole` the process does (exit_group). */
	void (*before_exit)(struct agent_thread *t, int whole);
	/* There is code in the program whose calls are not caught, for want of memory say. */
	void (*blind)(struct agent_thread *t);
	/* Why call `nr`, which was just handed on, was not answered: enum stats_why. `user` is not NULL. */
	unsigned (*why)(const void *user, unsigned nr);
};

extern struct agent_hooks agent_hooks;

/* Address space that the handlers' owner takes in a program, for exec. */
extern uint64_t agent_room;

/* The program has put a filter on its system calls, which may kill for one of ours: none that can be left out is made.
 */
extern bool agent_quiet;

/*
 * Patches the sites of `nr` that are not patched yet, in every object that is
 * mapped: for programs that are attached later. Safe with other threads
 * running, see patch.h. Returns how many.
 */
int agent_patch_number(unsigned nr);
