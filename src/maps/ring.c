/*
 * The ring buffer: see ring.h. Reserving is under the map's lock word; the
 * header is written before the producer's position moves, which is what makes
 * it happen. Committing is one exchange. So a death leaves either nothing or
 * a busy record with its owner's name.
 */
#include "maps/ring.h"

#include "base/sys.h"

#define HEADER 8u
#define BUSY BPF_RINGBUF_BUSY_BIT
#define DISCARD BPF_RINGBUF_DISCARD_BIT
#define LENGTH (~(BUSY | DISCARD))

struct record {
	uint32_t len;
	uint32_t owner; /* task id | low half of its thread's number << 16 */
};

static int plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	if (a->flags & ~(uint32_t)BPF_F_NUMA_NODE)
		return -EINVAL;
	if (a->key_size || a->value_size || !a->max_entries || (a->max_entries & (a->max_entries - 1)) ||
	    a->max_entries % ARENA_PAGE)
		return -EINVAL;
	m->values = plan_room(m, 2 * ARENA_PAGE + (uint64_t)a->max_entries, 1, ARENA_PAGE);
	return 0;
}

static struct record *record_at(const struct map *m, uint64_t pos)
{
	return (struct record *)(void *)(ring_data(m) + (pos & (m->max_entries - 1)));
}

static uint64_t step_of(uint32_t len)
{
	return round_up((uint64_t)(len & LENGTH) + HEADER, 8);
}

/* Beside the position that it guards: one line to fetch for a producer, not two. */
static uint64_t *lock_word(const struct map *m)
{
	return ring_producer(m) + 1;
}

static bool room(const struct map *m, uint64_t prod, uint64_t need)
{
	return prod + need - load_acquire(ring_consumer(m)) < m->max_entries;
}

static uint32_t owner_word(const struct task *t)
{
	return t->id | t->slot->tid << 16;
}

static void put_record(struct task *t, struct map *m, uint64_t pos, uint32_t len, uint64_t next)
{
	struct record *r = record_at(m, pos);

	r->owner = owner_word(t);
	store_relaxed(&r->len, len);
	fence_death();
	step(t);
	store_release(ring_producer(m), next); /* it has happened; pairs with the consumer's acquire */
	step(t);
}

/* Under the lock. */
static void *reserve(struct task *t, struct map *m, uint32_t size)
{
	uint64_t prod = load_relaxed(ring_producer(m)), need = step_of(size);
	uint64_t left = m->max_entries - (prod & (m->max_entries - 1));

	if (need > left) {
		if (!room(m, prod, left))
			return NULL;
		put_record(t, m, prod, (uint32_t)(left - HEADER) | DISCARD, prod + left);
		prod += left;
	}
	if (!room(m, prod, need))
		return NULL;
	put_record(t, m, prod, size | BUSY, prod + need);
	return record_at(m, prod) + 1;
}

void *ring_reserve(struct task *t, struct map *m, uint64_t size)
{
	void *r = NULL;

	if (size > LENGTH || step_of((uint32_t)size) > m->max_entries)
		return NULL;
	for (int turn = 0; turn < 2 && !r; turn++) {
		if (turn && !ring_bury(t, m))
			return NULL;
		if (fast_lock(t, lock_word(m)))
			return NULL;
		r = reserve(t, m, (uint32_t)size);
		fast_unlock(t, lock_word(m), 0);
	}
	return r;
}

bool ring_holds(const struct map *m, const void *record)
{
	return (uint64_t)((const char *)record - ring_data(m)) < m->max_entries;
}

int ring_commit(struct task *t, struct map *m, void *record, uint32_t discard_bit)
{
	struct record *r = (struct record *)record - 1;
	uint64_t at = (uint64_t)((char *)r - ring_data(m));

	step(t);
	/* A full barrier between this and the look at the consumer's position: it stores that, then looks at this. */
	swap(&r->len, (r->len & LENGTH) | discard_bit);
	step(t);
	return (load_relaxed(ring_consumer(m)) & (m->max_entries - 1)) == at;
}

static bool owner_lives(struct task *t, uint32_t owner)
{
	uint32_t id = owner & 0xffff;
	const struct task_slot *s;
	uint64_t seat;

	if (id == t->id)
		return owner == owner_word(t);
	if (!id || id > task_slots_used(t->pool))
		return false;
	s = task_slot(t->pool, id - 1);
	seat = load_acquire(&s->seat);
	return seat_state(seat) == SLOT_LIVE && (load_relaxed(&s->tid) & 0xffff) == owner >> 16 &&
	       seat_client(seat) < POOL_CLIENTS && client_alive(t->pool, seat_client(seat));
}

uint32_t ring_bury(struct task *t, struct map *m)
{
	uint64_t at = load_acquire(ring_consumer(m)), end = load_acquire(ring_producer(m));
	uint32_t n = 0;

	if (at % 8 || end - at > m->max_entries)
		return 0;
	while (at < end) {
		struct record *r = record_at(m, at);
		uint32_t len = load_acquire(&r->len), owner = load_relaxed(&r->owner);

		if ((len & BUSY) && !owner_lives(t, owner))
			n += cas(&r->len, &len, (len & LENGTH) | DISCARD);
		at += step_of(len);
	}
	return n;
}

bool ring_ready(const struct map *m)
{
	uint64_t at = load_acquire(ring_consumer(m));

	return load_acquire(ring_producer(m)) != at && !(load_acquire(&record_at(m, at & ~7ull)->len) & BUSY);
}

static int no_read(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	return -MAP_ENOTSUPP;
}

static int no_update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags, struct side s)
{
	return -MAP_ENOTSUPP;
}

static int no_remove(struct task *t, struct map *m, const void *key)
{
	return -MAP_ENOTSUPP;
}

const struct map_ops ring_ops = {.plan = plan, .read = no_read, .update = no_update, .remove = no_remove};
const struct map_ops user_ring_ops = {.plan = plan, .read = no_read, .update = no_update, .remove = no_remove};

/* --- the other way: a loader produces, programs consume --- */

int64_t user_ring_peek(struct map *m, uint64_t *at)
{
	uint64_t prod = load_acquire(ring_producer(m)), cons = load_relaxed(ring_consumer(m));
	uint32_t len;

	if (prod % 8)
		return -EINVAL;
	if (cons >= prod)
		return -ENODATA;
	len = load_acquire(&record_at(m, cons)->len);
	if (len & BUSY)
		return -ENODATA;
	if ((len & LENGTH) > m->max_entries || step_of(len) > prod - cons)
		return -E2BIG;
	*at = cons;
	if (len & DISCARD) {
		user_ring_taken(m, cons, len & LENGTH);
		return -EAGAIN;
	}
	return len & LENGTH;
}

void user_ring_taken(struct map *m, uint64_t at, uint64_t size)
{
	store_release(ring_consumer(m), at + step_of((uint32_t)size));
}
