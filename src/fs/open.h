/*
 * Open files of direct clients: a table of handles a client, each the cell of
 * an open file, which holds its inode. What a dead client had open is dropped
 * by whoever clears up after it.
 */
#pragma once

#include "fs/internal.h"

/* Takes a cell for an open file into the hand. -EBADF: the handle is out of bounds. */
int open_take(struct task *t, uint32_t handle, uint32_t *cell);
/* Enters the taken cell into the table, in the open transaction and under the inode's lock. -EBADF: handle in use. */
int open_link(struct task *t, struct inode *i, int flags, uint32_t handle, uint32_t cell);
/* Closes everything that a client (one that is dead, or leaves) has open. */
void open_drop_all(struct task *t, uint32_t client);
/* Handles in use, for status and the checker: calls f(ino) for each of them. Frozen or approximate. */
uint32_t open_each(const struct fs *fs, uint32_t client, void (*f)(void *arg, fs_ino ino, uint32_t cell), void *arg);
