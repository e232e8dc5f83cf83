/*
 * The block pool: 4 KiB blocks for data, handed out in runs.
 *
 * Words: a *block* is 4 KiB, numbered from 0 (block 0 is never used, 0 means
 * none); a *chunk* is 512 blocks (2 MiB) with one free map; a *granule* is 16
 * blocks (64 KiB), the unit in which memory is taken from the system and given
 * back; an *arena* is one of 16 places to allocate from.
 *
 * Invariants, for every chunk c below the frontier:
 *	c.nfree == popcount(c.free)
 *	c.arena == a	  c is on a's partial list  <=>  c.nfree > 0
 *	c.arena == NONE	  c is on the pool's free list, c.nfree == 512
 *	a.empty	 == number of a's chunks with nfree == 512
 *	a.used	 == sum over a's chunks of 512 - nfree
 *	a block in use  =>  its granule has memory (committed)
 *
 * Freed blocks are used again before fresh ones, lowest first in the chunk
 * freed into last: they are the ones that caches and page tables know.
 */
#pragma once

#include "shm/txn.h"

#define BLOCK_SIZE 4096u
#define CHUNK_BLOCKS 512u
#define CHUNK_WORDS (CHUNK_BLOCKS / 64)
#define GRANULE_BLOCKS 16u
#define BLOCK_ARENAS 16u
#define CHUNK_NO_ARENA 0xffffu

struct chunk {
	uint64_t free[CHUNK_WORDS]; /* bit: block is free. Under the arena's lock, like the rest */
	uint32_t nfree;
	uint32_t next; /* 1 + chunk number, 0: end */
	uint32_t prev;
	uint32_t arena;	    /* changed under the arena's and the pool's lock */
	uint32_t committed; /* a bit a granule: there is memory behind it */
	uint32_t pad[11];
};

struct block_arena {
	uint64_t lock;
	uint32_t partial; /* list of chunks with a free block, 1 + chunk number */
	uint32_t empty;
	uint64_t used;
	uint64_t pad[5];
};

struct block_ctl {
	uint64_t lock;
	uint32_t free;	   /* list of chunks of no arena */
	uint32_t frontier; /* chunks from here on were never used */
	uint64_t pad[6];
	struct block_arena arena[BLOCK_ARENAS];
};

_Static_assert(sizeof(struct chunk) == 128, "two lines a chunk");

/* The blocks as this process sees them; constant while attached. */
struct blocks {
	struct block_ctl *ctl;
	struct chunk *chunks;
	char *base; /* block 0 */
	uint32_t nchunks;
	uint32_t nblocks; /* may end within the last chunk */
};

int blocks_format(struct pool *pool, struct blocks *b) must_check;

/* The bytes of `n` blocks from `i`, or NULL where there are none such. */
static inline void *block_at(const struct blocks *b, uint32_t i, uint32_t n)
{
	if (unlikely(i == 0 || i >= b->nblocks || n > b->nblocks - i))
		return NULL;
	return b->base + (uint64_t)i * BLOCK_SIZE;
}

/*
 * Takes a run of 1 to `want` blocks into the task's hand as `tag | len << 40 |
 * start` (a transaction of its own): from `hint` on if that one is free (0: no
 * hint), else the first run in the arena that is long enough, else the longest
 * of a few. The bytes are what their last owner left. -ENOSPC.
 */
int blocks_take(struct task *t, const struct blocks *b, uint32_t want, uint32_t hint, uint64_t tag, uint32_t *start,
		uint32_t *len) must_check;

/*
 * Frees a run that lies in the last item of the task's hand (a transaction):
 * the part in the run's first chunk. The rest stays in the hand; 0 when all
 * is done, 1 when there is a rest.
 */
int blocks_put(struct task *t, const struct blocks *b) must_check;

uint64_t blocks_used(const struct blocks *b);

/* Gives the memory of free granules back, but for `keep` bytes of it. Returns bytes, or -errno. */
int64_t blocks_trim(struct task *t, const struct blocks *b, uint64_t keep);

struct blocks_fault {
	const char *what;
	uint64_t at; /* chunk or arena */
};
int blocks_check(const struct blocks *b, struct blocks_fault *fault);

static inline bool block_in_use(const struct blocks *b, uint32_t i)
{
	return !(load_relaxed(&b->chunks[i / CHUNK_BLOCKS].free[i / 64 % CHUNK_WORDS]) >> (i % 64) & 1);
}

/* The fields of a hand item of blocks or units. */
static inline uint32_t item_index(uint64_t item)
{
	return (uint32_t)item;
}

static inline uint32_t item_count(uint64_t item)
{
	return (uint32_t)(item >> 40) & 0xfffff;
}
