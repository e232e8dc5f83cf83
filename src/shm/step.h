/*
 * A place where a process may be killed. In builds with BTFUSE_STEPS each
 * store to the pool is between two of these, and a test decides at which one
 * the process dies; in all others they are nothing.
 */
#pragma once

#include "shm/task.h"

static inline void step_in(struct pool *pool)
{
#ifdef BTFUSE_STEPS
	if (pool->step)
		pool->step(pool->step_arg);
#else
	(void)pool;
#endif
}

/* What asks for room asks here first: tests have the n-th request fail. */
static inline bool room_refused(const struct pool *p)
{
#ifdef BTFUSE_STEPS
	return p->refuse && p->refuse(p->refuse_arg);
#else
	(void)p;
	return false;
#endif
}

static inline void step(struct task *t)
{
	step_in(t->pool);
}
