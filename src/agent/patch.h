/*
 * Overwriting code.
 *
 * The stubs of a batch of patches lie in pages of their own near the object,
 * filled before they become executable. The object's pages are never writable
 * and executable at once. Two ways in:
 *
 *	patch_fresh	nobody executes the object yet (start, dlopen): its pages
 *			are made writable, patched, and made executable again.
 *	patch_live	other threads may be executing it: each page is copied,
 *			the copy patched, and moved into place by mremap, so that
 *			a thread finds the old bytes or the new ones. Only sites
 *			whose window is one instruction in front of the syscall:
 *			a thread may stand between two.
 */
#pragma once

#include "agent/agent.h"
#include "sites/table.h"

/* An executable segment that is mapped: file offsets [off, off + len) at `base`. */
struct segment {
	uint8_t *base;
	uint64_t off;
	uint64_t len;
};

/* Which sites: those for which this is true. */
typedef bool (*patch_choice)(const struct site *s, const void *arg);

/*
 * Patches the chosen ones of the `n` sites that lie in the segment. A site
 * whose bytes differ from the table's is left alone. Returns how many are
 * patched, or -errno (nothing is, then).
 */
int patch_fresh(const struct segment *seg, const struct site *sites, uint32_t n, patch_choice want, const void *arg);
int patch_live(const struct segment *seg, const struct site *sites, uint32_t n, patch_choice want, const void *arg);

/* The same as patch_fresh with the stubs where the caller wants them. */
struct patch_batch {
	uint8_t *stubs;	    /* in: where they are to be */
	uint64_t stubs_len; /* out: bytes of them */
	uint64_t low, high; /* out: the pages with patched code, in the segment */
	int sites;	    /* out: patched */
};
int patch_placed(const struct segment *seg, const struct site *sites, uint32_t n, patch_choice want,
		 struct patch_batch *b);

/*
 * Writes the stub of `s` to `out`, which will be executed at `at` (its own
 * address in tests), for code at `code` (address of the syscall instruction).
 * Returns its length, at most STUB_MAX; 0: does not reach.
 */
#define STUB_MAX 64u
uint32_t patch_stub(uint8_t *out, uint64_t at, const struct site *s, uint64_t code);
/*
 * Overwrites the window (`w`: where it can be written now, `at`: its address
 * when it runs) with the jump to `stub`. For SITE_PAD, `pad` likewise.
 */
void patch_window(uint8_t *w, uint64_t at, const struct site *s, uint64_t stub);
