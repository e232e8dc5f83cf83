/*
 * What is not served here: each line asks for something that the kernel has and
 * that is not here, or that nobody has, and says which error is to come, and
 * where the caller gave a log, what stands in it. And what feature probes ask
 * for, which must stay as probes expect it. A TAP line each.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/asm.h"

static int tests, failures;

static void expect(const char *what, long ret, int want, const char *log, const char *says)
{
	int got = ret < 0 ? -errno : 0;
	int ok = got == want && (!says || (log && strstr(log, says)));

	failures += !ok;
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++tests, what);
	if (!ok)
		printf("# %d, not %d; the log: %s\n", got, want, log ? log : "none");
}

/* ---- Programs ------------------------------------------------------------------------- */

static char log_text[4096];

static int load(enum bpf_prog_type type, const struct bpf_insn *in, size_t n, unsigned flags)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_level = 1, .log_buf = log_text, .log_size = sizeof(log_text),
		    .prog_flags = flags);

	log_text[0] = '\0';
	return bpf_prog_load(type, "refused", "GPL", in, n, &opts);
}

static const struct bpf_insn nothing[] = {MOV_K(0, 0), EXIT()};

#define LOAD(type, ...)                                                                                                \
	load(type, (const struct bpf_insn[]){__VA_ARGS__},                                                             \
	     sizeof((const struct bpf_insn[]){__VA_ARGS__}) / sizeof(struct bpf_insn), 0)

static void programs(void)
{
	for (unsigned type = 1; type <= BPF_PROG_TYPE_SYSCALL + 1; type++) {
		int fd = load(type, nothing, 2, 0);
		char what[64];

		snprintf(what, sizeof(what), "programs of type %u", type);
		if (type == BPF_PROG_TYPE_TRACEPOINT || type == BPF_PROG_TYPE_RAW_TRACEPOINT ||
		    type == BPF_PROG_TYPE_KPROBE || type == BPF_PROG_TYPE_SOCKET_FILTER)
			expect(what, fd, 0, NULL, NULL);
		else
			expect(what, fd, -EOPNOTSUPP, log_text, "is not served here");
		close(fd);
	}
	expect("a type that nobody has", load(4711, nothing, 2, 0), -EINVAL, log_text, "is not known");
	expect("a helper of sockets", LOAD(BPF_PROG_TYPE_TRACEPOINT, CALL(skb_store_bytes), MOV_K(0, 0), EXIT()),
	       -EOPNOTSUPP, log_text, "unknown func bpf_skb_store_bytes#9: not served here");
	expect("a helper that nobody has",
	       LOAD(BPF_PROG_TYPE_TRACEPOINT, INSN(INSN_CALL, 0, 0, 0, 9999), MOV_K(0, 0), EXIT()), -EINVAL, log_text,
	       "invalid func unknown#9999");
	expect("a kernel function",
	       LOAD(BPF_PROG_TYPE_TRACEPOINT, INSN(INSN_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, 1), MOV_K(0, 0), EXIT()),
	       -EOPNOTSUPP, log_text, "kernel functions");
	expect("a kernel variable",
	       LOAD(BPF_PROG_TYPE_TRACEPOINT, INSN(INSN_LDDW, 0, BPF_PSEUDO_BTF_ID, 0, 1), INSN(0, 0, 0, 0, 0), EXIT()),
	       -EOPNOTSUPP, log_text, "kernel variables");
	expect("a sleepable program", load(BPF_PROG_TYPE_TRACEPOINT, nothing, 2, BPF_F_SLEEPABLE), -EINVAL, log_text,
	       "sleepable");
	expect("a flag that nobody has", load(BPF_PROG_TYPE_TRACEPOINT, nothing, 2, 1u << 31), -EINVAL, NULL, NULL);
}

/* ---- Maps ------------------------------------------------------------------------------- */

static void maps(void)
{
	static const unsigned others[] = {BPF_MAP_TYPE_DEVMAP,
					  BPF_MAP_TYPE_SOCKMAP,
					  BPF_MAP_TYPE_CPUMAP,
					  BPF_MAP_TYPE_XSKMAP,
					  BPF_MAP_TYPE_SOCKHASH,
					  BPF_MAP_TYPE_CGROUP_STORAGE,
					  BPF_MAP_TYPE_SK_STORAGE,
					  BPF_MAP_TYPE_DEVMAP_HASH,
					  BPF_MAP_TYPE_STRUCT_OPS,
					  BPF_MAP_TYPE_INODE_STORAGE,
					  32 /* CGRP_STORAGE */,
					  33 /* ARENA */,
					  BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
					  BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE};
	LIBBPF_OPTS(bpf_map_create_opts, ids, .map_flags = BPF_F_STACK_BUILD_ID);

	for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++) {
		char what[64];

		snprintf(what, sizeof(what), "maps of type %u", others[i]);
		expect(what, bpf_map_create(others[i], "refused", 4, 4, 1, NULL), -EOPNOTSUPP, NULL, NULL);
	}
	expect("maps of no type", bpf_map_create(0, "refused", 4, 4, 1, NULL), -EINVAL, NULL, NULL);
	expect("maps of a type that nobody has", bpf_map_create(4711, "refused", 4, 4, 1, NULL), -EINVAL, NULL, NULL);
	expect("stacks by build ids", bpf_map_create(BPF_MAP_TYPE_STACK_TRACE, "refused", 4, 32, 1, &ids), -EOPNOTSUPP,
	       NULL, NULL);
}

/* ---- Places ------------------------------------------------------------------------------ */

static int event(unsigned type, unsigned long long config, int pid)
{
	struct perf_event_attr a = {.type = type, .size = sizeof(a), .config = config, .disabled = 1};

	return (int)syscall(SYS_perf_event_open, &a, pid, pid < 0 ? 0 : -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* What the kernel counts by `type`; -1: it has no such. */
static int pmu(const char *name)
{
	char path[128];
	int type = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", name);
	f = fopen(path, "r");
	if (f && fscanf(f, "%d", &type) != 1)
		type = -1;
	if (f)
		fclose(f);
	return type;
}

static void places(int point, int raw)
{
	int fd;

	expect("a raw tracepoint of the scheduler", bpf_raw_tracepoint_open("sched_switch", raw), -EOPNOTSUPP, NULL,
	       NULL);
	expect("a tracepoint by the kernel's number", event(PERF_TYPE_TRACEPOINT, 300, -1), -EOPNOTSUPP, NULL, NULL);
	expect("the number of a tracepoint of the scheduler",
	       open("/sys/kernel/tracing/events/sched/sched_switch/id", O_RDONLY), -EOPNOTSUPP, NULL, NULL);
	expect("the same, the old way", open("/sys/kernel/debug/tracing/events/sched/sched_switch/id", O_RDONLY),
	       -EOPNOTSUPP, NULL, NULL);
	expect("the number of a call that nobody has",
	       open("/sys/kernel/tracing/events/syscalls/sys_enter_nonesuch/id", O_RDONLY), -ENOENT, NULL, NULL);
	expect("a probe by name", open("/sys/kernel/tracing/kprobe_events", O_WRONLY | O_APPEND), -EOPNOTSUPP, NULL,
	       NULL);
	expect("a probe of a program by name", open("/sys/kernel/debug/tracing/uprobe_events", O_WRONLY | O_APPEND),
	       -EOPNOTSUPP, NULL, NULL);
	for (const char *const *name = (const char *const[]){"kprobe", "uprobe", NULL}; *name; name++)
		if (pmu(*name) >= 0)
			expect(*name, event((unsigned)pmu(*name), 0, -1), -EOPNOTSUPP, NULL, NULL);
	fd = event(PERF_TYPE_TRACEPOINT, 1001, -1);
	expect("a tracepoint of system calls", fd, 0, NULL, NULL);
	expect("a filter", ioctl(fd, PERF_EVENT_IOC_SET_FILTER, "common_pid == 1"), -EOPNOTSUPP, NULL, NULL);
	expect("what is asked of terminals", ioctl(fd, FIONREAD, log_text), -ENOTTY, NULL, NULL);
	expect("a tracepoint of one process only", event(PERF_TYPE_TRACEPOINT, 1001, getpid()), -EOPNOTSUPP, NULL,
	       NULL);
	expect("a link with an attach type of others", bpf_link_create(point, fd, BPF_XDP, NULL), -EOPNOTSUPP, NULL,
	       NULL);
	expect("a link at no event", bpf_link_create(point, -1, BPF_PERF_EVENT, NULL), -EBADF, NULL, NULL);
	expect("a link at what is no event", bpf_link_create(point, 1, BPF_PERF_EVENT, NULL), -EBADF, NULL, NULL);
	fd = event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, 0);
	if (fd < 0) /* not everybody may have these */
		return;
	expect("a link at an event of the kernel's", bpf_link_create(point, fd, BPF_PERF_EVENT, NULL), -EOPNOTSUPP,
	       NULL, NULL);
	expect("a program at an event of the kernel's", ioctl(fd, PERF_EVENT_IOC_SET_BPF, point), -EOPNOTSUPP, NULL,
	       NULL);
	expect("an event of the kernel's as such", ioctl(fd, PERF_EVENT_IOC_ENABLE, 0), 0, NULL, NULL);
}

/* ---- Commands ----------------------------------------------------------------------------- */

static int command(int cmd)
{
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	return (int)syscall(SYS_bpf, cmd, &a, sizeof(a));
}

static void commands(void)
{
	static const struct {
		const char *name;
		int cmd, want;
	} all[] = {
	    {"BPF_PROG_ATTACH", BPF_PROG_ATTACH, -EOPNOTSUPP},
	    {"BPF_PROG_DETACH", BPF_PROG_DETACH, -EOPNOTSUPP},
	    {"BPF_PROG_QUERY", BPF_PROG_QUERY, -EOPNOTSUPP},
	    /* bpftool looks whether there is the command: of a descriptor that is no event, it says this. */
	    {"BPF_TASK_FD_QUERY of no process", BPF_TASK_FD_QUERY, -ENOENT},
	    {"BPF_ENABLE_STATS", BPF_ENABLE_STATS, -EOPNOTSUPP},
	    {"BPF_ITER_CREATE", BPF_ITER_CREATE, -EOPNOTSUPP},
	    {"BPF_TOKEN_CREATE", 36, -EOPNOTSUPP},
	    {"BPF_PROG_STREAM_READ_BY_FD", 37, -EOPNOTSUPP},
	    {"a command that nobody has", 4711, -EINVAL},
	    {"a command below all", -1, -EINVAL},
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(*all); i++)
		expect(all[i].name, command(all[i].cmd), all[i].want, NULL, NULL);
}

int main(void)
{
	int point = load(BPF_PROG_TYPE_TRACEPOINT, nothing, 2, 0),
	    raw = load(BPF_PROG_TYPE_RAW_TRACEPOINT, nothing, 2, 0);

	expect("programs to attach", point < 0 ? point : raw, 0, log_text, NULL);
	programs();
	maps();
	places(point, raw);
	commands();
	printf("1..%d\n", tests);
	return failures != 0;
}
