/* bpf(2): the commands, and how its argument grows. */
#include <errno.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "agent/user.h"
#include "base/sys.h"

static bool active;

bool load_active(void)
{
	return active;
}

struct task *load_task(struct agent_thread *t)
{
	struct world_thread *w = agent_world_thread(t);

	return w ? &w->task : NULL;
}

/* Programs that are newer than we are may give more than we know, if it is zero. */
static long take_attr(union bpf_attr *attr, const void *uattr, unsigned size)
{
	char more[64];

	memset(attr, 0, sizeof(*attr));
	if (size > 4096)
		return -E2BIG;
	if (copy_from_user(attr, uattr, min_of(size, sizeof(*attr))) != 0)
		return -EFAULT;
	for (unsigned at = sizeof(*attr); at < size; at += sizeof(more)) {
		unsigned n = min_of(size - at, sizeof(more));

		if (copy_from_user(more, (const char *)uattr + at, n) != 0)
			return -EFAULT;
		for (unsigned i = 0; i < n; i++)
			if (more[i])
				return -E2BIG;
	}
	return 0;
}

/* Which kind of object the commands are about that come in four. */
static unsigned kind_of(int cmd)
{
	switch (cmd) {
	case BPF_PROG_GET_NEXT_ID:
	case BPF_PROG_GET_FD_BY_ID:
		return OBJECT_PROG;
	case BPF_MAP_GET_NEXT_ID:
	case BPF_MAP_GET_FD_BY_ID:
		return OBJECT_MAP;
	case BPF_LINK_GET_NEXT_ID:
	case BPF_LINK_GET_FD_BY_ID:
		return OBJECT_LINK;
	default:
		return OBJECT_BTF;
	}
}

#define CMD_LAST 37 /* BPF_PROG_STREAM_READ_BY_FD, of Linux 6.18: the headers may be older */

static const load_cmd commands[] = {
    [BPF_MAP_CREATE] = load_map_create,
    [BPF_MAP_LOOKUP_ELEM] = load_map_lookup,
    [BPF_MAP_UPDATE_ELEM] = load_map_update,
    [BPF_MAP_DELETE_ELEM] = load_map_delete,
    [BPF_MAP_GET_NEXT_KEY] = load_map_next_key,
    [BPF_MAP_LOOKUP_AND_DELETE_ELEM] = load_map_take,
    [BPF_MAP_FREEZE] = load_map_freeze,
    [BPF_PROG_LOAD] = load_prog_load,
    [BPF_BTF_LOAD] = load_btf_load,
    [BPF_OBJ_PIN] = load_pin,
    [BPF_OBJ_GET] = load_unpinned,
    [BPF_OBJ_GET_INFO_BY_FD] = load_info,
    [BPF_RAW_TRACEPOINT_OPEN] = load_raw_open,
    [BPF_LINK_CREATE] = load_link_create,
    [BPF_LINK_UPDATE] = load_link_update,
    [BPF_LINK_DETACH] = load_link_detach,
    [BPF_PROG_BIND_MAP] = load_bind_map,
    [BPF_TASK_FD_QUERY] = load_task_fd,
};

static long command(struct agent_thread *a, struct task *t, int cmd, union bpf_attr *attr, void *uattr)
{
	switch (cmd) {
	case BPF_PROG_GET_NEXT_ID:
	case BPF_MAP_GET_NEXT_ID:
	case BPF_BTF_GET_NEXT_ID:
	case BPF_LINK_GET_NEXT_ID:
		return load_next_id(t, kind_of(cmd), attr, uattr);
	case BPF_PROG_GET_FD_BY_ID:
	case BPF_MAP_GET_FD_BY_ID:
	case BPF_BTF_GET_FD_BY_ID:
	case BPF_LINK_GET_FD_BY_ID:
		return load_by_id(t, kind_of(cmd), attr, uattr);
	case BPF_MAP_LOOKUP_BATCH:
	case BPF_MAP_LOOKUP_AND_DELETE_BATCH:
	case BPF_MAP_UPDATE_BATCH:
	case BPF_MAP_DELETE_BATCH:
		return load_map_batch(t, cmd, attr, uattr);
	case BPF_PROG_TEST_RUN:
		return load_prog_run(a, t, attr, uattr);
	default:
		if ((unsigned)cmd < array_len(commands) && commands[cmd])
			return commands[cmd](t, attr, uattr);
		/* The kernel's, but what they are about is not here: other places than system calls, iterators, tokens.
		 */
		return (unsigned)cmd <= CMD_LAST ? -EOPNOTSUPP : -EINVAL;
	}
}

long load_bpf(struct agent_thread *t, int cmd, void *uattr, unsigned size)
{
	struct task *task = load_task(t);
	union bpf_attr attr;
	long err = task ? take_attr(&attr, uattr, size) : -EAGAIN;

	return err ? err : command(t, task, cmd, &attr, uattr);
}

static long handle_bpf(struct agent_thread *t, struct agent_regs *r)
{
	return load_bpf(t, (int)r->rdi, (void *)r->rsi, (unsigned)r->rdx);
}

/* The kernel charges no memory for what it does not hold. */
static agent_handler below_setrlimit, below_prlimit;

#define MEMLOCK 8 /* RLIMIT_MEMLOCK */

static long handle_setrlimit(struct agent_thread *t, struct agent_regs *r)
{
	return (int)r->rdi == MEMLOCK ? 0 : below_setrlimit(t, r);
}

static long handle_prlimit(struct agent_thread *t, struct agent_regs *r)
{
	return (int)r->rdi == 0 && (int)r->rsi == MEMLOCK && r->rdx && !r->r10 ? 0 : below_prlimit(t, r);
}

void load_start(const char *config)
{
	static char socket[160], btf[512];
	size_t n = 0;

	while (config[n] && config[n] != ',')
		n++;
	if (n >= sizeof(socket) || mem_length(config) - n >= sizeof(btf))
		return;
	memcpy(socket, config, n);
	if (config[n])
		memcpy(btf, config + n + 1, mem_length(config + n + 1));
	active = true;
	agent_register(SYS_bpf, handle_bpf);
	below_setrlimit = agent_register(SYS_setrlimit, handle_setrlimit);
	below_prlimit = agent_register(SYS_prlimit64, handle_prlimit);
	load_prog_start(socket);
	load_register_fds();
	load_register_perf();
	load_register_rings();
	load_register_sleep();
	load_register_paths(btf);
}
