/*
 * Many processes on few processors: clients call, pause, are stopped and
 * killed at random, the server is stopped at random, and sleeps without any
 * timeout. A lost wake-up shows as a call that takes longer than all stops
 * together; a lost or mixed-up request as a wrong answer.
 *
 * usage: test_storm futex|eventfd [SECONDS [SEED]]
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "rig.h"

#define MS 1000000ull
#define CLIENTS 6
#define THREADS 3
#define LIMIT (3000 * MS) /* nothing is stopped for longer than 2 ms */

static const struct ring_geometry GEO = {.channels = 16, .slots = 2, .data = 0};

struct tally {
	uint64_t calls;
	uint64_t slowest;
};

struct caller {
	struct channel *c;
	struct tally *tally;
	uint64_t seed;
	uint32_t who;
};

static void pause_a_little(uint64_t *seed)
{
	uint64_t r = rig_random(seed);

	if (r % 8 == 0)
		usleep((useconds_t)(r >> 8) % 300);
	else
		for (uint64_t i = 0; i < (r >> 8) % 3000; i++)
			cpu_relax();
}

static void *calls(void *arg)
{
	struct caller *a = arg;

	for (uint32_t i = 0;; i++) {
		uint64_t began = ring_now(), took;
		int err = rig_echo_call(a->c, a->who, i, (uint32_t)(rig_random(&a->seed) % 200), LIMIT);

		took = ring_now() - began;
		must(err == 0);
		fetch_add(&a->tally->calls, 1);
		if (took > load_relaxed(&a->tally->slowest))
			store_relaxed(&a->tally->slowest, took);
		pause_a_little(&a->seed);
	}
	return NULL;
}

static pid_t client(int fd, int efd, struct tally *tally, uint64_t seed)
{
	pid_t pid = fork();
	pthread_t t;

	must(pid >= 0);
	if (pid == 0) {
		const struct channel_options opt = {.eventfd = efd, .spin = (seed & 1) ? 16 : 0};
		struct caller a[THREADS];
		struct channel c;
		struct rig rig;
		int err;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rig_join(&rig, fd);
		while ((err = channel_attach(&c, &rig.ring, &opt)) == -EUSERS)
			usleep(1000);
		must(err == 0);
		for (uint32_t i = 0; i < THREADS; i++) {
			a[i] = (struct caller){&c, tally, seed + i * 7919, i + 1};
			if (i)
				must(pthread_create(&t, NULL, calls, &a[i]) == 0);
		}
		calls(&a[0]);
	}
	return pid;
}

static pid_t server(int fd, int efd)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rig_serve(fd, efd, -1);
	}
	return pid;
}

static void disturb(pid_t *who, uint64_t *seed)
{
	kill(*who, SIGSTOP);
	usleep((useconds_t)(rig_random(seed) % 2000));
	kill(*who, SIGCONT);
}

static void bury(struct rig *rig)
{
	/* The server serves what is LEFT; that its owner is dead, is proven here. */
	for (uint32_t i = 0; i < ring_used(&rig->ring); i++) {
		struct ring_channel *ch = ring_channel(&rig->ring, i);
		uint64_t seat = load_acquire(&ch->owner);

		if (ring_seat_state(seat) == SEAT_LIVE && !ring_seat_lives(&rig->pool, seat) &&
		    cas(&ch->owner, &seat, ring_seat_as(seat, SEAT_LEFT)))
			fetch_or(&rig->ring.header->pending[0], UINT64_C(1) << i);
	}
}

/* The seats of killed clients of the pool: as the daemon does it, for there are only so many. */
static void free_seats(struct rig *rig)
{
	for (uint32_t i = 0; i < POOL_CLIENTS; i++) {
		if (load_acquire(&client_slot(&rig->pool, i)->state) == SLOT_LIVE && i != rig->pool.client &&
		    client_trylock(&rig->pool, i) == 0) {
			store_release(&client_slot(&rig->pool, i)->state, SLOT_FREE);
			client_unlock(&rig->pool, i);
		}
	}
}

int main(int argc, char **argv)
{
	bool by_eventfd = argc > 1 && strcmp(argv[1], "eventfd") == 0;
	uint64_t until = ring_now() + (argc > 2 ? strtoull(argv[2], NULL, 10) : 5) * 1000 * MS;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : ring_now() | 1;
	struct tally *tally = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int efd = by_eventfd ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1, kills = 0;
	pid_t pids[CLIENTS], srv;
	struct ring_server next;
	struct rig rig;

	must(tally != MAP_FAILED);
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(NULL);
	rig_make(&rig, &GEO);
	srv = server(rig.fd, efd);
	while (!load_acquire(&rig.ring.header->server))
		usleep(100);
	for (int i = 0; i < CLIENTS; i++)
		pids[i] = client(rig.fd, efd, tally, rig_random(&seed) | 1);
	while (ring_now() < until) {
		pid_t *victim = &pids[rig_random(&seed) % CLIENTS];

		usleep((useconds_t)(rig_random(&seed) % 3000));
		if (rig_random(&seed) % 4 == 0) {
			disturb(&srv, &seed);
		} else if (rig_random(&seed) % 2) {
			disturb(victim, &seed);
		} else {
			rig_kill(*victim);
			kills++;
			free_seats(&rig);
			bury(&rig);
			*victim = client(rig.fd, efd, tally, rig_random(&seed) | 1);
		}
		must(waitpid(-1, NULL, WNOHANG) == 0);
	}
	for (int i = 0; i < CLIENTS; i++)
		rig_kill(pids[i]);
	rig_kill(srv);
	printf("%llu calls, %d kills, slowest %llu us\n", (unsigned long long)tally->calls, kills,
	       (unsigned long long)tally->slowest / 1000);
	/* The next server finds all of it in order. */
	must(ring_server_open(&next, &rig.ring, -1, rig_echo, NULL) == 0);
	ring_server_sweep(&next);
	must(next.stats.channels == 0);
	for (uint32_t i = 0; i < ring_used(&rig.ring); i++)
		must(ring_check(&rig.ring, i) == 0);
	must(tally->calls > 1000 && kills > 10);
	return 0;
}
