/*
 * Looking at the world: its file is opened for reading, mapped, read, let go of.
 * There is no mount that one would have to ask. What lies there may have been
 * damaged by another process: numbers are shown, never used as addresses
 * without a check.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "watch/watch.h"
#include "world/count.h"

static void read_seats(const struct pool *p, struct watch_bpf *b)
{
	for (uint32_t i = 0; i < POOL_CLIENTS; i++)
		b->processes += load_relaxed(&client_slot(p, i)->state) == SLOT_LIVE;
	for (uint32_t i = 0; i < task_slots_used(p); i++)
		b->tasks += seat_state(load_relaxed(&task_slot(p, i)->seat)) == SLOT_LIVE;
}

static int add_map(const struct world *w, const struct object *o, struct watch_bpf *b)
{
	struct watch_map *more = reallocarray(b->maps, b->nmaps + 1, sizeof(*more));
	const struct map *m = map_at(&w->arena.pool, o->off);

	if (!more)
		return -ENOMEM;
	b->maps = more;
	if (!m)
		return 0;
	more[b->nmaps] = (struct watch_map){.id = o->id, .type = o->type};
	memcpy(more[b->nmaps].name, o->name, sizeof(o->name) - 1);
	more[b->nmaps].bytes = m->bytes;
	more[b->nmaps].max_entries = m->max_entries;
	b->nmaps++;
	return 0;
}

static int read_objects(const struct world *w, struct watch_bpf *b)
{
	struct object o;
	uint32_t at = 0;
	int ret = 0;

	while (ret == 0 && object_look(w, &at, &o)) {
		if (o.kind < OBJECT_KINDS)
			b->objects[o.kind]++;
		if (o.kind == OBJECT_MAP)
			ret = add_map(w, &o, b);
	}
	return ret;
}

int watch_bpf(struct watch_bpf *b)
{
	struct world w = {0};
	struct stat st;
	int fd = world_open_look(), ret;

	*b = (struct watch_bpf){0};
	/* None, or none that this program knows: nothing is loaded that it could tell of. */
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) < 0 || world_look(fd, &w) != 0) {
		close(fd);
		return 0;
	}
	b->there = true;
	b->memory = (uint64_t)st.st_blocks * 512;
	b->count = world_count_sum(&w);
	read_seats(&w.arena.pool, b);
	ret = read_objects(&w, b);
	world_unmap(&w);
	return ret;
}
