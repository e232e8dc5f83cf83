/*
 * An array, the oldest first. The kernel makes an entry after it has got its
 * answer: one that is dropped too early is not there yet, and stays. Hence the ages.
 */
#include "daemon/numbers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct numbers {
	pthread_mutex_t mutex;
	uint32_t *ino;
	size_t n, old, room;
};

int numbers_open(struct numbers **out)
{
	struct numbers *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	pthread_mutex_init(&n->mutex, NULL);
	*out = n;
	return 0;
}

void numbers_close(struct numbers *n)
{
	if (!n)
		return;
	pthread_mutex_destroy(&n->mutex);
	free(n->ino);
	free(n);
}

static void grow(struct numbers *n)
{
	size_t room = n->room ? 2 * n->room : 64;
	uint32_t *more = realloc(n->ino, room * sizeof(*more));

	if (!more)
		return;
	n->ino = more;
	n->room = room;
}

void numbers_add(struct numbers *n, uint32_t ino)
{
	pthread_mutex_lock(&n->mutex);
	if (n->n == n->room)
		grow(n);
	if (n->n < n->room)
		n->ino[n->n++] = ino;
	pthread_mutex_unlock(&n->mutex);
}

size_t numbers_take(struct numbers *n, uint32_t *ino, size_t max)
{
	size_t k;

	pthread_mutex_lock(&n->mutex);
	k = min_of(n->old, max);
	if (k) {
		memcpy(ino, n->ino, k * sizeof(*ino));
		memmove(n->ino, n->ino + k, (n->n - k) * sizeof(*ino));
	}
	n->n -= k;
	n->old -= k;
	pthread_mutex_unlock(&n->mutex);
	return k;
}

size_t numbers_age(struct numbers *n)
{
	size_t k;

	pthread_mutex_lock(&n->mutex);
	k = n->old = n->n;
	pthread_mutex_unlock(&n->mutex);
	return k;
}
