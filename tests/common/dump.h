/*
 * The state of a file system as text, a line a name, so that two states can be
 * compared and a difference shown: type, mode, links, owner, size, blocks,
 * attributes, and a hash of the content. Times and numbers of inodes are left out.
 */
#pragma once

#include "rig.h"

enum dump_flags {
	DUMP_SPACE = 1 << 0, /* also what depends on space: blocks, and the counts of what is free */
	DUMP_LOOSE = 1 << 1, /* leave out size, blocks and content of the file "target" */
};

/* To be freed by the caller. */
char *dump_state(struct task *t, unsigned flags);
/* The first line in which they differ, of each: for a message. */
void dump_diff(const char *a, const char *b);
