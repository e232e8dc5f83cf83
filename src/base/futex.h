/*
 * Waiting on a word that several processes share (futex(2), without
 * FUTEX_PRIVATE_FLAG), or the threads of one. Freestanding.
 */
#pragma once

#include <linux/futex.h>
#include <stdint.h>
#include <time.h>

#include "base/sys.h"

/*
 * Sleeps while *word == value, at most `ns` nanoseconds. Returns 0 when woken,
 * -EAGAIN if the word had changed, -ETIMEDOUT, -EINTR. Callers look at the
 * word again in every case.
 */
static inline int futex_wait(uint32_t *word, uint32_t value, uint64_t ns)
{
	struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};

	return (int)sys_call4(SYS_futex, (long)word, FUTEX_WAIT, value, (long)&ts);
}

/* Wakes up to `n` waiters; returns how many there were. */
static inline int futex_wake(uint32_t *word, int n)
{
	return (int)sys_call4(SYS_futex, (long)word, FUTEX_WAKE, n, 0);
}

/* Both for a word that only those look at who share the memory: until woken, or interrupted. */
static inline int futex_wait_private(uint32_t *word, uint32_t value)
{
	return (int)sys_call4(SYS_futex, (long)word, FUTEX_WAIT_PRIVATE, value, 0);
}

static inline int futex_wake_private(uint32_t *word, int n)
{
	return (int)sys_call4(SYS_futex, (long)word, FUTEX_WAKE_PRIVATE, n, 0);
}
