/*
 * The bytes of the store in the pool. docs/pool.md shows them; the asserts at
 * the end pin them. All numbers are little-endian.
 *
 * Words: an *inode* is a unit of the inode slab, its number is its index
 * there; a *cell* is a unit of 64 bytes of the cell slab; a *block* is 4 KiB.
 * Names that start with `meta` or `data` mean the inode's two lock words:
 *	meta	attributes, links, xattrs, and a directory's entries
 *	data	bytes, size and mapping of a regular file (size and mapping
 *		change under both, so each alone is enough to read them)
 */
#pragma once

#include "ds/tree.h"

enum pool_region_fs {
	REGION_HANDLES = REGION_FIRST_FS, /* uint32_t [POOL_CLIENTS][FS_HANDLES]: number of the open file, 0: free */
	REGION_CONTROL,			  /* struct fs_ctl */
	REGION_INODE_PAGES,
	REGION_INODES,
	REGION_CELL_PAGES,
	REGION_CELLS,
	REGION_CHUNKS,
	REGION_BLOCKS,
	REGION_FILE_PAGES,
	REGION_FILES,
	REGION_RINGS, /* the daemon's, for requests to it (ring/ring.h); fs_format's `rings` */
};

struct fs_ctl {
	struct slab_ctl inodes;
	struct slab_ctl cells;
	struct slab_ctl files;
	struct block_ctl blocks;
	uint64_t rename_lock cache_aligned; /* moving a directory to another parent */
};

#define INODE_ROOM 128u		    /* bytes for inline data, map or directory */
#define MAP_ROOT (INODE_ROOM / 4)   /* entries of a map's root */
#define MAP_FANOUT (BLOCK_SIZE / 4) /* entries of any other node of a map */
#define MAP_UNWRITTEN 0x80000000u   /* entry: the block belongs to the file but reads as zeros */
#define MAP_HEIGHT_MAX 3u

enum inode_flags {
	INODE_INLINE = 1 << 0, /* regular file or symlink: the bytes lie in `room` */
	INODE_TRIM = 1 << 1,   /* mapping beyond the end is to be dropped before the file may grow */
	INODE_ACL = 1 << 2,    /* has an access ACL */
	INODE_DEFAULT_ACL = 1 << 3,
	INODE_CAPS = 1 << 5,	/* has security.capability, which a write or chown takes away */
	INODE_TMPFILE = 1 << 4, /* made without a name: may still get one */
};

enum inode_time {
	TIME_ACCESS,
	TIME_MODIFY,
	TIME_CHANGE,
	TIME_BIRTH,
	TIMES,
};

struct inode {
	/* What stat needs, under meta. */
	uint64_t meta;
	uint64_t data;
	uint32_t mode; /* 0: the inode is free */
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint64_t size;
	uint32_t nblocks; /* data blocks, written or not */
	uint32_t rdev;
	uint32_t flags; /* enum inode_flags | height of the map << 8 */
	uint32_t xattr; /* cell of the first extended attribute, 0: none */
	uint32_t nopen; /* open files of clients */
	uint32_t marks; /* enum fs_mark, and a count of settings above: what the kernel may hold. Atomic */

	int64_t sec[TIMES]; /* enum inode_time */
	uint32_t nsec[TIMES];
	uint64_t kref; /* references that the kernel holds (FUSE's lookup count), by the daemon */
	uint64_t gen;  /* differs between two lives of the same number */

	union {
		unsigned char bytes[INODE_ROOM];
		uint64_t words[INODE_ROOM / 8];
		uint32_t map[MAP_ROOT];
		struct {
			uint32_t root;	/* tree of entries */
			uint32_t count; /* entries */
			uint32_t parent;
			uint32_t self;	     /* cell of the entry that names this directory, 0: root or removed */
			uint64_t changes;    /* counts what could turn a path through here elsewhere: see fs_walk */
			uint64_t asked;	     /* counts what is put into the filter */
			uint64_t absent[8];  /* filter of names of which the kernel may hold what is not so */
			uint64_t parent_gen; /* generation of `parent`, whose number may be used again when this is
						removed */
		} dir;
	} room;
};

struct dirent {
	uint64_t key; /* struct tree_node: hash of the name, its last KEY_TIES bits tell equal hashes apart */
	uint32_t left;
	uint32_t right;
	uint32_t up;
	uint32_t ino;
	uint32_t dir;
	uint8_t type; /* mode >> 12 */
	uint8_t len;
	uint8_t known; /* the kernel may hold this entry */
	char name[];
};

#define DIRENT_CELLS(len) (((uint32_t)offsetof(struct dirent, name) + (len) + 63) / 64)
#define KEY_TIES 4096u /* names of one hash */

/* What open(2) makes, and dup and fork share. A slab of its own: what was one keeps its lock word for ever. */
struct open_file {
	uint64_t lock; /* of `pos` */
	uint64_t pos;
	uint32_t ino;	/* constant while it has references */
	uint32_t flags; /* of open(2), and what fcntl has made of them. Atomic */
	uint32_t refs;	/* handles that lead here. Under the inode's meta lock */
	uint32_t given; /* `pos` is the kernel's: see fs_give_offset. Under `lock` */
	uint64_t key;	/* of the entry in `dir` that it was opened by, a hint; 0: not known. Atomic */
	uint32_t dir;	/* atomic */
	uint32_t unused;
	uint64_t spare[2];
};

#define XATTR_CELLS 8u
#define XATTR_BLOCKS 16u

/* An extended attribute: header, name, then the value, or 4-aligned the numbers of its blocks. */
struct xattr {
	uint32_t next; /* cell, 0: last */
	uint32_t size; /* of the value */
	uint8_t len;   /* of the name */
	uint8_t cells;
	uint8_t blocks; /* 0: the value lies here */
	char name[];
};

_Static_assert(sizeof(struct inode) == 256, "four lines an inode");
_Static_assert(offsetof(struct inode, sec) == 64, "what stat needs is two lines");
_Static_assert(offsetof(struct inode, room) == 128, "what lies in it starts a line");
_Static_assert(offsetof(struct dirent, left) == offsetof(struct tree_node, left), "a dirent is a tree node");
_Static_assert(offsetof(struct dirent, up) == offsetof(struct tree_node, up), "a dirent is a tree node");
_Static_assert(DIRENT_CELLS(12) == 1 && DIRENT_CELLS(255) == 5, "cells of a name");
_Static_assert(sizeof(struct open_file) == 64, "one line an open file");
