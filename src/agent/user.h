/*
 * Memory that the program names. A bad pointer gives -EFAULT, as in the
 * kernel: the agent owns SIGSEGV and SIGBUS (signal.h), the copies are listed
 * in a table of ranges. Any thread, any time.
 */
#pragma once

#include <errno.h>

#include "agent/agent.h"

/* copy.S. Bytes that were not copied, counted from the end. */
size_t agent_copy(void *dst, const void *src, size_t n);
/* copy.S. Likewise for zeros. */
size_t agent_zero(void *dst, size_t n);
/* copy.S. The byte, or -1. */
int agent_byte(const void *src);
/* copy.S. Length copied without the end; n: no end within n bytes; -EFAULT. */
long agent_copy_string(char *dst, const char *src, long n);

static inline int copy_from_user(void *dst, const void *src, size_t n)
{
	return agent_copy(dst, src, n) == 0 ? 0 : -EFAULT;
}

static inline int copy_to_user(void *dst, const void *src, size_t n)
{
	return agent_copy(dst, src, n) == 0 ? 0 : -EFAULT;
}

/* Length without the end, -ENAMETOOLONG where it does not fit into n bytes with its end, -EFAULT. */
static inline long strncpy_from_user(char *dst, const char *src, long n)
{
	long len = agent_copy_string(dst, src, n);

	return len == n ? -ENAMETOOLONG : len;
}

/* How agent_copy does long copies (launch/run.h's enum copy_mode); 0 until told. */
extern uint32_t agent_copy_mode;
