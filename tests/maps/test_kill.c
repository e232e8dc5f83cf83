/*
 * Killed at every step: a child does one operation and dies by SIGKILL at its
 * n-th store to the world, for each n. Afterwards the operation has happened
 * or not, the map is whole, and others go on with it.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "maps/hash.h"
#include "maps/help.h"
#include "maps/perf.h"
#include "maps/ring.h"
#include "maps/trace.h"
#include "rig.h"

static struct rig rig;
static int tests, failures;

struct scene {
	const char *name;
	struct map_attr attr;
	void (*before)(struct task *t, struct map *m);
	void (*op)(struct task *t, struct map *m);
	uint64_t (*digest)(struct task *t, struct map *m); /* what one can see; may take the map apart */
};

/* --- operations --- */

static uint64_t pattern[64];

static void put(struct task *t, struct map *m, uint64_t key, uint64_t value, uint64_t flags)
{
	uint64_t v[64];

	for (unsigned k = 0; k < 64; k++)
		v[k] = value * 1000 + k;
	must(map_update(t, m, &key, v, flags) == -EINVAL ? -1 : 0);
}

static void some(struct task *t, struct map *m)
{
	for (uint64_t k = 0; k < 10; k++)
		put(t, m, k, k, 0);
}

static void full(struct task *t, struct map *m)
{
	for (uint64_t k = 0; k < m->max_entries; k++)
		put(t, m, k, k, 0);
	must(map_delete(t, m, &(const uint64_t){3}));
}

static void all(struct task *t, struct map *m)
{
	for (uint64_t k = 0; k < m->max_entries; k++)
		put(t, m, k, k, 0);
}

static void none(struct task *t, struct map *m)
{
}

static void op_insert(struct task *t, struct map *m)
{
	put(t, m, 77, 1, 0);
}

static void op_change(struct task *t, struct map *m)
{
	put(t, m, 5, 99, 0);
}

static void op_change_locked(struct task *t, struct map *m)
{
	put(t, m, 5, 99, BPF_F_LOCK);
}

static void op_delete(struct task *t, struct map *m)
{
	const uint64_t key = 5;

	must(map_delete(t, m, &key));
}

static void op_take(struct task *t, struct map *m)
{
	const uint64_t key = 5;
	uint64_t v[64];

	must(map_lookup_and_delete(t, m, &key, v, 0));
}

static void op_push(struct task *t, struct map *m)
{
	must(map_update(t, m, NULL, pattern, BPF_EXIST));
}

static void op_pop(struct task *t, struct map *m)
{
	uint64_t v[64];

	must(map_lookup_and_delete(t, m, NULL, v, 0));
}

static void three(struct task *t, struct map *m)
{
	for (uint64_t k = 1; k <= 3; k++)
		must(map_update(t, m, NULL, &k, 0));
}

static void prefixes(struct task *t, struct map *m)
{
	static const uint8_t keys[][8] = {
	    {8, 0, 0, 0, 10}, {16, 0, 0, 0, 10, 1}, {16, 0, 0, 0, 10, 2}, {32, 0, 0, 0, 10, 1, 1, 1}};

	for (unsigned k = 0; k < array_len(keys); k++)
		must(map_update(t, m, keys[k], pattern, 0));
}

static void op_split(struct task *t, struct map *m)
{
	static const uint8_t key[8] = {24, 0, 0, 0, 10, 1, 129, 0};

	must(map_update(t, m, key, pattern, 0));
}

static void op_join(struct task *t, struct map *m)
{
	static const uint8_t key[8] = {16, 0, 0, 0, 10, 2};

	must(map_delete(t, m, key));
}

static void op_replace_prefix(struct task *t, struct map *m)
{
	static const uint8_t key[8] = {16, 0, 0, 0, 10, 2};

	must(map_update(t, m, key, pattern + 3, 0));
}

static void op_record(struct task *t, struct map *m)
{
	uint64_t *r = ring_reserve(t, m, 100);

	if (r) {
		*r = 42;
		ring_commit(t, m, r, 0);
	}
}

static void records(struct task *t, struct map *m)
{
	for (unsigned k = 0; k < 37; k++)
		op_record(t, m);
	*ring_consumer(m) = 30 * 112;
}

static void op_trace(struct task *t, struct map *m)
{
	static const uint64_t ip[3] = {1, 2, 3};

	must(trace_put(t, m, ip, 3, BPF_F_REUSE_STACKID) < 0 ? -1 : 0);
}

static void op_batch(struct task *t, struct map *m)
{
	uint64_t keys[4] = {5, 78, 79, 80};
	static uint64_t values[4 * 64];
	union bpf_attr attr = {.batch = {.keys = (uintptr_t)keys, .values = (uintptr_t)values, .count = 1}};
	bool write;

	must(map_batch(t, m, BPF_MAP_DELETE_BATCH, &attr, &write));
}

/* --- what is seen --- */

static uint64_t see_keys(struct task *t, struct map *m)
{
	uint64_t sum = 0;
	static uint64_t v[64 * 8];

	for (uint64_t k = 0; k < 100; k++) {
		int err;

		memset(v, 0, sizeof(v));
		err = map_lookup(t, m, &k, v, 0);
		sum = hash_bytes(sum, &err, sizeof(err));
		sum = hash_bytes(sum, v, sizeof(v));
	}
	return sum;
}

/* Of an LRU: which key went is its own affair; each that is there has its value. */
static uint64_t see_lru(struct task *t, struct map *m)
{
	uint64_t v[64], n = 0;

	for (uint64_t k = 0; k < 100; k++)
		if (map_lookup(t, m, &k, v, 0) == 0) {
			n++;
			if (v[0] != (k == 77 ? 1000 : k * 1000))
				return 0;
		}
	return n + 2 >= m->max_entries && n <= m->max_entries ? 1 : 0;
}

static uint64_t see_queue(struct task *t, struct map *m)
{
	uint64_t sum = 0, v[64];

	while (map_lookup_and_delete(t, m, NULL, v, 0) == 0)
		sum = hash_bytes(sum, v, m->value_size);
	return sum;
}

static uint64_t see_prefixes(struct task *t, struct map *m)
{
	uint64_t sum = 0, v[64];
	uint8_t key[8], *at = NULL;

	while (map_next_key(t, m, at, key) == 0) {
		at = key;
		must(map_lookup(t, m, key, v, 0));
		sum = hash_bytes(sum, key, 8);
		sum = hash_bytes(sum, v, m->value_size);
	}
	return sum;
}

/* A consumer gets whole records to the end, with nothing busy in its way, once the dead are cleared; then there is
 * room. */
static uint64_t see_ring(struct task *t, struct map *m)
{
	uint64_t at = *ring_consumer(m), n = 0;

	ring_bury(t, m);
	while (at < *ring_producer(m)) {
		uint32_t len = *(const uint32_t *)(const void *)(ring_data(m) + at % m->max_entries);

		if (len & BPF_RINGBUF_BUSY_BIT)
			return 0;
		if (!(len & BPF_RINGBUF_DISCARD_BIT)) {
			n++;
			if (*(const uint64_t *)(const void *)(ring_data(m) + at % m->max_entries + 8) != 42)
				return 0;
		}
		at += round_up((uint64_t)(len & 0x3fffffff) + 8, 8);
	}
	*ring_consumer(m) = at;
	return ring_reserve(t, m, 1000) ? n : 0;
}

static uint64_t see_traces(struct task *t, struct map *m)
{
	uint64_t sum = 0, v[64];
	uint32_t key, *at = NULL;

	while (map_next_key(t, m, at, &key) == 0) {
		at = &key;
		must(map_lookup(t, m, &key, v, 0));
		sum = hash_bytes(sum, v, m->value_size);
	}
	return sum;
}

#define ATTR(t, k, v, n) ATTR_WITH(t, k, v, n, .flags = 0)
#define ATTR_WITH(t, k, v, n, ...)                                                                                     \
	{                                                                                                              \
		.type = BPF_MAP_TYPE_##t, .key_size = k, .value_size = v, .max_entries = n, .spin_lock_off = -1,       \
		.timer_off = -1, __VA_ARGS__                                                                           \
	}

static const struct scene scenes[] = {
    {"hash: insert", ATTR(HASH, 8, 8, 40), some, op_insert, see_keys},
    {"hash: insert of a large value", ATTR(HASH, 8, 200, 40), some, op_insert, see_keys},
    {"hash: insert where only another stripe has a free element", ATTR(HASH, 8, 200, 40), full, op_insert, see_keys},
    {"hash: insert without preallocation", ATTR_WITH(HASH, 8, 200, 40, .flags = BPF_F_NO_PREALLOC), some, op_insert,
     see_keys},
    {"hash: overwrite", ATTR(HASH, 8, 8, 40), some, op_change, see_keys},
    {"hash: replace", ATTR(HASH, 8, 200, 40), some, op_change, see_keys},
    {"hash: update under the spin lock",
     {.type = BPF_MAP_TYPE_HASH,
      .key_size = 8,
      .value_size = 200,
      .max_entries = 40,
      .spin_lock_off = 0,
      .timer_off = -1},
     some,
     op_change_locked,
     see_keys},
    {"hash: delete", ATTR(HASH, 8, 200, 40), some, op_delete, see_keys},
    {"hash: look up and delete", ATTR(HASH, 8, 200, 40), some, op_take, see_keys},
    {"hash: a batch", ATTR(HASH, 8, 8, 40), some, op_batch, see_keys},
    {"per-CPU hash: insert", ATTR(PERCPU_HASH, 8, 8, 40), some, op_insert, see_keys},
    {"per-CPU hash: delete", ATTR(PERCPU_HASH, 8, 8, 40), some, op_delete, see_keys},
    {"LRU hash: insert in the place of another", ATTR(LRU_HASH, 8, 8, 40), all, op_insert, see_lru},
    {"queue: push", ATTR(QUEUE, 0, 8, 8), three, op_push, see_queue},
    {"queue: push in the place of the oldest", ATTR(QUEUE, 0, 8, 3), three, op_push, see_queue},
    {"queue: pop", ATTR(QUEUE, 0, 8, 8), three, op_pop, see_queue},
    {"stack: pop", ATTR(STACK, 0, 8, 8), three, op_pop, see_queue},
    {"trie: insert that parts two", ATTR_WITH(LPM_TRIE, 8, 100, 40, .flags = BPF_F_NO_PREALLOC), prefixes, op_split,
     see_prefixes},
    {"trie: delete that joins two", ATTR_WITH(LPM_TRIE, 8, 100, 40, .flags = BPF_F_NO_PREALLOC), prefixes, op_join,
     see_prefixes},
    {"trie: replace", ATTR_WITH(LPM_TRIE, 8, 100, 40, .flags = BPF_F_NO_PREALLOC), prefixes, op_replace_prefix,
     see_prefixes},
    {"stack trace", ATTR(STACK_TRACE, 4, 64, 16), none, op_trace, see_traces},
    {"ring: a record", ATTR(RINGBUF, 0, 0, 4096), none, op_record, see_ring},
    {"ring: a record behind the end", ATTR(RINGBUF, 0, 0, 4096), records, op_record, see_ring},
};

/* --- dying --- */

static uint32_t left;

static void die(void *arg)
{
	if (left-- == 0)
		kill(getpid(), SIGKILL);
}

/* Does the operation in a child that dies at step `n`. 1: it died; 0: it came to its end before. */
static int child(const struct scene *s, struct map *m, uint32_t n)
{
	pid_t pid = fork();
	int status;

	must(pid);
	if (pid == 0) {
		struct task t;

		rig.a.pool.client = POOL_CLIENTS;
		must(client_attach(&rig.a.pool));
		must(task_attach(&rig.a.pool, 0, &t));
		left = n;
		rig.a.pool.step = die;
		s->op(&t, m);
		_exit(0);
	}
	must(waitpid(pid, &status, 0));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return 1;
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1);
	return 0;
}

static uint64_t state(const struct scene *s, bool with_op)
{
	struct map *m = rig_map(&rig, &s->attr);
	uint64_t sum;

	s->before(&rig.t, m);
	if (with_op)
		s->op(&rig.t, m);
	sum = s->digest(&rig.t, m);
	rig_unmap(&rig, m);
	return sum;
}

static void run(const struct scene *s)
{
	uint64_t before = state(s, false), after = state(s, true);
	bool ok = true, died = true;
	uint32_t n;

	for (n = 0; died && ok && n < 2000; n++) {
		struct map *m = rig_map(&rig, &s->attr);
		uint64_t sum;

		s->before(&rig.t, m);
		died = child(s, m, n);
		must(arena_recover(&rig.t, NULL));
		ok = map_check(&rig.t, m) == 0;
		sum = s->digest(&rig.t, m);
		ok = ok && (sum == before || sum == after) && (died || sum == after);
		if (!ok)
			printf("# dead at step %u: %llx, of %llx and %llx\n", n, (unsigned long long)sum,
			       (unsigned long long)before, (unsigned long long)after);
		rig_unmap(&rig, m);
		must(arena_check(&rig.a.pool));
	}
	ok = ok && n > 2;
	failures += !ok;
	printf("%s %d - %s: %u steps\n", ok ? "ok" : "not ok", ++tests, s->name, n);
}

/* --- making and destroying: pages are never lost --- */

static void op_make(struct task *t, struct map *m)
{
	struct rig r = {.a = rig.a, .t = *t};
	struct map *made = rig_map(&r, &scenes[0].attr);

	rig_unmap(&r, made);
}

static void run_make(void)
{
	static const struct scene s = {.name = "a map is made and destroyed", .op = op_make};
	uint64_t taken = arena_ctl(&rig.a.pool)->taken;
	uint32_t n = 0, owned = 0;
	bool ok = true;

	for (bool died = true; died && ok && n < 2000; n++) {
		died = child(&s, NULL, n);
		must(arena_recover(&rig.t, NULL));
		arena_reap(&rig.t);
		ok = arena_check(&rig.a.pool) == 0;
		/* Between arena_own and arena_disown it is owned, by what a test does not have. */
		owned += arena_ctl(&rig.a.pool)->taken != taken;
		taken = arena_ctl(&rig.a.pool)->taken;
	}
	ok = ok && n > 10 && owned < 25;
	failures += !ok;
	printf("%s %d - %s: %u steps, %u of them while it was owned\n", ok ? "ok" : "not ok", ++tests, s.name, n,
	       owned);
}

int main(void)
{
	for (unsigned k = 0; k < 64; k++)
		pattern[k] = k * 0x0101010101010101u + 7;
	rig_open(&rig, 2);
	printf("1..%zu\n", array_len(scenes) + 1);
	for (size_t k = 0; k < array_len(scenes); k++)
		run(&scenes[k]);
	run_make();
	rig_close(&rig, UINT64_MAX);
	return failures != 0;
}
