/* The compiler: arithmetic. */
#include "bpf/jit_div.h"
#include "bpf/jit_int.h"

static void emit_movsx(struct jit *j, const struct bpf_insn *i)
{
	int w = insn_class(i) == BPF_ALU64;

	if (i->off == 32)
		x86_rr(&j->x, 0x63, 1, dst_of(i), src_of(i)); /* movsxd */
	else
		x86_rr_0f(&j->x, i->off == 8 ? 0xbe : 0xbf, w, dst_of(i), src_of(i));
}

static void emit_mov(struct jit *j, const struct bpf_insn *i)
{
	bool is64 = insn_class(i) == BPF_ALU64;

	if (BPF_SRC(i->code) == BPF_K)
		x86_mov_imm(&j->x, dst_of(i), is64 ? (uint64_t)(int64_t)i->imm : (uint32_t)i->imm);
	else if (i->off)
		emit_movsx(j, i);
	else if (!is64 || i->dst_reg != i->src_reg)
		x86_mov(&j->x, is64, dst_of(i), src_of(i));
}

static void emit_mul(struct jit *j, const struct bpf_insn *i)
{
	int w = insn_class(i) == BPF_ALU64;

	if (BPF_SRC(i->code) == BPF_X) {
		x86_rr_0f(&j->x, 0xaf, w, dst_of(i), src_of(i));
	} else if (w && (i->imm == 3 || i->imm == 5 || i->imm == 9)) {
		x86_lea_index(&j->x, dst_of(i), dst_of(i), dst_of(i), i->imm == 3 ? 1 : i->imm == 5 ? 2 : 3);
	} else if (i->imm == (int8_t)i->imm) {
		x86_rr(&j->x, 0x6b, w, dst_of(i), dst_of(i));
		x86_byte(&j->x, (uint8_t)i->imm);
	} else {
		x86_rr(&j->x, 0x69, w, dst_of(i), dst_of(i));
		x86_i32(&j->x, i->imm);
	}
}

/* Without BMI2 the count has to be in cl, which is R4. */
static void emit_shift_cl(struct jit *j, const struct bpf_insn *i, unsigned ext)
{
	int w = insn_class(i) == BPF_ALU64;
	unsigned dst = dst_of(i);

	x86_mov(&j->x, 1, R11, RCX);
	x86_mov(&j->x, 1, R10, dst);
	x86_mov(&j->x, 0, RCX, src_of(i));
	x86_group(&j->x, 0xd3, w, ext, R10);
	x86_mov(&j->x, 1, RCX, R11);
	x86_mov(&j->x, w, dst, R10);
}

static void emit_shift(struct jit *j, const struct bpf_insn *i)
{
	int w = insn_class(i) == BPF_ALU64;
	unsigned op = insn_op(i);
	unsigned ext = op == BPF_LSH ? 4 : op == BPF_RSH ? 5 : 7;
	unsigned pp = op == BPF_LSH ? 1 : op == BPF_RSH ? 3 : 2;

	if (BPF_SRC(i->code) == BPF_K) {
		if (!(i->imm & (w ? 63 : 31))) {
			if (!w)
				x86_mov(&j->x, 0, dst_of(i), dst_of(i));
			return;
		}
		x86_group(&j->x, 0xc1, w, ext, dst_of(i));
		x86_byte(&j->x, (unsigned)i->imm & 0x3f);
	} else if (j->bmi2) {
		x86_shiftx(&j->x, pp, w, dst_of(i), dst_of(i), src_of(i));
	} else {
		emit_shift_cl(j, i, ext);
	}
}

static void bswap(struct x86 *x, int w, unsigned reg)
{
	x86_byte(x, 0x40 | (unsigned)w << 3 | reg >> 3);
	x86_byte(x, 0x0f);
	x86_byte(x, 0xc8 | (reg & 7));
}

static void emit_end(struct jit *j, const struct bpf_insn *i)
{
	bool swap = insn_class(i) == BPF_ALU64 || BPF_SRC(i->code) == BPF_TO_BE;
	unsigned dst = dst_of(i);

	switch (i->imm) {
	case 16:
		if (swap) {
			x86_byte(&j->x, 0x66);
			x86_group(&j->x, 0xc1, 0, 1, dst); /* ror */
			x86_byte(&j->x, 8);
		}
		x86_rr_0f(&j->x, 0xb7, 0, dst, dst);
		break;
	case 32:
		if (swap)
			bswap(&j->x, 0, dst);
		else
			x86_mov(&j->x, 0, dst, dst);
		break;
	default:
		if (swap)
			bswap(&j->x, 1, dst);
	}
}

static void emit_plain(struct jit *j, const struct bpf_insn *i, unsigned op, enum x86_alu ext)
{
	int w = insn_class(i) == BPF_ALU64;

	if (BPF_SRC(i->code) == BPF_X)
		x86_rr(&j->x, op, w, src_of(i), dst_of(i));
	else
		x86_alu_imm(&j->x, ext, w && !(ext == ALU_AND && i->imm >= 0), dst_of(i), i->imm);
}

void jit_alu(struct jit *j, const struct bpf_insn *i)
{
	switch (insn_op(i)) {
	case BPF_ADD:
		emit_plain(j, i, X86_ADD, ALU_ADD);
		break;
	case BPF_SUB:
		emit_plain(j, i, X86_SUB, ALU_SUB);
		break;
	case BPF_AND:
		emit_plain(j, i, X86_AND, ALU_AND);
		break;
	case BPF_OR:
		emit_plain(j, i, X86_OR, ALU_OR);
		break;
	case BPF_XOR:
		emit_plain(j, i, X86_XOR, ALU_XOR);
		break;
	case BPF_MUL:
		emit_mul(j, i);
		break;
	case BPF_DIV:
	case BPF_MOD:
		jit_div(&j->x, i, dst_of(i), BPF_SRC(i->code) == BPF_X ? (int)src_of(i) : -1, j->bmi2);
		break;
	case BPF_NEG:
		x86_group(&j->x, 0xf7, insn_class(i) == BPF_ALU64, 3, dst_of(i));
		break;
	case BPF_MOV:
		emit_mov(j, i);
		break;
	case BPF_END:
		emit_end(j, i);
		break;
	default:
		emit_shift(j, i);
	}
}
