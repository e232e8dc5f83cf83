/*
 * The world's descriptor is not the program's: it can't be closed, replaced or
 * looked at. (Closing any descriptor of that file would drop the process's life
 * lock.)
 */
#include <errno.h>

#include "agent/agent.h"
#include "agent/mem.h"
#include "agent/world.h"
#include "base/sys.h"
#include "vfs/vfs.h"

static agent_handler below[AGENT_NR];

static long handle_fd(struct agent_thread *t, struct agent_regs *r)
{
	return agent_world_fd((int)r->rdi) ? -EBADF : below[r->rax](t, r);
}

/* Its number is not there to be had: as beyond a limit. */
static long handle_target(struct agent_thread *t, struct agent_regs *r)
{
	return agent_world_fd((int)r->rdi) || agent_world_fd((int)r->rsi) ? -EBADF : below[r->rax](t, r);
}

/* Around it. */
static long handle_close_range(struct agent_thread *t, struct agent_regs *r)
{
	unsigned long first = (unsigned)r->rdi, last = (unsigned)r->rsi;
	struct world *w = agent_world();
	long fd = w ? w->arena.pool.fd : -1, rsi = r->rsi, rdi = r->rdi, ret = 0;

	if (fd < (long)first || fd > (long)last)
		return below[SYS_close_range](t, r);
	if (fd > (long)first) {
		r->rsi = fd - 1;
		ret = below[SYS_close_range](t, r);
		if (ret == AGENT_HAND_ON)
			ret = agent_pass(t, r);
		r->rsi = rsi;
	}
	if (ret < 0 || fd == (long)last)
		return ret;
	r->rdi = fd + 1;
	ret = below[SYS_close_range](t, r);
	if (ret == AGENT_HAND_ON)
		ret = agent_pass(t, r);
	r->rdi = rdi;
	return ret;
}

static bool is_world(const void *arg, long fd)
{
	return agent_world_fd(fd);
}

static long handle_list(struct agent_thread *t, struct agent_regs *r)
{
	return vfs_list_hiding((const struct vfs_call *)(const void *)r, is_world, NULL);
}

void agent_hide_world(void)
{
	static const uint16_t one[] = {SYS_close, SYS_dup, SYS_fcntl};
	static const uint16_t two[] = {SYS_dup2, SYS_dup3};

	for (unsigned i = 0; i < array_len(one); i++)
		below[one[i]] = agent_register(one[i], handle_fd);
	for (unsigned i = 0; i < array_len(two); i++)
		below[two[i]] = agent_register(two[i], handle_target);
	below[SYS_close_range] = agent_register(SYS_close_range, handle_close_range);
	agent_register(SYS_getdents, handle_list);
	agent_register(SYS_getdents64, handle_list);
}
