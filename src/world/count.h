/*
 * What programs have done, counted as src/metrics counts calls: a record a task
 * seat, which the task alone writes, with one instruction a counter, and which
 * is never cleared. The sum over all records is that of all tasks that there
 * ever were. Freestanding; where nothing is attached nothing of this is touched.
 */
#pragma once

#include "world/world.h"

static inline void world_add(uint64_t *counter, uint64_t n)
{
	__asm__("addq %1, %0" : "+m"(*counter) : "er"(n) : "cc");
}

/* The record of the task's seat, with memory behind it; NULL: none is to be had. */
struct world_count *world_count_of(struct world *w, const struct task *t);

/* Adds up all records. Needs no seat and no right to write. */
struct world_count world_count_sum(const struct world *w);
