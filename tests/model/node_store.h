/* The store as node_ops; `s` is a struct node_seat. */
#pragma once

#include "node.h"

/* What a walk led to, and the way it took. */
struct node_way {
	uint64_t key; /* of start, path, flags and user; 0: none */
	fs_ino ino;
	uint32_t nvia;
	struct fs_via via[FS_WALK_VIA];
};

#define NODE_WAYS 64

struct node_seat {
	struct task task; /* first: the session is a task too */
	struct node_way way[NODE_WAYS];
};

extern const struct node_ops store_ops;
/* The store's own path walk, dup and offsets besides: what a direct client uses. Fill before use. */
extern struct node_ops direct_ops;
void direct_ops_fill(void);
