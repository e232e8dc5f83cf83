/*
 * The tree of the peer file system: nodes and their names, in this process's own
 * memory. Knows nothing of FUSE.
 *
 * A node lives as long as it has references: one for each name that leads to it,
 * one for each time that the kernel was told of it and has not forgotten it.
 * All calls may come from any thread; what is locked stands at each.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define NODE_PAGE 4096u
#define NODE_NAME_MAX 255u

struct node;

/* A name in a directory. */
struct entry {
	struct entry *next; /* in its bucket */
	struct node *node;
	uint32_t hash;
	uint32_t slot; /* of `slots`: the place in a listing, kept as long as the name is there */
	uint16_t len;
	char name[];
};

struct directory {
	struct entry **buckets;
	struct entry **slots; /* NULL where a name was removed; used again before it grows */
	uint32_t *vacant;     /* the numbers of such slots */
	uint32_t nbuckets, nslots, room, nvacant, entries;
	struct node *parent;
};

struct node {
	pthread_rwlock_t lock; /* for all that follows but `refs` and what never changes */
	_Atomic uint64_t refs;
	struct stat st; /* st_ino, st_mode's type, st_rdev never change */
	union {
		struct directory dir;
		struct {
			char **pages; /* NULL: a hole */
			uint64_t npages;
		} file;
		char *target; /* of a symlink; never changes */
	};
};

/* A node with no name yet, one reference, all times now. NULL: no memory. */
struct node *node_new(mode_t mode, uid_t uid, gid_t gid, dev_t rdev);
void node_ref(struct node *n);
/* Frees it with the last one. */
void node_unref(struct node *n, uint64_t count);

/* ---- Names. The caller holds the directory's lock, for writing where it changes ---- */

struct entry *node_find(struct node *dir, const char *name);
/* Takes a reference to `n` and counts its links. 0, -EEXIST, -ENAMETOOLONG, -ENOMEM. Locks `n` for a moment. */
int node_enter(struct node *dir, const char *name, struct node *n);
/* Drops the reference. Locks the node for a moment. */
void node_remove(struct node *dir, struct entry *e);
/* Lets an entry lead to another node, whose reference it takes over, and counts links. Returns the one it led to. */
struct node *node_redirect(struct node *dir, struct entry *e, struct node *n);

/* ---- Data. The caller holds the node's lock, for writing where it changes ---------- */

/* The page, or one of zeros. */
const char *node_page(const struct node *n, uint64_t index);
/* Bytes written, or -ENOMEM, -EFBIG. */
long node_write(struct node *n, const char *buf, size_t len, uint64_t off);
/* What lies behind the new end is gone; a file that grows ends in a hole. */
void node_resize(struct node *n, uint64_t size);
/* Makes pages where there are holes. 0, -ENOMEM. */
int node_fill(struct node *n, uint64_t off, uint64_t len);
/* Makes [off, off + len) zeros, and gives back whole pages. */
void node_punch(struct node *n, uint64_t off, uint64_t len);

/* ---- Times -------------------------------------------------------------------------- */

struct timespec node_now(void);
/* mtime and ctime are now; the caller holds the lock for writing. */
void node_modified(struct node *n);
