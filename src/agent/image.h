/*
 * Images: an object's code as patching leaves it, kept in a file and mapped over
 * the code by every process that comes later. Such a process copies no page.
 *
 * The file is the object's own, with the patched pages in their place, so that
 * who looks for symbols by address finds them. Behind it lie the stubs, and the
 * header in a page of its own. Stubs are IMAGE_BELOW in front of the segment:
 * with the distance the same everywhere, so are all jumps.
 *
 *	file:	object ... patched pages ... │ stubs │ header
 *	memory:	stubs    <- IMAGE_BELOW ->    segment, its patched pages mapped
 *
 * An image is told by the object's build, the agent's and the numbers whose sites are patched. Only a
 * process that was started for it makes images: see image_make.
 */
#pragma once

#include "agent/patch.h"

#define IMAGE_BELOW ((uint64_t)1 << 30)

/* Images lie in the directory `<table>.img`. `make`: this process makes those that are missing. */
void image_start(const char *table, bool make);

/* What an image is of. */
struct image_of {
	const struct segment *seg;
	const uint8_t *id; /* build id */
	uint32_t id_len;
	const struct site *sites;
	uint32_t n;
	patch_choice want;
	const char *file; /* of the object, for image_make; NULL: not known */
};

/* Maps the image over the segment. Returns how many sites are patched by it, 0 where there is none. */
int image_map(const struct image_of *of);

/*
 * Patches the segment and makes an image of it, where this process is to. Returns
 * as patch_fresh does; 0: it is not to, or the place for the stubs is taken.
 */
int image_make(const struct image_of *of);
