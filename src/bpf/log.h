/*
 * The text that a load leaves for its user, in the caller's buffer, as the
 * kernel fills bpf_attr.log_buf: always NUL-terminated, cut when it is full.
 * One thread at a time.
 */
#pragma once

#include <stddef.h>

#include "base/compiler.h"

struct log {
	char *buf;   /* the caller's; NULL: count only */
	size_t size; /* of buf */
	size_t used; /* bytes that a buffer large enough would hold, without the NUL */
};

/* A NULL log swallows everything. */
void log_printf(struct log *log, const char *fmt, ...) printf_like(2, 3);
/* Forgets what was written behind `used`. */
void log_cut(struct log *log, size_t used);
/* Did something not fit? */
static inline bool log_full(const struct log *log)
{
	return log && log->buf && log->used >= log->size;
}
