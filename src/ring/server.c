/*
 * Server's end: see server.h. A slot that was taken from a ring is the
 * server's alone until it is answered, also if its client dies meanwhile: a
 * channel is reset only when none of its slots is. So whoever attaches it next
 * never meets a late answer.
 */
#include "ring/server.h"

#include <errno.h>

#include "base/mem.h"
#include "ring/queue.h"

#define BATCH 16 /* from one channel, then the next one's turn */
#define SPIN_MAX 400u
#define SPIN_MIN 16u

static struct ring_channel *chan(const struct ring_server *s, uint32_t i)
{
	return ring_channel(s->ring, i);
}

static uint32_t slots(const struct ring_server *s)
{
	return s->ring->geo.slots;
}

static void pending_set(struct ring_server *s, uint32_t i)
{
	fetch_or(&s->ring->header->pending[i / 64], UINT64_C(1) << i % 64);
}

/* Moves a slot on, keeping owner and generation; wakes who sleeps for it. False: it was in another state. */
static bool finish(struct ring_channel *ch, struct ring_slot *slot, uint64_t word, enum ring_slot_state from)
{
	uint64_t w = load_relaxed(&slot->word), to;

	do {
		if (req_state(w) != from || req_gen(w) != req_gen(word))
			return false;
		to = req_word((uint32_t)(w >> 32), req_gen(w), REQ_DONE);
		if (w & REQ_LOST)
			to = req_word(0, req_gen(w), REQ_FREE);
		/* Releases the answer; pairs with the acquire of channel_poll. */
	} while (!cas(&slot->word, &w, to));
	bell_step();
	if (w & REQ_LOST)
		bell_ring(&ch->space, -1);
	else if (w & REQ_WAITER)
		futex_wake(req_futex(slot), 1);
	return true;
}

/* An answer by the transport itself. */
static void fail(struct ring_channel *ch, struct ring_slot *slot, enum ring_slot_state from, int err)
{
	store_relaxed(&slot->result, err);
	store_relaxed(&slot->reply_len, RING_FAILED);
	store_relaxed(&slot->reply_data, 0);
	finish(ch, slot, load_acquire(&slot->word), from);
}

/* Answering. */

int ring_server_answer(struct ring_server *s, const struct served *q, int32_t result, const void *out, uint32_t len,
		       uint32_t data_len)
{
	struct ring_channel *ch = chan(s, q->channel);
	struct ring_slot *slot = &ch->slot[q->slot];
	uint64_t w = load_acquire(&slot->word);

	check(len <= RING_INLINE && data_len <= q->data_len);
	if (req_state(w) != REQ_TAKEN || req_gen(w) != req_gen(q->word))
		return -ESTALE;
	if (len)
		mem_copy(ring_inline(s->ring, q->channel, q->slot), out, len);
	store_relaxed(&slot->result, result);
	store_relaxed(&slot->reply_len, len);
	store_relaxed(&slot->reply_data, data_len);
	bell_step();
	if (!finish(ch, slot, q->word, REQ_TAKEN))
		return -ESTALE;
	fetch_add(&s->stats.depth, -1u);
	fetch_add(&s->channel[q->channel].taken, -1u);
	/* The last one out of a channel that is to be reset. Pairs with the load in reset(). */
	if (unlikely(ring_seat_state(load_relaxed(&ch->owner)) == SEAT_LEFT))
		ring_notify(s->ring->header, q->channel, s->eventfd);
	return 0;
}

/* Ending channels. */

static void reset(struct ring_server *s, uint32_t i)
{
	struct ring_channel *ch = chan(s, i);
	uint64_t payload = slots(s) * (uint64_t)(RING_INLINE + s->ring->geo.data);

	/* Who answers the last one counts down first, then looks at the owner, which says LEFT before this. */
	fence_full();
	if (load_relaxed(&s->channel[i].taken))
		return;
	for (uint32_t k = 0; k < RING_SLOTS; k++)
		store_relaxed(&ch->slot[k].word, req_word(0, req_gen(load_relaxed(&ch->slot[k].word)), REQ_FREE));
	for (uint32_t k = 0; k < array_len(ch->entry); k++)
		store_relaxed(&ch->entry[k], 0);
	store_relaxed(&ch->head, 0);
	store_relaxed(&ch->tail, 0);
	store_relaxed(&ch->space, 0);
	s->channel[i].head = 0;
	pool_decommit(s->ring->pool, pool_off(s->ring->pool, ring_inline(s->ring, i, 0)), payload);
	s->stats.reset++;
	/* Pairs with the acquire of who attaches it next. */
	store_release(&ch->owner, 0);
}

static void break_channel(struct ring_server *s, uint32_t i, uint64_t seat)
{
	struct ring_channel *ch = chan(s, i);

	s->stats.broken++;
	if (!cas(&ch->owner, &seat, ring_seat_as(seat, SEAT_BROKEN)))
		return; /* it has left: reset as soon as that is seen */
	for (uint32_t k = 0; k < slots(s); k++) {
		if (req_state(load_acquire(&ch->slot[k].word)) == REQ_HELD)
			fail(ch, &ch->slot[k], REQ_HELD, -EUCLEAN);
	}
	bell_ring(&ch->space, -1);
}

/* Taking requests. */

/* Copies what the client wrote, and checks it. */
static bool copy_request(const struct ring_server *s, uint32_t i, uint32_t k, uint64_t word, struct served *q)
{
	struct ring_slot *slot = &chan(s, i)->slot[k];
	uint64_t off = load_relaxed(&slot->data_off), room = ring_data_bytes(s->ring);

	*q = (struct served){
	    .id = (uint64_t)req_gen(word) << 16 | (uint64_t)i << 6 | k,
	    .channel = i,
	    .slot = k,
	    .op = load_relaxed(&slot->op),
	    .len = load_relaxed(&slot->len),
	    .data_len = load_relaxed(&slot->data_len),
	    .in = ring_inline(s->ring, i, k),
	    .word = word,
	};
	if (q->len > RING_INLINE || (q->data_len && (off > room || q->data_len > room - off)))
		return false;
	q->data = ring_data(s->ring, i) + (q->data_len ? off : 0);
	return true;
}

/* Takes the slot that the entry at the head names. 1: taken, *q is checked; 0: it was given up; -EUCLEAN. */
static int take(struct ring_server *s, uint32_t i, uint64_t e, struct served *q)
{
	uint32_t k = entry_slot(e);
	struct ring_slot *slot = &chan(s, i)->slot[k];
	uint64_t w = load_relaxed(&slot->word), to;

	do {
		if (req_state(w) != REQ_HELD || !entry_names(e, k, req_gen(w)))
			return -EUCLEAN;
		to = (w & REQ_LOST) ? req_word(0, req_gen(w), REQ_FREE) : w - REQ_HELD + REQ_TAKEN;
	} while (!cas(&slot->word, &w, to));
	bell_step();
	if (w & REQ_LOST) {
		bell_ring(&chan(s, i)->space, -1);
		return 0;
	}
	if (copy_request(s, i, k, to, q))
		return 1;
	fail(chan(s, i), slot, REQ_TAKEN, -EUCLEAN);
	return -EUCLEAN;
}

static void deliver(struct ring_server *s, const struct served *q)
{
	uint32_t depth = fetch_add(&s->stats.depth, 1) + 1;

	s->stats.depth_max = max_of(s->stats.depth_max, depth);
	s->stats.served++;
	fetch_add(&s->channel[q->channel].taken, 1);
	s->handler(s, q, s->arg);
}

/* 1: did something; 0: nothing there; -EUCLEAN. */
static int serve_one(struct ring_server *s, uint32_t i)
{
	struct ring_channel *ch = chan(s, i);
	uint64_t e, head = s->channel[i].head;
	struct served q;
	int err = queue_peek(s->ring, ch, head, &e);

	if (err <= 0)
		return err;
	err = take(s, i, e, &q);
	if (err < 0)
		return err;
	queue_pop(s->ring, ch, head);
	s->channel[i].head = head + 1;
	bell_step();
	if (err)
		deliver(s, &q);
	else
		s->stats.cancelled++;
	return 1;
}

static void count_channel(struct ring_server *s, uint32_t i, bool used)
{
	if (s->channel[i].known != used)
		s->stats.channels += used ? 1 : -1u;
	s->channel[i].known = used;
}

static int serve_channel(struct ring_server *s, uint32_t i)
{
	uint64_t seat = load_acquire(&chan(s, i)->owner);
	int n, got = 1;

	if (ring_seat_state(seat) == SEAT_LEFT)
		reset(s, i);
	count_channel(s, i, ring_seat_state(load_relaxed(&chan(s, i)->owner)) != SEAT_FREE);
	if (ring_seat_state(seat) != SEAT_LIVE)
		return 0;
	for (n = 0; n < BATCH && got > 0; n++)
		got = serve_one(s, i);
	if (got < 0)
		break_channel(s, i, seat);
	if (got > 0)
		pending_set(s, i);
	return n;
}

int ring_server_poll(struct ring_server *s)
{
	struct ring_header *h = s->ring->header;
	int n = 0;

	for (uint32_t w = 0; w < div_up(s->ring->geo.channels, 64); w++) {
		uint64_t bits;

		if (!load_relaxed(&h->pending[w]))
			continue;
		/* A full barrier before the rings are looked at: pairs with ring_notify's. */
		bits = swap(&h->pending[w], 0);
		for (; bits; bits &= bits - 1) {
			uint32_t i = w * 64 + (uint32_t)__builtin_ctzll(bits);

			if (i < ring_used(s->ring))
				n += serve_channel(s, i);
		}
	}
	return n;
}

/* Sleeping. */

static bool pending_any(const struct ring_server *s)
{
	for (uint32_t w = 0; w < div_up(s->ring->geo.channels, 64); w++) {
		if (load_relaxed(&s->ring->header->pending[w]))
			return true;
	}
	return false;
}

bool ring_server_idle(struct ring_server *s, uint32_t *value)
{
	*value = bell_announce(&s->ring->header->bell);
	s->stats.slept++;
	/* After the announcement's barrier, which pairs with that of bell_ring. */
	return !pending_any(s);
}

void ring_server_awake(struct ring_server *s)
{
	bell_awake(&s->ring->header->bell);
}

static bool spin_for(struct ring_server *s)
{
	for (uint32_t i = 0; i < s->spin; i++) {
		if (pending_any(s)) {
			s->spin = min_of(2 * s->spin, SPIN_MAX);
			return true;
		}
		cpu_relax();
	}
	s->spin = max_of(s->spin / 2, SPIN_MIN);
	return false;
}

void ring_server_wait(struct ring_server *s, uint64_t ns)
{
	uint32_t value;

	if (spin_for(s))
		return;
	if (ring_server_idle(s, &value))
		futex_wait(ring_server_word(s), value, ns);
	ring_server_awake(s);
}

/* The dead. */

static bool retire(struct ring_server *s, uint32_t i, uint64_t seat)
{
	if (ring_seat_lives(s->ring->pool, seat))
		return false;
	if (ring_seat_state(seat) != SEAT_LEFT && !cas(&chan(s, i)->owner, &seat, ring_seat_as(seat, SEAT_LEFT)))
		return false;
	reset(s, i);
	count_channel(s, i, ring_seat_state(load_relaxed(&chan(s, i)->owner)) != SEAT_FREE);
	return true;
}

int ring_server_bury(struct ring_server *s, uint32_t client)
{
	int n = 0;

	for (uint32_t i = 0; i < ring_used(s->ring); i++) {
		uint64_t seat = load_acquire(&chan(s, i)->owner);

		if (ring_seat_state(seat) != SEAT_FREE && ring_seat_client(seat) == client)
			n += retire(s, i, seat);
	}
	return n;
}

int ring_server_sweep(struct ring_server *s)
{
	int n = 0;

	for (uint32_t i = 0; i < ring_used(s->ring); i++) {
		uint64_t seat = load_acquire(&chan(s, i)->owner);

		if (ring_seat_state(seat) != SEAT_FREE)
			n += retire(s, i, seat);
	}
	return n;
}

/* Taking over. */

/* Where the predecessor died between taking a slot and emptying the entry, or before it wrote down its head. */
static uint64_t recover_head(struct ring_server *s, uint32_t i)
{
	struct ring_channel *ch = chan(s, i);
	uint64_t head = load_acquire(&ch->head), e;

	if (load_acquire(queue_at(s->ring, ch, head)) == entry_empty(queue_lap(s->ring, head) + 1))
		head++;
	if (queue_peek(s->ring, ch, head, &e) == 1) {
		uint64_t w = load_acquire(&ch->slot[entry_slot(e)].word);

		if (req_state(w) != REQ_HELD || !entry_names(e, entry_slot(e), req_gen(w)))
			queue_pop(s->ring, ch, head++);
	}
	store_release(&ch->head, head);
	return head;
}

static void recover(struct ring_server *s, uint32_t i)
{
	struct ring_channel *ch = chan(s, i);

	/* The entry first: answered, its slot may be sent again at once. */
	s->channel[i].head = recover_head(s, i);
	for (uint32_t k = 0; k < slots(s); k++) {
		if (req_state(load_acquire(&ch->slot[k].word)) == REQ_TAKEN)
			fail(ch, &ch->slot[k], REQ_TAKEN, -ENOTCONN);
	}
	pending_set(s, i);
}

int ring_server_open(struct ring_server *s, struct ring *r, int eventfd, ring_server_handler *handler, void *arg)
{
	uint64_t old = load_acquire(&r->header->server);

	mem_zero(s, sizeof *s);
	s->ring = r;
	s->handler = handler;
	s->arg = arg;
	s->eventfd = eventfd;
	s->spin = SPIN_MAX;
	s->seat = ring_seat(r->pool, SEAT_LIVE);
	if (old == s->seat || (old && ring_seat_lives(r->pool, old)))
		return -EBUSY;
	/* Pairs with the loads of the seat in channel.c: who sees us, sees the mode. */
	store_relaxed(&r->header->mode, eventfd >= 0 ? RING_EVENTFD : RING_FUTEX);
	if (!cas(&r->header->server, &old, s->seat))
		return -EBUSY;
	for (uint32_t i = 0; i < ring_used(r); i++) {
		if (ring_seat_state(load_acquire(&chan(s, i)->owner)) != SEAT_FREE)
			recover(s, i);
	}
	return 0;
}

/* Wakes all who sleep for an answer: they see that there is no server. */
void ring_server_close(struct ring_server *s)
{
	uint64_t seat = s->seat;

	if (!cas(&s->ring->header->server, &seat, 0))
		return;
	for (uint32_t i = 0; i < ring_used(s->ring); i++) {
		struct ring_channel *ch = chan(s, i);

		if (ring_seat_state(load_acquire(&ch->owner)) == SEAT_FREE)
			continue;
		for (uint32_t k = 0; k < slots(s); k++) {
			if (load_acquire(&ch->slot[k].word) & REQ_WAITER)
				futex_wake(req_futex(&ch->slot[k]), 1);
		}
		bell_ring(&ch->space, -1);
	}
}
