/*
 * Seats. A process that works on a pool is a client; each of its threads that
 * does is a task. Both have a slot in the pool.
 *
 * Life is proven by the kernel: client i holds a POSIX record lock on byte
 * TASK_LIFE + i of the pool's file, far behind its end. The lock survives
 * execve, is not inherited by fork, and goes when the process is gone
 * (fcntl(2)); a pid alone is reused. Its trap: closing any descriptor of the
 * file in that process drops it too.
 *
 * A task slot holds all that others need to clean up after its thread:
 *	held	words of the locks that it holds or is about to take,
 *	undo	old values of the words that the open transaction changed,
 *	hand	objects that it owns and that hang on nothing: taken from an
 *		allocator and not linked yet, or unlinked and not freed yet,
 *	stale	what a kernel has to be told of its change (fs/stale.c).
 * Only the task itself writes its slot while its client lives; who has proven
 * it dead, and holds the client's `reaper` lock, writes it afterwards.
 */
#pragma once

#include <time.h>

#include "shm/pool.h"

#define TASK_LIFE ((int64_t)1 << 60)

#define TASK_HELD 16u
#define TASK_UNDO 928u
#define TASK_HAND 64u
#define TASK_STALE 8u /* things that one call makes the kernel forget, at most */
#define TASK_STALE_NAMES 2u

enum pool_region_shm {
	REGION_CLIENTS = 0,
	REGION_TASKS = 1,
	REGION_FIRST_FS = 2,		   /* fs/layout.h goes on */
	REGION_METRICS = POOL_REGIONS - 1, /* metrics/layout.h; may be empty */
};

enum slot_state {
	SLOT_FREE = 0,
	SLOT_LIVE = 1,
	SLOT_ZOMBIE = 2, /* task: dead, rolled back, its locks released; its hand waits for an heir */
	SLOT_EMBRYO = 3, /* client: made by its guardian for a child that has not come yet */
};

static inline uint64_t seat_word(enum slot_state state, uint32_t client)
{
	return (uint64_t)client << 32 | state;
}

static inline enum slot_state seat_state(uint64_t seat)
{
	return (enum slot_state)(uint32_t)seat;
}

static inline uint32_t seat_client(uint64_t seat)
{
	return (uint32_t)(seat >> 32);
}

struct client_slot {
	uint64_t reaper; /* lock word: who rolls back this client's tasks */
	/* SLOT_FREE, or another until all that it held is released. By the life lock's holder; under reaper if it died.
	 */
	uint32_t state;
	uint32_t pid;	      /* to show, never to prove life */
	uint32_t handles;     /* highest handle in use + 1: see fs/open.c */
	uint32_t guardian;    /* SLOT_EMBRYO: the client that made it */
	uint64_t started;     /* CLOCK_BOOTTIME, ns */
	uint64_t handle_lock; /* lock word of the client's handle table */
	uint32_t tasks;	      /* at least as many seats as its tasks have. Atomic; see task_attach */
	uint32_t pad;
	uint64_t spare[2];
} cache_aligned;

struct undo_entry {
	uint64_t where; /* offset in the pool << 3 | kind, enum undo_kind */
	uint64_t old;
};

struct stale_item {
	uint32_t ino;
	uint16_t marks; /* enum fs_mark */
	uint8_t name;	/* FS_MARK_NAMES: which of the names */
	uint8_t len;	/* of it */
};

struct stale_list {
	struct stale_item item[TASK_STALE];
	char name[TASK_STALE_NAMES][256];
};

/*
 * Units of a slab that belong to the slot, whoever sits in it, and hang on
 * nothing: see slab.h. Changed by the task's transactions only.
 */
#define POCKET_UNITS 15u
struct pocket {
	uint32_t n;
	uint32_t unit[POCKET_UNITS];
};
enum pocket_kind {
	POCKET_INODE,
	POCKET_CELL,
	POCKET_FILE,
	POCKETS,
};

struct task_slot {
	/* Line of the transaction. */
	uint64_t seat; /* state and client in one word, seat_word(); changed by compare-and-swap */
	uint32_t nheld;
	uint32_t nundo;
	uint32_t nhand;
	uint32_t nstale;
	uint64_t own; /* lock word that nobody else takes: for transactions that change this slot only */
	uint64_t run; /* not 0: its thread runs programs, since that stamp (maps/arena.h) */
	uint32_t tid; /* to show */
	uint32_t pad[5];
	uint64_t held[TASK_HELD] cache_aligned; /* offsets of lock words */
	uint64_t hand[TASK_HAND] cache_aligned; /* fs/hand.h */
	struct stale_list stale cache_aligned;
	struct undo_entry undo[TASK_UNDO] cache_aligned;
	struct pocket pocket[POCKETS] cache_aligned;
} __attribute__((aligned(4096)));

_Static_assert(sizeof(struct pocket) == 64, "one line a pocket");
_Static_assert(sizeof(struct client_slot) == 64, "one line a client");
_Static_assert(sizeof(struct task_slot) == 16384, "four pages a task");

enum task_flags {
	TASK_KERNEL = 1 << 0, /* a thread of the daemon: its answers go to the kernel */
};

struct metrics_seat;

/* A thread's seat, in the thread's own memory. Members are for shm/ and fs/. */
struct task {
	struct pool *pool;
	struct task_slot *slot;
	uint32_t id;	  /* 1 + index of the slot: the owner in lock words */
	uint32_t flags;	  /* enum task_flags */
	uint32_t arena;	  /* where this task allocates */
	uint32_t depth;	  /* transactions open: 0 or 1 */
	uint32_t outer;	  /* locks that were held when it began */
	uint32_t broken;  /* the open transaction cannot commit: its log or the hand is full */
	uint32_t settled; /* a part of the open transaction is final */
	/* Units at the top of each pocket that the call under way has its eye on: no transaction has taken them yet. */
	uint8_t drawn[4];
	uint8_t firm;	/* what is under way cannot be given up: what is in the hand is put away */
	uint8_t told;	/* `invalidate` was called since who counts calls has set this to 0 */
	uint32_t reads; /* see inode_accessed */
	/*
	 * Generation that the inode of the next calls must have, or they fail with -ESTALE: what a path has led to may
	 * be gone, and its number used again. 0: any. For fs_open, fs_setattr, fs_link, fs_readlink,
	 * fs_tmpfile and xattrs; for the directory of a name: struct fs_name.
	 */
	uint64_t life;
	/*
	 * Not 0: the call under way is not wanted any more, so that it ends with -EINTR where it would wait for a lock
	 * of somebody who lives and holds none itself. Set by any thread, cleared by the task's. Atomic.
	 */
	uint32_t given_up;
	/* Seconds and nanoseconds of CLOCK_REALTIME_COARSE; NULL: the system call. */
	int (*clock)(int clock, struct timespec *ts);
	/*
	 * See enum fs_mark: has a kernel forget `n` items, returns when it has, or there is none. Called without
	 * locks; the list lies in the slot. NULL: nothing is cached by a kernel.
	 */
	void (*invalidate)(void *arg, const struct stale_list *list, uint32_t n);
	/*
	 * TASK_KERNEL: the kernel is about to be told that there is no such name; may it keep that? Called under
	 * the directory's lock. NULL: it may. `seen`: perhaps it was told before. name == NULL: the kernel has
	 * forgotten the directory, and all absences in it.
	 */
	bool (*absent)(void *arg, uint32_t dir, const char *name, size_t len, bool seen);
	void *arg;
	struct metrics_seat *count; /* metrics/count.h. NULL: nothing is counted */
};

/*
 * Takes a seat in the pool's attached client for the calling thread. *t is
 * the caller's memory and must stay where it is until task_detach. -EUSERS:
 * all seats are taken.
 */
int task_attach(struct pool *pool, unsigned flags, struct task *t) must_check;
/* Gives the seat back. No lock is held and the hand is empty (it is after every call of fs/). */
void task_detach(struct task *t);

/* Takes a client seat for this process. -EUSERS. */
int client_attach(struct pool *pool) must_check;
void client_detach(struct pool *pool);
/*
 * fork: a seat for a child, made and held by this process until the child
 * takes it over (client_take). -EUSERS. client_give_up frees it again.
 */
int client_make(struct pool *pool, uint32_t *i) must_check;
void client_give_up(struct pool *pool, uint32_t i);
int client_take(struct pool *pool, uint32_t i) must_check;
/*
 * exec: goes on in the seat that this process had before. What its former
 * threads left (they died with the old image, perhaps in the middle of a
 * transaction) is rolled back. -ENOENT: it had none.
 */
int client_resume(struct pool *pool) must_check;
/* Does the process of client `i` live? Of an embryo: its guardian, and the child if its pid is known. Asks the kernel.
 */
bool client_alive(struct pool *pool, uint32_t i);
/*
 * Life lock of client `i`, for who clears up after it. -EAGAIN: the client
 * lives, another process clears up, or another thread of this one does. To be
 * released by client_unlock.
 */
int client_trylock(struct pool *pool, uint32_t i);
void client_unlock(struct pool *pool, uint32_t i);
/*
 * Takes the seat of a zombie task to clear its hand. Returns 1 with *heir
 * attached to that slot (task_detach gives it back), 0 where it is none.
 */
int task_inherit(struct task *t, uint32_t i, struct task *heir);
/*
 * If client `i` is dead: rolls back its tasks' transactions and releases their
 * locks. Its tasks are SLOT_ZOMBIE then. Takes no lock but the client's reaper
 * word, opens no transaction: may be called while holding locks. Returns 1 if
 * it was dead, -EUCLEAN if that word is damaged.
 */
int client_bury(struct task *t, uint32_t i);
/* Frees the seat of a dead client when all that it held is released. Under its life lock. 0 or -EUCLEAN. */
int client_free(struct task *t, uint32_t i);

static inline struct client_slot *client_slot(const struct pool *p, uint32_t i)
{
	return (struct client_slot *)(void *)(p->base + p->region[REGION_CLIENTS].off) + i;
}

/* Slots that were ever used. The others are not looked at: a look would give them memory. */
static inline uint32_t task_slots_used(const struct pool *p)
{
	return min_of(load_acquire(&pool_header(p)->tasks_high), POOL_TASKS);
}

static inline struct task_slot *task_slot(const struct pool *p, uint32_t i)
{
	return (struct task_slot *)(void *)(p->base + p->region[REGION_TASKS].off) + i;
}
