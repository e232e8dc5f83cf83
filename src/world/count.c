/*
 * Records of counters: see count.h. A bit a page of the table of records says
 * that memory was taken: a look at a page without would give it some, and a
 * thread that sits down need not ask the system again.
 */
#include "world/count.h"

#define COUNTS_A_PAGE (POOL_PAGE / sizeof(struct world_count))

_Static_assert(POOL_TASKS / COUNTS_A_PAGE <= 32, "a bit a page");

static uint32_t page_bit(uint32_t seat)
{
	return 1u << seat / COUNTS_A_PAGE;
}

struct world_count *world_count_of(struct world *w, const struct task *t)
{
	struct world_count *c = &w->table->count[t->id - 1];
	uint32_t bit = page_bit(t->id - 1);

	if (!(load_relaxed(&w->table->counted) & bit)) {
		if (pool_commit(&w->arena.pool, pool_off(&w->arena.pool, c), sizeof *c) != 0)
			return NULL;
		fetch_or(&w->table->counted, bit);
	}
	return c;
}

struct world_count world_count_sum(const struct world *w)
{
	uint32_t have = load_acquire(&w->table->counted);
	struct world_count sum = {0};

	for (uint32_t i = 0; i < task_slots_used(&w->arena.pool); i++) {
		const struct world_count *c = &w->table->count[i];

		for (unsigned k = 0; (have & page_bit(i)) && k < sizeof sum / 8; k++)
			((uint64_t *)&sum)[k] += load_relaxed((const uint64_t *)c + k);
	}
	return sum;
}
