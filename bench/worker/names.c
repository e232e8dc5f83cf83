/* Directories of many names, and paths of many components. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs.h"

static int open_dir(int dir, const char *name)
{
	int fd;

	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		err(1, "%s", name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static void print_name(char name[16], unsigned i)
{
	snprintf(name, 16, "file%07u", i);
}

double job_fill(int dir, unsigned count)
{
	int many = open_dir(dir, "many");
	double start = job_now(), end;
	char name[16];

	/* Downwards, up to where it was filled to before. */
	for (unsigned i = count; i-- > 0;) {
		print_name(name, i);
		if (mknodat(many, name, S_IFREG | 0600, 0) < 0) {
			if (errno == EEXIST)
				break;
			err(1, "many/%s", name);
		}
	}
	end = job_now();
	close(many);
	return end - start;
}

/* ---- On a directory of many names ------------------------------------------------ */

/* Names are printed before the clock is read: printing one takes as long as what is measured. */
#define BATCH 4096u
static char names[BATCH][16];

static void pick_names(unsigned size, unsigned count)
{
	static unsigned seed = 1;

	for (unsigned i = 0; i < count; i++) {
		seed = seed * 1664525u + 1013904223u;
		print_name(names[i], (unsigned)((unsigned long long)(seed >> 2) * size >> 30));
	}
}

static void stat_names(int many, unsigned count)
{
	struct stat st;

	for (unsigned i = 0; i < count; i++)
		if (fstatat(many, names[i], &st, 0) < 0)
			err(1, "stat of many/%s", names[i]);
}

static void create_names(int many, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		int fd = openat(many, names[i], O_CREAT | O_EXCL | O_WRONLY, 0600);

		if (fd < 0)
			err(1, "create of many/%s", names[i]);
		close(fd);
		if (unlinkat(many, names[i], 0) < 0)
			err(1, "unlink of many/%s", names[i]);
	}
}

static double list(int many, unsigned size)
{
	double start = job_now();
	unsigned n = 0;
	DIR *d = fdopendir(dup(many));

	if (!d)
		err(1, "many");
	rewinddir(d);
	while (readdir(d))
		n++;
	closedir(d);
	if (n != size + 2)
		errx(1, "many: %u names are listed instead of %u", n, size + 2);
	return (job_now() - start) / size;
}

double job_many(int dir, unsigned size, const char *call, unsigned count)
{
	int many = open_dir(dir, "many");
	double start, ns;

	count = count < BATCH ? count : BATCH;
	if (strcmp(call, "list") == 0) {
		ns = list(many, size);
	} else {
		const int create = strcmp(call, "create") == 0;

		pick_names(size, count);
		for (unsigned i = 0; create && i < count; i++)
			names[i][0] = 'n'; /* one that is not there */
		start = job_now();
		(create ? create_names : stat_names)(many, count);
		ns = (job_now() - start) / count;
	}
	close(many);
	return ns;
}

/* ---- Deep paths -------------------------------------------------------------------- */

double job_deep(int dir, unsigned depth, unsigned count)
{
	char path[512] = "";
	struct stat st;
	double start;
	int fd;

	if (depth > 64)
		errx(1, "deep: at most 64");
	for (unsigned i = 0; i < depth; i++) {
		strcat(path, "depth");
		if (mkdirat(dir, path, 0700) < 0 && errno != EEXIST)
			err(1, "%s", path);
		strcat(path, "/");
	}
	strcat(path, "file");
	fd = openat(dir, path, O_CREAT | O_WRONLY, 0600);
	if (fd < 0)
		err(1, "%s", path);
	close(fd);
	start = job_now();
	for (unsigned i = 0; i < count; i++)
		if (fstatat(dir, path, &st, 0) < 0)
			err(1, "%s", path);
	return (job_now() - start) / count;
}

/* ---- Trees ------------------------------------------------------------------------------ */

static void make_file(int dir, const char *name, unsigned bytes)
{
	static const char content[4096] = {'x'};
	int fd;

	if (!bytes) {
		if (mknodat(dir, name, S_IFREG | 0600, 0) < 0)
			err(1, "%s", name);
		return;
	}
	fd = openat(dir, name, O_CREAT | O_WRONLY, 0600);
	if (fd < 0 || write(fd, content, bytes) != (ssize_t)bytes)
		err(1, "%s", name);
	close(fd);
}

double job_tree(int dir, const char *name, unsigned count, unsigned bytes)
{
	double start = job_now();
	int top = open_dir(dir, name), sub = -1;
	char path[16];

	if (bytes > 4096)
		errx(1, "tree: at most 4096 bytes");
	for (unsigned i = 0; i < count; i++) {
		if (i % 100 == 0) {
			snprintf(path, sizeof(path), "d%04u", i / 100);
			if (sub >= 0)
				close(sub);
			sub = open_dir(top, path);
		}
		snprintf(path, sizeof(path), "f%07u", i);
		make_file(sub, path, bytes);
	}
	close(sub);
	close(top);
	return job_now() - start;
}
