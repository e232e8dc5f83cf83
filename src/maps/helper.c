/*
 * The table of helpers, and those that work on keyed maps.
 */
#include "maps/helper.h"

#include "maps/help.h"

static bool is_percpu(const struct map *m)
{
	return m->cpu_stride != 0;
}

static uint32_t cpu_for(struct run *run, const struct map *m)
{
	return is_percpu(m) ? maps_cpu(run) : 0;
}

HELPER(lookup)
{
	struct map *m = map_arg(a);

	return addr(map_ops(m->type)->find(task_of(run), m, ptr(b), cpu_for(run, m)));
}

HELPER(update)
{
	struct map *m = map_arg(a);
	struct side s = {.cpu = cpu_for(run, m)};

	return num(map_ops(m->type)->update(task_of(run), m, ptr(b), ptr(c), d, s));
}

HELPER(remove_key)
{
	struct map *m = map_arg(a);

	return num(map_ops(m->type)->remove(task_of(run), m, ptr(b)));
}

HELPER(lookup_percpu)
{
	struct map *m = map_arg(a);

	if ((uint32_t)c >= m->ncpus)
		return 0;
	return addr(map_ops(m->type)->find(task_of(run), m, ptr(b), (uint32_t)c));
}

HELPER(push)
{
	struct map *m = map_arg(a);

	return num(map_ops(m->type)->push(task_of(run), m, ptr(b), c, (struct side){0}));
}

HELPER(pop)
{
	struct map *m = map_arg(a);

	return num(map_ops(m->type)->pop(task_of(run), m, ptr(b), (struct side){0}));
}

HELPER(peek)
{
	struct map *m = map_arg(a);

	return num(map_ops(m->type)->peek(task_of(run), m, ptr(b), (struct side){0}));
}

struct each {
	struct run *run;
	uint64_t map, fn, ctx;
};

static bool visit(void *arg, const void *key, void *value)
{
	const struct each *e = arg;

	return run_callback(e->run, e->fn, e->map, addr(key), addr(value), e->ctx) == 0;
}

HELPER(for_each)
{
	struct map *m = map_arg(a);
	struct each e = {run, a, b, c};

	if (d)
		return num(-EINVAL);
	return num(map_ops(m->type)->each(task_of(run), m, cpu_for(run, m), visit, &e));
}

HELPER(loop)
{
	uint32_t n = (uint32_t)a;

	if (d)
		return num(-EINVAL);
	if (n > 1u << 23)
		return num(-E2BIG);
	for (uint32_t k = 0; k < n; k++)
		if (run_callback(run, b, k, c, 0, 0))
			return k + 1;
	return n;
}

HELPER(processor_id)
{
	return maps_cpu(run);
}

const run_fn maps_helpers[MAPS_HELPERS] = {
    [BPF_FUNC_map_lookup_elem] = lookup,
    [BPF_FUNC_map_update_elem] = update,
    [BPF_FUNC_map_delete_elem] = remove_key,
    [BPF_FUNC_map_lookup_percpu_elem] = lookup_percpu,
    [BPF_FUNC_map_push_elem] = push,
    [BPF_FUNC_map_pop_elem] = pop,
    [BPF_FUNC_map_peek_elem] = peek,
    [BPF_FUNC_for_each_map_elem] = for_each,
    [BPF_FUNC_loop] = loop,
    [BPF_FUNC_get_smp_processor_id] = processor_id,
};

/* A slot of a program array: the reference there, as an address in this process. */
static uint64_t tail(struct run *run, uint64_t map, uint32_t index)
{
	struct maps_run *mr = run->owner;
	uint64_t ref = map_slot(map_arg(map), index);

	return ref ? mr->host->entry(mr, ref) : 0;
}

void maps_run_init(struct run *run, struct maps_run *mr)
{
	*run = (struct run){.base = mr->t->pool->base,
			    .helpers = maps_helpers,
			    .nhelpers = MAPS_HELPERS,
			    .tail_left = 33,
			    .tail = tail,
			    .owner = mr};
}
