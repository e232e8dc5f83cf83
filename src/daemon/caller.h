/* Who asks, as far as a request does not tell: supplementary groups and capabilities. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* What FUSE tells. Ids of the daemon's namespaces; pid is a thread's, 0 where that has no number here. */
struct caller {
	pid_t pid;
	uid_t uid;
	gid_t gid; /* fsgid */
};

/*
 * Neither in the group nor with CAP_FSETID: then a setgid bit of the group is
 * not the caller's to keep. Reads /proc (some 20 us) where fsgid does not decide;
 * where that says nothing, root is none, everybody else is. Any thread.
 */
bool caller_is_stranger(const struct caller *c, gid_t gid);
