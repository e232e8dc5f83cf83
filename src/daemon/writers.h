/*
 * How many descriptors the kernel holds that files may be written through. Of an
 * inode that has none no write can be under way in the kernel; what several inodes
 * share a counter costs time, not truth. Any thread, no memory to be had.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define WRITERS 4096u

struct writers {
	uint32_t count[WRITERS]; /* by the inode's number. Atomic */
};

/* One more, one less. Full barriers. */
void writers_add(struct writers *w, uint32_t ino);
void writers_drop(struct writers *w, uint32_t ino);
/* Are there any? A full barrier in front of the look. */
bool writers_any(const struct writers *w, uint32_t ino);
