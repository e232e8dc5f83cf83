/*
 * The pool: one region of shared memory, mapped by every process that works on
 * it. This layer knows its header, its seats (clients and tasks), locks and
 * transactions; what lies behind them is laid out by fs/format.c.
 *
 * The header is written once, by the format, but for the words that say so.
 * Geometry is copied into struct pool when a process attaches and used from
 * there: what another process may have damaged later is never an index here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/compiler.h"

#define POOL_MAGIC 0x315346455355462aull /* "*FUSEFS1" */
#define POOL_VERSION 4u
#define POOL_PAGE 4096u

#define POOL_CLIENTS 512u   /* processes */
#define POOL_TASKS 2048u    /* threads */
#define POOL_TASKS_KEPT 64u /* of them for the daemon's */
#define POOL_REGIONS 16u

/* A part of the pool. Bytes from the start of the pool. */
struct pool_region {
	uint64_t off;
	uint64_t len;
};

struct pool_header {
	/* Written by the format, then constant. */
	uint64_t magic;
	uint32_t version;
	uint32_t header_size;
	uint64_t size;	 /* bytes of the whole pool */
	uint64_t secret; /* key of the name hash */
	int64_t created; /* seconds since the epoch */
	char name[64];
	struct pool_region region[POOL_REGIONS];
	uint32_t ready; /* 1: the format is complete */

	/* Written by the daemon when it has mounted, before it serves anybody. */
	uint32_t mounted; /* 1: the two below hold */
	uint64_t st_dev;  /* of the mount */
	char mountpoint[1024];
	char control[108]; /* path of the daemon's socket */
	uint32_t unseen;   /* 1: the kernel opens files without telling the daemon. Atomic */
	uint64_t user_ns;  /* the user name space that ids are of: its inode, 0: not known */

	/* Written under `freeze`'s own rules: see lock.h. */
	uint64_t freeze cache_aligned;	      /* lock word: its owner holds up every transaction */
	uint64_t kernel_client cache_aligned; /* 1 + index of the daemon's client, 0: none. Atomic. */
	uint64_t epoch;			      /* atomic counter: first sequence numbers of new lock words */
	uint64_t rollbacks;		      /* atomic counter */
	uint32_t tasks_high;		      /* slots from here on were never used; only grows. Atomic. */
	uint32_t longest_wait;		      /* for a lock of a dead owner, us: see sleep_while. Atomic. */
	uint32_t tasks_hint;		      /* a slot that was free not long ago. Atomic. */
};

_Static_assert(offsetof(struct pool_header, ready) == 360 && offsetof(struct pool_header, control) == 1400 &&
		   offsetof(struct pool_header, freeze) == 1536 && offsetof(struct pool_header, longest_wait) == 1628,
	       "docs/pool.md");

/* A process's mapping of the pool. Opaque but for these, constant while attached. */
struct pool {
	char *base;
	uint64_t size;
	int fd;		     /* owned */
	uint32_t client;     /* index of this process's seat */
	uint32_t local_lock; /* futex: threads of this process that take or give seats */
	struct pool_region region[POOL_REGIONS];
	uint64_t secret;
	/*
	 * What ought to happen at each step of a transaction: tests kill the
	 * process there. NULL outside tests; looked at only in builds with
	 * BTFUSE_STEPS.
	 */
	void (*step)(void *arg);
	void *step_arg;
	/* Is this request for room to fail? Asked by every allocator, in the same builds. */
	bool (*refuse)(void *arg);
	void *refuse_arg;
};

static inline struct pool_header *pool_header(const struct pool *p)
{
	return (struct pool_header *)(void *)p->base;
}

/*
 * Writes the header of a new pool into `fd`, sized to `size`. `name` at most
 * 63 bytes. 0 or -errno.
 */
int pool_format(int fd, uint64_t size, const char *name, const struct pool_region *regions) must_check;

/*
 * Where pool_map tries to map: 0 leaves it to the kernel; each mapping moves it
 * behind itself. Set once, to POOL_PLACE, before anything is mapped, by who
 * cannot have gigabytes beside its libraries.
 *
 * POOL_PLACE to POOL_PLACE_END is below all libraries (the kernel places them from
 * the stack downwards, over 2^40 bytes) and is a program's own memory for the run-times of all
 * sanitizers; what is behind POOL_PLACE_LARGE only for that of -fsanitize=address.
 * Source: tsan_platform.h, msan.h and asan_mapping.h of LLVM 14, x86-64.
 */
#define POOL_PLACE 0x7e8000000000u
#define POOL_PLACE_END 0x7ee000000000u
#define POOL_PLACE_LARGE 0x110000000000u
extern uintptr_t pool_place;

/*
 * Maps the pool and verifies header and geometry. On success *p owns `fd`;
 * it has no client seat yet. -EUCLEAN: not a pool, damaged, or of another
 * version.
 */
int pool_map(int fd, struct pool *p) must_check;
/*
 * The same for who only looks on, by a mapping that cannot be written: it may
 * have no seat and call nothing that takes a task. `fd` open for reading.
 */
int pool_look(int fd, struct pool *p) must_check;
/*
 * The first `len` bytes of a region, to be read: *at. The descriptor stays the caller's. -EUCLEAN as above, or the
 * region is shorter.
 */
int pool_map_region(int fd, unsigned region, uint64_t len, const void **at) must_check;
/* Unmaps and closes. */
void pool_unmap(struct pool *p);

/*
 * Memory behind [off, off + len): taken from the system and mapped, so that no
 * later access can fail. 0 or -ENOSPC.
 */
int pool_commit(struct pool *p, uint64_t off, uint64_t len) must_check;
/* Gives the memory of whole pages back; they read as zeros. 0 or -errno. */
int pool_decommit(struct pool *p, uint64_t off, uint64_t len);

/*
 * A pointer to `len` bytes at `off`, or NULL where they do not lie in region
 * `r`. For offsets that were read from the pool.
 */
static inline void *pool_at(const struct pool *p, unsigned r, uint64_t off, uint64_t len)
{
	const struct pool_region *reg = &p->region[r];

	if (unlikely(off < reg->off || off - reg->off > reg->len || len > reg->len - (off - reg->off)))
		return NULL;
	return p->base + off;
}

static inline uint64_t pool_off(const struct pool *p, const void *ptr)
{
	return (uint64_t)((const char *)ptr - p->base);
}
