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

/* Makes room for n bytes and the NUL; false: the buffer is too small for ever. */
static bool log_room(struct log *log, size_t n)
{
	if (log->used - log->gone + n < log->size)
		return true;
	log->full = true;
	if (n >= log->size)
		return false;
	log_drop(log, max_of(log->size / 2, n + 1));
	return true;
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
	if (log->buf && log_room(log, len))
		memcpy(log->buf + (log->used - log->gone), line, len + 1);
	else
		log->gone += len;
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
