/* The block pool: see blocks.h. */
#include <errno.h>

#include "ds/blocks.h"
#include "base/bits.h"
#include "ds/list.h"

#define KEEP_EMPTY 2u /* empty chunks that an arena keeps */
#define LOOK_AT 4u    /* partial chunks that are looked at for a long run before a new one is taken */

/* ---- Runs in a free map -------------------------------------------------- */

struct run {
	uint32_t at, len;
};

static bool map_bit(const uint64_t *map, uint32_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

/* Length of the run of ones that begins at `at`. */
static uint32_t run_len(const uint64_t *map, uint32_t at)
{
	uint32_t i = at;

	while (i < CHUNK_BLOCKS) {
		uint64_t zeros = ~(load_relaxed(&map[i / 64]) >> (i % 64));
		uint32_t left = 64 - i % 64, ones = zeros ? (uint32_t)__builtin_ctzll(zeros) : 64;

		if (ones < left)
			return i + ones - at;
		i += left;
	}
	return CHUNK_BLOCKS - at;
}

/* First one at or after `at`, or CHUNK_BLOCKS. */
static uint32_t next_one(const uint64_t *map, uint32_t at)
{
	while (at < CHUNK_BLOCKS) {
		uint64_t w = map[at / 64] >> (at % 64);

		if (w)
			return at + (uint32_t)__builtin_ctzll(w);
		at = (at / 64 + 1) * 64;
	}
	return CHUNK_BLOCKS;
}

/* The first run of at least `want` ones, else the longest there is. */
static struct run find_run(const uint64_t *map, uint32_t want)
{
	struct run best = {0, 0};

	for (uint32_t at = next_one(map, 0); at < CHUNK_BLOCKS;) {
		uint32_t len = run_len(map, at);

		if (len > best.len)
			best = (struct run){at, len};
		if (best.len >= want)
			break;
		at = next_one(map, at + len);
	}
	best.len = min_of(best.len, want);
	return best;
}

/* Sets or clears `n` bits, word by word. */
static void map_change(struct task *t, uint64_t *map, uint32_t at, uint32_t n, bool set)
{
	while (n) {
		uint32_t k = min_of(n, 64 - at % 64);
		uint64_t mask = (k == 64 ? ~0ull : (1ull << k) - 1) << (at % 64);
		uint64_t *w = &map[at / 64];

		txn_set(t, w, set ? *w | mask : *w & ~mask);
		at += k;
		n -= k;
	}
}

/* ---- Memory -------------------------------------------------------------- */

static uint32_t granule_mask(uint32_t at, uint32_t n)
{
	uint32_t first = at / GRANULE_BLOCKS, last = (at + n - 1) / GRANULE_BLOCKS;

	return (uint32_t)(((1ull << (last - first + 1)) - 1) << first);
}

static uint64_t block_off(const struct task *t, const struct blocks *b, uint64_t i)
{
	return pool_off(t->pool, b->base) + i * BLOCK_SIZE;
}

/* Memory for the granules that a run lies in. */
static int commit_run(struct task *t, const struct blocks *b, uint32_t c, struct run r)
{
	uint32_t missing = granule_mask(r.at, r.len) & ~b->chunks[c].committed;

	for (uint32_t m = missing; m;) {
		uint32_t first = (uint32_t)__builtin_ctz(m);
		uint32_t n = (uint32_t)__builtin_ctzll(~((uint64_t)m >> first));
		uint64_t at = (uint64_t)c * CHUNK_BLOCKS + first * GRANULE_BLOCKS;
		uint64_t end = min_of(at + n * GRANULE_BLOCKS, b->nblocks);
		int err = pool_commit(t->pool, block_off(t, b, at), (end - at) * BLOCK_SIZE);

		if (err)
			return err;
		m &= ~(uint32_t)(((1ull << n) - 1) << first);
	}
	if (missing)
		txn_set(t, &b->chunks[c].committed, b->chunks[c].committed | missing);
	return 0;
}

/* ---- Taking -------------------------------------------------------------- */

static void chunk_init(struct task *t, const struct blocks *b, uint32_t c)
{
	uint32_t n = min_of(b->nblocks - c * CHUNK_BLOCKS, CHUNK_BLOCKS);

	map_change(t, b->chunks[c].free, 0, n, true);
	txn_set(t, &b->chunks[c].nfree, n);
	txn_set(t, &b->chunks[c].arena, CHUNK_NO_ARENA);
}

static uint32_t chunk_blocks(const struct blocks *b, uint32_t c)
{
	return min_of(b->nblocks - c * CHUNK_BLOCKS, CHUNK_BLOCKS);
}

/* Moves chunk `c` of nobody (0: any) to arena `a`. Under the arena's lock. */
static int grow(struct task *t, const struct blocks *b, uint32_t a, uint32_t c)
{
	struct block_ctl *ctl = b->ctl;
	int err = txn_lock(t, &ctl->lock);

	if (err)
		return err;
	if (c == 0 && ctl->free)
		c = ctl->free - 1;
	else if (c == 0 || c == ctl->frontier)
		c = ctl->frontier;
	if (c >= b->nchunks)
		return -ENOSPC;
	if (c > ctl->frontier || (c < ctl->frontier && b->chunks[c].arena != CHUNK_NO_ARENA))
		return -EUCLEAN;
	if (c == ctl->frontier) {
		err = pool_commit(t->pool, pool_off(t->pool, &b->chunks[c]), sizeof b->chunks[c]);
		if (err)
			return err;
		chunk_init(t, b, c);
		txn_set(t, &ctl->frontier, c + 1);
	} else {
		list_unlink(t, &ctl->free, b->chunks, b->nchunks, c);
	}
	txn_set(t, &b->chunks[c].arena, a);
	list_push(t, &ctl->arena[a].partial, b->chunks, b->nchunks, c);
	txn_set(t, &ctl->arena[a].empty, ctl->arena[a].empty + 1);
	return 0;
}

/* Takes run `r` of chunk `c` into the hand. Under the arena's lock. */
static int carve(struct task *t, const struct blocks *b, uint32_t a, uint32_t c, struct run r, uint64_t tag)
{
	struct chunk *ch = &b->chunks[c];
	struct block_arena *ar = &b->ctl->arena[a];
	int err = block_at(b, c * CHUNK_BLOCKS + r.at, r.len) ? commit_run(t, b, c, r) : -EUCLEAN;

	if (err)
		return err;
	if (ch->nfree == chunk_blocks(b, c))
		txn_set(t, &ar->empty, ar->empty - 1);
	map_change(t, ch->free, r.at, r.len, false);
	txn_set(t, &ch->nfree, ch->nfree - r.len);
	if (ch->nfree == 0)
		list_unlink(t, &ar->partial, b->chunks, b->nchunks, c);
	txn_set(t, &ar->used, ar->used + r.len);
	hand_push(t, tag | (uint64_t)r.len << 40 | (c * CHUNK_BLOCKS + r.at));
	return 0;
}

/* Best run in the first `look` partial chunks of arena `a`. */
static int find_chunk(const struct blocks *b, uint32_t a, uint32_t want, uint32_t look, uint32_t *c, struct run *best)
{
	*best = (struct run){0, 0};
	for (uint32_t i = b->ctl->arena[a].partial; i && look && best->len < want; look--) {
		struct run r;

		if (i > b->nchunks)
			return -EUCLEAN;
		r = find_run(b->chunks[i - 1].free, want);
		if (r.len > best->len) {
			*best = r;
			*c = i - 1;
		}
		i = b->chunks[i - 1].next;
	}
	return best->len ? 0 : -ENOSPC;
}

/* A run in arena `a`. `own`: it may get a new chunk. */
static int choose(struct task *t, const struct blocks *b, uint32_t a, bool own, uint32_t want, uint32_t *c,
		  struct run *r)
{
	int err = find_chunk(b, a, want, LOOK_AT, c, r);

	if (err == -EUCLEAN || r->len >= want || !own)
		return err;
	/* Worth a new chunk: nothing here at all, or much less than wanted. */
	if (!r->len || r->len < min_of(want, CHUNK_BLOCKS / 4)) {
		struct run before = *r;
		uint32_t chunk = *c;

		err = grow(t, b, a, 0);
		if (!err)
			return find_chunk(b, a, want, 1, c, r);
		*r = before;
		*c = chunk;
	}
	return r->len ? 0 : err;
}

static int take_from(struct task *t, const struct blocks *b, uint32_t a, bool own, uint32_t want, uint64_t tag,
		     uint32_t *start, uint32_t *len)
{
	struct run r = {0, 0};
	uint32_t c = 0;
	int err;

	txn_begin(t);
	err = txn_lock(t, &b->ctl->arena[a].lock);
	if (!err)
		err = choose(t, b, a, own, want, &c, &r);
	if (!err)
		err = carve(t, b, a, c, r, tag);
	if (err)
		return txn_abort(t, err);
	*start = c * CHUNK_BLOCKS + r.at;
	*len = r.len;
	return txn_commit_quiet(t);
}

/* Goes on where an earlier run ended: in the same chunk, or at the start of the next one if that is nobody's. */
static int take_at(struct task *t, const struct blocks *b, uint32_t hint, uint32_t want, uint64_t tag, uint32_t *start,
		   uint32_t *len)
{
	uint32_t c = hint / CHUNK_BLOCKS, own = t->arena % BLOCK_ARENAS, a;
	struct run r = {hint % CHUNK_BLOCKS, 0};
	bool nobody;
	int err;

	if (hint >= b->nblocks || c > load_relaxed(&b->ctl->frontier))
		return -ENOSPC;
	nobody = c == load_relaxed(&b->ctl->frontier) || load_relaxed(&b->chunks[c].arena) == CHUNK_NO_ARENA;
	if (nobody && r.at != 0)
		return -ENOSPC;
	a = nobody ? own : load_relaxed(&b->chunks[c].arena);
	if (a >= BLOCK_ARENAS)
		return -ENOSPC; /* it changes hands just now */
	txn_begin(t);
	err = txn_lock(t, &b->ctl->arena[a].lock);
	if (!err && nobody)
		err = grow(t, b, a, c) ? -ENOSPC : 0;
	if (!err && (b->chunks[c].arena != a || !map_bit(b->chunks[c].free, r.at)))
		err = -ENOSPC;
	if (!err) {
		r.len = min_of(run_len(b->chunks[c].free, r.at), want);
		err = carve(t, b, a, c, r, tag);
	}
	if (err)
		return txn_abort(t, err);
	*start = hint;
	*len = r.len;
	return txn_commit_quiet(t);
}

int blocks_take(struct task *t, const struct blocks *b, uint32_t want, uint32_t hint, uint64_t tag, uint32_t *start,
		uint32_t *len)
{
	uint32_t own = t->arena % BLOCK_ARENAS;
	int err;

	if (room_refused(t->pool))
		return -ENOSPC;
	err = hint ? take_at(t, b, hint, want, tag, start, len) : -ENOSPC;
	for (uint32_t i = 0; i < BLOCK_ARENAS && err == -ENOSPC; i++)
		err = take_from(t, b, (own + i) % BLOCK_ARENAS, i == 0, want, tag, start, len);
	return err;
}

/* ---- Giving back --------------------------------------------------------- */

/* A chunk that has become empty goes back to nobody if its arena has enough of them. Under the arena's lock. */
static int give_up(struct task *t, const struct blocks *b, uint32_t a, uint32_t c)
{
	struct block_arena *ar = &b->ctl->arena[a];
	int err;

	if (ar->empty < KEEP_EMPTY) {
		txn_set(t, &ar->empty, ar->empty + 1);
		return 0;
	}
	err = txn_lock(t, &b->ctl->lock);
	if (err)
		return err;
	list_unlink(t, &ar->partial, b->chunks, b->nchunks, c);
	txn_set(t, &b->chunks[c].arena, CHUNK_NO_ARENA);
	list_push(t, &b->ctl->free, b->chunks, b->nchunks, c);
	return 0;
}

static bool map_any(const uint64_t *map, uint32_t at, uint32_t n)
{
	return next_one(map, at) < at + n;
}

/* Sets the run's bits and keeps the lists and counters in step. Under the arena's lock. */
static int release(struct task *t, const struct blocks *b, uint32_t a, uint32_t c, struct run r)
{
	struct chunk *ch = &b->chunks[c];
	uint32_t before = ch->nfree;

	if (map_any(ch->free, r.at, r.len))
		return -EUCLEAN; /* freed twice */
	map_change(t, ch->free, r.at, r.len, true);
	txn_set(t, &ch->nfree, before + r.len);
	txn_set(t, &b->ctl->arena[a].used, b->ctl->arena[a].used - r.len);
	if (before == 0)
		list_push(t, &b->ctl->arena[a].partial, b->chunks, b->nchunks, c);
	return ch->nfree == chunk_blocks(b, c) ? give_up(t, b, a, c) : 0;
}

int blocks_put(struct task *t, const struct blocks *b)
{
	struct task_slot *s = t->slot;
	uint64_t item = s->hand[s->nhand - 1];
	uint32_t start = item_index(item), len = item_count(item), c = start / CHUNK_BLOCKS, a;
	struct run r = {start % CHUNK_BLOCKS, min_of(len, CHUNK_BLOCKS - start % CHUNK_BLOCKS)};
	int err;

	if (len == 0 || !block_at(b, start, len))
		return -EUCLEAN;
	a = load_relaxed(&b->chunks[c].arena);
	if (a >= BLOCK_ARENAS)
		return -EUCLEAN; /* a chunk with a block in use has one, and keeps it */
	txn_begin(t);
	err = txn_lock(t, &b->ctl->arena[a].lock);
	if (!err)
		err = release(t, b, a, c, r);
	if (err)
		return txn_abort(t, err);
	if (r.len == len)
		hand_take(t, s->nhand - 1);
	else
		txn_set(t, &s->hand[s->nhand - 1], item - ((uint64_t)r.len << 40) + r.len);
	err = txn_commit_quiet(t);
	return err ? err : r.len < len;
}

uint64_t blocks_used(const struct blocks *b)
{
	uint64_t n = 0;

	for (uint32_t a = 0; a < BLOCK_ARENAS; a++)
		n += load_relaxed(&b->ctl->arena[a].used);
	return n;
}

int blocks_format(struct pool *pool, struct blocks *b)
{
	struct block_ctl *ctl = b->ctl;
	struct chunk *c = &b->chunks[0];
	uint32_t n = chunk_blocks(b, 0);
	int err = pool_commit(pool, pool_off(pool, ctl), sizeof *ctl);

	if (!err)
		err = pool_commit(pool, pool_off(pool, c), sizeof *c);
	if (!err)
		err = pool_commit(pool, pool_off(pool, b->base), (uint64_t)min_of(n, GRANULE_BLOCKS) * BLOCK_SIZE);
	if (err)
		return err;
	for (uint32_t i = 1; i < n; i++)
		c->free[i / 64] |= 1ull << (i % 64);
	c->nfree = n - 1;
	c->committed = 1;
	ctl->arena[0].partial = 1;
	ctl->arena[0].used = 1;
	ctl->frontier = 1;
	return 0;
}

/* ---- Trimming ------------------------------------------------------------ */

/* Granules of the chunk that have memory and no block in use. */
static uint32_t idle_granules(const struct blocks *b, uint32_t c)
{
	const struct chunk *ch = &b->chunks[c];
	uint32_t idle = 0, n = chunk_blocks(b, c);

	for (uint32_t g = 0; g < CHUNK_BLOCKS / GRANULE_BLOCKS; g++) {
		uint32_t at = g * GRANULE_BLOCKS, end = min_of(at + GRANULE_BLOCKS, n);

		if (at < end && run_len(ch->free, at) >= end - at)
			idle |= 1u << g;
	}
	return idle & load_relaxed(&ch->committed);
}

static int lock_chunk(struct task *t, const struct blocks *b, uint32_t c, uint32_t *a)
{
	*a = load_relaxed(&b->chunks[c].arena);
	if (*a >= BLOCK_ARENAS && *a != CHUNK_NO_ARENA)
		return -EUCLEAN;
	return txn_lock(t, *a == CHUNK_NO_ARENA ? &b->ctl->lock : &b->ctl->arena[*a].lock);
}

/*
 * Gives back up to `n` idle granules of chunk `c`, holding the lock under which
 * they are handed out. They are marked first: a death in between leaves them
 * marked as without memory, which costs a system call at their next use.
 */
static int64_t trim_chunk(struct task *t, const struct blocks *b, uint32_t c, uint64_t n)
{
	uint32_t a, idle;
	int64_t bytes = 0;
	int err;

	txn_begin(t);
	err = lock_chunk(t, b, c, &a);
	if (err || b->chunks[c].arena != a)
		return txn_abort(t, err);
	idle = idle_granules(b, c);
	while ((uint64_t)bits_count(idle) > n)
		idle &= idle - 1;
	txn_set(t, &b->chunks[c].committed, b->chunks[c].committed & ~idle);
	txn_settle(t);
	while (idle && !err) {
		uint32_t first = (uint32_t)__builtin_ctz(idle);
		uint32_t k = (uint32_t)__builtin_ctzll(~((uint64_t)idle >> first));
		uint64_t at = (uint64_t)c * CHUNK_BLOCKS + first * GRANULE_BLOCKS;
		uint64_t len = min_of((uint64_t)k * GRANULE_BLOCKS, b->nblocks - at) * BLOCK_SIZE;

		err = pool_decommit(t->pool, block_off(t, b, at), len);
		bytes += (int64_t)len;
		idle &= ~(uint32_t)(((1ull << k) - 1) << first);
	}
	if (err)
		return txn_abort(t, err);
	err = txn_commit_quiet(t);
	return err ? err : bytes;
}

int64_t blocks_trim(struct task *t, const struct blocks *b, uint64_t keep)
{
	const uint64_t granule = (uint64_t)GRANULE_BLOCKS * BLOCK_SIZE;
	uint32_t frontier = min_of(load_relaxed(&b->ctl->frontier), b->nchunks);
	uint64_t idle = 0;
	int64_t sum = 0;

	for (uint32_t c = 0; c < frontier; c++)
		idle += bits_count(idle_granules(b, c));
	/* From the far end: what is used next lies at the front. */
	for (uint32_t c = frontier; c-- > 0 && idle * granule > keep;) {
		int64_t got = 0;

		if (idle_granules(b, c))
			got = trim_chunk(t, b, c, idle - keep / granule);
		if (got < 0)
			return got;
		idle -= min_of(idle, (uint64_t)got / granule);
		sum += got;
	}
	return sum;
}

/* ---- Checking ------------------------------------------------------------ */

static int fault(struct blocks_fault *f, const char *what, uint64_t at)
{
	*f = (struct blocks_fault){what, at};
	return -EUCLEAN;
}

static int check_list(const struct blocks *b, uint32_t head, uint32_t arena, uint32_t *n)
{
	uint32_t prev = 0;

	*n = 0;
	for (uint32_t i = head; i; i = b->chunks[i - 1].next) {
		if (i > b->nchunks || b->chunks[i - 1].arena != arena || b->chunks[i - 1].prev != prev ||
		    ++*n > b->nchunks)
			return -EUCLEAN;
		prev = i;
	}
	return 0;
}

static int check_chunk(const struct blocks *b, uint32_t c, struct blocks_fault *f)
{
	const struct chunk *ch = &b->chunks[c];
	uint32_t n = 0, blocks = chunk_blocks(b, c);

	if (ch->arena >= BLOCK_ARENAS && ch->arena != CHUNK_NO_ARENA)
		return fault(f, "a chunk belongs to an arena that is none", c);
	for (uint32_t w = 0; w < CHUNK_WORDS; w++)
		n += bits_count(ch->free[w]);
	if (n != ch->nfree || (ch->arena == CHUNK_NO_ARENA && n != blocks))
		return fault(f, "the count of free blocks of a chunk is wrong", c);
	if (blocks < CHUNK_BLOCKS && map_any(ch->free, blocks, CHUNK_BLOCKS - blocks))
		return fault(f, "a chunk has free blocks behind the end of the pool", c);
	for (uint32_t i = 0; i < blocks; i++)
		if (!map_bit(ch->free, i) && !(ch->committed >> (i / GRANULE_BLOCKS) & 1))
			return fault(f, "a block is in use without memory", (uint64_t)c * CHUNK_BLOCKS + i);
	return 0;
}

static int check_arena(const struct blocks *b, uint32_t a, struct blocks_fault *f)
{
	const struct block_arena *ar = &b->ctl->arena[a];
	uint32_t listed, partial = 0, empty = 0;
	uint64_t used = 0;

	for (uint32_t c = 0; c < b->ctl->frontier; c++) {
		const struct chunk *ch = &b->chunks[c];

		if (ch->arena != a)
			continue;
		partial += ch->nfree > 0;
		empty += ch->nfree == chunk_blocks(b, c);
		used += chunk_blocks(b, c) - ch->nfree;
	}
	if (check_list(b, ar->partial, a, &listed) || listed != partial)
		return fault(f, "the partial list of a block arena is broken", a);
	if (empty != ar->empty || used != ar->used)
		return fault(f, "the counters of a block arena are wrong", a);
	return 0;
}

int blocks_check(const struct blocks *b, struct blocks_fault *f)
{
	uint32_t listed, free = 0;
	int err = 0;

	if (b->ctl->frontier > b->nchunks)
		return fault(f, "the frontier of the block pool is out of bounds", b->ctl->frontier);
	for (uint32_t c = 0; c < b->ctl->frontier && !err; c++) {
		err = check_chunk(b, c, f);
		free += b->chunks[c].arena == CHUNK_NO_ARENA;
	}
	if (!err && (check_list(b, b->ctl->free, CHUNK_NO_ARENA, &listed) || listed != free))
		err = fault(f, "the free list of the block pool is broken", 0);
	for (uint32_t a = 0; a < BLOCK_ARENAS && !err; a++)
		err = check_arena(b, a, f);
	return err;
}
