/*
 * Whatever a loader asks of bpf(2), perf_event_open(2) and what surrounds them:
 * nothing may crash, hang or touch what is not its own; when it has let go of
 * all, nothing is left in the world. The input is a list of calls, each some
 * bytes: descriptors are mostly those that calls before have made, pointers
 * mostly lead into memory that is there, and numbers are mostly small or odd.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "agent/world.h"
#include "bpf/asm.h"
#include "loader.h"
#include "rig.h"
#include "target.h"
#include "world/event.h"
#include "world/object.h"
#include "world/wire.h"

#define AREA 65536ul
#define ROOM (1ul << 20) /* where mappings at a given address go */
#define FDS 32
#define CALLS 400

static struct {
	const uint8_t *at;
	size_t left;
} in;

static int fds[FDS];
static uint32_t nfds;
static char *area; /* the loader's memory; behind it a page that is only read, and one that is not there */
static char *room;
static uint32_t ids[FDS]; /* of what it made */

/* ---- The input ---------------------------------------------------------------------------- */

static uint8_t byte(void)
{
	if (in.left == 0)
		return 0;
	in.left--;
	return *in.at++;
}

static uint64_t raw(void)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | byte();
	return v;
}

static uint64_t number(void)
{
	static const uint64_t odd[] = {~0ull,	   0xffffffff, 0x80000000, 0x7fffffff, 0xffff,	   65536,
				       1ull << 63, 1ull << 32, 4095,	   4096,       4097,	   8192,
				       1 << 20,	   511,	       512,	   513,	       0xfffff000, 255};
	uint8_t b = byte();

	if (b < 200)
		return b % 40;
	return b < 240 ? odd[b % array_len(odd)] : raw();
}

/* Few flags at a time. */
static uint32_t flags(void)
{
	uint8_t b = byte();

	return b < 128 ? 0 : b < 240 ? 1u << b % 16 : (uint32_t)raw();
}

static int fd(void)
{
	uint8_t b = byte();

	if (b < 240)
		return nfds ? fds[b % nfds] : -1;
	return b < 244 ? 3000 + b : b < 250 ? -(int)b : 0x7fffffff;
}

/* Of the loader's own: what is closed or replaced must not be the test's. */
static int own_fd(void)
{
	return nfds ? fds[byte() % nfds] : -1;
}

static uint64_t pointer(void)
{
	uint8_t b = byte();

	if (b < 180)
		return (uintptr_t)area + (uint64_t)byte() * 64;
	if (b < 200)
		return (uintptr_t)area + AREA + 4096 - byte(); /* runs out */
	if (b < 215)
		return (uintptr_t)area + AREA - byte(); /* runs into what is only read */
	if (b < 235)
		return 0;
	return b < 245 ? byte() : raw();
}

static void scribble(char *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)byte();
}

/* ---- Descriptors --------------------------------------------------------------------------- */

void loader_keep(long got)
{
	if (got < 0)
		return;
	if (nfds == FDS) {
		uint32_t i = (uint32_t)got % FDS;

		agent_call(SYS_close, fds[i], 0, 0, 0, 0, 0);
		fds[i] = (int)got;
		return;
	}
	fds[nfds++] = (int)got;
}

/* A descriptor that a call has replaced is there once. */
static void keep_once(long got)
{
	for (uint32_t i = 0; i < nfds; i++)
		if (fds[i] == got)
			return;
	loader_keep(got);
}

static void forget(int gone)
{
	for (uint32_t i = 0; i < nfds; i++)
		if (fds[i] == gone)
			fds[i--] = fds[--nfds];
}

/* ---- bpf(2) ---------------------------------------------------------------------------------- */

static long bpf(int cmd, union bpf_attr *attr)
{
	uint8_t b = byte();
	unsigned size = b < 230 ? sizeof(*attr) : b < 250 ? (unsigned)byte() : (unsigned)number();

	/* More than the kernel knows, and zero. */
	memset(area + AREA / 2, 0, 4096);
	memcpy(area + AREA / 2, attr, sizeof(*attr));
	return agent_call(SYS_bpf, cmd, b == 255 ? (long)pointer() : (long)(area + AREA / 2), size, 0, 0, 0);
}

static const struct types {
	struct btf_header head;
	struct btf_type integer;
	uint32_t int_bits;
	struct btf_type lock;
	struct btf_member lock_member;
	struct btf_type array;
	struct btf_array array_is;
	struct btf_type timer;
	struct btf_member timer_member;
	struct btf_type value;
	struct btf_member value_member[3];
	char names[40];
} types = {
    .head = {.magic = BTF_MAGIC,
	     .version = 1,
	     .hdr_len = sizeof(struct btf_header),
	     .type_len = offsetof(struct types, names) - sizeof(struct btf_header),
	     .str_off = offsetof(struct types, names) - sizeof(struct btf_header),
	     .str_len = 40},
    .integer = {.name_off = 1, .info = BTF_KIND_INT << 24, .size = 4},
    .int_bits = 32,
    .lock = {.name_off = 5, .info = BTF_KIND_STRUCT << 24 | 1, .size = 4},
    .lock_member = {.name_off = 1, .type = 1},
    .array = {.info = BTF_KIND_ARRAY << 24},
    .array_is = {.type = 1, .index_type = 1, .nelems = 4},
    .timer = {.name_off = 19, .info = BTF_KIND_STRUCT << 24 | 1, .size = 16},
    .timer_member = {.name_off = 1, .type = 3},
    .value = {.name_off = 29, .info = BTF_KIND_STRUCT << 24 | 3, .size = 28},
    .value_member = {{.name_off = 1, .type = 2, .offset = 0},
		     {.name_off = 1, .type = 4, .offset = 64},
		     {.name_off = 1, .type = 1, .offset = 192}},
    .names = "\0int\0bpf_spin_lock\0bpf_timer\0value",
};

static void load_btf(void)
{
	union bpf_attr a = {.btf = (uintptr_t)area, .btf_size = sizeof(types)};

	memcpy(area, &types, sizeof(types));
	for (uint8_t n = byte() % 4; n > 0; n--)
		area[byte() % sizeof(types)] ^= (char)byte();
	if (byte() > 230)
		a.btf_size = (uint32_t)number();
	if (byte() > 200) {
		a.btf_log_level = 1;
		a.btf_log_buf = pointer();
		a.btf_log_size = (uint32_t)number();
	}
	loader_keep(bpf(BPF_BTF_LOAD, &a));
}

/* Sizes that would take all memory are for other tests. Rings have neither keys nor values. */
static bool too_much(const union bpf_attr *a)
{
	uint64_t bytes = (uint64_t)a->max_entries * max_of((uint64_t)a->key_size + a->value_size, 1ull);

	return bytes > (16u << 20) && bytes < 1ull << 40;
}

static void create_map(void)
{
	static const uint32_t sizes[] = {0, 1, 4, 4, 4, 8, 8, 16, 28, 28, 40, 64, 512, 4096, 70000, 0xffffffff};
	static const uint32_t counts[] = {0, 1, 1, 2, 4, 4, 5, 33, 64, 1000, 4096, 4096, 8192, 65536, 0x80000000, ~0u};
	static const uint32_t types_here[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 22, 23, 27, 29, 30, 31, 8};
	union bpf_attr a = {.map_type = byte()};

	if (a.map_type < 200)
		a.map_type = types_here[a.map_type % array_len(types_here)];
	a.key_size = sizes[byte() % array_len(sizes)];
	a.value_size = sizes[byte() % array_len(sizes)];
	a.max_entries = counts[byte() % array_len(counts)];
	a.map_flags = flags();
	a.inner_map_fd = (uint32_t)fd();
	if (byte() > 128) {
		a.btf_fd = (uint32_t)fd();
		a.btf_key_type_id = (uint32_t)number() % 8;
		a.btf_value_type_id = byte() < 250 ? 5 : (uint32_t)number();
	}
	if (byte() > 230)
		a.map_extra = raw();
	if (byte() > 200)
		scribble(a.map_name, sizeof(a.map_name));
	if (!too_much(&a))
		loader_keep(bpf(BPF_MAP_CREATE, &a));
}

static void one_element(void)
{
	static const int cmds[] = {BPF_MAP_LOOKUP_ELEM,
				   BPF_MAP_UPDATE_ELEM,
				   BPF_MAP_UPDATE_ELEM,
				   BPF_MAP_DELETE_ELEM,
				   BPF_MAP_GET_NEXT_KEY,
				   BPF_MAP_UPDATE_ELEM,
				   BPF_MAP_LOOKUP_AND_DELETE_ELEM,
				   BPF_MAP_FREEZE};
	int cmd = cmds[byte() % 8];
	union bpf_attr a = {.map_fd = (uint32_t)fd(), .key = pointer(), .value = pointer(), .flags = flags()};
	int32_t key = (int32_t)(byte() % 8), value = fd();

	if (cmd == BPF_MAP_FREEZE && byte() < 200)
		return;
	memcpy(area + byte() * 64, &key, 4);
	memcpy(area + byte() * 64, &value, 4);
	bpf(cmd, &a);
}

static void many_elements(void)
{
	static const int cmds[] = {BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH, BPF_MAP_UPDATE_BATCH,
				   BPF_MAP_DELETE_BATCH};
	int cmd = cmds[byte() % 4];
	union bpf_attr a = {.batch = {.in_batch = pointer(),
				      .out_batch = pointer(),
				      .keys = pointer(),
				      .values = pointer(),
				      .count = (uint32_t)number(),
				      .map_fd = (uint32_t)fd(),
				      .elem_flags = flags(),
				      .flags = flags()}};

	bpf(cmd, &a);
}

/* ---- Programs --------------------------------------------------------------------------------- */

static uint32_t a_program(struct bpf_insn *to)
{
	int map = fd();
	const struct bpf_insn nothing[] = {MOV_K(0, 0), EXIT()};
	const struct bpf_insn look[] = {ST(DW, 10, -8, byte() % 4), LD_MAP(1, map),    MOV_X(2, 10),	ADD_K(2, -8),
					CALL(map_lookup_elem),	    J_K(JEQ, 0, 0, 1), LDX(B, 0, 0, 0), EXIT()};
	const struct bpf_insn change[] = {ST(DW, 10, -8, byte() % 4),
					  ST(DW, 10, -16, 1),
					  ST(DW, 10, -24, 1),
					  ST(DW, 10, -32, 2),
					  ST(DW, 10, -40, 0),
					  LD_MAP(1, map),
					  MOV_X(2, 10),
					  ADD_K(2, -8),
					  MOV_X(3, 10),
					  ADD_K(3, -40),
					  MOV_K(4, byte() % 4),
					  CALL(map_update_elem),
					  LD_MAP(1, map),
					  MOV_X(2, 10),
					  ADD_K(2, -8),
					  CALL(map_delete_elem),
					  MOV_K(0, 0),
					  EXIT()};
	const struct bpf_insn push[] = {
	    ST(DW, 10, -8, byte()), LD_MAP(1, map), MOV_X(2, 10), ADD_K(2, -8),	       MOV_K(3, 0), CALL(map_push_elem),
	    LD_MAP(1, map),	    MOV_X(2, 10),   ADD_K(2, -8), CALL(map_peek_elem), MOV_K(0, 0), EXIT()};
	const struct bpf_insn output[] = {ST(DW, 10, -8, byte()), LD_MAP(1, map), MOV_X(2, 10),
					  ADD_K(2, -8),		  MOV_K(3, 8),	  MOV_K(4, 0),
					  CALL(ringbuf_output),	  MOV_K(0, 0),	  EXIT()};
	const struct bpf_insn event[] = {ST(DW, 10, -8, byte()),
					 LD_MAP(2, map),
					 LDDW(3, byte() < 128 ? 0xffffffffu : byte() % 4),
					 MOV_X(4, 10),
					 ADD_K(4, -8),
					 MOV_K(5, 8),
					 CALL(perf_event_output),
					 MOV_K(0, 0),
					 EXIT()};
	const struct bpf_insn jump[] = {LD_MAP(2, map), MOV_K(3, byte() % 4), CALL(tail_call), MOV_K(0, 1), EXIT()};
	const struct bpf_insn direct[] = {LD_VALUE(1, map, byte() % 32), LDX(W, 0, 1, 0), STX(W, 1, 0, 0), EXIT()};
	const struct bpf_insn drain[] = {LD_MAP(1, map),	   LD_FUNC(2, 5), MOV_K(3, 0), MOV_K(4, 0),
					 CALL(user_ringbuf_drain), EXIT(),	  MOV_K(0, 0), EXIT()};
	const struct bpf_insn stack[] = {LD_MAP(2, map), MOV_K(3, byte() < 128 ? BPF_F_USER_STACK : byte()),
					 CALL(get_stackid), EXIT()};
	const struct bpf_insn storage[] = {
	    CALL(get_current_task_btf), MOV_X(2, 0),	   LD_MAP(1, map),  MOV_K(3, 0), MOV_K(4, byte() % 2),
	    CALL(task_storage_get),	J_K(JEQ, 0, 0, 1), LDX(B, 0, 0, 0), MOV_K(0, 0), EXIT()};
#define AS(p)                                                                                                          \
	{                                                                                                              \
		p, array_len(p)                                                                                        \
	}
	const struct {
		const struct bpf_insn *text;
		uint32_t n;
	} all[] = {AS(nothing), AS(look),   AS(change), AS(push),  AS(output), AS(event),
		   AS(jump),	AS(direct), AS(drain),	AS(stack), AS(storage)};
#undef AS
	uint8_t which = byte();

	if (which < 220) {
		which %= array_len(all);
		memcpy(to, all[which].text, all[which].n * sizeof(*to));
		return all[which].n;
	}
	scribble((char *)to, 12 * sizeof(*to));
	return 12;
}

static void load_prog(void)
{
	struct bpf_insn *text = (void *)(area + AREA / 4);
	uint32_t n = a_program(text);
	uint8_t type = byte();
	union bpf_attr a = {.prog_type = type < 100   ? BPF_PROG_TYPE_RAW_TRACEPOINT
					 : type < 200 ? BPF_PROG_TYPE_TRACEPOINT
						      : type % 40,
			    .insns = (uintptr_t)text,
			    .insn_cnt = n,
			    .license = (uintptr_t)area + AREA / 4 + 2048};
	int some[4] = {fd(), fd(), 0, 0};
	long got;

	strcpy(area + AREA / 4 + 2048, byte() < 128 ? "GPL" : "none");
	if (byte() > 230) {
		struct bpf_insn *i = &text[byte() % n];

		i->code ^= byte();
		i->imm ^= (int32_t)raw();
	}
	if (byte() > 200) {
		text[0].src_reg = byte() % 8;
		memcpy(area + AREA / 4 + 3000, some, sizeof(some));
		a.fd_array = byte() < 200 ? (uintptr_t)area + AREA / 4 + 3000 : pointer();
	}
	if (byte() > 160) {
		a.log_level = byte() % 4;
		a.log_buf = pointer();
		a.log_size = (uint32_t)number();
	}
	if (byte() > 200) {
		a.prog_btf_fd = (uint32_t)fd();
		scribble(a.prog_name, sizeof(a.prog_name));
	}
	if (byte() > 245)
		a.insn_cnt = (uint32_t)number();
	if (byte() > 245)
		a.license = pointer();
	got = bpf(BPF_PROG_LOAD, &a);
	must(got == -ENOTCONN ? -1 : 0); /* the server has died */
	loader_keep(got);
}

static void run_prog(void)
{
	union bpf_attr a = {.test = {.prog_fd = (uint32_t)fd(), .ctx_in = (uintptr_t)area, .ctx_size_in = 96}};

	if (byte() > 230) {
		a.test.ctx_in = pointer();
		a.test.ctx_size_in = (uint32_t)number();
	}
	bpf(BPF_PROG_TEST_RUN, &a);
}

/* ---- Places ----------------------------------------------------------------------------------- */

static const char *const points[] = {"sys_enter", "sys_exit", "sys_enter_openat", "sys_exit_read", "sched_switch", ""};

static void attach(void)
{
	union bpf_attr a = {.raw_tracepoint = {.name = (uintptr_t)area, .prog_fd = (uint32_t)fd()}};

	strcpy(area, points[byte() % array_len(points)]);
	if (byte() > 240)
		a.raw_tracepoint.name = pointer();
	loader_keep(bpf(BPF_RAW_TRACEPOINT_OPEN, &a));
}

static void link_prog(void)
{
	union bpf_attr a = {.link_create = {.prog_fd = (uint32_t)fd(),
					    .target_fd = (uint32_t)fd(),
					    .attach_type = byte() < 220 ? BPF_PERF_EVENT : byte(),
					    .flags = flags()}};

	loader_keep(bpf(BPF_LINK_CREATE, &a));
}

static void bind_map(void)
{
	union bpf_attr a = {.prog_bind_map = {.prog_fd = (uint32_t)fd(),
					      .map_fd = (uint32_t)fd(),
					      .flags = byte() < 220 ? 0 : flags()}};

	bpf(BPF_PROG_BIND_MAP, &a);
}

static void change_link(void)
{
	union bpf_attr a = {.link_update = {.link_fd = (uint32_t)fd(),
					    .new_prog_fd = (uint32_t)fd(),
					    .flags = byte() < 128 ? 0 : BPF_F_REPLACE,
					    .old_prog_fd = (uint32_t)fd()}};

	bpf(byte() < 160 ? BPF_LINK_UPDATE : BPF_LINK_DETACH, &a);
}

static void open_event(void)
{
	uint8_t b = byte();
	struct perf_event_attr a = {.type = PERF_TYPE_TRACEPOINT, .size = sizeof(a)};
	uint32_t event = event_find("syscalls", b % 2 ? "sys_enter_openat" : "sys_exit_read");

	if (b < 100)
		a = (struct perf_event_attr){
		    .type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_BPF_OUTPUT, .size = sizeof(a)};
	else
		a.config = b < 220 ? event_id(event) : number();
	if (b > 240)
		a.size = (uint32_t)number();
	memcpy(area, &a, sizeof(a));
	loader_keep(agent_call(SYS_perf_event_open, byte() < 240 ? (long)area : (long)pointer(),
			       byte() < 240 ? -1 : byte(), byte() % 4, -1,
			       byte() < 200 ? (long)PERF_FLAG_FD_CLOEXEC : (long)raw(), 0));
}

static void control_event(void)
{
	static const unsigned long cmds[] = {PERF_EVENT_IOC_SET_BPF, PERF_EVENT_IOC_SET_BPF, PERF_EVENT_IOC_ENABLE,
					     PERF_EVENT_IOC_DISABLE, PERF_EVENT_IOC_REFRESH, PERF_EVENT_IOC_ID};

	agent_call(SYS_ioctl, fd(), (long)cmds[byte() % array_len(cmds)], fd(), 0, 0, 0);
}

/* ---- What there is ------------------------------------------------------------------------------ */

static void ask(void)
{
	union bpf_attr a = {
	    .info = {.bpf_fd = (uint32_t)fd(), .info_len = byte() < 200 ? 256 : (uint32_t)number(), .info = pointer()}};
	uint64_t *words = (void *)area;

	/* Arrays that it is to fill. */
	for (int i = byte() % 24; i > 0; i--)
		words[byte() % 32] = byte() < 128 ? pointer() : number();
	bpf(BPF_OBJ_GET_INFO_BY_FD, &a);
}

static void by_id(void)
{
	static const int next[] = {BPF_PROG_GET_NEXT_ID, BPF_MAP_GET_NEXT_ID, BPF_BTF_GET_NEXT_ID,
				   BPF_LINK_GET_NEXT_ID};
	static const int open[] = {BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID, BPF_BTF_GET_FD_BY_ID,
				   BPF_LINK_GET_FD_BY_ID};
	uint8_t b = byte();
	union bpf_attr a = {.start_id = b < 128 ? 0 : (uint32_t)number()};
	long got = bpf(next[b % 4], &a);

	if (got == 0)
		memcpy(&ids[byte() % FDS], area + AREA / 2 + 4, 4);
	a = (union bpf_attr){.prog_id = ids[byte() % FDS]};
	loader_keep(bpf(open[byte() % 4], &a));
}

static const char *const paths[] = {"/sys/fs/bpf/a",
				    "/sys/fs/bpf/dir/b",
				    "/sys/fs/bpf/",
				    "/sys/fs/bpf",
				    "/sys/kernel/tracing",
				    "/sys/kernel/tracing/events/syscalls/sys_enter_openat/id",
				    "/sys/kernel/tracing/events/syscalls/sys_exit_clone/format",
				    "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/format",
				    "/sys/kernel/debug/tracing/events/syscalls/openat/id",
				    "/sys/kernel/tracing/events/syscalls",
				    "/sys/kernel/btf/vmlinux",
				    "/nowhere",
				    "/sys/kernel/tracing//events/",
				    "sys/fs/bpf/a"};

static long a_path(void)
{
	const char *s = paths[byte() % array_len(paths)];
	size_t n = strlen(s);

	if (byte() > 240)
		return (long)pointer();
	memcpy(area + 512, s, n + 1);
	for (uint8_t k = byte(); k > 200; k = byte())
		area[512 + byte() % (n + 1)] = (char)byte();
	if (byte() > 250)
		memset(area + 512 + n, 'x', (size_t)byte() * 2);
	area[2048] = 0;
	return (long)(area + 512);
}

static void pin(void)
{
	union bpf_attr a = {.pathname = (uint64_t)a_path(), .bpf_fd = (uint32_t)fd(), .file_flags = flags()};

	if (byte() < 128)
		bpf(BPF_OBJ_PIN, &a);
	else
		loader_keep(bpf(BPF_OBJ_GET, &a));
}

static void use_path(void)
{
	long path = a_path(), got;

	switch (byte() % 9) {
	case 0:
	case 1:
		got = agent_call(SYS_openat, AT_FDCWD, path, byte() < 200 ? O_RDONLY | O_CLOEXEC : flags(), 0, 0, 0);
		if (got >= 0)
			close((int)got);
		break;
	case 2:
		agent_call(SYS_newfstatat, AT_FDCWD, path, (long)pointer(), 0, 0, 0);
		break;
	case 3:
		agent_call(SYS_statx, AT_FDCWD, path, 0, 0, (long)pointer(), 0);
		break;
	case 4:
		agent_call(SYS_statfs, path, (long)pointer(), 0, 0, 0, 0);
		break;
	case 5:
		agent_call(SYS_access, path, 4, 0, 0, 0, 0);
		break;
	case 6:
		agent_call(SYS_unlink, path, 0, 0, 0, 0, 0);
		break;
	case 7:
		agent_call(SYS_mkdirat, AT_FDCWD, path, 0700, 0, 0, 0);
		break;
	default:
		agent_call(SYS_unlinkat, AT_FDCWD, path, flags(), 0, 0, 0);
	}
}

/* ---- Descriptors and memory ------------------------------------------------------------------------ */

static void use_fd(void)
{
	int which = own_fd(), to;
	struct pollfd p = {.fd = fd(), .events = POLLIN};

	switch (byte() % 8) {
	case 0:
	case 1:
		agent_call(SYS_close, which, 0, 0, 0, 0, 0);
		forget(which);
		break;
	case 2:
		loader_keep(agent_call(SYS_dup, which, 0, 0, 0, 0, 0));
		break;
	case 3:
		to = own_fd();
		keep_once(agent_call(SYS_dup2, which, to, 0, 0, 0, 0));
		break;
	case 4:
		to = own_fd();
		keep_once(agent_call(SYS_dup3, which, to, byte() < 200 ? O_CLOEXEC : byte(), 0, 0, 0));
		break;
	case 5:
		loader_keep(agent_call(SYS_fcntl, which, F_DUPFD_CLOEXEC, byte(), 0, 0, 0));
		break;
	case 6:
		agent_call(SYS_poll, (long)&p, 1, 0, 0, 0, 0);
		break;
	default:
		agent_fork_fails();
	}
}

/* What a loader may write, it writes: positions of rings, values of arrays. */
static void use_mapping(char *at, size_t len)
{
	for (uint8_t k = byte() % 8; k > 0; k--) {
		uint64_t v = number();

		memcpy(at + (number() % len & ~7ul), &v, 8);
	}
}

static void map_memory(void)
{
	static const size_t lens[] = {4096, 8192, 12288, 16384, 5 * 4096, 4095, 0, 1 << 17, ~0ul, 9 * 4096};
	size_t len = lens[byte() % array_len(lens)];
	int prot = byte() < 128 ? PROT_READ : byte() < 240 ? PROT_READ | PROT_WRITE : byte() % 8;
	bool fixed = byte() > 200 && len <= ROOM;
	long off = byte() < 128 ? 0 : (long)(number() * (byte() < 200 ? 4096 : 1));
	long got = agent_call(SYS_mmap, fixed ? (long)room : 0, (long)len, prot,
			      (byte() < 240 ? MAP_SHARED : MAP_PRIVATE) | (fixed ? MAP_FIXED : 0), fd(), off);

	if (got < 0 && got > -4096)
		return;
	if ((prot & PROT_WRITE) && len <= ROOM)
		use_mapping((char *)got, len & ~7ul);
	if (fixed)
		must(mmap(room, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
			     MAP_FAILED
			 ? -1
			 : 0);
	else
		munmap((void *)got, len);
}

/* ---- All else --------------------------------------------------------------------------------------- */

static void anything(void)
{
	union bpf_attr a;

	scribble((char *)&a, sizeof(a));
	/* Not sizes that would take all memory. */
	if (!too_much(&a))
		loader_keep(bpf(byte() % 40, &a));
}

/* The server is asked something that no agent asks. */
static void ask_server(void)
{
	struct wire_load q = {.magic = WIRE_MAGIC,
			      .client = (uint32_t)number(),
			      .prog_type = BPF_PROG_TYPE_TRACEPOINT,
			      .nslots = byte() % 8,
			      .log_level = byte(),
			      .log_size = (uint32_t)number() % 8192,
			      .gpl = byte(),
			      .btf = (uint32_t)number()};
	struct bpf_insn text[8] = {MOV_K(0, 0), EXIT()};
	char answer[4096];
	int s;

	if (byte() < 200)
		return;
	s = agent_connect();
	must(s);
	if (byte() > 128)
		scribble((char *)&q, sizeof(q));
	if (byte() > 128)
		scribble((char *)text, sizeof(text));
	q.client |= 8; /* nobody's, or none at all: the server itself would hold what it is told to */
	(void)!send(s, &q, sizeof(q), MSG_NOSIGNAL);
	(void)!send(s, text, min_of(q.nslots, 8u) * sizeof(*text), MSG_NOSIGNAL);
	shutdown(s, SHUT_WR);
	while (recv(s, answer, sizeof(answer), 0) > 0)
		;
	close(s);
}

static void (*const calls[])(void) = {
    load_btf,	   create_map, create_map,    create_map, one_element,	 one_element, one_element, one_element,
    many_elements, load_prog,  load_prog,     run_prog,	  attach,	 link_prog,   change_link, bind_map,
    open_event,	   open_event, control_event, ask,	  by_id,	 pin,	      use_path,	   use_fd,
    use_fd,	   map_memory, map_memory,    map_memory, many_elements, run_prog,    anything,	   ask_server,
};

/* ---- Before and after ---------------------------------------------------------------------------------- */

void loader_begin(void)
{
	if (area)
		return;
	agent_start();
	area = mmap(NULL, AREA + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	room = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(area == MAP_FAILED || room == MAP_FAILED ? -1 : 0);
	must(mprotect(area + AREA, 4096, PROT_READ));
	must(mprotect(area + AREA + 4096, 4096, PROT_NONE));
}

/* Lets go of all; then there is nothing. */
void loader_end(void)
{
	struct world *w = agent_world();
	struct task *t = agent_task();
	struct object o;
	struct pin p;

	while (nfds > 0) {
		int last = fds[nfds - 1];

		agent_call(SYS_close, last, 0, 0, 0, 0, 0);
		forget(last);
	}
	while (pin_nth(w, t, 0, 0, &p))
		must(pin_remove(w, t, p.path));
	world_clear_up(w, t);
	while (object_next(w, t, 0, 0, &o) == 0) {
		fprintf(stderr, "left: object %u of kind %u, type %u, held by %llx\n", o.id, o.kind, o.type,
			(unsigned long long)o.holders[0]);
		abort();
	}
	must(arena_check(&w->arena.pool));
	if (arena_ctl(&w->arena.pool)->taken != 0) {
		fprintf(stderr, "left: %llu pages\n", (unsigned long long)arena_ctl(&w->arena.pool)->taken);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	loader_begin();
	in.at = data;
	in.left = size;
	memset(ids, 0, sizeof(ids));
	memset(area, 0, AREA);
	for (int n = 0; in.left > 0 && n < CALLS; n++)
		calls[byte() % array_len(calls)]();
	loader_end();
	return 0;
}

size_t target_make_up(uint8_t *input, uint64_t (*roll)(uint64_t n))
{
	size_t n = 20 + roll(roll(2) ? 200 : 3000);

	for (size_t i = 0; i < n; i++)
		input[i] = (uint8_t)roll(256);
	return n;
}
