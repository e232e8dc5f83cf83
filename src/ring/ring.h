/*
 * What lies in shared memory between the clients of a pool and its server:
 * a header, and channels, each with a submission ring, slots and data. The
 * protocol is explained in docs/ring.md.
 *
 *	header	| channel 0 | channel 1 | ...
 *		  control: owner, tail, head, space, entries, slots
 *		  inline:  slots * 4 KiB
 *		  data:    slots * geometry.data
 *
 * Words: a *slot* is one request under way with its answer; an *entry* is a
 * place in the submission ring, naming a slot; a *seat* says which process
 * owns something, so that its death can be proven (shm/task.h).
 *
 * Memory that is all zeros is a channel that nobody uses.
 */
#pragma once

#include "ring/bell.h"
#include "shm/task.h"

#define RING_MAGIC 0x3130474e49525442ull /* "BTRING01" */
#define RING_VERSION 1u
#define RING_CHANNELS 512u /* at most */
#define RING_SLOTS 64u	   /* a channel, at most; a power of two */
#define RING_INLINE 4096u  /* bytes of a request, and of its answer, in the slot itself */
#define RING_DATA_MAX (64u << 20)
#define RING_FAILED UINT32_MAX /* as reply_len: `result` comes from the transport, not from who served it */

/*
 * Who sleeps for another process's news looks this often whether that process
 * lives, and whether the news came without the wake-up.
 */
#define RING_PATIENCE_NS 5000000u

enum ring_seat_state {
	SEAT_FREE = 0,
	SEAT_LIVE = 1,
	SEAT_BROKEN = 2, /* the server found a malformed entry: it serves this channel no more */
	SEAT_LEFT = 3,	 /* the client has left, or was found dead: the server is to reset the channel */
};

/*
 * A slot's word: state and flags, generation, owner.
 *
 *	 63         32 31            5   4   3   2     0
 *	+-------------+---------------+----+---+--------+
 *	| owner       | generation    | L  | W | state  |
 *	+-------------+---------------+----+---+--------+
 *
 *	FREE -> HELD   client: compare-and-swap; owner and a new generation
 *	HELD -> TAKEN  server: it found the slot in the submission ring
 *	TAKEN -> DONE  server: answered
 *	DONE -> FREE   client: has read the answer
 *	HELD -> FREE   client: was never sent; server: sent, and given up (L)
 *	TAKEN -> FREE  server: answered, but given up (L)
 *	HELD -> DONE   server: the channel is broken
 *
 * Whoever moves a slot does so by compare-and-swap: each of these is also
 * where the slot's other words change hands, and needs the release and the
 * acquire that come with it.
 */
enum ring_slot_state {
	REQ_FREE = 0,
	REQ_HELD = 1,
	REQ_TAKEN = 2,
	REQ_DONE = 3,
};

#define REQ_STATE 7u
#define REQ_WAITER (1u << 3) /* W: the owner sleeps on the lower half of the word */
#define REQ_LOST (1u << 4)   /* L: nobody waits for the answer */
#define REQ_GEN (1u << 5)    /* one generation */
#define REQ_GEN_SHIFT 5

struct ring_slot {
	uint64_t word; /* see above */
	/* By the client while HELD, then constant: the server copies, checks, uses. */
	uint32_t op;
	uint32_t len;	   /* request bytes in the inline part */
	uint32_t data_len; /* bytes at data_off, for the server to read or to write */
	uint32_t pad;
	uint64_t data_off; /* from the start of the channel's data area */
	/* By the server while TAKEN. */
	int32_t result;
	uint32_t reply_len;  /* answer bytes in the inline part */
	uint32_t reply_data; /* answer bytes in the data area */
	uint32_t spare[3];
} cache_aligned;

/*
 * An entry of the submission ring.
 *
 *	 63       24 23       8 7        0
 *	+-----------+----------+----------+
 *	| lap       | gen      | slot + 1 |   slot + 1 = 0: empty in this lap
 *	+-----------+----------+----------+
 */
#define ENTRY_LAP_SHIFT 24
#define ENTRY_LAP_MASK ((UINT64_C(1) << 40) - 1)

struct ring_channel {
	uint64_t owner;		      /* seat; FREE -> LIVE by clients, back to FREE by the server */
	uint64_t tail cache_aligned;  /* next entry to fill; by clients, compare-and-swap */
	uint64_t head cache_aligned;  /* next entry to take; by the server, for its successor */
	uint32_t space cache_aligned; /* bell: somebody waits for a free slot */
	uint64_t entry[2 * RING_SLOTS] cache_aligned;
	struct ring_slot slot[RING_SLOTS];
} __attribute__((aligned(4096)));

struct ring_geometry {
	uint32_t channels;
	uint32_t slots; /* a channel; a power of two, 2 to RING_SLOTS */
	uint32_t data;	/* bytes of data area a slot, a multiple of the page; 0: none */
};

enum ring_mode {
	RING_FUTEX = 0,	  /* the server sleeps on the bell */
	RING_EVENTFD = 1, /* the server sleeps on an eventfd, which it has passed to each client */
};

struct ring_header {
	/* Written by the format, then constant. */
	uint64_t magic;
	uint32_t version;
	uint32_t channels;
	uint32_t slots;
	uint32_t data;
	/* By clients: channels from here on were never used, and have no memory. Only grows; atomic. */
	uint32_t high;
	/* By the server. */
	uint64_t server cache_aligned; /* seat; 0: none */
	uint32_t mode;		       /* enum ring_mode; changes only with the seat */
	uint32_t bell cache_aligned;   /* the server sleeps */
	/* A bit a channel: there may be something to do. Set by clients, taken by the server. */
	uint64_t pending[RING_CHANNELS / 64] cache_aligned;
};

_Static_assert(sizeof(struct ring_slot) == 64, "a request's header travels in one line");
_Static_assert(sizeof(struct ring_channel) == 8192, "two pages of control a channel");
_Static_assert(sizeof(struct ring_header) <= POOL_PAGE, "one page");
_Static_assert(RING_CHANNELS <= POOL_CLIENTS, "the pending bits are one line");

/* A process's view. Geometry is copied and verified when it is mapped. */
struct ring {
	struct pool *pool;
	struct ring_header *header;
	char *channels;
	uint64_t stride; /* bytes of a channel */
	struct ring_geometry geo;
};

/* Bytes that a region for this geometry needs; 0: not a valid one. */
uint64_t ring_bytes(const struct ring_geometry *g) must_check;
/* Lays the rings out in a region whose memory reads as zeros. 0, -EINVAL, -ENOSPC. */
int ring_format(struct pool *pool, const struct pool_region *region, const struct ring_geometry *g) must_check;
/* *pool and *ring stay where they are. -EUCLEAN: no rings there, or damaged. */
int ring_map(struct pool *pool, const struct pool_region *region, struct ring *ring) must_check;

/*
 * Verifies what holds of a channel in which nothing moves: each entry is
 * filled between head and tail and empty elsewhere, in its lap; each names a
 * slot that is HELD, no slot twice. 0 or -EUCLEAN.
 */
int ring_check(const struct ring *r, uint32_t channel) must_check;

/* This process's seat, in state `state`. */
uint64_t ring_seat(struct pool *pool, enum ring_seat_state state);
/* Does the process that took this seat live? Asks the kernel. */
bool ring_seat_lives(struct pool *pool, uint64_t seat);

static inline enum ring_seat_state ring_seat_state(uint64_t seat)
{
	return (enum ring_seat_state)(seat & 0xff);
}

static inline uint64_t ring_seat_as(uint64_t seat, enum ring_seat_state state)
{
	return (seat & ~UINT64_C(0xff)) | state;
}

static inline uint32_t ring_seat_client(uint64_t seat)
{
	return (uint32_t)(seat >> 8) & 0xffff;
}

static inline struct ring_channel *ring_channel(const struct ring *r, uint32_t i)
{
	return (struct ring_channel *)(void *)(r->channels + i * r->stride);
}

/* Channels that were ever used. The others are not looked at: a look would give them memory. */
static inline uint32_t ring_used(const struct ring *r)
{
	return min_of(load_acquire(&r->header->high), r->geo.channels);
}

static inline char *ring_inline(const struct ring *r, uint32_t channel, uint32_t slot)
{
	return (char *)ring_channel(r, channel) + sizeof(struct ring_channel) + (size_t)slot * RING_INLINE;
}

/* The channel's data area. */
static inline char *ring_data(const struct ring *r, uint32_t channel)
{
	return ring_inline(r, channel, r->geo.slots);
}

static inline uint64_t ring_data_bytes(const struct ring *r)
{
	return (uint64_t)r->geo.slots * r->geo.data;
}

static inline enum ring_slot_state req_state(uint64_t word)
{
	return (enum ring_slot_state)(word & REQ_STATE);
}

static inline uint32_t req_gen(uint64_t word)
{
	return (uint32_t)word >> REQ_GEN_SHIFT;
}

/* The same generation in another state, without flags. */
static inline uint64_t req_word(uint32_t who, uint32_t gen, enum ring_slot_state state)
{
	return (uint64_t)who << 32 | (uint32_t)(gen << REQ_GEN_SHIFT) | state;
}

/* The half that a futex can be on. */
static inline uint32_t *req_futex(struct ring_slot *s)
{
	return (uint32_t *)(void *)&s->word;
}

static inline uint64_t entry_make(uint64_t lap, uint32_t slot, uint32_t gen)
{
	return (lap & ENTRY_LAP_MASK) << ENTRY_LAP_SHIFT | (uint64_t)(gen & 0xffff) << 8 | (slot + 1);
}

static inline uint64_t entry_empty(uint64_t lap)
{
	return (lap & ENTRY_LAP_MASK) << ENTRY_LAP_SHIFT;
}

static inline uint64_t entry_lap(uint64_t e)
{
	return e >> ENTRY_LAP_SHIFT;
}

/* RING_SLOTS or more: none. */
static inline uint32_t entry_slot(uint64_t e)
{
	return (uint32_t)(e & 0xff) - 1;
}

static inline bool entry_names(uint64_t e, uint32_t slot, uint32_t gen)
{
	return entry_slot(e) == slot && (uint32_t)(e >> 8 & 0xffff) == (gen & 0xffff);
}

/* Tells the server that `channel` wants to be looked at. fd: its eventfd, or -1. */
static inline void ring_notify(struct ring_header *h, uint32_t channel, int fd)
{
	uint64_t bit = UINT64_C(1) << channel % 64;
	uint64_t *word = &h->pending[channel / 64];

	/*
	 * Whatever is to be seen was made visible before the load: a full
	 * barrier that pairs with the server's exchange of this word. If the
	 * bit is still set, the exchange and the look come after it.
	 */
	fence_full();
	if (!(load_relaxed(word) & bit))
		fetch_or(word, bit);
	bell_step();
	bell_ring(&h->bell, fd);
}

/* CLOCK_MONOTONIC, ns. A system call: for who is about to sleep anyway. */
static inline uint64_t ring_now(void)
{
	struct timespec ts = {0};

	sys_clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
