/*
 * What a hooked process asks the daemon for on the mount's rings (ring/ring.h):
 * operations, and the bytes of a request's inline part. Answers are a result, 0
 * or -errno. No argument of a request is more than a hint: the daemon checks it
 * as it checks what comes from anywhere.
 */
#pragma once

#include "shm/task.h"

enum control_op {
	/* Nothing; the daemon watches the process from now on, and clears up at once when it dies. */
	CONTROL_OP_HELLO = 1,
	/* struct control_op_stale: have the kernel forget. Answered when it has. */
	CONTROL_OP_STALE = 2,
};

struct control_op_stale {
	uint32_t n; /* items */
	uint32_t reserved;
	struct stale_list list;
};

_Static_assert(sizeof(struct control_op_stale) == 8 + 64 + 512, "wire format");
