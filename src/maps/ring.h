/*
 * Rings that a loader maps: BPF_MAP_TYPE_RINGBUF and BPF_MAP_TYPE_USER_RINGBUF,
 * in the kernel's layout.
 *
 *	ring_pages(m)	consumer page: u64 position
 *	+ 1 page	producer page: u64 position; behind it a lock word of ours
 *	+ 2 pages	data, max_entries bytes
 *
 * A loader maps the first page, and the others with the data twice in a row
 * (map_mmap_bytes says where; the second copy is the mapper's to make).
 *
 *	record	+0	length | RINGBUF_BUSY_BIT | RINGBUF_DISCARD_BIT
 *		+4	who reserved it (the kernel's own, not the consumer's, business)
 *		+8	data; the next record begins at a multiple of 8
 *
 * Programs see the data once, so a record never wraps here: what is left at
 * the end is filled by a discarded one. A record larger than half the ring may
 * therefore fail once in a ring that is empty.
 *
 * A consumer waits for a record that is busy. If who reserved it died, it is
 * discarded by ring_bury(), which reserving calls where the ring is full, and
 * who serves the consumer's sleep (epoll) from time to time.
 */
#pragma once

#include "maps/internal.h"

static inline uint64_t *ring_consumer(const struct map *m)
{
	return map_ptr(m, m->values);
}

static inline uint64_t *ring_producer(const struct map *m)
{
	return map_ptr(m, m->values + ARENA_PAGE);
}

static inline char *ring_data(const struct map *m)
{
	return map_ptr(m, m->values + 2 * ARENA_PAGE);
}

/* Reserves `size` bytes: the record's data, or NULL. */
void *ring_reserve(struct task *t, struct map *m, uint64_t size) must_check;
/*
 * Makes it visible (`discard`: as one to be skipped). 1: the consumer had read
 * everything before it, so that it may sleep.
 */
int ring_commit(struct task *t, struct map *m, void *record, uint32_t discard_bit);
/* Does `record` lie in this map's ring? */
bool ring_holds(const struct map *m, const void *record);
/* Discards what dead tasks reserved. How many there were. */
uint32_t ring_bury(struct task *t, struct map *m);
/* Is there a record (busy ones do not count) to consume? For epoll. */
bool ring_ready(const struct map *m);

/* USER_RINGBUF: the next sample, *at for ring_taken(). -EBUSY, -ENODATA, -EINVAL, -E2BIG as the kernel; length else. */
int64_t user_ring_peek(struct map *m, uint64_t *at) must_check;
/* Consumes the sample of `size` bytes at `at`. */
void user_ring_taken(struct map *m, uint64_t at, uint64_t size);
