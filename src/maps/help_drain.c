/*
 * The user ring buffer's samples for programs: a callback gets each as a
 * dynptr. A sample may go around the end of the ring, which programs
 * see once: it is read in two pieces.
 */
#include "maps/dynptr.h"
#include "maps/ring.h"

#define SAMPLES_MAX (128u * 1024)
#define WAKEUP_FLAGS ((uint64_t)(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP))

static int64_t drain(struct run *run, struct map *m, uint64_t fn, uint64_t ctx)
{
	int64_t n = 0;

	while (n < SAMPLES_MAX) {
		uint64_t at = 0, stop;
		int64_t size = user_ring_peek(m, &at);
		struct dynptr s;

		if (size == -EAGAIN)
			continue;
		if (size == -ENODATA)
			break;
		if (size < 0)
			return size;
		s = (struct dynptr){.data = addr(m),
				    .size = (uint32_t)size | DYNPTR_SAMPLE,
				    .at = (uint32_t)((at + 8) & (m->max_entries - 1))};
		stop = run_callback(run, fn, addr(&s), ctx, 0, 0);
		user_ring_taken(m, at, (uint64_t)size);
		n++;
		if (stop)
			break;
	}
	return n;
}

uint64_t help_user_ring_drain(uint64_t map, uint64_t fn, uint64_t ctx, uint64_t flags, uint64_t e5, struct run *run)
{
	struct maps_run *mr = owner_of(run);
	struct map *m = map_arg(map);
	int64_t n;

	if (flags & ~WAKEUP_FLAGS)
		return num(-EINVAL);
	maps_cpu(run); /* what a callback takes until the end of the run is taken before this lock */
	if (fast_trylock(mr->t, &m->word) != 0)
		return num(-EBUSY);
	n = drain(run, m, fn, ctx);
	fast_unlock(mr->t, &m->word, 0);
	if ((flags & BPF_RB_FORCE_WAKEUP) || (n > 0 && !(flags & BPF_RB_NO_WAKEUP)))
		mr->host->wake(mr, map_off(mr->t->pool, m));
	return num(n);
}
