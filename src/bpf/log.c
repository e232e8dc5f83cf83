/* The text of a load: a bounded buffer that knows how long it wanted to be. */
#include "bpf/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_printf(struct log *log, const char *fmt, ...)
{
	va_list ap;
	size_t room;
	int n;

	if (!log)
		return;
	room = log->buf && log->used < log->size ? log->size - log->used : 0;
	va_start(ap, fmt);
	n = vsnprintf(room ? log->buf + log->used : NULL, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		log->used += (size_t)n;
}

void log_cut(struct log *log, size_t used)
{
	if (!log || used >= log->used)
		return;
	log->used = used;
	if (log->buf && used < log->size)
		log->buf[used] = 0;
}
