/*
 * The objects that are mapped, and the table of their sites. The table's file
 * is mapped only while it is looked up.
 */
#pragma once

#include "agent/patch.h"

/* Where the table file is. Kept; at most 255 bytes, or nothing is ever found. */
void object_table(const char *path);

/*
 * Patches every object of the link map that the dynamic loader has built, and
 * the loader itself. Nothing else may be running. Returns how many sites; 0: nothing is
 * patched. -errno: the C library is, something else could not be.
 */
int object_patch_all(const unsigned long *auxv);

/*
 * A file was mapped executable: [at, at + len) from `off` of `fd`. Looks up
 * its build and patches it. Called before the program learns of the mapping.
 * -errno: there may be calls in it that are not caught.
 */
int object_mapped(void *at, size_t len, int fd, uint64_t off);
/* The program is about to unmap this: agent_patch_number must not look there again. */
void object_unmapped(const void *at, size_t len);
/* In a forked child: another thread of the parent may have held the lock. */
void object_forked(void);
