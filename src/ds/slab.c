/* Slabs: see slab.h. */
#include <errno.h>

#include "base/bits.h"
#include "ds/list.h"
#include "ds/slab.h"

#define KEEP_EMPTY 4u	 /* empty pages that an arena keeps: a create and unlink in turn moves none */
#define LOOK_AT 8u	 /* partial pages that are looked at for a row before a new page is taken */
#define POCKET_FILL 8u	 /* units that an empty pocket is filled with */
#define COMMIT_BATCH 16u /* pages that get memory at once at the frontier */

static uint64_t row_mask(uint32_t n, uint32_t at)
{
	return ((1ull << n) - 1) << at;
}

/* First position of `n` ones in a row, or 64. */
static uint32_t find_row(uint64_t map, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		map &= map >> 1;
	return map ? (uint32_t)__builtin_ctzll(map) : SLAB_UNITS;
}

static uint64_t page_off(const struct task *t, const struct slab *s, uint32_t page)
{
	return pool_off(t->pool, s->base) + (uint64_t)page * SLAB_UNITS * s->unit;
}

static int commit_pages(struct task *t, const struct slab *s, uint32_t page, uint32_t n)
{
	int err = pool_commit(t->pool, page_off(t, s, page), (uint64_t)n * SLAB_UNITS * s->unit);

	if (err)
		return err;
	for (uint32_t i = page; i < page + n; i++) {
		for (uint32_t u = 0; s->fresh && u < SLAB_UNITS; u++)
			s->fresh(t->pool, s->base + (uint64_t)(i * SLAB_UNITS + u) * s->unit);
		txn_set(t, &s->pages[i].committed, 1);
	}
	return 0;
}

/* Puts a batch of new pages on the slab's free list. Under the slab's lock. */
static int advance_frontier(struct task *t, const struct slab *s)
{
	struct slab_ctl *c = s->ctl;
	uint32_t from = c->frontier, n;
	int err;

	if (from >= s->npages)
		return -ENOSPC;
	n = min_of(COMMIT_BATCH, s->npages - from);
	err = pool_commit(t->pool, pool_off(t->pool, &s->pages[from]), n * sizeof s->pages[0]);
	if (!err)
		err = commit_pages(t, s, from, n);
	if (err && n > 1)
		err = commit_pages(t, s, from, n = 1);
	if (err)
		return err;
	for (uint32_t i = from + n; i-- > from;) {
		txn_set(t, &s->pages[i].free, ~0ull);
		txn_set(t, &s->pages[i].arena, SLAB_NO_ARENA);
		list_push(t, &c->free, s->pages, s->npages, i);
	}
	txn_set(t, &c->frontier, from + n);
	return 0;
}

/* Moves a free page of nobody to arena `a`. Under the arena's lock. */
static int grow(struct task *t, const struct slab *s, uint32_t a)
{
	struct slab_ctl *c = s->ctl;
	uint32_t page;
	int err = txn_lock(t, &c->lock);

	if (!err && !c->free)
		err = advance_frontier(t, s);
	if (err)
		return err;
	page = c->free - 1;
	if (page >= s->npages || s->pages[page].free != ~0ull)
		return -EUCLEAN;
	if (!s->pages[page].committed)
		err = commit_pages(t, s, page, 1);
	if (err)
		return err;
	list_unlink(t, &c->free, s->pages, s->npages, page);
	txn_set(t, &s->pages[page].arena, a);
	list_push(t, &c->arena[a].partial, s->pages, s->npages, page);
	txn_set(t, &c->arena[a].empty, c->arena[a].empty + 1);
	return 0;
}

/* A page of arena `a` with `n` free units in a row; up to `look` pages are tried. */
static int find_page(const struct slab *s, uint32_t a, uint32_t n, uint32_t look, uint32_t *page, uint32_t *at)
{
	uint32_t i = load_relaxed(&s->ctl->arena[a].partial);

	for (; i && look; look--) {
		if (i > s->npages)
			return -EUCLEAN;
		*page = i - 1;
		*at = find_row(s->pages[*page].free, n);
		if (*at < SLAB_UNITS)
			return 0;
		i = s->pages[*page].next;
	}
	return i ? -EAGAIN : -ENOSPC;
}

static void carve(struct task *t, const struct slab *s, uint32_t a, uint32_t page, uint32_t at, uint32_t n)
{
	struct slab_arena *ar = &s->ctl->arena[a];
	struct slab_page *p = &s->pages[page];

	if (p->free == ~0ull)
		txn_set(t, &ar->empty, ar->empty - 1);
	txn_set(t, &p->free, p->free & ~row_mask(n, at));
	if (p->free == 0)
		list_unlink(t, &ar->partial, s->pages, s->npages, page);
	txn_set(t, &ar->used, ar->used + n);
}

/* Takes from arena `a`. `own`: it may get a new page. */
static int take_from(struct task *t, const struct slab *s, uint32_t a, bool own, uint32_t n, uint64_t tag,
		     uint32_t *index)
{
	uint32_t page = 0, at = 0;
	int err;

	txn_begin(t);
	err = txn_lock(t, &s->ctl->arena[a].lock);
	if (err)
		return txn_abort(t, err);
	err = find_page(s, a, n, own ? LOOK_AT : s->npages, &page, &at);
	if (err == -EAGAIN || (err == -ENOSPC && own)) {
		err = grow(t, s, a);
		err = find_page(s, a, n, err ? s->npages : 1, &page, &at);
	}
	if (!err && !slab_at(s, page * SLAB_UNITS + at, n))
		err = -EUCLEAN; /* unit 0 is nobody's */
	if (err)
		return txn_abort(t, err == -EAGAIN ? -EUCLEAN : err);
	carve(t, s, a, page, at, n);
	*index = page * SLAB_UNITS + at;
	hand_push(t, tag | (uint64_t)n << 40 | *index);
	return txn_commit_quiet(t);
}

int slab_take(struct task *t, const struct slab *s, uint32_t n, uint64_t tag, uint32_t *index)
{
	uint32_t own = t->arena % SLAB_ARENAS;
	int err;

	if (room_refused(t->pool))
		return -ENOSPC;
	err = take_from(t, s, own, true, n, tag, index);
	for (uint32_t i = 1; i < SLAB_ARENAS && err == -ENOSPC; i++)
		err = take_from(t, s, (own + i) % SLAB_ARENAS, false, n, tag, index);
	return err;
}

/* A page that has become empty goes back to nobody if its arena has enough of them. Under the arena's lock. */
static int give_up(struct task *t, const struct slab *s, uint32_t a, uint32_t page)
{
	struct slab_arena *ar = &s->ctl->arena[a];
	int err;

	if (ar->empty < KEEP_EMPTY) {
		txn_set(t, &ar->empty, ar->empty + 1);
		return 0;
	}
	err = txn_lock(t, &s->ctl->lock);
	if (err)
		return err;
	list_unlink(t, &ar->partial, s->pages, s->npages, page);
	txn_set(t, &s->pages[page].arena, SLAB_NO_ARENA);
	list_push(t, &s->ctl->free, s->pages, s->npages, page);
	return 0;
}

/* Locks the arena that page `page` belongs to. */
static int lock_arena_of(struct task *t, const struct slab *s, uint32_t page, uint32_t *a)
{
	*a = load_relaxed(&s->pages[page].arena);
	if (*a >= SLAB_ARENAS)
		return -EUCLEAN; /* a page with a unit in use has one, and keeps it */
	return txn_lock(t, &s->ctl->arena[*a].lock);
}

int slab_put(struct task *t, const struct slab *s, uint32_t index, uint32_t n)
{
	uint32_t page = index / SLAB_UNITS, at = index % SLAB_UNITS, a;
	struct slab_page *p = &s->pages[page];
	uint64_t old;
	int err;

	if (!slab_at(s, index, n) || n == 0)
		return -EUCLEAN;
	txn_begin(t);
	err = lock_arena_of(t, s, page, &a);
	if (!err && (p->free & row_mask(n, at)))
		err = -EUCLEAN; /* freed twice */
	if (err)
		return txn_abort(t, err);
	old = p->free;
	txn_set(t, &p->free, old | row_mask(n, at));
	txn_set(t, &s->ctl->arena[a].used, s->ctl->arena[a].used - n);
	if (old == 0)
		list_push(t, &s->ctl->arena[a].partial, s->pages, s->npages, page);
	if (p->free == ~0ull)
		err = give_up(t, s, a, page);
	if (err)
		return txn_abort(t, err);
	hand_take(t, t->slot->nhand - 1);
	return txn_commit_quiet(t);
}

/* ---- Pockets ------------------------------------------------------------------ */

static struct pocket *pocket_of(const struct task *t, const struct slab *s)
{
	return &t->slot->pocket[s->pocket];
}

/* The slab has pages that were never used. */
static bool plenty(const struct slab *s)
{
	return s->pool && load_relaxed(&s->ctl->frontier) < s->npages;
}

/* Moves free units of one page into the empty pocket. Under the arena's lock. */
static void fill_from(struct task *t, const struct slab *s, uint32_t a, uint32_t page)
{
	struct slab_arena *ar = &s->ctl->arena[a];
	struct slab_page *p = &s->pages[page];
	struct pocket *k = pocket_of(t, s);
	uint64_t left = p->free;
	uint32_t n = 0;

	while (left && n < POCKET_FILL) {
		left &= left - 1;
		n++;
	}
	/* The lowest is to come out first. What lies above k->n means nothing: no log. */
	for (uint64_t some = p->free & ~left, i = n; some; some &= some - 1)
		store_relaxed(&k->unit[--i], page * SLAB_UNITS + (uint32_t)__builtin_ctzll(some));
	if (p->free == ~0ull)
		txn_set(t, &ar->empty, ar->empty - 1);
	txn_set(t, &p->free, left);
	if (left == 0)
		list_unlink(t, &ar->partial, s->pages, s->npages, page);
	txn_set(t, &ar->used, ar->used + n);
	txn_set(t, &k->n, n);
}

static cold int pocket_fill(struct task *t, const struct slab *s)
{
	uint32_t a = t->arena % SLAB_ARENAS, page = 0, at;
	int err;

	txn_begin(t);
	err = txn_lock(t, &s->ctl->arena[a].lock);
	if (err)
		return txn_abort(t, err);
	err = find_page(s, a, 1, 1, &page, &at);
	if (err == -ENOSPC) {
		err = grow(t, s, a);
		if (!err)
			err = find_page(s, a, 1, 1, &page, &at);
	}
	if (err)
		return txn_abort(t, err == -EAGAIN ? -EUCLEAN : err);
	fill_from(t, s, a, page);
	return txn_commit_quiet(t);
}

cold int pocket_draw_slowly(struct task *t, const struct slab *s, uint64_t tag, uint32_t *index)
{
	struct pocket *k;
	uint32_t n, drawn;

	if (!s->pool)
		return slab_take(t, s, 1, tag, index);
	if (room_refused(t->pool))
		return -ENOSPC;
	k = pocket_of(t, s);
	drawn = t->drawn[s->pocket];
	if (unlikely(k->n == 0 && plenty(s))) {
		int err = pocket_fill(t, s);

		if (err && err != -ENOSPC)
			return err;
	}
	n = min_of(k->n, POCKET_UNITS);
	if (unlikely(n <= drawn))
		return slab_take(t, s, 1, tag, index);
	*index = k->unit[n - 1 - drawn];
	t->drawn[s->pocket]++;
	return likely(slab_at(s, *index, 1)) ? 0 : -EUCLEAN;
}

cold bool pocket_take_slowly(struct task *t, const struct slab *s, uint32_t index)
{
	struct pocket *k;
	uint32_t n;

	if (!s->pool || !t->drawn[s->pocket])
		return false;
	k = pocket_of(t, s);
	n = min_of(k->n, POCKET_UNITS);
	for (uint32_t i = n; i-- > n - min_of(t->drawn[s->pocket], n);) {
		if (k->unit[i] != index)
			continue;
		if (i != n - 1)
			txn_set(t, &k->unit[i], k->unit[n - 1]);
		txn_set(t, &k->n, n - 1);
		t->drawn[s->pocket]--;
		return true;
	}
	return false;
}

uint64_t slab_used(const struct slab *s)
{
	uint64_t n = 0;

	for (uint32_t a = 0; a < SLAB_ARENAS; a++)
		n += load_relaxed(&s->ctl->arena[a].used);
	for (uint32_t i = 0; s->pool && i < task_slots_used(s->pool); i++)
		n -= min_of(min_of(load_relaxed(&task_slot(s->pool, i)->pocket[s->pocket].n), POCKET_UNITS), n);
	return n;
}

int slab_format(struct pool *pool, struct slab *s)
{
	struct slab_ctl *c = s->ctl;
	int err = pool_commit(pool, pool_off(pool, c), sizeof *c);

	if (!err)
		err = pool_commit(pool, pool_off(pool, s->pages), sizeof s->pages[0]);
	if (!err)
		err = pool_commit(pool, pool_off(pool, s->base), (uint64_t)SLAB_UNITS * s->unit);
	if (err)
		return err;
	for (uint32_t u = 0; s->fresh && u < SLAB_UNITS; u++)
		s->fresh(pool, s->base + (uint64_t)u * s->unit);
	s->pages[0] = (struct slab_page){.free = ~1ull, .committed = 1};
	c->arena[0].partial = 1;
	c->arena[0].used = 1;
	c->frontier = 1;
	return 0;
}

/*
 * Trimming. The memory of a page on the slab's free list is given back under
 * the slab's lock: who wants a page waits for some microseconds at worst. The
 * page is marked first, so that a death in between leaves it marked as without
 * memory, which only costs a system call more when it is next used.
 */
#define TRIM_BATCH 64u

static int64_t trim_run(struct task *t, const struct slab *s, uint32_t *page)
{
	uint32_t n = 0, i = *page;
	int err;

	txn_begin(t);
	err = txn_lock(t, &s->ctl->lock);
	if (err)
		return txn_abort(t, err);
	for (; n < TRIM_BATCH && i + n < min_of(s->ctl->frontier, s->npages); n++) {
		struct slab_page *p = &s->pages[i + n];

		if (p->arena != SLAB_NO_ARENA || !p->committed)
			break;
		txn_set(t, &p->committed, 0);
	}
	*page = i + max_of(n, 1u);
	txn_settle(t); /* "without memory" holds from here on, whatever happens */
	if (n)
		err = pool_decommit(t->pool, page_off(t, s, i), (uint64_t)n * SLAB_UNITS * s->unit);
	if (err)
		return txn_abort(t, err);
	err = txn_commit_quiet(t);
	return err ? err : (int64_t)((uint64_t)n * SLAB_UNITS * s->unit);
}

int64_t slab_trim(struct task *t, const struct slab *s)
{
	int64_t sum = 0;
	uint32_t page = 0;

	while (page < load_relaxed(&s->ctl->frontier) && page < s->npages) {
		const struct slab_page *p = &s->pages[page];
		int64_t got;

		if (load_relaxed(&p->arena) != SLAB_NO_ARENA || !load_relaxed(&p->committed)) {
			page++;
			continue;
		}
		got = trim_run(t, s, &page);
		if (got < 0)
			return got;
		sum += got;
	}
	return sum;
}

static int check_list(const struct slab *s, uint32_t head, uint32_t arena, uint32_t *n)
{
	uint32_t prev = 0;

	*n = 0;
	for (uint32_t i = head; i; i = s->pages[i - 1].next) {
		if (i > s->npages || s->pages[i - 1].arena != arena || s->pages[i - 1].prev != prev || ++*n > s->npages)
			return -EUCLEAN;
		prev = i;
	}
	return 0;
}

static int fault(struct slab_fault *f, const char *what, uint64_t at)
{
	*f = (struct slab_fault){what, at};
	return -EUCLEAN;
}

static int check_arena(const struct slab *s, uint32_t a, struct slab_fault *f)
{
	const struct slab_arena *ar = &s->ctl->arena[a];
	uint32_t listed, partial = 0, empty = 0;
	uint64_t used = 0;

	for (uint32_t i = 0; i < s->ctl->frontier; i++) {
		const struct slab_page *p = &s->pages[i];

		if (p->arena != a)
			continue;
		partial += p->free != 0;
		empty += p->free == ~0ull;
		used += SLAB_UNITS - bits_count(p->free);
		if (p->free != ~0ull && !p->committed)
			return fault(f, "a slab page is in use without memory", i);
	}
	if (check_list(s, ar->partial, a, &listed) || listed != partial)
		return fault(f, "the partial list of a slab arena is broken", a);
	if (empty != ar->empty || used != ar->used)
		return fault(f, "the counters of a slab arena are wrong", a);
	return 0;
}

int slab_check(const struct slab *s, struct slab_fault *f)
{
	uint32_t listed, free = 0;

	if (s->ctl->frontier > s->npages)
		return fault(f, "the frontier of a slab is out of bounds", s->ctl->frontier);
	for (uint32_t i = 0; i < s->ctl->frontier; i++) {
		if (s->pages[i].arena >= SLAB_ARENAS && s->pages[i].arena != SLAB_NO_ARENA)
			return fault(f, "a slab page belongs to an arena that is none", i);
		if (s->pages[i].arena == SLAB_NO_ARENA && s->pages[i].free != ~0ull)
			return fault(f, "a slab page of no arena is not empty", i);
		free += s->pages[i].arena == SLAB_NO_ARENA;
	}
	if (check_list(s, s->ctl->free, SLAB_NO_ARENA, &listed) || listed != free)
		return fault(f, "the free list of a slab is broken", 0);
	for (uint32_t a = 0; a < SLAB_ARENAS; a++) {
		int err = check_arena(s, a, f);

		if (err)
			return err;
	}
	return 0;
}
