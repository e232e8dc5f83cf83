/*
 * The text of a load: the buffer holds its bytes [gone, used). When there is no
 * room the older half is dropped, so that a long text costs linear time.
 */
#include "bpf/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void log_drop(struct log *log, size_t n)
{
	size_t held = log->used - log->gone;

	n = min_of(n, held);
	memmove(log->buf, log->buf + n, held - n + 1);
	log->gone += n;
	log->full = true;
}

/* Appends n bytes, of which the buffer can hold at least the last. */
static void log_put(struct log *log, const char *text, size_t n)
{
	size_t keep = min_of(n, log->size - 1);

	if (log->used - log->gone + n >= log->size)
		log_drop(log, max_of(log->size / 2, keep + 1));
	memcpy(log->buf + (log->used - log->gone), text + (n - keep), keep);
	log->buf[log->used - log->gone + keep] = 0;
	log->gone += n - keep;
}

void log_printf(struct log *log, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	size_t len;
	int n;

	if (!log)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n <= 0)
		return;
	len = min_of((size_t)n, sizeof(line) - 1);
	if (log->buf && log->size)
		log_put(log, line, len);
	log->used += len;
}

void log_cut(struct log *log, size_t used)
{
	if (!log || used >= log->used)
		return;
	log->used = used;
	log->gone = min_of(log->gone, used);
	if (log->buf && log->size)
		log->buf[used - log->gone] = 0;
}
