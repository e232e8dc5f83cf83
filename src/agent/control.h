/* The agent's end of the daemon's control socket: where the rings are not to be had, see tell.h. */
#pragma once

#include "fs/fs.h"

/* Has the daemon make the kernel forget; returns when it has. A struct vfs_host's `invalidate`; arg: the struct fs. */
void control_stale(void *arg, const struct stale_list *list, uint32_t n);
