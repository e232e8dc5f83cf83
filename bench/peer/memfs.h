/*
 * A file system in memory as one writes it with libfuse: the peer that the
 * benchmarks hold bt-fuse against. Low-level interface, several threads, a clone
 * of /dev/fuse a thread, readdirplus, replies without a copy of the data.
 *
 * With caching the kernel keeps names, absent names, attributes, pages and
 * listings, writes back by itself, and opens without asking; the best that FUSE
 * offers to a file system that nobody else changes. Without it every call comes
 * here (timeouts of 0, direct_io).
 */
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "node.h"

struct memfs {
	struct node *root;
	int caching;   /* as asked for */
	int writeback; /* as agreed with the kernel: it decides sizes and times of what it writes */
	int zero_open; /* likewise: nobody need be asked to open */
	double timeout;
};

static inline struct memfs *memfs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* The node of a number that the kernel got from us. */
static inline struct node *memfs_node(fuse_req_t req, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? memfs_of(req)->root : (struct node *)ino;
}

/* Fills what the kernel is told of a node, under the node's lock for reading. */
void memfs_entry(const struct memfs *fs, struct node *n, struct fuse_entry_param *e);

/* Each fills in its callbacks: names.c those that lead from a name to a node, or list; data.c those on nodes. */
void names_fill(struct fuse_lowlevel_ops *ops);
void data_fill(struct fuse_lowlevel_ops *ops);
