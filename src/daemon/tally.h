/* Counting what comes through the mount, where requests are read and answered: all of them, once each. */
#pragma once

#include "shm/task.h"

/* The calling thread has read a request (as FUSE's wire has it), and is about to send an answer. `t` may be NULL. */
void tally_begin(struct task *t, const void *request);
void tally_end(struct task *t, const void *answer);

/* The kernel is told to forget: enum metrics_inval. From any thread. */
void tally_forget(const struct pool *pool, unsigned what);

/* A request has been taken from a ring. From any thread. */
void tally_ring(const struct pool *pool);

/* Measures how long a tick of the processor's counter is, for those who sample latency; better with each call. */
void tally_tick(const struct pool *pool);
