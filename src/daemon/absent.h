/*
 * Names that the kernel was told are absent, by directory: what the store's
 * filter of a directory stands for, so that they can be dropped by name. Of
 * a directory whose list is full, and when there are too many in all, the kernel
 * is to keep no further absences. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct absent;

struct absent_name {
	struct absent_name *next;
	uint8_t len;
	char name[];
};

/* -ENOMEM. */
int absent_open(struct absent **out) must_check;
void absent_close(struct absent *a);

/* False: the kernel is not to keep it. `seen`: it may be in the list already. */
bool absent_add(struct absent *a, uint32_t dir, const char *name, size_t len, bool seen);
/* Takes the directory's list, which is the caller's then: absent_free. */
struct absent_name *absent_take(struct absent *a, uint32_t dir);
void absent_free(struct absent_name *list);
