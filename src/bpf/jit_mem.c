/* The compiler: loads, stores, atomics. */
#include "bpf/jit_int.h"

void jit_load(struct jit *j, const struct bpf_insn *i, struct x86_mem m)
{
	static const struct x86_access load[2][4] = {
	    /* BPF_W, BPF_H, BPF_B, BPF_DW: the order of the size bits */
	    {{.op = 0x8b}, {.op = 0x0fb7}, {.op = 0x0fb6}, {.op = 0x8b, .w = 1}},
	    {{.op = 0x63, .w = 1}, {.op = 0x0fbf, .w = 1}, {.op = 0x0fbe, .w = 1}, {.op = 0}},
	};
	bool sx = BPF_MODE(i->code) == BPF_MEMSX;

	x86_rm(&j->x, load[sx][BPF_SIZE(i->code) >> 3], dst_of(i), m);
}

static void emit_load(struct jit *j, const struct bpf_insn *i)
{
	jit_load(j, i, (struct x86_mem){.base = src_of(i), .disp = i->off});
}

static void emit_store(struct jit *j, const struct bpf_insn *i)
{
	static const struct x86_access store[2][4] = {
	    {{.op = 0xc7}, {.op = 0xc7, .prefix = 0x66}, {.op = 0xc6}, {.op = 0xc7, .w = 1}},
	    {{.op = 0x89}, {.op = 0x89, .prefix = 0x66}, {.op = 0x88, .byte_reg = 1}, {.op = 0x89, .w = 1}},
	};
	bool reg = insn_class(i) == BPF_STX;
	struct x86_mem m = {.base = dst_of(i), .disp = i->off};

	x86_rm(&j->x, store[reg][BPF_SIZE(i->code) >> 3], reg ? src_of(i) : 0, m);
	if (reg)
		return;
	if (insn_size(i) == 1)
		x86_byte(&j->x, (uint8_t)i->imm);
	else if (insn_size(i) == 2)
		x86_bytes(&j->x, &i->imm, 2);
	else
		x86_i32(&j->x, i->imm);
}

/* and, or, xor that yield the old value: a loop around cmpxchg. */
static void atomic_loop(struct jit *j, const struct bpf_insn *i, unsigned op)
{
	int w = insn_size(i) == 8;
	unsigned src = src_of(i);
	size_t again;

	x86_lea(&j->x, R11, (struct x86_mem){.base = dst_of(i), .disp = i->off});
	x86_mov(&j->x, 1, R10, RAX);
	x86_rm(&j->x, (struct x86_access){.op = 0x8b, .w = (uint8_t)w}, RAX, (struct x86_mem){.base = R11, .disp = 0});
	again = j->x.len;
	x86_mov(&j->x, w, R9, RAX);
	x86_rr(&j->x, op, w, src == RAX ? R10 : src, R9);
	x86_rm(&j->x, (struct x86_access){.prefix = 0xf0, .op = 0x0fb1, .w = (uint8_t)w}, R9,
	       (struct x86_mem){.base = R11, .disp = 0});
	x86_byte(&j->x, X86_JCC_SHORT(CC_NE));
	x86_byte(&j->x, (uint8_t)(again - (j->x.len + 1)));
	x86_mov(&j->x, w, src, RAX);
	if (src != RAX)
		x86_mov(&j->x, 1, RAX, R10);
}

static void emit_atomic(struct jit *j, const struct bpf_insn *i)
{
	struct x86_access a = {.prefix = 0xf0, .w = insn_size(i) == 8};
	struct x86_mem m = {.base = dst_of(i), .disp = i->off};

	switch (i->imm) {
	case BPF_AND | BPF_FETCH:
		atomic_loop(j, i, X86_AND);
		return;
	case BPF_OR | BPF_FETCH:
		atomic_loop(j, i, X86_OR);
		return;
	case BPF_XOR | BPF_FETCH:
		atomic_loop(j, i, X86_XOR);
		return;
	case BPF_ADD:
		a.op = X86_ADD;
		break;
	case BPF_AND:
		a.op = X86_AND;
		break;
	case BPF_OR:
		a.op = X86_OR;
		break;
	case BPF_XOR:
		a.op = X86_XOR;
		break;
	case BPF_ADD | BPF_FETCH:
		a.op = 0x0fc1; /* xadd */
		break;
	case BPF_XCHG:
		a.op = 0x87;
		break;
	default:
		a.op = 0x0fb1; /* cmpxchg: compares with rax, which is R0 */
	}
	x86_rm(&j->x, a, src_of(i), m);
	if (i->imm == BPF_CMPXCHG && !a.w)
		x86_mov(&j->x, 0, RAX, RAX); /* left alone where it was equal */
}

void jit_mem(struct jit *j, const struct bpf_insn *i)
{
	if (insn_class(i) == BPF_LDX)
		emit_load(j, i);
	else if (insn_is_atomic(i))
		emit_atomic(j, i);
	else
		emit_store(j, i);
}
