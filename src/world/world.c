/* The region of the table, and clearing up: see world.h. */
#include "world/world.h"

#include <errno.h>

#include "base/sys.h"
#include "world/object.h"

#define WORLD_BYTES (16ull << 30) /* of pages: address space; memory is taken when used */

static bool view(struct world *w)
{
	struct pool *p = &w->arena.pool;

	if (!arena_ok(p) || p->region[REGION_OBJECTS].len < sizeof(struct world_table))
		return false;
	w->table = (struct world_table *)(void *)(p->base + p->region[REGION_OBJECTS].off);
	return true;
}

int world_format(int fd, const char *wake)
{
	int err = arena_format(fd, "bpf", WORLD_BYTES, sizeof(struct world_table), 0);
	struct world w;

	if (!err)
		err = pool_map(fd, &w.arena.pool);
	if (err)
		return err;
	err = pool_commit(&w.arena.pool, w.arena.pool.region[REGION_OBJECTS].off, offsetof(struct world_table, object));
	if (!err && view(&w))
		for (unsigned i = 0; i < sizeof w.table->wake - 1 && wake[i]; i++)
			w.table->wake[i] = wake[i];
	sys_munmap(w.arena.pool.base, w.arena.pool.size);
	return err;
}

static int map_checked(int fd, int (*map)(int fd, struct pool *p), struct world *w)
{
	struct pool *p = &w->arena.pool;
	int err = map(fd, p);

	if (err)
		return err;
	if (view(w))
		return 0;
	sys_munmap(p->base, p->size);
	return -EUCLEAN;
}

int world_map(int fd, struct world *w)
{
	return map_checked(fd, pool_map, w);
}

int world_look(int fd, struct world *w)
{
	return map_checked(fd, pool_look, w);
}

void world_unmap(struct world *w)
{
	if (w->table)
		pool_unmap(&w->arena.pool);
	w->table = NULL;
}

#define WATCHED offsetof(struct world_table, trace_head)

int world_watch(int fd, const struct world_table **table)
{
	const void *at;
	int err = pool_map_region(fd, REGION_OBJECTS, WATCHED, &at);

	if (!err)
		*table = at;
	return err;
}

void world_unwatch(const struct world_table *table)
{
	sys_munmap((void *)(uintptr_t)table, WATCHED);
}

/* Bits of clients that are nobody's any more: their seats are free, or were taken by somebody who holds them anew. */
static void drop_free(struct world *w, struct task *t)
{
	struct pool *p = &w->arena.pool;

	for (uint32_t c = 0; c < POOL_CLIENTS; c++) {
		uint32_t state = load_acquire(&client_slot(p, c)->state);

		if (c == p->client)
			continue;
		if (state == SLOT_FREE || ((state == SLOT_LIVE || state == SLOT_EMBRYO) && !client_alive(p, c)))
			object_drop_client(w, t, c);
	}
}

/* The next map of task storage with an id above *id; NULL: there is none. */
static struct map *next_storage(struct world *w, struct task *t, uint32_t *id)
{
	struct object o;
	struct map *m;

	while (object_next(w, t, *id, OBJECT_MAP, &o) == 0) {
		*id = o.id;
		m = o.type == BPF_MAP_TYPE_TASK_STORAGE ? map_at(&w->arena.pool, o.off) : NULL;
		if (m)
			return m;
	}
	return NULL;
}

void world_thread_ended(struct world *w, struct task *t, uint32_t tid)
{
	uint32_t id = 0;
	struct map *m;

	/* The map may be destroyed meanwhile: not its memory. */
	run_enter(t);
	while ((m = next_storage(w, t, &id)))
		(void)!map_delete(t, m, &tid);
	run_leave(t);
}

static void sweep_storage(struct world *w, struct task *t)
{
	uint32_t id = 0;
	struct map *m;

	run_enter(t);
	while ((m = next_storage(w, t, &id)))
		map_storage_sweep(t, m);
	run_leave(t);
}

/* Who died with the table's lock is undone by who takes it: only then do the bits that it changed stand. */
static void settle(struct world *w, struct task *t)
{
	(void)!txn_abort(t, table_begin(w, t));
}

void world_clear_up(struct world *w, struct task *t)
{
	settle(w, t);
	drop_free(w, t);
	/* Only now, so that a seat is free when nothing is in its name. */
	(void)!arena_recover(t, NULL);
	object_collect(w, t);
	sweep_storage(w, t);
	arena_reap(t);
}
