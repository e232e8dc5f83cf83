/*
 * reuse DIR SECONDS: one process makes and removes `x` and `y` by turns, which get the same inode number each time;
 * others open, chmod and stat `x`. None may ever reach `y`: the two differ in their modes. Then the same with
 * directories, in which the others make and take names.
 */
#include <dirent.h>
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

/* ---- Directories ----------------------------------------------------------------- */

static void clear(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));)
		if (unlinkat(dirfd(d), e->d_name, 0) < 0)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	if (d)
		closedir(d);
}

static void is_untouched(const char *path)
{
	DIR *d = opendir(path);
	unsigned names = 0;

	if (!d)
		fail("y", 0);
	for (struct dirent *e; (e = readdir(d));) {
		names++;
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && strcmp(e->d_name, "f") &&
		    strcmp(e->d_name, "d"))
			fail("what was made in x is in y", names);
	}
	closedir(d);
	if (names != 4)
		fail("what was taken from x is missing in y", names);
}

static void turns_of_dirs(time_t end, uint32_t *numbers)
{
	ino_t last = 0;
	struct stat st;
	int fd;

	while (!time_is_up(end)) {
		if (mkdir("x", 0700) < 0 || stat("x", &st) < 0)
			fail("mkdir x", errno);
		last = st.st_ino;
		while (rmdir("x") < 0)
			clear("x");
		if (mkdir("y", 0700) < 0 || stat("y", &st) < 0)
			fail("mkdir y", errno);
		*numbers += st.st_ino == last;
		fd = open("y/f", O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0 || close(fd) < 0 || mkdir("y/d", 0700) < 0)
			fail("filling y", fd);
		for (int i = 0; i < 3; i++)
			is_untouched("y");
		clear("y");
		if (rmdir("y") < 0)
			fail("rmdir y", errno);
	}
}

static void look_in_dirs(time_t end)
{
	char mine[32];

	snprintf(mine, sizeof mine, "z%d", (int)getpid());
	while (!time_is_up(end)) {
		int fd = open("x/new", O_CREAT | O_EXCL | O_WRONLY, 0600);

		if (fd >= 0)
			close(fd);
		fd = open("x/other", O_CREAT | O_WRONLY, 0600);
		if (fd >= 0)
			close(fd);
		if ((fd = open("x/f", O_RDONLY)) >= 0 || unlink("x/f") == 0 || rmdir("x/d") == 0 ||
		    rename("x/f", "x/g") == 0)
			fail("x has what is in y", fd);
		mkdir("x/sub", 0700);
		symlink("nowhere", "x/symlink");
		fd = open(mine, O_CREAT | O_WRONLY, 0600);
		if (fd < 0 || close(fd) < 0)
			fail("a file of my own", fd);
		link(mine, "x/link");
		rename(mine, "x/renamed");
	}
	unlink(mine);
}

static void together(void (*turn)(time_t end, uint32_t *numbers), void (*other)(time_t end), int seconds)
{
	int status, failed = 0;
	uint32_t same = 0;
	struct timespec now;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + seconds;
	for (int i = 0; i < OTHERS; i++) {
		if (fork() == 0) {
			other(end);
			_exit(0);
		}
	}
	turn(end, &same);
	while (wait(&status) > 0)
		failed |= status != 0;
	printf("reuse: %u times the number of before\n", same);
	if (failed)
		exit(1);
}

int main(int argc, char **argv)
{
	if (argc != 3 || chdir(argv[1]) < 0)
		return 2;
	umask(0);
	together(turns, look, atoi(argv[2]));
	together(turns_of_dirs, look_in_dirs, atoi(argv[2]));
	return 0;
}
