/*
 * Delta debugging (Zeller, Hildebrandt 2002): cut the sequence after the
 * operation that fails, then leave out runs of operations, half as long each
 * round, as long as it still fails, whatever the failure then is.
 */
#include "episode.h"

#include <stdlib.h>
#include <string.h>

/* The list without [from, from + n); shares the strings. */
static struct op_list without(const struct op_list *l, size_t from, size_t n)
{
	struct op_list out = {.n = l->n - n, .cap = l->n - n};

	out.v = malloc((out.n + 1) * sizeof(*out.v));
	memcpy(out.v, l->v, from * sizeof(*out.v));
	memcpy(out.v + from, l->v + from + n, (l->n - from - n) * sizeof(*out.v));
	return out;
}

/* Makes *l shorter for good. */
static void cut(struct op_list *l, size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++)
		op_free(&l->v[i]);
	memmove(l->v + from, l->v + from + n, (l->n - from - n) * sizeof(*l->v));
	l->n -= n;
}

/* Tries to leave out each run of `n`. Returns whether any could go. */
static bool pass(const struct lane_setup *s, struct op_list *l, size_t n)
{
	bool any = false;

	for (size_t from = l->n > n ? l->n - n : 0;; from = from > n ? from - n : 0) {
		size_t part = from + n > l->n ? l->n - from : n, failed;
		struct op_list rest = without(l, from, part);

		failed = part && rest.n ? episode_replay(s, &rest, NULL) : 0;
		free(rest.v);
		if (failed) {
			cut(l, from, part);
			if (failed < l->n)
				cut(l, failed, l->n - failed);
			any = true;
		}
		if (from == 0)
			return any;
		if (from > l->n)
			from = l->n;
	}
}

void episode_shrink(const struct lane_setup *s, struct op_list *l)
{
	size_t failed = episode_replay(s, l, NULL), n;

	if (failed && failed < l->n)
		cut(l, failed, l->n - failed);
	for (n = l->n / 2; n > 1; n /= 2)
		pass(s, l, n);
	while (l->n > 1 && pass(s, l, 1))
		;
}
