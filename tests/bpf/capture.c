/*
 * A library to preload into a tool that loads eBPF programs: writes each
 * program that it hands to the kernel, with the maps it refers to and the
 * kernel's answer, to the file that CAPTURE names. For check_captured.
 *
 *	CAPTURE=out.txt LD_PRELOAD=libcapture.so opensnoop
 */
#include <dlfcn.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAPS 4096

struct seen_map {
	uint32_t type, key_size, value_size, max_entries, flags;
	int known, frozen;
	uint8_t *value; /* of an array with one entry */
	char name[16];
};

static struct seen_map maps[MAPS];
static FILE *out;

static void hex(const void *data, size_t n)
{
	for (size_t k = 0; k < n; k++)
		fprintf(out, "%02x", ((const uint8_t *)data)[k]);
	fputc('\n', out);
}

static void on_map(const union bpf_attr *a, long fd)
{
	if (fd < 0 || fd >= MAPS)
		return;
	maps[fd] =
	    (struct seen_map){a->map_type, a->key_size, a->value_size, a->max_entries, a->map_flags, 1, 0, NULL, ""};
	memcpy(maps[fd].name, a->map_name, sizeof(maps[fd].name) - 1);
}

static void on_update(const union bpf_attr *a)
{
	struct seen_map *m = &maps[a->map_fd % MAPS];

	if (!m->known || m->type != BPF_MAP_TYPE_ARRAY || m->max_entries != 1)
		return;
	free(m->value);
	m->value = malloc(m->value_size);
	if (m->value)
		memcpy(m->value, (const void *)(uintptr_t)a->value, m->value_size);
}

static void write_map(int fd)
{
	const struct seen_map *m = fd >= 0 && fd < MAPS ? &maps[fd] : NULL;

	if (!m || !m->known)
		return;
	fprintf(out, "map %d %u %u %u %u %u %d %s ", fd, m->type, m->key_size, m->value_size, m->max_entries, m->flags,
		m->frozen, m->name[0] ? m->name : "-");
	if (m->frozen && m->value)
		hex(m->value, m->value_size);
	else
		fputs("-\n", out);
}

static void on_prog(const union bpf_attr *a, long fd)
{
	const struct bpf_insn *insns = (const void *)(uintptr_t)a->insns;

	for (uint32_t k = 0; k < a->insn_cnt; k++)
		if (insns[k].code == (BPF_LD | BPF_IMM | BPF_DW) &&
		    (insns[k].src_reg == BPF_PSEUDO_MAP_FD || insns[k].src_reg == BPF_PSEUDO_MAP_VALUE))
			write_map(insns[k].imm);
	fprintf(out, "prog %.15s %u %u %ld ", a->prog_name[0] ? a->prog_name : "-", a->prog_type, a->insn_cnt, fd);
	hex(insns, a->insn_cnt * sizeof(*insns));
	fflush(out);
}

__attribute__((visibility("default"))) long syscall(long nr, ...)
{
	static long (*next)(long, ...);
	const union bpf_attr *attr;
	long a[6], r;
	va_list ap;

	va_start(ap, nr);
	for (int k = 0; k < 6; k++)
		a[k] = va_arg(ap, long);
	va_end(ap);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	r = next(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (nr == SYS_bpf && !out && getenv("CAPTURE"))
		out = fopen(getenv("CAPTURE"), "ae");
	if (nr != SYS_bpf || !out)
		return r;
	attr = (const union bpf_attr *)a[1];
	if (a[0] == BPF_MAP_CREATE)
		on_map(attr, r);
	else if (a[0] == BPF_MAP_UPDATE_ELEM)
		on_update(attr);
	else if (a[0] == BPF_MAP_FREEZE)
		maps[attr->map_fd % MAPS].frozen = 1;
	else if (a[0] == BPF_PROG_LOAD)
		on_prog(attr, r);
	return r;
}
