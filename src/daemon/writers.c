/* Counters by number. */
#include "daemon/writers.h"

#include "base/atomic.h"

void writers_add(struct writers *w, uint32_t ino)
{
	fetch_add(&w->count[ino % WRITERS], 1);
}

void writers_drop(struct writers *w, uint32_t ino)
{
	fetch_add(&w->count[ino % WRITERS], -1u);
}

bool writers_any(const struct writers *w, uint32_t ino)
{
	fence_full(); /* with writers_add: see session_forget() */
	return load_relaxed(&w->count[ino % WRITERS]) != 0;
}
