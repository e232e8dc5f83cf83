/* A directory or name list as a result: sorted, so that the order that a file system chose does not matter. */
#pragma once

#include "result.h"

struct listing {
	struct listing_entry {
		char type; /* d, f, l, p, s, c, b */
		char name[257];
	} * v;
	size_t n, cap;
};

void listing_add(struct listing *l, uint32_t mode, const char *name);
/* The entries as the result's text, their number as its return value. Frees the listing. */
void listing_finish(struct listing *l, struct result *r);
/* A NUL-separated list of attribute names, sorted. */
void listing_names(struct result *r, const char *list, size_t len);
