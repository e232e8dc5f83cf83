/*
 * Each kind of place and its context; who wins where several answer a call; helpers
 * that only a call at which programs run can show. The work (points.sh) asks for the
 * priority of user groups: the group's number says what it is about.
 */
#include "progs.h"

enum {
	GROUP = 1, /* PRIO_PGRP */
	AT_ENTRY = 100,
	AT_EXIT = 101,
	HELPERS = 102,
	RETVAL = 103,
};

/* What the loader reads where it has mapped it. */
struct seen {
	u64 raw_enter[3], raw_exit[2]; /* number and arguments; number and result */
	u64 all_enter[3], all_exit[2];
	u64 exits; /* of calls answered at the entry */
	u64 cookie[2];
	u64 percpu, clocks, drained;
	char path[16];
};
struct seen seen;
volatile u64 fed = 5; /* .data: the loader changes it while all runs */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} out SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} in SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} next SEC(".maps");

/* pt_regs of a raw tracepoint: the members that hold a call's first two arguments and its number. */
struct pt_regs {
	unsigned long before[13], si, di, orig_ax;
};

SEC("raw_tracepoint/sys_enter")
int raw_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *r = (void *)ctx->args[0], regs;

	if (ctx->args[1] != 140 || bpf_probe_read_kernel(&regs, sizeof(regs), r) || regs.di != GROUP ||
	    regs.si != HELPERS)
		return 0;
	seen.raw_enter[0] = ctx->args[1];
	seen.raw_enter[1] = regs.si;
	seen.raw_enter[2] = regs.orig_ax;
	return 0;
}

SEC("raw_tp/sys_exit")
int raw_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *r = (void *)ctx->args[0], regs;

	if (bpf_probe_read_kernel(&regs, sizeof(regs), r) || regs.orig_ax != 140 || regs.di != GROUP ||
	    regs.si != HELPERS)
		return 0;
	seen.raw_exit[0] = regs.orig_ax;
	seen.raw_exit[1] = ctx->args[1];
	return 0;
}

SEC("tracepoint/raw_syscalls/sys_enter")
int all_enter(struct trace_event_raw_sys_enter *ctx)
{
	if (ctx->id != 140 || ctx->args[0] != GROUP || ctx->args[1] != HELPERS)
		return 0;
	seen.all_enter[0] = (u64)ctx->id;
	seen.all_enter[1] = ctx->args[0];
	seen.all_enter[2] = ctx->args[1];
	return 0;
}

SEC("tp/raw_syscalls/sys_exit")
int all_exit(struct trace_event_raw_sys_exit *ctx)
{
	if (ctx->id != 140)
		return 0;
	seen.all_exit[0] = (u64)ctx->id;
	seen.all_exit[1] = (u64)ctx->ret;
	return 0;
}

static bool is_about(struct trace_event_raw_sys_enter *ctx, u64 group)
{
	return ctx->args[0] == GROUP && ctx->args[1] == group;
}

/* Attached last, first in the file; the other one the other way round. */
SEC("tp/syscalls/sys_enter_getpriority")
int entry_second(struct trace_event_raw_sys_enter *ctx)
{
	if (is_about(ctx, AT_ENTRY))
		bpf_override_return((struct pt_regs *)ctx, -2);
	seen.cookie[1] = bpf_get_attach_cookie(ctx);
	return 0;
}

SEC("tp/syscalls/sys_enter_getpriority")
int entry_first(struct trace_event_raw_sys_enter *ctx)
{
	if (is_about(ctx, AT_ENTRY))
		bpf_override_return((struct pt_regs *)ctx, -1);
	seen.cookie[0] = bpf_get_attach_cookie(ctx);
	return 0;
}

/* The exit's context has no arguments: the entry leaves a note. */
static u64 about;

SEC("tp/syscalls/sys_enter_getpriority")
int note(struct trace_event_raw_sys_enter *ctx)
{
	about = ctx->args[0] == GROUP ? ctx->args[1] : 0;
	return 0;
}

SEC("tp/syscalls/sys_exit_getpriority")
int exit_second(struct trace_event_raw_sys_exit *ctx)
{
	seen.exits += about == AT_ENTRY;
	if (about == AT_EXIT)
		bpf_override_return((struct pt_regs *)ctx, -4);
	return 0;
}

SEC("tp/syscalls/sys_exit_getpriority")
int exit_first(struct trace_event_raw_sys_exit *ctx)
{
	if (about == AT_EXIT)
		bpf_override_return((struct pt_regs *)ctx, -3);
	return 0;
}

static long drain(struct bpf_dynptr *d, void *sum)
{
	u32 v = 0;

	if (bpf_dynptr_read(&v, sizeof(v), d, 0, 0) == 0)
		*(u64 *)sum += v;
	return 0;
}

SEC("tp/syscalls/sys_enter_getpriority")
int helpers(struct trace_event_raw_sys_enter *ctx)
{
	u64 *count, now, coarse, sum = 0, record = fed;
	u32 zero = 0;

	if (!is_about(ctx, HELPERS))
		return 0;
	count = bpf_map_lookup_elem(&counts, &zero);
	if (count)
		*count += 7;
	count = bpf_map_lookup_percpu_elem(&counts, &zero, bpf_get_smp_processor_id());
	seen.percpu = count ? *count : 0;
	coarse = bpf_ktime_get_coarse_ns();
	now = bpf_ktime_get_ns();
	/* Not ahead, not behind by more than some ticks; and atomic time is that of 2001 at least. */
	seen.clocks = coarse <= now && now - coarse < 1000000000 && bpf_ktime_get_tai_ns() > 1000000000000000000;
	bpf_user_ringbuf_drain(&in, drain, &sum, 0);
	seen.drained = sum;
	bpf_ringbuf_output(&out, &record, sizeof(record), 0);
	bpf_printk("vprintk %d %d %d %d", 1, 2, 3, 4); /* more than three: bpf_trace_vprintk */
	bpf_tail_call(ctx, &next, 0);
	return 0;
}

SEC("tp/syscalls/sys_enter_getpriority")
int tail(struct trace_event_raw_sys_enter *ctx)
{
	u64 record = 1000 + ctx->args[1];

	bpf_ringbuf_output(&out, &record, sizeof(record), 0);
	return 0;
}

SEC("tp/syscalls/sys_enter_getpriority")
int retval(struct trace_event_raw_sys_enter *ctx)
{
	if (is_about(ctx, RETVAL) && bpf_get_retval() == 0)
		bpf_set_retval(-5);
	return 0;
}

SEC("tp/syscalls/sys_enter_chdir")
int path(struct trace_event_raw_sys_enter *ctx)
{
	bpf_copy_from_user(seen.path, 8, (const void *)ctx->args[0]);
	return 0;
}
