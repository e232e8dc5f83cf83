/*
 * Denies every write(2), or with `half` set every second one; but not those to
 * standard error: who is denied is to be able to say so.
 */
#include "progs.h"

const volatile bool half = false;
u64 calls = 0;

SEC("tracepoint/syscalls/sys_enter_write")
int deny_write(struct trace_event_raw_sys_enter *ctx)
{
	if (ctx->args[0] == 2)
		return 0;
	if (!half || __sync_fetch_and_add(&calls, 1) % 2 == 0)
		bpf_override_return((struct pt_regs *)ctx, -EPERM);
	return 0;
}
