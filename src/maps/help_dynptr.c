/*
 * Dynptrs: memory of which only the run knows how much it is, behind helpers
 * that check. The verifier sees to it that each of the program's is one.
 */
#include "maps/dynptr.h"

#include "maps/ring.h"

struct piece {
	char *at;
	uint32_t len;
};

static uint32_t size_of(const struct dynptr *d)
{
	return d->size & ~DYNPTR_SAMPLE;
}

static bool holds(const struct dynptr *d, uint32_t off, uint32_t len)
{
	return len <= size_of(d) && off <= size_of(d) - len;
}

/* Where `len` bytes from `off` on lie: in one piece, or around the end of a ring. */
static void find(const struct dynptr *d, uint32_t off, uint32_t len, struct piece p[2])
{
	const struct map *m = ptr(d->data);
	uint32_t at;

	p[0] = (struct piece){(char *)ptr(d->data) + off, len};
	p[1] = (struct piece){p[0].at, 0};
	if (!(d->size & DYNPTR_SAMPLE))
		return;
	at = (d->at + off) & (m->max_entries - 1);
	p[0] = (struct piece){ring_data(m) + at, min_of(len, m->max_entries - at)};
	p[1] = (struct piece){ring_data(m), len - p[0].len};
}

/* What is read may overlap what is written: both can be of one value. */
static void move(char *to, const char *from, uint32_t n)
{
	if (to <= from || to >= from + n)
		mem_copy(to, from, n);
	else
		while (n-- > 0)
			to[n] = from[n];
}

uint64_t help_dynptr_from_mem(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct dynptr *out = ptr(d);
	uint32_t size = (uint32_t)b;

	*out = (struct dynptr){0};
	if (size > DYNPTR_MAX)
		return num(-E2BIG);
	if (c)
		return num(-EINVAL);
	*out = (struct dynptr){.data = a, .size = size};
	return 0;
}

uint64_t help_dynptr_read(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	const struct dynptr *src = ptr(c);
	uint32_t len = (uint32_t)b, off = (uint32_t)d;
	int64_t err = !src->data || e5 ? -EINVAL : !holds(src, off, len) ? -E2BIG : 0;
	struct piece p[2];

	if (err) {
		mem_zero(ptr(a), len);
		return num(err);
	}
	find(src, off, len, p);
	move(ptr(a), p[0].at, p[0].len);
	mem_copy((char *)ptr(a) + p[0].len, p[1].at, p[1].len);
	return 0;
}

uint64_t help_dynptr_write(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	const struct dynptr *dst = ptr(a);
	uint32_t off = (uint32_t)b, len = (uint32_t)d;
	struct piece p[2];

	if (!dst->data || e5)
		return num(-EINVAL);
	if (!holds(dst, off, len))
		return num(-E2BIG);
	find(dst, off, len, p);
	move(p[0].at, ptr(c), p[0].len);
	mem_copy(p[1].at, (const char *)ptr(c) + p[0].len, p[1].len);
	return 0;
}

/* A slice that goes around the end of a ring is not to be had. */
uint64_t help_dynptr_data(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	const struct dynptr *src = ptr(a);
	uint32_t off = (uint32_t)b, len = (uint32_t)c;
	struct piece p[2];

	if (!src->data || !holds(src, off, len))
		return 0;
	find(src, off, len, p);
	return p[1].len ? 0 : addr(p[0].at);
}

uint64_t help_ring_reserve_dynptr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	struct dynptr *out = ptr(d);
	uint32_t size = (uint32_t)b;
	uint64_t record;

	*out = (struct dynptr){0};
	if (c)
		return num(-EINVAL);
	if (size > DYNPTR_MAX)
		return num(-E2BIG);
	record = help_ring_reserve(a, size, 0, 0, 0, run);
	if (!record)
		return num(-EINVAL);
	*out = (struct dynptr){.data = record, .size = size};
	return 0;
}

/* One that could not be reserved is given up as well. */
static uint64_t give_up(struct dynptr *d, uint64_t flags, run_fn how, struct run *run)
{
	if (d->data)
		how(d->data, flags, 0, 0, 0, run);
	*d = (struct dynptr){0};
	return 0;
}

uint64_t help_ring_submit_dynptr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	return give_up(ptr(a), b, help_ring_submit, run);
}

uint64_t help_ring_discard_dynptr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e5, struct run *run)
{
	return give_up(ptr(a), b, help_ring_discard, run);
}
