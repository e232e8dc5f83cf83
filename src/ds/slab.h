/*
 * Small objects of one unit size, 64 units to a page: inodes (256 bytes) and
 * cells (64 bytes; a directory entry takes one to five in a row).
 *
 * Words: a *unit* is the smallest object; a *page* here is 64 units, one bit
 * each in a free map; an *arena* is one of 16 places to allocate from, so that
 * tasks in different arenas share no line. A page belongs to one arena, or to
 * nobody (then it is wholly free and on the slab's own list).
 *
 * Invariants, for every page p below the frontier:
 *	p.arena == a	  p is on a's partial list  <=>  p.free != 0
 *	p.arena == NONE	  p is on the slab's free list and p.free == ~0
 *	a.empty	 == number of a's pages with p.free == ~0
 *	a.used	 == sum over a's pages of 64 - popcount(p.free)
 *	p.free != ~0  =>  p has memory behind it (committed)
 *
 * A unit's memory keeps its type for ever: what was an inode is an inode or a
 * page of zeros, so that a late reader's lock word is never somebody's data.
 */
#pragma once

#include <errno.h>

#include "shm/txn.h"

#define SLAB_UNITS 64u
#define SLAB_ARENAS 16u
#define SLAB_NO_ARENA 0xffffu

struct slab_page {
	uint64_t free; /* bit i: unit i is free. Under the arena's lock, like the rest */
	uint32_t next; /* 1 + page number, 0: end */
	uint32_t prev;
	uint32_t arena; /* changed under the arena's and the slab's lock */
	uint32_t committed;
	uint64_t spare[5];
};

struct slab_arena {
	uint64_t lock;
	uint32_t partial; /* list of pages with a free unit, 1 + page number */
	uint32_t empty;
	uint64_t used;
	uint64_t pad[5];
};

struct slab_ctl {
	uint64_t lock;
	uint32_t free;	   /* list of pages of no arena */
	uint32_t frontier; /* pages from here on were never used */
	uint64_t pad[6];
	struct slab_arena arena[SLAB_ARENAS];
};

_Static_assert(sizeof(struct slab_page) == 64, "one line a page: neighbours may belong to different tasks");
_Static_assert(sizeof(struct slab_arena) == 64, "one line an arena");

/* A slab as this process sees it; constant while attached. */
struct slab {
	struct slab_ctl *ctl;
	struct slab_page *pages;
	char *base; /* first unit */
	uint32_t npages;
	uint32_t unit; /* bytes */
	/* Tasks keep some of its units in this pocket of theirs (enum pocket_kind); pool NULL: they do not. */
	uint32_t pocket;
	const struct pool *pool;
	/* Called on each unit of a page that has just got memory, all zeros. May be NULL. */
	void (*fresh)(struct pool *pool, void *unit);
};

/* Marks unit 0 as taken for ever, so that index 0 can mean none. For the format. */
int slab_format(struct pool *pool, struct slab *s) must_check;

/* The unit `i` with its n - 1 successors on the same page, or NULL where there are none such. */
static inline void *slab_at(const struct slab *s, uint32_t i, uint32_t n)
{
	if (unlikely(i == 0 || i / SLAB_UNITS >= s->npages || i % SLAB_UNITS + n > SLAB_UNITS))
		return NULL;
	return s->base + (uint64_t)i * s->unit;
}

/* The unit `i` of a slab whose unit size the caller knows at compile time: a shift instead of a multiplication. */
static inline void *slab_unit(const struct slab *s, uint32_t i, uint32_t unit)
{
	check(s->unit == unit);
	if (unlikely(i == 0 || i / SLAB_UNITS >= s->npages))
		return NULL;
	return s->base + (uint64_t)i * unit;
}

static inline uint32_t slab_index(const struct slab *s, const void *unit)
{
	return (uint32_t)((uint64_t)((const char *)unit - s->base) / s->unit);
}

/*
 * Takes `n` units in a row (1 to 8) into the task's hand as `tag | n << 40 |
 * index` (a transaction of its own). The memory is as its last owner left it.
 * 0 with the index, -ENOSPC, -EUCLEAN.
 */
int slab_take(struct task *t, const struct slab *s, uint32_t n, uint64_t tag, uint32_t *index) must_check;

/* Frees units that are the last item of the task's hand, together with taking that out (a transaction). */
int slab_put(struct task *t, const struct slab *s, uint32_t index, uint32_t n) must_check;

/*
 * Pockets. Taking and freeing a unit is a transaction with a lock; most tasks
 * free as many as they take. So a task slot keeps up to 15 units for itself,
 * which are in use as far as the slab knows. They are the slot's, not the
 * task's: who sits in it next uses them, and its death changes nothing. Where the
 * slab's last page is in use, pockets are left alone, so that the last unit can be
 * had by whoever wants it.
 *
 * pocket_draw finds a unit for the call that is under way, from the pocket, which
 * is filled when it is empty, or else into the hand as slab_take does. The unit
 * stays where it is until pocket_or_hand_take takes it out in the transaction that
 * links it. pocket_settle forgets what was drawn and not taken: every call ends
 * with it.
 */
int pocket_draw_slowly(struct task *t, const struct slab *s, uint64_t tag, uint32_t *index) must_check;
bool pocket_take_slowly(struct task *t, const struct slab *s, uint32_t index);

static inline must_check int pocket_draw(struct task *t, const struct slab *s, uint64_t tag, uint32_t *index)
{
	const struct pocket *k = &t->slot->pocket[s->pocket];
	uint32_t n = k->n;

	/* The first of this call, and there is one: s->pool is not NULL then. */
	if (unlikely(n - 1 >= POCKET_UNITS || t->drawn[s->pocket]) || room_refused(t->pool))
		return pocket_draw_slowly(t, s, tag, index);
	*index = k->unit[n - 1];
	t->drawn[s->pocket] = 1;
	return likely(slab_at(s, *index, 1)) ? 0 : -EUCLEAN;
}

/* Takes a drawn unit out, in the open transaction. False: it is not in the pocket. */
static inline bool pocket_take(struct task *t, const struct slab *s, uint32_t index)
{
	struct pocket *k = &t->slot->pocket[s->pocket];
	uint32_t n = k->n;

	if (!t->drawn[s->pocket])
		return false;
	if (unlikely(n - 1 >= POCKET_UNITS || k->unit[n - 1] != index))
		return pocket_take_slowly(t, s, index);
	txn_set(t, &k->n, n - 1);
	t->drawn[s->pocket]--;
	return true;
}

/* Puts a unit that hangs on nothing in, in the open transaction. False: there is no room. */
static inline bool pocket_put(struct task *t, const struct slab *s, uint32_t index)
{
	struct pocket *k = &t->slot->pocket[s->pocket];
	uint32_t n = k->n;

	/* What was drawn lies at the top, and nothing is to come over it. */
	if (!s->pool || load_relaxed(&s->ctl->frontier) >= s->npages || t->drawn[s->pocket] || n >= POCKET_UNITS)
		return false;
	/* Logged: what was taken in this transaction may have lain here. */
	txn_set(t, &k->unit[n], index);
	txn_set(t, &k->n, n + 1);
	return true;
}
static inline void pocket_settle(struct task *t)
{
	t->drawn[POCKET_INODE] = t->drawn[POCKET_CELL] = t->drawn[POCKET_FILE] = 0;
}

/* Is this unit in use? For the checker and for late readers; unlocked. */
static inline bool slab_in_use(const struct slab *s, uint32_t i)
{
	return i / SLAB_UNITS < s->npages && !(load_relaxed(&s->pages[i / SLAB_UNITS].free) >> (i % SLAB_UNITS) & 1);
}

/* Units in use; those in pockets are not. */
uint64_t slab_used(const struct slab *s);

/* Gives the memory of free pages of no arena back. Returns bytes, or -errno. */
int64_t slab_trim(struct task *t, const struct slab *s);

/* Verifies the invariants (the pool is frozen). -EUCLEAN with a place for the message. */
struct slab_fault {
	const char *what;
	uint64_t at; /* page or arena */
};
int slab_check(const struct slab *s, struct slab_fault *fault);
