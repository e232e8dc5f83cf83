/*
 * kills storm BTFUSE DIR STATE KILLS SEED
 *
 * Kills hooked processes at random while they work on the mount DIR, KILLS times,
 * and says how long the others' calls took: asleep, they may also have waited for a
 * living holder of a lock that had lost its processor, so that is shown and not judged
 * (what is: `longest_wait_us` of status). The workers are children of a nest,
 * which runs under BTFUSE run; this process is not hooked. After every few kills
 * `fsck` must find nothing. STATE is a file outside of the mount.
 *
 *	kills nest DIR STATE		makes a worker for each line "ID SEED" that it reads
 *	kills work DIR STATE ID SEED	is one
 *	kills away STATE 0|1		the daemon is away
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "kills.h"

#define FSCK_EVERY 20

static const char *self, *btfuse, *dir, *state;
static struct shared *shared;
static int to_nest, from_nest;
static pid_t worker[WORKERS];
static unsigned seed, born;

static void die(const char *what)
{
	fprintf(stderr, "kills: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- The nest -------------------------------------------------------------------------- */

static int nest(void)
{
	unsigned id, s;
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	while (scanf("%u %u", &id, &s) == 2) {
		pid = fork();
		if (pid == 0) {
			signal(SIGCHLD, SIG_DFL);
			_exit(work(self, dir, state, id, s));
		}
		printf("%d\n", pid);
		fflush(stdout);
	}
	return 0;
}

static pid_t start_nest(void)
{
	int down[2], up[2];
	pid_t pid;

	if (pipe(down) < 0 || pipe(up) < 0)
		die("pipe");
	pid = fork();
	if (pid == 0) {
		dup2(down[0], 0);
		dup2(up[1], 1);
		close(down[1]);
		close(up[0]);
		execl(btfuse, btfuse, "run", "--mount", dir, "--", self, "nest", dir, state, NULL);
		_exit(127);
	}
	close(down[0]);
	close(up[1]);
	to_nest = down[1];
	from_nest = up[0];
	return pid;
}

static void start_worker(unsigned i)
{
	char line[64];
	ssize_t n = snprintf(line, sizeof line, "%u %u\n", i, seed + born++);

	if (write(to_nest, line, (size_t)n) != n)
		die("the nest is gone");
	for (n = 0; n < (ssize_t)sizeof line - 1; n++) {
		if (read(from_nest, &line[n], 1) != 1)
			die("the nest does not answer");
		if (line[n] == '\n')
			break;
	}
	line[n] = 0;
	worker[i] = atoi(line);
	if (worker[i] <= 0) {
		errno = EAGAIN;
		die("the nest could not fork");
	}
}

/* ---- The storm --------------------------------------------------------------------------- */

static void nap(unsigned us)
{
	const struct timespec ts = {.tv_nsec = (long)us * 1000};

	nanosleep(&ts, NULL);
}

/* 0 as well where the daemon went away meanwhile: then there is none to ask. */
static int fsck(void)
{
	uint32_t pause = load_acquire(&shared->pause);
	int status = -1;
	pid_t pid;

	fetch_add(&shared->pause, 1);
	pid = fork();
	if (pid == 0) {
		dup2(2, 1);
		execl(btfuse, btfuse, "fsck", dir, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		die("fsck");
	if (fetch_add(&shared->pause, 1) != pause + 1 || load_acquire(&shared->away))
		return 0;
	return status;
}

static void tell(const char *name, const struct waits *w)
{
	printf("%s: %lu calls, longest %.1f ms; over 10 ms: %lu, of these asleep for as long: %lu (longest %.1f ms)\n",
	       name, w->calls, (double)w->max_wall / 1e6, w->over_wall, w->over_sleep, (double)w->max_sleep / 1e6);
}

static void end_workers(void)
{
	store_release(&shared->stop, 1);
	nap(50000);
	for (unsigned i = 0; i < WORKERS; i++)
		kill(worker[i], SIGKILL);
}

static int storm(unsigned kills)
{
	pid_t pid = start_nest();
	int status = 0;

	for (unsigned i = 0; i < WORKERS; i++)
		start_worker(i);
	srand(seed);
	for (unsigned k = 1; k <= kills && !load_acquire(&shared->failed) && status == 0; k++) {
		unsigned i = (unsigned)rand() % WORKERS;

		nap((unsigned)rand() % 60000);
		kill(worker[i], SIGKILL);
		nap((unsigned)rand() % 5000);
		start_worker(i);
		if (k % FSCK_EVERY == 0 && !load_acquire(&shared->away))
			status = fsck();
	}
	end_workers();
	close(to_nest);
	waitpid(pid, NULL, 0);
	tell("where only the store is at work", &shared->waits[DARK]);
	tell("where the kernel has to forget", &shared->waits[SEEN]);
	if (status != 0)
		fprintf(stderr, "kills: fsck is not content\n");
	if (shared->failed)
		fprintf(stderr, "kills: %s\n", shared->why);
	return status || shared->failed;
}

static void make_state(void)
{
	int fd = open(state, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, sizeof(struct shared)) < 0)
		die(state);
	close(fd);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc == 7 && strcmp(argv[1], "storm") == 0) {
		btfuse = argv[2];
		dir = argv[3];
		state = argv[4];
		seed = (unsigned)atoi(argv[6]);
		make_state();
		shared = shared_map(state);
		return storm((unsigned)atoi(argv[5]));
	}
	if (argc == 4 && strcmp(argv[1], "away") == 0) {
		shared = shared_map(argv[2]);
		/* Who failed while it was away may look when it is back: then one of the two says so. */
		if (atoi(argv[3]))
			store_release(&shared->away, 1);
		fetch_add(&shared->pause, 1);
		if (!atoi(argv[3]))
			store_release(&shared->away, 0);
		return 0;
	}
	dir = argc > 2 ? argv[2] : "";
	state = argc > 3 ? argv[3] : "";
	if (argc == 4 && strcmp(argv[1], "nest") == 0)
		return nest();
	if (argc == 6 && strcmp(argv[1], "work") == 0)
		return work(self, dir, state, (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]));
	fprintf(stderr, "kills: see the source\n");
	return 2;
}
