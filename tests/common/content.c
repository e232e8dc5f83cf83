/* See content.h. */
#include <stdlib.h>
#include <string.h>

#include "content.h"

static const unsigned char zeros[FS_BLOCK_SIZE];

void content_load(struct content *c, struct task *t, fs_ino ino)
{
	struct fs_attr a;
	int64_t at = 0;

	must(fs_getattr(t, ino, &a));
	*c = (struct content){.size = a.size};
	while ((at = fs_seek(t, ino, at, 3 /* SEEK_DATA */)) >= 0) {
		struct content_block *b;

		c->blocks = realloc(c->blocks, (c->n + 1) * sizeof *c->blocks);
		expect(c->blocks != NULL);
		b = &c->blocks[c->n];
		*b = (struct content_block){.number = (uint64_t)at / FS_BLOCK_SIZE};
		must(fs_read(t, ino, b->bytes, FS_BLOCK_SIZE, at, FS_IO_NOATIME));
		if (memcmp(b->bytes, zeros, FS_BLOCK_SIZE) != 0)
			c->n++;
		at += FS_BLOCK_SIZE;
	}
}

void content_free(struct content *c)
{
	free(c->blocks);
	*c = (struct content){0};
}

static const unsigned char *block_of(const struct content *c, uint64_t number)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->blocks[i].number == number)
			return c->blocks[i].bytes;
	return zeros;
}

/* All bytes of one block. What lies beyond the end of one of them is zero there. */
static bool block_between(const struct content *before, const struct content *after, const struct content *now,
			  uint64_t number)
{
	const unsigned char *b = block_of(before, number), *a = block_of(after, number), *n = block_of(now, number);

	for (size_t i = 0; i < FS_BLOCK_SIZE; i++)
		if (n[i] != b[i] && n[i] != a[i])
			return false;
	return true;
}

static bool all_between(const struct content *before, const struct content *after, const struct content *now,
			const struct content *which)
{
	for (size_t i = 0; i < which->n; i++)
		if (!block_between(before, after, now, which->blocks[i].number))
			return false;
	return true;
}

bool content_between(const struct content *before, const struct content *after, const struct content *now)
{
	uint64_t low = before->size < after->size ? before->size : after->size;
	uint64_t high = before->size < after->size ? after->size : before->size;

	if (now->size < low || now->size > high)
		return false;
	if (now->size != low && now->size != high && now->size % FS_BLOCK_SIZE)
		return false;
	return all_between(before, after, now, before) && all_between(before, after, now, after) &&
	       all_between(before, after, now, now);
}
