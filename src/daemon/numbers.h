/*
 * Inodes that the kernel was given by number (FS_BY_NUMBER). Its entries for these
 * names are of no use once the file is open, and hold the inode as long as the
 * kernel has memory: so they are remembered here, to be dropped a moment later.
 * Any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct numbers;

int numbers_open(struct numbers **out) must_check; /* -ENOMEM */
void numbers_close(struct numbers *n);

#define NUMBERS_CREATED 0x80000000u /* and a number: by the name with FS_BY_CREATION. Inodes are fewer */

/* The kernel is being given the name of `ino`. Without memory it is not remembered: the kernel keeps it for longer. */
void numbers_add(struct numbers *n, uint32_t ino);
/* Takes up to `max` that were added before the last call of numbers_age. Returns how many. */
size_t numbers_take(struct numbers *n, uint32_t *ino, size_t max);
/* All that is there is old from now on. Returns how many. */
size_t numbers_age(struct numbers *n);
