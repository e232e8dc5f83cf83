/*
 * The user ring buffer's samples for programs: a callback gets each as a
 * read-only dynptr. A sample may go around the end of the ring, which programs
 * see once: it is read in two pieces.
 */
#include "maps/help.h"
#include "maps/ring.h"

#define SAMPLES_MAX (128u * 1024)
#define WAKEUP_FLAGS ((uint64_t)(BPF_RB_NO_WAKEUP | BPF_RB_FORCE_WAKEUP))

/* As large as the kernel's struct bpf_dynptr, which is opaque. */
struct sample {
	struct map *m;
	uint32_t at, size; /* place in the data */
};

_Static_assert(sizeof(struct sample) == sizeof(struct bpf_dynptr), "it stands for one");

static int64_t drain(struct run *run, struct map *m, uint64_t fn, uint64_t ctx)
{
	int64_t n = 0;

	while (n < SAMPLES_MAX) {
		uint64_t at = 0, stop;
		int64_t size = user_ring_peek(m, &at);
		struct sample s;

		if (size == -EAGAIN)
			continue;
		if (size == -ENODATA)
			break;
		if (size < 0)
			return size;
		s = (struct sample){m, (uint32_t)((at + 8) & (m->max_entries - 1)), (uint32_t)size};
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

uint64_t help_dynptr_read(uint64_t dst, uint64_t len, uint64_t src, uint64_t offset, uint64_t flags, struct run *run)
{
	const struct sample *s = ptr(src);
	uint32_t n = (uint32_t)len, off = (uint32_t)offset, at, first;

	if (flags)
		return num(-EINVAL);
	if (off > s->size || n > s->size - off) {
		mem_zero(ptr(dst), n);
		return num(-E2BIG);
	}
	at = (s->at + off) & (s->m->max_entries - 1);
	first = min_of(n, s->m->max_entries - at);
	mem_copy(ptr(dst), ring_data(s->m) + at, first);
	mem_copy((char *)ptr(dst) + first, ring_data(s->m), n - first);
	return 0;
}
