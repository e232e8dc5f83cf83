/* The region of the rings: see ring.h. */
#include "ring/ring.h"

#include <errno.h>

#include "ring/queue.h"

#ifdef BTFUSE_STEPS
void (*bell_step_hook)(void);
#endif

#define STAMP_MASK ((UINT64_C(1) << 40) - 1)

static bool geometry_ok(const struct ring_geometry *g)
{
	return g->channels >= 1 && g->channels <= RING_CHANNELS && g->slots >= 2 && g->slots <= RING_SLOTS &&
	       !(g->slots & (g->slots - 1)) && g->data <= RING_DATA_MAX && g->data % POOL_PAGE == 0;
}

static uint64_t stride(const struct ring_geometry *g)
{
	return sizeof(struct ring_channel) + (uint64_t)g->slots * (RING_INLINE + g->data);
}

uint64_t ring_bytes(const struct ring_geometry *g)
{
	return geometry_ok(g) ? POOL_PAGE + g->channels * stride(g) : 0;
}

int ring_format(struct pool *pool, const struct pool_region *region, const struct ring_geometry *g)
{
	struct ring_header *h = (struct ring_header *)(void *)(pool->base + region->off);

	if (!geometry_ok(g) || ring_bytes(g) > region->len)
		return -EINVAL;
	if (pool_commit(pool, region->off, POOL_PAGE) != 0)
		return -ENOSPC;
	h->version = RING_VERSION;
	h->channels = g->channels;
	h->slots = g->slots;
	h->data = g->data;
	/* Pairs with ring_map's acquire: who sees the magic sees the geometry. */
	store_release(&h->magic, RING_MAGIC);
	return 0;
}

int ring_map(struct pool *pool, const struct pool_region *region, struct ring *ring)
{
	struct ring_header *h;

	if (!region->len || region->len < POOL_PAGE || region->off > pool->size ||
	    region->len > pool->size - region->off || region->off % POOL_PAGE)
		return -EUCLEAN;
	h = (struct ring_header *)(void *)(pool->base + region->off);
	if (load_acquire(&h->magic) != RING_MAGIC || h->version != RING_VERSION)
		return -EUCLEAN;
	*ring = (struct ring){
	    .pool = pool,
	    .header = h,
	    .channels = (char *)h + POOL_PAGE,
	    .geo = {load_relaxed(&h->channels), load_relaxed(&h->slots), load_relaxed(&h->data)},
	};
	if (!geometry_ok(&ring->geo) || ring_bytes(&ring->geo) > region->len)
		return -EUCLEAN;
	ring->stride = stride(&ring->geo);
	return 0;
}

/* When a client slot was taken tells two lives of it apart; in 40 bits of 1.024 us each. */
static uint64_t stamp(struct pool *pool, uint32_t client)
{
	return load_relaxed(&client_slot(pool, client)->started) >> 10 & STAMP_MASK;
}

uint64_t ring_seat(struct pool *pool, enum ring_seat_state state)
{
	return stamp(pool, pool->client) << 24 | (uint64_t)pool->client << 8 | state;
}

bool ring_seat_lives(struct pool *pool, uint64_t seat)
{
	uint32_t client = ring_seat_client(seat);

	return client < POOL_CLIENTS && stamp(pool, client) == seat >> 24 && client_alive(pool, client);
}

static int check_entry(const struct ring *r, struct ring_channel *ch, uint64_t pos, uint64_t *seen)
{
	uint64_t e, w, bit;

	if (queue_peek(r, ch, pos, &e) != 1)
		return -EUCLEAN;
	w = load_acquire(&ch->slot[entry_slot(e)].word);
	bit = UINT64_C(1) << entry_slot(e);
	if (req_state(w) != REQ_HELD || !entry_names(e, entry_slot(e), req_gen(w)) || *seen & bit)
		return -EUCLEAN;
	*seen |= bit;
	return 0;
}

int ring_check(const struct ring *r, uint32_t channel)
{
	struct ring_channel *ch = ring_channel(r, channel);
	uint64_t head = load_acquire(&ch->head), tail = load_acquire(&ch->tail), seen = 0, e;

	/* A producer that died may not have moved the tail. */
	while (tail < head + queue_size(r) && queue_peek(r, ch, tail, &e) == 1)
		tail++;
	if (tail + 1 < head || tail > head + r->geo.slots)
		return -EUCLEAN;
	for (uint64_t pos = head; pos < head + queue_size(r); pos++) {
		if (pos < tail ? check_entry(r, ch, pos, &seen) : queue_peek(r, ch, pos, &e))
			return -EUCLEAN;
	}
	for (uint32_t k = 0; k < r->geo.slots; k++) {
		if (req_state(load_acquire(&ch->slot[k].word)) > REQ_DONE)
			return -EUCLEAN;
	}
	return 0;
}
