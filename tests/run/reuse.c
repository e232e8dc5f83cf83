/*
 * reuse DIR SECONDS: one process makes and removes `x` and `y` by turns, which get the same inode number each time;
 * others open, chmod and stat `x`. None may ever reach `y`: the two differ in their modes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define X 0600u
#define Y 0640u
#define OTHERS 2

static void fail(const char *what, long value)
{
	fprintf(stderr, "reuse: %s: %lo (%s)\n", what, (unsigned long)value, strerror(errno));
	exit(1);
}

static bool time_is_up(time_t end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec >= end;
}

static void turns(time_t end, uint32_t *numbers)
{
	ino_t last = 0;

	while (!time_is_up(end)) {
		struct stat st;
		int fd = open("x", O_CREAT | O_EXCL | O_WRONLY, X);

		if (fd < 0 || close(fd) || unlink("x"))
			fail("x", fd);
		fd = open("y", O_CREAT | O_EXCL | O_WRONLY, Y);
		if (fd < 0)
			fail("y", fd);
		for (int i = 0; i < 20; i++)
			if (fstat(fd, &st) || (st.st_mode & 07777) != Y)
				fail("y has been taken for x by chmod", st.st_mode & 07777);
		*numbers += st.st_ino == last;
		last = st.st_ino;
		close(fd);
		unlink("y");
	}
}

static void look(time_t end)
{
	while (!time_is_up(end)) {
		struct stat st;
		int fd = open("x", O_RDONLY);

		if (fd < 0 && errno != ENOENT)
			fail("open x", errno);
		if (fd >= 0 && (fstat(fd, &st) || (st.st_mode & 07777) != X))
			fail("open of x has led to y", st.st_mode & 07777);
		if (fd >= 0)
			close(fd);
		if (chmod("x", X) < 0 && errno != ENOENT)
			fail("chmod x", errno);
		if (stat("x", &st) < 0 && errno != ENOENT)
			fail("stat x", errno);
		if (truncate("x", 0) < 0 && errno != ENOENT)
			fail("truncate x", errno);
		if (link("x", "z") == 0) {
			if (stat("z", &st) || (st.st_mode & 07777) != X)
				fail("link of x has led to y", st.st_mode & 07777);
			unlink("z");
		} else if (errno != ENOENT && errno != EEXIST) {
			fail("link x", errno);
		}
	}
}

int main(int argc, char **argv)
{
	int status, failed = 0;
	uint32_t same = 0;
	struct timespec now;
	time_t end;

	if (argc != 3 || chdir(argv[1]) < 0)
		return 2;
	umask(0);
	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + atoi(argv[2]);
	for (int i = 0; i < OTHERS; i++) {
		if (fork() == 0) {
			look(end);
			_exit(0);
		}
	}
	turns(end, &same);
	while (wait(&status) > 0)
		failed |= status != 0;
	printf("reuse: %u times the number of before\n", same);
	return failed;
}
