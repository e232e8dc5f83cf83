/*
 * The world's memory: a pool of src/shm (header, seats, lock words,
 * transactions) whose pages are handed out in runs for maps, code and
 * whatever else the layer above keeps in the world.
 *
 * Words: a *page* is 4 KiB; a *run* is pages in a row with one owner, named by
 * the offset of its first byte in the world; it is free, taken, or in *limbo*:
 * given back, but programs that began before may still look at it.
 *
 * Ownership is what a run hangs on. arena_take() leaves the run in the task's
 * hand (txn.h); the transaction that stores its offset into something that
 * lasts takes it out of the hand: arena_own(). The transaction that removes
 * that offset puts it in again: arena_disown(); arena_put() follows. What a
 * task has in its hand when it dies goes back by arena_recover().
 *
 * Grace: a running program may hold a pointer into a map that somebody else
 * destroys. Runners bracket each run with run_enter() and run_leave(); a run
 * of pages goes from limbo to free when nobody runs who began before it was
 * put there, so what is unlinked first and put afterwards is never anybody
 * else's under a program's eyes.
 *
 * Invariants of the page table, for every run of n pages from page p:
 *	run[p] == run[p + n - 1] == state << 30 | n
 *	two free runs are never neighbours
 * Free pages read as zeros.
 */
#pragma once

#include "shm/txn.h"

#define ARENA_PAGE 4096u
#define ARENA_CPUS 512u
#define ARENA_SPINS 256u
#define ARENA_LIMBO 1024u
#define ARENA_TIMERS 256u

enum arena_region {
	REGION_ARENA = REGION_FIRST_FS,
	REGION_RUNS,	/* the page table */
	REGION_OBJECTS, /* of the layer above: as many bytes as it asked for, zeros at first */
	REGION_PAGES,	/* what is handed out */
};

struct arena_limbo {
	uint32_t page;	/* first of the run; under the lock, like the rest */
	uint32_t state; /* 0: free entry, 1: waits */
	uint64_t stamp; /* waits for runs that began at or before */
};

/* A timer in a map's value: timer.h. Under its lock word. */
struct arena_timer {
	uint64_t word;
	uint64_t map, field; /* offsets: of the map, of the timer in the value */
	uint64_t callback;   /* 0: none is set */
	uint64_t expires;    /* CLOCK_MONOTONIC, ns */
	uint32_t state, clock;
	uint64_t running;    /* lock word: held while the callback runs */
	uint32_t cancellers; /* who wait in a callback for the end of this one; atomic */
	uint32_t pad;
};

_Static_assert(sizeof(struct arena_timer) == 64, "a line each");

struct arena_ctl {
	uint64_t lock;
	uint32_t nlimbo;
	uint32_t ncpus;	     /* constant: what libbpf_num_possible_cpus() says here */
	uint64_t taken;	     /* pages taken or in limbo. Under the lock */
	uint32_t timer_bell; /* futex: who fires timers sleeps on it. Atomic, like the next */
	uint32_t spare;
	uint64_t timer_until;	      /* when the sleeper looks by itself; seldom changed, so it may share the line */
	uint64_t epoch cache_aligned; /* atomic counter: stamps of limbo and of runs; read by every run */
	struct {
		uint64_t word;
	} cache_aligned cpu[ARENA_CPUS]; /* lock words: who runs as this CPU (cpu.h) */
	struct {
		uint64_t word;
	} cache_aligned spin[ARENA_SPINS]; /* lock words behind bpf_spin_lock */
	struct arena_limbo limbo[ARENA_LIMBO] cache_aligned;
	struct arena_timer timer[ARENA_TIMERS] cache_aligned;
};

/*
 * Bytes that the world's file must have for `bytes` of pages and `objects` of
 * the layer above: sparse, memory is taken when used. 0: `bytes` is below a
 * MiB or above 1 TiB.
 */
uint64_t arena_bytes(uint64_t bytes, uint64_t objects);
/*
 * Writes an empty world into `fd`, a fresh file. Who makes a world does so
 * under another name and renames. `ncpus`: CPUs that per-CPU maps have; 0:
 * as many as the kernel says are possible. 0 or -errno.
 */
int arena_format(int fd, const char *name, uint64_t bytes, uint64_t objects, uint32_t ncpus) must_check;

/* As this process sees the world; constant while attached. */
struct arena {
	struct pool pool;
};

/*
 * Maps the world and takes a client seat; on success *a owns `fd`. Threads
 * take their seats by task_attach(&a->pool, ...). -EUCLEAN, -EUSERS, -ENOMEM.
 */
int arena_attach(int fd, struct arena *a) must_check;
void arena_detach(struct arena *a);

/*
 * The same for what holds a mapping that the layer above made (a child after
 * fork): says to the kernel that this process takes part in grace.
 */
void arena_join(void);
/* Is the pool that is mapped a whole world? For who maps it without a seat. */
bool arena_ok(const struct pool *p);

static inline struct arena_ctl *arena_ctl(const struct pool *p)
{
	return (struct arena_ctl *)(void *)(p->base + p->region[REGION_ARENA].off);
}

static inline uint32_t arena_cpus(const struct pool *p)
{
	return min_of(arena_ctl(p)->ncpus, ARENA_CPUS);
}

/*
 * Takes a run of at least `bytes` bytes, zeros, into the task's hand (a
 * transaction of its own). No memory stands behind it until it is touched or
 * committed (pool_commit). -ENOMEM: no such run is free.
 */
int arena_take(struct task *t, uint64_t bytes, uint64_t *off) must_check;
/* Bytes of the taken run at `off`; 0: none starts there. */
uint64_t arena_size(const struct pool *p, uint64_t off);
/* The start of the taken run that holds `off`; 0: none does. Walks the page table. */
uint64_t arena_base(const struct pool *p, uint64_t off);
/*
 * In an open transaction: the run leaves the task's hand, because what the
 * same transaction stores now owns it. -EUCLEAN: it is not in the hand.
 */
int arena_own(struct task *t, uint64_t off) must_check;
/* In an open transaction: the run comes into the task's hand, because nothing owns it any more. */
void arena_disown(struct task *t, uint64_t off);
/*
 * Gives a run in the task's hand back, now or, where programs run, when they
 * are done (two or three transactions). Never with a lock held. Its memory is
 * given back too. -EAGAIN: limbo is full of runs that somebody sleeps on; the
 * run stays in the hand.
 */
int arena_put(struct task *t, uint64_t off) must_check;
/* Frees what limbo can let go. Called by arena_put and arena_take; for a timer of the layer above. */
void arena_reap(struct task *t);
/*
 * Buries dead clients, clears the hands of the tasks they left, frees their
 * seats. Called when a client comes, and by a timer. `foreign` is given items
 * that are not ours (bits 63 to 60 not ARENA_ITEM), last in the heir's hand;
 * NULL: there are none. 0 or -EUCLEAN.
 */
int arena_recover(struct task *t, int (*foreign)(struct task *heir, uint64_t item)) must_check;

#define ARENA_ITEM 0xaull /* bits 63 to 60 of a hand item: a run, its first page below */

/* Verifies the page table (the pool is frozen). 0 or -EUCLEAN. */
int arena_check(const struct pool *p);

/*
 * Bracket of a run, or of several in a row, of programs by this task: from
 * before the programs are looked up until no pointer into the world is held.
 * Two stores. The order against arena_reap is the kernel's membarrier there.
 */
static inline void run_enter(struct task *t)
{
	store_relaxed(&t->slot->run, load_relaxed(&arena_ctl(t->pool)->epoch));
	fence_death(); /* the compiler keeps the order; membarrier in arena_reap does the rest */
}

static inline void run_leave(struct task *t)
{
	store_release(&t->slot->run, 0);
}
