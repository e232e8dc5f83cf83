/* Helpers: what programs get from them, compiled and interpreted, and called directly. */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "host.h"
#include "bpf/own.h"
#include "bpf/proto.h"
#include "maps/perf.h"
#include "maps/ring.h"
#include "maps/timer.h"

static struct rig rig;
static struct host host;
static int tests, failures;

static void report(bool ok, const char *name)
{
	failures += !ok;
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++tests, name);
}

static int64_t call5(unsigned nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	return (int64_t)maps_helpers[nr](a, b, c, d, e, &host.run);
}

#define P(x) ((uint64_t)(uintptr_t)(x))
#define call(name, a, b, c, d, e) call5(BPF_FUNC_##name, (a), (b), (c), (d), (e))

static struct map *make(uint32_t type, uint32_t key, uint32_t value, uint32_t entries)
{
	const struct map_attr a = {.type = type,
				   .key_size = key,
				   .value_size = value,
				   .max_entries = entries,
				   .spin_lock_off = -1,
				   .timer_off = -1};

	return rig_map(&rig, &a);
}

/* --- numbers and text --- */

static void test_strto(void)
{
	static const struct {
		const char *text;
		uint64_t flags;
		int64_t ret, value;
	} cases[] = {{"123x", 10, 3, 123},
		     {"  -42 ", 0, 5, -42},
		     {"0x1F,", 0, 4, 31},
		     {"0x1F", 16, 4, 31},
		     {"017", 0, 3, 15},
		     {"017", 10, 3, 17},
		     {"0xg", 0, 1, 0},
		     {"", 10, -EINVAL, 0},
		     {"-", 10, -EINVAL, 0},
		     {"x", 10, -EINVAL, 0},
		     {"12", 7, -EINVAL, 0},
		     {"12", 1 << 8, -EINVAL, 0},
		     {"9223372036854775807", 10, 19, INT64_MAX},
		     {"9223372036854775808", 10, -ERANGE, 0},
		     {"-9223372036854775808", 10, 20, INT64_MIN},
		     {"18446744073709551616", 10, -ERANGE, 0}};
	bool ok = true;
	int64_t v;

	for (size_t k = 0; k < array_len(cases); k++) {
		int64_t r = call(strtol, P(cases[k].text), strlen(cases[k].text), cases[k].flags, P(&v), 0);

		if (r != cases[k].ret || v != cases[k].value) {
			printf("# \"%s\": %lld, %lld\n", cases[k].text, (long long)r, (long long)v);
			ok = false;
		}
	}
	report(ok, "strtol: bases, signs, ends, overflows");
	report(call(strtoul, P("18446744073709551615"), 20, 0, P(&v), 0) == 20 && v == -1 &&
		   call(strtoul, P("-1"), 2, 0, P(&v), 0) == -EINVAL && v == 0,
	       "strtoul: the largest, and none below zero");
	report(call(strncmp, P("abc"), 3, P("abc"), 0, 0) == 0 && call(strncmp, P("abc"), 3, P("abd"), 0, 0) == -1 &&
		   call(strncmp, P("ab\0z"), 4, P("ab"), 0, 0) == 0 && call(strncmp, P("b"), 1, P("abd"), 0, 0) == 1,
	       "strncmp");
}

static void test_print(void)
{
	const uint64_t args[] = {(uint64_t)-7, 255, P("text"), 0xdeadbeef12345678u, 'c', P("ip:\x7f")};
	const uint8_t ip[4] = {127, 0, 0, 1};
	const uint64_t more[] = {P(ip), P(ip), 42, (uint64_t)-1};
	char buf[128];

	report(call(snprintf, P(buf), sizeof(buf), P("%d %04x [%6s] %llx %c%%"), P(args), 5 * 8) == 36 + 1 &&
		   strcmp(buf, "-7 00ff [  text] deadbeef12345678 c%") == 0,
	       "snprintf: numbers, widths, strings");
	report(call(snprintf, P(buf), sizeof(buf), P("%pI4 %pi4 %-5u| %lld"), P(more), 4 * 8) > 0 &&
		   strcmp(buf, "127.0.0.1 127.000.000.001 42   | -1") == 0,
	       "snprintf: addresses");
	report(call(snprintf, P(buf), 4, P("%d"), P(&(const uint64_t){123456}), 8) == 7 && strcmp(buf, "123") == 0,
	       "snprintf: says what it would take, ends what it gives");
	report(call(snprintf, P(buf), sizeof(buf), P("%d"), 0, 0) == -EINVAL &&
		   call(snprintf, P(buf), sizeof(buf), P("%q"), P(args), 8) == -EINVAL &&
		   call(snprintf, P(buf), sizeof(buf), P("x"), P(args), 7) == -EINVAL,
	       "snprintf: refuses");
	report(call(trace_printk, P("pid %d at %s"), 13, 5, P("here"), 0) == 13 &&
		   strcmp(host.printed, "pid 5 at here") == 0 && call(trace_printk, P("abc"), 3, 0, 0, 0) == -EINVAL,
	       "trace_printk");
	report(call(trace_printk, P("[%s]"), 5, 64, 0, 0) == 2 && strcmp(host.printed, "[]") == 0,
	       "a string at a bad address is empty");
}

static void test_reads(void)
{
	char buf[8];
	const char text[] = "hello, world";
	bool ok;

	memset(buf, 0x55, sizeof(buf));
	ok = call(probe_read, P(buf), 8, 64, 0, 0) == -EFAULT && memcmp(buf, "\0\0\0\0\0\0\0\0", 8) == 0;
	report(ok && call(probe_read_user, P(buf), 8, P(text), 0, 0) == 0 && memcmp(buf, text, 8) == 0,
	       "probe_read: bytes, or -EFAULT and zeros");
	ok = call(probe_read_str, P(buf), 8, P(text), 0, 0) == 8 && strcmp(buf, "hello, ") == 0;
	ok = ok && call(probe_read_kernel_str, P(buf), 8, P(text + 8), 0, 0) == 5 && strcmp(buf, "orld") == 0;
	report(ok && call(probe_read_user_str, P(buf), 8, 64, 0, 0) == -EFAULT &&
		   call(probe_read_user_str, P(buf), 0, P(text), 0, 0) == 0,
	       "probe_read_str: cut, whole, bad, none");
	report(call(probe_write_user, P(buf), P("xy"), 2, 0, 0) == 0 && buf[0] == 'x' &&
		   call(probe_write_user, 64, P("xy"), 2, 0, 0) == -EFAULT,
	       "probe_write_user");
}

static void test_task(void)
{
	struct {
		uint32_t pid, tgid;
	} ns;
	char name[32];
	uint64_t from = (uint64_t)call(ktime_get_ns, 0, 0, 0, 0, 0);
	bool ok = call(get_current_comm, P(name), sizeof(name), 0, 0, 0) == 0 && strcmp(name, "tested") == 0;

	ok = ok && call(get_current_comm, P(name), 4, 0, 0, 0) == 0 && strcmp(name, "tes") == 0;
	report(ok && call(get_current_pid_tgid, 0, 0, 0, 0, 0) == (int64_t)(1000ull << 32 | 1001), "who runs");
	report(call(get_ns_current_pid_tgid, 4, 5, P(&ns), 8, 0) == 0 && ns.pid == 1001 && ns.tgid == 1000 &&
		   call(get_ns_current_pid_tgid, 4, 6, P(&ns), 8, 0) == -EINVAL && ns.pid == 0,
	       "who runs in a namespace");
	report((uint64_t)call(ktime_get_ns, 0, 0, 0, 0, 0) >= from && from &&
		   call(ktime_get_boot_ns, 0, 0, 0, 0, 0) >= (int64_t)from && call(jiffies64, 0, 0, 0, 0, 0) > 0 &&
		   call(get_prandom_u32, 0, 0, 0, 0, 0) != call(get_prandom_u32, 0, 0, 0, 0, 0),
	       "clocks and chance");
	report(call(send_signal, 9, 0, 0, 0, 0) == 0 && host.signals == 9 &&
		   call(set_retval, (uint64_t)-5, 0, 0, 0, 0) == 0 && call(get_retval, 0, 0, 0, 0, 0) == -5,
	       "signals, results");
}

/* --- data for loaders --- */

static void test_ring(void)
{
	struct map *m = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
	uint64_t *r = (uint64_t *)(uintptr_t)call(ringbuf_reserve, P(m), 24, 0, 0, 0), at;
	bool ok = r && !ring_ready(m);

	r[0] = 77;
	call(ringbuf_submit, P(r), 0, 0, 0, 0);
	ok = ok && ring_ready(m) && host.wakes == 1 && host.woken == map_off(&rig.a.pool, m);
	report(ok && *(uint32_t *)(void *)ring_data(m) == 24 && *(uint64_t *)(void *)(ring_data(m) + 8) == 77,
	       "a record: reserved, not seen, submitted, seen");
	report(call(ringbuf_output, P(m), P("abcdefgh"), 8, 0, 0) == 0 && host.wakes == 1 &&
		   call(ringbuf_output, P(m), P("abcdefgh"), 8, BPF_RB_FORCE_WAKEUP, 0) == 0 && host.wakes == 2 &&
		   call(ringbuf_output, P(m), P("abcdefgh"), 8, 4, 0) == -EINVAL,
	       "the consumer is woken when it has read all, or when asked to");
	ok = call(ringbuf_query, P(m), BPF_RB_AVAIL_DATA, 0, 0, 0) == 64 &&
	     call(ringbuf_query, P(m), BPF_RB_RING_SIZE, 0, 0, 0) == 4096;
	while (call(ringbuf_output, P(m), P(rig.a.pool.base), 100, 0, 0) == 0)
		;
	at = *ring_producer(m);
	ok = ok && at > 4096 - 120 && call(ringbuf_output, P(m), P("x"), 1, 0, 0) != -EINVAL;
	*ring_consumer(m) = at;
	ok = ok && call(ringbuf_output, P(m), P(rig.a.pool.base), 1000, 0, 0) == 0;
	report(ok && *ring_producer(m) == 4096 + 1008, "what does not fit at the end begins at the start");
	rig_unmap(&rig, m);
	host.mr.ring = NULL;
}

static void test_perf(void)
{
	const uint32_t zero = 0;
	struct map *m = make(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 2);
	const struct perf_event_mmap_page *page;
	const struct perf_event_header *h;
	uint64_t off, old;
	bool ok = call(perf_event_output, 0, P(m), 0, P("12345"), 5) == -ENOENT;

	must(perf_create(&rig.t, 4096, &off));
	must(map_put_ref(&rig.t, m, &zero, off, 0, &old));
	page = (void *)(rig.a.pool.base + off);
	h = (const void *)((const char *)page + 4096);
	ok = ok && call(perf_event_output, 0, P(m), 7, P("12345"), 5) == -E2BIG && !perf_ready(&rig.a.pool, off);
	report(ok && call(perf_event_output, 0, P(m), 0, P("12345"), 5) == 0 && page->data_head == 24 &&
		   h->type == PERF_RECORD_SAMPLE && h->size == 24 && memcmp((const char *)h + 12, "12345\0", 6) == 0 &&
		   perf_ready(&rig.a.pool, off),
	       "a sample in a perf ring");
	while (call(perf_event_output, 0, P(m), 0, P(rig.a.pool.base), 500) == 0)
		;
	((struct perf_event_mmap_page *)(uintptr_t)page)->data_tail = page->data_head;
	old = page->data_head;
	ok = call(perf_event_output, 0, P(m), 0, P("12345"), 5) == 0;
	h = (const void *)((const char *)page + 4096 + old % 4096);
	report(ok && h->type == PERF_RECORD_LOST && ((const uint64_t *)(const void *)h)[2] == 1,
	       "what was lost is told");
	must(map_drop_ref(&rig.t, m, &zero, &old));
	rig_unmap(&rig, m);
	txn_begin(&rig.t);
	must(txn_lock_own(&rig.t));
	must(txn_commit(&rig.t));
	must(arena_put(&rig.t, off));
}

static void test_stack(void)
{
	struct map *m = make(BPF_MAP_TYPE_STACK_TRACE, 4, 32, 16);
	uint64_t got[4] = {0};
	int64_t id;
	uint32_t key;

	memcpy(host.ips, (uint64_t[]){0x1000, 0x2000, 0x3000}, 24);
	host.nips = 3;
	id = call(get_stackid, 0, P(m), BPF_F_USER_STACK, 0, 0);
	key = (uint32_t)id;
	report(id >= 0 && call(get_stackid, 0, P(m), BPF_F_USER_STACK, 0, 0) == id &&
		   map_lookup(&rig.t, m, &key, got, 0) == 0 && got[0] == 0x1000 && got[2] == 0x3000 && got[3] == 0 &&
		   call(get_stackid, 0, P(m), 0, 0, 0) == -EFAULT &&
		   call(get_stackid, 0, P(m), 1 << 20, 0, 0) == -EINVAL,
	       "a stack has an id, by which it is found");
	report(call(get_stack, 0, P(got), 32, BPF_F_USER_STACK | 1, 0) == 16 && got[0] == 0x2000 &&
		   call(get_stack, 0, P(got), 32, BPF_F_USER_STACK | 5, 0) == -EFAULT,
	       "a stack, but for its top");
	rig_unmap(&rig, m);
}

/* --- programs --- */

/* Runs it compiled, then interpreted; both must give `result`. */
static bool both(const struct bpf_insn *insns, size_t n, struct map *const *maps, uint32_t nmaps, uint64_t first,
		 uint64_t second)
{
	uint8_t ctx[96] = {0};
	struct loaded p;
	uint64_t a, b;

	if (prog_load(&rig, insns, (uint32_t)n, maps, nmaps, &p) != 0)
		return false;
	a = prog_run(&host, &p, ctx);
	b = prog_interp(&host, &p, ctx, sizeof(ctx));
	prog_unload(&p);
	if (a != first || b != second)
		printf("# %llx %llx\n", (unsigned long long)a, (unsigned long long)b);
	return a == first && b == second;
}

#define KEY LD_MAP(1, 0), MOV_X(2, 10), ADD_K(2, -8)
#define VALUE MOV_X(3, 10), ADD_K(3, -16)

static void test_counting(uint32_t type, const char *name)
{
	/* Makes the value if it is not there, adds one, returns it. */
	static const struct bpf_insn count[] = {ST(DW, 10, -8, 5),
						ST(DW, 10, -16, 0),
						KEY,
						CALL(map_lookup_elem),
						J_K(JNE, 0, 0, 10),
						KEY,
						VALUE,
						MOV_K(4, 0),
						CALL(map_update_elem),
						KEY,
						CALL(map_lookup_elem),
						J_K(JNE, 0, 0, 1),
						EXIT(),
						LDX(DW, 1, 0, 0),
						ADD_K(1, 1),
						STX(DW, 0, 1, 0),
						MOV_X(0, 1),
						EXIT()};
	struct bpf_insn fixed[array_len(count)];
	struct map *m = make(type, type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY ? 4 : 8, 8, 20);

	memcpy(fixed, count, sizeof(count));
	/* Over the update and the second lookup, to the load. */
	fixed[7].off = 15;
	report(both(fixed, array_len(fixed), &m, 1, 1, 2), name);
	rig_unmap(&rig, m);
}

static void test_each(void)
{
	/* Counts the elements and deletes each in the callback. */
	static const struct bpf_insn each[] = {LD_MAP(1, 0), LD_FUNC(2, 5), MOV_K(3, 0), MOV_K(4, 0),
					       CALL(for_each_map_elem), EXIT(),
					       /* callback: (map, key, value, ctx) */
					       CALL(map_delete_elem), MOV_K(0, 0), EXIT()};
	struct bpf_insn fixed[array_len(each)];
	struct map *m = make(BPF_MAP_TYPE_HASH, 8, 8, 200);
	uint64_t next;

	memcpy(fixed, each, sizeof(each));
	for (uint64_t k = 0; k < 150; k++)
		must(map_update(&rig.t, m, &k, &k, 0));
	report(both(fixed, array_len(fixed), &m, 1, 150, 0) && map_next_key(&rig.t, m, NULL, &next) == -ENOENT &&
		   map_check(&rig.t, m) == 0,
	       "each element once, though the callback deletes it");
	rig_unmap(&rig, m);
}

static void test_inner(void)
{
	static const struct bpf_insn prog[] = {ST(W, 10, -4, 1),
					       LD_MAP(1, 0),
					       MOV_X(2, 10),
					       ADD_K(2, -4),
					       CALL(map_lookup_elem),
					       J_K(JNE, 0, 0, 2),
					       MOV_K(0, 1),
					       EXIT(),
					       MOV_X(1, 0),
					       MOV_X(2, 10),
					       ADD_K(2, -4),
					       CALL(map_lookup_elem),
					       J_K(JNE, 0, 0, 2),
					       MOV_K(0, 2),
					       EXIT(),
					       LDX(DW, 0, 0, 0),
					       EXIT()};
	struct map *inner = make(BPF_MAP_TYPE_ARRAY, 4, 8, 4), *outer;
	const uint32_t types[] = {BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS}, one = 1;
	const uint64_t v = 4711;
	bool ok = map_update(&rig.t, inner, &one, &v, 0) == 0;

	for (unsigned k = 0; k < 2; k++) {
		const struct map_attr a = {.type = types[k],
					   .key_size = 4,
					   .value_size = 4,
					   .max_entries = 3,
					   .spin_lock_off = -1,
					   .timer_off = -1,
					   .inner = map_off(&rig.a.pool, inner)};
		uint64_t old, ref;
		uint32_t at = 0;

		outer = rig_map(&rig, &a);
		ok = ok && both(prog, array_len(prog), &outer, 1, 1, 1);
		ok = ok && map_put_ref(&rig.t, outer, &one, a.inner, 0, &old) == 0 && old == 0;
		ok = ok && both(prog, array_len(prog), &outer, 1, 4711, 4711);
		ok = ok && map_get_ref(&rig.t, outer, &one, &ref) == 0 && ref == a.inner;
		ok = ok && map_next_ref(outer, &at) == a.inner && map_next_ref(outer, &at) == 0;
		ok = ok && map_drop_ref(&rig.t, outer, &one, &old) == 0 && old == a.inner;
		ok = ok && map_drop_ref(&rig.t, outer, &one, &old) == -ENOENT;
		rig_unmap(&rig, outer);
	}
	report(ok, "a map in a map");
	rig_unmap(&rig, inner);
}

static void test_queue(void)
{
	static const struct bpf_insn push[] = {ST(DW, 10, -8, 9),   KEY,   MOV_K(3, 0),
					       CALL(map_push_elem), KEY,   CALL(map_pop_elem),
					       LDX(DW, 0, 10, -8),  EXIT()};
	struct map *m = make(BPF_MAP_TYPE_QUEUE, 0, 8, 4);

	report(both(push, array_len(push), &m, 1, 9, 9), "what is pushed is popped");
	rig_unmap(&rig, m);
}

/* A program walks from its task to the parent, and keeps something for itself. */
static void test_storage(void)
{
	static const struct bpf_insn parent[] = {CALL(get_current_task_btf), LDX(DW, 1, 0, 8), LDX(DW, 1, 1, 16),
						 LDX(W, 0, 1, 4), EXIT()};
	static const struct bpf_insn count[] = {CALL(get_current_task_btf),
						MOV_X(2, 0),
						LD_MAP(1, 0),
						MOV_K(3, 0),
						MOV_K(4, 1),
						CALL(task_storage_get),
						J_K(JNE, 0, 0, 2),
						MOV_K(0, 0),
						EXIT(),
						LDX(DW, 1, 0, 8),
						ADD_K(1, 1),
						STX(DW, 0, 1, 8),
						MOV_X(0, 1),
						EXIT()};
	static const struct bpf_insn bad[] = {CALL(get_current_task_btf), LDX(DW, 1, 0, 8), ST(W, 1, 0, 1), MOV_K(0, 0),
					      EXIT()};
	static const struct bpf_insn far[] = {CALL(get_current_task_btf), LDX(DW, 0, 0, sizeof(struct maps_task)),
					      EXIT()};
	const struct map_attr a = {.type = BPF_MAP_TYPE_TASK_STORAGE,
				   .key_size = 4,
				   .value_size = 16,
				   .flags = BPF_F_NO_PREALLOC,
				   .spin_lock_off = -1,
				   .timer_off = -1};
	struct map *m = rig_map(&rig, &a);
	const uint32_t tid = 1001;
	struct loaded p;
	uint64_t v[2];

	report(both(parent, array_len(parent), NULL, 0, 900, 900), "a task and its parent can be read");
	report(prog_load(&rig, bad, array_len(bad), NULL, 0, &p) == -EACCES &&
		   prog_load(&rig, far, array_len(far), NULL, 0, &p) == -EACCES,
	       "and not written, nor read beyond");
	report(both(count, array_len(count), &m, 1, 1, 2) && map_lookup(&rig.t, m, &tid, v, 0) == 0 && v[1] == 2 &&
		   map_delete(&rig.t, m, &tid) == 0,
	       "task storage");
	rig_unmap(&rig, m);
}

/* A loader's samples: each is read by a callback; one lies around the end of the ring. */
static void test_drain(void)
{
	static const struct bpf_insn drain[] = {
	    ST(DW, 10, -8, 0), LD_MAP(1, 0), LD_FUNC(2, 8), MOV_X(3, 10), ADD_K(3, -8), MOV_K(4, 0),
	    CALL(user_ringbuf_drain), LDX(DW, 1, 10, -8), ADD_X(0, 1), EXIT(),
	    /* callback: (dynptr, sum) */
	    MOV_X(6, 2), MOV_X(3, 1), MOV_X(1, 10), ADD_K(1, -8), MOV_K(2, 8), MOV_K(4, 8), MOV_K(5, 0),
	    CALL(dynptr_read), J_K(JNE, 0, 0, 3), LDX(DW, 1, 10, -8), LDX(DW, 2, 6, 0), ADD_X(2, 1), STX(DW, 6, 2, 0),
	    MOV_K(0, 0), EXIT()};
	struct bpf_insn fixed[array_len(drain)];
	struct map *m = make(BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096);
	struct loaded p;
	uint64_t r0;
	uint8_t ctx[96] = {0};

	memcpy(fixed, drain, sizeof(drain));
	fixed[20].off = 4; /* over the sum, to the end */
	*ring_consumer(m) = *ring_producer(m) = 4096 - 16;
	for (unsigned k = 0; k < 2; k++) {
		uint64_t at = *ring_producer(m);
		uint64_t words[3] = {16, 5, 100 + k};

		for (unsigned i = 0; i < 3; i++)
			memcpy(ring_data(m) + (at + i * 8) % 4096, &words[i], 8);
		*ring_producer(m) = at + 24;
	}
	if (prog_load(&rig, fixed, array_len(fixed), &m, 1, &p) != 0) {
		report(false, "a user ring buffer is drained");
		return;
	}
	r0 = prog_run(&host, &p, ctx);
	report(r0 == 2 + 201 && *ring_consumer(m) == *ring_producer(m) && prog_interp(&host, &p, ctx, sizeof(ctx)) == 0,
	       "a user ring buffer is drained");
	prog_unload(&p);
	rig_unmap(&rig, m);
}

/* A dynptr over a value: what is written through it is in the value; compiled and in the interpreter. */
static void test_dynptr(void)
{
	static const struct bpf_insn over[] = {
	    /* r6 = the value of key 0 */
	    ST(W, 10, -4, 0), MOV_X(2, 10), ADD_K(2, -4), LD_MAP(1, 0), CALL(map_lookup_elem), J_K(JEQ, 0, 0, 37),
	    MOV_X(6, 0),
	    /* 12 bytes of it from 4 on; 5 are written at 7, and one too far */
	    MOV_X(1, 6), ADD_K(1, 4), MOV_K(2, 12), MOV_K(3, 0), MOV_X(4, 10), ADD_K(4, -24), CALL(dynptr_from_mem),
	    LDDW(7, 0x0504030201), STX(DW, 10, 7, -32), MOV_X(1, 10), ADD_K(1, -24), MOV_K(2, 7), MOV_X(3, 10),
	    ADD_K(3, -32), MOV_K(4, 5), MOV_K(5, 0), CALL(dynptr_write), MOV_X(8, 0), MOV_X(1, 10), ADD_K(1, -24),
	    MOV_K(2, 8), MOV_X(3, 10), ADD_K(3, -32), MOV_K(4, 5), MOV_K(5, 0), CALL(dynptr_write), STX(DW, 6, 0, 16),
	    /* the last word of it, by a slice */
	    MOV_X(1, 10), ADD_K(1, -24), MOV_K(2, 8), MOV_K(3, 4), CALL(dynptr_data), J_K(JEQ, 0, 0, 2),
	    LDX(W, 0, 0, 0), EXIT(), MOV_K(0, 0), EXIT()};
	struct map *m = make(BPF_MAP_TYPE_ARRAY, 4, 24, 1);
	uint8_t want[24] = {[11] = 1, 2, 3, 4, 5}, v[24];
	int64_t far = -E2BIG;
	uint32_t key = 0;

	memcpy(want + 16, &far, 8);
	report(both(over, array_len(over), &m, 1, 0x05040302, 0x05040302) && map_lookup(&rig.t, m, &key, v, 0) == 0 &&
		   memcmp(v, want, sizeof(v)) == 0,
	       "a dynptr over a value");
	rig_unmap(&rig, m);
}

/* A record by dynptr: as large as is wanted, never larger; one that fails is given up all the same. */
static void test_ring_dynptr(void)
{
	static const struct bpf_insn record[] = {LDX(DW, 2, 1, 0),  LD_MAP(1, 0),
						 MOV_K(3, 0),	    MOV_X(4, 10),
						 ADD_K(4, -16),	    CALL(ringbuf_reserve_dynptr),
						 MOV_X(6, 0),	    MOV_X(1, 10),
						 ADD_K(1, -16),	    MOV_K(2, 0),
						 MOV_K(3, 8),	    CALL(dynptr_data),
						 J_K(JEQ, 0, 0, 1), ST(DW, 0, 0, 77),
						 MOV_X(1, 10),	    ADD_K(1, -16),
						 MOV_K(2, 0),	    CALL(ringbuf_submit_dynptr),
						 MOV_X(0, 6),	    EXIT()};
	struct map *m = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
	uint64_t ctx[12] = {24}, at = 0;
	struct loaded p;
	bool ok = prog_load(&rig, record, array_len(record), &m, 1, &p) == 0;

	for (unsigned k = 0; ok && k < 2; k++) {
		ok = (k ? prog_interp(&host, &p, ctx, sizeof(ctx)) : prog_run(&host, &p, ctx)) == 0 &&
		     *ring_producer(m) == at + 32 && *(uint32_t *)(void *)(ring_data(m) + at) == 24 &&
		     *(uint64_t *)(void *)(ring_data(m) + at + 8) == 77;
		at += 32;
	}
	report(ok, "a record by dynptr");
	ctx[0] = 4096;
	ok = ok && (int64_t)prog_run(&host, &p, ctx) == -EINVAL;
	ctx[0] = 1 << 24;
	ok = ok && (int64_t)prog_run(&host, &p, ctx) == -E2BIG && *ring_producer(m) == at;
	report(ok, "one that does not fit: EINVAL, or E2BIG from 16 MiB on");
	if (p.prog.len)
		prog_unload(&p);
	rig_unmap(&rig, m);
}

struct fired {
	struct timer_due last;
	uint32_t n;
	uint64_t timer; /* to cancel from its own callback; 0: none */
	int64_t cancel, again;
};

static void note_fired(void *arg, const struct timer_due *due)
{
	struct fired *f = arg;

	f->last = *due;
	f->n++;
	if (!f->timer)
		return;
	host.mr.timer = due->entry;
	f->cancel = call(timer_cancel, f->timer, 0, 0, 0, 0);
	f->again = call(timer_start, f->timer, 1000, 0, 0, 0);
	host.mr.timer = 0;
}

static bool all_used(void *arg, uint64_t map)
{
	return !host.unused;
}

/* Fires what is due by `now`: how many. */
static uint32_t fire(struct fired *f, uint64_t now)
{
	const struct timer_host h = {.used = all_used, .call = note_fired, .arg = f};

	return timers_fire(&rig.t, now, &h);
}

#define FOREVER (UINT64_MAX - 1)

static void test_timer_errors(struct map *m, uint64_t *timer)
{
	bool ok = call(timer_start, P(timer), 0, 0, 0, 0) == -EINVAL &&
		  call(timer_cancel, P(timer), 0, 0, 0, 0) == -EINVAL &&
		  call(timer_set_callback, P(timer), 0x77, 0, 0, 0) == -EINVAL;

	report(ok, "a timer that was not initialised: EINVAL");
	ok = call(timer_init, P(timer), P(m), 99, 0, 0) == -EINVAL &&
	     call(timer_init, P(timer), P(m), 2, 0, 0) == -EINVAL;
	host.unused = true;
	ok = ok && call(timer_init, P(timer), P(m), 1, 0, 0) == -EPERM;
	host.unused = false;
	report(ok, "clocks that are none: EINVAL; a map that no loader holds: EPERM");
	ok = call(timer_init, P(timer), P(m), 1, 0, 0) == 0 && call(timer_init, P(timer), P(m), 1, 0, 0) == -EBUSY;
	ok = ok && call(timer_start, P(timer), 1000, 0, 0, 0) == -EINVAL;
	host.unused = true;
	ok = ok && call(timer_set_callback, P(timer), 0x77, 0, 0, 0) == -EPERM;
	host.unused = false;
	ok = ok && call(timer_set_callback, P(timer), 0x77, 0, 0, 0) == 0 &&
	     call(timer_start, P(timer), 1000, 4, 0, 0) == -EINVAL && call(timer_start, P(timer), 1000, 0, 0, 0) == 0;
	report(ok, "twice: EBUSY; without a callback: EINVAL; flags that are none: EINVAL");
}

static void test_timer(void)
{
	const struct map_attr a = {.type = BPF_MAP_TYPE_HASH,
				   .key_size = 8,
				   .value_size = 24,
				   .max_entries = 4,
				   .spin_lock_off = -1,
				   .timer_off = 8};
	struct map *m = rig_map(&rig, &a);
	uint64_t key = 5, v[3] = {7, 8, 9}, *value;
	struct fired f = {.n = 0};
	bool ok;

	must(map_update(&rig.t, m, &key, v, 0));
	value = (uint64_t *)(uintptr_t)call(map_lookup_elem, P(m), P(&key), 0, 0, 0);
	test_timer_errors(m, value + 1);
	report(map_lookup(&rig.t, m, &key, v, 0) == 0 && v[0] == 7 && v[1] == 0 && v[2] == 0,
	       "a timer is set; its bytes are nobody's to read");
	ok = fire(&f, timers_next(&rig.a.pool) - 1) == 0 && fire(&f, FOREVER) == 1;
	report(ok && f.last.value == value && f.last.callback == 0x77 && *(uint64_t *)f.last.key == 5 &&
		   fire(&f, FOREVER) == 0 && timers_next(&rig.a.pool) == UINT64_MAX,
	       "it is due once, not before its time");
	ok = call(timer_start, P(value + 1), 0, 0, 0, 0) == 0 && call(timer_cancel, P(value + 1), 0, 0, 0, 0) == 1 &&
	     call(timer_cancel, P(value + 1), 0, 0, 0, 0) == 0 &&
	     call(timer_start, P(value + 1), 0, 0, 0, 0) == -EINVAL;
	ok = ok && call(timer_set_callback, P(value + 1), 0x77, 0, 0, 0) == 0 &&
	     call(timer_start, P(value + 1), 0, 0, 0, 0) == 0;
	report(ok && fire(&f, FOREVER) == 1, "cancelled, it has no callback; with one it starts again");
	f.timer = P(value + 1);
	ok = call(timer_start, P(value + 1), 0, 0, 0, 0) == 0 && fire(&f, FOREVER) == 1;
	report(ok && f.cancel == -EDEADLK && f.again == 0 && timers_next(&rig.a.pool) != UINT64_MAX,
	       "its own callback starts it again, and cannot cancel it: EDEADLK");
	f.timer = 0;
	host.unused = true;
	report(fire(&f, FOREVER) == 0 && timers_next(&rig.a.pool) == UINT64_MAX, "it ends with its map's last holder");
	host.unused = false;
	ok = call(timer_start, P(value + 1), 0, 0, 0, 0) == 0;
	must(map_delete(&rig.t, m, &key));
	report(ok && fire(&f, FOREVER) == 0, "gone with its element");
	rig_unmap(&rig, m);
}

/* Every helper that the verifier lets programs call has something behind it; from OWN_PATH on, in the agent. */
static void test_complete(void)
{
	bool ok = true;

	for (uint32_t nr = 0; nr < OWN_PATH; nr++) {
		const struct proto *p = proto_of(nr);

		if (p && !maps_helpers[nr] && !(p->flags & PROTO_TAIL_CALL)) {
			printf("# %s\n", proto_name(nr));
			ok = false;
		}
	}
	report(ok, "no helper is missing");
}

int main(void)
{
	rig_open(&rig, 0);
	host_init(&host, &rig.t);
	test_strto();
	test_print();
	test_reads();
	test_task();
	test_ring();
	test_perf();
	test_stack();
	test_counting(BPF_MAP_TYPE_HASH, "counting in a hash");
	test_counting(BPF_MAP_TYPE_LRU_HASH, "counting in an LRU hash");
	test_counting(BPF_MAP_TYPE_PERCPU_HASH, "counting in a per-CPU hash");
	test_counting(BPF_MAP_TYPE_ARRAY, "counting in an array");
	test_each();
	test_inner();
	test_queue();
	test_storage();
	test_drain();
	test_dynptr();
	test_ring_dynptr();
	test_timer();
	test_complete();
	rig_close(&rig, 0);
	printf("1..%d\n", tests);
	return failures != 0;
}
