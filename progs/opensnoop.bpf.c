/* Prints each file that is opened, with the result, to `bt-fuse prog tracelog`. */
#include "progs.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, u64);
	__type(value, u64);
} begun SEC(".maps");

SEC("tp/syscalls/sys_enter_openat")
int opening(struct trace_event_raw_sys_enter *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), path = ctx->args[1];

	bpf_map_update_elem(&begun, &id, &path, BPF_ANY);
	return 0;
}

SEC("tp/syscalls/sys_exit_openat")
int opened(struct trace_event_raw_sys_exit *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), *path = bpf_map_lookup_elem(&begun, &id);
	char name[200];

	if (!path)
		return 0;
	if (bpf_probe_read_user_str(name, sizeof(name), (const void *)*path) > 0)
		bpf_printk("%d %s", (int)ctx->ret, name);
	bpf_map_delete_elem(&begun, &id);
	return 0;
}
