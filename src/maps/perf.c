/* Perf rings: see perf.h. Records are written under a lock word; the head moves last, which makes them happen. */
#include "maps/perf.h"

#include <linux/perf_event.h>

#define OWN_AT 512u

struct own {
	uint64_t word;
	uint64_t lost;
	uint64_t size; /* bytes of data; constant */
};

struct ring {
	struct perf_event_mmap_page *page;
	struct own *own;
	char *data;
	uint64_t mask;
};

_Static_assert(offsetof(struct perf_event_mmap_page, data_head) == 1024, "the kernel's layout");
_Static_assert(offsetof(struct perf_event_mmap_page, __reserved) <= OWN_AT, "ours lies in what is reserved");

int perf_create(struct task *t, uint64_t bytes, uint64_t *off)
{
	struct perf_event_mmap_page *page;
	int err = bytes < ARENA_PAGE || (bytes & (bytes - 1)) ? -EINVAL : arena_take(t, ARENA_PAGE + bytes, off);

	if (err)
		return err;
	if (pool_commit(t->pool, *off, ARENA_PAGE + bytes) != 0) {
		err = arena_put(t, *off);
		return err ? err : -ENOMEM;
	}
	page = (void *)(t->pool->base + *off);
	page->data_offset = ARENA_PAGE;
	page->data_size = bytes;
	((struct own *)(void *)((char *)page + OWN_AT))->size = bytes;
	return 0;
}

static int open_ring(const struct pool *p, uint64_t off, struct ring *r)
{
	uint64_t size = arena_size(p, off);
	char *base = p->base + off;

	if (size < 2 * ARENA_PAGE)
		return -EUCLEAN;
	r->page = (void *)base;
	r->own = (void *)(base + OWN_AT);
	r->data = base + ARENA_PAGE;
	r->mask = r->own->size - 1;
	return r->own->size <= size - ARENA_PAGE && r->own->size && !(r->own->size & r->mask) ? 0 : -EUCLEAN;
}

/* Copies to the position, around the end if need be. */
static void put(const struct ring *r, uint64_t *at, const void *src, uint64_t n)
{
	uint64_t from = *at & r->mask, first = min_of(n, r->mask + 1 - from);

	mem_copy(r->data + from, src, first);
	mem_copy(r->data, (const char *)src + first, n - first);
	*at += n;
}

static void put_lost(const struct ring *r, uint64_t *at)
{
	const struct {
		struct perf_event_header h;
		uint64_t id, lost;
	} rec = {{.type = PERF_RECORD_LOST, .size = sizeof rec}, 0, r->own->lost};

	put(r, at, &rec, sizeof rec);
}

static void put_sample(const struct ring *r, uint64_t *at, const void *data, uint32_t size)
{
	const uint64_t zero = 0;
	uint32_t raw = round_up(size + 4, 8u) - 4;
	struct perf_event_header h = {
	    .type = PERF_RECORD_SAMPLE, .misc = PERF_RECORD_MISC_KERNEL, .size = (uint16_t)(sizeof h + 4 + raw)};

	put(r, at, &h, sizeof h);
	put(r, at, &raw, sizeof raw);
	put(r, at, data, size);
	put(r, at, &zero, raw - size);
}

#define LOST_BYTES 24u

static int output(struct task *t, const struct ring *r, const void *data, uint32_t size)
{
	uint64_t head = load_relaxed(&r->page->data_head), need = 8 + round_up(size + 4, 8u);
	uint64_t used = head - load_acquire(&r->page->data_tail);

	need += r->own->lost ? LOST_BYTES : 0;
	if (used > r->mask + 1 || r->mask + 1 - used < need) {
		r->own->lost++;
		return -ENOSPC;
	}
	if (r->own->lost)
		put_lost(r, &head);
	put_sample(r, &head, data, size);
	fence_death();
	step(t);
	store_release(&r->page->data_head, head);
	step(t);
	r->own->lost = 0;
	return 0;
}

int perf_output(struct task *t, uint64_t off, const void *data, uint32_t size)
{
	struct ring r;
	int err = open_ring(t->pool, off, &r);

	if (!err && size > UINT16_MAX - 64)
		err = -E2BIG;
	if (!err)
		err = fast_lock(t, &r.own->word);
	if (err)
		return err;
	err = output(t, &r, data, size);
	fast_unlock(t, &r.own->word, 0);
	return err;
}

bool perf_ready(const struct pool *p, uint64_t off)
{
	struct ring r;

	return open_ring(p, off, &r) == 0 && load_acquire(&r.page->data_head) != load_relaxed(&r.page->data_tail);
}
