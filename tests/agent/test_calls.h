/* What number 471 does in the tests' agent, by its first argument. */
#pragma once

#define TEST_NR 471

enum test_call {
	TEST_ANSWER,	/* (value): the value */
	TEST_HAND_ON,	/* the kernel's ENOSYS */
	TEST_FROM_USER, /* (pointer, n): copy_from_user */
	TEST_TO_USER,	/* (pointer, n): copy_to_user of 0, 1, 2... */
	TEST_STRING,	/* (pointer, n): strncpy_from_user */
	TEST_SPIN,	/* (rounds): stays in the agent */
	TEST_KERNEL,	/* (nr, a, b, c, d): agent_kernel */
	TEST_DEPTH,
	TEST_SELF,  /* the thread's page */
	TEST_PATCH, /* (nr): agent_patch_number */
};
