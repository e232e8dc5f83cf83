/* What a sparse file holds: the blocks in which some byte is not zero. */
#pragma once

#include "rig.h"

struct content {
	uint64_t size;
	size_t n;
	struct content_block {
		uint64_t number;
		unsigned char bytes[FS_BLOCK_SIZE];
	} * blocks; /* by number */
};

void content_load(struct content *c, struct task *t, fs_ino ino);
void content_free(struct content *c);
/*
 * Is `now` what a death can leave between two contents: its size one of
 * theirs or on a block's end in between, each byte one of theirs?
 */
bool content_between(const struct content *before, const struct content *after, const struct content *now);
