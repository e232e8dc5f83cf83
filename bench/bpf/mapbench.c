/*
 * What map operations cost a program: compiled programs that loop over 1,024
 * keys, on a world of their own. Prints a table with the goals.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "host.h"

#define KEYS 1024
#define TURNS 7
#define PRODUCERS 8
#define RECORDS 200000u

static struct rig rig;

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static struct map *make(uint32_t type, uint32_t entries)
{
	const struct map_attr a = {
	    .type = type, .key_size = 4, .value_size = 8, .max_entries = entries, .spin_lock_off = -1, .timer_off = -1};

	return rig_map(&rig, &a);
}

/* for (r6 = 0; r6 < KEYS; r6++) { key = r6; BODY } */
#define LOOP(...)                                                                                                      \
	{                                                                                                              \
		MOV_K(6, 0), STX(W, 10, 6, -4), ST(DW, 10, -16, 1), __VA_ARGS__, ADD_K(6, 1),                          \
		    J_K(JLT, 6, KEYS, -(int)(sizeof((struct bpf_insn[]){__VA_ARGS__}) / sizeof(struct bpf_insn)) - 4), \
		    MOV_K(0, 0), EXIT()                                                                                \
	}
#define KEY LD_MAP(1, 0), MOV_X(2, 10), ADD_K(2, -4)

static const struct bpf_insn empty[] = LOOP(MOV_X(2, 10), ADD_K(2, -4));
static const struct bpf_insn lookup[] = LOOP(KEY, CALL(map_lookup_elem));
static const struct bpf_insn update[] = LOOP(KEY, MOV_X(3, 10), ADD_K(3, -16), MOV_K(4, 0), CALL(map_update_elem));
static const struct bpf_insn delete[] = LOOP(KEY, CALL(map_delete_elem));
static const struct bpf_insn cpu[] = LOOP(CALL(get_smp_processor_id));

struct bench {
	struct host host;
	struct loaded prog;
};

static void bench_load(struct bench *b, const struct bpf_insn *insns, size_t n, struct map *m)
{
	host_init(&b->host, &rig.t);
	must(prog_load(&rig, insns, (uint32_t)n, &m, m ? 1 : 0, &b->prog));
}

#define LOAD(b, p, m) bench_load(b, p, array_len(p), m)

static double once(struct bench *b)
{
	double from = now_ns();

	prog_run(&b->host, &b->prog, NULL);
	return (now_ns() - from) / KEYS;
}

/* The median of what one operation costs, the empty loop aside; `before` runs first, not counted. */
static double cost(struct bench *b, struct bench *before)
{
	static struct bench loop;
	double t[TURNS * 32], l[TURNS * 32];
	struct map *any = b->prog.nmaps ? map_at(&rig.a.pool, b->prog.info[0].off) : NULL;

	if (!loop.prog.prog.len)
		LOAD(&loop, empty, any);
	for (size_t k = 0; k < array_len(t); k++) {
		if (before)
			once(before);
		t[k] = once(b);
		l[k] = once(&loop);
	}
	qsort(t, array_len(t), sizeof(*t), by_value);
	qsort(l, array_len(l), sizeof(*l), by_value);
	return t[array_len(t) / 2] - l[array_len(l) / 2];
}

static void row(const char *name, double ns, double goal)
{
	printf("%-52s %8.1f ns", name, ns);
	if (goal)
		printf("   (goal %.0f)%s", goal, ns > goal ? "  over" : "");
	printf("\n");
}

static void bench_hash(uint32_t type, const char *kind, double l, double u, double d)
{
	struct map *m = make(type, KEYS);
	struct bench look, up, del;
	char name[80];

	LOAD(&look, lookup, m);
	LOAD(&up, update, m);
	LOAD(&del, delete, m);
	once(&up);
	snprintf(name, sizeof(name), "%s lookup, 1,024 entries, u32 to u64", kind);
	row(name, cost(&look, NULL), l);
	snprintf(name, sizeof(name), "%s update of what is there", kind);
	row(name, cost(&up, NULL), u);
	snprintf(name, sizeof(name), "%s insert", kind);
	row(name, cost(&up, &del), 0);
	snprintf(name, sizeof(name), "%s delete of what is there", kind);
	row(name, cost(&del, &up), d);
	snprintf(name, sizeof(name), "%s delete of what is not", kind);
	once(&del);
	row(name, cost(&del, NULL), 0);
	prog_unload(&look.prog);
	prog_unload(&up.prog);
	prog_unload(&del.prog);
	rig_unmap(&rig, m);
}

static void bench_array(uint32_t type, const char *name, double goal)
{
	struct map *m = make(type, KEYS);
	struct bench look;

	LOAD(&look, lookup, m);
	row(name, cost(&look, NULL), goal);
	prog_unload(&look.prog);
	rig_unmap(&rig, m);
}

/* --- the ring --- */

static struct map *ring;
static uint64_t lost;

static void *produce(void *arg)
{
	static const struct bpf_insn output[] = {
	    LD_MAP(1, 0),    MOV_K(2, 16), MOV_K(3, 0), CALL(ringbuf_reserve), J_K(JEQ, 0, 0, 6),
	    ST(DW, 0, 0, 1), MOV_X(1, 0),  MOV_K(2, 1), CALL(ringbuf_submit),  MOV_K(0, 1),
	    EXIT(),	     MOV_K(0, 0),  EXIT()};
	struct task t;
	struct host h;
	struct loaded p;

	must(task_attach(&rig.a.pool, 0, &t));
	host_init(&h, &t);
	pthread_mutex_lock(arg);
	must(prog_load(&rig, output, array_len(output), &ring, 1, &p));
	pthread_mutex_unlock(arg);
	for (uint32_t k = 0; k < RECORDS; k++)
		if (!prog_run(&h, &p, NULL))
			__atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
	prog_unload(&p);
	task_detach(&t);
	return NULL;
}

static void bench_ring(uint32_t producers, double goal)
{
	static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
	const struct map_attr a = {
	    .type = BPF_MAP_TYPE_RINGBUF, .max_entries = 64u << 20, .spin_lock_off = -1, .timer_off = -1};
	pthread_t threads[PRODUCERS];
	char name[80];
	double from;

	ring = rig_map(&rig, &a);
	lost = 0;
	from = now_ns();
	for (uint32_t k = 0; k < producers; k++)
		must(-pthread_create(&threads[k], NULL, produce, &loading));
	for (uint32_t k = 0; k < producers; k++)
		pthread_join(threads[k], NULL);
	snprintf(name, sizeof(name), "ring buffer record of 16 bytes, %u producer%s%s", producers,
		 producers > 1 ? "s" : "", lost ? ", SOME LOST" : "");
	row(name, (now_ns() - from) / RECORDS / producers, goal);
	rig_unmap(&rig, ring);
}

int main(void)
{
	struct bench c;

	rig_open(&rig, 0);
	bench_hash(BPF_MAP_TYPE_HASH, "hash", 12, 20, 12);
	bench_hash(BPF_MAP_TYPE_PERCPU_HASH, "per-CPU hash", 15, 0, 0);
	bench_hash(BPF_MAP_TYPE_LRU_HASH, "LRU hash", 0, 0, 0);
	bench_array(BPF_MAP_TYPE_ARRAY, "array lookup", 2);
	bench_array(BPF_MAP_TYPE_PERCPU_ARRAY, "per-CPU array lookup", 0);
	LOAD(&c, cpu, NULL);
	row("bpf_get_smp_processor_id", cost(&c, NULL), 0);
	prog_unload(&c.prog);
	bench_ring(1, 0);
	bench_ring(PRODUCERS, 50);
	return 0;
}
