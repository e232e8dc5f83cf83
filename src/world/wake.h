/*
 * Waking who sleeps on a ring: a FIFO in the runtime directory a ring, whose
 * other end is the descriptor that the loader has. One byte says that there is
 * something to read; it is written only to a sleeper.
 */
#pragma once

#include "world/world.h"

#define WAKE_PATH 160u

/* Where the FIFO of the ring at offset `ring` is. */
void wake_path(const struct world *w, uint64_t ring, char path[WAKE_PATH]);
/* There is something new in the ring at offset `ring` of the world: wakes who sleeps on it. */
void world_wake(struct world *w, uint64_t ring);

/*
 * The sleeper's word for a ring. It stores the ring's page, looks once more
 * whether there is something, and sleeps; who has stored something looks at the
 * word. A full fence on both sides: one of them sees the other. Two rings may
 * meet in one word; then the one that came first is not woken, and sees what is
 * there at its timeout.
 */
static inline uint32_t *wake_word(const struct world *w, uint64_t ring)
{
	return &w->table->asleep[ring / ARENA_PAGE % WORLD_SLEEPERS];
}

static inline uint32_t wake_mark(uint64_t ring)
{
	return (uint32_t)(ring / ARENA_PAGE);
}
