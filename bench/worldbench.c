/*
 * worldbench CALL [PATH]: nanoseconds that a call takes, the least of many
 * rounds. For bench/world.sh, which runs it with programs attached.
 *
 *	umask		a call of the kernel that does next to nothing
 *	openat PATH	for writing
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 300
#define CALLS 2000

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void call(const char *path)
{
	int fd;

	if (!path) {
		umask(022);
		return;
	}
	fd = open(path, O_WRONLY);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *path = argc > 2 && strcmp(argv[1], "openat") == 0 ? argv[2] : NULL;
	double best = 1e12;

	for (int r = 0; r < ROUNDS; r++) {
		double t = now();

		for (int i = 0; i < CALLS; i++)
			call(path);
		t = (now() - t) / CALLS;
		best = t < best ? t : best;
	}
	printf("%.1f\n", best);
	return 0;
}
