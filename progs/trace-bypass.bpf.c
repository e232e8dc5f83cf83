/*
 * Which calls left for the kernel, and why: counts by number and way (enum
 * btfuse_way); 0 stands for calls that never came back. `bt-fuse map dump name left`.
 */
#include "progs.h"

struct left_key {
	u32 nr;
	u32 way;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct left_key);
	__type(value, u64);
} left SEC(".maps");

SEC("tp/raw_syscalls/sys_exit")
int leaving(struct trace_event_raw_sys_exit *ctx)
{
	struct left_key key = {.nr = (u32)ctx->id, .way = (u32)btfuse_way(ctx)};
	u64 one = 1, *n;

	if (key.way == BTFUSE_HERE)
		return 0;
	n = bpf_map_lookup_elem(&left, &key);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&left, &key, &one, BPF_NOEXIST);
	return 0;
}
