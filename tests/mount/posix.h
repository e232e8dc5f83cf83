/*
 * What the checks of tests/mount/posix*.c share.
 *
 * A check is a function that runs in a process of its own, in a new empty
 * directory (its working directory), with a time limit. It ends by returning
 * (passed), by a failed expectation, or by skip(). Whatever it leaves behind is
 * removed for it. Expectations that fail print file, line and what was seen,
 * and end the process with 1.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

struct check {
	const char *name;
	void (*run)(void);
};

/* One table a file, ended by a NULL name. */
extern const struct check names_checks[];
extern const struct check rename_checks[];
extern const struct check perm_checks[];
extern const struct check setid_checks[];
extern const struct check time_checks[];
extern const struct check data_checks[];
extern const struct check hole_checks[];
extern const struct check map_checks[];
extern const struct check lock_checks[];
extern const struct check xattr_checks[];
extern const struct check race_checks[];

/* All of a program's tables, ended by NULL. */
extern const struct check *const check_tables[];

_Noreturn void fail(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The check says nothing here: `why` (no root, no such feature in this kernel). */
_Noreturn void skip(const char *why);

/* The call succeeds; yields its value. */
#define must(call) expect_value((long)(call), __FILE__, __LINE__, #call)
/* The call fails with just this error. */
#define fails(call, error) expect_error((long)(call), error, __FILE__, __LINE__, #call)
#define same(got, want) expect_same((long long)(got), (long long)(want), __FILE__, __LINE__, #got)
#define is(cond)                                                                                                       \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			fail(__FILE__, __LINE__, "not so: %s", #cond);                                                 \
	} while (0)

long expect_value(long ret, const char *file, int line, const char *text);
void expect_error(long ret, int error, const char *file, int line, const char *text);
void expect_same(long long got, long long want, const char *file, int line, const char *text);

/* ---- Short hands: each ends the check where it can't do what it says ------ */

/* Creates `path` with these permission bits, umask aside, and `text` in it. */
void put(const char *path, mode_t mode, const char *text);
/* The file holds exactly `text`. */
void holds(const char *path, const char *text);
/* The descriptor's file holds exactly these bytes, from offset 0 to its end. */
void fd_holds(int fd, const void *want, size_t len);
/* A new file `f`, open for both. */
int new_file(void);
int new_file_named(const char *name);
/* What lies there are zeros, or is `text`. */
void zeros_at(int fd, off_t off, size_t len);
void bytes_at(int fd, off_t off, const char *text);
/* mkdir, umask aside. */
void make_dir(const char *path, mode_t mode);
struct stat stat_of(const char *path); /* lstat */
struct stat stat_fd(int fd);
mode_t mode_of(const char *path); /* permission bits only */
bool exists(const char *path);
/* Names in a directory, but for "." and "..". */
int count_names(const char *path);

/* Sleeps until the kernel's coarse clock has moved on: a later change has a later time. */
void tick(void);
/* The working directory lies on FUSE (and not on the tmpfs that is asked for comparison). */
bool on_fuse(void);
void need_root(void);

/* Waits for a child, which must end with 0. */
void join(pid_t pid);
/* Likewise with whatever status: which. */
int status_of(pid_t pid);

/* as_user(uid, gid) { ... }: the block runs in a child with these ids, no groups and no capabilities. */
#define as_user(uid, gid) for (int user_once = user_begin(uid, gid); user_once; user_once = user_end())
int user_begin(uid_t uid, gid_t gid);
int user_end(void); /* ends the child */
