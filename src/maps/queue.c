/*
 * Queues and stacks: a ring of max_entries + 1 values, and one word with its
 * two ends, under the map's lock. A value is written into the place that is
 * always free; then the word changes, which makes it happen: also where the
 * oldest value has to go for it.
 */
#include "maps/internal.h"

#define QUEUE_FLAGS (BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)

struct ends {
	uint32_t head, tail; /* next place to write; oldest value */
};

static int plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	if (a->max_entries == 0 || a->key_size != 0 || a->value_size == 0 || check_access_flags(a->flags) ||
	    (a->flags & ~(uint32_t)QUEUE_FLAGS))
		return -EINVAL;
	if (a->value_size > MAP_ALLOC_MAX)
		return -E2BIG;
	m->stride = value_room(m);
	m->values = plan_room(m, (uint64_t)a->max_entries + 1, m->stride, 64);
	return 0;
}

static struct ends ends_of(const struct map *m)
{
	uint64_t w = load_relaxed(&m->var[0]);

	return (struct ends){(uint32_t)(w >> 32), (uint32_t)w};
}

static void set_ends(struct task *t, struct map *m, struct ends e)
{
	fence_death();
	step(t);
	store_relaxed(&m->var[0], (uint64_t)e.head << 32 | e.tail);
	fence_death();
	step(t);
}

static uint32_t after(const struct map *m, uint32_t i)
{
	return i >= m->max_entries ? 0 : i + 1;
}

static uint32_t before(const struct map *m, uint32_t i)
{
	return i == 0 ? m->max_entries : i - 1;
}

static void *place(const struct map *m, uint32_t i)
{
	return map_ptr(m, m->values + (uint64_t)min_of(i, m->max_entries) * m->stride);
}

static int push(struct task *t, struct map *m, const void *value, uint64_t flags, struct side s)
{
	struct ends e;
	int err;

	if ((flags & BPF_NOEXIST) || flags > BPF_EXIST)
		return -EINVAL;
	err = fast_lock(t, &m->word);
	if (err)
		return err;
	e = ends_of(m);
	if (after(m, e.head) == e.tail) {
		e.tail = after(m, e.tail);
		err = flags & BPF_EXIST ? 0 : -E2BIG;
	}
	if (!err)
		err = copy_in(s, place(m, e.head), value, m->value_size);
	if (!err) {
		e.head = after(m, e.head);
		set_ends(t, m, e);
	}
	fast_unlock(t, &m->word, LOCK_VERSION);
	return err;
}

static int nothing(const struct map *m, void *value, struct side s)
{
	if (!s.user)
		mem_zero(value, m->value_size);
	return -ENOENT;
}

/* The newest or the oldest value; it goes with `remove`, also if it could not be handed over, as in the kernel. */
static int get(struct task *t, struct map *m, void *value, struct side s, bool newest, bool remove)
{
	int err = fast_lock(t, &m->word);
	struct ends e;

	if (err)
		return err;
	e = ends_of(m);
	if (e.head == e.tail) {
		fast_unlock(t, &m->word, 0);
		return nothing(m, value, s);
	}
	err = copy_in(s, value, place(m, newest ? before(m, e.head) : e.tail), m->value_size);
	if (newest)
		e.head = before(m, e.head);
	else
		e.tail = after(m, e.tail);
	if (remove)
		set_ends(t, m, e);
	fast_unlock(t, &m->word, remove ? LOCK_VERSION : 0);
	return err;
}

static int queue_pop(struct task *t, struct map *m, void *value, struct side s)
{
	return get(t, m, value, s, false, true);
}

static int queue_peek(struct task *t, struct map *m, void *value, struct side s)
{
	return get(t, m, value, s, false, false);
}

static int stack_pop(struct task *t, struct map *m, void *value, struct side s)
{
	return get(t, m, value, s, true, true);
}

static int stack_peek(struct task *t, struct map *m, void *value, struct side s)
{
	return get(t, m, value, s, true, false);
}

static int no_remove(struct task *t, struct map *m, const void *key)
{
	return -EINVAL;
}

static int no_next(struct task *t, struct map *m, const void *key, void *next)
{
	return -EINVAL;
}

const struct map_ops queue_ops = {
    .plan = plan, .push = push, .pop = queue_pop, .peek = queue_peek, .remove = no_remove, .next = no_next};
const struct map_ops stack_ops = {
    .plan = plan, .push = push, .pop = stack_pop, .peek = stack_peek, .remove = no_remove, .next = no_next};
