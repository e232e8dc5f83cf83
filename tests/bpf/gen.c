/*
 * The generator walks forward and keeps in mind, roughly, what each register
 * holds; branches are forward and short, so its idea is mostly right.
 */
#include "gen.h"

#include <string.h>

#include "asm.h"
#include "cases.h"

enum kind {
	K_NONE,
	K_NUMBER,
	K_SMALL, /* a number below 32 */
	K_VALUE, /* 48 bytes of a map's value */
	K_STACK, /* fp - 64 */
	K_CTX,
};

struct state {
	struct gen *g;
	uint8_t kind[INSN_REGS];
	uint64_t slots; /* of the stack that were written: bit k is fp - 8(k+1) */
	uint32_t depth; /* of nested constructs */
	bool in_func;
};

uint64_t gen_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint32_t pick(struct state *s, uint32_t n)
{
	return (uint32_t)(gen_random(&s->g->seed) % n);
}

static bool chance(struct state *s, uint32_t one_in)
{
	return pick(s, one_in) == 0;
}

static void put(struct state *s, struct bpf_insn i)
{
	if (s->g->len < GEN_MAX)
		s->g->insns[s->g->len++] = i;
}

#define PUT(...)                                                                                                       \
	do {                                                                                                           \
		const struct bpf_insn put_list[] = {__VA_ARGS__};                                                      \
		for (unsigned put_k = 0; put_k < sizeof(put_list) / sizeof(*put_list); put_k++)                        \
			put(s, put_list[put_k]);                                                                       \
	} while (0)

static int32_t constant(struct state *s)
{
	static const int32_t nice[] = {0, 1, -1, 2, 7, 8, 31, 47, 48, 63, 64, 255, 4096, INT32_MAX, INT32_MIN};

	switch (pick(s, 3)) {
	case 0:
		return nice[pick(s, array_len(nice))];
	case 1:
		return (int32_t)pick(s, 64);
	default:
		return (int32_t)gen_random(&s->g->seed);
	}
}

/* A register of this kind, or where there is none, any: a mistake. */
static unsigned reg_of(struct state *s, enum kind kind)
{
	unsigned start = pick(s, 10);

	for (unsigned k = 0; k < 10; k++) {
		unsigned r = (start + k) % 10;

		if (s->kind[r] == kind || (kind == K_NUMBER && s->kind[r] == K_SMALL))
			return r;
	}
	return chance(s, 10) ? start : 0;
}

static bool has(const struct state *s, enum kind kind)
{
	for (unsigned r = 0; r < 10; r++)
		if (s->kind[r] == kind)
			return true;
	return false;
}

static unsigned number(struct state *s)
{
	if (!has(s, K_NUMBER) && !has(s, K_SMALL) && !chance(s, 30)) {
		PUT(MOV_K(0, constant(s)));
		s->kind[0] = K_NUMBER;
	}
	return reg_of(s, K_NUMBER);
}

/* A register to overwrite; R9 keeps the context most of the time. */
static unsigned target(struct state *s)
{
	return chance(s, 40) ? pick(s, 10) : pick(s, 9);
}

static void gen_alu(struct state *s)
{
	static const uint8_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV,  BPF_OR,  BPF_AND, BPF_LSH,
				      BPF_RSH, BPF_MOD, BPF_XOR, BPF_ARSH, BPF_ADD, BPF_AND, BPF_MOV};
	unsigned op = ops[pick(s, array_len(ops))], class = chance(s, 2) ? BPF_ALU : BPF_ALU64;
	unsigned dst = number(s), src = number(s);
	bool reg = chance(s, 2), is_signed = (op == BPF_DIV || op == BPF_MOD) && chance(s, 2);
	int32_t imm = constant(s);

	if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
		imm = (int32_t)pick(s, class == BPF_ALU ? 32 : 64);
	if ((op == BPF_DIV || op == BPF_MOD) && imm == 0)
		imm = 3;
	PUT(INSN(class | op | (reg ? BPF_X : BPF_K), dst, reg ? src : 0, is_signed, reg ? 0 : imm));
	s->kind[dst] = K_NUMBER;
}

static void gen_unary(struct state *s)
{
	static const int32_t widths[] = {16, 32, 64};
	static const int16_t extensions[] = {8, 16, 32};
	unsigned dst = number(s), class = chance(s, 2) ? BPF_ALU : BPF_ALU64;

	switch (pick(s, 4)) {
	case 0:
		PUT(INSN(class | BPF_NEG, dst, 0, 0, 0));
		break;
	case 1:
		PUT(INSN(class | BPF_END | (class == BPF_ALU && chance(s, 2) ? BPF_TO_BE : BPF_TO_LE), dst, 0, 0,
			 widths[pick(s, 3)]));
		break;
	case 2:
		PUT(INSN(class | BPF_MOV | BPF_X, dst, number(s), extensions[pick(s, class == BPF_ALU ? 2 : 3)], 0));
		break;
	default:
		PUT(LDDW(dst, gen_random(&s->g->seed) >> pick(s, 64)));
	}
	s->kind[dst] = K_NUMBER;
}

static void gen_small(struct state *s)
{
	unsigned dst = number(s);

	if (chance(s, 3))
		PUT(ALU64_K(MOD, dst, 32));
	else if (chance(s, 2))
		PUT(ALU32_K(AND, dst, 31));
	else
		PUT(ALU64_K(AND, dst, chance(s, 20) ? constant(s) : 31));
	s->kind[dst] = K_SMALL;
}

static void gen_ctx(struct state *s)
{
	unsigned dst = target(s), src = reg_of(s, K_CTX);

	if (!has(s, K_CTX) && !chance(s, 30))
		return;
	switch (pick(s, 3)) {
	case 0:
		PUT(LDX(DW, dst, src, (int)pick(s, 12) * 8));
		break;
	case 1:
		PUT(LDX(W, dst, src, (int)pick(s, 24) * 4));
		break;
	default:
		PUT(LDXS(H, dst, src, (int)pick(s, 48) * 2));
	}
	s->kind[dst] = K_NUMBER;
}

static void gen_stack_store(struct state *s)
{
	bool any = !(s->g->flags & GEN_LOCAL) && chance(s, 8);
	unsigned slot = pick(s, 10), src = any ? pick(s, 10) : number(s);
	int off = -8 * (int)(slot + 1);

	switch (pick(s, 4)) {
	case 0:
		PUT(ST(DW, 10, off, constant(s)));
		break;
	case 1:
		PUT(STX(DW, 10, src, off));
		break;
	case 2:
		PUT(STX(W, 10, src, off + (chance(s, 2) ? 4 : 0)));
		return;
	default:
		PUT(STX(B, 10, src, off + (int)pick(s, 8)));
		return;
	}
	s->slots |= 1u << slot;
}

static void gen_stack_load(struct state *s)
{
	unsigned slot = pick(s, 10), dst = target(s);
	int off;

	if (!s->slots && !chance(s, 20)) {
		gen_stack_store(s);
		return;
	}
	for (unsigned k = 0; k < 10 && !(s->slots & (1u << slot)); k++)
		slot = (slot + 1) % 10;
	off = -8 * (int)(slot + 1);
	switch (pick(s, 4)) {
	case 0:
		PUT(LDX(W, dst, 10, off + (chance(s, 2) ? 4 : 0)));
		break;
	case 1:
		PUT(LDXS(B, dst, 10, off + (int)pick(s, 8)));
		break;
	default:
		PUT(LDX(DW, dst, 10, off));
	}
	s->kind[dst] = K_NUMBER;
}

/* Through a pointer with a small number added, on the stack or in a value. */
static void gen_indexed(struct state *s)
{
	enum kind kind = chance(s, 2) ? K_VALUE : K_STACK;
	unsigned ptr = reg_of(s, kind), index = reg_of(s, K_SMALL), dst = target(s);
	int off = kind == K_VALUE ? (int)pick(s, chance(s, 10) ? 20 : 17) : (int)pick(s, 33);

	if (ptr == index || dst == ptr || dst == index || index == 9)
		return;
	if ((!has(s, kind) || !has(s, K_SMALL)) && !chance(s, 30))
		return;
	if (s->kind[ptr] == K_STACK && (s->slots & 0xff) != 0xff && !chance(s, 10)) {
		for (unsigned k = 0; k < 8; k++)
			PUT(ST(DW, 10, -8 * (int)(k + 1), constant(s)));
		s->slots |= 0xff;
	}
	PUT(MOV_X(dst, ptr), ADD_X(dst, index));
	if (chance(s, 2)) {
		PUT(INSN(BPF_LDX | BPF_B | (chance(s, 2) ? BPF_MEM : BPF_MEMSX), dst, dst, off, 0));
		s->kind[dst] = K_NUMBER;
		return;
	}
	PUT(STX(B, dst, number(s), off));
	s->kind[dst] = K_NONE;
}

static void gen_value_access(struct state *s)
{
	unsigned ptr = reg_of(s, K_VALUE), reg = number(s);
	int off = (int)pick(s, 6) * 8;

	if (!has(s, K_VALUE) && !chance(s, 30))
		return;
	switch (pick(s, 3)) {
	case 0:
		PUT(STX(DW, ptr, reg, off));
		break;
	case 1:
		if (reg != ptr)
			PUT(LDX(DW, reg, ptr, off));
		break;
	default:
		PUT(LDXS(W, reg == ptr ? 0 : reg, ptr, off + 4));
		s->kind[reg == ptr ? 0 : reg] = K_NUMBER;
	}
}

static void gen_atomic(struct state *s)
{
	static const int ops[] = {BPF_ADD,
				  BPF_AND,
				  BPF_OR,
				  BPF_XOR,
				  BPF_ADD | BPF_FETCH,
				  BPF_AND | BPF_FETCH,
				  BPF_OR | BPF_FETCH,
				  BPF_XOR | BPF_FETCH,
				  BPF_XCHG,
				  BPF_CMPXCHG};
	int op = ops[pick(s, array_len(ops))];
	unsigned ptr = reg_of(s, K_VALUE), src = number(s);
	bool wide = chance(s, 2);
	int off = (int)pick(s, 6) * 8;

	if (src == ptr || src == 9 || !has(s, K_NUMBER))
		return;
	if (s->kind[ptr] != K_VALUE || chance(s, 4)) {
		ptr = 10;
		off = -8 * (1 + (int)pick(s, 8));
		PUT(ST(DW, 10, off, constant(s)));
		s->slots |= 1u << (-off / 8 - 1);
	}
	if (op == BPF_CMPXCHG && s->kind[0] != K_NUMBER) {
		if (ptr == 0)
			return;
		PUT(MOV_K(0, constant(s)));
		s->kind[0] = K_NUMBER;
	}
	PUT(INSN(BPF_STX | BPF_ATOMIC | (wide ? BPF_DW : BPF_W), ptr, src, off, op));
	if (op & BPF_FETCH)
		s->kind[op == BPF_CMPXCHG ? 0 : src] = K_NUMBER;
}

static void clobber(struct state *s)
{
	for (unsigned r = 0; r < 6; r++)
		s->kind[r] = K_NONE;
}

static void gen_lookup(struct state *s)
{
	bool hash = !(s->g->flags & GEN_LOCAL) && chance(s, 2);
	unsigned keep = 6 + pick(s, 3);

	PUT(ST(DW, 10, -80, (int)pick(s, chance(s, 5) ? 40 : 4)));
	s->slots |= 1u << 9;
	if (hash && chance(s, 2)) { /* something to find */
		PUT(MOV_X(2, 10), ADD_K(2, -80), MOV_X(3, 10), ADD_K(3, -64), MOV_K(4, 0), LD_MAP(1, MAP_HASH),
		    CALL(map_update_elem));
	}
	PUT(MOV_X(2, 10), ADD_K(2, -80), LD_MAP(1, hash ? MAP_HASH : MAP_ARRAY), CALL(map_lookup_elem));
	clobber(s);
	if (!chance(s, 30))
		PUT(J_K(JNE, 0, 0, 2), MOV_K(0, constant(s)), EXIT());
	PUT(MOV_X(keep, 0));
	s->kind[0] = s->kind[keep] = K_VALUE;
}

static void gen_data(struct state *s)
{
	unsigned ptr = pick(s, 9), src = number(s);

	if (ptr == src)
		return;
	PUT(LD_VALUE(ptr, MAP_DATA, (int)pick(s, 8) * 8));
	s->kind[ptr] = K_NONE;
	if (chance(s, 2))
		PUT(STX(DW, ptr, src, 0));
	else
		PUT(LDX(DW, src, ptr, 0));
}

static void gen_read(struct state *s)
{
	unsigned size = number(s);

	PUT(MOV_X(2, size));
	if (!chance(s, 10))
		PUT(ALU64_K(AND, 2, 31));
	for (unsigned k = 0; k < 4; k++)
		PUT(ST(DW, 10, -8 * (int)(k + 1), 0));
	s->slots |= 15;
	PUT(MOV_X(1, 10), ADD_K(1, -32), MOV_K(3, constant(s)));
	if (chance(s, 2))
		PUT(CALL(probe_read_user));
	else
		PUT(CALL(probe_read_user_str));
	clobber(s);
	s->kind[0] = K_NUMBER;
}

static void gen_record(struct state *s)
{
	PUT(LD_MAP(1, MAP_RINGBUF), MOV_K(2, 24), MOV_K(3, 0), CALL(ringbuf_reserve), J_K(JEQ, 0, 0, 4),
	    ST(DW, 0, (int)pick(s, chance(s, 8) ? 20 : 17), 5), MOV_X(1, 0), MOV_K(2, 0));
	if (chance(s, 20))
		PUT(MOV_K(0, 0));
	else
		PUT(CALL(ringbuf_discard));
	clobber(s);
}

#define DYNPTR (-96) /* below all other slots */

static void use_dynptr(struct state *s)
{
	int off = (int)pick(s, chance(s, 8) ? 40 : 17), len = (int)pick(s, chance(s, 8) ? 60 : 17);
	int at = chance(s, 30) ? DYNPTR + 8 : DYNPTR;

	for (unsigned k = 0; k < 4; k++)
		PUT(ST(DW, 10, -8 * (int)(k + 1), constant(s)));
	s->slots |= 15;
	switch (pick(s, 4)) {
	case 0:
		PUT(MOV_X(1, 10), ADD_K(1, at), MOV_K(2, off), MOV_X(3, 10), ADD_K(3, -32), MOV_K(4, len), MOV_K(5, 0),
		    CALL(dynptr_write));
		break;
	case 1:
		PUT(MOV_X(1, 10), ADD_K(1, -32), MOV_K(2, len), MOV_X(3, 10), ADD_K(3, at), MOV_K(4, off), MOV_K(5, 0),
		    CALL(dynptr_read));
		break;
	case 2:
		PUT(MOV_X(1, 10), ADD_K(1, at), MOV_K(2, off), MOV_K(3, len), CALL(dynptr_data), J_K(JEQ, 0, 0, 1),
		    ST(B, 0, (int)pick(s, chance(s, 8) ? 60 : len + 1), 3), MOV_K(0, 0));
		break;
	default: /* its bytes are nobody's */
		if (chance(s, 4))
			PUT(ST(DW, 10, DYNPTR + 8 * (int)pick(s, 2), constant(s)));
		PUT(MOV_K(0, constant(s)));
	}
	clobber(s);
	s->kind[0] = K_NUMBER;
}

/* Of a value's bytes, or of a record, which has to be given back. */
static void gen_dynptr(struct state *s)
{
	bool record = chance(s, 2);

	if (record)
		PUT(LD_MAP(1, MAP_RINGBUF), MOV_K(2, (int)pick(s, 40)), MOV_K(3, chance(s, 10)), MOV_X(4, 10),
		    ADD_K(4, DYNPTR), CALL(ringbuf_reserve_dynptr));
	else
		PUT(LD_VALUE(1, MAP_DATA, (int)pick(s, 8) * 4), MOV_K(2, (int)pick(s, 33)), MOV_K(3, chance(s, 10)),
		    MOV_X(4, 10), ADD_K(4, DYNPTR), CALL(dynptr_from_mem));
	clobber(s);
	for (uint32_t n = 1 + pick(s, 3); n > 0; n--)
		use_dynptr(s);
	if (!record || chance(s, 20))
		return;
	PUT(MOV_X(1, 10), ADD_K(1, DYNPTR), MOV_K(2, 0));
	if (chance(s, 2))
		PUT(CALL(ringbuf_submit_dynptr));
	else
		PUT(CALL(ringbuf_discard_dynptr));
	clobber(s);
}

static void gen_step(struct state *s);

static void gen_block(struct state *s, uint32_t steps)
{
	s->depth++;
	while (steps--)
		gen_step(s);
	s->depth--;
}

/* A forward branch over a few steps. */
static void gen_branch(struct state *s)
{
	static const uint8_t ops[] = {BPF_JEQ,	BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
				      BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JSET};
	unsigned op = ops[pick(s, array_len(ops))], class = chance(s, 3) ? BPF_JMP32 : BPF_JMP;
	bool reg = chance(s, 3);
	uint32_t at = s->g->len;
	struct state before = *s;

	PUT(INSN(class | op | (reg ? BPF_X : BPF_K), number(s), reg ? number(s) : 0, 0, reg ? 0 : constant(s)));
	gen_block(s, 1 + pick(s, 4));
	if (at >= GEN_MAX || s->g->len - at - 1 > 30000)
		return;
	s->g->insns[at].off = (int16_t)(s->g->len - at - 1);
	/* Behind it only what both ways agree on. */
	for (unsigned r = 0; r < INSN_REGS; r++)
		if (s->kind[r] != before.kind[r])
			s->kind[r] = s->kind[r] == K_NONE || before.kind[r] == K_NONE	? K_NONE
				     : s->kind[r] > K_SMALL || before.kind[r] > K_SMALL ? K_NONE
											: K_NUMBER;
	s->slots &= before.slots;
}

/* R8 counts; the body may spoil it. */
static void gen_loop(struct state *s)
{
	uint32_t head;

	PUT(MOV_K(8, 0));
	s->kind[8] = K_NUMBER;
	head = s->g->len;
	for (unsigned r = 0; r < 9; r++)
		if (s->kind[r] != K_NUMBER)
			s->kind[r] = K_NONE;
	s->kind[8] = K_NONE;
	gen_block(s, 1 + pick(s, 3));
	for (unsigned r = 0; r < 6; r++)
		s->kind[r] = K_NONE;
	PUT(ADD_K(8, 1), J_K(JLT, 8, (int)pick(s, 20) + 1, (int)head - (int)s->g->len - 2));
	s->kind[8] = K_NUMBER;
}

static void gen_step(struct state *s)
{
	uint32_t n = pick(s, 100);

	if (s->g->len + 80 > GEN_MAX)
		return;
	if (n < 28)
		gen_alu(s);
	else if (n < 36)
		gen_unary(s);
	else if (n < 42)
		gen_small(s);
	else if (n < 46)
		gen_ctx(s);
	else if (n < 54)
		gen_stack_store(s);
	else if (n < 61)
		gen_stack_load(s);
	else if (n < 67)
		gen_indexed(s);
	else if (n < 72)
		gen_value_access(s);
	else if (n < 76)
		gen_atomic(s);
	else if (n < 80)
		gen_lookup(s);
	else if (n < 83)
		gen_data(s);
	else if (n < 85 && !(s->g->flags & GEN_LOCAL))
		gen_read(s);
	else if (n < 86 && !(s->g->flags & GEN_LOCAL))
		gen_record(s);
	else if (n < 89 && !(s->g->flags & GEN_LOCAL))
		gen_dynptr(s);
	else if (n < 97 && s->depth < 4)
		gen_branch(s);
	else if (n < 99 && s->depth < 2)
		gen_loop(s);
}

/* The start of a frame: numbers in R6 and R7, and where there is one the context in R9. */
static void begin(struct state *s, bool ctx)
{
	memset(s->kind, K_NONE, sizeof(s->kind));
	s->slots = 0;
	if (ctx) {
		PUT(MOV_X(9, 1), LDX(DW, 6, 9, 0), LDX(DW, 7, 9, 8));
		s->kind[9] = K_CTX;
	} else {
		PUT(MOV_X(6, 1), MOV_K(7, constant(s)));
	}
	PUT(MOV_K(0, constant(s)), MOV_X(8, 10), ADD_K(8, -64));
	s->kind[6] = s->kind[7] = s->kind[0] = K_NUMBER;
	s->kind[8] = K_STACK;
	if (chance(s, 2)) {
		for (unsigned k = 0; k < 8; k++)
			PUT(ST(DW, 10, -8 * (int)(k + 1), constant(s)));
		s->slots = 0xff;
	}
}

static void finish(struct state *s, bool bit)
{
	PUT(MOV_X(0, number(s)));
	if (bit)
		PUT(ALU64_K(AND, 0, 1));
	PUT(EXIT());
}

/* Two functions behind the program: one that is called, one for bpf_loop. */
static void gen_calls(struct state *s, uint32_t *call, uint32_t *loop)
{
	*call = *loop = UINT32_MAX;
	if (chance(s, 3)) {
		PUT(MOV_X(1, number(s)));
		*call = s->g->len;
		PUT(CALL_LOCAL(0));
		clobber(s);
		s->kind[0] = K_NUMBER;
	}
	if (chance(s, 3) && !(s->g->flags & GEN_LOCAL)) {
		PUT(ST(DW, 10, -8, 0), MOV_X(3, 10), ADD_K(3, -8), MOV_K(1, (int)pick(s, 20)));
		*loop = s->g->len;
		PUT(LD_FUNC(2, 0), MOV_K(4, 0), CALL(loop), LDX(DW, 7, 10, -8));
		clobber(s);
		s->kind[7] = K_NUMBER;
		s->slots |= 1;
	}
}

void gen_program(struct gen *g)
{
	struct state st = {.g = g}, *s = &st;
	uint32_t call, loop;

	g->len = 0;
	begin(s, true);
	gen_block(s, 4 + pick(s, 20));
	gen_calls(s, &call, &loop);
	gen_block(s, 1 + pick(s, 10));
	finish(s, false);
	if (call != UINT32_MAX && g->len < GEN_MAX) {
		g->insns[call].imm = (int32_t)(g->len - call - 1);
		begin(s, false);
		gen_block(s, 1 + pick(s, 8));
		finish(s, false);
	}
	if (loop != UINT32_MAX && g->len < GEN_MAX) {
		g->insns[loop].imm = (int32_t)(g->len - loop - 1);
		PUT(STX(DW, 10, 2, -88));
		begin(s, false);
		gen_block(s, 1 + pick(s, 8));
		PUT(LDX(DW, 2, 10, -88), LDX(DW, 3, 2, 0), ADD_X(3, number(s)), STX(DW, 2, 3, 0));
		finish(s, true);
	}
}
