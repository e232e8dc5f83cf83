/*
 * The compiler: one pass over the text turns each instruction into machine
 * code, register by register; passes repeat until every jump has its final
 * size. Jumps start long and only shrink, so each pass is valid with the
 * addresses of the one before and the last two are equal.
 *
 *	R0 rax	R1 rdi	R2 rsi	R3 rdx	R4 rcx	R5 r8	(as the C calling convention)
 *	R6 rbx	R7 r13	R8 r14	R9 r15			(callee-saved there too)
 *	R10 rbp		run r12		free: r9 r10 r11
 *
 * A frame, where the function uses R10:
 *
 *	  return address
 *	  r12 (entry only), rbx, r13, r14, r15: those that the function writes
 *	  rbp of the caller
 *	rbp -> stack of the program, `stack` bytes
 *	rsp -> aligned to 16
 *
 * The entry takes run as sixth argument and keeps it in r12 for its callees.
 * Functions whose address is taken are entered by helpers: through a stub
 * that sets r12 again.
 */
#include "bpf/jit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/jit_int.h"
#include "bpf/proto.h"

#define RUN_BASE 0
#define RUN_HELPERS 8
#define RUN_TAIL_LEFT 16
#define RUN_TAIL 24
#define RUN_CPU 44

const uint8_t jit_reg[INSN_REGS] = {RAX, RDI, RSI, RDX, RCX, R8, RBX, R13, R14, R15, RBP};
static const uint8_t saved_regs[] = {R12, RBX, R13, R14, R15};

/* --- frames --- */

static bool uses_run(const struct bpf_insn *i)
{
	return i->code == INSN_CALL || insn_is_map_ref(i);
}

static struct shape shape_of(const struct prog *p, uint32_t f)
{
	struct shape s = {0};
	bool calls = false;
	uint32_t pushes;

	for (uint32_t pc = p->funcs[f].start; pc < p->funcs[f].end; pc += insn_slots(&p->insns[pc])) {
		const struct bpf_insn *i = &p->insns[pc];

		for (unsigned r = BPF_REG_6; r <= BPF_REG_9; r++)
			if (i->dst_reg == r || i->src_reg == r)
				s.saved |= 2u << (r - BPF_REG_6);
		s.frame |= i->dst_reg == INSN_FP || i->src_reg == INSN_FP;
		calls |= i->code == INSN_CALL;
		if (f == 0 && uses_run(i))
			s.saved |= 1;
	}
	pushes = (uint32_t)__builtin_popcount(s.saved) + s.frame;
	s.pad = s.frame ? round_up(p->funcs[f].stack, 8) : 0;
	/* At the entry rsp is 8 off; pushes may even that out. */
	if (calls && (pushes * 8 + s.pad + 8) % 16)
		s.pad += 8;
	return s;
}

static void prologue(struct jit *j)
{
	const struct shape *s = j->shape;

	for (unsigned k = 0; k < array_len(saved_regs); k++)
		if (s->saved & (1u << k))
			x86_push(&j->x, saved_regs[k]);
	if (s->frame) {
		x86_push(&j->x, RBP);
		x86_mov(&j->x, 1, RBP, RSP);
	}
	if (s->pad)
		x86_alu_imm(&j->x, ALU_SUB, 1, RSP, (int32_t)s->pad);
	if (s->saved & 1)
		x86_mov(&j->x, 1, R12, R9);
}

/* Everything of the frame but the return address. Touches rsp, rbp and the saved registers only. */
static void unwind(struct jit *j)
{
	const struct shape *s = j->shape;

	if (s->frame)
		x86_byte(&j->x, 0xc9); /* leave */
	else if (s->pad)
		x86_alu_imm(&j->x, ALU_ADD, 1, RSP, (int32_t)s->pad);
	for (unsigned k = array_len(saved_regs); k-- > 0;)
		if (s->saved & (1u << k))
			x86_pop(&j->x, saved_regs[k]);
}

static void emit_stub(struct jit *j, uint32_t f)
{
	j->stub[f] = (uint32_t)j->x.len;
	x86_push(&j->x, R12);
	x86_mov(&j->x, 1, R12, R9);
	x86_byte(&j->x, 0xe8); /* call */
	x86_i32(&j->x, (int32_t)(j->entry[f] - (uint32_t)(j->x.len + 4)));
	x86_pop(&j->x, R12);
	x86_byte(&j->x, 0xc3);
}

/* --- constants --- */

static void emit_lddw(struct jit *j, const struct bpf_insn *i)
{
	const struct map_info *map;
	uint64_t off;

	if (insn_is_func_ref(i)) {
		uint32_t f = prog_func_of(j->prog, (uint32_t)insn_target(i, j->pc));

		x86_byte(&j->x, 0x48 | (dst_of(i) >> 3) << 2); /* lea dst, [rip + stub] */
		x86_byte(&j->x, 0x8d);
		x86_byte(&j->x, 5 | (dst_of(i) & 7) << 3);
		x86_i32(&j->x, (int32_t)(j->stub[f] - (uint32_t)(j->x.len + 4)));
		return;
	}
	if (!insn_is_map_ref(i)) {
		x86_mov_imm(&j->x, dst_of(i), insn_imm64(i));
		return;
	}
	map = j->prog->maps[i->imm];
	off = i->src_reg == BPF_PSEUDO_MAP_VALUE ? map->value_off + (uint32_t)i[1].imm : map->off;
	x86_mov_imm(&j->x, dst_of(i), off);
	x86_rm(&j->x, (struct x86_access){.op = 0x03, .w = 1}, dst_of(i),
	       (struct x86_mem){.base = R12, .disp = RUN_BASE});
}

/* --- control --- */

static int32_t distance(const struct jit *j, uint32_t to, uint32_t insn_bytes)
{
	return (int32_t)(j->addr[to] - (uint32_t)(j->x.len + insn_bytes));
}

static void emit_goto(struct jit *j, uint32_t to, unsigned short_op, unsigned long_op)
{
	uint32_t long_bytes = long_op > 0xff ? 6 : 5;
	int32_t d = distance(j, to, 2);

	if (j->relax && (to <= j->pc ? d >= -128 : distance(j, to, long_bytes) <= 127))
		j->is_short[j->pc] = 1;
	if (j->is_short[j->pc]) {
		x86_byte(&j->x, short_op);
		x86_byte(&j->x, (uint8_t)d);
		return;
	}
	if (long_op > 0xff)
		x86_byte(&j->x, long_op >> 8);
	x86_byte(&j->x, long_op & 0xff);
	x86_i32(&j->x, (int32_t)(j->addr[to] - (uint32_t)(j->x.len + 4)));
}

static enum x86_cc cc_of(unsigned op)
{
	switch (op) {
	case BPF_JEQ:
		return CC_E;
	case BPF_JGT:
		return CC_A;
	case BPF_JGE:
		return CC_AE;
	case BPF_JLT:
		return CC_B;
	case BPF_JLE:
		return CC_BE;
	case BPF_JSGT:
		return CC_G;
	case BPF_JSGE:
		return CC_GE;
	case BPF_JSLT:
		return CC_L;
	case BPF_JSLE:
		return CC_LE;
	default: /* BPF_JNE, BPF_JSET */
		return CC_NE;
	}
}

static void emit_branch(struct jit *j, const struct bpf_insn *i)
{
	int w = insn_class(i) == BPF_JMP;
	unsigned cc = cc_of(insn_op(i)), dst = dst_of(i);
	bool test = insn_op(i) == BPF_JSET;

	if (BPF_SRC(i->code) == BPF_X) {
		x86_rr(&j->x, test ? X86_TEST : X86_CMP, w, src_of(i), dst);
	} else if (test) {
		x86_group(&j->x, 0xf7, w && i->imm < 0, 0, dst);
		x86_i32(&j->x, i->imm);
	} else if (i->imm == 0) {
		x86_rr(&j->x, X86_TEST, w, dst, dst);
	} else {
		x86_alu_imm(&j->x, ALU_CMP, w, dst, i->imm);
	}
	emit_goto(j, (uint32_t)insn_target(i, j->pc), 0x70 | cc, 0x0f80 | cc);
}

/* R1 the context, R2 the map, R3 the index; goes on behind where there is no program. */
static void emit_tail_call(struct jit *j)
{
	struct x86 *x = &j->x;
	size_t none_left, no_prog;

	x86_rm(x, (struct x86_access){.op = 0x83, .w = 1}, ALU_CMP,
	       (struct x86_mem){.base = R12, .disp = RUN_TAIL_LEFT});
	x86_byte(x, 0);
	none_left = x86_jump_short(x, X86_JCC_SHORT(CC_E));
	x86_push(x, RDI);
	x86_push(x, RDI);
	x86_mov(x, 1, RDI, R12);
	x86_rm(x, (struct x86_access){.op = 0xff}, 2, (struct x86_mem){.base = R12, .disp = RUN_TAIL}); /* call */
	x86_pop(x, RDI);
	x86_pop(x, RDI);
	x86_rr(x, X86_TEST, 1, RAX, RAX);
	no_prog = x86_jump_short(x, X86_JCC_SHORT(CC_E));
	x86_rm(x, (struct x86_access){.op = 0xff, .w = 1}, 1,
	       (struct x86_mem){.base = R12, .disp = RUN_TAIL_LEFT}); /* dec */
	x86_mov(x, 1, R9, R12);
	unwind(j);
	x86_group(x, 0xff, 0, 4, RAX); /* jmp */
	x86_here(x, none_left);
	x86_here(x, no_prog);
}

/* The map that the call at this pc always gets, or NULL. */
static const struct map_info *known_map(const struct jit *j)
{
	unsigned k = j->prog->call_map ? j->prog->call_map[j->pc] : 0;

	return k == 0 || k == CALL_MAP_MIXED ? NULL : j->prog->maps[k - 1];
}

static bool is_inline(const struct map_info *map, unsigned type)
{
	return map && map->type == type && map->value_off && map->value_off <= INT32_MAX && map->stride &&
	       map->cpu_stride <= INT32_MAX;
}

static void emit_helper(struct jit *j, int32_t number)
{
	x86_rm(&j->x, (struct x86_access){.op = 0x8b, .w = 1}, RAX, (struct x86_mem){.base = R12, .disp = RUN_HELPERS});
	x86_mov(&j->x, 1, R9, R12);
	x86_rm(&j->x, (struct x86_access){.op = 0xff}, 2, (struct x86_mem){.base = RAX, .disp = number * 8});
}

/* R0 = index below max_entries ? base + value_off + index * stride : 0, as the helper does it. */
static void emit_array_lookup(struct jit *j, const struct map_info *map)
{
	struct x86 *x = &j->x;
	size_t missing, done;

	x86_rm(x, (struct x86_access){.op = 0x8b}, RAX, (struct x86_mem){.base = RSI});
	x86_alu_imm(x, ALU_CMP, 0, RAX, (int32_t)map->max_entries);
	missing = x86_jump_short(x, X86_JCC_SHORT(CC_AE));
	x86_rr(x, 0x69, 1, RAX, RAX); /* imul */
	x86_i32(x, (int32_t)map->stride);
	x86_rm(x, (struct x86_access){.op = 0x03, .w = 1}, RAX, (struct x86_mem){.base = R12, .disp = RUN_BASE});
	x86_alu_imm(x, ALU_ADD, 1, RAX, (int32_t)map->value_off);
	done = x86_jump_short(x, X86_JMP_SHORT);
	x86_here(x, missing);
	x86_rr(x, X86_XOR, 0, RAX, RAX);
	x86_here(x, done);
}

/* eax = this run's CPU; jumps to where the answer is stored if there is none yet. */
static size_t emit_cpu(struct x86 *x)
{
	x86_rm(x, (struct x86_access){.op = 0x8b}, RAX, (struct x86_mem){.base = R12, .disp = RUN_CPU});
	x86_alu_imm(x, ALU_SUB, 0, RAX, 1);
	return x86_jump_short(x, X86_JCC_SHORT(CC_B));
}

/* The same for the value of this run's CPU; where it has none yet, the helper takes one. */
static void emit_percpu_lookup(struct jit *j, const struct map_info *map)
{
	struct x86 *x = &j->x;
	size_t missing, none, done, done_missing;

	none = emit_cpu(x);
	x86_rm(x, (struct x86_access){.op = 0x8b}, RDX, (struct x86_mem){.base = RSI});
	x86_alu_imm(x, ALU_CMP, 0, RDX, (int32_t)map->max_entries);
	missing = x86_jump_short(x, X86_JCC_SHORT(CC_AE));
	x86_rr(x, 0x69, 1, RAX, RAX);
	x86_i32(x, (int32_t)map->cpu_stride);
	x86_rr(x, 0x69, 1, RDX, RDX);
	x86_i32(x, (int32_t)map->stride);
	x86_rm(x, (struct x86_access){.op = 0x03, .w = 1}, RAX, (struct x86_mem){.base = R12, .disp = RUN_BASE});
	x86_rr(x, X86_ADD, 1, RDX, RAX);
	x86_alu_imm(x, ALU_ADD, 1, RAX, (int32_t)map->value_off);
	done = x86_jump_short(x, X86_JMP_SHORT);
	x86_here(x, missing);
	x86_rr(x, X86_XOR, 0, RAX, RAX);
	done_missing = x86_jump_short(x, X86_JMP_SHORT);
	x86_here(x, none);
	emit_helper(j, BPF_FUNC_map_lookup_elem);
	x86_here(x, done);
	x86_here(x, done_missing);
}

static void emit_processor_id(struct jit *j)
{
	size_t none = emit_cpu(&j->x), done = x86_jump_short(&j->x, X86_JMP_SHORT);

	x86_here(&j->x, none);
	emit_helper(j, BPF_FUNC_get_smp_processor_id);
	x86_here(&j->x, done);
}

/* What is open-coded, or done by a helper that knows this map. */
static bool emit_known(struct jit *j, const struct bpf_insn *i)
{
	const struct map_info *map = known_map(j);
	int32_t fast = 0;

	if (i->imm == BPF_FUNC_get_smp_processor_id) {
		emit_processor_id(j);
		return true;
	}
	if (!map)
		return false;
	if (i->imm == BPF_FUNC_map_lookup_elem && is_inline(map, BPF_MAP_TYPE_ARRAY)) {
		emit_array_lookup(j, map);
		return true;
	}
	if (i->imm == BPF_FUNC_map_lookup_elem && is_inline(map, BPF_MAP_TYPE_PERCPU_ARRAY) && map->cpu_stride) {
		emit_percpu_lookup(j, map);
		return true;
	}
	if (i->imm == BPF_FUNC_map_lookup_elem)
		fast = map->fast_lookup;
	else if (i->imm == BPF_FUNC_map_update_elem)
		fast = map->fast_update;
	else if (i->imm == BPF_FUNC_map_delete_elem)
		fast = map->fast_delete;
	if (fast)
		emit_helper(j, fast);
	return fast != 0;
}

static void emit_call(struct jit *j, const struct bpf_insn *i)
{
	const struct proto *p;

	if (insn_is_local_call(i)) {
		uint32_t f = prog_func_of(j->prog, (uint32_t)insn_target(i, j->pc));

		if (f == 0)
			x86_mov(&j->x, 1, R9, R12);
		x86_byte(&j->x, 0xe8);
		x86_i32(&j->x, (int32_t)(j->entry[f] - (uint32_t)(j->x.len + 4)));
		return;
	}
	if (emit_known(j, i))
		return;
	p = proto_of((uint32_t)i->imm);
	if (p && (p->flags & PROTO_TAIL_CALL))
		emit_tail_call(j);
	else
		emit_helper(j, i->imm);
}

static void emit_jump(struct jit *j, const struct bpf_insn *i)
{
	if (insn_is_goto(i)) {
		if (insn_target(i, j->pc) != (int64_t)j->pc + 1)
			emit_goto(j, (uint32_t)insn_target(i, j->pc), X86_JMP_SHORT, 0xe9);
	} else if (i->code == INSN_EXIT) {
		unwind(j);
		x86_byte(&j->x, 0xc3);
	} else if (i->code == INSN_CALL) {
		emit_call(j, i);
	} else {
		emit_branch(j, i);
	}
}

/* --- passes --- */

static void emit_one(struct jit *j, const struct bpf_insn *i)
{
	if (insn_is_alu(i))
		jit_alu(j, i);
	else if (insn_is_jump(i))
		emit_jump(j, i);
	else if (i->code == INSN_LDDW)
		emit_lddw(j, i);
	else
		jit_mem(j, i);
}

/* An instruction, or several that fuse; returns the slots. */
static uint32_t emit_next(struct jit *j, uint32_t end)
{
	const struct bpf_insn *i = &j->prog->insns[j->pc];
	uint32_t n;

	if (j->prog->mark[j->pc] & MARK_DEAD)
		return insn_slots(i);
	n = insn_is_alu(i) ? jit_fuse(j, i, end - j->pc) : 0;
	if (n)
		return n;
	emit_one(j, i);
	return insn_slots(i);
}

static void emit_func(struct jit *j, uint32_t f)
{
	const struct prog_func *func = &j->prog->funcs[f];
	uint32_t n;

	j->shape = &j->shapes[f];
	j->entry[f] = (uint32_t)j->x.len;
	prologue(j);
	for (j->pc = func->start; j->pc < func->end; j->pc += n) {
		j->addr[j->pc] = (uint32_t)j->x.len;
		n = emit_next(j, func->end);
		for (uint32_t k = 1; k < n; k++)
			j->addr[j->pc + k] = (uint32_t)j->x.len;
	}
}

static void emit_pass(struct jit *j)
{
	j->x.len = 0;
	for (uint32_t f = 0; f < j->prog->nfuncs; f++)
		emit_func(j, f);
	j->addr[j->prog->len] = (uint32_t)j->x.len;
	for (uint32_t f = 0; f < j->prog->nfuncs; f++)
		if (j->prog->funcs[f].flags & FUNC_CALLBACK)
			emit_stub(j, f);
}

static int emit_all(struct jit *j)
{
	size_t before;

	emit_pass(j);
	j->relax = true;
	do {
		before = j->x.len;
		emit_pass(j);
	} while (!j->x.err && j->x.len != before);
	return j->x.err;
}

static int jit_alloc(struct jit *j)
{
	const struct prog *p = j->prog;

	j->addr = calloc(p->len + 1, sizeof(*j->addr));
	j->is_short = calloc(p->len, 1);
	j->entry = calloc(p->nfuncs, sizeof(*j->entry));
	j->stub = calloc(p->nfuncs, sizeof(*j->stub));
	j->shapes = calloc(p->nfuncs, sizeof(*j->shapes));
	if (!j->addr || !j->is_short || !j->entry || !j->stub || !j->shapes)
		return -ENOMEM;
	for (uint32_t f = 0; f < p->nfuncs; f++)
		j->shapes[f] = shape_of(p, f);
	return 0;
}

int jit_compile(const struct prog *prog, unsigned flags, struct jit_code *out)
{
	struct jit j = {.prog = prog, .bmi2 = __builtin_cpu_supports("bmi2") && !(flags & JIT_PLAIN)};
	int r = jit_alloc(&j);

	if (r == 0)
		r = emit_all(&j);
	free(j.is_short);
	free(j.entry);
	free(j.stub);
	free(j.shapes);
	if (r < 0) {
		free(j.addr);
		free(j.x.buf);
		return r;
	}
	*out = (struct jit_code){.text = j.x.buf, .size = j.x.len, .addr = j.addr, .len = prog->len};
	return 0;
}

void jit_free(struct jit_code *code)
{
	free(code->text);
	free(code->addr);
	*code = (struct jit_code){0};
}
