/*
 * Objects that the table of sites does not know. Whoever makes system calls
 * without libc (Rust's rustix, run-times of other languages) would pass the
 * agent by, and close a descriptor behind its back: so such an object is
 * looked through before the program runs, once.
 *
 * A small object in which the two bytes of `syscall` occur nowhere has no sites;
 * it is noted in "<table>.seen", and the launcher has it remembered. For others the
 * scanner, "<table>.scan", runs here, and the start waits for it: about 5 ms, once
 * for a build. Programs that are made and run once, as by configure, cost some
 * microseconds so. Where the scanner cannot run, or does not find what the table lacks, all of the
 * program's files are left to the kernel.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/patch.h"

#define UNKNOWN_MAX 16u

struct unknown {
	uint32_t n;
	bool more;		       /* than these */
	bool again;		       /* they were added once already */
	const char *path[UNKNOWN_MAX]; /* for the scanner, from its own place in /proc */
};

/* Where the table is: kept as a copy. */
void unknown_start(const char *table);

/*
 * The table has nothing on the object at `path` (kept, not copied), where another
 * process can open it. `text`: its code, mapped.
 */
void unknown_add(struct unknown *u, const struct segment *text, const char *path);

/* How many filters on system calls the launcher runs under. */
void unknown_filters(uint32_t n);

/* Has them scanned. 1: look again, the table may know more now; 0: there was nothing to scan; -errno: it can't be. */
int unknown_scan(const struct unknown *u);
