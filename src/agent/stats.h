/*
 * Counters that all processes of a `bt-fuse run --stats` add to: a shared file
 * that the launcher made (its layout: launch/stats_file.h). Without one, nothing
 * here does anything.
 */
#pragma once

#include "agent/agent.h"
#include "launch/stats_file.h"

extern struct stats_file *stats_file;

/* Maps `path`. */
void stats_start(const char *path);
/* A call is handed to the kernel, for this reason. */
void stats_handed(unsigned nr, enum stats_why why);
/* Adds the thread's counters and clears them. */
void stats_thread(struct agent_thread *t);
/* Those of all threads: before exit_group and exec. */
void stats_process(void);
/* In a forked child: what is in the pages has been counted, or will be, by the parent. */
void stats_forked(void);
/* Adds to an event, one or `n`. */
void stats_event(enum stats_event e);
void stats_add(enum stats_event e, uint64_t n);
