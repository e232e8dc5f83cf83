/* See rig.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rig.h"

void rig_fail(const char *file, int line, const char *what, long got)
{
	fprintf(stderr, "%s:%d: [%d] %s", file, line, (int)getpid(), what);
	if (got)
		fprintf(stderr, ": %ld%s%s", got, got < 0 ? " " : "", got < 0 ? strerror((int)-got) : "");
	fputc('\n', stderr);
	fflush(NULL);
	_exit(1);
}

int rig_memfd(struct rig_size size)
{
	struct fs_format f = {.size = size.bytes, .inodes = size.inodes, .name = "test", .root_mode = 0755};
	int fd = (int)must(memfd_create("pool", MFD_CLOEXEC));

	must(fs_format(fd, &f));
	return fd;
}

void rig_attach(struct rig *r, int fd, unsigned flags)
{
	must(fs_attach(fd, flags, &r->fs));
	must(task_attach(&r->fs.pool, flags & FS_ATTACH_KERNEL ? TASK_KERNEL : 0, &r->t));
}

void rig_detach(struct rig *r)
{
	task_detach(&r->t);
	fs_detach(&r->fs);
}

void rig_open(struct rig *r, struct rig_size size)
{
	rig_attach(r, rig_memfd(size), 0);
}

static void complain(void *arg, const char *what, uint64_t at)
{
	int *left = arg;

	if ((*left)-- > 0)
		fprintf(stderr, "  check: %s (%llu)\n", what, (unsigned long long)at);
}

void rig_clean(struct task *t, const char *when)
{
	int left = 20;
	int64_t n = fs_check(t, complain, &left);

	if (n != 0)
		rig_fail(__FILE__, __LINE__, when, (long)n);
}

fs_ino rig_parent(struct task *t, const char *path, struct fs_name *name)
{
	const char *slash = strrchr(path, '/');
	char dir[4096] = "";

	*name = rig_name(slash ? slash + 1 : path);
	if (slash)
		memcpy(dir, path, (size_t)(slash - path));
	return rig_walk(t, dir);
}

fs_ino rig_walk(struct task *t, const char *path)
{
	fs_ino ino = FS_ROOT;

	while (*path) {
		size_t n = strcspn(path, "/");
		struct fs_attr attr;
		int err = n ? fs_lookup(t, NULL, ino, (struct fs_name){.s = path, .len = n}, &attr) : 0;

		if (err)
			rig_fail(__FILE__, __LINE__, path, err);
		if (n)
			ino = attr.ino;
		path += n + (path[n] == '/');
	}
	return ino;
}

fs_ino rig_make(struct task *t, const char *path, uint32_t mode)
{
	struct fs_new new = {.mode = mode, .target = "target", .target_len = 6};
	struct fs_attr attr;
	struct fs_name name;
	fs_ino dir = rig_parent(t, path, &name);
	int err = fs_make(t, NULL, dir, name, &new, &attr);

	if (err)
		rig_fail(__FILE__, __LINE__, path, err);
	return attr.ino;
}

void rig_pattern(unsigned char *buf, size_t len, uint64_t off, unsigned seed)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t at = off + i;

		buf[i] = (unsigned char)(1 + (at * 7 + at / 251 + at / 4096 + seed * 31u) % 255);
	}
}

void rig_write(struct task *t, fs_ino ino, uint64_t off, size_t len, unsigned seed)
{
	unsigned char *buf = malloc(len);

	expect(buf != NULL);
	rig_pattern(buf, len, off, seed);
	expect_is(fs_write(t, NULL, ino, buf, len, (int64_t)off, 0, NULL), len);
	free(buf);
}

uint64_t rig_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t rig_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1du;
}
