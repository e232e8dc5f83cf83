/*
 * The shared file of --stats: written by every process with the agent, read by
 * the launcher when the program has ended. All words are counters, added to
 * atomically.
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

struct stats_file {
	uint64_t events[32];
	uint64_t calls[STATS_NR];
	uint64_t answered[STATS_NR];
};

_Static_assert(STATS_EVENTS <= 32, "the file's layout");
