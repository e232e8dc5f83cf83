/*
 * The file of a world goes with the last process that uses it: nobody has it
 * open or mapped, and nothing in it is pinned. Freestanding; any thread.
 */
#pragma once

#include "base/compiler.h"

/*
 * This process, and all to which it hands `fd` (just opened at `path`), use the
 * world from now on. -EAGAIN: it has been taken away meanwhile, open it anew.
 */
int world_use(int fd, const char *path) must_check;
/* The world at `path` is taken away if nobody uses it. The caller has let go of all that it had of it. */
void world_remove_unused(const char *path);
/* Does `path` lead to the file `fd`? */
bool world_is_named(int fd, const char *path);
/*
 * At most one process is the world's keeper (bpfd/keeper.h); with the process the lock goes too.
 * 0; -EAGAIN: another one is. The lock is this open file description's.
 */
int world_lock_keeper(int fd, bool on);
/* The file `fd` loses the name `path`, if it still has it; who uses it keeps it. */
void world_move_away(int fd, const char *path);
