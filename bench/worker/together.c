/*
 * Several workers at once. They wait for each other at a barrier, note when they
 * begin and end, and the span from the first beginning to the last end counts:
 * what is told is how much gets done, not how fast one of them is.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs.h"

#define WORKERS_MAX 16
#define PAGE 4096u
#define PAGES 1024u /* of the file that is read */

struct worker {
	struct team *team;
	int dir; /* its own */
	unsigned seed;
	double start, end;
	char pad[96]; /* a worker's times share no cache line with another's */
};

struct team {
	pthread_barrier_t barrier;
	void (*call)(struct worker *w, unsigned i);
	unsigned count;
	int file; /* of PAGES */
	struct worker worker[WORKERS_MAX];
};

static void must(long ret, const char *what)
{
	if (ret < 0)
		err(1, "several at once: %s", what);
}

/* ---- The calls --------------------------------------------------------------- */

static void do_stat(struct worker *w, unsigned i)
{
	struct stat st;

	must(fstatat(w->dir, "file", &st, 0), "stat");
}

static void do_open(struct worker *w, unsigned i)
{
	int fd = openat(w->dir, "file", O_RDONLY);

	must(fd, "open");
	close(fd);
}

static void do_create(struct worker *w, unsigned i)
{
	int fd = openat(w->dir, "new", O_CREAT | O_EXCL | O_WRONLY, 0600);

	must(fd, "create");
	close(fd);
	must(unlinkat(w->dir, "new", 0), "unlink");
}

static void do_read(struct worker *w, unsigned i)
{
	static __thread char page[PAGE];

	w->seed = w->seed * 1664525u + 1013904223u;
	if (pread(w->team->file, page, PAGE, (off_t)(w->seed >> 16) % PAGES * PAGE) != PAGE)
		err(1, "several at once: read");
}

static const struct {
	const char *name;
	void (*call)(struct worker *w, unsigned i);
} calls[] = {{"stat", do_stat}, {"open", do_open}, {"create", do_create}, {"read", do_read}};

static void *work(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&w->team->barrier);
	w->start = job_now();
	for (unsigned i = 0; i < w->team->count; i++)
		w->team->call(w, i);
	w->end = job_now();
	return NULL;
}

/* ---- The team ------------------------------------------------------------------ */

static int make_file(int dir, const char *name, unsigned pages)
{
	static const char page[PAGE] = {1};
	int fd = openat(dir, name, O_CREAT | O_RDWR, 0600);

	must(fd, name);
	for (unsigned i = 0; i < pages; i++)
		if (pwrite(fd, page, PAGE, (off_t)i * PAGE) != PAGE)
			err(1, "%s", name);
	return fd;
}

static void prepare(struct team *t, int dir, int workers)
{
	t->file = make_file(dir, "together", PAGES);
	for (int i = 0; i < workers; i++) {
		struct worker *w = &t->worker[i];
		char name[16];

		snprintf(name, sizeof(name), "worker%d", i);
		if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
			err(1, "%s", name);
		w->dir = openat(dir, name, O_RDONLY | O_DIRECTORY);
		must(w->dir, name);
		close(make_file(w->dir, "file", 0));
		w->team = t;
		w->seed = (unsigned)i;
	}
}

static void in_threads(struct team *t, int workers)
{
	pthread_t thread[WORKERS_MAX];

	for (int i = 0; i < workers; i++)
		if (pthread_create(&thread[i], NULL, work, &t->worker[i]) != 0)
			errx(1, "several at once: no thread");
	for (int i = 0; i < workers; i++)
		pthread_join(thread[i], NULL);
}

static void in_processes(struct team *t, int workers)
{
	int status;

	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();

		must(pid, "fork");
		if (pid == 0) {
			work(&t->worker[i]);
			_exit(0);
		}
	}
	for (int i = 0; i < workers; i++)
		if (wait(&status) < 0 || status != 0)
			errx(1, "several at once: a process has failed");
}

static double span(const struct team *t, int workers)
{
	double start = t->worker[0].start, end = t->worker[0].end;

	for (int i = 1; i < workers; i++) {
		start = t->worker[i].start < start ? t->worker[i].start : start;
		end = t->worker[i].end > end ? t->worker[i].end : end;
	}
	return end - start;
}

double job_together(int dir, const char *kind, int workers, const char *call, unsigned count)
{
	struct team *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t shared;
	double ns;

	if (t == MAP_FAILED || workers < 1 || workers > WORKERS_MAX)
		errx(1, "several at once: from 1 to %d", WORKERS_MAX);
	t->count = count;
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (strcmp(calls[i].name, call) == 0)
			t->call = calls[i].call;
	if (!t->call)
		errx(1, "several at once: no call %s", call);
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&t->barrier, &shared, (unsigned)workers);
	prepare(t, dir, workers);
	if (strcmp(kind, "threads") == 0)
		in_threads(t, workers);
	else
		in_processes(t, workers);
	ns = span(t, workers) / workers / count;
	for (int i = 0; i < workers; i++)
		close(t->worker[i].dir);
	close(t->file);
	munmap(t, sizeof(*t));
	return ns;
}
