/* Does nothing at the entry of umask: what a hook costs (bench/world.sh). */
#include "progs.h"

SEC("tp/syscalls/sys_enter_umask")
int empty(void *ctx)
{
	return 0;
}
