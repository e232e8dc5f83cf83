/*
 * The text that a load leaves for its user, in the caller's buffer, as the
 * kernel fills bpf_attr.log_buf: always NUL-terminated. Of a text that does not
 * fit, the end is kept: it says why. One thread at a time.
 */
#pragma once

#include <stddef.h>

#include "base/compiler.h"

struct log {
	char *buf;   /* the caller's; NULL: count only */
	size_t size; /* of buf */
	size_t used; /* bytes that a buffer large enough would hold, without the NUL */
	size_t gone; /* of these: dropped from the front */
	bool full;   /* something was dropped */
};

/* A NULL log swallows everything. */
void log_printf(struct log *log, const char *fmt, ...) printf_like(2, 3);
/* Forgets what was written behind `used`. */
void log_cut(struct log *log, size_t used);
/* Did something not fit? */
static inline bool log_full(const struct log *log)
{
	return log && log->full;
}
