/* bpf(2), as far as the comparison needs it. */
#include "kernel.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sys_bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : (int)r;
}

static int create(enum case_map map, int inner)
{
	const struct map_info *m = &case_maps[map];
	union bpf_attr a;
	int fd;

	memset(&a, 0, sizeof(a));
	a.map_type = m->type;
	a.key_size = m->key_size;
	a.value_size = m->value_size;
	a.max_entries = m->max_entries;
	a.map_flags = m->flags;
	if (m->inner)
		a.inner_map_fd = (uint32_t)inner;
	fd = sys_bpf(BPF_MAP_CREATE, &a);
	if (fd >= 0 && m->rodata) {
		const uint32_t key = 0;

		memset(&a, 0, sizeof(a));
		a.map_fd = (uint32_t)fd;
		a.key = (uintptr_t)&key;
		a.value = (uintptr_t)m->rodata;
		sys_bpf(BPF_MAP_UPDATE_ELEM, &a);
		memset(&a, 0, sizeof(a));
		a.map_fd = (uint32_t)fd;
		sys_bpf(BPF_MAP_FREEZE, &a);
	}
	return fd < 0 ? -1 : fd;
}

bool kernel_open(struct kernel *k)
{
	static const struct bpf_insn smallest[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = INSN_EXIT}};
	int fd;

	for (int m = 0; m < MAP_KINDS; m++)
		k->map_fd[m] = create((enum case_map)m, m > MAP_HASH ? k->map_fd[MAP_HASH] : -1);
	fd = kernel_load(k, BPF_PROG_TYPE_TRACEPOINT, smallest, 2, NULL, 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void kernel_close(struct kernel *k)
{
	for (int m = 0; m < MAP_KINDS; m++)
		if (k->map_fd[m] >= 0)
			close(k->map_fd[m]);
}

int kernel_load(const struct kernel *k, unsigned type, const struct bpf_insn *insns, uint32_t len, char *log,
		size_t size)
{
	struct bpf_insn *copy = malloc(len * sizeof(*copy));
	union bpf_attr a;
	int r;

	memcpy(copy, insns, len * sizeof(*copy));
	for (uint32_t pc = 0; pc < len; pc++)
		if (insn_is_map_ref(&copy[pc]) && copy[pc].imm >= 0 && copy[pc].imm < MAP_KINDS)
			copy[pc].imm = k->map_fd[copy[pc].imm];
	memset(&a, 0, sizeof(a));
	a.prog_type = type;
	a.insns = (uintptr_t)copy;
	a.insn_cnt = len;
	a.license = (uintptr_t) "GPL";
	a.log_buf = (uintptr_t)log;
	a.log_size = (uint32_t)size;
	a.log_level = log ? 1 : 0;
	r = sys_bpf(BPF_PROG_LOAD, &a);
	free(copy);
	return r;
}

int kernel_run(int prog, const void *ctx, uint32_t len, uint32_t *r0)
{
	union bpf_attr a;
	int r;

	memset(&a, 0, sizeof(a));
	a.test.prog_fd = (uint32_t)prog;
	a.test.ctx_in = (uintptr_t)ctx;
	a.test.ctx_size_in = len;
	r = sys_bpf(BPF_PROG_TEST_RUN, &a);
	*r0 = a.test.retval;
	return r;
}

static int each_value(const struct kernel *k, enum case_map map, int cmd, uint8_t *values)
{
	for (uint32_t key = 0; key < case_maps[map].max_entries; key++) {
		union bpf_attr a;
		int r;

		memset(&a, 0, sizeof(a));
		a.map_fd = (uint32_t)k->map_fd[map];
		a.key = (uintptr_t)&key;
		a.value = (uintptr_t)(values + key * case_maps[map].value_size);
		r = sys_bpf(cmd, &a);
		if (r < 0)
			return r;
	}
	return 0;
}

int kernel_map_get(const struct kernel *k, enum case_map map, void *values)
{
	return each_value(k, map, BPF_MAP_LOOKUP_ELEM, values);
}

int kernel_map_set(const struct kernel *k, enum case_map map, const void *values)
{
	return each_value(k, map, BPF_MAP_UPDATE_ELEM, (uint8_t *)(uintptr_t)values);
}
