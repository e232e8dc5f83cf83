/*
 * A red-black tree whose nodes are cells of the pool, named by their index.
 *
 * Keys are 64-bit and unique in a tree. A tree is its root index (0: empty),
 * which lies in what owns it. Writers hold the owner's lock, and every store
 * to a node goes through their transaction. Readers hold nothing: they run
 * under the owner's version (lock.h) and throw the answer away if it changed;
 * what they meet in between may be torn, so every index is checked and every
 * walk is bounded. -EUCLEAN from a reader therefore means "retry", and damage
 * only if the version is still the same.
 */
#pragma once

#include "ds/slab.h"

struct tree_node {
	uint64_t key;
	uint32_t left;
	uint32_t right;
	uint32_t up; /* parent << 1 | red */
};

#define TREE_CELL 64u /* bytes of a cell: of the slab that the nodes lie in */

/* Longer than any path in a tree of 2^31 nodes. */
#define TREE_DEPTH 64u

/* The node with this key: its index, 0 if there is none, or -EUCLEAN. */
int64_t tree_find(const struct slab *cells, uint32_t root, uint64_t key);
/* The node with the smallest key >= `key`: its index, 0, or -EUCLEAN. */
int64_t tree_ceil(const struct slab *cells, uint32_t root, uint64_t key);
/* The node after `node`: its index, 0 at the end, or -EUCLEAN. */
int64_t tree_next(const struct slab *cells, uint32_t node);

/*
 * Links `node`, whose key is set. -EEXIST: the key is in the tree, nothing was
 * done. -EUCLEAN: the transaction must be aborted.
 */
int tree_insert(struct task *t, const struct slab *cells, uint32_t *root, uint32_t node) must_check;
/* Unlinks `node`, which is in the tree. -EUCLEAN likewise. */
int tree_remove(struct task *t, const struct slab *cells, uint32_t *root, uint32_t node) must_check;

/* Verifies order, colours, parents and depth (the pool is frozen). Returns the number of nodes, or -EUCLEAN. */
int64_t tree_check(const struct slab *cells, uint32_t root);
