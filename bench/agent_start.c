/*
 * What the agent adds to an exec: agent_start ROUNDS COMMAND [ARGUMENT...]
 * runs the command and prints the median and the least time from vfork to its
 * exit, in microseconds.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? atoi(argv[1]) : 0, status;
	double *took = calloc((size_t)rounds + 1, sizeof(*took));
	pid_t pid;

	if (took == NULL || rounds < 1)
		return 2;
	for (int i = 0; i < rounds; i++) {
		double begin = now();

		if (posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ) != 0 || waitpid(pid, &status, 0) < 0)
			return 1;
		took[i] = now() - begin;
	}
	qsort(took, (size_t)rounds, sizeof(*took), by_value);
	printf("%.0f %.0f\n", took[rounds / 2], took[0]);
	free(took);
	return 0;
}
