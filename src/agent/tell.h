/*
 * What the kernel is to forget, told to the daemon: over the mount's rings, and
 * where that is not to be had (no memory, no free channel, a child that shares its
 * parent's memory) over the control socket.
 */
#pragma once

#include "fs/fs.h"

#define TELL_STORES 16u

/* A store of this process, TELL_STORES at most, so that it can have a channel; before the first telling. */
void tell_register(const struct fs *fs);

/*
 * Has the daemon make the kernel forget; returns when it has, or when there is no
 * daemon: then there is no mount that could be wrong, and the next one starts with
 * nothing. A struct vfs_host's `invalidate`; arg: the struct fs.
 */
void tell_stale(void *arg, const struct stale_list *list, uint32_t n);
