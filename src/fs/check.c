/*
 * fs_check: every invariant of the store, verified on a frozen pool.
 *
 * From the root down: each directory's tree, entries, counts and links; each
 * inode's mapping and attributes. What was met is marked in a map of its own
 * (anonymous memory, a bit a unit and block), so that a thing met twice, or
 * free though it is in use, is found; and in the end what is in use without
 * having been met: in no hand, held by nobody, it is lost.
 */
#include <sys/mman.h>

#include "fs/internal.h"
#include "fs/open.h"

#define IN_HAND UINT32_MAX

struct checker {
	struct task *t;
	const struct fs *fs;
	fs_complaint complain;
	void *arg;
	int64_t complaints;
	uint8_t *inodes, *cells, *blocks; /* a bit each: met */
	uint32_t *links;		  /* per inode: names met, subdirectories met */
	uint32_t *opens;
	uint32_t *files; /* per open file: handles met, or IN_HAND */
	uint64_t map_bytes, links_bytes;
	fs_ino ino; /* whose things are walked */
};

static void wrong(struct checker *c, const char *what, uint64_t at)
{
	c->complaints++;
	if (c->complain)
		c->complain(c->arg, what, at);
}

/* Marks bit `i`; false if it was marked. */
static bool meet(uint8_t *map, uint64_t i)
{
	bool was = map[i / 8] >> (i % 8) & 1;

	map[i / 8] |= (uint8_t)(1u << (i % 8));
	return !was;
}

static bool met(const uint8_t *map, uint64_t i)
{
	return map[i / 8] >> (i % 8) & 1;
}

/* ---- Units and blocks ---------------------------------------------------------- */

static bool meet_cells(struct checker *c, uint32_t cell, uint32_t n)
{
	if (!slab_at(&c->fs->cells, cell, n)) {
		wrong(c, "a cell number is out of bounds", c->ino);
		return false;
	}
	for (uint32_t k = cell; k < cell + n; k++) {
		if (!slab_in_use(&c->fs->cells, k))
			wrong(c, "a cell is used though it is free", k);
		if (!meet(c->cells, k)) {
			wrong(c, "a cell is used twice", k);
			return false;
		}
	}
	return true;
}

static bool meet_blocks(struct checker *c, uint32_t block, uint32_t n)
{
	if (!block_at(&c->fs->blocks, block, n)) {
		wrong(c, "an inode has a block that is out of bounds", c->ino);
		return false;
	}
	for (uint32_t k = block; k < block + n; k++) {
		if (!block_in_use(&c->fs->blocks, k))
			wrong(c, "a block is used though it is free", k);
		if (!meet(c->blocks, k)) {
			wrong(c, "a block is used twice", k);
			return false;
		}
	}
	return true;
}

/* ---- Mappings -------------------------------------------------------------------- */

/* `e` maps file block `b`. */
static void check_block(struct checker *c, const struct inode *i, uint32_t e, uint64_t b, uint64_t *n)
{
	if (meet_blocks(c, e & ~MAP_UNWRITTEN, 1))
		++*n;
	if (!(e & MAP_UNWRITTEN) && b * BLOCK_SIZE >= i->size && !(i->flags & INODE_TRIM))
		wrong(c, "an inode has written blocks behind its end", c->ino);
}

static void check_entries(struct checker *c, const struct inode *i, const uint32_t *e, uint32_t n, uint32_t height,
			  uint64_t first, uint64_t *count)
{
	uint64_t covers = 1ull << (10 * height);

	for (uint32_t k = 0; k < n; k++) {
		if (!e[k])
			continue;
		if (height == 0)
			check_block(c, i, e[k], first + k, count);
		else if (meet_blocks(c, e[k], 1))
			check_entries(c, i, block_at(&c->fs->blocks, e[k], 1), MAP_FANOUT, height - 1,
				      first + k * covers, count);
	}
}

static void check_data(struct checker *c, const struct inode *i)
{
	uint64_t n = 0;

	if (i->flags & INODE_INLINE) {
		if (i->size > INODE_ROOM || i->nblocks)
			wrong(c, "an inline inode is larger than its room", c->ino);
		return;
	}
	if (map_height(i->flags) > MAP_HEIGHT_MAX || i->size > (uint64_t)FS_SIZE_MAX) {
		wrong(c, "the height or size of an inode is out of bounds", c->ino);
		return;
	}
	check_entries(c, i, i->room.map, MAP_ROOT, map_height(i->flags), 0, &n);
	if (n != i->nblocks)
		wrong(c, "the block count of an inode is wrong", c->ino);
}

/* ---- Attributes ------------------------------------------------------------------- */

static bool is_named(const struct xattr *x, const char *name, uint32_t len)
{
	return x->len == len && mem_equal(x->name, name, len);
}

static void check_xattr(struct checker *c, uint32_t cell, uint32_t *flags, uint32_t *next)
{
	const struct xattr *x = slab_at(&c->fs->cells, cell, 1);

	*next = 0;
	if (!x || x->cells == 0 || x->cells > XATTR_CELLS || !meet_cells(c, cell, x->cells)) {
		wrong(c, "an extended attribute of an inode is damaged", c->ino);
		return;
	}
	*next = x->next;
	if (is_named(x, ACL_ACCESS, sizeof ACL_ACCESS - 1))
		*flags |= INODE_ACL;
	if (is_named(x, ACL_DEFAULT, sizeof ACL_DEFAULT - 1))
		*flags |= INODE_DEFAULT_ACL;
	if (is_named(x, CAPABILITY, sizeof CAPABILITY - 1))
		*flags |= INODE_CAPS;
	if (x->blocks > XATTR_BLOCKS || x->size > max_of(x->blocks * BLOCK_SIZE, XATTR_CELLS * 64)) {
		wrong(c, "an extended attribute of an inode has an impossible size", c->ino);
		return;
	}
	for (uint32_t k = 0; k < x->blocks; k++) {
		const char *list = (const char *)x + round_up(offsetof(struct xattr, name) + x->len, 4);

		meet_blocks(c, ((const uint32_t *)(const void *)list)[k], 1);
	}
}

static void check_xattrs(struct checker *c, const struct inode *i)
{
	uint32_t flags = 0;

	for (uint32_t cell = i->xattr; cell;)
		check_xattr(c, cell, &flags, &cell);
	if (flags != (i->flags & (INODE_ACL | INODE_DEFAULT_ACL | INODE_CAPS)))
		wrong(c, "the flags of an inode do not tell whether it has ACLs or capabilities", c->ino);
}

/* ---- Directories -------------------------------------------------------------------- */

static void check_entry(struct checker *c, uint32_t cell)
{
	const struct dirent *d = dirent_at(c->fs, cell);
	const struct inode *i, *dir = inode_at(c->fs, c->ino);
	struct fs_name name;

	if (!d || !meet_cells(c, cell, DIRENT_CELLS(d->len)))
		return;
	name = (struct fs_name){.s = d->name, .len = d->len};
	i = inode_at(c->fs, d->ino);
	if (d->dir != c->ino)
		wrong(c, "an entry of a directory names another as its own", c->ino);
	if (!i || !i->mode) {
		wrong(c, "an entry of a directory leads to no inode", c->ino);
		return;
	}
	if (d->type != i->mode >> 12)
		wrong(c, "an entry has not the type of its inode", d->ino);
	if (name_check(c->fs, &name) != 0 || dir_find(c->fs, dir, name) != cell)
		wrong(c, "an entry of a directory is not found by its name", c->ino);
	if (is_dir(i->mode) &&
	    (i->room.dir.parent != c->ino || i->room.dir.self != cell || i->room.dir.parent_gen != dir->gen))
		wrong(c, "a directory does not know its place", d->ino);
	if (is_dir(i->mode))
		c->links[c->ino]++;
	c->links[d->ino] += is_dir(i->mode) ? 2 : 1;
}

static void check_dir(struct checker *c, const struct inode *i)
{
	int64_t n = tree_check(&c->fs->cells, i->room.dir.root), cell;
	int64_t left = n;

	if (n < 0) {
		wrong(c, "the tree of a directory is broken", c->ino);
		return;
	}
	if (n != i->room.dir.count)
		wrong(c, "the number of entries of a directory is wrong", c->ino);
	for (cell = tree_ceil(&c->fs->cells, i->room.dir.root, 0); cell > 0 && left-- > 0;
	     cell = tree_next(&c->fs->cells, (uint32_t)cell))
		check_entry(c, (uint32_t)cell);
}

/* ---- Inodes ------------------------------------------------------------------------ */

/* Who comes to a frozen pool takes a lock, sees it and lets go: that is no fault. */
static bool stays_locked(struct checker *c, uint64_t *word)
{
	uint64_t w = load_acquire(word);

	for (int i = 0; (w & LOCK_OWNER) && i < 100; i++) {
		if (lock_wait(c->t, word, w) != 0)
			return true;
		w = load_acquire(word);
	}
	return w & LOCK_OWNER;
}

static void check_inode(struct checker *c, const struct inode *i)
{
	struct inode *words = inode_at(c->fs, c->ino);

	if (stays_locked(c, &words->meta) || stays_locked(c, &words->data))
		wrong(c, "an inode is locked though all stand still", c->ino);
	check_xattrs(c, i);
	if (is_dir(i->mode))
		check_dir(c, i);
	else if (S_ISREG(i->mode) || S_ISLNK(i->mode))
		check_data(c, i);
	if ((i->nlink || i->nopen || i->kref) && !meet(c->inodes, c->ino))
		wrong(c, "an inode is in somebody's hand though it is referred to", c->ino);
}

/* f(c, inode) for each inode in use. */
static void each_inode(struct checker *c, void (*f)(struct checker *c, const struct inode *i))
{
	const struct slab *s = &c->fs->inodes;

	for (uint32_t p = 0; p < min_of(s->ctl->frontier, s->npages); p++) {
		for (uint64_t used = ~s->pages[p].free; used; used &= used - 1) {
			uint32_t n = p * SLAB_UNITS + (uint32_t)__builtin_ctzll(used);
			const struct inode *i = inode_at(c->fs, n);

			c->ino = n;
			if (i && i->mode)
				f(c, i);
			else if (i && !met(c->inodes, n))
				wrong(c, "an inode is in use without a type", n);
		}
	}
}

static void check_counts(struct checker *c, const struct inode *i)
{
	uint32_t links = c->links[c->ino] + (c->ino == FS_ROOT ? 2 : 0);

	if (is_dir(i->mode) && i->nlink == 0)
		links = 0;
	if (links != i->nlink)
		wrong(c, "the link count of an inode is wrong", c->ino);
	if (c->opens[c->ino] != i->nopen)
		wrong(c, "the open count of an inode is wrong", c->ino);
	if (!met(c->inodes, c->ino))
		wrong(c, "an inode is lost: nothing refers to it", c->ino);
}

/* ---- Hands and open files: what hangs on nothing ------------------------------------- */

static void meet_node(struct checker *c, uint32_t block, uint32_t n, uint32_t height)
{
	const uint32_t *e = block_at(&c->fs->blocks, block, 1);

	if (!e || !meet_blocks(c, block, 1))
		return;
	for (uint32_t k = 0; k < min_of(n, MAP_FANOUT); k++) {
		if (e[k] && height)
			meet_node(c, e[k], MAP_FANOUT, height - 1);
		else if (e[k])
			meet_blocks(c, e[k] & ~MAP_UNWRITTEN, 1);
	}
}

static void check_item(struct checker *c, uint64_t item)
{
	uint32_t n = item_index(item), next, flags;

	switch ((enum hand_tag)(item >> 60)) {
	case HAND_INODE:
	case HAND_REAP:
		if (!inode_at(c->fs, n) || !meet(c->inodes, n))
			wrong(c, "a hand holds an inode that is none, or twice", n);
		break;
	case HAND_CELLS:
		meet_cells(c, n, item_count(item));
		break;
	case HAND_BLOCKS:
		meet_blocks(c, n, item_count(item));
		break;
	case HAND_NODE:
		meet_node(c, n, item_count(item), (uint32_t)(item >> 32) & 0xff);
		break;
	case HAND_XATTR:
		check_xattr(c, n, &flags, &next);
		break;
	case HAND_FILE:
		if (!slab_at(&c->fs->files, n, 1) || c->files[n])
			wrong(c, "a hand holds an open file that is none, or twice", n);
		else
			c->files[n] = IN_HAND;
		break;
	case HAND_TRIM:
		break;
	}
}

/* Whoever sits in the slot, or nobody. */
static void check_pockets(struct checker *c, const struct task_slot *s)
{
	static const enum hand_tag tags[POCKETS] = {HAND_INODE, HAND_CELLS, HAND_FILE};

	for (unsigned k = 0; k < POCKETS; k++) {
		if (s->pocket[k].n > POCKET_UNITS)
			wrong(c, "a pocket holds more than it can", s->pocket[k].n);
		for (uint32_t j = 0; j < min_of(s->pocket[k].n, POCKET_UNITS); j++)
			check_item(c, hand_item(tags[k], 1, s->pocket[k].unit[j]));
	}
}

static void check_hands(struct checker *c)
{
	for (uint32_t k = 0; k < task_slots_used(&c->fs->pool); k++) {
		const struct task_slot *s = task_slot(&c->fs->pool, k);

		c->ino = k;
		check_pockets(c, s);
		if (seat_state(load_acquire(&s->seat)) == SLOT_FREE)
			continue;
		if (s->nundo)
			wrong(c, "a task has an open transaction though all stand still", k);
		for (uint32_t j = 0; j < min_of(s->nhand, TASK_HAND); j++)
			check_item(c, s->hand[j]);
	}
}

static void meet_open(void *arg, uint32_t file)
{
	struct checker *c = arg;
	const struct open_file *f = slab_at(&c->fs->files, file, 1);

	if (!f || !slab_in_use(&c->fs->files, file) || !inode_at(c->fs, f->ino)) {
		wrong(c, "a handle leads to no open file", file);
		return;
	}
	c->opens[f->ino]++;
	c->files[file]++;
}

static void check_files(struct checker *c)
{
	const struct slab *s = &c->fs->files;

	for (uint32_t p = 0; p < min_of(s->ctl->frontier, s->npages); p++)
		for (uint64_t used = ~s->pages[p].free; used; used &= used - 1) {
			uint32_t n = p * SLAB_UNITS + (uint32_t)__builtin_ctzll(used);
			const struct open_file *f = slab_at(s, n, 1);

			if (f && f->refs != c->files[n] && c->files[n] != IN_HAND)
				wrong(c, "the reference count of an open file is wrong", n);
			else if (f && !c->files[n])
				wrong(c, "an open file is lost: no handle leads to it", n);
		}
}

static void check_opens(struct checker *c)
{
	for (uint32_t k = 0; k < POOL_CLIENTS; k++)
		if (client_slot(&c->fs->pool, k)->state != SLOT_FREE)
			open_each(c->fs, k, meet_open, c);
}

/* ---- Lost things ---------------------------------------------------------------------- */

static void check_lost_cells(struct checker *c)
{
	const struct slab *s = &c->fs->cells;

	for (uint32_t p = 0; p < min_of(s->ctl->frontier, s->npages); p++)
		for (uint64_t used = ~s->pages[p].free; used; used &= used - 1) {
			uint32_t n = p * SLAB_UNITS + (uint32_t)__builtin_ctzll(used);

			if (n && !met(c->cells, n))
				wrong(c, "a cell is lost: in use, and nothing refers to it", n);
		}
}

static void check_lost_blocks(struct checker *c)
{
	const struct blocks *b = &c->fs->blocks;
	uint64_t end = min_of((uint64_t)b->ctl->frontier * CHUNK_BLOCKS, (uint64_t)b->nblocks);

	for (uint64_t n = 1; n < end; n++)
		if (block_in_use(b, (uint32_t)n) && !met(c->blocks, n))
			wrong(c, "a block is lost: in use, and nothing refers to it", n);
}

static int check_allocators(struct checker *c)
{
	struct slab_fault s = {NULL, 0};
	struct blocks_fault b = {NULL, 0};

	if (slab_check(&c->fs->inodes, &s) || slab_check(&c->fs->cells, &s) || slab_check(&c->fs->files, &s)) {
		wrong(c, s.what, s.at);
		return -EUCLEAN;
	}
	if (blocks_check(&c->fs->blocks, &b)) {
		wrong(c, b.what, b.at);
		return -EUCLEAN;
	}
	return 0;
}

/* ---- All of it -------------------------------------------------------------------------- */

static void *map_zeros(uint64_t bytes)
{
	void *p = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

static void run(struct checker *c)
{
	struct inode *root = inode_at(c->fs, FS_ROOT);

	if (check_allocators(c) != 0)
		return; /* without a true account of what is in use the rest says little */
	if (!root || !is_dir(root->mode)) {
		wrong(c, "the root is no directory", FS_ROOT);
		return;
	}
	check_hands(c);
	check_opens(c);
	each_inode(c, check_inode);
	each_inode(c, check_counts);
	check_files(c);
	check_lost_cells(c);
	check_lost_blocks(c);
}

int64_t fs_check(struct task *t, fs_complaint complain, void *arg)
{
	const struct fs *fs = fs_of(t);
	uint64_t ni = (uint64_t)fs->inodes.npages * SLAB_UNITS, nc = (uint64_t)fs->cells.npages * SLAB_UNITS;
	uint64_t bits = ni / 8 + nc / 8 + fs->blocks.nblocks / 8 + 8, nf = (uint64_t)fs->files.npages * SLAB_UNITS;
	uint64_t counts = (ni * 2 + nf) * sizeof(uint32_t);
	struct checker c = {.t = t, .fs = fs, .complain = complain, .arg = arg};
	int err;

	c.inodes = map_zeros(bits);
	c.links = map_zeros(counts);
	if (!c.inodes || !c.links)
		return -ENOMEM; /* what was mapped goes with the process: a checker does not try again */
	c.cells = c.inodes + ni / 8;
	c.blocks = c.cells + nc / 8;
	c.opens = c.links + ni;
	c.files = c.opens + ni;
	err = pool_freeze(t);
	if (!err) {
		run(&c);
		pool_thaw(t);
	}
	sys_munmap(c.inodes, bits);
	sys_munmap(c.links, counts);
	return err ? err : c.complaints;
}
