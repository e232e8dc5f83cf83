/*
 * A worker: two threads that do all that changes names, data and attributes, in
 * directories of their own and in common ones, and see that what they did is so.
 * Some of it happens in children, some of it in a new image of the same process.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "kills.h"

#define NAMES 12
#define RECORD 32

struct worker {
	const char *self, *dir, *state;
	unsigned id, seed;
	struct shared *shared;
};

/* One thread's. */
struct hand {
	struct worker *w;
	uint64_t random;
	unsigned thread;
	bool child;	/* one that may outlive its worker: keeps out of the worker's own directory */
	uint32_t pause; /* as the step began */
	int stats;	/* schedstat of this thread */
	char own[160];
};

struct shared *shared_map(const char *state)
{
	int fd = open(state, O_RDWR | O_CLOEXEC);
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd < 0 || p == MAP_FAILED)
		_exit(9);
	close(fd);
	return p;
}

static void fail(struct hand *h, const char *what, const char *path)
{
	uint32_t none = 0;

	if (cas(&h->w->shared->failed, &none, 1))
		snprintf(h->w->shared->why, sizeof h->w->shared->why, "worker %u: %s %s: %s", h->w->id, what, path,
			 strerror(errno));
	store_release(&h->w->shared->stop, 1);
	_exit(1);
}

static unsigned roll(struct hand *h, unsigned n)
{
	h->random ^= h->random >> 12;
	h->random ^= h->random << 25;
	h->random ^= h->random >> 27;
	return (unsigned)((h->random * 0x2545f4914f6cdd1dull) >> 33) % n;
}

/* ---- Time ---------------------------------------------------------------------------- */

struct moment {
	uint64_t wall, cpu, delay;
	uint32_t pause;
};

static struct moment look(struct hand *h)
{
	struct moment m = {.pause = load_acquire(&h->w->shared->pause)};
	struct timespec ts;
	char text[96];
	ssize_t n = pread(h->stats, text, sizeof text - 1, 0);

	clock_gettime(CLOCK_MONOTONIC, &ts);
	m.wall = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	text[n > 0 ? n : 0] = 0;
	if (sscanf(text, "%lu %lu", &m.cpu, &m.delay) != 2)
		m.cpu = m.delay = 0;
	return m;
}

static void raise_to(uint64_t *max, uint64_t v)
{
	uint64_t old = load_relaxed(max);

	while (old < v && !cas(max, &old, v))
		;
}

/* The kernel brings schedstat of a running thread up to date at its ticks: good for milliseconds. */
static void note(struct hand *h, enum kind kind, const struct moment *from)
{
	struct waits *w = &h->w->shared->waits[kind];
	struct moment now = look(h);
	uint64_t wall = now.wall - from->wall, busy = now.cpu - from->cpu + now.delay - from->delay;
	uint64_t sleep = wall > busy ? wall - busy : 0;

	if (from->pause != now.pause || from->pause & 1)
		return;
	fetch_add(&w->calls, 1);
	raise_to(&w->max_wall, wall);
	if (wall <= LIMIT_NS)
		return;
	fetch_add(&w->over_wall, 1);
	raise_to(&w->max_sleep, sleep);
	if (sleep > LIMIT_NS)
		fetch_add(&w->over_sleep, 1);
}

/* ---- Steps ----------------------------------------------------------------------------- */

/* An error that others' work or a daemon that is away explains. */
static bool excused(struct hand *h, int err)
{
	if (err == ENOTCONN || err == ECONNABORTED || err == EIO)
		return load_acquire(&h->w->shared->away) || load_acquire(&h->w->shared->pause) != h->pause;
	return err == EPERM || err == ENOENT || err == EEXIST || err == ENOTEMPTY || err == ENOTDIR || err == EISDIR ||
	       err == ENOSPC || err == ESTALE;
}

static void expect(struct hand *h, long ret, const char *what, const char *path)
{
	if (ret < 0 && !excused(h, errno))
		fail(h, what, path);
}

static void common_name(struct hand *h, enum kind kind, char *path)
{
	snprintf(path, 256, "%s/%s/n%u", h->w->dir, kind == DARK ? "dark" : "seen", roll(h, NAMES));
}

static void own_name(struct hand *h, char *path)
{
	snprintf(path, 256, "%s/f%u", h->own, roll(h, NAMES));
}

/* All `n` bytes, but for an error: the kernel gives what it has before it says that it can't have the rest. */
static long read_whole(int fd, char *buf, size_t n)
{
	size_t done = 0;
	ssize_t got;

	while (done < n && (got = pread(fd, buf + done, n - done, (off_t)done)) != 0) {
		if (got < 0)
			return -1;
		done += (size_t)got;
	}
	return (long)done;
}

/* A file of our own: what was written is there. Another thread's fork may have given it to the kernel. */
static void write_and_read(struct hand *h)
{
	char buf[9000], got[9000];
	unsigned n = 1 + roll(h, sizeof buf);
	char path[256];
	int fd;

	own_name(h, path);
	memset(buf, (int)(1 + roll(h, 200)), n);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		expect(h, fd, "open", path);
		return;
	}
	if (write(fd, buf, n) != (ssize_t)n) {
		expect(h, -1, "write", path);
	} else {
		long len = read_whole(fd, got, n);

		if (len < 0)
			expect(h, len, "read", path);
		else if (len != n || memcmp(buf, got, n) != 0)
			fail(h, len != n ? "short" : "differs", path);
	}
	close(fd);
}

static void append(struct hand *h, enum kind kind)
{
	char path[256], record[RECORD + 1];
	int fd;

	snprintf(path, sizeof path, "%s/%s/log", h->w->dir, kind == DARK ? "dark" : "seen");
	snprintf(record, sizeof record, "%-31u\n", h->w->id);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	expect(h, fd, "open", path);
	if (fd < 0)
		return;
	expect(h, write(fd, record, RECORD), "append", path);
	close(fd);
}

static void change_names(struct hand *h, enum kind kind)
{
	char a[256], b[256];

	common_name(h, kind, a);
	common_name(h, kind, b);
	switch (roll(h, 7)) {
	case 0:
		expect(h, rename(a, b), "rename", a);
		return;
	case 1:
		expect(h, unlink(a), "unlink", a);
		return;
	case 2:
		expect(h, mkdir(a, 0700), "mkdir", a);
		return;
	case 3:
		expect(h, rmdir(a), "rmdir", a);
		return;
	case 4:
		expect(h, symlink("x", a), "symlink", a);
		return;
	case 5:
		expect(h, link(a, b), "link", a);
		return;
	default:
		if (!h->child)
			own_name(h, a);
		expect(h, rename(a, b), "rename", a);
	}
}

static void change_file(struct hand *h, enum kind kind)
{
	char path[256], byte = 'y';
	int fd;

	common_name(h, kind, path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == ELOOP)
		return;
	expect(h, fd, "open", path);
	if (fd < 0)
		return;
	expect(h, pwrite(fd, &byte, 1, roll(h, 100000)), "pwrite", path);
	expect(h, ftruncate(fd, roll(h, 50000)), "ftruncate", path);
	expect(h, fchmod(fd, 0600 + roll(h, 8)), "fchmod", path);
	close(fd);
}

/* lstat(2) by an instruction that lies in no object, so that no agent knows of it. */
static long (*lstat_past)(const char *path, struct stat *st);

static int make_lstat_past(void)
{
	static const unsigned char code[] = {
	    0xb8, SYS_lstat, 0, 0, 0, /* mov $SYS_lstat,%eax */
	    0x0f, 0x05,		      /* syscall */
	    0xc3,		      /* ret */
	};
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return -1;
	memcpy(page, code, sizeof code);
	memcpy(&lstat_past, &page, sizeof page);
	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

/* The kernel looks, and keeps what it sees. */
static void kernel_looks(struct hand *h)
{
	char path[256];
	struct stat st;

	common_name(h, SEEN, path);
	lstat_past(path, &st);
}

static void step(struct hand *h, enum kind kind)
{
	struct moment from = look(h);

	h->pause = from.pause;
	switch (roll(h, h->child ? 3 : 4)) {
	case 0:
		append(h, kind);
		break;
	case 1:
		change_names(h, kind);
		break;
	case 2:
		change_file(h, kind);
		break;
	default:
		write_and_read(h);
	}
	note(h, kind, &from);
}

/* A child that works on for a while, whatever becomes of its parent. */
static void in_child(struct hand *h)
{
	pid_t pid = fork();

	if (pid == 0) {
		h->child = true;
		for (int i = 0; i < 5; i++)
			step(h, DARK);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void anew(struct hand *h)
{
	char id[16], seed[16];

	snprintf(id, sizeof id, "%u", h->w->id);
	snprintf(seed, sizeof seed, "%u", h->w->seed + 1000);
	execl(h->w->self, h->w->self, "work", h->w->dir, h->w->state, id, seed, NULL);
	fail(h, "exec", h->w->self);
}

static void *run(void *arg)
{
	struct hand *h = arg;

	h->stats = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	while (!load_acquire(&h->w->shared->stop)) {
		unsigned what = roll(h, 400);

		if (what < 4)
			in_child(h);
		else if (what == 4 && h->thread == 0)
			anew(h);
		else if (what < 20)
			kernel_looks(h);
		else
			step(h, h->thread == 0 ? DARK : (enum kind)roll(h, KINDS));
	}
	return NULL;
}

int work(const char *self, const char *dir, const char *state, unsigned id, unsigned seed)
{
	struct worker w = {self, dir, state, id, seed, shared_map(state)};
	struct hand hands[2];
	pthread_t second;

	if (make_lstat_past() != 0)
		return 1;
	for (unsigned i = 0; i < 2; i++) {
		hands[i] = (struct hand){.w = &w, .random = seed * 2654435761u + i + 1, .thread = i};
		if (snprintf(hands[i].own, sizeof hands[i].own, "%s/own%u.%u", dir, id, i) >= (int)sizeof hands[i].own)
			return 1;
		mkdir(hands[i].own, 0700);
	}
	if (pthread_create(&second, NULL, run, &hands[1]) != 0)
		return 1;
	run(&hands[0]);
	pthread_join(second, NULL);
	return 0;
}
