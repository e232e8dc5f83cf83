/*
 * Helpers: what programs call, by the kernel's numbers. They reach what they
 * need through struct run: run->owner is a struct maps_run, run->base the
 * start of the world, run->helpers is maps_helpers.
 *
 *	struct maps_run mr = {.t = &task, .host = &host, .arg = mine};
 *	struct run run;
 *
 *	maps_run_init(&run, &mr);
 *	run_enter(mr.t);
 *	... find the programs; for each: mr.prog = arg; run_program(entry, ctx, &run) ...
 *	maps_run_end(&run);
 *	run_leave(mr.t);
 */
#pragma once

#include "bpf/run.h"
#include "maps/map.h"

#define MAPS_HELPERS 256u

struct maps_run;

/*
 * What only the process knows in which programs run. Every entry but the last two must be
 * there; none is called with a lock held but for those of `mr` itself (the CPU,
 * a spin lock of the program is never held in a helper). Errors are -errno.
 */
struct maps_host {
	uint64_t (*pid_tgid)(struct maps_run *mr); /* tgid << 32 | pid */
	uint64_t (*uid_gid)(struct maps_run *mr);  /* gid << 32 | uid */
	void (*comm)(struct maps_run *mr, char comm[16]);
	/* The current task's image (struct maps_task, fields up to date), readable memory of this process. */
	void *(*task)(struct maps_run *mr);
	/* Device and inode of this process's pid namespace. */
	int (*ns)(struct maps_run *mr, uint64_t *dev, uint64_t *ino);
	int (*send_signal)(struct maps_run *mr, uint32_t sig, bool thread);
	/* trace_printk: a line for the trace log, no newline added. */
	void (*print)(struct maps_run *mr, const char *text, uint32_t len);
	/* Somebody may sleep on the ring (RINGBUF map or perf ring) at this offset: data was made visible. */
	void (*wake)(struct maps_run *mr, uint64_t ring);
	int (*override)(struct maps_run *mr, void *ctx, uint64_t value);
	int (*get_retval)(struct maps_run *mr);
	int (*set_retval)(struct maps_run *mr, int value);
	uint64_t (*cookie)(struct maps_run *mr, void *ctx);
	/* Return addresses of the user's stack at this call, innermost first: how many, at most `max`; or -errno. */
	int (*stack)(struct maps_run *mr, void *ctx, uint64_t *ip, uint32_t max);
	/* Entry of the program with reference `ref` (PROG_ARRAY) in this process, 0: not to be run here. */
	uint64_t (*entry)(struct maps_run *mr, uint64_t ref);
	/*
	 * A name that others understand for a callback of the program that runs
	 * (timer_due.callback), not 0. NULL: nobody runs timers (timer.h).
	 */
	uint64_t (*callback_ref)(struct maps_run *mr, uint64_t fn);
	/* Does a loader hold the map at this offset open, or a pin name it? There if callback_ref is. */
	bool (*map_used)(struct maps_run *mr, uint64_t map);
};

struct maps_nsproxy {
	struct maps_mnt_ns {
		uint32_t inum;
	} * mnt_ns;
};

/*
 * What bpf_get_current_task() points to: the fields of the kernel's struct
 * task_struct that can be read here, under their names there. The layer above
 * serves a BTF with this layout, so that CO-RE finds them.
 */
struct maps_task {
	int32_t pid, tgid;				       /* pid: of the thread */
	struct maps_task *real_parent, *parent, *group_leader; /* never NULL: the last one's parent is itself */
	uint64_t start_time, start_boottime;		       /* ns */
	uint32_t flags;
	int32_t exit_code;
	char comm[16];
	struct maps_nsproxy *nsproxy; /* NULL: not known */
};

_Static_assert(sizeof(struct maps_task) == TASK_BYTES && offsetof(struct maps_task, real_parent) == TASK_POINTERS &&
		   offsetof(struct maps_task, start_time) == TASK_POINTERS_END,
	       "the verifier knows it");

/* One thread's, while it runs programs. The members above the line are the runner's. */
struct maps_run {
	struct task *t;
	const struct maps_host *host;
	void *arg; /* the host's */
	/* --- */
	uint64_t spin;	  /* offset of the lock word behind the spin lock that is held; 0: none */
	struct map *ring; /* the ring that was reserved from last */
	uint64_t prandom;
	uint64_t timer; /* timer_due.entry of the callback that runs; 0: it is none */
};

/* By number; NULL where the kernel has a helper and we do not: a loader refuses such programs, as the verifier does. */
extern const run_fn maps_helpers[MAPS_HELPERS];

/* Fills *run for programs in this process; `mr` must outlive it. */
void maps_run_init(struct run *run, struct maps_run *mr);
/* After the last program: gives up the CPU if one was taken. Cheap where none was. */
void maps_run_end(struct run *run);

/* For the checking interpreter: may a program touch these bytes of the world, as value of some map? */
bool maps_access(const struct pool *p, uint64_t addr, uint64_t len, bool write);

/*
 * The CPU. Programs on one CPU do not interrupt each other in the kernel, so
 * they count in per-CPU values without atomic instructions. Threads in user
 * space are preempted anywhere; so here a CPU is a *seat*, one of as many as
 * the machine has CPUs, held by one thread from the first helper that asks for
 * it to maps_run_end(). A thread takes the seat of the CPU it runs on, or a
 * free one, or waits for it. Holding it is a lock word of the world: the seat
 * of a dead thread is free again. bpf_get_smp_processor_id() gives the seat.
 *
 * Returns the seat; takes one if need be.
 */
uint32_t maps_cpu(struct run *run);
