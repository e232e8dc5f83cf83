/*
 * Client's end: see channel.h. Slots are claimed one by one, each by a
 * compare-and-swap on its own word, and the ring of submissions holds no
 * reservations (queue.h); so whoever stops or dies in here blocks a slot at
 * most, whose word says whose it was.
 */
#include "ring/channel.h"

#include <errno.h>

#include "base/mem.h"
#include "ring/queue.h"

#define NO_SLOT RING_SLOTS

static struct ring_slot *slot_of(const struct channel *c, uint32_t i)
{
	return &c->shared->slot[i];
}

/* What a call may count on before it begins. */
static int state(const struct channel *c)
{
	if (unlikely(load_acquire(&c->shared->owner) != c->owner))
		return -EUCLEAN;
	return likely(load_acquire(&c->ring->header->server) == load_relaxed(&c->server)) ? 0 : -ENOTCONN;
}

/* For who has waited in vain: is there a server at all? Another one than ours will answer what was sent. */
static int served(const struct channel *c)
{
	uint64_t server = load_acquire(&c->ring->header->server);

	return server && ring_seat_lives(c->ring->pool, server) ? 0 : -ENOTCONN;
}

static void notify(const struct channel *c)
{
	ring_notify(c->ring->header, c->index, c->opt.eventfd);
}

/* Attaching. */

int channel_resume(struct channel *c, int eventfd)
{
	struct ring_header *h = c->ring->header;
	uint64_t server = load_acquire(&h->server);

	if (!server || !ring_seat_lives(c->ring->pool, server))
		return -ENOTCONN;
	if (load_relaxed(&h->mode) == RING_EVENTFD && eventfd < 0)
		return -EBADF;
	c->opt.eventfd = load_relaxed(&h->mode) == RING_EVENTFD ? eventfd : -1;
	store_release(&c->server, server);
	return 0;
}

static bool claim_channel(struct channel *c, uint32_t i)
{
	struct ring_channel *ch = ring_channel(c->ring, i);
	uint64_t seat = load_acquire(&ch->owner);

	/* The acquire pairs with the server's release after its reset. */
	if (ring_seat_state(seat) != SEAT_FREE || !cas(&ch->owner, &seat, c->owner))
		return false;
	c->shared = ch;
	c->index = i;
	return true;
}

/* Raised before a channel is taken: one in use is always below it. */
static void raise_high(struct ring_header *h, uint32_t n)
{
	uint32_t old = load_relaxed(&h->high);

	while (old < n && !cas(&h->high, &old, n))
		;
}

int channel_attach(struct channel *c, struct ring *r, const struct channel_options *opt)
{
	int err;

	*c = (struct channel){.ring = r, .opt = *opt, .owner = ring_seat(r->pool, SEAT_LIVE)};
	c->opt.spin = c->spin = opt->spin ? opt->spin : CHANNEL_SPIN;
	err = channel_resume(c, opt->eventfd);
	if (err)
		return err;
	for (uint32_t i = 0; i < r->geo.channels; i++) {
		struct ring_channel *ch = ring_channel(r, i);

		if (i < ring_used(r) && ring_seat_state(load_acquire(&ch->owner)) != SEAT_FREE)
			continue;
		if (pool_commit(r->pool, pool_off(r->pool, ch), sizeof *ch) != 0)
			return -ENOSPC;
		raise_high(r->header, i + 1);
		if (claim_channel(c, i)) {
			notify(c); /* the server counts it */
			return 0;
		}
	}
	return -EUSERS;
}

void channel_detach(struct channel *c)
{
	uint64_t seat = load_acquire(&c->shared->owner);

	/* LIVE or BROKEN; anything else is not ours any more. */
	while (ring_seat_as(seat, SEAT_LIVE) == c->owner && ring_seat_state(seat) != SEAT_LEFT) {
		if (cas(&c->shared->owner, &seat, ring_seat_as(seat, SEAT_LEFT)))
			break;
	}
	notify(c);
}

void channel_disown(struct ring *r)
{
	uint64_t me = ring_seat(r->pool, SEAT_LIVE);

	for (uint32_t i = 0; i < ring_used(r); i++) {
		struct ring_channel *ch = ring_channel(r, i);
		uint64_t seat = load_acquire(&ch->owner);

		if (ring_seat_as(seat, SEAT_LIVE) != me || ring_seat_state(seat) == SEAT_FREE ||
		    ring_seat_state(seat) == SEAT_LEFT || !cas(&ch->owner, &seat, ring_seat_as(seat, SEAT_LEFT)))
			continue;
		ring_notify(r->header, i, -1);
	}
}

/* Taking a slot. */

static uint32_t claim_slot(struct channel *c, uint32_t who, uint64_t *word)
{
	uint32_t n = c->ring->geo.slots, first = load_relaxed(&c->hint);

	for (uint32_t k = 0; k < n; k++) {
		uint32_t i = (first + k) & (n - 1);
		struct ring_slot *s = slot_of(c, i);
		uint64_t old = load_relaxed(&s->word);

		*word = req_word(who, req_gen(old) + 1, REQ_HELD);
		if (req_state(old) == REQ_FREE && cas(&s->word, &old, *word)) {
			bell_step();
			return i;
		}
	}
	return NO_SLOT;
}

static bool free_slot(struct channel *c, uint32_t i, uint64_t word)
{
	if (!cas(&slot_of(c, i)->word, &word, req_word(0, req_gen(word), REQ_FREE)))
		return false;
	store_relaxed(&c->hint, i);
	bell_step();
	bell_ring(&c->shared->space, -1);
	return true;
}

/* Gives up a slot in whatever state it is. Its owner asks, or runs no more. */
static void abandon(struct channel *c, uint32_t i, uint64_t word)
{
	struct ring_slot *s = slot_of(c, i);
	bool done = false;

	while (!done) {
		uint64_t w = load_acquire(&s->word);
		enum ring_slot_state st = req_state(w);

		if (w >> 32 != word >> 32 || req_gen(w) != req_gen(word) || st == REQ_FREE || w & REQ_LOST)
			return;
		/*
		 * HELD and not in the ring: never sent. If the server takes it
		 * out of the ring meanwhile, the word changes first.
		 */
		if (st == REQ_DONE || (st == REQ_HELD && !queue_holds(c->ring, c->shared, i, req_gen(w))))
			done = free_slot(c, i, w);
		else
			done = cas(&s->word, &w, w | REQ_LOST);
	}
}

int channel_reclaim(struct channel *c, uint32_t who)
{
	int n = 0;

	for (uint32_t i = 0; i < c->ring->geo.slots; i++) {
		uint64_t w = load_acquire(&slot_of(c, i)->word);

		if (req_state(w) != REQ_FREE && w >> 32 == who && !(w & REQ_LOST)) {
			abandon(c, i, w);
			n++;
		}
	}
	/* It may have died between submitting and telling. */
	if (n)
		notify(c);
	return n;
}

static void reclaim_gone(struct channel *c)
{
	for (uint32_t i = 0; i < c->ring->geo.slots && c->opt.gone; i++) {
		uint64_t w = load_acquire(&slot_of(c, i)->word);

		if (req_state(w) != REQ_FREE && !(w & REQ_LOST) && c->opt.gone(c->opt.arg, (uint32_t)(w >> 32)))
			channel_reclaim(c, (uint32_t)(w >> 32));
	}
}

bool channel_tid_gone(void *arg, uint32_t who)
{
	return sys_call3(SYS_tkill, (int)who, 0, 0) == -ESRCH;
}

/* When a wait that begins now ends. */
static uint64_t deadline_of(uint64_t timeout)
{
	uint64_t now;

	if (timeout == CHANNEL_FOREVER)
		return CHANNEL_FOREVER;
	now = ring_now();
	return timeout < CHANNEL_FOREVER - now ? now + timeout : CHANNEL_FOREVER;
}

/* Sleeps for a slice at most. -ETIMEDOUT past the deadline. */
static int sleep_slice(uint32_t *word, uint32_t value, uint64_t deadline)
{
	uint64_t ns = RING_PATIENCE_NS;

	if (deadline != CHANNEL_FOREVER) {
		uint64_t now = ring_now();

		if (now >= deadline)
			return -ETIMEDOUT;
		ns = min_of(ns, deadline - now);
	}
	return futex_wait(word, value, ns) == -ETIMEDOUT ? 1 : 0;
}

static int wait_for_slot(struct channel *c, uint32_t who, uint64_t timeout, struct request *q)
{
	uint64_t deadline = deadline_of(timeout);

	for (;;) {
		uint32_t seen = bell_announce(&c->shared->space);
		int err = state(c);

		if (err)
			return err;
		q->slot = claim_slot(c, who, &q->word);
		if (q->slot != NO_SLOT)
			return 0;
		err = sleep_slice(&c->shared->space, seen, deadline);
		if (err < 0)
			return err;
		if (err == 1) {
			err = served(c);
			if (err)
				return err;
			reclaim_gone(c);
		}
	}
}

/* Memory behind the slot's inline page, once. */
static int prepare(struct channel *c, uint32_t i)
{
	struct pool *pool = c->ring->pool;
	uint64_t bit = UINT64_C(1) << i;

	if (likely(load_relaxed(&c->ready) & bit))
		return 0;
	if (pool_commit(pool, pool_off(pool, ring_inline(c->ring, c->index, i)), RING_INLINE) != 0)
		return -ENOSPC;
	fetch_or(&c->ready, bit);
	return 0;
}

int channel_begin(struct channel *c, uint32_t who, uint64_t timeout, struct request *q)
{
	int err = state(c);

	check(who != 0);
	if (unlikely(err))
		return err;
	*q = (struct request){.room = c->ring->geo.data};
	q->slot = claim_slot(c, who, &q->word);
	if (unlikely(q->slot == NO_SLOT)) {
		err = wait_for_slot(c, who, timeout, q);
		if (err)
			return err;
	}
	q->buf = ring_inline(c->ring, c->index, q->slot);
	q->data = ring_data(c->ring, c->index) + (size_t)q->slot * q->room;
	err = prepare(c, q->slot);
	if (unlikely(err))
		free_slot(c, q->slot, q->word);
	return err;
}

int channel_data(struct channel *c, struct request *q, uint32_t len)
{
	struct pool *pool = c->ring->pool;

	if (len > q->room)
		return -EMSGSIZE;
	return len ? pool_commit(pool, pool_off(pool, q->data), len) : 0;
}

/* Sending and waiting. */

int channel_send(struct channel *c, struct request *q)
{
	struct ring_slot *s = slot_of(c, q->slot);
	int err = state(c);

	if (unlikely(err))
		return err;
	if (q->len > RING_INLINE || q->data_len > q->room)
		return -EMSGSIZE;
	store_relaxed(&s->op, q->op);
	store_relaxed(&s->len, q->len);
	store_relaxed(&s->data_len, q->data_len);
	store_relaxed(&s->data_off, (uint64_t)q->slot * q->room);
	bell_step();
	err = queue_push(c->ring, c->shared, q->slot, req_gen(q->word));
	if (err)
		return err;
	q->sent = true;
	notify(c);
	bell_step();
	return 0;
}

int channel_poll(const struct channel *c, const struct request *q)
{
	/* Pairs with the server's release when it answers. */
	return req_state(load_acquire(&slot_of(c, q->slot)->word)) == REQ_DONE;
}

/*
 * Adapts to whether spinning pays: with fewer processors than tasks at work,
 * the one who spins keeps the server from running.
 */
static bool spin_for(struct channel *c, const struct request *q)
{
	uint32_t n = load_relaxed(&c->spin);

	for (uint32_t i = 0; i < n; i++) {
		if (channel_poll(c, q)) {
			if (n < c->opt.spin)
				store_relaxed(&c->spin, min_of(2 * n, c->opt.spin));
			return true;
		}
		cpu_relax();
	}
	store_relaxed(&c->spin, max_of(n / 2, min_of(16u, c->opt.spin)));
	return false;
}

/* Asleep until the answer: the flag and the state are one word, so no wake-up is lost. */
static int sleep_for(struct channel *c, struct request *q, uint64_t timeout)
{
	struct ring_slot *s = slot_of(c, q->slot);
	uint64_t deadline = deadline_of(timeout), w;

	while (req_state(w = load_acquire(&s->word)) != REQ_DONE) {
		int err;

		if ((w & ~(uint64_t)(REQ_STATE | REQ_WAITER)) != (q->word & ~(uint64_t)REQ_STATE))
			return -EUCLEAN;
		if (unlikely(!load_acquire(&c->ring->header->server)))
			return -ENOTCONN;
		if (!(w & REQ_WAITER) && !cas(&s->word, &w, w | REQ_WAITER))
			continue;
		bell_step();
		err = sleep_slice(req_futex(s), (uint32_t)w | REQ_WAITER, deadline);
		if (err == 1)
			err = served(c);
		/* The last word is the slot's: it may have been answered while we asked. */
		if (err && !channel_poll(c, q))
			return err;
	}
	return 0;
}

int channel_wait(struct channel *c, struct request *q, uint64_t timeout)
{
	struct ring_slot *s = slot_of(c, q->slot);
	int err = spin_for(c, q) ? 0 : sleep_for(c, q, timeout);

	if (err)
		return err;
	q->result = load_relaxed(&s->result);
	q->reply_len = load_relaxed(&s->reply_len);
	if (unlikely(q->reply_len == RING_FAILED))
		return q->result < 0 ? q->result : -EUCLEAN;
	q->reply_len = min_of(q->reply_len, RING_INLINE);
	q->reply_data = min_of(load_relaxed(&s->reply_data), q->data_len);
	return 0;
}

void channel_end(struct channel *c, struct request *q)
{
	abandon(c, q->slot, q->word);
}

int channel_call(struct channel *c, struct call *call)
{
	struct request q;
	int err = channel_begin(c, call->who, call->timeout, &q);

	if (err)
		return err;
	q.op = call->op;
	q.len = call->len;
	if (call->len)
		mem_copy(q.buf, call->in, min_of(call->len, RING_INLINE));
	bell_step();
	err = channel_send(c, &q);
	if (!err)
		err = channel_wait(c, &q, call->timeout);
	if (!err) {
		call->result = q.result;
		if (call->room)
			mem_copy(call->out, q.buf, min_of(q.reply_len, call->room));
		err = (int)q.reply_len;
	}
	bell_step();
	channel_end(c, &q);
	return err;
}
