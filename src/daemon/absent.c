/*
 * A hash table of directories under one mutex: a lookup of what is not there
 * costs the kernel 10 us, this some 100 ns of them.
 */
#include "daemon/absent.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u
#define NAMES_A_DIRECTORY 1024u /* dropping one takes the kernel some 2 us */
#define NAMES_IN_ALL (256u << 10)

struct directory {
	struct directory *next;
	uint32_t ino;
	uint32_t count;
	struct absent_name *names;
};

struct absent {
	pthread_mutex_t mutex;
	uint32_t count;
	struct directory *bucket[BUCKETS];
};

int absent_open(struct absent **out)
{
	struct absent *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	pthread_mutex_init(&a->mutex, NULL);
	*out = a;
	return 0;
}

void absent_free(struct absent_name *list)
{
	while (list) {
		struct absent_name *next = list->next;

		free(list);
		list = next;
	}
}

void absent_close(struct absent *a)
{
	if (!a)
		return;
	for (uint32_t i = 0; i < BUCKETS; i++) {
		while (a->bucket[i])
			absent_free(absent_take(a, a->bucket[i]->ino));
	}
	pthread_mutex_destroy(&a->mutex);
	free(a);
}

/* Where the directory's pointer stands, or would. */
static struct directory **find(struct absent *a, uint32_t ino)
{
	struct directory **d = &a->bucket[ino % BUCKETS];

	while (*d && (*d)->ino != ino)
		d = &(*d)->next;
	return d;
}

static bool has(const struct directory *d, const char *name, size_t len)
{
	for (const struct absent_name *n = d->names; n; n = n->next) {
		if (n->len == len && memcmp(n->name, name, len) == 0)
			return true;
	}
	return false;
}

static bool add(struct absent *a, struct directory **at, uint32_t ino, const char *name, size_t len)
{
	struct absent_name *n = malloc(sizeof(*n) + len);

	if (!n)
		return false;
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at) {
			free(n);
			return false;
		}
		(*at)->ino = ino;
	}
	n->len = (uint8_t)len;
	memcpy(n->name, name, len);
	n->next = (*at)->names;
	(*at)->names = n;
	(*at)->count++;
	a->count++;
	return true;
}

bool absent_add(struct absent *a, uint32_t ino, const char *name, size_t len, bool seen)
{
	struct directory **at;
	bool kept;

	pthread_mutex_lock(&a->mutex);
	at = find(a, ino);
	if (*at && seen && has(*at, name, len))
		kept = true;
	else if (a->count >= NAMES_IN_ALL || (*at && (*at)->count >= NAMES_A_DIRECTORY))
		kept = false;
	else
		kept = add(a, at, ino, name, len);
	pthread_mutex_unlock(&a->mutex);
	return kept;
}

struct absent_name *absent_take(struct absent *a, uint32_t ino)
{
	struct absent_name *names = NULL;
	struct directory **at, *d;

	pthread_mutex_lock(&a->mutex);
	at = find(a, ino);
	d = *at;
	if (d) {
		*at = d->next;
		a->count -= d->count;
		names = d->names;
		free(d);
	}
	pthread_mutex_unlock(&a->mutex);
	return names;
}
