/*
 * Looking up a build in a site table. The table comes from a file that another
 * process wrote: every count is checked against the length before it is used,
 * every entry before it is patched in.
 */
#include "sites/table.h"

#include <errno.h>

#include "sites/note.h"

int table_compare(const uint8_t *a, uint32_t a_len, const uint8_t *b, uint32_t b_len)
{
	if (a_len != b_len)
		return a_len < b_len ? -1 : 1;
	for (uint32_t i = 0; i < a_len; i++) {
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	}
	return 0;
}

int table_open(const void *base, size_t len, struct table *t)
{
	const struct table_header *h = base;
	uint64_t need;

	if (len < sizeof(*h) || h->magic != TABLE_MAGIC || h->version != TABLE_VERSION)
		return -EUCLEAN;
	if (h->objects > TABLE_OBJECTS_MAX || h->sites > TABLE_SITES_MAX)
		return -EUCLEAN;
	need =
	    sizeof(*h) + (uint64_t)h->objects * sizeof(struct table_object) + (uint64_t)h->sites * sizeof(struct site);
	if (need > len)
		return -EUCLEAN;
	t->header = h;
	t->objects = (const struct table_object *)(h + 1);
	t->sites = (const struct site *)(t->objects + h->objects);
	return 0;
}

int table_find(const struct table *t, const uint8_t *id, uint32_t id_len, const struct site **sites)
{
	uint32_t lo = 0, hi = t->header->objects;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct table_object *o = &t->objects[mid];
		uint32_t o_len = o->id_len <= TABLE_ID_MAX ? o->id_len : 0;
		int c = table_compare(id, id_len, o->id, o_len);

		if (c == 0) {
			if (o->first > t->header->sites || o->count > t->header->sites - o->first)
				return -EUCLEAN;
			*sites = t->sites + o->first;
			return (int)o->count;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return -ENOENT;
}

int site_valid(const struct site *s)
{
	uint32_t n = site_window(s);

	if (n > SITE_WINDOW || (s->rip != 0 && (s->rip + 3u > n || s->rip_end > n || s->rip_end < s->rip + 3u)))
		return 0;
	switch (s->kind) {
	case SITE_NEAR:
	case SITE_MOVED:
		return n >= SITE_JUMP;
	case SITE_PAD:
		return n >= 2 && s->rip == 0;
	default:
		return 0;
	}
}

uint32_t note_build_id(const void *notes, size_t len, const uint8_t **id)
{
	uint32_t n = note_find(notes, len, "GNU", NT_GNU_BUILD_ID, id);

	return n >= 4 && n <= TABLE_ID_MAX ? n : 0;
}
