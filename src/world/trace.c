/*
 * A writer takes its bytes by adding to trace_head, fills them, and stores the
 * record's first word last: the position it was written for, so that a record
 * that is not whole, or was overwritten since, is told from one that is.
 * A writer that died in between leaves a record that never becomes whole;
 * readers step over it when the log goes on behind it.
 *
 *	word 0	position << 16 | bytes of the record / 8
 *	word 1	position, stored before the bytes: a guess at where the next one is
 *	then	struct tracelog_line up to the end of its text
 */
#include "world/trace.h"

#include <errno.h>

#include "base/mem.h"

#define HEAD 16u /* the two words */

static char *at_pos(const struct world *w, uint64_t pos)
{
	return w->table->trace + pos % WORLD_TRACE;
}

static uint64_t stamp(uint64_t pos, uint32_t bytes)
{
	return pos << 16 | bytes / 8;
}

/* A record lies in one piece or wraps: both by bytes of 8. */
racy_read static void put(const struct world *w, uint64_t pos, const void *src, uint32_t n)
{
	uint32_t room = (uint32_t)(WORLD_TRACE - pos % WORLD_TRACE), k = min_of(n, room);

	mem_copy(at_pos(w, pos), src, k);
	if (n > k)
		mem_copy(w->table->trace, (const char *)src + k, n - k);
}

racy_read static void get(const struct world *w, uint64_t pos, void *dst, uint32_t n)
{
	uint32_t room = (uint32_t)(WORLD_TRACE - pos % WORLD_TRACE), k = min_of(n, room);

	mem_copy(dst, at_pos(w, pos), k);
	if (n > k)
		mem_copy((char *)dst + k, w->table->trace, n - k);
}

static uint64_t *word(const struct world *w, uint64_t pos)
{
	return (uint64_t *)(void *)at_pos(w, pos);
}

void tracelog_write(struct world *w, const struct tracelog_line *line)
{
	uint32_t len = min_of(line->len, TRACE_TEXT - 1);
	uint32_t body = (uint32_t)offsetof(struct tracelog_line, text) + len + 1, bytes = round_up(HEAD + body, 8u);
	uint64_t pos = fetch_add(&w->table->trace_head, bytes);

	store_release(word(w, pos), 0);
	store_release(word(w, pos + 8), stamp(pos, bytes));
	put(w, pos + HEAD, line, body);
	store_release(word(w, pos), stamp(pos, bytes));
}

uint64_t tracelog_start(const struct world *w, bool all)
{
	uint64_t head = load_acquire(&w->table->trace_head);

	if (!all)
		return head;
	return head <= WORLD_TRACE ? 0 : head;
}

int tracelog_read(const struct world *w, uint64_t *at, struct tracelog_line *out)
{
	uint64_t head = load_acquire(&w->table->trace_head), pos = *at, first, guess;
	uint32_t bytes, body;

	if (pos == head)
		return 0;
	if (head - pos > WORLD_TRACE - 4096) {
		*at = head;
		return -EAGAIN;
	}
	first = load_acquire(word(w, pos));
	guess = load_acquire(word(w, pos + 8));
	if (guess >> 16 != pos)
		return 0;
	bytes = (uint32_t)(guess & 0xffff) * 8;
	if (bytes < HEAD + offsetof(struct tracelog_line, text) || bytes > HEAD + sizeof *out + 8) {
		*at = head;
		return -EAGAIN;
	}
	if (first != guess) { /* being written, or its writer is dead: then the log has gone on long since */
		if (head - pos > WORLD_TRACE / 2)
			*at = pos + bytes;
		return 0;
	}
	body = min_of(bytes - HEAD, (uint32_t)sizeof *out);
	get(w, pos + HEAD, out, body);
	fence_acquire();
	out->len = min_of(out->len, TRACE_TEXT - 1);
	out->text[out->len] = 0;
	*at = pos + bytes;
	return load_relaxed(word(w, pos)) == guess ? 1 : -EAGAIN;
}
