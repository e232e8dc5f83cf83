/*
 * The submission ring: many producers, one consumer, no lock. For channel.c
 * and server.c.
 *
 * Place p of the endless sequence lies at entry[p % size] in lap p / size. An
 * entry says of itself which lap it is in and whether it is filled:
 *
 *	(lap, empty) -> (lap, slot)	by a producer, compare-and-swap
 *	(lap, slot) -> (lap + 1, empty)	by the consumer
 *
 * The first is the submission, whole: there is no moment in which a place is
 * reserved and not filled, so a producer that dies, stops or is interrupted by
 * a signal handler that submits too leaves no hole for others to wait at.
 * `tail` is only where to look first: who finds its entry used moves it on,
 * for whoever should have.
 *
 * There are twice as many entries as slots. A slot is in the ring once, and
 * once more at most, after the death of a server that had taken it and not yet
 * emptied its entry: so the ring is never full.
 */
#pragma once

#include <errno.h>

#include "ring/ring.h"

/*
 * Each failed attempt means that another producer got on, or that the memory
 * is damaged. So many others in a row are not to be had.
 */
#define QUEUE_TRIES 65536u

static inline uint32_t queue_size(const struct ring *r)
{
	return 2 * r->geo.slots;
}

static inline uint64_t queue_lap(const struct ring *r, uint64_t pos)
{
	return pos / queue_size(r) & ENTRY_LAP_MASK;
}

static inline uint64_t *queue_at(const struct ring *r, struct ring_channel *ch, uint64_t pos)
{
	return &ch->entry[pos & (queue_size(r) - 1)];
}

/* 0, or -EUCLEAN: the ring is damaged. */
static inline int queue_push(const struct ring *r, struct ring_channel *ch, uint32_t slot, uint32_t gen)
{
	for (uint32_t i = 0; i < QUEUE_TRIES; i++) {
		uint64_t tail = load_acquire(&ch->tail), lap = queue_lap(r, tail);
		uint64_t *at = queue_at(r, ch, tail), e = load_acquire(at);
		bool mine = false;

		bell_step();
		if (e == entry_empty(lap))
			/* Releases the request's words; pairs with queue_peek's acquire. */
			mine = cas(at, &e, entry_make(lap, slot, gen));
		else if (entry_lap(e) != lap && entry_lap(e) != ((lap + 1) & ENTRY_LAP_MASK))
			continue; /* the tail has moved on since, or there is damage */
		bell_step();
		cas(&ch->tail, &tail, tail + 1);
		bell_step();
		if (mine)
			return 0;
	}
	return -EUCLEAN;
}

/* The entry at `head`: 1 with *e, 0 where nothing was submitted, -EUCLEAN. By the consumer. */
static inline int queue_peek(const struct ring *r, struct ring_channel *ch, uint64_t head, uint64_t *e)
{
	*e = load_acquire(queue_at(r, ch, head));
	if (*e == entry_empty(queue_lap(r, head)))
		return 0;
	return entry_lap(*e) == queue_lap(r, head) && entry_slot(*e) < r->geo.slots ? 1 : -EUCLEAN;
}

/* Empties the entry at `head`. By the consumer, once it has what the entry named. */
static inline void queue_pop(const struct ring *r, struct ring_channel *ch, uint64_t head)
{
	store_release(queue_at(r, ch, head), entry_empty(queue_lap(r, head) + 1));
	fence_death();
	store_release(&ch->head, head + 1);
}

/* Is this generation of the slot submitted and not taken? Its owner is dead, or asks for itself. */
static inline bool queue_holds(const struct ring *r, struct ring_channel *ch, uint32_t slot, uint32_t gen)
{
	for (uint32_t i = 0; i < queue_size(r); i++) {
		if (entry_names(load_acquire(&ch->entry[i]), slot, gen))
			return true;
	}
	return false;
}
