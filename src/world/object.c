/*
 * The table of objects. All changes are transactions under one lock; readers
 * copy an entry between two looks at the lock word. Objects are few (a tool has
 * ten or twenty), so they are found by walking the table.
 */
#include "world/object.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"
#include "base/sys.h"
#include "maps/timer.h"

#define LOOKS 100 /* at what somebody changes */
#define MARK_WORDS (WORLD_OBJECTS / 64)

struct marks {
	uint64_t bit[MARK_WORDS];
};

static uint32_t high(const struct world *w)
{
	return min_of(load_acquire(&w->table->high), WORLD_OBJECTS);
}

int table_begin(struct world *w, struct task *t)
{
	txn_begin(t);
	return txn_lock(t, &w->table->lock);
}

/* Under the lock: the slot of `id`, or NULL. */
static struct object *find(struct world *w, uint32_t id)
{
	for (uint32_t i = 0; id && i < high(w); i++)
		if (w->table->object[i].id == id)
			return &w->table->object[i];
	return NULL;
}

/* What hooked calls run has changed: they look at this word. Before the commit: who sees it waits for the lock. */
static void touch_version(struct world *w)
{
	fetch_add(&w->table->version, 1);
}

/* ---- Making -------------------------------------------------------------- */

static struct object *free_slot(struct world *w, struct task *t)
{
	uint32_t n = high(w);
	struct object *o;

	for (uint32_t i = 0; i < n; i++)
		if (!w->table->object[i].id)
			return &w->table->object[i];
	if (n == WORLD_OBJECTS)
		return NULL;
	o = &w->table->object[n];
	if (pool_commit(&w->arena.pool, pool_off(&w->arena.pool, o), sizeof *o) != 0)
		return NULL;
	txn_set(t, &w->table->high, n + 1);
	return o;
}

static void own_comm(char comm[16])
{
	sys_call3(SYS_prctl, 16 /* PR_GET_NAME */, (long)comm, 0);
}

/* The entry is nobody's before its id stands: no log for the rest. */
static void fill(struct object *slot, const struct object *o, uint32_t client)
{
	struct timespec now = {0};
	uint32_t id = slot->id;

	sys_clock_gettime(CLOCK_BOOTTIME, &now);
	mem_copy(slot, o, sizeof *slot);
	slot->id = id;
	slot->maker = (uint32_t)sys_getpid();
	slot->made = now.tv_sec * 1000000000ll + now.tv_nsec;
	own_comm(slot->comm);
	for (unsigned i = 0; i < array_len(slot->holders); i++)
		slot->holders[i] = 0;
	slot->holders[client / 64] = 1ull << client % 64;
}

int object_add(struct world *w, struct task *t, const struct object *o)
{
	struct world_table *tab = w->table;
	struct object *slot;
	uint32_t id;
	int err = table_begin(w, t);

	if (err)
		return txn_abort(t, err);
	id = tab->next_id + 1;
	slot = free_slot(w, t);
	if (!slot || id > INT32_MAX)
		return txn_abort(t, -ENOSPC);
	if (o->off)
		err = arena_own(t, o->off);
	if (err)
		return txn_abort(t, err);
	fill(slot, o, w->arena.pool.client);
	txn_set(t, &tab->next_id, id);
	txn_set(t, &slot->id, id);
	if (o->kind == OBJECT_LINK)
		touch_version(w);
	err = txn_commit(t);
	return err ? err : (int)id;
}

/* ---- Looking ------------------------------------------------------------- */

racy_read static bool copy_if(const struct world *w, uint32_t i, struct object *out)
{
	mem_copy(out, &w->table->object[i], sizeof *out);
	return out->id != 0;
}

typedef bool (*object_choice)(const struct object *o, uint64_t what, const struct object *best);

/* The best of all entries, in a copy that is whole. */
static int choose(struct world *w, struct task *t, object_choice ok, uint64_t what, unsigned kind, struct object *out)
{
	struct object o;
	uint64_t seq;
	int err;

	do {
		err = seq_begin(t, &w->table->lock, &seq);
		if (err)
			return err;
		out->id = 0;
		for (uint32_t i = 0; i < high(w); i++)
			if (copy_if(w, i, &o) && (!kind || o.kind == kind) && ok(&o, what, out))
				*out = o;
	} while (!seq_valid(&w->table->lock, seq));
	return out->id ? 0 : -ENOENT;
}

static bool has_id(const struct object *o, uint64_t id, const struct object *best)
{
	return o->id == id;
}

static bool is_next(const struct object *o, uint64_t id, const struct object *best)
{
	return o->id > id && (!best->id || o->id < best->id);
}

static bool lies_at(const struct object *o, uint64_t off, const struct object *best)
{
	return o->off == off;
}

int object_get(struct world *w, struct task *t, uint32_t id, unsigned kind, struct object *out)
{
	return choose(w, t, has_id, id, kind, out);
}

int object_next(struct world *w, struct task *t, uint32_t id, unsigned kind, struct object *out)
{
	return choose(w, t, is_next, id, kind, out);
}

/* Whoever holds the lock may have died, and who has no seat can't bury: what may be torn is shown then. */
bool object_look(const struct world *w, uint32_t *i, struct object *out)
{
	uint64_t *lock = (uint64_t *)(uintptr_t)&w->table->lock, seq;

	for (bool found = false; *i < high(w); ++*i) {
		int tries = LOOKS;

		do {
			seq = load_acquire(lock);
			found = copy_if(w, *i, out);
		} while (((seq & LOCK_OWNER) || !seq_valid(lock, seq)) && --tries > 0);
		if (found)
			return ++*i, true;
	}
	return false;
}

int object_at(struct world *w, struct task *t, uint64_t off, struct object *out)
{
	return choose(w, t, lies_at, off, 0, out);
}

const struct prog_image *object_image(const struct world *w, const struct object *o)
{
	const struct pool *p = &w->arena.pool;
	uint64_t size = o->kind == OBJECT_PROG ? arena_size(p, o->off) : 0;
	const struct prog_image *img;

	if (size < sizeof *img)
		return NULL;
	img = (const struct prog_image *)(const void *)(p->base + o->off);
	if (img->magic != PROG_MAGIC || img->nmaps > PROG_IMAGE_MAPS || img->text_at > size || img->code_at > size ||
	    img->nslots > (size - img->text_at) / 8 || img->code_bytes > size - img->code_at)
		return NULL;
	return img;
}

/* ---- Holding ------------------------------------------------------------- */

static int set_bit(struct world *w, struct task *t, uint32_t id, uint32_t client, bool on)
{
	uint64_t bit = 1ull << client % 64, *word;
	struct object *o;
	int err = table_begin(w, t);

	if (err)
		return txn_abort(t, err);
	o = find(w, id);
	if (!o)
		return txn_abort(t, -ENOENT);
	word = &o->holders[client / 64];
	txn_set(t, word, on ? *word | bit : *word & ~bit);
	return txn_commit(t);
}

int object_hold(struct world *w, struct task *t, uint32_t id)
{
	return set_bit(w, t, id, w->arena.pool.client, true);
}

int object_hold_for(struct world *w, struct task *t, uint32_t id, uint32_t client)
{
	return client < POOL_CLIENTS ? set_bit(w, t, id, client, true) : -EINVAL;
}

void object_release(struct world *w, struct task *t, uint32_t id)
{
	if (set_bit(w, t, id, w->arena.pool.client, false) == 0)
		object_collect(w, t);
}

static bool client_holds(const struct object *o, uint32_t c)
{
	return load_relaxed(&o->holders[c / 64]) >> c % 64 & 1;
}

int object_inherit(struct world *w, struct task *t, uint32_t c)
{
	uint32_t self = w->arena.pool.client;

	for (uint32_t i = 0; i < high(w); i++) {
		struct object *o = &w->table->object[i];
		int err;

		if (!load_relaxed(&o->id) || !client_holds(o, self))
			continue;
		err = set_bit(w, t, load_relaxed(&o->id), c, true);
		if (err && err != -ENOENT)
			return err;
	}
	return 0;
}

void object_drop_client(struct world *w, struct task *t, uint32_t c)
{
	for (uint32_t i = 0; i < high(w); i++) {
		struct object *o = &w->table->object[i];

		if (client_holds(o, c))
			(void)!set_bit(w, t, load_relaxed(&o->id), c, false);
	}
}

static int relink(struct world *w, struct task *t, uint32_t id, uint32_t prog, bool keep)
{
	struct object *o;
	int err = table_begin(w, t);

	if (err)
		return txn_abort(t, err);
	o = find(w, id);
	if (!o || o->kind != OBJECT_LINK || (prog && !find(w, prog)))
		return txn_abort(t, -ENOENT);
	txn_set(t, &o->prog, prog);
	if (!keep)
		txn_set(t, &o->event, 0u);
	touch_version(w);
	return txn_commit(t);
}

int object_detach(struct world *w, struct task *t, uint32_t id)
{
	int err = relink(w, t, id, 0, false);

	if (!err)
		object_collect(w, t);
	return err;
}

int object_set_prog(struct world *w, struct task *t, uint32_t link, uint32_t prog)
{
	return relink(w, t, link, prog, true);
}

int object_set_inode(struct world *w, struct task *t, uint32_t link, uint64_t ino)
{
	struct object *o;
	int err = table_begin(w, t);

	if (err)
		return txn_abort(t, err);
	o = find(w, link);
	if (!o || o->kind != OBJECT_LINK)
		return txn_abort(t, -ENOENT);
	txn_set(t, &o->len, ino);
	return txn_commit(t);
}

static bool leads_to(const struct prog_image *img, uint32_t map)
{
	for (uint32_t i = 0; i < img->nmaps; i++)
		if (img->map[i] == map)
			return true;
	return false;
}

int object_bind(struct world *w, struct task *t, uint32_t prog, uint32_t map)
{
	struct object *o, *m;
	struct prog_image *img;
	int err = table_begin(w, t);

	if (err)
		return txn_abort(t, err);
	o = find(w, prog);
	m = find(w, map);
	img = o ? (struct prog_image *)(uintptr_t)object_image(w, o) : NULL;
	if (!img || !m || m->kind != OBJECT_MAP)
		return txn_abort(t, -ENOENT);
	if (leads_to(img, map))
		return txn_abort(t, 0);
	if (img->nmaps == PROG_IMAGE_MAPS)
		return txn_abort(t, -E2BIG);
	txn_set(t, &img->map[img->nmaps], map);
	txn_set(t, &img->nmaps, img->nmaps + 1);
	return txn_commit(t);
}

/* ---- Collecting ---------------------------------------------------------- */

static bool marked(const struct marks *m, uint32_t i)
{
	return m->bit[i / 64] >> i % 64 & 1;
}

static uint32_t slot_of(struct world *w, uint64_t what, bool by_off)
{
	for (uint32_t i = 0; what && i < high(w); i++) {
		const struct object *o = &w->table->object[i];

		if (o->id && (by_off ? o->off == what : o->id == what))
			return i;
	}
	return WORLD_OBJECTS;
}

static bool mark(struct world *w, struct marks *m, uint64_t what, bool by_off)
{
	uint32_t i = slot_of(w, what, by_off);

	if (i == WORLD_OBJECTS || marked(m, i))
		return false;
	m->bit[i / 64] |= 1ull << i % 64;
	return true;
}

static bool mark_refs(struct world *w, struct marks *m, const struct object *o)
{
	const struct map *map = map_at(&w->arena.pool, o->off);
	uint32_t at = 0;
	uint64_t ref;
	bool more = false;

	if (!map || !map_holds_refs(map))
		return false;
	while ((ref = map_next_ref(map, &at)))
		more |= mark(w, m, ref, map->type != BPF_MAP_TYPE_PROG_ARRAY);
	return more;
}

/* A timer that is set holds its program. */
static bool mark_timers(struct world *w, struct marks *m, const struct object *o)
{
	const struct map *map = map_at(&w->arena.pool, o->off);
	uint32_t at = 0;
	uint64_t callback;
	bool more = false;

	if (!map || map->timer_off < 0)
		return false;
	while ((callback = timers_callback(&w->arena.pool, o->off, &at)))
		more |= mark(w, m, callback_prog(callback), false);
	return more;
}

static bool mark_led_to(struct world *w, struct marks *m, const struct object *o)
{
	const struct prog_image *img;
	bool more = false;

	if (o->btf)
		more |= mark(w, m, o->btf, false);
	if (o->kind == OBJECT_LINK) {
		more |= mark(w, m, o->prog, false);
		return more;
	}
	if (o->kind == OBJECT_MAP) {
		more |= mark_refs(w, m, o);
		more |= mark_timers(w, m, o);
		return more;
	}
	img = object_image(w, o);
	for (uint32_t i = 0; img && i < img->nmaps; i++)
		more |= mark(w, m, img->map[i], false);
	return more;
}

static bool held(const struct object *o)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < array_len(o->holders); i++)
		any |= o->holders[i];
	return any != 0;
}

/* Under the lock. */
static void mark_all(struct world *w, struct marks *m)
{
	bool more = true;

	*m = (struct marks){{0}};
	for (uint32_t i = 0; i < high(w); i++)
		if (w->table->object[i].id && held(&w->table->object[i]))
			m->bit[i / 64] |= 1ull << i % 64;
	for (uint32_t i = 0; i < min_of(w->table->pins_high, WORLD_PINS); i++)
		mark(w, m, w->table->pin[i].id, false);
	while (more) {
		more = false;
		for (uint32_t i = 0; i < high(w); i++)
			if (marked(m, i))
				more |= mark_led_to(w, m, &w->table->object[i]);
	}
}

/* Takes one away; its run is in the hand then. 1: there was one, its run in *off (0: none). */
static int collect_one(struct world *w, struct task *t, uint64_t *off)
{
	struct marks m;
	int err = table_begin(w, t);

	if (err)
		return txn_abort(t, err);
	mark_all(w, &m);
	for (uint32_t i = 0; i < high(w); i++) {
		struct object *o = &w->table->object[i];

		if (!o->id || marked(&m, i))
			continue;
		*off = o->off;
		txn_set(t, &o->id, 0u);
		if (o->off)
			arena_disown(t, o->off);
		if (o->kind == OBJECT_LINK)
			touch_version(w);
		err = txn_commit(t);
		return err ? err : 1;
	}
	return txn_abort(t, 0);
}

void object_collect(struct world *w, struct task *t)
{
	uint64_t off = 0;

	while (collect_one(w, t, &off) == 1)
		if (off && arena_put(t, off) != 0)
			return; /* limbo is full: the run is in the hand, and the next one clears up */
}
