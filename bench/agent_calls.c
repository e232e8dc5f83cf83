/*
 * What a caught call costs. Run by bench/agent.sh with and without an agent;
 * prints nanoseconds, the best of several rounds:
 *
 *	kernel		umask() by an instruction of our own, never caught
 *	libc		the same through libc: caught and handed on, if there is an agent
 *	answered	getpgrp(), which the tests' agent answers
 */
#include <stdio.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"

#define ROUNDS 31
#define CALLS 100000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

#define BEST(expr)                                                                                                     \
	__extension__({                                                                                                \
		double best = 1e18;                                                                                    \
		for (int i = 0; i < ROUNDS; i++) {                                                                     \
			double begin = now(), took;                                                                    \
			for (int k = 0; k < CALLS; k++)                                                                \
				(void)(expr);                                                                          \
			took = (now() - begin) / CALLS;                                                                \
			best = took < best ? took : best;                                                              \
		}                                                                                                      \
		best;                                                                                                  \
	})

int main(void)
{
	printf("kernel %.1f\n", BEST(sys_call3(SYS_umask, 022, 0, 0)));
	printf("libc %.1f\n", BEST(umask(022)));
	printf("answered %.1f\n", BEST(getpgrp()));
	return 0;
}
