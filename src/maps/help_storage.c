/* Task storage for programs: a value of each thread, found by the image of its task. */
#include "maps/help.h"

uint64_t help_storage_get(uint64_t map, uint64_t task, uint64_t value, uint64_t flags, uint64_t e5, struct run *run)
{
	const struct maps_task *of = ptr(task);
	struct map *m = map_arg(map);
	struct task *t = task_of(run);
	uint32_t tid;
	void *found;

	if (!of || (flags & ~(uint64_t)BPF_LOCAL_STORAGE_GET_F_CREATE))
		return 0;
	tid = (uint32_t)of->pid;
	found = map_ops(m->type)->find(t, m, &tid, 0);
	if (found || !flags)
		return addr(found);
	/* Nobody makes it but its own thread, mostly: who comes second gets the first one's. */
	if (map_storage_make(t, m, tid, ptr(value)) != 0)
		return 0;
	return addr(map_ops(m->type)->find(t, m, &tid, 0));
}

uint64_t help_storage_delete(uint64_t map, uint64_t task, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	const struct maps_task *of = ptr(task);
	struct map *m = map_arg(map);
	uint32_t tid;

	if (!of)
		return num(-EINVAL);
	tid = (uint32_t)of->pid;
	return num(map_ops(m->type)->remove(task_of(run), m, &tid));
}
