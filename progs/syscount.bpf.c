/* Counts calls by number: `bt-fuse map dump name calls`. */
#include "progs.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, u64);
} calls SEC(".maps");

SEC("raw_tracepoint/sys_enter")
int count(struct bpf_raw_tracepoint_args *ctx)
{
	u32 nr = (u32)ctx->args[1];
	u64 one = 1, *n = bpf_map_lookup_elem(&calls, &nr);

	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&calls, &nr, &one, BPF_NOEXIST);
	return 0;
}
