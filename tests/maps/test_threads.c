/*
 * Many at once: threads that run programs on the same maps, and processes that
 * are killed at any moment.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "maps/ring.h"

#define THREADS 4
#define KEYS 64u

static struct rig rig;
static struct map *map;
static uint32_t rounds;
static int tests, failures;

static void report(bool ok, const char *name)
{
	failures += !ok;
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++tests, name);
}

static uint32_t prng(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static void in_threads(void *(*f)(void *arg))
{
	pthread_t threads[THREADS];

	for (uint64_t k = 0; k < THREADS; k++)
		must(-pthread_create(&threads[k], NULL, f, (void *)(uintptr_t)(k + 1)));
	for (uint64_t k = 0; k < THREADS; k++)
		pthread_join(threads[k], NULL);
}

static struct map *make(uint32_t type, uint32_t value, uint32_t entries, int32_t lock)
{
	const struct map_attr a = {.type = type,
				   .key_size = type == BPF_MAP_TYPE_RINGBUF ? 0 : 4,
				   .value_size = value,
				   .max_entries = entries,
				   .spin_lock_off = lock,
				   .timer_off = -1};

	return rig_map(&rig, &a);
}

/* --- counting without atomic instructions --- */

#define LOOKUP                                                                                                         \
	ST(W, 10, -4, 3), LD_MAP(1, 0), MOV_X(2, 10), ADD_K(2, -4), CALL(map_lookup_elem), J_K(JNE, 0, 0, 2),          \
	    MOV_K(0, 1), EXIT()

/* Long enough between load and store to be interrupted now and then. */
static const struct bpf_insn count_cpu[] = {LOOKUP,	      LDX(DW, 6, 0, 0),	   MOV_K(7, 0),
					    ADD_K(7, 1),      J_K(JLT, 7, 20, -2), ADD_K(6, 1),
					    STX(DW, 0, 6, 0), MOV_K(0, 0),	   EXIT()};
static const struct bpf_insn count_locked[] = {
    LOOKUP,	 MOV_X(8, 0),	    MOV_X(1, 0),	 CALL(spin_lock), LDX(DW, 6, 8, 8),
    MOV_K(7, 0), ADD_K(7, 1),	    J_K(JLT, 7, 20, -2), ADD_K(6, 1),	  STX(DW, 8, 6, 8),
    MOV_X(1, 8), CALL(spin_unlock), MOV_K(0, 0),	 EXIT()};

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static void run_many(const struct bpf_insn *insns, uint32_t len)
{
	struct loaded p;
	struct host h;
	struct task t;

	must(task_attach(&rig.a.pool, 0, &t));
	host_init(&h, &t);
	pthread_mutex_lock(&loading);
	must(prog_load(&rig, insns, len, &map, 1, &p));
	pthread_mutex_unlock(&loading);
	for (uint32_t k = 0; k < rounds; k++)
		must(prog_run(&h, &p, NULL) == 0 ? 0 : -1);
	prog_unload(&p);
	task_detach(&t);
}

static void *thread_cpu(void *arg)
{
	run_many(count_cpu, array_len(count_cpu));
	return NULL;
}

static void *thread_locked(void *arg)
{
	run_many(count_locked, array_len(count_locked));
	return NULL;
}

static void test_cpu(uint32_t type, const char *name)
{
	const uint32_t key = 3;
	uint64_t v[ARENA_CPUS] = {0}, sum = 0;

	map = make(type, 8, 8, -1);
	must(map_update(&rig.t, map, &key, v, 0));
	in_threads(thread_cpu);
	must(map_lookup(&rig.t, map, &key, v, 0));
	for (uint32_t c = 0; c < map->ncpus; c++)
		sum += v[c];
	report(sum == (uint64_t)rounds * THREADS, name);
	rig_unmap(&rig, map);
}

static void test_locked(uint32_t type, const char *name)
{
	const uint32_t key = 3;
	uint64_t v[2] = {0};

	map = make(type, 16, 8, 0);
	must(map_update(&rig.t, map, &key, v, 0));
	in_threads(thread_locked);
	must(map_lookup(&rig.t, map, &key, v, BPF_F_LOCK));
	report(v[1] == (uint64_t)rounds * THREADS, name);
	rig_unmap(&rig, map);
}

/* --- all operations on few keys --- */

/* A value says which key it belongs to, in every word. */
static bool one_op(struct task *t, struct map *m, uint64_t *rng)
{
	uint32_t key = prng(rng) % KEYS;
	uint64_t v[32], n = prng(rng), next;
	int err = 0;

	switch (prng(rng) % 8) {
	case 0:
	case 1:
	case 2:
		for (unsigned k = 0; k < 32; k++)
			v[k] = (uint64_t)key << 32 | n;
		err = map_update(t, m, &key, v, prng(rng) % 3);
		return err == 0 || err == -EEXIST || err == -ENOENT || err == -E2BIG;
	case 3:
		err = map_delete(t, m, &key);
		return err == 0 || err == -ENOENT;
	case 4:
		err = map_next_key(t, m, &key, &next);
		return err == 0 || err == -ENOENT;
	case 5:
		err = map_lookup_and_delete(t, m, &key, v, 0);
		break;
	default:
		err = map_lookup(t, m, &key, v, 0);
	}
	for (unsigned k = 0; err == 0 && k < m->value_size / 8; k++)
		if (v[k] != v[0] || v[0] >> 32 != key)
			return false;
	return err == 0 || err == -ENOENT;
}

static uint32_t wrong;

static void *thread_ops(void *arg)
{
	uint64_t rng = (uintptr_t)arg;
	struct task t;

	must(task_attach(&rig.a.pool, 0, &t));
	for (uint32_t k = 0; k < rounds; k++)
		if (!one_op(&t, map, &rng))
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
	task_detach(&t);
	return NULL;
}

static void test_ops(uint32_t type, uint32_t value, uint32_t entries, const char *name)
{
	wrong = 0;
	map = make(type, value, entries, -1);
	in_threads(thread_ops);
	report(wrong == 0 && map_check(&rig.t, map) == 0, name);
	rig_unmap(&rig, map);
}

/* --- killed processes --- */

static pid_t start_killed(uint64_t seed)
{
	pid_t pid = fork();
	struct task t;

	must(pid);
	if (pid > 0)
		return pid;
	rig.a.pool.client = POOL_CLIENTS;
	must(client_attach(&rig.a.pool));
	must(task_attach(&rig.a.pool, 0, &t));
	for (;;)
		if (!one_op(&t, map, &seed))
			_exit(1);
}

static void test_killed(uint32_t type, uint32_t value, uint32_t entries, uint32_t kills, const char *name)
{
	bool ok = true;
	uint64_t rng = 99;
	pid_t pid[2];
	int status;

	map = make(type, value, entries, -1);
	for (unsigned k = 0; k < 2; k++)
		pid[k] = start_killed(k);
	for (uint32_t n = 0; n < kills && ok; n++) {
		unsigned k = prng(&rng) % 2;

		usleep(prng(&rng) % 2000);
		kill(pid[k], SIGKILL);
		must(waitpid(pid[k], &status, 0));
		ok = WIFSIGNALED(status);
		for (unsigned i = 0; i < 100 && ok; i++)
			ok = one_op(&rig.t, map, &rng);
		must(arena_recover(&rig.t, NULL));
		pid[k] = start_killed(n + 7);
	}
	for (unsigned k = 0; k < 2; k++) {
		kill(pid[k], SIGKILL);
		waitpid(pid[k], &status, 0);
	}
	must(arena_recover(&rig.t, NULL));
	report(ok && map_check(&rig.t, map) == 0, name);
	rig_unmap(&rig, map);
}

/* Takes a CPU's seat and a spin lock, and dies with them. */
static void die_holding(uint64_t *value)
{
	pid_t pid = fork();
	struct host h;
	struct task t;
	int status;

	must(pid);
	if (pid > 0) {
		must(waitpid(pid, &status, 0));
		must(WIFSIGNALED(status) ? 0 : -1);
		return;
	}
	rig.a.pool.client = POOL_CLIENTS;
	must(client_attach(&rig.a.pool));
	must(task_attach(&rig.a.pool, 0, &t));
	host_init(&h, &t);
	run_enter(&t);
	maps_cpu(&h.run);
	maps_helpers[BPF_FUNC_spin_lock]((uintptr_t)value, 0, 0, 0, 0, &h.run);
	kill(getpid(), SIGKILL);
}

/* With all seats and the lock held by the dead, others go on; and what the dead ran does not keep a map's pages. */
static void test_dead_holders(void)
{
	const uint32_t key = 3;
	uint64_t v[2] = {0}, *value;
	struct host h;

	map = make(BPF_MAP_TYPE_ARRAY, 16, 8, 0);
	host_init(&h, &rig.t);
	value = (uint64_t *)(uintptr_t)maps_helpers[BPF_FUNC_map_lookup_elem]((uintptr_t)map, (uintptr_t)&key, 0, 0, 0,
									      &h.run);
	for (unsigned k = 0; k < 2; k++)
		die_holding(value);
	run_enter(&rig.t);
	maps_cpu(&h.run);
	maps_run_end(&h.run);
	run_leave(&rig.t);
	report(map_update(&rig.t, map, &key, v, BPF_F_LOCK) == 0 && map_lookup(&rig.t, map, &key, v, BPF_F_LOCK) == 0,
	       "seats and a spin lock that the dead held");
	rig_unmap(&rig, map);
	must(arena_recover(&rig.t, NULL));
}

/* A program that runs keeps what it may see; when it has ended, the pages are free. */
static void test_grace(void)
{
	uint64_t taken = arena_ctl(&rig.a.pool)->taken;
	struct task t;
	bool ok;

	must(task_attach(&rig.a.pool, 0, &t));
	map = make(BPF_MAP_TYPE_ARRAY, 16, 8, -1);
	run_enter(&t);
	rig_unmap(&rig, map);
	ok = map->magic == MAP_MAGIC && arena_ctl(&rig.a.pool)->taken > taken;
	run_leave(&t);
	arena_reap(&rig.t);
	report(ok && map->magic == 0 && arena_ctl(&rig.a.pool)->taken == taken, "what a running program may see stays");
	task_detach(&t);
}

/* --- the ring --- */

static uint64_t sent, producing;

static void *thread_produce(void *arg)
{
	uint64_t id = (uintptr_t)arg;
	struct task t;

	must(task_attach(&rig.a.pool, 0, &t));
	for (uint32_t k = 0; k < rounds; k++) {
		uint64_t *r = ring_reserve(&t, map, 16 + k % 40);

		if (!r)
			continue;
		r[0] = id;
		r[1] = k;
		ring_commit(&t, map, r, k % 7 ? 0 : BPF_RINGBUF_DISCARD_BIT);
		if (k % 7)
			__atomic_fetch_add(&sent, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_fetch_sub(&producing, 1, __ATOMIC_SEQ_CST);
	task_detach(&t);
	return NULL;
}

/* As libbpf reads it; false: a record of one producer came out of order. */
static bool consume(uint64_t *got, uint64_t *last)
{
	uint64_t at = load_relaxed(ring_consumer(map));

	while (at < load_acquire(ring_producer(map))) {
		const char *r = ring_data(map) + (at & (map->max_entries - 1));
		uint32_t len = load_acquire((const uint32_t *)(const void *)r);
		const uint64_t *v = (const void *)(r + 8);

		if (len & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(len & BPF_RINGBUF_DISCARD_BIT)) {
			if (v[0] > THREADS || (last[v[0]] && v[1] < last[v[0]]))
				return false;
			last[v[0]] = v[1];
			(*got)++;
		}
		at += round_up((uint64_t)(len & ~BPF_RINGBUF_DISCARD_BIT) + 8, 8);
		store_release(ring_consumer(map), at);
	}
	return true;
}

static void test_ring(void)
{
	uint64_t got = 0, last[THREADS + 1] = {0};
	pthread_t threads[THREADS];
	bool ok = true;

	map = make(BPF_MAP_TYPE_RINGBUF, 0, 8192, -1);
	sent = 0;
	producing = THREADS;
	for (uint64_t k = 0; k < THREADS; k++)
		must(-pthread_create(&threads[k], NULL, thread_produce, (void *)(uintptr_t)(k + 1)));
	while (ok && __atomic_load_n(&producing, __ATOMIC_SEQ_CST))
		ok = consume(&got, last);
	for (uint64_t k = 0; k < THREADS; k++)
		pthread_join(threads[k], NULL);
	ok = ok && consume(&got, last);
	report(ok && got == sent && got > 100, "a ring: all that was submitted arrives, once, in order");
	rig_unmap(&rig, map);
}

int main(int argc, char **argv)
{
	rounds = argc > 1 ? (uint32_t)atoi(argv[1]) : 20000;
	rig_open(&rig, 2);
	test_cpu(BPF_MAP_TYPE_PERCPU_ARRAY, "per-CPU array: no count is lost on two CPUs' seats by four threads");
	test_cpu(BPF_MAP_TYPE_PERCPU_HASH, "per-CPU hash: likewise");
	test_locked(BPF_MAP_TYPE_ARRAY, "spin lock in an array");
	test_locked(BPF_MAP_TYPE_HASH, "spin lock in a hash");
	test_ops(BPF_MAP_TYPE_HASH, 8, KEYS, "hash, small values");
	test_ops(BPF_MAP_TYPE_HASH, 200, KEYS / 2, "hash that is often full, large values: each is whole");
	test_ops(BPF_MAP_TYPE_LRU_HASH, 200, KEYS / 2, "LRU hash");
	test_dead_holders();
	test_grace();
	test_ring();
	test_killed(BPF_MAP_TYPE_HASH, 200, KEYS / 2, rounds / 400, "hash, users killed");
	test_killed(BPF_MAP_TYPE_LRU_HASH, 8, KEYS / 2, rounds / 400, "LRU hash, users killed");
	rig_close(&rig, 0);
	printf("1..%d\n", tests);
	return failures != 0;
}
