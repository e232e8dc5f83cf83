/*
 * The disassembler. The format is an interface: bpftool prints it, scripts and
 * eyes are used to it.
 */
#include "bpf/disasm.h"

#include <stdio.h>

#include "bpf/proto.h"

static const char *const alu_ops[16] = {
    [BPF_ADD >> 4] = "+=",    [BPF_SUB >> 4] = "-=",	 [BPF_MUL >> 4] = "*=",	 [BPF_DIV >> 4] = "/=",
    [BPF_OR >> 4] = "|=",     [BPF_AND >> 4] = "&=",	 [BPF_LSH >> 4] = "<<=", [BPF_RSH >> 4] = ">>=",
    [BPF_NEG >> 4] = "neg",   [BPF_MOD >> 4] = "%=",	 [BPF_XOR >> 4] = "^=",	 [BPF_MOV >> 4] = "=",
    [BPF_ARSH >> 4] = "s>>=", [BPF_END >> 4] = "endian",
};

static const char *const jump_ops[16] = {
    [BPF_JEQ >> 4] = "==",  [BPF_JGT >> 4] = ">",    [BPF_JLT >> 4] = "<",    [BPF_JGE >> 4] = ">=",
    [BPF_JLE >> 4] = "<=",  [BPF_JSET >> 4] = "&",   [BPF_JNE >> 4] = "!=",   [BPF_JSGT >> 4] = "s>",
    [BPF_JSLT >> 4] = "s<", [BPF_JSGE >> 4] = "s>=", [BPF_JSLE >> 4] = "s<=",
};

static const char *const load_types[4] = {"u32", "u16", "u8", "u64"}; /* by the size bits */
static const char *const sload_types[4] = {"s32", "s16", "s8", "s64"};

static void print_end(const struct bpf_insn *i, char *buf, size_t size)
{
	const char *what = insn_class(i) == BPF_ALU64 ? "bswap" : BPF_SRC(i->code) == BPF_TO_BE ? "be" : "le";

	snprintf(buf, size, "(%02x) r%d = %s%d r%d", i->code, i->dst_reg, what, i->imm, i->dst_reg);
}

static void print_alu(const struct bpf_insn *i, char *buf, size_t size)
{
	char r = insn_class(i) == BPF_ALU64 ? 'r' : 'w';
	unsigned op = insn_op(i);
	const char *sign = (op == BPF_DIV || op == BPF_MOD) && i->off == 1 ? "s" : "";

	if (op == BPF_END)
		print_end(i, buf, size);
	else if (op == BPF_NEG)
		snprintf(buf, size, "(%02x) %c%d = -%c%d", i->code, r, i->dst_reg, r, i->dst_reg);
	else if (BPF_SRC(i->code) == BPF_K)
		snprintf(buf, size, "(%02x) %c%d %s%s %d", i->code, r, i->dst_reg, sign, alu_ops[op >> 4], i->imm);
	else if (op == BPF_MOV && i->off)
		snprintf(buf, size, "(%02x) %c%d = (s%d)%c%d", i->code, r, i->dst_reg, i->off, r, i->src_reg);
	else
		snprintf(buf, size, "(%02x) %c%d %s%s %c%d", i->code, r, i->dst_reg, sign, alu_ops[op >> 4], r,
			 i->src_reg);
}

static const char *atomic_name(int op)
{
	switch (op & ~BPF_FETCH) {
	case BPF_ADD:
		return "add";
	case BPF_AND:
		return "and";
	case BPF_OR:
		return "or";
	default:
		return "xor";
	}
}

static void print_atomic(const struct bpf_insn *i, char *buf, size_t size)
{
	const char *type = load_types[BPF_SIZE(i->code) >> 3], *bits = insn_size(i) == 8 ? "64" : "";
	char r = insn_size(i) == 8 ? 'r' : 'w';

	if (i->imm == BPF_CMPXCHG)
		snprintf(buf, size, "(%02x) %c0 = atomic%s_cmpxchg((%s *)(r%d %+d), %c0, %c%d)", i->code, r, bits, type,
			 i->dst_reg, i->off, r, r, i->src_reg);
	else if (i->imm == BPF_XCHG)
		snprintf(buf, size, "(%02x) %c%d = atomic%s_xchg((%s *)(r%d %+d), %c%d)", i->code, r, i->src_reg, bits,
			 type, i->dst_reg, i->off, r, i->src_reg);
	else if (i->imm & BPF_FETCH)
		snprintf(buf, size, "(%02x) %c%d = atomic%s_fetch_%s((%s *)(r%d %+d), %c%d)", i->code, r, i->src_reg,
			 bits, atomic_name(i->imm), type, i->dst_reg, i->off, r, i->src_reg);
	else
		snprintf(buf, size, "(%02x) lock *(%s *)(r%d %+d) %s %c%d", i->code, type, i->dst_reg, i->off,
			 alu_ops[BPF_OP(i->imm) >> 4], r, i->src_reg);
}

static void print_memory(const struct bpf_insn *i, char *buf, size_t size)
{
	unsigned width = BPF_SIZE(i->code) >> 3;
	const char *const *types = BPF_MODE(i->code) == BPF_MEMSX ? sload_types : load_types;

	if (insn_class(i) == BPF_LDX)
		snprintf(buf, size, "(%02x) r%d = *(%s *)(r%d %+d)", i->code, i->dst_reg, types[width], i->src_reg,
			 i->off);
	else if (insn_class(i) == BPF_ST)
		snprintf(buf, size, "(%02x) *(%s *)(r%d %+d) = %d", i->code, load_types[width], i->dst_reg, i->off,
			 i->imm);
	else
		snprintf(buf, size, "(%02x) *(%s *)(r%d %+d) = r%d", i->code, load_types[width], i->dst_reg, i->off,
			 i->src_reg);
}

static void print_lddw(const struct prog *p, const struct bpf_insn *i, char *buf, size_t size)
{
	const char *map = p->maps && (uint32_t)i->imm < p->nmaps ? p->maps[i->imm]->name : "?";

	if (insn_is_func_ref(i))
		snprintf(buf, size, "(%02x) r%d = subprog[%+d]", i->code, i->dst_reg, i->imm);
	else if (i->src_reg == BPF_PSEUDO_MAP_VALUE || i->src_reg == BPF_PSEUDO_MAP_IDX_VALUE)
		snprintf(buf, size, "(%02x) r%d = map[%s][0]+%u", i->code, i->dst_reg, map, (uint32_t)i[1].imm);
	else if (insn_is_map_ref(i))
		snprintf(buf, size, "(%02x) r%d = map[%s]", i->code, i->dst_reg, map);
	else
		snprintf(buf, size, "(%02x) r%d = 0x%llx", i->code, i->dst_reg, (unsigned long long)insn_imm64(i));
}

static void print_call(const struct bpf_insn *i, char *buf, size_t size)
{
	const char *name = proto_name((uint32_t)i->imm);

	if (insn_is_local_call(i))
		snprintf(buf, size, "(%02x) call pc%+d", i->code, i->imm);
	else if (name)
		snprintf(buf, size, "(%02x) call bpf_%s#%d", i->code, name, i->imm);
	else
		snprintf(buf, size, "(%02x) call unknown#%d", i->code, i->imm);
}

static void print_jump(const struct bpf_insn *i, char *buf, size_t size)
{
	char r = insn_class(i) == BPF_JMP ? 'r' : 'w';
	const char *op = jump_ops[insn_op(i) >> 4];

	if (insn_op(i) == BPF_CALL)
		print_call(i, buf, size);
	else if (i->code == INSN_EXIT)
		snprintf(buf, size, "(%02x) exit", i->code);
	else if (i->code == INSN_GOTOL)
		snprintf(buf, size, "(%02x) gotol pc%+d", i->code, i->imm);
	else if (i->code == INSN_JA)
		snprintf(buf, size, "(%02x) goto pc%+d", i->code, i->off);
	else if (BPF_SRC(i->code) == BPF_X)
		snprintf(buf, size, "(%02x) if %c%d %s %c%d goto pc%+d", i->code, r, i->dst_reg, op, r, i->src_reg,
			 i->off);
	else
		snprintf(buf, size, "(%02x) if %c%d %s 0x%x goto pc%+d", i->code, r, i->dst_reg, op, (uint32_t)i->imm,
			 i->off);
}

uint32_t disasm_insn(const struct prog *prog, uint32_t pc, char *buf, size_t size)
{
	const struct bpf_insn *i = &prog->insns[pc];

	if (i->code == INSN_LDDW)
		print_lddw(prog, i, buf, size);
	else if (insn_is_alu(i))
		print_alu(i, buf, size);
	else if (insn_is_jump(i))
		print_jump(i, buf, size);
	else if (insn_is_atomic(i))
		print_atomic(i, buf, size);
	else
		print_memory(i, buf, size);
	return insn_slots(i);
}
