/*
 * The compiler: pairs that compilers for eBPF emit because it has two-address
 * instructions and, before version 4, no extensions, as one instruction. Never
 * across a jump target.
 */
#include "bpf/jit_int.h"

static bool is_shift_by_32(const struct bpf_insn *i, unsigned op)
{
	return i->code == (BPF_ALU64 | op | BPF_K) && i->imm == 32;
}

/* lsh 32, then rsh or arsh 32: an extension; so it is with a mov before. */
static uint32_t fuse_extend(struct jit *j, const struct bpf_insn *i, unsigned src)
{
	if (!is_shift_by_32(i, BPF_LSH) || i[1].dst_reg != i->dst_reg)
		return 0;
	if (is_shift_by_32(&i[1], BPF_RSH))
		x86_mov(&j->x, 0, dst_of(i), src);
	else if (is_shift_by_32(&i[1], BPF_ARSH))
		x86_rr(&j->x, 0x63, 1, dst_of(i), src);
	else
		return 0;
	return 2;
}

/* mov dst, src; then a sum or a small shift of dst: lea, or a three-operand shift. */
static uint32_t fuse_mov(struct jit *j, const struct bpf_insn *i)
{
	const struct bpf_insn *n = &i[1];
	struct x86_mem m = {.base = src_of(i), .disp = n->imm};

	if (n->dst_reg != i->dst_reg || i->dst_reg == i->src_reg)
		return 0;
	if (n->code == (BPF_ALU64 | BPF_ADD | BPF_K)) {
		x86_lea(&j->x, dst_of(i), m);
	} else if (n->code == (BPF_ALU64 | BPF_ADD | BPF_X) && n->src_reg != i->dst_reg) {
		x86_lea_index(&j->x, dst_of(i), src_of(i), src_of(n), 0);
	} else if (n->code == (BPF_ALU64 | BPF_LSH | BPF_K) && n->imm == 1) {
		x86_lea_index(&j->x, dst_of(i), src_of(i), src_of(i), 0);
	} else {
		return 0;
	}
	return 2;
}

/* lsh dst, 1 to 3; add dst, src: one lea. */
static uint32_t fuse_scaled(struct jit *j, const struct bpf_insn *i)
{
	const struct bpf_insn *n = &i[1];

	if (i->code != (BPF_ALU64 | BPF_LSH | BPF_K) || i->imm < 1 || i->imm > 3)
		return 0;
	if (n->code != (BPF_ALU64 | BPF_ADD | BPF_X) || n->dst_reg != i->dst_reg || n->src_reg == i->dst_reg)
		return 0;
	x86_lea_index(&j->x, dst_of(i), src_of(n), dst_of(i), (unsigned)i->imm);
	return 2;
}

/* add dst, index; then a load through dst into dst: one load. `base` is where dst came from. */
static uint32_t fuse_indexed(struct jit *j, const struct bpf_insn *i, unsigned base)
{
	const struct bpf_insn *n = &i[1];

	if (i->code != (BPF_ALU64 | BPF_ADD | BPF_X) || i->src_reg == i->dst_reg)
		return 0;
	if (insn_class(n) != BPF_LDX || n->dst_reg != i->dst_reg || n->src_reg != i->dst_reg)
		return 0;
	jit_load(j, n, (struct x86_mem){.base = base, .disp = n->off, .indexed = true, .index = src_of(i)});
	return 2;
}

/* How many of the instructions from `pc` on became one; 0: none. No jump leads between them. */
uint32_t jit_fuse(struct jit *j, const struct bpf_insn *i, uint32_t left)
{
	const uint8_t *mark = &j->prog->mark[j->pc];
	bool mov64 = i->code == (BPF_ALU64 | BPF_MOV | BPF_X) && i->off == 0;
	bool mov32 = i->code == (BPF_ALU | BPF_MOV | BPF_X) && i->off == 0;
	uint32_t n;

	if (left < 2 || (mark[1] & MARK_TARGET))
		return 0;
	if (mov64 || mov32) {
		bool three = left >= 3 && !(mark[2] & MARK_TARGET) && i[1].dst_reg == i->dst_reg;

		n = three ? fuse_extend(j, &i[1], src_of(i)) : 0;
		if (three && n == 0 && mov64 && i->dst_reg != i->src_reg)
			n = fuse_indexed(j, &i[1], src_of(i));
		if (n)
			return n + 1;
		return mov64 ? fuse_mov(j, i) : 0;
	}
	n = fuse_extend(j, i, dst_of(i));
	if (n == 0)
		n = fuse_indexed(j, i, dst_of(i));
	return n ? n : fuse_scaled(j, i);
}
