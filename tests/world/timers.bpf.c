/*
 * Timers: what each call says, in the kernel's order of errors, and a callback
 * that starts its timer again and again, though nothing makes a call any more.
 */
#include "progs.h"

#define CALLS 13
#define AGAIN 5000000 /* ns */

struct value {
	u64 fired, set_up;
	s64 ret[CALLS];
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct value);
} timers SEC(".maps");

static int fire(void *map, u32 *key, struct value *v)
{
	if (!v->fired)
		v->ret[12] = bpf_timer_cancel(&v->timer); /* EDEADLK */
	v->fired++;
	bpf_timer_start(&v->timer, AGAIN, 0);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getpgid")
int set_up(void *ctx)
{
	u32 zero = 0;
	struct value *v = bpf_map_lookup_elem(&timers, &zero);
	struct bpf_timer *t;

	if (!v || __sync_fetch_and_or(&v->set_up, 1))
		return 0;
	t = &v->timer;
	v->ret[0] = bpf_timer_start(t, 0, 0);		/* EINVAL: not initialised */
	v->ret[1] = bpf_timer_cancel(t);		/* EINVAL */
	v->ret[2] = bpf_timer_set_callback(t, fire);	/* EINVAL */
	v->ret[3] = bpf_timer_init(t, &timers, 99);	/* EINVAL: no such clock */
	v->ret[4] = bpf_timer_init(t, &timers, 1);	/* 0 */
	v->ret[5] = bpf_timer_init(t, &timers, 1);	/* EBUSY */
	v->ret[6] = bpf_timer_start(t, 0, 0);		/* EINVAL: no callback */
	v->ret[7] = bpf_timer_set_callback(t, fire);	/* 0 */
	v->ret[8] = bpf_timer_start(t, 1ull << 40, 64); /* EINVAL: no such flag */
	v->ret[9] = bpf_timer_start(t, 1ull << 40, 0);	/* 0 */
	v->ret[10] = bpf_timer_cancel(t);		/* 1 */
	v->ret[11] = bpf_timer_start(t, 0, 0);		/* EINVAL: its callback went with it */
	bpf_timer_set_callback(t, fire);
	bpf_timer_start(t, AGAIN, 0);
	return 0;
}
