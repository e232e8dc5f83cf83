/*
 * What programs find here of the kernel's types, by the kernel's names: the BTF
 * of this file is /sys/kernel/btf/vmlinux for a loader, and CO-RE takes offsets
 * from it. The layouts are those of src/maps/helper.h (maps_task) and src/agent/chain.c.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

typedef int pid_t;
typedef unsigned int uid_t;
typedef unsigned int gid_t;

struct trace_entry {
	unsigned short type;
	unsigned char flags;
	unsigned char preempt_count;
	int pid;
};

struct trace_event_raw_sys_enter {
	struct trace_entry ent;
	long id;
	unsigned long args[6];
	char __data[0];
};

struct trace_event_raw_sys_exit {
	struct trace_entry ent;
	long id;
	long ret;
	char __data[0];
};

struct syscall_trace_enter {
	struct trace_entry ent;
	int nr;
	unsigned long args[0];
};

struct syscall_trace_exit {
	struct trace_entry ent;
	int nr;
	long ret;
};

struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip, cs, flags, sp, ss;
};

struct bpf_raw_tracepoint_args {
	u64 args[0];
};

struct ns_common {
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct task_struct {
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	struct task_struct *parent;
	struct task_struct *group_leader;
	u64 start_time;
	u64 start_boottime;
	unsigned int flags;
	int exit_code;
	char comm[16];
	struct nsproxy *nsproxy;
};

/* By this type programs ask whether there are ring buffers. */
struct bpf_ringbuf {
	u64 mask;
};

#define SHOW(t)                                                                                                        \
	struct t *show_##t(struct t *p)                                                                                \
	{                                                                                                              \
		return p;                                                                                              \
	}
SHOW(trace_event_raw_sys_enter)
SHOW(trace_event_raw_sys_exit)
SHOW(syscall_trace_enter)
SHOW(syscall_trace_exit)
SHOW(pt_regs)
SHOW(bpf_raw_tracepoint_args)
/* What others point to comes first: clang leaves a type that it has met behind a pointer without its members. */
SHOW(mnt_namespace)
SHOW(nsproxy)
SHOW(task_struct)
SHOW(bpf_ringbuf)
u8 show_u8;
u16 show_u16;
s32 show_s32;
s64 show_s64;
