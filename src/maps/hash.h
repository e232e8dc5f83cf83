/*
 * The table behind all hashes: chains of elements from an array of heads.
 *
 *	stripe	a lock word and what it guards: the heads whose number ends in
 *		the stripe's, the elements in their chains, and a list of free
 *		elements. Readers take no lock: the word is their version.
 *	element	fixed part, key, value. It belongs to one stripe (`owner`) and
 *		is in one place there: in a chain, in the free list, the stripe's
 *		spare, or named by `taken` while it moves.
 *
 * Death. Each operation has one store that makes it happen: a link in a
 * chain. What goes with it (an element that leaves or joins the free list) is
 * announced in `taken` or `replaced` before. Whoever takes the lock and finds
 * one of these set does what is left: see repair().
 */
#pragma once

#include "maps/internal.h"

struct stripe {
	uint64_t word;
	uint64_t taken;	   /* head << 32 | element that is on its way into, or out of, that chain; 0: none */
	uint64_t replaced; /* head << 32 | element whose place the spare takes; 0: none */
	uint32_t free;	   /* list of elements, by number; 0: end */
	uint32_t spare;	   /* takes the place of one that is replaced */
	uint64_t pad[4];
};

_Static_assert(sizeof(struct stripe) == 64, "a line each");

struct elem {
	uint32_t next; /* number of the next in the chain or in the free list */
	uint32_t hash;
	uint32_t owner; /* 1 + stripe; 0: never used */
	uint32_t ref;	/* LRU: looked up since the search for a victim came by */
	uint64_t key[];
};

#define NO_HEAD 0xffffffffull /* in `taken`: not in a chain */

static inline struct stripe *hash_stripe(const struct map *m, uint32_t hash)
{
	return (struct stripe *)map_ptr(m, m->stripes) + (hash & (m->nstripes - 1));
}

static inline uint32_t *hash_head(const struct map *m, uint32_t hash)
{
	return (uint32_t *)map_ptr(m, m->heads) + (hash & (m->nheads - 1));
}

/* Element number `i`, 1 to nelems; what a torn link may name lies in the map as well. */
static inline struct elem *hash_elem(const struct map *m, uint32_t i)
{
	return (struct elem *)map_ptr(m, m->elems + (uint64_t)(i - 1) * m->elem_bytes);
}

static inline uint32_t hash_number(const struct map *m, const struct elem *e)
{
	return (uint32_t)(((uint64_t)((const char *)e - (const char *)m) - m->elems) / m->elem_bytes) + 1;
}

static inline void *hash_value(const struct map *m, const struct elem *e, uint32_t cpu)
{
	if (m->ncpus > 1 || m->cpu_stride)
		return map_ptr(m, m->values + cpu * m->cpu_stride + (uint64_t)(hash_number(m, e) - 1) * m->stride);
	return (char *)(uintptr_t)e + m->value_at;
}

/* A timer in a value goes with the value: its entry (timer.h) is nobody's then. */
static inline void hash_drop_timer(const struct map *m, const struct elem *e)
{
	if (unlikely(m->timer_off >= 0))
		store_relaxed((uint64_t *)(void *)((char *)hash_value(m, e, 0) + m->timer_off), 0);
}

uint32_t hash_of(const struct map *m, const void *key);
bool hash_key_equal(const struct map *m, const struct elem *e, const void *key);
/* The element of this key, without a lock: it was in the table at one moment of the call. */
struct elem *hash_find(struct task *t, struct map *m, const void *key, uint32_t hash);

/* The words of HASH_OF_MAPS: see map_put_ref and its like. */
int hash_put_ref(struct task *t, struct map *m, const void *key, uint64_t ref, uint64_t flags,
		 uint64_t *old) must_check;
int hash_drop_ref(struct task *t, struct map *m, const void *key, uint64_t *old) must_check;
uint64_t hash_next_ref(const struct map *m, uint32_t *at);

/*
 * Copies all keys and values of one chain to the caller's memory, and deletes
 * them if asked to. How many; -ENOSPC: more than `room` (nothing was done).
 */
int64_t hash_chain_out(struct task *t, struct map *m, uint32_t head, void *keys, void *values, uint32_t room,
		       uint64_t flags, bool remove) must_check;
/*
 * A new element of this key, which has none yet, under the lock. -E2BIG,
 * -ENOMEM, -EFAULT; -EAGAIN: to be tried again from the beginning, without
 * the lock.
 */
int hash_insert(struct task *t, struct map *m, struct stripe *s, const void *key, uint32_t hash, const void *value,
		struct side side) must_check;

/* hash_elem.c: elements under a stripe's lock */

/* Finishes what a dead holder of the stripe left half done. */
void hash_repair(struct task *t, struct map *m, struct stripe *s);
/*
 * A free element for the chain at `head`: number, announced in s->taken. From
 * the stripe's list, from those never used, from other stripes, or (LRU) the
 * least recently looked up of some. -E2BIG: none; -ENOMEM: no memory for one;
 * -EAGAIN: others hold what there may be; let go of the lock and try again.
 */
int hash_take(struct task *t, struct map *m, struct stripe *s, uint32_t head, uint32_t *i) must_check;
/* The link that leads to element `i` in the chain at `head`, or NULL. */
uint32_t *hash_link(const struct map *m, uint32_t head, uint32_t i);

static inline void hash_put_free(struct task *t, struct map *m, struct stripe *s, uint32_t i)
{
	step(t);
	store_relaxed(&hash_elem(m, i)->next, s->free);
	fence_death();
	step(t);
	store_relaxed(&s->free, i);
	fence_death();
	step(t);
}

/* Puts the element named in s->taken into the free list. It is in no chain. */
static inline void hash_give(struct task *t, struct map *m, struct stripe *s)
{
	hash_put_free(t, m, s, (uint32_t)s->taken);
	store_relaxed(&s->taken, 0);
	fence_death();
}

/* Takes the element that `link` leads to out of its chain, and frees it. Under the lock. */
static inline void hash_unlink(struct task *t, struct map *m, struct stripe *s, uint32_t *link, uint32_t hash)
{
	uint32_t i = *link;

	step(t);
	store_relaxed(&s->taken, (uint64_t)(hash & (m->nheads - 1)) << 32 | i);
	fence_death();
	step(t);
	store_release(link, hash_elem(m, i)->next); /* it has happened */
	fence_death();
	hash_drop_timer(m, hash_elem(m, i));
	hash_give(t, m, s);
}
