/*
 * Red-black trees in the pool: see tree.h.
 *
 * Rules: a red node has no red child; every way from a node down to an empty
 * place passes the same number of black nodes; the root is black. An empty
 * place counts as black. So no way is longer than twice another.
 */
#include <errno.h>

#include "ds/tree.h"

#define STEPS (4 * TREE_DEPTH) /* no repair visits more nodes than this */

/* One operation on one tree. `broken` stops it when an index leads nowhere. */
struct op {
	struct task *t;
	const struct slab *cells;
	uint32_t *root;
	bool broken;
};

static inline struct tree_node *at(const struct slab *cells, uint32_t i)
{
	return slab_unit(cells, i, TREE_CELL);
}

/* A node that must be there; where it is not, a harmless stand-in. */
static inline struct tree_node *node(struct op *o, uint32_t i)
{
	static struct tree_node nowhere;
	struct tree_node *n = at(o->cells, i);

	if (likely(n != NULL))
		return n;
	o->broken = true;
	return &nowhere;
}

static uint32_t up_of(struct op *o, uint32_t i)
{
	return node(o, i)->up >> 1;
}

static bool is_red(struct op *o, uint32_t i)
{
	return i && (node(o, i)->up & 1);
}

static inline void set_u32(struct op *o, uint32_t *word, uint32_t v)
{
	if (likely(!o->broken) && *word != v)
		txn_set(o->t, word, v);
}

static void set_up(struct op *o, uint32_t i, uint32_t parent)
{
	struct tree_node *n = node(o, i);

	set_u32(o, &n->up, parent << 1 | (n->up & 1));
}

static void set_red(struct op *o, uint32_t i, bool red)
{
	struct tree_node *n = node(o, i);

	set_u32(o, &n->up, (n->up & ~1u) | red);
}

/* The word that leads to `i`: its parent's left or right, or the root. */
static uint32_t *link_to(struct op *o, uint32_t i)
{
	uint32_t p = up_of(o, i);
	struct tree_node *n;

	if (!p)
		return o->root;
	n = node(o, p);
	return n->left == i ? &n->left : &n->right;
}

/* Turns `i` down to the left (or right); its other child takes its place. */
static void rotate(struct op *o, uint32_t i, bool left)
{
	struct tree_node *n = node(o, i);
	uint32_t c = left ? n->right : n->left, parent = n->up >> 1;
	struct tree_node *cn = node(o, c);
	uint32_t inner = left ? cn->left : cn->right;

	set_u32(o, link_to(o, i), c);
	set_up(o, c, parent);
	set_u32(o, left ? &n->right : &n->left, inner);
	if (inner)
		set_up(o, inner, i);
	set_u32(o, left ? &cn->left : &cn->right, i);
	set_up(o, i, c);
}

/* ---- Reading ------------------------------------------------------------- */

racy_read int64_t tree_find(const struct slab *cells, uint32_t root, uint64_t key)
{
	uint32_t i = root;

	for (unsigned depth = 0; i; depth++) {
		const struct tree_node *n = at(cells, i);
		uint64_t k;

		if (unlikely(!n || depth > TREE_DEPTH))
			return -EUCLEAN;
		k = load_relaxed(&n->key);
		if (k == key)
			return i;
		i = key < k ? load_relaxed(&n->left) : load_relaxed(&n->right);
	}
	return 0;
}

racy_read int64_t tree_ceil(const struct slab *cells, uint32_t root, uint64_t key)
{
	uint32_t i = root, best = 0;

	for (unsigned depth = 0; i; depth++) {
		const struct tree_node *n = at(cells, i);

		if (unlikely(!n || depth > TREE_DEPTH))
			return -EUCLEAN;
		if (load_relaxed(&n->key) >= key) {
			best = i;
			i = load_relaxed(&n->left);
		} else {
			i = load_relaxed(&n->right);
		}
	}
	return best;
}

/* The leftmost node under `i`. */
static racy_read int64_t leftmost(const struct slab *cells, uint32_t i)
{
	for (unsigned depth = 0; depth <= TREE_DEPTH; depth++) {
		const struct tree_node *n = at(cells, i);
		uint32_t left;

		if (unlikely(!n))
			return -EUCLEAN;
		left = load_relaxed(&n->left);
		if (!left)
			return i;
		i = left;
	}
	return -EUCLEAN;
}

racy_read int64_t tree_next(const struct slab *cells, uint32_t i)
{
	const struct tree_node *n = at(cells, i);

	if (unlikely(!n))
		return -EUCLEAN;
	if (load_relaxed(&n->right))
		return leftmost(cells, load_relaxed(&n->right));
	for (unsigned depth = 0; depth <= TREE_DEPTH; depth++) {
		uint32_t p = load_relaxed(&n->up) >> 1;

		if (!p)
			return 0;
		n = at(cells, p);
		if (unlikely(!n))
			return -EUCLEAN;
		if (load_relaxed(&n->left) == i)
			return p;
		i = p;
	}
	return -EUCLEAN;
}

/* ---- Inserting ----------------------------------------------------------- */

/* False: the key is taken. */
static bool place(struct op *o, uint32_t i)
{
	uint32_t *word = o->root, p = 0;
	struct tree_node *n = node(o, i);
	uint64_t key = n->key;

	for (unsigned depth = 0; *word && !o->broken; depth++) {
		struct tree_node *pn;

		p = *word;
		pn = node(o, p);
		if (unlikely(pn->key == key))
			return false;
		if (unlikely(depth > TREE_DEPTH))
			o->broken = true;
		word = key < pn->key ? &pn->left : &pn->right;
	}
	set_u32(o, &n->left, 0);
	set_u32(o, &n->right, 0);
	set_u32(o, &n->up, p << 1 | 1);
	set_u32(o, word, i);
	return true;
}

/* `i` is red, and so may be its parent `p`: recolours or turns. Returns where to go on, 0: done. */
static uint32_t insert_step(struct op *o, uint32_t i, uint32_t p)
{
	uint32_t g = up_of(o, p);
	bool left = node(o, g)->left == p;
	uint32_t uncle = left ? node(o, g)->right : node(o, g)->left;

	if (is_red(o, uncle)) {
		set_red(o, p, false);
		set_red(o, uncle, false);
		set_red(o, g, true);
		return g;
	}
	if (i == (left ? node(o, p)->right : node(o, p)->left)) {
		rotate(o, p, left);
		p = i;
	}
	set_red(o, p, false);
	set_red(o, g, true);
	rotate(o, g, !left);
	return 0;
}

int tree_insert(struct task *t, const struct slab *cells, uint32_t *root, uint32_t i)
{
	struct op o = {t, cells, root, false};
	unsigned steps = 0;

	if (!place(&o, i))
		return -EEXIST;
	while (i && !o.broken && is_red(&o, up_of(&o, i)) && ++steps < STEPS)
		i = insert_step(&o, i, up_of(&o, i));
	if (!o.broken && is_red(&o, *root))
		set_red(&o, *root, false);
	return o.broken || steps >= STEPS ? -EUCLEAN : 0;
}

/* ---- Removing ------------------------------------------------------------ */

/* Puts `c` (or nothing) where `i` is. */
static void replace(struct op *o, uint32_t i, uint32_t c)
{
	uint32_t parent = up_of(o, i);

	set_u32(o, link_to(o, i), c);
	if (c)
		set_up(o, c, parent);
}

/*
 * Everything under `p` on one side is one black short (`left`: on the left).
 * Returns the parent to go on with, 0: done. *left is set for it.
 */
static uint32_t remove_step(struct op *o, uint32_t p, bool *left)
{
	uint32_t s = *left ? node(o, p)->right : node(o, p)->left, near, far;

	if (is_red(o, s)) {
		set_red(o, s, false);
		set_red(o, p, true);
		rotate(o, p, *left);
		s = *left ? node(o, p)->right : node(o, p)->left;
	}
	near = *left ? node(o, s)->left : node(o, s)->right;
	far = *left ? node(o, s)->right : node(o, s)->left;
	if (!is_red(o, near) && !is_red(o, far)) {
		uint32_t g = up_of(o, p);

		set_red(o, s, true);
		if (is_red(o, p) || !g) {
			set_red(o, p, false);
			return 0;
		}
		*left = node(o, g)->left == p;
		return g;
	}
	if (!is_red(o, far)) {
		set_red(o, near, false);
		set_red(o, s, true);
		rotate(o, s, !*left);
		far = s;
		s = near;
	}
	set_red(o, s, is_red(o, p));
	set_red(o, p, false);
	set_red(o, far, false);
	rotate(o, p, *left);
	return 0;
}

/* Takes `i`, which has at most one child, out. Sets where a black is missing; returns its parent. */
static uint32_t cut(struct op *o, uint32_t i, bool *left)
{
	uint32_t p = up_of(o, i);
	uint32_t c = node(o, i)->left ? node(o, i)->left : node(o, i)->right;
	bool red = is_red(o, i);

	*left = p && node(o, p)->left == i;
	replace(o, i, c);
	if (red)
		return 0;
	if (is_red(o, c)) {
		set_red(o, c, false);
		return 0;
	}
	return p;
}

/* The node after `i`, which has two children, comes out of its place and takes over that of `i`. */
static uint32_t cut_by_next(struct op *o, uint32_t i, bool *left)
{
	int64_t found = leftmost(o->cells, node(o, i)->right);
	uint32_t y = found < 0 ? 0 : (uint32_t)found, lacking;
	struct tree_node *n = node(o, i), *yn = node(o, y);

	lacking = cut(o, y, left);
	replace(o, i, y);
	set_u32(o, &yn->left, n->left);
	set_u32(o, &yn->right, n->right);
	set_u32(o, &yn->up, n->up);
	if (n->left)
		set_up(o, n->left, y);
	if (n->right)
		set_up(o, n->right, y);
	return lacking == i ? y : lacking;
}

int tree_remove(struct task *t, const struct slab *cells, uint32_t *root, uint32_t i)
{
	struct op o = {t, cells, root, false};
	struct tree_node *n = node(&o, i);
	unsigned steps = 0;
	bool left = false;
	uint32_t p;

	if (*link_to(&o, i) != i)
		return -EUCLEAN; /* its parent does not know it */
	p = n->left && n->right ? cut_by_next(&o, i, &left) : cut(&o, i, &left);
	while (p && !o.broken && ++steps < STEPS)
		p = remove_step(&o, p, &left);
	return o.broken || steps >= STEPS ? -EUCLEAN : 0;
}

/* ---- Checking ------------------------------------------------------------ */

/* Walks in order without a stack; -EUCLEAN at the first thing that is wrong. */
struct walk {
	const struct slab *cells;
	int64_t count;
	int blacks; /* on every way down; -1: not known yet */
	uint64_t last;
	bool any;
};

static int walk_check(struct walk *w, uint32_t i, uint32_t parent, unsigned depth, int blacks)
{
	const struct tree_node *n = at(w->cells, i);
	int err;

	if (!i) {
		if (w->blacks < 0)
			w->blacks = blacks;
		return w->blacks == blacks ? 0 : -EUCLEAN;
	}
	if (!n || depth > TREE_DEPTH || n->up >> 1 != parent)
		return -EUCLEAN;
	if ((n->up & 1) && (!parent || (at(w->cells, parent)->up & 1)))
		return -EUCLEAN;
	blacks += !(n->up & 1);
	err = walk_check(w, n->left, i, depth + 1, blacks);
	if (err)
		return err;
	if (w->any && n->key <= w->last)
		return -EUCLEAN;
	w->any = true;
	w->last = n->key;
	w->count++;
	return walk_check(w, n->right, i, depth + 1, blacks);
}

int64_t tree_check(const struct slab *cells, uint32_t root)
{
	struct walk w = {.cells = cells, .blacks = -1};
	int err = walk_check(&w, root, 0, 0, 0);

	return err ? err : w.count;
}
