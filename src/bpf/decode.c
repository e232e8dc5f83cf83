/*
 * Structural validation: everything that can be refused by looking at the
 * text alone. What passes here can be interpreted without harm to the
 * interpreter, and disassembled; whether it is safe is the verifier's word.
 *
 * Fields that an instruction does not use must be zero, so that later
 * versions of the instruction set can give them a meaning.
 */
#include "bpf/prog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int bad(struct log *log, const char *what)
{
	log_printf(log, "%s\n", what);
	return -EINVAL;
}

static int decode_end(const struct bpf_insn *i, struct log *log)
{
	if (i->off || i->src_reg || (i->imm != 16 && i->imm != 32 && i->imm != 64))
		return bad(log, "BPF_END uses reserved fields");
	if (insn_class(i) == BPF_ALU64 && BPF_SRC(i->code) != BPF_TO_LE)
		return bad(log, "BPF_END uses reserved fields");
	return 0;
}

/* movsx: off says how many bits are extended. */
static int decode_mov(const struct bpf_insn *i, struct log *log)
{
	if (BPF_SRC(i->code) == BPF_K)
		return i->src_reg || i->off ? bad(log, "BPF_MOV uses reserved fields") : 0;
	if (i->imm)
		return bad(log, "BPF_MOV uses reserved fields");
	if (i->off == 0 || i->off == 8 || i->off == 16 || (i->off == 32 && insn_class(i) == BPF_ALU64))
		return 0;
	return bad(log, "BPF_MOV uses reserved fields");
}

static int decode_alu(const struct bpf_insn *i, struct log *log)
{
	unsigned op = insn_op(i);
	bool is_div = op == BPF_DIV || op == BPF_MOD;

	if (i->dst_reg == INSN_FP)
		return bad(log, "frame pointer is read only");
	if (op == BPF_END)
		return decode_end(i, log);
	if (op == BPF_MOV)
		return decode_mov(i, log);
	if (op == BPF_NEG)
		return BPF_SRC(i->code) || i->src_reg || i->off || i->imm ? bad(log, "BPF_NEG uses reserved fields")
									  : 0;
	if (op > BPF_END) {
		log_printf(log, "invalid BPF_ALU opcode %x\n", op);
		return -EINVAL;
	}
	if (BPF_SRC(i->code) == BPF_X ? i->imm != 0 : i->src_reg != 0)
		return bad(log, "BPF_ALU uses reserved fields");
	if (i->off != 0 && !(is_div && i->off == 1)) /* 1: signed */
		return bad(log, "BPF_ALU uses reserved fields");
	return 0;
}

/* What the kernel would do with its own functions and variables. */
static int not_served(struct log *log, const char *what)
{
	(void)bad(log, what);
	return -EOPNOTSUPP;
}

static int decode_call(const struct bpf_insn *i, struct log *log)
{
	if (i->code != INSN_CALL) { /* class JMP32, or callx */
		log_printf(log, "unknown opcode %02x\n", i->code);
		return -EINVAL;
	}
	if (i->off || i->dst_reg || i->src_reg > BPF_PSEUDO_KFUNC_CALL)
		return bad(log, "BPF_CALL uses reserved fields");
	if (i->src_reg == BPF_PSEUDO_KFUNC_CALL)
		return not_served(log, "calling kernel functions is not supported");
	return 0;
}

static int decode_jump(const struct bpf_insn *i, struct log *log)
{
	unsigned op = insn_op(i);

	if (op == BPF_CALL)
		return decode_call(i, log);
	if (op == BPF_JA) {
		bool far = i->code == INSN_GOTOL;

		if (BPF_SRC(i->code) || i->dst_reg || i->src_reg || (far ? i->off != 0 : i->imm != 0))
			return bad(log, "BPF_JA uses reserved fields");
		return 0;
	}
	if (op == BPF_EXIT) {
		if (i->code != INSN_EXIT || i->dst_reg || i->src_reg || i->off || i->imm)
			return bad(log, "BPF_EXIT uses reserved fields");
		return 0;
	}
	if (op > BPF_JSLE) {
		log_printf(log, "unknown opcode %02x\n", i->code);
		return -EINVAL;
	}
	if (BPF_SRC(i->code) == BPF_X ? i->imm != 0 : i->src_reg != 0)
		return bad(log, "BPF_JMP/JMP32 uses reserved fields");
	return 0;
}

static bool atomic_known(int32_t imm)
{
	switch (imm) {
	case BPF_ADD:
	case BPF_ADD | BPF_FETCH:
	case BPF_AND:
	case BPF_AND | BPF_FETCH:
	case BPF_OR:
	case BPF_OR | BPF_FETCH:
	case BPF_XOR:
	case BPF_XOR | BPF_FETCH:
	case BPF_XCHG:
	case BPF_CMPXCHG:
		return true;
	default:
		return false;
	}
}

static int decode_atomic(const struct bpf_insn *i, struct log *log)
{
	if (BPF_SIZE(i->code) != BPF_W && BPF_SIZE(i->code) != BPF_DW)
		return bad(log, "invalid atomic operand size");
	if (!atomic_known(i->imm)) {
		log_printf(log, "BPF_ATOMIC uses invalid atomic opcode %02x\n", i->imm);
		return -EINVAL;
	}
	if ((i->imm & BPF_FETCH) && i->imm != BPF_CMPXCHG && i->src_reg == INSN_FP)
		return bad(log, "frame pointer is read only");
	return 0;
}

static int decode_memory(const struct bpf_insn *i, struct log *log)
{
	unsigned class = insn_class(i), mode = BPF_MODE(i->code);

	if (class == BPF_LDX && (mode == BPF_MEM || (mode == BPF_MEMSX && BPF_SIZE(i->code) != BPF_DW))) {
		if (i->imm)
			return bad(log, "BPF_LDX uses reserved fields");
		return i->dst_reg == INSN_FP ? bad(log, "frame pointer is read only") : 0;
	}
	if (class == BPF_ST && mode == BPF_MEM)
		return i->src_reg ? bad(log, "BPF_ST uses reserved fields") : 0;
	if (class == BPF_STX && mode == BPF_MEM)
		return i->imm ? bad(log, "BPF_STX uses reserved fields") : 0;
	if (class == BPF_STX && mode == BPF_ATOMIC)
		return decode_atomic(i, log);
	log_printf(log, "unknown opcode %02x\n", i->code);
	return -EINVAL;
}

static int decode_lddw(const struct bpf_insn *i, uint32_t left, struct log *log)
{
	if (left < 2 || i[1].code || i[1].dst_reg || i[1].src_reg || i[1].off || i->off)
		return bad(log, "invalid bpf_ld_imm64 insn");
	if (i->dst_reg == INSN_FP)
		return bad(log, "frame pointer is read only");
	if (i->src_reg > BPF_PSEUDO_MAP_IDX_VALUE)
		return bad(log, "unrecognized bpf_ld_imm64 insn");
	if (i->src_reg == BPF_PSEUDO_BTF_ID)
		return not_served(log, "kernel variables are not supported");
	if ((i->src_reg == BPF_PSEUDO_MAP_FD || i->src_reg == BPF_PSEUDO_MAP_IDX || insn_is_func_ref(i)) && i[1].imm)
		return bad(log, "unrecognized bpf_ld_imm64 insn");
	return 0;
}

static int decode_one(const struct bpf_insn *i, uint32_t left, struct log *log)
{
	if (i->dst_reg >= INSN_REGS || i->src_reg >= INSN_REGS) {
		log_printf(log, "R%d is invalid\n", i->dst_reg >= INSN_REGS ? i->dst_reg : i->src_reg);
		return -EINVAL;
	}
	if (i->code == INSN_LDDW)
		return decode_lddw(i, left, log);
	if (insn_is_alu(i))
		return decode_alu(i, log);
	if (insn_is_jump(i))
		return decode_jump(i, log);
	return decode_memory(i, log);
}

static int decode_all(struct prog *p, struct log *log)
{
	for (uint32_t pc = 0; pc < p->len; pc += insn_slots(&p->insns[pc])) {
		size_t mark = log ? log->used : 0;
		int r;

		log_printf(log, "insn %u: ", pc);
		r = decode_one(&p->insns[pc], p->len - pc, log);
		if (r < 0)
			return r;
		log_cut(log, mark);
		if (p->insns[pc].code == INSN_LDDW)
			p->mark[pc + 1] |= MARK_HIGH;
	}
	return 0;
}

static int func_compare(const void *a, const void *b)
{
	const struct prog_func *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static bool refers_to_func(const struct bpf_insn *i)
{
	return insn_is_local_call(i) || insn_is_func_ref(i);
}

/* A list with repetitions: one entry a reference. */
static int funcs_collect(struct prog *p, struct log *log)
{
	uint32_t n = 1;

	for (uint32_t pc = 0; pc < p->len; pc += insn_slots(&p->insns[pc]))
		n += refers_to_func(&p->insns[pc]);
	p->funcs = calloc(n, sizeof(*p->funcs));
	if (!p->funcs)
		return -ENOMEM;
	p->nfuncs = 1;
	for (uint32_t pc = 0; pc < p->len; pc += insn_slots(&p->insns[pc])) {
		const struct bpf_insn *i = &p->insns[pc];
		int64_t to = insn_target(i, pc);

		if (!refers_to_func(i))
			continue;
		if (to < 0 || to >= p->len || (p->mark[to] & MARK_HIGH)) {
			log_printf(log, "call to invalid destination %lld from insn %u\n", (long long)to, pc);
			return -EINVAL;
		}
		p->funcs[p->nfuncs++] = (struct prog_func){.start = (uint32_t)to,
							   .flags = insn_is_func_ref(i) ? FUNC_CALLBACK : FUNC_CALLED};
	}
	return 0;
}

/* Sorts the functions, merges repetitions, and sets the ends. */
static int funcs_find(struct prog *p, struct log *log)
{
	int r = funcs_collect(p, log);
	uint32_t n = 0;

	if (r < 0)
		return r;
	qsort(p->funcs, p->nfuncs, sizeof(*p->funcs), func_compare);
	for (uint32_t k = 1; k < p->nfuncs; k++) {
		if (p->funcs[k].start == p->funcs[n].start)
			p->funcs[n].flags |= p->funcs[k].flags;
		else
			p->funcs[++n] = p->funcs[k];
	}
	p->nfuncs = n + 1;
	for (uint32_t k = 0; k < p->nfuncs; k++) {
		p->funcs[k].end = k + 1 < p->nfuncs ? p->funcs[k + 1].start : p->len;
		p->funcs[k].stack = INSN_STACK;
	}
	return 0;
}

static int check_jump(struct prog *p, const struct prog_func *f, uint32_t pc, struct log *log)
{
	int64_t to = insn_target(&p->insns[pc], pc);

	if (to < f->start || to >= f->end) {
		log_printf(log, "jump out of range from insn %u to %lld\n", pc, (long long)to);
		return -EINVAL;
	}
	if (p->mark[to] & MARK_HIGH) {
		log_printf(log, "jump into the middle of ldimm64 insn %lld\n", (long long)to - 1);
		return -EINVAL;
	}
	p->mark[to] |= MARK_TARGET | (to <= pc ? MARK_BACK : 0);
	return 0;
}

static int check_func(struct prog *p, const struct prog_func *f, struct log *log)
{
	const struct bpf_insn *last = NULL;

	for (uint32_t pc = f->start; pc < f->end; pc += insn_slots(last)) {
		last = &p->insns[pc];
		if (insn_is_branch(last) || insn_is_goto(last)) {
			int r = check_jump(p, f, pc, log);

			if (r < 0)
				return r;
		}
	}
	if (last && (last->code == INSN_EXIT || insn_is_goto(last)))
		return 0;
	return bad(log, "last insn is not an exit or jmp");
}

int prog_decode(const struct bpf_insn *insns, uint32_t len, struct prog *out, struct log *log)
{
	struct prog p = {.len = len};
	int r;

	if (len == 0 || len > INSN_MAX)
		return -E2BIG;
	p.insns = malloc(len * sizeof(*insns));
	p.mark = calloc(len, 1);
	r = p.insns && p.mark ? 0 : -ENOMEM;
	if (r == 0) {
		memcpy(p.insns, insns, len * sizeof(*insns));
		r = decode_all(&p, log);
	}
	if (r == 0)
		r = funcs_find(&p, log);
	for (uint32_t k = 0; r == 0 && k < p.nfuncs; k++)
		r = check_func(&p, &p.funcs[k], log);
	if (r < 0)
		prog_free(&p);
	else
		*out = p;
	return r;
}

void prog_free(struct prog *prog)
{
	free(prog->insns);
	free(prog->mark);
	free(prog->funcs);
	free(prog->maps);
	free(prog->call_map);
	*prog = (struct prog){0};
}

uint32_t prog_func_of(const struct prog *prog, uint32_t pc)
{
	uint32_t lo = 0, hi = prog->nfuncs;

	while (hi - lo > 1) {
		uint32_t mid = (lo + hi) / 2;

		if (prog->funcs[mid].start <= pc)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}
