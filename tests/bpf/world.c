/*
 * The world: one block of memory as case_maps lays it out, values 1024 bytes
 * behind each map's start. The hash keeps (used, key, value) cells in order.
 */
#include "world.h"

#include <errno.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES 12u
#define VALUES 1024u
#define CELLS 16u
#define RECORD_ROOM 256u

struct cell {
	uint64_t used, key;
	uint8_t value[48];
};

struct world {
	struct run run;
	run_fn helpers[256];
	uint8_t *pages; /* owned */
	uint8_t *mem;	/* in it */
	/* The ring buffer: one record at a time. */
	uint8_t record[RECORD_ROOM];
	uint64_t record_len; /* 0: none is out */
};

static struct world *world_of(struct run *run)
{
	return run->owner;
}

static const struct map_info *map_of(const struct world *w, uint64_t addr)
{
	for (unsigned k = 0; k < MAP_KINDS; k++)
		if (addr == (uintptr_t)w->mem + case_maps[k].off)
			return &case_maps[k];
	return NULL;
}

static uint8_t *values_of(const struct world *w, const struct map_info *m)
{
	return w->mem + m->off + VALUES;
}

static struct cell *hash_find(struct world *w, const struct map_info *m, uint64_t key)
{
	struct cell *cells = (struct cell *)(void *)values_of(w, m);

	for (unsigned k = 0; k < CELLS; k++)
		if (cells[k].used && cells[k].key == key)
			return &cells[k];
	return NULL;
}

static bool is_hash(const struct map_info *m)
{
	return m->type == BPF_MAP_TYPE_HASH;
}

static uint64_t load_key(const struct map_info *m, uint64_t addr)
{
	uint64_t key = 0;

	memcpy(&key, (const void *)(uintptr_t)addr, m->key_size);
	return key;
}

static uint64_t lookup(uint64_t map, uint64_t key, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	struct world *w = world_of(run);
	const struct map_info *m = map_of(w, map);
	uint64_t k = load_key(m, key);

	if (is_hash(m)) {
		struct cell *cell = hash_find(w, m, k);

		return cell ? (uintptr_t)cell->value : 0;
	}
	if (m->type == BPF_MAP_TYPE_ARRAY_OF_MAPS)
		return k == 0 ? (uintptr_t)w->mem + case_maps[MAP_HASH].off : 0;
	return k < m->max_entries ? (uintptr_t)values_of(w, m) + k * m->value_size : 0;
}

static uint64_t update(uint64_t map, uint64_t key, uint64_t value, uint64_t flags, uint64_t e, struct run *run)
{
	struct world *w = world_of(run);
	const struct map_info *m = map_of(w, map);
	uint64_t k = load_key(m, key);
	struct cell *cell, *cells = (struct cell *)(void *)values_of(w, m);

	if (flags > BPF_EXIST)
		return (uint64_t)-EINVAL;
	if (!is_hash(m)) {
		if (k >= m->max_entries)
			return (uint64_t)-E2BIG;
		if (flags == BPF_NOEXIST)
			return (uint64_t)-EEXIST;
		memmove(values_of(w, m) + k * m->value_size, (const void *)(uintptr_t)value, m->value_size);
		return 0;
	}
	cell = hash_find(w, m, k);
	if (flags == BPF_NOEXIST && cell)
		return (uint64_t)-EEXIST;
	if (flags == BPF_EXIST && !cell)
		return (uint64_t)-ENOENT;
	for (unsigned n = 0; !cell && n < CELLS; n++)
		if (!cells[n].used)
			cell = &cells[n];
	if (!cell)
		return (uint64_t)-E2BIG;
	cell->used = 1;
	cell->key = k;
	memmove(cell->value, (const void *)(uintptr_t)value, m->value_size);
	return 0;
}

static uint64_t delete (uint64_t map, uint64_t key, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	struct world *w = world_of(run);
	const struct map_info *m = map_of(w, map);
	struct cell *cell = is_hash(m) ? hash_find(w, m, load_key(m, key)) : NULL;

	if (!is_hash(m))
		return (uint64_t)-EINVAL;
	if (!cell)
		return (uint64_t)-ENOENT;
	cell->used = 0;
	return 0;
}

static uint64_t loop(uint64_t n, uint64_t fn, uint64_t ctx, uint64_t flags, uint64_t e, struct run *run)
{
	if (flags)
		return (uint64_t)-EINVAL;
	if ((uint32_t)n > 1u << 23)
		return (uint64_t)-E2BIG;
	for (uint32_t k = 0; k < (uint32_t)n; k++)
		if (run_callback(run, fn, k, ctx, 0, 0))
			return k + 1;
	return (uint32_t)n;
}

static uint64_t each(uint64_t map, uint64_t fn, uint64_t ctx, uint64_t flags, uint64_t e, struct run *run)
{
	struct world *w = world_of(run);
	const struct map_info *m = map_of(w, map);
	uint64_t seen = 0;

	if (flags)
		return (uint64_t)-EINVAL;
	for (uint32_t k = 0; k < m->max_entries; k++) {
		struct cell *cell = (struct cell *)(void *)values_of(w, m) + k;
		uint64_t key = is_hash(m) ? (uintptr_t)&cell->key : (uintptr_t)&seen;
		uint64_t value = is_hash(m) ? (uintptr_t)cell->value : (uintptr_t)values_of(w, m) + k * m->value_size;

		if (is_hash(m) && !cell->used)
			continue;
		memcpy(w->mem + VALUES - 64, (void *)(uintptr_t)key, 8);
		seen++;
		if (run_callback(run, fn, map, (uintptr_t)w->mem + VALUES - 64, value, ctx))
			break;
	}
	return seen;
}

static uint64_t reserve(uint64_t map, uint64_t size, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	struct world *w = world_of(run);

	if (w->record_len || size > RECORD_ROOM || size == 0)
		return 0;
	memset(w->record, 0x5a, sizeof(w->record));
	w->record_len = size;
	return (uintptr_t)w->record;
}

static uint64_t give_back(uint64_t record, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	world_of(run)->record_len = 0;
	return 0;
}

/* Fills its buffer, as the real ones do in every case. */
static uint64_t fill(uint64_t dst, uint64_t size, uint64_t src, uint64_t d, uint64_t e, struct run *run)
{
	memset((void *)(uintptr_t)dst, (int)(src & 0xff), (uint32_t)size);
	return src & 1 ? (uint64_t)-EFAULT : 0;
}

static uint64_t fill_str(uint64_t dst, uint64_t size, uint64_t src, uint64_t d, uint64_t e, struct run *run)
{
	if (size)
		memset((void *)(uintptr_t)dst, (int)(src & 0xff), (uint32_t)size);
	return src & 1 ? (uint64_t)-EFAULT : size ? src % size + 1 : 0;
}

/* ---- Dynptrs: what a program hands in must be one that was made, the verifier promises ---- */

#define DYNPTR_MARK 0xd1a97000u

struct dynptr {
	uint64_t data; /* 0: it could not be made */
	uint32_t size, mark;
};

static struct dynptr *made(uint64_t addr)
{
	struct dynptr *d = (struct dynptr *)(uintptr_t)addr;

	if (d->mark == DYNPTR_MARK)
		return d;
	printf("not ok - a helper is given a dynptr that was not made\n");
	exit(1);
}

static uint64_t make_dynptr(uint64_t to, uint64_t data, uint64_t size)
{
	*(struct dynptr *)(uintptr_t)to = (struct dynptr){data, (uint32_t)size, DYNPTR_MARK};
	return data ? 0 : (uint64_t)-EINVAL;
}

static bool holds(const struct dynptr *d, uint64_t off, uint64_t len)
{
	return d->data && len <= d->size && off <= d->size - len;
}

static uint64_t from_mem(uint64_t data, uint64_t size, uint64_t flags, uint64_t to, uint64_t e, struct run *run)
{
	return make_dynptr(to, flags ? 0 : data, (uint32_t)size);
}

/* One without data has nothing of no length too: memmove must not see it. */
static void copy(void *to, const void *from, size_t n)
{
	if (n)
		memmove(to, from, n);
}

static uint64_t dynptr_read(uint64_t dst, uint64_t len, uint64_t src, uint64_t off, uint64_t flags, struct run *run)
{
	const struct dynptr *d = made(src);
	bool ok = !flags && holds(d, (uint32_t)off, (uint32_t)len);

	if (ok)
		copy((void *)(uintptr_t)dst, (const char *)(uintptr_t)d->data + (uint32_t)off, (uint32_t)len);
	else
		memset((void *)(uintptr_t)dst, 0, (uint32_t)len);
	return ok ? 0 : (uint64_t)-E2BIG;
}

static uint64_t dynptr_write(uint64_t dst, uint64_t off, uint64_t src, uint64_t len, uint64_t flags, struct run *run)
{
	const struct dynptr *d = made(dst);

	if (flags || !holds(d, (uint32_t)off, (uint32_t)len))
		return (uint64_t)-E2BIG;
	copy((char *)(uintptr_t)d->data + (uint32_t)off, (const void *)(uintptr_t)src, (uint32_t)len);
	return 0;
}

static uint64_t dynptr_data(uint64_t src, uint64_t off, uint64_t len, uint64_t d4, uint64_t e, struct run *run)
{
	const struct dynptr *d = made(src);

	return holds(d, (uint32_t)off, (uint32_t)len) ? d->data + (uint32_t)off : 0;
}

static uint64_t reserve_dynptr(uint64_t map, uint64_t size, uint64_t flags, uint64_t to, uint64_t e, struct run *run)
{
	return make_dynptr(to, flags ? 0 : reserve(map, (uint32_t)size, 0, 0, 0, run), (uint32_t)size);
}

static uint64_t give_back_dynptr(uint64_t addr, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	if (made(addr)->data)
		world_of(run)->record_len = 0;
	*made(addr) = (struct dynptr){0, 0, 0};
	return 0;
}

static uint64_t none(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	return 0;
}

static uint64_t no_tail(struct run *run, uint64_t map, uint32_t index)
{
	return 0;
}

struct world *world_new(uintptr_t at)
{
	struct world *w = calloc(1, sizeof(*w));

	for (unsigned k = 0; k < array_len(w->helpers); k++)
		w->helpers[k] = none;
	w->helpers[BPF_FUNC_map_lookup_elem] = lookup;
	w->helpers[BPF_FUNC_map_update_elem] = update;
	w->helpers[BPF_FUNC_map_delete_elem] = delete;
	w->helpers[BPF_FUNC_loop] = loop;
	w->helpers[BPF_FUNC_for_each_map_elem] = each;
	w->helpers[BPF_FUNC_ringbuf_reserve] = reserve;
	w->helpers[BPF_FUNC_ringbuf_submit] = give_back;
	w->helpers[BPF_FUNC_ringbuf_discard] = give_back;
	w->helpers[BPF_FUNC_dynptr_from_mem] = from_mem;
	w->helpers[BPF_FUNC_dynptr_read] = dynptr_read;
	w->helpers[BPF_FUNC_dynptr_write] = dynptr_write;
	w->helpers[BPF_FUNC_dynptr_data] = dynptr_data;
	w->helpers[BPF_FUNC_ringbuf_reserve_dynptr] = reserve_dynptr;
	w->helpers[BPF_FUNC_ringbuf_submit_dynptr] = give_back_dynptr;
	w->helpers[BPF_FUNC_ringbuf_discard_dynptr] = give_back_dynptr;
	w->helpers[BPF_FUNC_probe_read_user] = fill;
	w->helpers[BPF_FUNC_probe_read_user_str] = fill_str;
	/* One page more, since `at` is somewhere in the first. */
	w->pages = mmap((void *)(at & ~(uintptr_t)4095), (PAGES + 1) * 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED_NOREPLACE : 0), -1, 0);
	if (w->pages == MAP_FAILED)
		err(1, "memory at %#lx", at);
	w->mem = w->pages + at % 4096;
	w->run = (struct run){.base = (char *)w->mem,
			      .helpers = w->helpers,
			      .nhelpers = array_len(w->helpers),
			      .tail = no_tail,
			      .owner = w};
	world_reset(w);
	return w;
}

void world_free(struct world *w)
{
	munmap(w->pages, (PAGES + 1) * 4096);
	free(w);
}

void world_reset(struct world *w)
{
	memset(w->mem, 0, PAGES * 4096);
	w->record_len = 0;
	memcpy(w->mem + case_maps[MAP_RODATA].value_off, case_rodata, sizeof(case_rodata));
}

const struct run *world_run(const struct world *w)
{
	return &w->run;
}

static bool within(uint64_t addr, uint64_t len, const void *start, uint64_t size)
{
	uint64_t at = addr - (uintptr_t)start;

	return at <= size && len <= size - at;
}

/* In one value: an access that crosses into the next is as wrong as any. */
static bool in_value(const struct world *w, const struct map_info *m, uint64_t addr, uint64_t len)
{
	uint64_t at = addr - (uintptr_t)values_of(w, m);

	if (is_hash(m)) {
		uint64_t in = at % sizeof(struct cell) - offsetof(struct cell, value);

		return at < CELLS * sizeof(struct cell) && in < m->value_size && len <= m->value_size - in;
	}
	if (m->type != BPF_MAP_TYPE_ARRAY || at >= (uint64_t)m->max_entries * m->value_size)
		return false;
	return len <= m->value_size - at % m->value_size;
}

bool world_access(void *arg, uint64_t addr, uint64_t len, bool write)
{
	const struct world *w = arg;

	if (w->record_len && within(addr, len, w->record, w->record_len))
		return true;
	if (!write && within(addr, len, w->mem + VALUES - 64, 8)) /* the key that a callback gets */
		return true;
	for (unsigned k = 0; k < MAP_KINDS; k++)
		if (in_value(w, &case_maps[k], addr, len))
			return !write || !(case_maps[k].flags & BPF_F_RDONLY_PROG);
	return false;
}

size_t world_content(const struct world *w, const void **data)
{
	*data = w->mem;
	return PAGES * 4096;
}

void *world_values(const struct world *w, enum case_map map, size_t *len)
{
	*len = (size_t)case_maps[map].max_entries * case_maps[map].value_size;
	return values_of(w, &case_maps[map]);
}
