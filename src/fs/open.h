/*
 * Open files of direct clients. A client has a table of handles, each leading
 * to an open file; dup and fork make more handles of one open file, and the
 * inode counts them all (nopen). What a dead client had open is dropped by
 * whoever clears up after it.
 */
#pragma once

#include "fs/internal.h"

/* Takes an open file into the hand. -EBADF: the handle is out of bounds. */
int open_take(struct task *t, uint32_t handle, uint32_t *file);
/* Enters the taken one into the table, in the open transaction and under the inode's lock. -EBADF: handle in use. */
int open_link(struct task *t, struct inode *i, int flags, uint32_t handle, uint32_t file);
/* Closes everything that a client (one that is dead, or leaves) has open. -EUCLEAN: nothing is closed. Holding no lock.
 */
int open_drop_all(struct task *t, uint32_t client) must_check;
/* Handles in use, for status and the checker: calls f (unless NULL) for each. Frozen, or approximate. */
uint32_t open_each(const struct fs *fs, uint32_t client, void (*f)(void *arg, uint32_t file), void *arg);
/*
 * Has a client that lives this inode open for writing, as the kernel does not know? What a fork has shared it knows:
 * the parent saw to that (vfs/fork.c). Looks at all that is open.
 */
bool open_has_writer(struct task *t, fs_ino ino);
