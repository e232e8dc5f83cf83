/*
 * tell DIR: what it costs a hooked process to change what the kernel has seen, on
 * a mount: to be run under `bt-fuse run`. Before each change the kernel looks, by a
 * system call of this program's own, which no agent has patched. Beside it the same
 * change when the kernel has not looked.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"

#define ROUNDS 2000

static double samples[ROUNDS];

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void show(const char *what)
{
	qsort(samples, ROUNDS, sizeof(*samples), by_size);
	printf("%-46s %9.2f %9.2f us\n", what, samples[ROUNDS / 2], samples[ROUNDS * 99 / 100]);
}

static void kernel_looks(const char *path)
{
	struct stat st;
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(SYS_lstat), "D"(path), "S"(&st) : "rcx", "r11", "memory");
}

static void attributes(const char *path, bool seen)
{
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", path);
	for (int i = 0; i < ROUNDS; i++) {
		double begin;

		if (seen)
			kernel_looks(path);
		begin = now_us();
		if (fchmod(fd, 0600 + (i & 1)) < 0)
			err(1, "fchmod");
		samples[i] = now_us() - begin;
	}
	close(fd);
	show(seen ? "chmod of what the kernel has seen" : "chmod of what it has not");
}

static void names(const char *path, bool seen)
{
	for (int i = 0; i < ROUNDS; i++) {
		double begin;

		if (seen)
			kernel_looks(path);
		begin = now_us();
		if (mkdir(path, 0700) < 0)
			err(1, "%s", path);
		samples[i] = now_us() - begin;
		rmdir(path);
	}
	show(seen ? "mkdir where the kernel has looked in vain" : "mkdir where it has not");
}

int main(int argc, char **argv)
{
	char path[4096];

	if (argc != 2)
		errx(2, "usage: tell DIR");
	snprintf(path, sizeof(path), "%s/tell", argv[1]);
	printf("%-46s %9s %9s\n", "", "median", "p99");
	attributes(path, false);
	attributes(path, true);
	unlink(path);
	names(path, false);
	names(path, true);
	return 0;
}
