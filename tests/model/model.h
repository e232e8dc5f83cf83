/*
 * The plain model: what Linux's tmpfs does, written to be read, not to be
 * fast. It shares no code and no idea with the store: pointers, arrays that
 * are searched from end to end, one page after another. One thread.
 */
#pragma once

#include "exec.h"
#include "node.h"

struct model;

struct model_options {
	int64_t size_max; /* largest file */
	/*
	 * The kernel does not know that limit, as on every FUSE mount: it takes set-id bits before it asks
	 * for what is then refused, and does not ask for a copy of nothing.
	 */
	bool unknown_max;
	bool zero_range; /* FALLOC_FL_ZERO_RANGE is there (not in tmpfs) */
	enum same_size same_size;
	bool allocated_again_is_data; /* fallocate over pages that another one allocated (tmpfs fills them then) */
	uint32_t root_mode;
	uid_t root_uid;
	gid_t root_gid;
};

struct model *model_new(const struct model_options *o);
void model_free(struct model *m);

/* The session pointer is the struct model. The root is FS_ROOT. */
extern const struct node_ops model_ops;
