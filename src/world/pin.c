/* Pins: names that hold objects. Paths below bpffs, as the program wrote them; there are no directories. */
#include <errno.h>

#include "base/mem.h"
#include "world/object.h"

static uint32_t pins(const struct world *w)
{
	return min_of(load_acquire(&w->table->pins_high), WORLD_PINS);
}

static uint32_t length(const char *s)
{
	uint32_t n = 0;

	while (n < WORLD_PIN_PATH && s[n])
		n++;
	return n;
}

/* Under the lock. */
static struct pin *find(struct world *w, const char *path)
{
	uint32_t n = length(path);

	if (n >= WORLD_PIN_PATH)
		return NULL;
	for (uint32_t i = 0; i < pins(w); i++)
		if (w->table->pin[i].id && mem_equal(w->table->pin[i].path, path, n + 1))
			return &w->table->pin[i];
	return NULL;
}

static struct pin *free_pin(struct world *w, struct task *t)
{
	uint32_t n = pins(w);
	struct pin *p;

	for (uint32_t i = 0; i < n; i++)
		if (!w->table->pin[i].id)
			return &w->table->pin[i];
	p = &w->table->pin[n];
	if (n == WORLD_PINS || pool_commit(&w->arena.pool, pool_off(&w->arena.pool, p), sizeof *p) != 0)
		return NULL;
	txn_set(t, &w->table->pins_high, n + 1);
	return p;
}

int pin_add(struct world *w, struct task *t, const char *path, uint32_t id)
{
	uint32_t n = length(path);
	struct pin *p;
	int err;

	if (n >= WORLD_PIN_PATH)
		return -ENAMETOOLONG;
	err = table_begin(w, t);
	if (err)
		return txn_abort(t, err);
	if (find(w, path))
		return txn_abort(t, -EEXIST);
	p = free_pin(w, t);
	if (!p)
		return txn_abort(t, -ENOSPC);
	mem_copy(p->path, path, n + 1);
	txn_set(t, &p->id, id);
	return txn_commit(t);
}

int pin_find(struct world *w, struct task *t, const char *path, uint32_t *id)
{
	struct pin *p;
	int err = table_begin(w, t);

	if (err)
		return txn_abort(t, err);
	p = find(w, path);
	*id = p ? p->id : 0;
	return txn_abort(t, p ? 0 : -ENOENT);
}

int pin_remove(struct world *w, struct task *t, const char *path)
{
	struct pin *p;
	int err = table_begin(w, t);

	if (err)
		return txn_abort(t, err);
	p = find(w, path);
	if (!p)
		return txn_abort(t, -ENOENT);
	txn_set(t, &p->id, 0u);
	err = txn_commit(t);
	object_collect(w, t);
	return err;
}

bool object_used(struct world *w, struct task *t, uint64_t off)
{
	struct object o;
	struct pin p;
	uint64_t held = 0;

	if (object_at(w, t, off, &o) != 0)
		return false;
	for (unsigned i = 0; i < array_len(o.holders); i++)
		held |= o.holders[i];
	return held || pin_nth(w, t, o.id, 0, &p);
}

bool pin_nth(struct world *w, struct task *t, uint32_t id, uint32_t i, struct pin *out)
{
	bool found = false;

	if (table_begin(w, t) == 0) {
		for (uint32_t k = 0; k < pins(w) && !found; k++) {
			const struct pin *p = &w->table->pin[k];

			if (!p->id || (id && p->id != id) || i-- > 0)
				continue;
			mem_copy(out, p, sizeof *out);
			out->path[WORLD_PIN_PATH - 1] = 0;
			found = true;
		}
	}
	(void)!txn_abort(t, 0);
	return found;
}
