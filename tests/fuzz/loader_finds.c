/* What loaders found by random calls, or somebody by looking: once wrong, and named. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "agent.h"
#include "bpf/asm.h"
#include "loader.h"
#include "rig.h"
#include "target.h"

static long bpf(int cmd, union bpf_attr *attr)
{
	return agent_call(SYS_bpf, cmd, (long)attr, sizeof(*attr), 0, 0, 0);
}

static void log_is_lost(void)
{
	const struct bpf_insn text[] = {MOV_K(0, 0), EXIT()};
	union bpf_attr a = {.prog_type = BPF_PROG_TYPE_TRACEPOINT,
			    .insns = (uintptr_t)text,
			    .insn_cnt = array_len(text),
			    .license = (uintptr_t) "GPL",
			    .log_level = 1,
			    .log_buf = 8,
			    .log_size = 4096};

	must(bpf(BPF_PROG_LOAD, &a) == -EFAULT ? 0 : -1);
}

static void file_is_emptied(void)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";

	must(agent_call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_TRUNC, 0, 0, 0) == -EACCES ? 0 : -1);
	must(agent_call(SYS_openat, AT_FDCWD, (long)path, O_RDWR, 0, 0, 0) == -EACCES ? 0 : -1);
}

static char *map_fd(long map, size_t len, int prot, long off)
{
	long at = agent_call(SYS_mmap, 0, (long)len, prot, MAP_SHARED, map, off);

	must(at < 0 && at > -4096 ? at : 0);
	return (char *)at;
}

static void array_is_mapped(void)
{
	union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY,
			    .key_size = 4,
			    .value_size = 8,
			    .max_entries = 2,
			    .map_flags = BPF_F_MMAPABLE};
	uint32_t key = 1;
	uint64_t value = 0x123456789abcdef, *at;
	long map = bpf(BPF_MAP_CREATE, &a);

	loader_keep(map);
	at = (uint64_t *)(void *)map_fd(map, 4096, PROT_READ | PROT_WRITE, 0);
	a = (union bpf_attr){.map_fd = (uint32_t)map, .key = (uintptr_t)&key, .value = (uintptr_t)&value};
	must(bpf(BPF_MAP_UPDATE_ELEM, &a));
	must(at[0] == 0 && at[1] == value ? 0 : -1);
	at[1] = 7;
	must(bpf(BPF_MAP_LOOKUP_ELEM, &a));
	must(value == 7 ? 0 : -1);
	munmap(at, 4096);
}

static void ring_is_mapped(void)
{
	union bpf_attr a = {.map_type = BPF_MAP_TYPE_RINGBUF, .max_entries = 4096};
	long map = bpf(BPF_MAP_CREATE, &a), prog;
	const struct bpf_insn text[] = {ST(DW, 10, -8, 77), LD_MAP(1, map),	  MOV_X(2, 10),
					ADD_K(2, -8),	    MOV_K(3, 8),	  MOV_K(4, 0),
					MOV_K(5, 0),	    CALL(ringbuf_output), EXIT()};
	char *consumer, *data;
	uint64_t value[3];

	loader_keep(map);
	a = (union bpf_attr){.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT,
			     .insns = (uintptr_t)text,
			     .insn_cnt = array_len(text),
			     .license = (uintptr_t) "GPL"};
	prog = bpf(BPF_PROG_LOAD, &a);
	must(prog);
	loader_keep(prog);
	consumer = map_fd(map, 4096, PROT_READ | PROT_WRITE, 0);
	data = map_fd(map, 3 * 4096, PROT_READ, 4096);
	a = (union bpf_attr){.test = {.prog_fd = (uint32_t)prog}};
	must(bpf(BPF_PROG_TEST_RUN, &a));
	memcpy(&value[0], consumer, 8);
	memcpy(&value[1], data, 8);
	must(value[0] == 0 && value[1] == 16 ? 0 : -1);
	for (int copy = 1; copy < 3; copy++) {
		memcpy(value, data + copy * 4096, sizeof(value));
		must((uint32_t)value[0] == 8 && value[1] == 77 ? 0 : -1);
	}
	munmap(consumer, 4096);
	munmap(data, 3 * 4096);
}

static void map_is_bound(void)
{
	const struct bpf_insn text[] = {MOV_K(0, 0), EXIT()};
	struct bpf_map_info map_is = {0};
	struct bpf_prog_info prog_is = {0};
	uint32_t ids[2] = {0};
	union bpf_attr a = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 2};
	long map = bpf(BPF_MAP_CREATE, &a), prog;

	must(map);
	a = (union bpf_attr){.info = {.bpf_fd = (uint32_t)map, .info = (uintptr_t)&map_is, .info_len = sizeof(map_is)}};
	must(bpf(BPF_OBJ_GET_INFO_BY_FD, &a));
	a = (union bpf_attr){.prog_type = BPF_PROG_TYPE_TRACEPOINT,
			     .insns = (uintptr_t)text,
			     .insn_cnt = array_len(text),
			     .license = (uintptr_t) "GPL"};
	prog = bpf(BPF_PROG_LOAD, &a);
	must(prog);
	loader_keep(prog);
	a = (union bpf_attr){.prog_bind_map = {.prog_fd = (uint32_t)prog, .map_fd = (uint32_t)map, .flags = 1}};
	must(bpf(BPF_PROG_BIND_MAP, &a) == -EINVAL ? 0 : -1);
	a.prog_bind_map.flags = 0;
	must(bpf(BPF_PROG_BIND_MAP, &a));
	must(bpf(BPF_PROG_BIND_MAP, &a)); /* once is enough */
	a.prog_bind_map.map_fd = (uint32_t)prog;
	must(bpf(BPF_PROG_BIND_MAP, &a) == -EINVAL ? 0 : -1);
	must(agent_call(SYS_close, map, 0, 0, 0, 0, 0));
	prog_is.map_ids = (uintptr_t)ids;
	prog_is.nr_map_ids = array_len(ids);
	a = (union bpf_attr){
	    .info = {.bpf_fd = (uint32_t)prog, .info = (uintptr_t)&prog_is, .info_len = sizeof(prog_is)}};
	must(bpf(BPF_OBJ_GET_INFO_BY_FD, &a));
	must(prog_is.nr_map_ids == 1 && ids[0] == map_is.id ? 0 : -1);
	a = (union bpf_attr){.map_id = map_is.id};
	map = bpf(BPF_MAP_GET_FD_BY_ID, &a);
	must(map); /* the program has held it */
	loader_keep(map);
}

static void types_are_misaligned(void)
{
	struct __attribute__((packed)) {
		struct btf_header h;
		char more;
		struct btf_type type;
		char names[2];
	} types = {.h = {.magic = BTF_MAGIC,
			 .version = 1,
			 .hdr_len = sizeof(struct btf_header) + 1,
			 .type_len = sizeof(struct btf_type),
			 .str_off = sizeof(struct btf_type),
			 .str_len = 2},
		   .type = {.info = BTF_KIND_FLOAT << 24, .size = 4}};
	union bpf_attr a = {.btf = (uintptr_t)&types, .btf_size = sizeof(types)};

	must(bpf(BPF_BTF_LOAD, &a) == -EINVAL ? 0 : -1);
}

static const struct {
	const char *name;
	void (*call)(void);
} finds[] = {
    {"values of an array, mapped", array_is_mapped},
    {"a ring, mapped", ring_is_mapped},
    {"a program whose log does not get through stays held", log_is_lost},
    {"the kernel's BTF opened to be emptied", file_is_emptied},
    {"a map that is bound goes with its program", map_is_bound},
    {"BTF whose header has an odd length", types_are_misaligned},
};

const char *target_find_name(unsigned k)
{
	return k < array_len(finds) ? finds[k].name : NULL;
}

const char *target_find(unsigned k)
{
	if (k >= array_len(finds))
		return NULL;
	loader_begin();
	finds[k].call();
	loader_end();
	return finds[k].name;
}
