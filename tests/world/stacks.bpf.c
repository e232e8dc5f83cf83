/* The stacks of those who ask for the priority of a user group, by id and as such. */
#include "progs.h"

#define DEPTH 127

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 16384);
	__uint(key_size, 4);
	__uint(value_size, 8 * DEPTH);
} stacks SEC(".maps");

struct seen {
	s64 id;	   /* of bpf_get_stackid */
	s64 bytes; /* of bpf_get_stack */
	s64 ids;   /* of bpf_get_stack with build ids, which are not served */
	u64 ip[DEPTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, struct seen);
} calls SEC(".maps");

SEC("tp/syscalls/sys_enter_getpriority")
int see(struct trace_event_raw_sys_enter *ctx)
{
	u32 which = (u32)ctx->args[1]; /* the test's number */
	struct seen *s = bpf_map_lookup_elem(&calls, &which);

	if (!s || ctx->args[0] != 1)
		return 0;
	s->ids = bpf_get_stack(ctx, s->ip, sizeof(s->ip), BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
	s->id = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	s->bytes = bpf_get_stack(ctx, s->ip, sizeof(s->ip), BPF_F_USER_STACK);
	return 0;
}
