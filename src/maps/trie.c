/*
 * The longest-prefix trie: nodes with up to two children, each child's prefix
 * an extension of its parent's that goes on with a 0 or a 1. Where two
 * prefixes part and neither is the other's beginning stands an *inner* node
 * without a value. One lock word a map; changes go through the undo log;
 * readers run under the word's version.
 *
 *	key	u32 length of the prefix in bits, then the bytes, highest bit first
 *
 * The order of iteration is the kernel's: children before their parents, the
 * one that goes on with 0 first.
 */
#include "maps/internal.h"

#define TRIE_FLAGS                                                                                                     \
	(BPF_F_NO_PREALLOC | BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)
#define DATA_MAX 256u
#define DEPTH_MAX (DATA_MAX * 8 + 1)
#define COMMIT_NODES 64u

struct node {
	uint32_t child[2]; /* numbers; 0: none */
	uint32_t bits;	   /* of the prefix */
	uint32_t inner;	   /* 1: no value */
	uint8_t data[];	   /* and the value behind it, at value_at */
};

/* Words of the map, under its lock. */
enum {
	VAR_ROOT,
	VAR_FREE, /* list of nodes, by child[0] */
	VAR_USED, /* nodes from here on were never used */
	VAR_ENTRIES,
};

static int plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	if (!a->max_entries || !(a->flags & BPF_F_NO_PREALLOC) || (a->flags & ~(uint32_t)TRIE_FLAGS) ||
	    check_access_flags(a->flags) || a->key_size < 5 || a->key_size > 4 + DATA_MAX || !a->value_size ||
	    a->value_size > MAP_ALLOC_MAX - DATA_MAX)
		return -EINVAL;
	if (a->max_entries > 1u << 30)
		return -E2BIG;
	m->key_room = a->key_size - 4;
	m->value_at = round_up((uint32_t)sizeof(struct node) + m->key_room, 8);
	m->elem_bytes = m->value_at + value_room(m);
	m->nelems = 2 * a->max_entries + 1;
	m->elems = plan_room(m, m->nelems, m->elem_bytes, 64);
	return 0;
}

static struct node *node_at(const struct map *m, uint64_t i)
{
	return (struct node *)map_ptr(m, m->elems + (i - 1) * m->elem_bytes);
}

static void *value_of(const struct map *m, const struct node *n)
{
	return (char *)(uintptr_t)n + m->value_at;
}

struct prefix {
	uint32_t bits;
	uint8_t data[];
};

static uint32_t max_bits(const struct map *m)
{
	return m->key_room * 8;
}

static uint32_t bit(const uint8_t *data, uint32_t i)
{
	return data[i / 8] >> (7 - i % 8) & 1;
}

/* How many of the first `limit` bits are the same. */
static uint32_t common(const uint8_t *a, const uint8_t *b, uint32_t limit)
{
	uint32_t i = 0;

	while (i + 8 <= limit && a[i / 8] == b[i / 8])
		i += 8;
	while (i < limit && bit(a, i) == bit(b, i))
		i++;
	return i;
}

/* --- looking --- */

/* 1: *found (or 0). The walk is bounded: each step has a longer prefix, or the trie is torn. */
racy_read static uint32_t walk(const struct map *m, const struct prefix *key)
{
	uint64_t i = load_relaxed(&m->var[VAR_ROOT]);
	uint32_t found = 0;

	for (uint32_t depth = 0; i && i <= m->nelems && depth < DEPTH_MAX; depth++) {
		const struct node *n = node_at(m, i);
		uint32_t bits = load_relaxed(&n->bits);

		if (bits > key->bits || common(n->data, key->data, bits) < bits)
			break;
		if (!load_relaxed(&n->inner))
			found = (uint32_t)i;
		if (bits >= key->bits)
			break;
		i = load_relaxed(&n->child[bit(key->data, bits)]);
	}
	return found;
}

static void *find(struct task *t, struct map *m, const void *key, uint32_t cpu)
{
	const struct prefix *k = key;
	uint64_t seq;
	uint32_t i;

	if (k->bits > max_bits(m))
		return NULL;
	do {
		if (seq_begin(t, &m->word, &seq))
			return NULL;
		i = walk(m, k);
	} while (!seq_valid(&m->word, seq));
	return i ? value_of(m, node_at(m, i)) : NULL;
}

static int read_value(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	const struct prefix *k = key;
	uint64_t seq;
	uint32_t i;
	int err;

	if (k->bits > max_bits(m))
		return -ENOENT;
	do {
		err = seq_begin(t, &m->word, &seq);
		if (err)
			return err;
		i = walk(m, k);
		err = i ? value_out(m, value, value_of(m, node_at(m, i))) : -ENOENT;
	} while (!seq_valid(&m->word, seq));
	return err;
}

/* --- changing, under the lock and in a transaction --- */

static int node_take(struct task *t, struct map *m, uint32_t *i)
{
	uint64_t at = m->var[VAR_FREE], used = m->var[VAR_USED];

	if (at) {
		txn_set(t, &m->var[VAR_FREE], (uint64_t)node_at(m, at)->child[0]);
		*i = (uint32_t)at;
		return 0;
	}
	if (used >= m->nelems)
		return -ENOSPC;
	if (used % COMMIT_NODES == 0 && pool_commit(t->pool, map_off(t->pool, m) + m->elems + used * m->elem_bytes,
						    min_of(COMMIT_NODES, m->nelems - used) * m->elem_bytes) != 0)
		return -ENOMEM;
	txn_set(t, &m->var[VAR_USED], used + 1);
	*i = (uint32_t)used + 1;
	return 0;
}

static void node_give(struct task *t, struct map *m, uint32_t i)
{
	txn_set(t, &node_at(m, i)->child[0], (uint32_t)m->var[VAR_FREE]);
	txn_set(t, &m->var[VAR_FREE], (uint64_t)i);
}

/* A link is the root's word or a child's: numbers fit both. */
struct link {
	uint64_t *root;
	uint32_t *child;
};

static uint32_t link_get(struct link l)
{
	return l.root ? (uint32_t)*l.root : *l.child;
}

static void link_set(struct task *t, struct link l, uint32_t i)
{
	if (l.root)
		txn_set(t, l.root, (uint64_t)i);
	else
		txn_set(t, l.child, i);
}

/* The link at which this prefix belongs, and how many bits the node there shares with it. */
static struct link descend(struct map *m, const struct prefix *key, uint32_t *same, struct link *above,
			   uint32_t *parent)
{
	struct link l = {.root = &m->var[VAR_ROOT]};
	uint32_t i;

	*above = l;
	*parent = 0;
	*same = 0;
	while ((i = link_get(l)) != 0 && i <= m->nelems) {
		struct node *n = node_at(m, i);

		*same = common(n->data, key->data, min_of(n->bits, key->bits));
		if (*same < n->bits || n->bits >= key->bits)
			break;
		*above = l;
		*parent = i;
		l = (struct link){.child = &n->child[bit(key->data, n->bits)]};
	}
	return l;
}

/* Fills a node that nothing leads to: no log. Children are given. */
static void node_fill(struct map *m, uint32_t i, const struct prefix *key, uint32_t bits, uint32_t inner, uint32_t c0,
		      uint32_t c1)
{
	struct node *n = node_at(m, i);

	n->child[0] = c0;
	n->child[1] = c1;
	n->bits = bits;
	n->inner = inner;
	mem_copy(n->data, key->data, m->key_room);
}

/* A taken node was in the free list, whose link is its child[0]: what undo must find again. */
static int fresh_node(struct task *t, struct map *m, uint32_t *i)
{
	int err = node_take(t, m, i);

	if (!err) {
		txn_set(t, &node_at(m, *i)->child[0], 0u);
	}
	return err;
}

static int add_check(const struct map *m, uint64_t flags)
{
	if (flags == BPF_EXIST)
		return -ENOENT;
	return m->var[VAR_ENTRIES] >= m->max_entries ? -ENOSPC : 0;
}

/* Puts the filled node `i` where it belongs. */
static int place(struct task *t, struct map *m, const struct prefix *key, uint32_t i, uint64_t flags)
{
	struct link above, l;
	uint32_t same, parent, at, inner, side;
	struct node *n;
	int err;

	l = descend(m, key, &same, &above, &parent);
	at = link_get(l);
	n = at ? node_at(m, at) : NULL;
	if (n && n->bits == key->bits && same == key->bits) { /* takes its place */
		if (n->inner)
			err = add_check(m, flags);
		else
			err = flags == BPF_NOEXIST ? -EEXIST : 0;
		if (err)
			return err;
		node_fill(m, i, key, key->bits, 0, n->child[0], n->child[1]);
		if (n->inner)
			txn_set(t, &m->var[VAR_ENTRIES], m->var[VAR_ENTRIES] + 1);
		link_set(t, l, i);
		node_give(t, m, at);
		return 0;
	}
	err = add_check(m, flags);
	if (err)
		return err;
	node_fill(m, i, key, key->bits, 0, 0, 0);
	txn_set(t, &m->var[VAR_ENTRIES], m->var[VAR_ENTRIES] + 1);
	if (!n) {
		link_set(t, l, i);
		return 0;
	}
	if (same == key->bits) { /* above it */
		node_at(m, i)->child[bit(n->data, same)] = at;
		link_set(t, l, i);
		return 0;
	}
	err = fresh_node(t, m, &inner);
	if (err)
		return err;
	side = bit(key->data, same);
	node_fill(m, inner, key, same, 1, side ? at : i, side ? i : at);
	link_set(t, l, inner);
	return 0;
}

static int update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags, struct side s)
{
	const struct prefix *k = key;
	uint32_t i = 0;
	int err;

	if (flags > BPF_EXIST || k->bits > max_bits(m))
		return -EINVAL;
	txn_begin(t);
	err = txn_lock(t, &m->word);
	if (!err)
		err = fresh_node(t, m, &i);
	if (!err) {
		mem_zero(value_of(m, node_at(m, i)), value_room(m));
		err = value_in(s, m, value_of(m, node_at(m, i)), value);
	}
	if (!err)
		err = place(t, m, k, i, flags);
	return err ? txn_abort(t, err) : txn_commit(t);
}

/* Takes node `at` out, whose link is `l`; its parent too, if that was only there to part them. */
static void take_out(struct task *t, struct map *m, struct link l, struct link above, uint32_t parent)
{
	uint32_t at = link_get(l);
	struct node *n = node_at(m, at), *p = parent ? node_at(m, parent) : NULL;

	txn_set(t, &m->var[VAR_ENTRIES], m->var[VAR_ENTRIES] - 1);
	if (n->child[0] && n->child[1]) {
		txn_set(t, &n->inner, 1u);
		return;
	}
	if (p && p->inner && !n->child[0] && !n->child[1]) {
		link_set(t, above, p->child[0] == at ? p->child[1] : p->child[0]);
		node_give(t, m, parent);
		node_give(t, m, at);
		return;
	}
	link_set(t, l, n->child[0] ? n->child[0] : n->child[1]);
	node_give(t, m, at);
}

static int remove_key(struct task *t, struct map *m, const void *key)
{
	const struct prefix *k = key;
	struct link above, l;
	uint32_t same, parent, at;
	int err;

	if (k->bits > max_bits(m))
		return -EINVAL;
	txn_begin(t);
	err = txn_lock(t, &m->word);
	if (err)
		return txn_abort(t, err);
	l = descend(m, k, &same, &above, &parent);
	at = link_get(l);
	if (!at || same != k->bits || node_at(m, at)->bits != k->bits || node_at(m, at)->inner)
		return txn_abort(t, -ENOENT);
	take_out(t, m, l, above, parent);
	return txn_commit(t);
}

/* --- iterating --- */

/* The first node in order below and at `i`: down by the first child there is. */
static uint32_t lowest(const struct map *m, uint32_t i)
{
	for (uint32_t depth = 0; i && i <= m->nelems && depth < DEPTH_MAX; depth++) {
		const struct node *n = node_at(m, i);
		uint32_t down = load_relaxed(&n->child[0]);

		down = down ? down : load_relaxed(&n->child[1]);
		if (!down)
			return i;
		i = down;
	}
	return 0;
}

/*
 * The node after the one of this very prefix, or the first. One walk from the
 * root: the last place where the way went to child 0 and there is a child 1
 * has the next subtree; else the nearest ancestor.
 */
racy_read static int successor(const struct map *m, const struct prefix *key, uint32_t *out)
{
	uint32_t i = (uint32_t)load_relaxed(&m->var[VAR_ROOT]), after = 0;

	*out = lowest(m, i);
	if (!key || key->bits > max_bits(m))
		return *out ? 0 : -ENOENT;
	for (uint32_t depth = 0; i && i <= m->nelems && depth < DEPTH_MAX; depth++) {
		const struct node *n = node_at(m, i);
		uint32_t bits = load_relaxed(&n->bits), to, other;

		if (common(n->data, key->data, min_of(bits, key->bits)) < bits)
			return *out ? 0 : -ENOENT;
		if (bits == key->bits) {
			if (load_relaxed(&n->inner))
				return *out ? 0 : -ENOENT;
			*out = after;
			return after ? 0 : -ENOENT;
		}
		if (bits > key->bits)
			return *out ? 0 : -ENOENT;
		to = bit(key->data, bits);
		other = load_relaxed(&n->child[1]);
		after = !to && other ? lowest(m, other) : i;
		i = load_relaxed(&n->child[to]);
	}
	return *out ? 0 : -ENOENT;
}

/* Copies the key of node `i`; 1: it is an inner one, whose key is good to go on from. */
static int key_out(const struct map *m, uint32_t i, struct prefix *to)
{
	const struct node *n = i && i <= m->nelems ? node_at(m, i) : NULL;

	if (!n)
		return -ENOENT;
	to->bits = load_relaxed(&n->bits);
	mem_copy(to->data, n->data, m->key_room);
	return (int)load_relaxed(&n->inner);
}

/* The next node with a value: an inner one's successor is found from it as from any other. */
racy_read static int next_valued(const struct map *m, const struct prefix *key, struct prefix *out)
{
	uint32_t i;
	int err = successor(m, key, &i);

	return err ? err : key_out(m, i, out);
}

/* The ancestor after an inner node, or the subtree beside it. */
racy_read static int after_inner(const struct map *m, struct prefix *at)
{
	uint32_t i = (uint32_t)load_relaxed(&m->var[VAR_ROOT]), after = 0;

	for (uint32_t depth = 0; i && i <= m->nelems && depth < DEPTH_MAX; depth++) {
		const struct node *n = node_at(m, i);
		uint32_t bits = load_relaxed(&n->bits), to, other;

		if (bits >= at->bits)
			break;
		to = bit(at->data, bits);
		other = load_relaxed(&n->child[1]);
		after = !to && other ? lowest(m, other) : i;
		i = load_relaxed(&n->child[to]);
	}
	return after ? key_out(m, after, at) : -ENOENT;
}

static int next_key(struct task *t, struct map *m, const void *key, void *next)
{
	uint64_t seq;
	int r;

	do {
		r = seq_begin(t, &m->word, &seq);
		if (r)
			return r;
		r = next_valued(m, key, next);
		for (uint32_t n = 0; r == 1 && n < DEPTH_MAX; n++)
			r = after_inner(m, next);
	} while (!seq_valid(&m->word, seq));
	return r;
}

static int verify(struct task *t, struct map *m)
{
	uint64_t free = 0, linked = 0;
	uint64_t stack[DEPTH_MAX > 64 ? 64 : DEPTH_MAX];
	int err = fast_lock(t, &m->word);
	uint32_t top = 0;

	if (err)
		return err;
	fast_unlock(t, &m->word, 0);
	for (uint64_t i = m->var[VAR_FREE]; i; i = node_at(m, i)->child[0])
		if (i > m->nelems || free++ > m->nelems)
			return -EUCLEAN;
	stack[top++] = m->var[VAR_ROOT];
	while (top) {
		uint64_t i = stack[--top];

		if (!i)
			continue;
		if (i > m->nelems || ++linked > m->nelems || top + 2 > array_len(stack))
			return i > m->nelems || linked > m->nelems ? -EUCLEAN : 0;
		for (uint32_t c = 0; c < 2; c++) {
			uint32_t k = node_at(m, i)->child[c];

			if (k && (k > m->nelems || node_at(m, k)->bits <= node_at(m, i)->bits ||
				  bit(node_at(m, k)->data, node_at(m, i)->bits) != c))
				return -EUCLEAN;
			stack[top++] = k;
		}
	}
	return free + linked == m->var[VAR_USED] ? 0 : -EUCLEAN;
}

const struct map_ops trie_ops = {.plan = plan,
				 .find = find,
				 .read = read_value,
				 .update = update,
				 .remove = remove_key,
				 .next = next_key,
				 .verify = verify};
