/*
 * kill_in_txn PID DAEMON: kills a process that works on the mount of that daemon while it is in the middle of a
 * transaction. It is stopped and looked at until it is: a kill at random seldom meets one, least of all where signals
 * travel slowly between processors and are seen at the next system call.
 */
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/task.h"

#define TRIES 20000

/* The daemon has the pool open, wherever it lies. */
static void find_pool(const char *daemon, struct pool *pool)
{
	char path[300];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fd", daemon);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/fd/%s", daemon, e->d_name);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0 && pool_look(fd, pool) == 0)
			return;
		if (fd >= 0)
			close(fd);
	}
	errx(2, "process %s has no pool open", daemon);
}

static bool is_stopped(int pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		errx(2, "process %d is gone", pid);
	fclose(f);
	return state == 'T';
}

static bool in_transaction(const struct pool *pool, int pid)
{
	for (uint32_t i = 0; i < task_slots_used(pool); i++) {
		const struct task_slot *s = task_slot(pool, i);
		uint64_t seat = load_acquire(&s->seat);

		if (seat_state(seat) == SLOT_LIVE && load_relaxed(&s->nundo) &&
		    load_relaxed(&client_slot(pool, seat_client(seat))->pid) == (uint32_t)pid)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	int pid = argc == 3 ? atoi(argv[1]) : 0;
	struct pool pool;

	if (pid <= 0)
		return 2;
	find_pool(argv[2], &pool);
	for (int n = 0; n < TRIES; n++) {
		kill(pid, SIGSTOP);
		while (!is_stopped(pid))
			usleep(100);
		if (in_transaction(&pool, pid))
			return kill(pid, SIGKILL) < 0;
		kill(pid, SIGCONT);
		usleep((useconds_t)(100 + n % 300));
	}
	return 1;
}
