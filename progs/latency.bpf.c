/* How long calls take: a histogram a call. latency.c prints it as bars. */
#include "latency.h"
#include "progs.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, u64);
	__type(value, u64);
} begun SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CALLS);
	__type(key, u32);
	__type(value, struct histogram);
} histograms SEC(".maps");

SEC("tp/raw_syscalls/sys_enter")
int enter(struct trace_event_raw_sys_enter *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();

	bpf_map_update_elem(&begun, &id, &now, BPF_ANY);
	return 0;
}

static u32 log2_of(u64 v)
{
	u32 n = 0;

	for (u32 k = 32; k; k /= 2) {
		if (v >> k) {
			v >>= k;
			n += k;
		}
	}
	return n;
}

SEC("tp/raw_syscalls/sys_exit")
int leave(struct trace_event_raw_sys_exit *ctx)
{
	u64 id = bpf_get_current_pid_tgid(), *start = bpf_map_lookup_elem(&begun, &id);
	u32 nr = (u32)ctx->id;
	struct histogram *h = bpf_map_lookup_elem(&histograms, &nr);
	u32 slot;

	if (!start || !h)
		return 0;
	slot = log2_of(bpf_ktime_get_ns() - *start);
	if (slot < SLOTS)
		__sync_fetch_and_add(&h->slot[slot], 1);
	return 0;
}
