/*
 * Before the loop sleeps it serves what there is and announces that it will
 * sleep (ring/server.h). It then waits for the bell as an operation of io_uring.
 * Where the kernel cannot do that (before Linux 6.7, or io_uring is forbidden) a
 * thread waits for it instead and writes to an eventfd: that costs another wake-up
 * of some 5 us each time, but no hooked program has to hold a descriptor for it.
 *
 * A request that the kernel's locks could hold up goes to the teller. Attributes
 * alone need no lock, and are told at once.
 *
 * A client says hello once: its process is watched through a pidfd, so that what
 * it leaves behind is cleared up when it dies and not at the timer's next look.
 */
#include "daemon/rings.h"
#include "daemon/tally.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/ops.h"

#define GEOMETRY ((struct ring_geometry){.channels = RING_CHANNELS, .slots = 16})
#define NAP_NS 200000000u /* the bell's thread looks this often whether it is to end */
#define ROUNDS 64	  /* of serving, before the loop looks what else there is */

struct client {
	struct loop_event event; /* a pidfd */
	struct client *next;
	struct rings *rings;
	uint64_t seat; /* of the channel that it said hello on */
};

struct rings {
	struct rings_config config;
	struct ring ring;
	struct ring_server server;
	struct client *clients;
	bool idle;  /* announced that it sleeps */
	bool words; /* the loop waits for the bell itself */
	struct loop_word bell;
	/* Where it does not. */
	struct loop_event rung;
	pthread_t thread;
	bool threaded;
	uint32_t armed; /* 1: the thread is to wait. Atomic, a futex */
	uint32_t value; /* for what */
	uint32_t end;	/* atomic */
};

/* A request that the teller works on. */
struct pending {
	struct telling telling; /* first */
	struct rings *rings;
	struct served q;
};

uint64_t rings_bytes(void)
{
	struct ring_geometry g = GEOMETRY;

	return ring_bytes(&g);
}

/* ---- Clients -------------------------------------------------------------------------- */

static void forget_client(struct client *c)
{
	struct client **p = &c->rings->clients;

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	loop_remove(c->rings->config.loop, &c->event);
	close(c->event.fd);
	free(c);
}

static void on_death(struct loop_event *ev)
{
	struct client *c = (struct client *)ev; /* its first member */
	struct rings *r = c->rings;
	uint32_t client = ring_seat_client(c->seat);

	forget_client(c);
	r->config.died(r->config.arg);
	ring_server_bury(&r->server, client);
}

/* The process of a channel, by the pid that it has given: a wrong one is watched in vain, and the timer is there. */
static void watch(struct rings *r, uint32_t channel)
{
	uint64_t seat = load_acquire(&ring_channel(&r->ring, channel)->owner);
	uint32_t client = ring_seat_client(seat);
	autofree struct client *c = NULL;

	for (c = r->clients; c; c = c->next) {
		if (c->seat == seat) {
			c = NULL;
			return;
		}
	}
	if (ring_seat_state(seat) != SEAT_LIVE || client >= POOL_CLIENTS)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->rings = r;
	c->seat = seat;
	c->event.ready = on_death;
	c->event.fd = (int)syscall(SYS_pidfd_open, load_relaxed(&client_slot(&r->config.fs->pool, client)->pid), 0);
	if (c->event.fd < 0)
		return;
	if (loop_add(r->config.loop, &c->event) < 0) {
		close(c->event.fd);
		return;
	}
	c->next = r->clients;
	r->clients = steal(&c);
}

/* ---- Requests -------------------------------------------------------------------------- */

static void answer_pending(struct telling *t)
{
	struct pending *p = (struct pending *)t;

	ring_server_answer(&p->rings->server, &p->q, t->err, NULL, 0, 0);
	free(p);
}

/* Is all of it told without a lock of the kernel's? Then it is. */
static bool told_at_once(struct rings *r, const struct telling *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->list.item[i].marks & ~FS_MARK_ATTR)
			return false;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		if (!session_forget_attr(r->config.session, r->config.task, &t->list.item[i]))
			return false;
	}
	return true;
}

static void copy_request(struct telling *t, const void *in)
{
	const struct control_op_stale *req = in;

	t->n = load_relaxed(&req->n);
	memcpy(&t->list, &req->list, sizeof(t->list));
}

/* 0: it will be answered; or what to answer. */
static int stale(struct rings *r, const struct served *q)
{
	autofree struct pending *p = q->len == sizeof(struct control_op_stale) ? calloc(1, sizeof(*p)) : NULL;

	if (!p)
		return q->len == sizeof(struct control_op_stale) ? -ENOMEM : -EINVAL;
	copy_request(&p->telling, q->in);
	if (p->telling.n > TASK_STALE)
		return -EINVAL;
	p->rings = r;
	p->q = *q;
	p->telling.done = answer_pending;
	if (told_at_once(r, &p->telling))
		answer_pending(&steal(&p)->telling);
	else
		teller_tell(r->config.teller, &steal(&p)->telling);
	return 0;
}

static void serve(struct ring_server *s, const struct served *q, void *arg)
{
	struct rings *r = arg;
	int ret = -ENOSYS;

	tally_ring(&r->config.fs->pool);
	if (q->op == CONTROL_OP_STALE) {
		ret = stale(r, q);
		if (ret == 0)
			return;
	} else if (q->op == CONTROL_OP_HELLO) {
		watch(r, q->channel);
		ret = 0;
	}
	ring_server_answer(s, q, ret, NULL, 0, 0);
}

/* ---- The bell --------------------------------------------------------------------------- */

/* The loop is woken; what there is is served before it sleeps again. */
static void on_bell(struct loop_word *w)
{
}

static void on_rung(struct loop_event *ev)
{
	uint64_t n;

	while (read(ev->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
}

static void *wait_for_bell(void *arg)
{
	struct rings *r = arg;
	const uint64_t one = 1;

	while (!load_acquire(&r->end)) {
		uint32_t *word = ring_server_word(&r->server);

		if (!load_acquire(&r->armed)) {
			futex_wait(&r->armed, 0, NAP_NS);
			continue;
		}
		if (load_acquire(word) == load_relaxed(&r->value) &&
		    futex_wait(word, load_relaxed(&r->value), NAP_NS) == -ETIMEDOUT)
			continue;
		store_release(&r->armed, 0);
		while (write(r->rung.fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	}
	return NULL;
}

static void sleep_on(struct rings *r, uint32_t value)
{
	if (r->words) {
		/* Set already, with an older value: whoever rings wakes it all the same. */
		(void)!loop_set_word(r->config.loop, &r->bell, value);
		return;
	}
	store_relaxed(&r->value, value);
	store_release(&r->armed, 1);
	futex_wake(&r->armed, 1);
}

static bool before_sleep(void *arg)
{
	struct rings *r = arg;
	uint32_t value;
	int n = 1;

	if (r->idle)
		ring_server_awake(&r->server);
	r->idle = false;
	for (int i = 0; i < ROUNDS && n > 0; i++)
		n = ring_server_poll(&r->server);
	if (n > 0)
		return true;
	r->idle = true;
	if (!ring_server_idle(&r->server, &value))
		return true;
	sleep_on(r, value);
	return false;
}

static int open_bell(struct rings *r)
{
	int ret;

	r->words = loop_has_words(r->config.loop);
	r->bell = (struct loop_word){.changed = on_bell, .word = ring_server_word(&r->server)};
	loop_before_sleep(r->config.loop, before_sleep, r);
	if (r->words)
		return 0;
	r->rung.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->rung.ready = on_rung;
	if (r->rung.fd < 0)
		return -errno;
	ret = loop_add(r->config.loop, &r->rung);
	if (ret == 0)
		ret = -pthread_create(&r->thread, NULL, wait_for_bell, r);
	r->threaded = ret == 0;
	return ret;
}

const char *rings_mode(const struct rings *r)
{
	return r->words ? "futex" : "eventfd";
}

/* ---- Life -------------------------------------------------------------------------------- */

static int map_rings(struct rings *r)
{
	struct pool *pool = &r->config.fs->pool;
	const struct pool_region *region = fs_rings(r->config.fs);
	const struct ring_geometry g = GEOMETRY;
	int ret = ring_map(pool, region, &r->ring);

	if (ret == -EUCLEAN && region->len >= rings_bytes()) {
		ret = ring_format(pool, region, &g); /* new */
		if (ret == 0)
			ret = ring_map(pool, region, &r->ring);
	}
	return ret;
}

int rings_open(const struct rings_config *config, struct rings **out, struct err *err)
{
	struct rings *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return err_set(err, -ENOMEM, "out of memory");
	r->config = *config;
	r->rung.fd = -1;
	ret = map_rings(r);
	if (ret == 0)
		ret = ring_server_open(&r->server, &r->ring, -1, serve, r);
	if (ret < 0) {
		free(r);
		return err_set(err, ret, "rings of the pool: %s", strerror(-ret));
	}
	*out = r;
	/* Clients of a daemon that was killed. */
	for (uint32_t i = 0; i < ring_used(&r->ring); i++)
		watch(r, i);
	ret = open_bell(r);
	return ret < 0 ? err_set(err, ret, "rings: %s", strerror(-ret)) : 0;
}

void rings_sweep(struct rings *r)
{
	ring_server_sweep(&r->server);
}

void rings_close(struct rings *r)
{
	if (!r)
		return;
	if (r->threaded) {
		store_release(&r->end, 1);
		futex_wake(&r->armed, 1);
		pthread_join(r->thread, NULL);
	}
	ring_server_close(&r->server);
	while (r->clients)
		forget_client(r->clients);
	if (r->rung.fd >= 0)
		close(r->rung.fd);
	free(r);
}
