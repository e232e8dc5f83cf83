/*
 * repeat CALL N PATH: one call, N times, and nothing else. Used to see whether
 * the daemon works for it (cache.sh), and to make many files fast (memory.sh).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"

static struct stat st;
static char buf[4096];
static int fd;
static volatile char *map;

static int do_stat(const char *path, long i)
{
	return stat(path, &st) < 0 && errno != ENOENT ? -1 : 0;
}

static int do_lstat(const char *path, long i)
{
	return lstat(path, &st);
}

static int do_fstat(const char *path, long i)
{
	return fstat(fd, &st);
}

static int do_access(const char *path, long i)
{
	return access(path, R_OK);
}

static int do_pread(const char *path, long i)
{
	return pread(fd, buf, sizeof(buf), i % 16 * 4096) < 0 ? -1 : 0;
}

static int do_map(const char *path, long i)
{
	return map[i % 16 * 4096] * 0;
}

/* PATH is a directory with its slash; names have 12 bytes. */
static int do_create(const char *path, long i)
{
	snprintf(buf, sizeof(buf), "%s%012ld", path, i);
	return mknod(buf, S_IFREG | 0600, 0);
}

static const struct {
	const char *name;
	int (*call)(const char *path, long i);
} calls[] = {{"stat", do_stat},	  {"lstat", do_lstat}, {"fstat", do_fstat},  {"access", do_access},
	     {"pread", do_pread}, {"map", do_map},     {"create", do_create}};

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: repeat CALL N PATH");
	fd = open(argv[3], O_RDONLY);
	if (fd >= 0)
		map = mmap(NULL, 16 * 4096, PROT_READ, MAP_SHARED, fd, 0);
	for (size_t c = 0; c < array_len(calls); c++) {
		if (strcmp(calls[c].name, argv[1]) != 0)
			continue;
		for (long i = 0; i < atol(argv[2]); i++)
			if (calls[c].call(argv[3], i) < 0)
				err(1, "%s %s", argv[1], argv[3]);
		return 0;
	}
	errx(2, "%s: no such call", argv[1]);
}
