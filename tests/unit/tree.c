/* The red-black tree, against a sorted array. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ds/tree.h"
#include "unit.h"

#define CELLS (2ull << 60)

static uint32_t root;

static const struct slab *cells(void)
{
	return &unit.fs.cells;
}

static struct tree_node *node(uint32_t i)
{
	return slab_at(cells(), i, 1);
}

/* A cell that hangs on nothing, with its key. */
static uint32_t new_node(uint64_t key)
{
	struct task *t = &unit.t;
	uint32_t i;

	must(slab_take(t, cells(), 1, CELLS, &i));
	txn_begin(t);
	must(txn_lock_own(t));
	hand_take(t, t->slot->nhand - 1);
	must(txn_commit_quiet(t));
	node(i)->key = key;
	return i;
}

static void free_node(uint32_t i)
{
	struct task *t = &unit.t;

	txn_begin(t);
	must(txn_lock_own(t));
	hand_push(t, CELLS | 1ull << 40 | i);
	must(txn_commit_quiet(t));
	must(slab_put(t, cells(), i, 1));
}

static void insert(uint32_t i)
{
	txn_begin(&unit.t);
	must(txn_lock_own(&unit.t));
	must(tree_insert(&unit.t, cells(), &root, i));
	must(txn_commit(&unit.t));
}

static void remove_node(uint32_t i)
{
	txn_begin(&unit.t);
	must(txn_lock_own(&unit.t));
	must(tree_remove(&unit.t, cells(), &root, i));
	must(txn_commit(&unit.t));
}

/* ---- Against an array ----------------------------------------------------------- */

#define KEYS 600

static void walk_equals(const uint32_t *at, unsigned n)
{
	int64_t i = tree_ceil(cells(), root, 0);
	unsigned seen = 0;

	assert_int_equal(tree_check(cells(), root), n);
	for (unsigned key = 0; key < KEYS; key++) {
		if (!at[key]) {
			assert_int_equal(tree_find(cells(), root, key), 0);
			continue;
		}
		assert_int_equal(tree_find(cells(), root, key), at[key]);
		assert_int_equal(i, at[key]);
		i = tree_next(cells(), (uint32_t)i);
		seen++;
	}
	assert_int_equal(i, 0);
	assert_int_equal(seen, n);
}

static void random_changes(void **state)
{
	uint32_t at[KEYS] = {0};
	uint64_t dice = 12345;
	unsigned n = 0;

	(void)state;
	root = 0;
	for (int step = 0; step < 6000; step++) {
		unsigned key = (unsigned)(rig_random(&dice) >> 20) % KEYS;
		/* First it grows, then it shrinks, then it is emptied. */
		bool grow = (rig_random(&dice) >> 20) % 100 < (step < 2000 ? 80u : step < 4000 ? 50u : 15u);

		if (grow && !at[key]) {
			at[key] = new_node(key);
			insert(at[key]);
			n++;
		} else if (!grow && at[key]) {
			remove_node(at[key]);
			free_node(at[key]);
			at[key] = 0;
			n--;
		}
		if (step % 7 == 0)
			walk_equals(at, n);
		else
			assert_int_equal(tree_check(cells(), root), n);
	}
	for (unsigned key = 0; key < KEYS; key++)
		if (at[key]) {
			remove_node(at[key]);
			free_node(at[key]);
		}
	assert_int_equal(root, 0);
}

static void ceil_is_the_next(void **state)
{
	uint32_t at[50];

	(void)state;
	root = 0;
	for (unsigned k = 0; k < 50; k++)
		insert(at[k] = new_node(k * 10 + 5));
	for (uint64_t key = 0; key < 520; key++) {
		uint64_t next = key <= 5 ? 0 : (key - 5 + 9) / 10;

		assert_int_equal(tree_ceil(cells(), root, key), next < 50 ? at[next] : 0);
	}
	for (unsigned k = 0; k < 50; k++) {
		remove_node(at[k]);
		free_node(at[k]);
	}
}

/* A change that is undone leaves no trace, at each size. */
static void rolls_back(void **state)
{
	uint32_t at[64], extra = new_node(1000);

	(void)state;
	root = 0;
	for (unsigned k = 0; k < 64; k++) {
		struct tree_node before[64];
		uint32_t was = root;

		for (unsigned j = 0; j < k; j++)
			before[j] = *node(at[j]);
		txn_begin(&unit.t);
		must(txn_lock_own(&unit.t));
		must(tree_insert(&unit.t, cells(), &root, extra));
		if (k)
			must(tree_remove(&unit.t, cells(), &root, at[k / 2]));
		/* `root` is not in the pool: only what is there can be put back. */
		txn_abort(&unit.t, 0);
		root = was;
		for (unsigned j = 0; j < k; j++)
			assert_memory_equal(&before[j], node(at[j]), sizeof before[j]);
		insert(at[k] = new_node(k * 31 % 64));
	}
	free_node(extra);
	for (unsigned k = 0; k < 64; k++) {
		remove_node(at[k]);
		free_node(at[k]);
	}
}

static void damage_is_found(void **state)
{
	uint32_t at[40];

	(void)state;
	root = 0;
	for (unsigned k = 0; k < 40; k++)
		insert(at[k] = new_node(k));
	for (unsigned k = 0; k < 40; k++) {
		struct tree_node was = *node(at[k]);

		node(at[k])->key = k ? 0 : 41;
		assert_int_equal(tree_check(cells(), root), -EUCLEAN);
		*node(at[k]) = was;
		node(at[k])->up ^= 1;
		assert_int_equal(tree_check(cells(), root), -EUCLEAN);
		*node(at[k]) = was;
		node(at[k])->left = 0x7fffffff;
		assert_int_equal(tree_check(cells(), root), -EUCLEAN);
		*node(at[k]) = was;
		node(at[k])->right = root;
		assert_int_equal(tree_check(cells(), root), -EUCLEAN);
		tree_find(cells(), root, 39); /* ends, whatever it says */
		tree_next(cells(), at[k]);
		*node(at[k]) = was;
	}
	for (unsigned k = 0; k < 40; k++) {
		remove_node(at[k]);
		free_node(at[k]);
	}
}

/* ---- Depth ------------------------------------------------------------------------ */

static unsigned depth_of(uint32_t i)
{
	unsigned l, r;

	if (!i)
		return 0;
	l = depth_of(node(i)->left);
	r = depth_of(node(i)->right);
	return 1 + max_of(l, r);
}

/* No way is longer than 2 log2(n + 1), whatever the order of keys. */
static void depth_is_bounded(void **state)
{
	enum { N = 1000000 };

	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		root = 0;
		for (uint32_t k = 0; k < N; k++)
			insert(new_node(order ? (uint64_t)k * 0x9e3779b97f4a7c15u : k));
		assert_int_equal(tree_check(cells(), root), N);
		assert_in_range(depth_of(root), 20, 40);
		root = 0;
	}
}

static int big_set_up(void **state)
{
	(void)state;
	rig_open(&unit, (struct rig_size){.bytes = 16u << 20, .inodes = 350000});
	return 0;
}

/* Its nodes hang on nothing: the checker would call them lost. */
static int big_tear_down(void **state)
{
	(void)state;
	rig_detach(&unit);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    UNIT(random_changes),
	    UNIT(ceil_is_the_next),
	    UNIT(rolls_back),
	    UNIT(damage_is_found),
	    cmocka_unit_test_setup_teardown(depth_is_bounded, big_set_up, big_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
