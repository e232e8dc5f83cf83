/*
 * One a world by a lock of its file. Who is needed no more lets go of the lock
 * and then looks once more: whoever found it locked in between relies on it.
 *
 * It looks once a second. Nothing tells it: a pin may be taken away by anybody,
 * and it wakes for each timer anyway.
 */
#include "bpfd/keeper.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "bpfd/timers.h"
#include "world/object.h"
#include "world/used.h"

bool keeper_needed(struct world *w, struct task *t)
{
	const struct map *m;
	struct object o;
	struct pin p;
	uint32_t id = 0;

	while (object_next(w, t, id, OBJECT_MAP, &o) == 0) {
		id = o.id;
		m = map_at(&w->arena.pool, o.off);
		if (m && m->timer_off >= 0 && pin_nth(w, t, id, 0, &p))
			return true;
	}
	return false;
}

static bool goes_on(struct world *w, struct task *t)
{
	/* A world that has lost its name is nobody's who comes. */
	return world_is_named(w->arena.pool.fd, world_path().s) && keeper_needed(w, t);
}

static void fire_timers(struct world *w, struct task *t)
{
	const struct timespec second = {.tv_sec = 1};
	struct timers ts;

	if (timers_start(&ts, w) != 0) { /* too many threads, say: not for ever */
		nanosleep(&second, NULL);
		return;
	}
	while (goes_on(w, t)) {
		nanosleep(&second, NULL);
		world_clear_up(w, t);
	}
	timers_stop(&ts);
}

static void keep(void)
{
	struct world w = {0};
	struct task t;

	if (world_join(&w, &t) != 0)
		return;
	while (goes_on(&w, &t) && world_lock_keeper(w.arena.pool.fd, true) == 0) {
		fire_timers(&w, &t);
		world_lock_keeper(w.arena.pool.fd, false);
	}
	world_leave(&w, &t);
}

/* Whoever waits for the end of the loader's output does not wait for this. */
static void let_go_of_all(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0u, 0);
	if (chdir("/") < 0)
		_exit(1);
	setsid();
	prctl(PR_SET_NAME, "bt-fuse-timers");
}

void keeper_start(void)
{
	sigset_t none;

	if (fork() != 0)
		return;
	let_go_of_all();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	keep();
	_exit(0);
}
