/*
 * What the tests of the store share: a pool in a memfd, a process's place in
 * it, and ways to fail. Every function here ends the process with status 1
 * when something goes wrong that the test did not ask for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "fs/fs.h"
#include "fs/layout.h"
#include "shm/txn.h"

/* This process's place in a pool. Must not move while it is attached. */
struct rig {
	struct fs fs;
	struct task t;
};

struct rig_size {
	uint64_t bytes;
	uint64_t inodes;
};

void rig_fail(const char *file, int line, const char *what, long got) __attribute__((noreturn));

/* The value of a call that must not return an error. */
#define must(call)                                                                                                     \
	__extension__({                                                                                                \
		long must_got = (long)(call);                                                                          \
		if (must_got < 0)                                                                                      \
			rig_fail(__FILE__, __LINE__, #call, must_got);                                                 \
		must_got;                                                                                              \
	})

#define expect(cond)                                                                                                   \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			rig_fail(__FILE__, __LINE__, #cond, 0);                                                        \
	} while (0)

/* A call that must return just this. */
#define expect_is(call, want)                                                                                          \
	do {                                                                                                           \
		long expect_got = (long)(call);                                                                        \
		if (expect_got != (long)(want))                                                                        \
			rig_fail(__FILE__, __LINE__, #call " is not " #want, expect_got);                              \
	} while (0)

/* A new pool, formatted; the caller owns the descriptor. */
int rig_memfd(struct rig_size size);
/* Attaches this process, and one task. Takes `fd` over. Flags: enum fs_attach_flags; the task's follow. */
void rig_attach(struct rig *r, int fd, unsigned flags);
void rig_detach(struct rig *r);
/* Both in one. */
void rig_open(struct rig *r, struct rig_size size);

static inline struct fs_name rig_name(const char *s)
{
	return (struct fs_name){.s = s, .len = __builtin_strlen(s)};
}

/* fs_check must find nothing. `when` is shown where it does. */
void rig_clean(struct task *t, const char *when);

/* The inode of a path from the root, "" for the root itself. */
fs_ino rig_walk(struct task *t, const char *path);
/* Makes something at a path whose directory exists; mode with type. */
fs_ino rig_make(struct task *t, const char *path, uint32_t mode);
/* Bytes that can be told from each other by where they stand. */
void rig_pattern(unsigned char *buf, size_t len, uint64_t off, unsigned seed);
void rig_write(struct task *t, fs_ino ino, uint64_t off, size_t len, unsigned seed);
/* The directory of a path, and its last name. */
fs_ino rig_parent(struct task *t, const char *path, struct fs_name *name);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t rig_now(void);
/* xorshift64*, never 0 as a state. */
uint64_t rig_random(uint64_t *state);
