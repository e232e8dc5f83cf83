/* Counts returns of the calls that make processes and programs: by number, and whether 0, above or below. */
#include "progs.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} returns SEC(".maps");

static int count(struct trace_event_raw_sys_exit *ctx)
{
	u32 key = (u32)ctx->id * 4 + (ctx->ret > 0 ? 1 : ctx->ret < 0 ? 2 : 0);
	u64 one = 1, *n = bpf_map_lookup_elem(&returns, &key);

	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&returns, &key, &one, BPF_ANY);
	return 0;
}

#define AT(name)                                                                                                       \
	SEC("tracepoint/syscalls/sys_exit_" #name)                                                                     \
	int at_##name(struct trace_event_raw_sys_exit *ctx)                                                            \
	{                                                                                                              \
		return count(ctx);                                                                                     \
	}
AT(clone)
AT(clone3)
AT(fork)
AT(vfork)
AT(execve)
