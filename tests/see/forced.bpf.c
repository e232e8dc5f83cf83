/* Each openat is the kernel's. */
#include "progs.h"

SEC("tp/syscalls/sys_enter_openat")
int forced(void *ctx)
{
	btfuse_to_kernel(ctx);
	return 0;
}
