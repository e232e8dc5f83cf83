/*
 * Digest of a sparse file: of each 4 KiB page that is not all zeros, found
 * through SEEK_DATA. Holes and written zeros count alike; data that the file
 * system takes for a hole is missed, and so found out.
 */
#pragma once

#include "result.h"

struct digest_source {
	int64_t (*seek)(void *arg, int64_t off, int whence);
	int64_t (*read)(void *arg, void *buf, size_t len, int64_t off);
	void *arg;
};

/* Sets the result's return value (pages that are not zero, or -errno) and text. */
void digest_file(const struct digest_source *src, struct result *r);

/* What was read: itself where it is short, else length, hash and the beginning. */
void digest_read(struct result *r, const void *buf, size_t len);
