/* Counts a thread's calls of getpgid in its own storage. */
#include "progs.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, u64);
} counts SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int count(void *ctx)
{
	u64 *n = bpf_task_storage_get(&counts, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (n)
		++*n;
	return 0;
}
