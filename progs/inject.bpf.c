/*
 * What `bt-fuse inject` loads: makes one call fail, or late, as `rule` says.
 * Attached to the entry of the call; constants are filled in before loading.
 */
#include "progs.h"

#define PATTERN 256

const volatile s64 error = 0;	 /* errno to answer with; 0: none */
const volatile u32 rate = 0;	 /* of 1,000,000 calls, how many; 0: all */
const volatile u32 nth = 0;	 /* only this one; 0: all */
const volatile u32 seed = 0;	 /* of the choice by rate */
const volatile u64 after_ns = 0; /* not before that much time has passed since the first call */
const volatile u64 delay_ns = 0; /* wait so long first */
const volatile u32 path_arg = 0; /* 1 + argument that is a path; 0: argument 0 is a descriptor */
const volatile u32 dir_arg = 0;	 /* 1 + argument with the directory it begins at; 0: the working directory */
const volatile char pattern[PATTERN] = {0};
const volatile u32 has_path = 0; /* 0: any path */

u64 calls = 0, first = 0, injected = 0;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, char[PATTERN]);
} room SEC(".maps");

/* Of a seed the same calls fail each time, as long as calls come in the same order. */
static u32 draw(u64 n)
{
	u64 x = n * 0x9e3779b97f4a7c15ull + ((u64)seed << 32 | seed) + 1;

	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ull;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebull;
	x ^= x >> 31;
	return (u32)(x % 1000000);
}

static bool is_path(struct trace_event_raw_sys_enter *ctx)
{
	u32 zero = 0;
	char *buf = bpf_map_lookup_elem(&room, &zero);
	long n;

	if (!buf)
		return false;
	if (!path_arg)
		n = btfuse_fd_path(buf, PATTERN, ctx->args[0]);
	else if (path_arg == 1)
		n = btfuse_path(buf, PATTERN, -100, (const void *)ctx->args[0]);
	else
		n = btfuse_path(buf, PATTERN, dir_arg ? ctx->args[0] : -100, (const void *)ctx->args[1]);
	if (n <= 0 || n > PATTERN)
		return false;
	return btfuse_match(buf, PATTERN, (const char *)pattern, PATTERN);
}

static bool is_chosen(void)
{
	u64 n = __sync_fetch_and_add(&calls, 1) + 1;

	if (nth)
		return n == nth;
	return !rate || draw(n) < rate;
}

static bool is_early(void)
{
	u64 now;

	if (!after_ns)
		return false;
	now = bpf_ktime_get_ns();
	if (!first)
		__sync_val_compare_and_swap(&first, 0, now);
	return now - first < after_ns;
}

SEC("tracepoint/syscalls/sys_enter_write")
int inject(struct trace_event_raw_sys_enter *ctx)
{
	if (has_path && !is_path(ctx))
		return 0;
	if (is_early() || !is_chosen())
		return 0;
	__sync_fetch_and_add(&injected, 1);
	if (delay_ns)
		btfuse_delay(delay_ns);
	if (error)
		bpf_override_return((struct pt_regs *)ctx, -error);
	return 0;
}
