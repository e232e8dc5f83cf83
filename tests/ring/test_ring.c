/* The ring, one property a test. Client and server are this one process where nothing has to die. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <cmocka.h>

#include "rig.h"

#define MS 1000000ull

static const struct ring_geometry GEO = {.channels = 4, .slots = 8, .data = 8192};
static const struct channel_options OPT = {.eventfd = -1};

struct pair {
	struct rig rig;
	struct ring_server s;
	struct channel c;
	struct served held[RING_SLOTS];
	unsigned nheld;
};

static void hold(struct ring_server *s, const struct served *q, void *arg)
{
	struct pair *p = arg;

	p->held[p->nheld++] = *q;
}

static void pair_make(struct pair *p, ring_server_handler *handler)
{
	memset(p, 0, sizeof *p);
	rig_make(&p->rig, &GEO);
	assert_int_equal(ring_server_open(&p->s, &p->rig.ring, -1, handler, p), 0);
	assert_int_equal(channel_attach(&p->c, &p->rig.ring, &OPT), 0);
}

static void pair_drop(struct pair *p)
{
	assert_int_equal(ring_check(&p->rig.ring, p->c.index), 0);
	channel_detach(&p->c);
	ring_server_poll(&p->s);
	assert_int_equal(p->s.stats.channels, 0);
	assert_int_equal(p->s.stats.depth, 0);
	ring_server_close(&p->s);
	rig_drop(&p->rig);
}

static void send_op(struct pair *p, struct request *q, uint32_t op)
{
	assert_int_equal(channel_begin(&p->c, 1, 0, q), 0);
	q->op = op;
	assert_int_equal(channel_send(&p->c, q), 0);
}

static void inline_and_data(void **state)
{
	struct request q;
	struct pair p;

	pair_make(&p, rig_echo);
	assert_int_equal(channel_begin(&p.c, 1, 0, &q), 0);
	assert_int_equal(channel_data(&p.c, &q, q.room + 1), -EMSGSIZE);
	assert_int_equal(channel_data(&p.c, &q, q.room), 0);
	memset(q.buf, 1, RING_INLINE);
	memset(q.data, 5, q.room);
	q.op = 77;
	q.len = RING_INLINE;
	q.data_len = q.room;
	assert_int_equal(channel_send(&p.c, &q), 0);
	assert_int_equal(channel_poll(&p.c, &q), 0);
	assert_true(ring_server_poll(&p.s) > 0);
	assert_int_equal(channel_wait(&p.c, &q, 0), 0);
	assert_int_equal(q.result, 77);
	assert_int_equal(q.reply_len, RING_INLINE);
	assert_int_equal(q.reply_data, q.room);
	assert_int_equal(((char *)q.buf)[RING_INLINE - 1], 2);
	assert_int_equal(((char *)q.data)[q.room - 1], 6);
	channel_end(&p.c, &q);
	assert_int_equal(channel_begin(&p.c, 1, 0, &q), 0);
	q.len = RING_INLINE + 1;
	assert_int_equal(channel_send(&p.c, &q), -EMSGSIZE);
	channel_end(&p.c, &q);
	pair_drop(&p);
}

/* Through all laps of entries, and generations past the 16 bits that an entry has of them. */
static void wraps_around(void **state)
{
	struct request q[3];
	struct pair p;

	pair_make(&p, rig_echo);
	for (uint32_t i = 0; i < 300000; i++) {
		for (uint32_t k = 0; k < 1 + i % 3; k++)
			send_op(&p, &q[k], i + k);
		assert_true(ring_server_poll(&p.s) > 0);
		for (uint32_t k = 0; k < 1 + i % 3; k++) {
			assert_int_equal(channel_wait(&p.c, &q[k], 0), 0);
			assert_int_equal(q[k].result, i + k);
			channel_end(&p.c, &q[k]);
		}
	}
	pair_drop(&p);
}

static void full_waits(void **state)
{
	struct request q[9];
	struct pair p;

	pair_make(&p, rig_echo);
	for (uint32_t i = 0; i < 8; i++)
		send_op(&p, &q[i], i);
	assert_int_equal(channel_begin(&p.c, 1, 20 * MS, &q[8]), -ETIMEDOUT);
	ring_server_poll(&p.s);
	assert_int_equal(channel_begin(&p.c, 1, 0, &q[8]), -ETIMEDOUT);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(channel_wait(&p.c, &q[i], 0), 0);
		assert_int_equal(q[i].result, i);
		channel_end(&p.c, &q[i]);
	}
	send_op(&p, &q[8], 8);
	channel_end(&p.c, &q[8]);
	ring_server_poll(&p.s);
	assert_int_equal(p.s.stats.cancelled, 1);
	assert_int_equal(p.s.stats.served, 8);
	pair_drop(&p);
}

static void out_of_order(void **state)
{
	struct request q[8];
	struct pair p;

	pair_make(&p, hold);
	for (uint32_t i = 0; i < 8; i++)
		send_op(&p, &q[i], i);
	ring_server_poll(&p.s);
	assert_int_equal(p.nheld, 8);
	assert_int_equal(p.s.stats.depth, 8);
	for (uint32_t i = 8; i-- > 0;) {
		assert_int_equal(p.held[i].op, i);
		assert_int_equal(channel_wait(&p.c, &q[i], 0), -ETIMEDOUT);
		assert_int_equal(ring_server_answer(&p.s, &p.held[i], -(int)i, NULL, 0, 0), 0);
		assert_int_equal(ring_server_answer(&p.s, &p.held[i], 0, NULL, 0, 0), -ESTALE);
		assert_int_equal(channel_wait(&p.c, &q[i], 0), 0);
		assert_int_equal(q[i].result, -(int)i);
	}
	for (uint32_t i = 0; i < 8; i++)
		channel_end(&p.c, &q[i]);
	pair_drop(&p);
}

static void times_out(void **state)
{
	struct request q, other;
	struct pair p;
	uint64_t began;

	pair_make(&p, hold);
	send_op(&p, &q, 1);
	ring_server_poll(&p.s);
	began = ring_now();
	assert_int_equal(channel_wait(&p.c, &q, 30 * MS), -ETIMEDOUT);
	assert_true(ring_now() - began >= 30 * MS);
	channel_end(&p.c, &q);
	/* The slot is not given out again before the answer to nobody. */
	send_op(&p, &other, 2);
	assert_int_not_equal(other.slot, q.slot);
	assert_int_equal(ring_server_answer(&p.s, &p.held[0], 0, NULL, 0, 0), 0);
	ring_server_poll(&p.s);
	assert_int_equal(ring_server_answer(&p.s, &p.held[1], 9, NULL, 0, 0), 0);
	assert_int_equal(channel_wait(&p.c, &other, 0), 0);
	assert_int_equal(other.result, 9);
	channel_end(&p.c, &other);
	pair_drop(&p);
}

/* What a damaged client could write, and that only its channel ends. */
enum damage { ENTRY_SLOT, ENTRY_LAP, ENTRY_GEN, SLOT_STATE, LEN, DATA_LEN, DATA_OFF, DATA_WRAP, DAMAGES };

static void damage(struct pair *p, const struct request *q, enum damage kind)
{
	struct ring_channel *ch = p->c.shared;
	struct ring_slot *s = &ch->slot[q->slot];

	switch (kind) {
	case ENTRY_SLOT:
		ch->entry[0] = entry_make(0, GEO.slots, 1);
		break;
	case ENTRY_LAP:
		ch->entry[0] = entry_make(3, q->slot, req_gen(q->word));
		break;
	case ENTRY_GEN:
		ch->entry[0] ^= 0x100;
		break;
	case SLOT_STATE:
		s->word = 6;
		break;
	case LEN:
		s->len = RING_INLINE + 1;
		break;
	case DATA_LEN:
		s->data_len = GEO.data * GEO.slots + 1;
		break;
	case DATA_OFF:
		s->data_off = GEO.data * GEO.slots;
		s->data_len = 1;
		break;
	case DATA_WRAP:
		s->data_off = UINT64_MAX - 1;
		s->data_len = 4;
		break;
	case DAMAGES:
		break;
	}
}

static void malformed(void **state)
{
	for (enum damage kind = 0; kind < DAMAGES; kind++) {
		struct request q, next;
		struct channel good;
		struct pair p;

		pair_make(&p, rig_echo);
		assert_int_equal(channel_attach(&good, &p.rig.ring, &OPT), 0);
		assert_int_equal(channel_begin(&p.c, 1, 0, &next), 0);
		send_op(&p, &q, 1);
		damage(&p, &q, kind);
		ring_server_poll(&p.s);
		assert_int_equal(p.s.stats.broken, 1);
		if (kind != SLOT_STATE)
			assert_int_equal(channel_wait(&p.c, &q, 50 * MS), -EUCLEAN);
		channel_end(&p.c, &q);
		assert_int_equal(channel_send(&p.c, &next), -EUCLEAN);
		channel_end(&p.c, &next);
		assert_int_equal(channel_begin(&p.c, 1, 0, &q), -EUCLEAN);
		/* The neighbour, then a new channel instead. */
		assert_int_equal(channel_begin(&good, 1, 0, &q), 0);
		assert_int_equal(channel_send(&good, &q), 0);
		ring_server_poll(&p.s);
		assert_int_equal(channel_wait(&good, &q, 0), 0);
		channel_end(&good, &q);
		channel_detach(&good);
		channel_detach(&p.c);
		ring_server_poll(&p.s);
		assert_int_equal(channel_attach(&p.c, &p.rig.ring, &OPT), 0);
		assert_int_equal(p.c.index, 0);
		pair_drop(&p);
	}
}

static void damaged_header(void **state)
{
	struct ring again;
	struct pair p;

	pair_make(&p, rig_echo);
	p.rig.ring.header->slots = 7;
	assert_int_equal(ring_map(&p.rig.pool, &p.rig.pool.region[REGION_FIRST_FS], &again), -EUCLEAN);
	p.rig.ring.header->slots = 64;
	assert_int_equal(ring_map(&p.rig.pool, &p.rig.pool.region[REGION_FIRST_FS], &again), -EUCLEAN);
	/* Who has mapped it before works on with its copy. */
	pair_drop(&p);
}

static void seats(void **state)
{
	struct channel c[5];
	struct rig rig;
	struct ring_server s, second;

	rig_make(&rig, &GEO);
	assert_int_equal(channel_attach(&c[0], &rig.ring, &OPT), -ENOTCONN);
	assert_int_equal(ring_server_open(&s, &rig.ring, -1, rig_echo, NULL), 0);
	assert_int_equal(ring_server_open(&second, &rig.ring, -1, rig_echo, NULL), -EBUSY);
	for (int i = 0; i < 4; i++)
		assert_int_equal(channel_attach(&c[i], &rig.ring, &OPT), 0);
	assert_int_equal(channel_attach(&c[4], &rig.ring, &OPT), -EUSERS);
	channel_detach(&c[2]);
	ring_server_poll(&s);
	assert_int_equal(channel_attach(&c[4], &rig.ring, &OPT), 0);
	ring_server_close(&s);
	assert_int_equal(rig_echo_call(&c[0], 1, 1, 1, MS), -ENOTCONN);
	rig_drop(&rig);
}

struct later {
	struct pair *p;
	uint64_t after;
};

static void *close_later(void *arg)
{
	struct later *l = arg;

	usleep((useconds_t)(l->after / 1000));
	ring_server_close(&l->p->s);
	return NULL;
}

static void server_closes(void **state)
{
	struct later l;
	struct request q;
	struct pair p;
	pthread_t t;

	pair_make(&p, hold);
	send_op(&p, &q, 1);
	ring_server_poll(&p.s);
	l = (struct later){&p, 20 * MS};
	pthread_create(&t, NULL, close_later, &l);
	assert_int_equal(channel_wait(&p.c, &q, CHANNEL_FOREVER), -ENOTCONN);
	pthread_join(t, NULL);
	channel_end(&p.c, &q);
	rig_drop(&p.rig);
}

static void server_dies(void **state)
{
	struct request q[9];
	struct channel c;
	struct rig rig;
	uint64_t began;
	pid_t pid;

	rig_make(&rig, &GEO);
	pid = rig_server(rig.fd, -1);
	assert_int_equal(channel_attach(&c, &rig.ring, &OPT), 0);
	assert_int_equal(rig_echo_call(&c, 1, 5, 100, CHANNEL_FOREVER), 0);
	kill(pid, SIGSTOP);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(channel_begin(&c, 1, 0, &q[i]), 0);
		assert_int_equal(channel_send(&c, &q[i]), 0);
	}
	rig_kill(pid);
	began = ring_now();
	assert_int_equal(channel_wait(&c, &q[0], CHANNEL_FOREVER), -ENOTCONN);
	assert_int_equal(channel_begin(&c, 1, CHANNEL_FOREVER, &q[8]), -ENOTCONN);
	assert_true(ring_now() - began < 500 * MS);
	channel_end(&c, &q[0]);
	assert_int_equal(channel_resume(&c, -1), -ENOTCONN);

	/* A new server serves what was sent and not given up; new requests need a word with it first. */
	pid = rig_server(rig.fd, -1);
	for (int i = 1; i < 8; i++) {
		assert_int_equal(channel_wait(&c, &q[i], CHANNEL_FOREVER), 0);
		channel_end(&c, &q[i]);
	}
	assert_int_equal(rig_echo_call(&c, 1, 5, 100, CHANNEL_FOREVER), -ENOTCONN);
	assert_int_equal(channel_resume(&c, -1), 0);
	for (uint32_t i = 0; i < 50; i++)
		assert_int_equal(rig_echo_call(&c, 1, i, i, CHANNEL_FOREVER), 0);
	rig_kill(pid);
	rig_drop(&rig);
}

/* A request that the dead server had taken is nobody's: the next one says so. */
static void taken_over(void **state)
{
	struct request q, lost;
	struct pair p;

	pair_make(&p, hold);
	send_op(&p, &q, 1);
	send_op(&p, &lost, 2);
	ring_server_poll(&p.s);
	channel_end(&p.c, &lost);
	p.rig.ring.header->server ^= UINT64_C(1) << 30; /* a seat of an earlier life: dead */
	assert_int_equal(ring_server_open(&p.s, &p.rig.ring, -1, hold, &p), 0);
	assert_int_equal(channel_wait(&p.c, &q, 0), -ENOTCONN);
	channel_end(&p.c, &q);
	assert_int_equal(channel_resume(&p.c, -1), 0);
	for (int i = 0; i < 8; i++)
		send_op(&p, &q, 1), channel_end(&p.c, &q);
	ring_server_poll(&p.s);
	assert_int_equal(p.s.stats.cancelled, 8);
	pair_drop(&p);
}

static void client_dies(void **state)
{
	struct pair p;
	int ready[2];
	pid_t pid;
	char c;

	pair_make(&p, hold);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct request q;
		struct channel mine;
		struct rig rig;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rig_join(&rig, p.rig.fd);
		must(channel_attach(&mine, &rig.ring, &OPT) == 0);
		for (int i = 0; i < 3; i++)
			must(channel_begin(&mine, 1, 0, &q) == 0 && channel_send(&mine, &q) == 0);
		must(write(ready[1], "", 1) == 1);
		pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	ring_server_poll(&p.s);
	assert_int_equal(p.nheld, 3);
	assert_int_equal(p.s.stats.channels, 2);
	assert_int_equal(ring_server_sweep(&p.s), 0);
	rig_kill(pid);
	assert_int_equal(ring_server_sweep(&p.s), 1);
	/* Not given to anybody while the server is at its requests. */
	assert_int_equal(p.s.stats.channels, 2);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ring_server_answer(&p.s, &p.held[i], 0, "late", 4, 0), 0);
	ring_server_poll(&p.s);
	assert_int_equal(p.s.stats.channels, 1);
	pair_drop(&p);
	close(ready[0]);
	close(ready[1]);
}

static void reclaims(void **state)
{
	struct request q[4], own;
	struct pair p;

	pair_make(&p, rig_echo);
	for (int i = 0; i < 4; i++)
		assert_int_equal(channel_begin(&p.c, 42, 0, &q[i]), 0);
	assert_int_equal(channel_begin(&p.c, 43, 0, &own), 0);
	assert_int_equal(channel_send(&p.c, &q[0]), 0);
	ring_server_poll(&p.s);
	assert_int_equal(channel_send(&p.c, &q[1]), 0);
	assert_int_equal(channel_reclaim(&p.c, 42), 4);
	assert_int_equal(channel_reclaim(&p.c, 42), 0);
	assert_int_equal(channel_send(&p.c, &own), 0);
	ring_server_poll(&p.s);
	assert_int_equal(channel_wait(&p.c, &own, 0), 0);
	channel_end(&p.c, &own);
	assert_int_equal(p.s.stats.cancelled, 1);
	for (uint32_t k = 0; k < GEO.slots; k++)
		assert_int_equal(req_state(p.c.shared->slot[k].word), REQ_FREE);
	pair_drop(&p);
}

struct crew {
	struct channel *c;
	uint32_t who;
	unsigned rounds;
	bool server;
	uint32_t *running;
	struct ring_server *s;
};

static void *member(void *arg)
{
	struct crew *m = arg;

	if (m->server) {
		while (load_acquire(m->running)) {
			while (ring_server_poll(m->s) > 0)
				;
			ring_server_wait(m->s, 3600000000000u);
		}
		return NULL;
	}
	for (unsigned i = 0; i < m->rounds; i++)
		must(rig_echo_call(m->c, m->who, i, i % 64, 60000 * MS) == 0);
	return NULL;
}

/* More threads than slots, one channel; the server sleeps and wakes. */
static void many_producers(void **state)
{
	struct crew m[12];
	pthread_t t[12], server;
	uint32_t running = 1;
	struct crew boss;
	struct pair p;

	pair_make(&p, rig_echo);
	boss = (struct crew){.server = true, .running = &running, .s = &p.s};
	pthread_create(&server, NULL, member, &boss);
	for (uint32_t i = 0; i < array_len(t); i++) {
		m[i] = (struct crew){.c = &p.c, .who = i + 1, .rounds = 3000};
		pthread_create(&t[i], NULL, member, &m[i]);
	}
	for (uint32_t i = 0; i < array_len(t); i++)
		pthread_join(t[i], NULL);
	store_release(&running, 0);
	/* More than once: a server that is at its last look takes a notice for one of what it looks at. */
	while (pthread_tryjoin_np(server, NULL) != 0) {
		ring_notify(p.rig.ring.header, p.c.index, -1);
		usleep(1000);
	}
	assert_int_equal(p.s.stats.served, 12 * 3000);
	pair_drop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(inline_and_data), cmocka_unit_test(wraps_around),	 cmocka_unit_test(full_waits),
	    cmocka_unit_test(out_of_order),    cmocka_unit_test(times_out),	 cmocka_unit_test(malformed),
	    cmocka_unit_test(damaged_header),  cmocka_unit_test(seats),		 cmocka_unit_test(server_closes),
	    cmocka_unit_test(server_dies),     cmocka_unit_test(taken_over),	 cmocka_unit_test(client_dies),
	    cmocka_unit_test(reclaims),	       cmocka_unit_test(many_producers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
