/*
 * The mapping of a file: which pool block holds each file block.
 *
 * A tree of fixed fan-out, like a page table: 32 entries in the inode, 1,024
 * in each node (a pool block). At height 0 the inode's entries are data blocks
 * (files to 128 KiB), at height h they lead to nodes, h - 1 more below. An
 * entry is a block number, 0 for a hole; a data entry with MAP_UNWRITTEN
 * belongs to the file but reads as zeros.
 *
 * Extents were the alternative. They save memory for large files (4 bytes a
 * block here: 0.1 %), and cost a search tree whose every change moves entries
 * that a death in the middle would have to put back. Here each change is one
 * word.
 */
#include "fs/internal.h"

#define FANOUT_BITS 10u

/* File blocks that one entry at `height` covers. */
static uint64_t covers(uint32_t height)
{
	return 1ull << (FANOUT_BITS * height);
}

static uint32_t *node_at(const struct fs *fs, uint32_t block)
{
	return block_at(&fs->blocks, block & ~MAP_UNWRITTEN, 1);
}

/*
 * The entries among which block `b`'s own stands: *n of them from *first on,
 * NULL where there is no node (*first and *n then say how far the hole goes).
 */
static racy_read uint32_t *leaf_of(const struct fs *fs, const struct inode *i, uint64_t b, uint64_t *first, uint64_t *n,
				   bool *damaged)
{
	uint32_t h = map_height(load_relaxed(&i->flags));
	uint32_t *entries = (uint32_t *)(uintptr_t)i->room.map;
	uint64_t at;

	*damaged = h > MAP_HEIGHT_MAX;
	*first = 0;
	*n = MAP_ROOT;
	if (*damaged)
		return NULL;
	if (b >= MAP_ROOT * covers(h)) {
		*first = MAP_ROOT * covers(h);
		*n = UINT64_MAX - *first;
		return NULL;
	}
	for (; h > 0; h--) {
		at = (b - *first) / covers(h);
		*first += at * covers(h);
		at = load_relaxed(&entries[at]);
		*n = covers(h);
		if (!at)
			return NULL;
		entries = node_at(fs, (uint32_t)at);
		*damaged = !entries;
		if (!entries)
			return NULL;
		*n = MAP_FANOUT;
	}
	return entries;
}

racy_read int64_t map_get(const struct fs *fs, const struct inode *i, uint32_t b, uint32_t max, uint32_t *run)
{
	uint64_t first, n, k;
	bool damaged;
	const uint32_t *entries = leaf_of(fs, i, b, &first, &n, &damaged);
	uint32_t e;

	if (damaged)
		return -EUCLEAN;
	if (!entries) {
		*run = (uint32_t)min_of(first + n - b, (uint64_t)max);
		return 0;
	}
	e = load_relaxed(&entries[b - first]);
	max = (uint32_t)min_of(first + n - b, (uint64_t)max);
	for (k = 1; k < max; k++)
		if (load_relaxed(&entries[b - first + k]) != (e ? e + k : 0))
			break;
	*run = (uint32_t)k;
	if (e && !block_at(&fs->blocks, e & ~MAP_UNWRITTEN, *run))
		return -EUCLEAN;
	return e;
}

uint32_t map_span(const struct inode *i, uint32_t b)
{
	return map_height(i->flags) == 0 ? MAP_ROOT - min_of(b, MAP_ROOT) : MAP_FANOUT - b % MAP_FANOUT;
}

/* ---- Growing ------------------------------------------------------------------ */

/* A node of nobody, all holes, in the hand. */
static int node_take(struct task *t, uint32_t *block)
{
	const struct fs *fs = fs_of(t);
	uint32_t len;
	int err = blocks_take(t, &fs->blocks, 1, 0, TAG(HAND_BLOCKS), block, &len);

	if (!err)
		mem_zero(node_at(fs, *block), BLOCK_SIZE);
	return err;
}

static bool root_empty(const struct inode *i)
{
	for (unsigned k = 0; k < MAP_ROOT; k++)
		if (i->room.map[k])
			return false;
	return true;
}

/* One level more: what the root held goes into a new node, which becomes its first entry. */
static int raise_height(struct task *t, struct inode *i)
{
	uint32_t node = 0, h = map_height(i->flags);
	int err;

	if (h >= MAP_HEIGHT_MAX)
		return -EFBIG;
	if (!root_empty(i)) {
		err = node_take(t, &node);
		if (err)
			return err;
		mem_copy(node_at(fs_of(t), node), i->room.map, sizeof i->room.map);
	}
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (err)
		return txn_abort(t, err);
	for (unsigned k = 0; node && k < INODE_ROOM / 8; k++)
		if (i->room.words[k])
			txn_set(t, &i->room.words[k], 0);
	if (node) {
		txn_set(t, &i->room.map[0], node);
		hand_drop(t, hand_item(HAND_BLOCKS, 1, node));
	}
	txn_set(t, &i->flags, (i->flags & 0xffu) | (h + 1) << 8);
	return txn_commit(t);
}

static int add_node(struct task *t, struct inode *i, uint32_t *entry)
{
	uint32_t node;
	int err = node_take(t, &node);

	if (err)
		return err;
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (err)
		return txn_abort(t, err);
	txn_set(t, entry, node);
	hand_drop(t, hand_item(HAND_BLOCKS, 1, node));
	return txn_commit(t);
}

int map_prepare(struct task *t, struct inode *i, uint32_t b)
{
	const struct fs *fs = fs_of(t);
	uint32_t *entries = i->room.map;
	int err = 0;

	while (!err && b >= MAP_ROOT * covers(map_height(i->flags)))
		err = raise_height(t, i);
	for (uint32_t h = map_height(i->flags), root = 1; !err && h > 0; h--, root = 0) {
		uint64_t at = b / covers(h);
		uint32_t *e = &entries[root ? at : at % MAP_FANOUT];

		if (!*e)
			err = add_node(t, i, e);
		if (!err) {
			entries = node_at(fs, *e);
			err = entries ? 0 : -EUCLEAN;
		}
	}
	return err;
}

int map_link(struct task *t, struct inode *i, uint32_t b, uint32_t start, uint32_t n, uint32_t unwritten)
{
	uint64_t first, span;
	bool damaged;
	uint32_t *entries = leaf_of(fs_of(t), i, b, &first, &span, &damaged);

	if (!entries || first + span < (uint64_t)b + n || !txn_fill(t, &entries[b - first], n))
		return -EUCLEAN;
	for (uint32_t k = 0; k < n; k++)
		store_relaxed(&entries[b - first + k], (start + k) | unwritten);
	step(t);
	txn_set(t, &i->nblocks, i->nblocks + n);
	return 0;
}

static int map_mark(struct task *t, struct inode *i, uint32_t b, uint32_t n, uint32_t mark)
{
	uint64_t first, span;
	bool damaged;
	uint32_t *entries = leaf_of(fs_of(t), i, b, &first, &span, &damaged);

	if (!entries || first + span < (uint64_t)b + n)
		return -EUCLEAN;
	for (uint32_t k = 0; k < n; k++)
		txn_set(t, &entries[b - first + k], (entries[b - first + k] & ~MAP_UNWRITTEN) | mark);
	return 0;
}

int map_written(struct task *t, struct inode *i, uint32_t b, uint32_t n)
{
	return map_mark(t, i, b, n, 0);
}

int map_unwritten(struct task *t, struct inode *i, uint32_t b, uint32_t n)
{
	return map_mark(t, i, b, n, MAP_UNWRITTEN);
}

/* ---- Cutting -------------------------------------------------------------------- */

struct cut {
	struct task *t;
	struct inode *i;
	uint64_t from, to;
	bool more;
	int err;
	uint32_t visits; /* nodes that were counted */
};

/* One transaction's worth: room in the log for another few words, in the hand for another item. */
static bool cut_room(struct cut *c)
{
	if (txn_room(c->t) >= 16 && hand_room(c->t, 4))
		return true;
	c->more = true;
	return false;
}

/* Data entries [at, end) of a node or root that covers from file block `first` on. */
static void cut_data(struct cut *c, uint32_t *e, uint64_t at, uint64_t end)
{
	while (at < end && cut_room(c)) {
		uint32_t b = e[at] & ~MAP_UNWRITTEN, n = 0;

		if (!b) {
			at++;
			continue;
		}
		/* A run of blocks that lie one after the other is one item. */
		while (at < end && (e[at] & ~MAP_UNWRITTEN) == b + n && txn_room(c->t) >= 8) {
			txn_set(c->t, &e[at], 0);
			at++;
			n++;
		}
		if (n && !block_at(&fs_of(c->t)->blocks, b, n))
			c->err = -EUCLEAN;
		hand_push(c->t, hand_item(HAND_BLOCKS, n, b));
		txn_set(c->t, &c->i->nblocks, c->i->nblocks - n);
	}
	if (at < end)
		c->more = true;
}

/* Data blocks under an entry at `height`: for the count of a subtree that is cut off whole. */
static uint64_t count_data(struct cut *c, uint32_t block, uint32_t height)
{
	const uint32_t *e = node_at(fs_of(c->t), block);
	uint64_t n = 0;

	if (!e || c->visits++ > fs_of(c->t)->blocks.nblocks) { /* more nodes than blocks: it goes in circles */
		c->err = -EUCLEAN;
		return 0;
	}
	for (uint32_t k = 0; k < MAP_FANOUT && !c->err; k++)
		if (e[k])
			n += height > 1 ? count_data(c, e[k], height - 1) : 1;
	return n;
}

/* Entries of nodes at `height` > 0, the first of which covers from file block `first` on. */
static void cut_nodes(struct cut *c, uint32_t *e, uint32_t n, uint64_t first, uint32_t height)
{
	uint64_t size = covers(height);

	for (uint32_t k = 0; k < n && !c->err && !c->more; k++) {
		uint64_t from = first + k * size, to = from + size;
		uint32_t *child;

		if (!e[k] || to <= c->from || from >= c->to || !cut_room(c))
			continue;
		child = node_at(fs_of(c->t), e[k]);
		if (!child) {
			c->err = -EUCLEAN;
		} else if (c->from <= from && c->to >= to) {
			txn_set(c->t, &c->i->nblocks, c->i->nblocks - (uint32_t)count_data(c, e[k], height));
			hand_push(c->t, hand_item(HAND_NODE, MAP_FANOUT, e[k] | (uint64_t)(height - 1) << 32));
			txn_set(c->t, &e[k], 0);
		} else if (height > 1) {
			cut_nodes(c, child, MAP_FANOUT, from, height - 1);
		} else {
			cut_data(c, child, max_of(c->from, from) - from, min_of(c->to, to) - from);
		}
	}
}

int map_cut(struct task *t, struct inode *i, uint32_t from, uint64_t to)
{
	struct cut c = {.t = t, .i = i, .from = from, .to = to};
	uint32_t h = map_height(i->flags);

	if (h > MAP_HEIGHT_MAX)
		return -EUCLEAN;
	if (h == 0)
		cut_data(&c, i->room.map, min_of(from, MAP_ROOT), min_of(to, MAP_ROOT));
	else
		cut_nodes(&c, i->room.map, MAP_ROOT, 0, h);
	/* Nothing is left at all: the next file to grow here starts low again. */
	if (!c.more && !c.err && h && root_empty(i))
		txn_set(t, &i->flags, i->flags & 0xffu);
	return c.err ? c.err : c.more;
}

/* ---- Freeing a node that hangs on nothing ------------------------------------------ */

static uint32_t item_height(uint64_t item)
{
	return (uint32_t)(item >> 32) & 0xff;
}

/* Puts runs of the node's data blocks into the hand, from its end; returns how many entries are left. */
static uint32_t spill_data(struct task *t, const uint32_t *e, uint32_t left)
{
	while (left && hand_room(t, 2)) {
		uint32_t n = 1, b = e[left - 1] & ~MAP_UNWRITTEN;

		left--;
		if (!b)
			continue;
		/* Block 0 is no block but a hole. */
		while (left && b > 1 && (e[left - 1] & ~MAP_UNWRITTEN) == b - 1) {
			b--;
			left--;
			n++;
		}
		hand_push(t, hand_item(HAND_BLOCKS, n, b));
	}
	return left;
}

/* The same for the nodes under it: one at a time, so that the hand never holds more than a way down. */
static uint32_t spill_node(struct task *t, const uint32_t *e, uint32_t left, uint32_t height)
{
	while (left) {
		uint32_t b = e[--left];

		if (!b)
			continue;
		hand_push(t, hand_item(HAND_NODE, MAP_FANOUT, b | (uint64_t)(height - 1) << 32));
		break;
	}
	return left;
}

int map_reap(struct task *t)
{
	struct task_slot *s = t->slot;
	uint64_t item = s->hand[s->nhand - 1];
	uint32_t at = s->nhand - 1, left = item_count(item), height = item_height(item);
	const uint32_t *e = node_at(fs_of(t), item_index(item));
	int err;

	if (!e || left > MAP_FANOUT || height >= MAP_HEIGHT_MAX)
		return -EUCLEAN;
	txn_begin(t);
	err = txn_lock_own(t);
	if (err)
		return txn_abort(t, err);
	if (left == 0) {
		txn_set(t, &s->hand[at], hand_item(HAND_BLOCKS, 1, item_index(item)));
		return txn_commit_quiet(t);
	}
	left = height ? spill_node(t, e, left, height) : spill_data(t, e, left);
	txn_set(t, &s->hand[at], hand_item(HAND_NODE, left, item & 0xffffffffffull));
	return txn_commit_quiet(t);
}
