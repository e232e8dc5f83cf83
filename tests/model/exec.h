/*
 * Executors: the same operations on different file systems.
 *	model	the plain model (model.h) under vfs.c
 *	store	the store through fs.h, under vfs.c, on a pool in a memfd
 *	direct	the same with the store's own path walk and open files, as a program
 *		that works in the pool uses them
 *	posix	system calls below a directory: tmpfs, a FUSE mount, ext4
 *	mixed	the same, of which an agent in the process sees half
 *
 * An instance is one file system; a session is one thread's view of it: a root
 * directory, descriptor slots, credentials. Sessions of an instance may run at
 * the same time, each on its own thread.
 */
#pragma once

#include "result.h"

/* What truncate() to the size that the file has does to its times. All three are POSIX. */
enum same_size {
	SAME_SIZE_KEEPS,	 /* nothing */
	SAME_SIZE_TOUCHES_PAGES, /* as any change if the file has pages: tmpfs (shmem_truncate_range) */
	SAME_SIZE_TOUCHES,
};

struct exec_params {
	const char *dir;       /* posix: where to make the test directory */
	uint64_t size, inodes; /* store: of the pool; 0: the default */
	bool multiuser;	       /* operations come from several users: the root directory is open to all */
	bool link_policy;      /* the kernel's fs.protected_* sysctls apply: the other side is a mount */
	/* Model: what the other executor's file system does differently. */
	int64_t size_max;
	bool zero_range, allocated_again_is_data, unknown_max; /* model.h */
	enum same_size same_size;
};

struct exec_usage {
	int64_t blocks, inodes;
};

struct exec_fs;
struct exec;

struct exec_kind {
	const char *name;
	/* NULL on failure, reported on stderr. */
	struct exec_fs *(*open)(const struct exec_params *p);
	void (*close)(struct exec_fs *fs);
	/* Called on the session's thread; `sub`: name of the session's own directory, NULL: the root itself. */
	struct exec *(*session)(struct exec_fs *fs, const char *sub);
	void (*end)(struct exec *e);
	void (*run)(struct exec *e, const struct op *o, bool probe, struct result *r);
	/* Verifies the file system's invariants; complaints go to `f`. Returns how many. NULL: nothing to check. */
	int64_t (*verify)(struct exec *e, FILE *f);
	/* Space in use. NULL: not known, others use it too. */
	void (*usage)(struct exec *e, struct exec_usage *u);
	bool logical; /* times come from exec_clock */
};

extern const struct exec_kind exec_model, exec_store, exec_direct, exec_posix, exec_mixed;

/* Sets pool.refuse of a store's instance (shm/pool.h). */
void exec_store_refuse(struct exec_fs *fs, bool (*refuse)(void *arg), void *arg);

/* The clock of executors with logical time; set by the runner on the session's thread before each operation. */
extern _Thread_local struct timespec exec_clock;
