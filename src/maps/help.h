/* Words of the files that implement helpers. */
#pragma once

#include "maps/helper.h"
#include "maps/internal.h"

#define HELPER(name) static uint64_t name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)

static inline struct map *map_arg(uint64_t a)
{
	return (struct map *)(uintptr_t)a;
}

static inline void *ptr(uint64_t a)
{
	return (void *)(uintptr_t)a;
}

static inline uint64_t addr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static inline uint64_t num(int64_t v)
{
	return (uint64_t)v;
}

static inline struct maps_run *owner_of(struct run *run)
{
	return run->owner;
}

static inline struct task *task_of(struct run *run)
{
	return owner_of(run)->t;
}
