/*
 * This process's part in the world of eBPF (src/world): the mapping, the
 * process's and threads' seats in it, programs' machine code in pages of this
 * process. Without a world, and for threads that get no seat, calls are not
 * hooked by programs; all else works.
 *
 * Seats are taken at the first need, by the first program that is to run: a
 * child after fork has none until then.
 */
#pragma once

#include "agent/agent.h"
#include "maps/helper.h"
#include "world/count.h"

/* The call that programs look at. On the stack of its handler. */
struct hook_call {
	struct agent_thread *thread;
	struct agent_regs *regs;
	uint32_t nr;
	bool exit;
	bool overridden; /* a program has set `ret` */
	bool kernel;	 /* a program wants the kernel to do it */
	uint8_t changed; /* a bit an argument that a program has replaced, by what stands in `argument` */
	uint8_t way;	 /* enum hook_way */
	long ret;
	uint64_t cookie; /* of the link whose program runs */
	uint64_t delay;	 /* ns before it is made */
	/* From the first run of programs at it. */
	uint32_t version; /* of what was attached */
	bool exits;	  /* so was something to its exit */

	long argument[6]; /* those in `changed` */
};

enum hook_way {
	WAY_UNDECIDED, /* enter */
	WAY_HERE,      /* answered in this process */
	WAY_KERNEL,    /* nothing here answers this number */
	WAY_PASSED,    /* what answers this number passed it on */
	WAY_FORCED,    /* a program wanted the kernel */
};

/* A thread's seat; a page or two of its own. */
struct world_thread {
	struct task task;
	struct maps_run maps;
	struct run run;
	struct hook_call *call;	      /* while programs run */
	struct world_count *count;    /* never NULL */
	struct world_count uncounted; /* where the seat's record has no memory */
	uint32_t turns;		      /* calls with programs, to look now and then whether their loaders live */
	uint32_t comm_known;
	char comm[16];
	struct maps_task image, parent;
	char path[1][4096];	/* of helpers */
	char set_path[2][1024]; /* arguments that a program has put in place of the call's */
};

/*
 * `fd`: the world's file, the agent's from then on. Only what says whether anything is attached is mapped; the rest is
 * when it is first asked for, since most programs end before. 0 or -errno.
 */
int agent_world_start(int fd);
/* Has programs run at this process's calls. */
void agent_world_hook(void);
/* A child after fork: goes on in the client seat that its parent made for it. */
void agent_world_take(uint32_t client);
/* NULL: there is none, or no room for it. */
struct world *agent_world(void);

/* This thread's seat, taken if need be. NULL: none is to be had. */
struct world_thread *agent_world_seat(struct agent_thread *t);
static inline struct world_thread *agent_world_thread(struct agent_thread *t)
{
	return likely(t->world) ? t->world : agent_world_seat(t);
}

/* Machine code of program `id` in this process. NULL: there is no such program any more. */
run_fn agent_code(struct world_thread *w, uint32_t id);
/* The callback at address `fn` in code that agent_code() gave, as object.h names it. 0: it is in none. */
uint64_t agent_callback_ref(uint64_t fn);
/* Lets go of code of programs that are gone. Nobody of this process runs any of them. */
void agent_code_sweep(struct world_thread *w);

/* Registers handlers that keep programs from the world's descriptor. */
void agent_hide_world(void);
/* Is `fd` the world's? Programs are not to see it. */
bool agent_world_fd(long fd);

/* As agent_hooks has them. */
void agent_world_cloned(struct agent_thread *child, uint64_t flags);
void agent_world_exec(struct agent_thread *t, bool carries);
void agent_world_exec_failed(struct agent_thread *t);
void agent_world_exit(struct agent_thread *t, int whole);

/* What helpers ask of this process (env.c). */
extern const struct maps_host agent_env;
void agent_env_start(void);
/* Fills in the table of helpers: the kernel's, and our own. */
void agent_env_helpers(void);
extern run_fn agent_helpers[MAPS_HELPERS];
/* Enters our own helpers into it (own.c). */
void agent_own_start(void);
/* Forget what was remembered of this process: after fork, after a change of who it is. */
void agent_env_forget(void);
