/*
 * The world: one region of shared memory a user in which all eBPF objects lie,
 * on the pool and the pages of maps/arena.h. This layer adds the table of
 * objects (object.h), what is attached where (event.h), pins (pin.h) and the
 * trace log (trace.h). A process that opens it sees what others have loaded.
 *
 * Freestanding, but for place.c (where the file is), which only programs of
 * ours use. Any thread with a task seat may be in any of these at once.
 */
#pragma once

#include "maps/arena.h"
#include "maps/map.h"

#define WORLD_OBJECTS 4096u
#define WORLD_SLEEPERS 1024u
#define WORLD_PINS 512u
#define WORLD_PIN_PATH 248u
#define WORLD_TRACE (64u << 10) /* bytes of the trace log */

struct object {
	uint32_t id;	/* 0: free. Never used again. Under the world's lock, like the rest */
	uint32_t kind;	/* enum object_kind */
	uint32_t type;	/* of the program, map or link: the kernel's number */
	uint32_t maker; /* pid, to show */
	uint64_t off;	/* its run (arena.h); 0: it has none */
	uint64_t len;	/* OBJECT_BTF: bytes. OBJECT_LINK: inode of the descriptor with which it was made; 0: none */
	int64_t made;	/* CLOCK_BOOTTIME, ns */
	char name[16];
	char comm[16]; /* of the maker */
	/* OBJECT_LINK */
	uint32_t prog;	/* id */
	uint32_t event; /* event.h */
	uint64_t cookie;
	/* OBJECT_MAP, OBJECT_PROG */
	uint32_t btf;		     /* id, 0: none */
	uint32_t btf_key, btf_value; /* type ids of a map */
	uint32_t spare;
	uint64_t room[3];
	uint64_t holders[POOL_CLIENTS / 64]; /* a bit a client that has it open */
};

_Static_assert(sizeof(struct object) == 192, "three lines");

struct pin {
	uint32_t id; /* 0: free */
	uint32_t spare;
	char path[WORLD_PIN_PATH];
};

/* What programs did at calls. */
enum world_effect {
	EFFECT_OVERRIDE,  /* its result was set */
	EFFECT_ARGUMENTS, /* it was made with others */
	EFFECT_DELAY,
	EFFECT_KERNEL, /* it was handed to the kernel */
	WORLD_EFFECTS,
};

/* Counters of a task seat (count.h). Only its task writes them. */
struct world_count {
	uint64_t runs[2]; /* of programs: before calls, after them */
	uint64_t effects[WORLD_EFFECTS];
	uint64_t spare[2];
};

_Static_assert(sizeof(struct world_count) == 64, "a line a task");

/* Lies in REGION_OBJECTS. */
struct world_table {
	uint64_t lock; /* lock word: objects, pins */
	uint32_t next_id;
	uint32_t high; /* objects from here on were never used */
	uint32_t pins_high;
	uint32_t counted; /* a bit a page of `count`: it has memory. Only grows; atomic */
	/* Counts what is attached; 0 until something was. Written under the lock, read by every hooked call. */
	uint32_t version cache_aligned;
	uint32_t asleep[WORLD_SLEEPERS];   /* page of the ring that somebody sleeps on, by page: see wake.h. Atomic */
	char wake[128];			   /* directory of the FIFOs by which who reads a ring is woken; constant */
	uint64_t trace_head cache_aligned; /* bytes ever written; atomic */
	char trace[WORLD_TRACE] cache_aligned;
	struct object object[WORLD_OBJECTS] cache_aligned;
	struct pin pin[WORLD_PINS];
	struct world_count count[POOL_TASKS] cache_aligned;
};

struct world {
	struct arena arena;
	struct world_table *table; /* NULL: none is mapped */
};

/* Writes an empty world into `fd`, a fresh file; `wake`: see struct world_table. 0 or -errno. */
int world_format(int fd, const char *wake) must_check;
/*
 * Maps the world in `fd`, which is the world's from then on. No seat is taken:
 * client_attach(&w->arena.pool) and arena_join() do that at the first need.
 */
int world_map(int fd, struct world *w) must_check;
/* The same for who only looks on, by a mapping that cannot be written (pool_look); `fd` open for reading. */
int world_look(int fd, struct world *w) must_check;
void world_unmap(struct world *w);
/*
 * The beginning of the table only, up to and with `wake`, to be read: what tells whether anything is attached. The
 * descriptor stays the caller's; the mapping has a share in the file too. 0 or -errno.
 */
int world_watch(int fd, const struct world_table **table) must_check;
void world_unwatch(const struct world_table *table);

/* Drops what dead processes held, and all that hangs on nothing any more. Takes the world's lock. */
void world_clear_up(struct world *w, struct task *t);

/* Thread `tid` ends: what maps of task storage have of it goes. */
void world_thread_ended(struct world *w, struct task *t, uint32_t tid);

/* --- place.c, hosted --- */

/* Path of this user's world, as the environment (BTFUSE_WORLD) names it. */
struct world_path {
	char s[128];
};
struct world_path world_path(void);
/* Opens it, makes it where there is none (a file of another version is replaced). Descriptor or -errno. */
int world_open(void) must_check;
/* Opens it for reading. -ENOENT: there is none. */
int world_open_look(void) must_check;
/* world_open, world_map, and a seat for this process and this thread. */
int world_join(struct world *w, struct task *t) must_check;
/* Lets go of all; the last one who leaves takes the file away (used.h). */
void world_leave(struct world *w, struct task *t);
