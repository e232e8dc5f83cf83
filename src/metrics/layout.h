/*
 * The bytes of the counters in the pool; docs/metrics.md says what each means.
 *
 * One region: a page that all share, then a record for each task seat
 * (shm/task.h). A record is written by the one task that sits there, with plain
 * stores, and is never cleared: who takes the seat next goes on counting where
 * the last one stopped, however that one ended. So a sum over all records is
 * the sum over all tasks that there ever were, nothing is folded, lost or
 * doubled, and a counter never runs backwards.
 *
 * A record's memory is taken in parts, when they are first needed; a bit in the
 * shared page says so, since a look at what has no memory would give it some.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "shm/task.h"

/* What was asked. */
enum metrics_op {
	OP_OTHER, /* what no table names */
	OP_READ,
	OP_WRITE,
	OP_OPEN, /* with creating */
	OP_CLOSE,
	OP_STAT,
	OP_LOOKUP, /* of the kernel: a name in a directory */
	OP_FORGET, /* of the kernel: lets go of inodes */
	OP_ACCESS,
	OP_READDIR,
	OP_READLINK,
	OP_STATFS,
	OP_MKDIR,
	OP_MKNOD,
	OP_SYMLINK,
	OP_LINK,
	OP_UNLINK,
	OP_RMDIR,
	OP_RENAME,
	OP_CHMOD,
	OP_CHOWN,
	OP_UTIMENS,
	OP_TRUNCATE,
	OP_FALLOCATE,
	OP_FSYNC,
	OP_SEEK,
	OP_GETXATTR,
	OP_SETXATTR,
	OP_LISTXATTR,
	OP_REMOVEXATTR,
	OP_COPY, /* copy_file_range, sendfile, splice */
	OP_MMAP,
	OP_LOCK,
	OP_FD,	/* dup, fcntl, ioctl: about the descriptor */
	OP_CWD, /* chdir, fchdir, getcwd */
	METRICS_OPS_USED,
};

#define METRICS_OPS 40u

/* Who has answered. */
enum metrics_path {
	METRICS_PROCESS, /* the program itself, from shared memory */
	METRICS_RING,	 /* the same, but the daemon had to be asked for something first, over a ring */
	METRICS_KERNEL,	 /* the daemon, asked by the kernel: the mount */
	METRICS_PATHS,
};

enum metrics_result {
	METRICS_OK,
	METRICS_ERROR,
	METRICS_RESULTS,
};

/* Why the agent has handed a call to the kernel. */
enum metrics_handed {
	HANDED_ELSEWHERE, /* it concerns no file of the store */
	HANDED_REAL,	  /* it needs a real descriptor, which was put in the place of ours */
	HANDED_OUTSIDE,	  /* its path leads out of the store again */
	HANDED_PASSIVE,	  /* the process does what cannot be followed: all goes to the kernel */
	HANDED_NO_SEAT,	  /* all seats are taken: counted in struct metrics_shared */
	HANDED_USED,
};

#define METRICS_HANDED 8u
#define METRICS_ERRNOS 134u /* errors of Linux: 1 to 133 */

/* Latency: two buckets an octave, from 8 ns to 67 ms; the last one has no bound. See metrics_bucket(). */
#define METRICS_BUCKETS 48u

struct metrics_latency {
	uint64_t sum; /* ns */
	uint64_t bucket[METRICS_BUCKETS];
};

/* A seat's record. Only its task writes it, one instruction a counter. */
struct metrics_seat {
	uint64_t ops[METRICS_PATHS][METRICS_OPS][METRICS_RESULTS];
	uint64_t bytes[METRICS_PATHS][2]; /* of OP_READ, OP_WRITE */
	uint64_t handed[METRICS_HANDED];
	uint64_t paths_known, paths_walked; /* by the thread's memory of paths; by looking each name up */
	uint64_t names_found, names_absent; /* components that were looked up */
	uint64_t real_fds;		    /* descriptors that were made real */
	uint64_t errors[METRICS_ERRNOS];
	uint64_t spare[119];
	struct {
		struct metrics_latency op[METRICS_OPS];
		uint64_t spare[88];
	} latency[METRICS_PATHS];
};

_Static_assert(sizeof(((struct metrics_seat *)0)->latency[0]) == 16384, "four pages a path");
_Static_assert(offsetof(struct metrics_seat, latency) == 4096, "the counters are one page");
_Static_assert(METRICS_OPS_USED <= METRICS_OPS && HANDED_USED <= METRICS_HANDED, "room for those in use");

/* What the kernel was told to forget. */
enum metrics_inval {
	INVAL_NAME,
	INVAL_ATTR,
	INVAL_DATA,
	METRICS_INVALS,
};

/* Parts of a record, as bits of struct metrics_shared.parts. */
#define METRICS_PART_COUNTERS 1u
#define METRICS_PART_LATENCY(path) (2u << (path))

#define METRICS_TICK_SHIFT 20

/* The region's first page. */
struct metrics_shared {
	/* ns per 2^20 ticks of the processor's counter; 0: not known. Written by the daemon. */
	uint64_t tick;
	/* Atomic counters, of what happens seldom. */
	uint64_t invals[METRICS_INVALS];
	uint64_t deaths;	/* clients whose process ended, and that were cleared up after */
	uint64_t ring_requests; /* that the daemon has taken from a ring */
	uint64_t no_seat;	/* calls of tasks that found none, so have no record: handed to the kernel */
	uint64_t spare;
	uint8_t parts[POOL_TASKS]; /* of each record: what has memory. Only grows; by its task */
};

_Static_assert(sizeof(struct metrics_shared) <= POOL_PAGE, "one page");

#define METRICS_BYTES (POOL_PAGE + POOL_TASKS * sizeof(struct metrics_seat))

/* Bounds in ns of bucket i, inclusive: 8 12 16 24 32 48... */
static inline uint64_t metrics_bound(unsigned i)
{
	return (i & 1 ? 12ull : 8ull) << (i / 2);
}

static inline unsigned metrics_bucket(uint64_t ns)
{
	uint64_t n = ns > 8 ? ns - 1 : 0;
	unsigned top;

	if (n < 8)
		return 0;
	top = 63 - (unsigned)__builtin_clzll(n);
	return min_of(1 + (top - 3) * 2 + (unsigned)(n >> (top - 1) & 1), METRICS_BUCKETS - 1);
}
