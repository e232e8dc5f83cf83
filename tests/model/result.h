/*
 * What an executor reports of one operation, and the judgement whether two
 * executors agree.
 *
 * Times differ between executors, as they run at different moments. Those with
 * a logical clock (the model, and the store through its clock hook) stamp
 * operation k of a session with result_stamp(k); those on a mounted file
 * system stamp it with the kernel's time, which must lie between the start and
 * the end of operation k. So "which operation set this time" is compared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fs/fs.h"
#include "op.h"

#define RESULT_PROBES 4

/* An object's attributes, observed after the operation. err: -errno, or 0 and attr is valid. */
struct probe {
	const char *what;
	int err;
	struct fs_attr attr;
};

struct result {
	int64_t ret; /* as the system call, -errno on failure */
	struct probe probe[RESULT_PROBES];
	int nprobe;
	char *text; /* bytes read, names listed; malloc */
	size_t text_len;
};

void result_clear(struct result *r);
/* Takes a copy of the bytes. */
void result_text(struct result *r, const void *text, size_t len);
void result_print(FILE *f, const struct result *r);

/* What an executor's file system has; comparisons use what both have. */
enum trait {
	TRAIT_ATIME = 1 << 0, /* atime follows the relatime rule at each read */
	TRAIT_BTIME = 1 << 1,
	TRAIT_BLOCKS = 1 << 2, /* st_blocks counts the pages that hold data, at once */
	TRAIT_HOLES = 1 << 3,  /* SEEK_DATA and SEEK_HOLE tell pages exactly */
	TRAIT_FIRST = 1 << 4,  /* the same of a file's first page: nothing is kept inline */
	TRAIT_ALL = (1 << 5) - 1,
};

/* The session's time line. */
struct timeline {
	struct timespec start;	      /* of the session: no file system time before it comes from "now" */
	struct timespec *begin, *end; /* of each operation, or NULL: logical clock */
	size_t n;		      /* operations so far */
	bool ticking;		      /* each operation had a clock tick of its own */
};

struct timespec result_stamp(const struct timeline *t, size_t op);

/* 0, or a word for what differs. */
const char *result_compare(const struct op *o, const struct result *a, const struct timeline *ta,
			   const struct result *b, const struct timeline *tb, unsigned traits);
