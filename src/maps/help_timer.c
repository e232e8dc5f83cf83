/* Timers for programs. Where nobody runs callbacks (no callback_ref in the host) they say so: -EOPNOTSUPP. */
#include "maps/help.h"
#include "maps/timer.h"

/* As the kernel has it: who sets a timer that nobody would wait for is told. */
static bool used(struct maps_run *mr, uint64_t map)
{
	return mr->host->map_used(mr, map);
}

uint64_t help_timer_init(uint64_t timer, uint64_t map, uint64_t flags, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);

	if (!mr->host->callback_ref)
		return num(-EOPNOTSUPP);
	return num(timer_init(mr->t, map_arg(map), ptr(timer), flags, used(mr, map_off(mr->t->pool, map_arg(map)))));
}

uint64_t help_timer_set_callback(uint64_t timer, uint64_t fn, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	uint64_t map;

	if (!mr->host->callback_ref)
		return num(-EOPNOTSUPP);
	map = timer_map(mr->t, ptr(timer));
	if (!map)
		return num(-EINVAL);
	if (!used(mr, map))
		return num(-EPERM);
	return num(timer_set_callback(mr->t, ptr(timer), mr->host->callback_ref(mr, fn)));
}

uint64_t help_timer_start(uint64_t timer, uint64_t ns, uint64_t flags, uint64_t d, uint64_t e5, struct run *run)
{
	return num(timer_start(task_of(run), ptr(timer), ns, flags));
}

uint64_t help_timer_cancel(uint64_t timer, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	return num(timer_cancel(task_of(run), ptr(timer), owner_of(run)->timer));
}
