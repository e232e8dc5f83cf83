/* Calls on maps, made at random, put to the kernel and to us. */
#include "calls.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CPUS_MAX 64u /* whose values fit CALL_BYTES in a batch */
#define BAD_ADDRESS ((void *)(uintptr_t)8)

uint32_t prng(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* --- making --- */

static void make_key(const struct kind *k, uint64_t *rng, uint8_t *key)
{
	uint32_t n = prng(rng) % k->keys;

	memset(key, 0, k->attr.key_size);
	if (k->setup & KIND_LPM) {
		uint32_t prefix = prng(rng) % ((k->attr.key_size - 4) * 8 + (prng(rng) % 16 ? 1 : 2));

		memcpy(key, &prefix, 4);
		for (uint32_t i = 4; i < k->attr.key_size; i++)
			key[i] = (uint8_t)(prng(rng) % 4 ? prng(rng) % 3 * 64 : prng(rng));
		return;
	}
	memcpy(key, &n, min_of(k->attr.key_size, 4u));
	if (k->attr.key_size > 8)
		memset(key + 8, (int)(n % 7), k->attr.key_size - 8);
}

static void make_value(const struct kind *k, uint32_t bytes, uint64_t *rng, uint8_t *value)
{
	if (k->setup & KIND_MEMBER) {
		memset(value, 0, bytes);
		value[0] = (uint8_t)(prng(rng) % k->keys);
		return;
	}
	for (uint32_t i = 0; i < bytes; i++)
		value[i] = (uint8_t)prng(rng);
	/* What lies between the CPUs' values is not the map's. */
	if (bytes > k->attr.value_size && k->attr.value_size % 8)
		for (uint32_t i = 0; i < bytes; i++)
			if (i % round_up(k->attr.value_size, 8) >= k->attr.value_size)
				value[i] = 0;
}

static uint64_t make_flags(uint64_t *rng, enum call_op op)
{
	switch (prng(rng) % 16) {
	case 0:
		return 1ull << prng(rng) % 36;
	case 1:
	case 2:
		return op == CALL_UPDATE ? BPF_NOEXIST : 0;
	case 3:
	case 4:
		return op == CALL_UPDATE ? BPF_EXIST : 0;
	case 5:
		return BPF_F_LOCK | prng(rng) % 4;
	default:
		return 0;
	}
}

void call_make(const struct kind *k, uint32_t value_bytes, uint64_t *rng, struct call *c)
{
	do {
		c->op = (enum call_op)(prng(rng) % CALL_OPS);
	} while (!(k->ops & 1u << c->op) || (c->op == CALL_FREEZE && prng(rng) % 64));
	c->flags = make_flags(rng, c->op);
	c->no_key = k->attr.key_size == 0 || (c->op == CALL_NEXT && prng(rng) % 8 == 0);
	if (prng(rng) % 64 == 0)
		c->no_key = !c->no_key;
	c->bad_key = prng(rng) % 64 == 0;
	c->bad_value = prng(rng) % 64 == 0;
	c->count = prng(rng) % (CALL_ITEMS + 1);
	/* Part of a hash is another part here and there: all or nothing. */
	if (!(k->ops & 1u << CALL_NEXT) && (c->op == CALL_BATCH_LOOKUP || c->op == CALL_BATCH_TAKE))
		c->count = c->count % 4 ? CALL_ITEMS : 0;
	for (uint32_t i = 0; i < (c->op >= CALL_BATCH_LOOKUP ? CALL_ITEMS : 1) && k->attr.key_size; i++)
		make_key(k, rng, c->key + i * k->attr.key_size);
	/* The kernel loses the elements of a chain that it cannot hand over; we do not. */
	if (c->op == CALL_BATCH_TAKE)
		c->bad_key = c->bad_value = false;
	make_value(k, value_bytes * (c->op >= CALL_BATCH_LOOKUP ? c->count : 1), rng, c->value);
}

void call_print(const struct kind *k, const struct call *c, const struct answer *a)
{
	static const char *const names[] = {"lookup",	    "update",	  "delete",	  "take",
					    "next",	    "dump",	  "batch lookup", "batch update",
					    "batch delete", "batch take", "freeze"};

	printf("#  %s %s flags %llx%s%s%s count %u key %02x%02x%02x%02x -> %d, %u, %u bytes:", k->name, names[c->op],
	       (unsigned long long)c->flags, c->no_key ? " null" : "", c->bad_key ? " bad key" : "",
	       c->bad_value ? " bad value" : "", c->count, c->key[0], c->key[1], c->key[2], c->key[3], a->err, a->count,
	       a->bytes);
	for (uint32_t i = 0; i < a->bytes && i < 32; i++)
		printf(" %02x", a->data[i]);
	printf("\n");
}

/* --- dumps --- */

struct put {
	const struct kind *k;
	int (*next)(const struct put *p, const void *key, void *next);
	int (*look)(const struct put *p, const void *key, void *value);
	int fd;
	struct task *t;
	struct map *m;
};

static uint32_t dump_item;
static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, dump_item);
}

static void dump(const struct put *p, uint32_t value_bytes, struct answer *a)
{
	uint32_t ks = p->k->attr.key_size, item = ks + value_bytes;
	const uint8_t *key = NULL;
	uint32_t n = 0;

	while ((n + 1) * item <= CALL_BYTES && p->next(p, key, a->data + n * item) == 0) {
		key = a->data + n * item;
		if (p->look(p, key, a->data + n * item + ks) != 0)
			memset(a->data + n * item + ks, 0xee, value_bytes);
		n++;
	}
	dump_item = ks;
	qsort(a->data, n, item, by_key);
	a->err = 0;
	a->bytes = n * item;
	a->count = n;
}

/* --- the kernel --- */

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

int kernel_map(const struct map_attr *a)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = a->type;
	attr.key_size = a->key_size;
	attr.value_size = a->value_size;
	attr.max_entries = a->max_entries;
	attr.map_flags = a->flags;
	attr.map_extra = a->extra;
	return sys_bpf(BPF_MAP_CREATE, &attr);
}

/* Kernels before the one that ours are like differ in details. */
static bool is_young(void)
{
	struct utsname u;
	unsigned major = 0, minor = 0;

	return uname(&u) == 0 && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 18));
}

/* What lies behind two CPUs' values of eight bytes tells. */
uint32_t kernel_cpus(void)
{
	const struct map_attr a = {.type = BPF_MAP_TYPE_PERCPU_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
	static uint8_t buf[8 * 4096];
	uint32_t key = 0, n = 0;
	union bpf_attr attr;
	int fd = is_young() ? kernel_map(&a) : -1;

	if (fd < 0)
		return 0;
	memset(buf, 0xff, sizeof(buf));
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)buf;
	sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr);
	close(fd);
	while (n < 4096 && buf[n * 8] == 0)
		n++;
	return n <= CPUS_MAX ? n : 0;
}

static int kernel_elem(int fd, int cmd, const void *key, void *value, uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)fd;
	attr.key = (uintptr_t)key;
	if (cmd != BPF_MAP_DELETE_ELEM)
		attr.value = (uintptr_t)value;
	if (cmd != BPF_MAP_DELETE_ELEM && cmd != BPF_MAP_GET_NEXT_KEY)
		attr.flags = flags;
	return sys_bpf(cmd, &attr);
}

static int kernel_next(const struct put *p, const void *key, void *next)
{
	return kernel_elem(p->fd, BPF_MAP_GET_NEXT_KEY, key, next, 0);
}

static int kernel_look(const struct put *p, const void *key, void *value)
{
	return kernel_elem(p->fd, BPF_MAP_LOOKUP_ELEM, key, value, 0);
}

static const void *key_of(const struct call *c)
{
	return c->no_key ? NULL : c->bad_key ? BAD_ADDRESS : c->key;
}

static const int batch_cmds[] = {
    [CALL_BATCH_LOOKUP] = BPF_MAP_LOOKUP_BATCH,
    [CALL_BATCH_UPDATE] = BPF_MAP_UPDATE_BATCH,
    [CALL_BATCH_DELETE] = BPF_MAP_DELETE_BATCH,
    [CALL_BATCH_TAKE] = BPF_MAP_LOOKUP_AND_DELETE_BATCH,
};

/* What one batch call gets; the answer's data: the next position, keys and values. */
static void batch_attr(const struct kind *k, const struct call *c, struct answer *a, union bpf_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->batch.count = c->count;
	attr->batch.elem_flags = c->flags & BPF_F_LOCK;
	attr->batch.flags = c->flags >> 33;
	attr->batch.keys = (uintptr_t)key_of(c);
	attr->batch.values = (uintptr_t)(c->bad_value ? BAD_ADDRESS : c->value);
	if (c->op == CALL_BATCH_LOOKUP || c->op == CALL_BATCH_TAKE) {
		attr->batch.out_batch = (uintptr_t)a->data;
		attr->batch.keys = (uintptr_t)(c->bad_key ? BAD_ADDRESS : a->data + 64);
		attr->batch.values = (uintptr_t)(c->bad_value ? BAD_ADDRESS : a->data + 64 + CALL_ITEMS * 64);
	}
}

/* Keys and values together and in order, so that the order of a hash makes no difference. */
static void batch_sort(const struct kind *k, uint32_t value_bytes, struct answer *a)
{
	uint32_t ks = k->attr.key_size, item = ks + value_bytes, n = a->count;
	uint8_t *both = malloc((size_t)item * CALL_ITEMS);

	if (n > CALL_ITEMS || (a->err && a->err != -ENOENT)) {
		a->bytes = 0;
		free(both);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		memcpy(both + i * item, a->data + 64 + i * ks, ks);
		memcpy(both + i * item + ks, a->data + 64 + CALL_ITEMS * 64 + i * value_bytes, value_bytes);
	}
	dump_item = ks;
	qsort(both, n, item, by_key);
	memcpy(a->data, both, (size_t)n * item);
	a->bytes = n * item;
	free(both);
}

static void kernel_batch(int fd, const struct kind *k, uint32_t value_bytes, const struct call *c, struct answer *a)
{
	union bpf_attr attr;

	batch_attr(k, c, a, &attr);
	attr.batch.map_fd = (uint32_t)fd;
	a->err = sys_bpf(batch_cmds[c->op], &attr);
	a->count = attr.batch.count;
	if (c->op == CALL_BATCH_LOOKUP || c->op == CALL_BATCH_TAKE)
		batch_sort(k, value_bytes, a);
}

void kernel_call(int fd, const struct kind *k, uint32_t value_bytes, const struct call *c, struct answer *a)
{
	static const int cmds[] = {BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM,
				   BPF_MAP_LOOKUP_AND_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY};
	const struct put p = {.k = k, .next = kernel_next, .look = kernel_look, .fd = fd};
	void *value = c->op == CALL_UPDATE ? c->value : a->data;
	union bpf_attr attr;

	a->count = a->bytes = 0;
	if (k->setup & KIND_MEMBER)
		value = c->value;
	if (c->op == CALL_DUMP) {
		dump(&p, value_bytes, a);
		return;
	}
	if (c->op == CALL_FREEZE) {
		memset(&attr, 0, sizeof(attr));
		attr.map_fd = (uint32_t)fd;
		a->err = sys_bpf(BPF_MAP_FREEZE, &attr);
		return;
	}
	if (c->op >= CALL_BATCH_LOOKUP) {
		kernel_batch(fd, k, value_bytes, c, a);
		return;
	}
	a->err = kernel_elem(fd, cmds[c->op], key_of(c), c->bad_value ? BAD_ADDRESS : value, c->flags);
	if (a->err == 0 && c->op != CALL_UPDATE && c->op != CALL_DELETE && value == a->data)
		a->bytes = c->op == CALL_NEXT ? k->attr.key_size : value_bytes;
}

/* --- ours --- */

static int our_next(const struct put *p, const void *key, void *next)
{
	return map_next_key(p->t, p->m, key, next);
}

static int our_look(const struct put *p, const void *key, void *value)
{
	return map_lookup(p->t, p->m, key, value, 0);
}

static int our_elem(struct task *t, struct map *m, const struct call *c, const void *key, void *value)
{
	switch (c->op) {
	case CALL_LOOKUP:
		return map_lookup(t, m, key, value, c->flags);
	case CALL_UPDATE:
		return map_update(t, m, key, value, c->flags);
	case CALL_DELETE:
		return map_delete(t, m, key);
	case CALL_TAKE:
		return map_lookup_and_delete(t, m, key, value, c->flags);
	default:
		return map_next_key(t, m, key, value);
	}
}

static void our_batch(struct task *t, struct map *m, const struct kind *k, uint32_t value_bytes, const struct call *c,
		      struct answer *a)
{
	bool write_count = true;
	union bpf_attr attr;

	batch_attr(k, c, a, &attr);
	a->err = map_batch(t, m, batch_cmds[c->op], &attr, &write_count);
	a->count = write_count ? attr.batch.count : c->count;
	if (c->op == CALL_BATCH_LOOKUP || c->op == CALL_BATCH_TAKE)
		batch_sort(k, value_bytes, a);
}

void our_call(struct task *t, struct map *m, const struct kind *k, uint32_t value_bytes, const struct call *c,
	      struct answer *a)
{
	const struct put p = {.k = k, .next = our_next, .look = our_look, .t = t, .m = m};
	void *value = c->op == CALL_UPDATE ? c->value : a->data;

	a->count = a->bytes = 0;
	if (k->setup & KIND_MEMBER)
		value = c->value;
	if (c->op == CALL_DUMP) {
		dump(&p, value_bytes, a);
		return;
	}
	if (c->op == CALL_FREEZE) {
		a->err = map_freeze(t, m);
		return;
	}
	if (c->op >= CALL_BATCH_LOOKUP) {
		our_batch(t, m, k, value_bytes, c, a);
		return;
	}
	a->err = our_elem(t, m, c, key_of(c), c->bad_value ? BAD_ADDRESS : value);
	if (a->err == 0 && c->op != CALL_UPDATE && c->op != CALL_DELETE && value == a->data)
		a->bytes = c->op == CALL_NEXT ? k->attr.key_size : value_bytes;
}
