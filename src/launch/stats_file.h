/*
 * The shared file of --stats: written by every process with the agent, read by
 * the launcher when the program has ended. All words are counters, added to
 * atomically, but for those of a process that say so.
 */
#pragma once

#include <stdint.h>

#define STATS_NR 472

enum stats_event {
	STATS_STARTED,	   /* agents that came up */
	STATS_FORKED,	   /* processes made without exec */
	STATS_EXEC,	   /* execs that carry the agent on */
	STATS_EXEC_STATIC, /* execs of what takes no agent: static, or another architecture or loader */
	STATS_EXEC_SETUID, /* execs that change privileges */
	STATS_EXEC_UNREADABLE,
	STATS_OBJECTS,	       /* objects whose sites were known */
	STATS_OBJECTS_UNKNOWN, /* and were not */
	STATS_SITES,	       /* patched */
	STATS_SITES_CHANGED,   /* whose bytes were not the table's */
	STATS_PASSIVE,	       /* agents that stayed away */
	STATS_START_NS,	       /* time of the agents' starts, summed up */
	STATS_EVENTS,
};

/* Why a call was handed to the kernel. */
enum stats_why {
	STATS_WHY_AGENT,     /* the agent only looks at it: processes, threads, signals; or it could not take part */
	STATS_WHY_ELSEWHERE, /* from here on as enum metrics_handed */
	STATS_WHY_REAL,
	STATS_WHY_OUTSIDE,
	STATS_WHY_PASSIVE,
	STATS_WHY_NO_SEAT,
	STATS_WHYS,
};

/* A program that a process ran: another one after an exec, and after a fork. */
struct stats_process {
	uint32_t pid; /* 0: not there yet. Constant, as the two that follow; written last */
	char name[20];
	uint64_t start; /* CLOCK_MONOTONIC, ns */
	uint64_t end;	/* when it last added to these; 0: never, it was killed before. The largest of its threads' */
	uint64_t seen, answered;
	uint64_t pad;
};

#define STATS_PROCESSES 2048u

struct stats_file {
	uint64_t events[32];
	uint64_t calls[STATS_NR];
	uint64_t answered[STATS_NR];
	uint64_t handed[8][STATS_NR]; /* by reason */
	uint64_t processes;	      /* that there were; those beyond STATS_PROCESSES have no record */
	struct stats_process process[STATS_PROCESSES];
};

_Static_assert(STATS_WHYS <= 8, "the file's layout");
_Static_assert(sizeof(struct stats_process) == 64, "a line a process");

_Static_assert(STATS_EVENTS <= 32, "the file's layout");
