/*
 * Real programs: files that capture.c wrote while unmodified tools loaded
 * their programs into the kernel. Those of the types that we know must get
 * the kernel's verdict, and compile.
 *
 * usage: check_captured [-v] FILE...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/jit.h"
#include "bpf/verify.h"

static struct map_info maps[4096];
static char text[1 << 20];
static int agree, accepted, differ, other;
static bool verbose;

/* pt_regs of x86-64. */
static const struct prog_type kprobe = {.name = "kprobe", .ctx_end = 168};

static void *unhex(const char *hex, size_t n)
{
	uint8_t *out = aligned_alloc(8, n + 8);
	unsigned byte;

	for (size_t k = 0; k < n && sscanf(hex + 2 * k, "%2x", &byte) == 1; k++)
		out[k] = (uint8_t)byte;
	return out;
}

static const struct prog_type *type_of(int type)
{
	switch (type) {
	case BPF_PROG_TYPE_TRACEPOINT:
		return &prog_type_tracepoint;
	case BPF_PROG_TYPE_RAW_TRACEPOINT:
		return &prog_type_raw_tracepoint;
	case BPF_PROG_TYPE_KPROBE:
		return &kprobe;
	default:
		return NULL;
	}
}

static void read_map(const char *line)
{
	int fd, type, ks, vs, max, flags, frozen, at;
	char name[17];

	if (sscanf(line, "map %d %d %d %d %d %d %d %16s %n", &fd, &type, &ks, &vs, &max, &flags, &frozen, name, &at) <
	    8)
		return;
	free((void *)(uintptr_t)maps[fd & 4095].rodata);
	maps[fd & 4095] = (struct map_info){.type = (uint32_t)type,
					    .key_size = (uint32_t)ks,
					    .value_size = (uint32_t)vs,
					    .max_entries = (uint32_t)max,
					    .flags = (uint32_t)flags,
					    .frozen = frozen,
					    .spin_lock_off = -1,
					    .timer_off = -1,
					    .off = 4096,
					    .value_off = type == BPF_MAP_TYPE_ARRAY ? 8192 : 0};
	snprintf(maps[fd & 4095].name, sizeof(maps[0].name), "%.15s", name);
	if (line[at] != '-')
		maps[fd & 4095].rodata = unhex(line + at, (size_t)vs);
}

static const struct map_info *find_map(void *arg, const struct bpf_insn *lddw)
{
	return lddw->imm >= 0 && lddw->imm < 4096 ? &maps[lddw->imm] : NULL;
}

static int load(const struct bpf_insn *insns, uint32_t len, const struct prog_type *type, struct verify_stats *stats)
{
	struct log log = {.buf = text, .size = sizeof(text)};
	const struct verify_opts opts = {.type = type, .log = &log, .log_level = 1};
	struct jit_code code;
	struct prog prog;
	int r = prog_decode(insns, len, &prog, &log);

	if (r < 0)
		return r;
	r = prog_resolve_maps(&prog, find_map, NULL, &log);
	if (r == 0)
		r = verify_prog(&prog, &opts, stats);
	if (r == 0)
		r = jit_compile(&prog, 0, &code);
	if (r == 0)
		jit_free(&code);
	prog_free(&prog);
	return r;
}

static void one(const char *path, char *line)
{
	struct verify_stats stats = {0};
	const struct prog_type *type;
	int number, we, at;
	unsigned len;
	long fd;
	char name[32];
	void *insns;

	if (sscanf(line, "prog %31s %d %u %ld %n", name, &number, &len, &fd, &at) < 4)
		return;
	type = type_of(number);
	if (!type) {
		other++;
		return;
	}
	insns = unhex(line + at, len * 8ul);
	we = load(insns, len, type, &stats);
	if ((we == 0) == (fd >= 0)) {
		agree++;
		accepted += we == 0;
	} else {
		size_t n = strlen(text);

		differ++;
		printf("%s %s (%u slots): we %d, the kernel %ld\n%s\n", path, name, len, we, fd < 0 ? fd : 0,
		       n > 600 && !verbose ? text + n - 600 : text);
	}
	if (verbose)
		printf("%s %s: %u slots, %u steps, %u states\n", path, name, len, stats.insns, stats.states);
	free(insns);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t cap = 0;

	for (int k = 1; k < argc; k++) {
		FILE *f = strcmp(argv[k], "-v") ? fopen(argv[k], "r") : NULL;

		verbose |= !strcmp(argv[k], "-v");
		while (f && getline(&line, &cap, f) > 0) {
			if (line[0] == 'm')
				read_map(line);
			else
				one(argv[k], line);
		}
		if (f)
			fclose(f);
	}
	free(line);
	printf("%d verdicts as the kernel's (%d accept), %d others, %d programs of other types\n", agree, accepted,
	       differ, other);
	return differ != 0;
}
