/* Sorted listings. The text of an entry is its type, its name and a NUL. */
#include "listing.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char type_of(uint32_t mode)
{
	static const char types[] = "?pc?d?b?f?l?s???";

	return types[(mode & S_IFMT) >> 12];
}

void listing_add(struct listing *l, uint32_t mode, const char *name)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 16;
		l->v = realloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n].type = type_of(mode);
	snprintf(l->v[l->n++].name, sizeof(l->v->name), "%s", name);
}

static int by_name(const void *a, const void *b)
{
	const struct listing_entry *x = a, *y = b;
	int d = strcmp(x->name, y->name);

	return d ? d : x->type - y->type;
}

void listing_finish(struct listing *l, struct result *r)
{
	char *text = malloc(l->n * sizeof(*l->v) + 1), *p = text;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_name);
	for (size_t i = 0; i < l->n; i++) {
		*p++ = l->v[i].type;
		p = stpcpy(p, l->v[i].name) + 1;
	}
	result_text(r, text, (size_t)(p - text));
	r->ret = (int64_t)l->n;
	free(text);
	free(l->v);
	*l = (struct listing){0};
}

void listing_names(struct result *r, const char *list, size_t len)
{
	struct listing l = {0};
	int64_t ret = r->ret;

	for (const char *p = list; p < list + len; p += strlen(p) + 1)
		listing_add(&l, S_IFREG, p);
	listing_finish(&l, r);
	r->ret = ret;
}
