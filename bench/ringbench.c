/*
 * Round trips through the ring, one client process and one server process.
 *
 * usage: ringbench [ROUNDS]
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <poll.h>

#include "rig.h"

static const struct ring_geometry GEO = {.channels = 2, .slots = 16, .data = 0};

enum sleeper { SPINS, BY_FUTEX, BY_EVENTFD };

static void answer(struct ring_server *s, const struct served *q, void *arg)
{
	ring_server_answer(s, q, (int32_t)q->op, q->in, q->len, 0);
}

static _Noreturn void serve(int fd, int efd, enum sleeper how)
{
	struct pollfd p = {.fd = efd, .events = POLLIN};
	struct ring_server s;
	struct rig rig;
	uint32_t value;
	uint64_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rig_join(&rig, fd);
	must(ring_server_open(&s, &rig.ring, efd, answer, NULL) == 0);
	for (;;) {
		if (ring_server_poll(&s) > 0 || how == SPINS)
			continue;
		if (ring_server_idle(&s, &value)) {
			if (how == BY_FUTEX)
				futex_wait(ring_server_word(&s), value, 1000000000);
			else if (poll(&p, 1, -1) == 1 && read(efd, &n, sizeof n) < 0)
				continue;
		}
		ring_server_awake(&s);
	}
}

static pid_t start(int fd, int efd, enum sleeper how, struct rig *rig)
{
	pid_t pid = fork();

	if (pid == 0)
		serve(fd, efd, how);
	while (!load_acquire(&rig->ring.header->server))
		usleep(100);
	usleep(20000);
	return pid;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t ticks(void)
{
	return __builtin_ia32_rdtsc();
}

static double tick_ns(void)
{
	uint64_t ns = ring_now(), t = ticks();

	usleep(100000);
	return (double)(ring_now() - ns) / (double)(ticks() - t);
}

static void latency(const char *name, struct channel *c, uint64_t *t, unsigned rounds, uint32_t len, unsigned pause)
{
	double ns = tick_ns();
	static char buf[RING_INLINE];

	for (unsigned i = 0; i < rounds; i++) {
		struct call call = {
		    .who = 1, .op = i, .in = buf, .len = len, .out = buf, .room = len, .timeout = CHANNEL_FOREVER};

		if (pause)
			usleep(pause);
		t[i] = ticks();
		must(channel_call(c, &call) == (int)len);
		t[i] = ticks() - t[i];
	}
	qsort(t, rounds, sizeof *t, by_value);
	printf("%-44s %9.2f %9.2f us\n", name, (double)t[rounds / 2] * ns / 1000,
	       (double)t[rounds * 99 / 100] * ns / 1000);
}

/* `depth` requests under way at a time. */
static void throughput(struct channel *c, unsigned rounds, unsigned depth)
{
	uint64_t began = ring_now();
	struct request q[16];

	for (unsigned i = 0; i < rounds; i += depth) {
		for (unsigned k = 0; k < depth; k++) {
			must(channel_begin(c, 1, CHANNEL_FOREVER, &q[k]) == 0);
			q[k].len = 64;
			must(channel_send(c, &q[k]) == 0);
		}
		for (unsigned k = 0; k < depth; k++) {
			must(channel_wait(c, &q[k], CHANNEL_FOREVER) == 0);
			channel_end(c, &q[k]);
		}
	}
	printf("throughput, %2u under way %19s %9.2f million/s\n", depth, "",
	       (double)rounds * 1000 / (double)(ring_now() - began));
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200000;
	uint64_t *t = calloc(rounds, sizeof *t);
	static const char *const names[] = {"spins", "sleeps, futex", "sleeps, eventfd"};

	must(rounds >= 1000 && t);
	printf("%-44s %9s %9s\n", "round trip", "median", "p99");
	for (enum sleeper how = SPINS; how <= BY_EVENTFD; how++) {
		int efd = how == BY_EVENTFD ? eventfd(0, EFD_NONBLOCK) : -1;
		struct channel c;
		struct rig rig;
		char name[64];
		pid_t pid;

		rig_make(&rig, &GEO);
		pid = start(rig.fd, efd, how, &rig);
		must(channel_attach(&c, &rig.ring,
				    &(struct channel_options){.eventfd = efd, .spin = how == SPINS ? 100000 : 0}) == 0);
		snprintf(name, sizeof name, "server %s, 64 bytes", names[how]);
		latency(name, &c, t, rounds, 64, 0);
		if (how == SPINS) {
			latency("server spins, 4 KiB", &c, t, rounds, 4096, 0);
			throughput(&c, rounds, 1);
			throughput(&c, rounds, 16);
		} else {
			snprintf(name, sizeof name, "server %s, 64 bytes, rare", names[how]);
			latency(name, &c, t, rounds / 100, 64, 200);
			c.opt.spin = c.spin = 1;
			snprintf(name, sizeof name, "both sleep (%s)", names[how] + 8);
			latency(name, &c, t, rounds / 20, 64, 0);
			throughput(&c, rounds, 16);
		}
		rig_kill(pid);
	}
	free(t);
	return 0;
}
