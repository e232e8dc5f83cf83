/*
 * Handlers that only the tests' agent has. Number 471, which no kernel has;
 * what it does is said by the first argument.
 */
#include <errno.h>

#include "agent/agent.h"
#include "agent/user.h"
#include "base/atomic.h"
#include "tests/agent/test_calls.h"

static long spin(long rounds)
{
	volatile long n = rounds;

	while (n > 0)
		n--;
	return rounds;
}

static long handle_test(struct agent_thread *t, struct agent_regs *r)
{
	char buf[256];

	switch (r->rdi) {
	case TEST_ANSWER:
		return r->rsi;
	case TEST_HAND_ON:
		return AGENT_HAND_ON;
	case TEST_FROM_USER:
		return copy_from_user(buf, (void *)r->rsi, (size_t)r->rdx);
	case TEST_TO_USER:
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = (char)i;
		return copy_to_user((void *)r->rsi, buf, (size_t)r->rdx);
	case TEST_STRING:
		return strncpy_from_user(buf, (void *)r->rsi, r->rdx);
	case TEST_SPIN:
		return spin(r->rsi);
	case TEST_KERNEL:
		return agent_kernel(t, r->rsi, r->rdx, r->r10, r->r8, r->r9, 0, 0);
	case TEST_DEPTH:
		return t->depth;
	case TEST_SELF:
		return (long)t;
	case TEST_PATCH:
		return agent_patch_number((unsigned)r->rsi);
	default:
		return -EINVAL;
	}
}

static long answer_getppid(struct agent_thread *t, struct agent_regs *r)
{
	return 1;
}

void agent_setup(const char *config)
{
	agent_register(TEST_NR, handle_test);
	agent_register(SYS_getpgrp, answer_getppid);
}
