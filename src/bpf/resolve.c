/*
 * Map references. A loaded program names maps by descriptors of its loader;
 * from here on it names them by an index into its own list, so that nothing
 * later depends on a descriptor table. BPF_PSEUDO_MAP_IDX becomes _FD and
 * MAP_IDX_VALUE becomes MAP_VALUE: two kinds are left.
 */
#include "bpf/prog.h"

#include <errno.h>
#include <stdlib.h>

static bool is_address(const struct bpf_insn *i)
{
	return i->src_reg == BPF_PSEUDO_MAP_VALUE || i->src_reg == BPF_PSEUDO_MAP_IDX_VALUE;
}

/* The map's place in the list, appended where it is new. */
static int list_map(struct prog *p, const struct map_info *map)
{
	for (uint32_t k = 0; k < p->nmaps; k++) {
		if (p->maps[k] == map)
			return (int)k;
	}
	if (p->nmaps == PROG_MAPS)
		return -E2BIG;
	p->maps[p->nmaps] = map;
	return (int)p->nmaps++;
}

static int check_address(const struct map_info *map, uint32_t off, uint32_t pc, struct log *log)
{
	if (!map->value_off || map->max_entries != 1) {
		log_printf(log, "insn %u: no direct value access support for this map type\n", pc);
		return -EINVAL;
	}
	if (off >= map->value_size) {
		log_printf(log, "insn %u: direct value offset of %u is not allowed: value_size=%u\n", pc, off,
			   map->value_size);
		return -EINVAL;
	}
	return 0;
}

static int resolve_one(struct prog *prog, uint32_t pc, const struct map_info *map, struct log *log)
{
	struct bpf_insn *i = &prog->insns[pc];
	int r;

	if (!map) {
		log_printf(log, "fd %d is not pointing to valid bpf_map\n", i->imm);
		return -EBADF;
	}
	r = is_address(i) ? check_address(map, (uint32_t)i[1].imm, pc, log) : 0;
	if (r == 0)
		r = list_map(prog, map);
	if (r < 0)
		return r;
	i->src_reg = is_address(i) ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_FD;
	i->imm = r;
	return 0;
}

int prog_resolve_maps(struct prog *prog, const struct map_info *(*find)(void *arg, const struct bpf_insn *lddw),
		      void *arg, struct log *log)
{
	if (!prog->maps)
		prog->maps = calloc(PROG_MAPS, sizeof(*prog->maps));
	if (!prog->maps)
		return -ENOMEM;
	for (uint32_t pc = 0; pc < prog->len; pc += insn_slots(&prog->insns[pc])) {
		int r;

		if (!insn_is_map_ref(&prog->insns[pc]))
			continue;
		r = resolve_one(prog, pc, find(arg, &prog->insns[pc]), log);
		if (r < 0)
			return r;
	}
	return 0;
}
