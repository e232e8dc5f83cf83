/*
 * What another program writes to standard error, caught so that it can be said
 * in this program's own one line. Swaps descriptor 2 of the whole process: for
 * a process that has no other thread yet.
 */
#pragma once

#include <stddef.h>

struct capture {
	int saved; /* the true standard error */
	int file;
};

/* Begins; where that fails, nothing is caught and capture_end gives an empty text. */
void capture_begin(struct capture *c);
/* Puts standard error back and fills `text` (size > 0) with the last line that was written. */
void capture_end(struct capture *c, char *text, size_t size);
