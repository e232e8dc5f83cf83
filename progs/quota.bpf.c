/* At most `limit` bytes a process by write and pwrite64 (standard error aside); then EDQUOT. */
#include "progs.h"

const volatile u64 limit = 1 << 20;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 10240);
	__type(key, u32);
	__type(value, u64);
} written SEC(".maps");

static int check(void *ctx, u64 bytes)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 *sum = bpf_map_lookup_elem(&written, &pid), zero = 0;

	if (!sum) {
		bpf_map_update_elem(&written, &pid, &zero, BPF_NOEXIST);
		sum = bpf_map_lookup_elem(&written, &pid);
	}
	if (sum && *sum + bytes > limit)
		bpf_override_return(ctx, -EDQUOT);
	return 0;
}

static int count(s64 ret)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 *sum = bpf_map_lookup_elem(&written, &pid);

	if (sum && ret > 0)
		__sync_fetch_and_add(sum, (u64)ret);
	return 0;
}

SEC("tp/syscalls/sys_enter_write")
int before_write(struct trace_event_raw_sys_enter *ctx)
{
	return ctx->args[0] != 2 ? check(ctx, ctx->args[2]) : 0;
}

SEC("tp/syscalls/sys_enter_pwrite64")
int before_pwrite(struct trace_event_raw_sys_enter *ctx)
{
	return check(ctx, ctx->args[2]);
}

SEC("tp/syscalls/sys_exit_write")
int after_write(struct trace_event_raw_sys_exit *ctx)
{
	return count(ctx->ret);
}

SEC("tp/syscalls/sys_exit_pwrite64")
int after_pwrite(struct trace_event_raw_sys_exit *ctx)
{
	return count(ctx->ret);
}
