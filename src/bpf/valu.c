/*
 * Arithmetic on registers. Numbers go through bounds_alu(); a pointer may be
 * moved, and a number added to it or taken from it. Everything else that
 * touches a pointer is refused, or yields a number of which nothing is known.
 */
#include "bpf/vflow.h"

#define POINTER_STEP (1 << 29)

static struct vreg unknown(void)
{
	return vreg_scalar(bounds_unknown());
}

/* Copies of a number share an id, so that a test of one narrows all. */
static void share_id(struct verifier *v, struct vreg *r)
{
	if (r->kind == V_SCALAR && !r->id && !bounds_is_const(&r->b))
		r->id = ++v->ids;
}

static int mov_reg(struct verifier *v, const struct bpf_insn *i)
{
	struct vreg *dst = &vregs(v)[i->dst_reg], *src = &vregs(v)[i->src_reg];
	bool is64 = insn_class(i) == BPF_ALU64;
	int err = vneed_init(v, i->src_reg);

	if (err < 0)
		return err;
	if (src->kind != V_SCALAR && (i->off || !is64)) {
		if (i->off)
			return vfail(v, -EACCES, "R%u sign-extension part of pointer\n", i->src_reg);
		*dst = vreg_scalar(bounds_range(0, UINT32_MAX));
		return 0;
	}
	if (i->off) {
		struct bounds b = bounds_sext(&src->b, (unsigned)i->off);

		*dst = vreg_scalar(is64 ? b : bounds_zext32(&b));
	} else if (is64 || src->b.umax <= UINT32_MAX) {
		share_id(v, src);
		*dst = *src;
	} else {
		*dst = vreg_scalar(bounds_zext32(&src->b));
	}
	return 0;
}

static int mov(struct verifier *v, const struct bpf_insn *i)
{
	if (BPF_SRC(i->code) == BPF_X)
		return mov_reg(v, i);
	vregs(v)[i->dst_reg] =
	    vreg_scalar(bounds_const(insn_class(i) == BPF_ALU64 ? (uint64_t)(int64_t)i->imm : (uint32_t)i->imm));
	return 0;
}

/* May a number be added to this pointer? */
static int check_movable(struct verifier *v, unsigned reg, const struct vreg *p)
{
	if (p->maybe_null)
		return vfail(v, -EACCES, "R%u pointer arithmetic on %s prohibited, null-check it first\n", reg,
			     vkind_name(p));
	if (p->kind == V_MAP || p->kind == V_FUNC || p->kind == V_DYNPTR)
		return vfail(v, -EACCES, "R%u pointer arithmetic on %s prohibited\n", reg, vkind_name(p));
	return 0;
}

static int check_step(struct verifier *v, const struct vreg *p, const struct bounds *by)
{
	if (bounds_is_const(by) && (by->smin >= POINTER_STEP || by->smin <= -POINTER_STEP))
		return vfail(v, -EACCES, "math between %s pointer and %lld is not allowed\n", vkind_name(p),
			     (long long)by->smin);
	if (by->smin <= -POINTER_STEP)
		return vfail(v, -EACCES,
			     "math between %s pointer and register with unbounded min value is not allowed\n",
			     vkind_name(p));
	return 0;
}

/* ptr + by, or ptr - by. The result keeps the pointer's identity. */
static int move_pointer(struct verifier *v, unsigned dst, const struct vreg *ptr, const struct bounds *by, bool minus)
{
	static const struct bpf_insn ops[2] = {{.code = BPF_ALU64 | BPF_ADD | BPF_X},
					       {.code = BPF_ALU64 | BPF_SUB | BPF_X}};
	const struct bounds zero = bounds_const(0);
	struct bounds step = minus ? bounds_alu(&ops[1], &zero, by) : *by;
	struct vreg out = *ptr;
	int err = check_step(v, ptr, &step);

	if (err < 0)
		return err;
	if (bounds_is_const(&step)) {
		int64_t off = ptr->off + step.smin;

		if (off >= POINTER_STEP || off <= -POINTER_STEP)
			return vfail(v, -EACCES, "value %lld makes %s pointer be out of bounds\n", (long long)off,
				     vkind_name(ptr));
		out.off = (int32_t)off;
	} else {
		out.b = bounds_alu(&ops[0], &ptr->b, &step);
	}
	vregs(v)[dst] = out;
	return 0;
}

static int pointer_op(struct verifier *v, const struct bpf_insn *i, const struct vreg *src)
{
	struct vreg *reg = vregs(v), d = reg[i->dst_reg], s = *src;
	bool on_dst = d.kind != V_SCALAR;
	unsigned op = insn_op(i);
	int err;

	if (insn_class(i) == BPF_ALU)
		return vfail(v, -EACCES, "R%u 32-bit pointer arithmetic prohibited\n", i->dst_reg);
	if (op == BPF_SUB && on_dst && s.kind != V_SCALAR) {
		reg[i->dst_reg] = unknown(); /* a distance */
		return 0;
	}
	if (on_dst && s.kind != V_SCALAR)
		return vfail(v, -EACCES, "R%u pointer %s pointer prohibited\n", i->dst_reg,
			     op == BPF_ADD ? "+=" : "op");
	if (op != BPF_ADD && op != BPF_SUB)
		return vfail(v, -EACCES, "R%u arithmetic operator on pointer prohibited\n", i->dst_reg);
	if (op == BPF_SUB && !on_dst)
		return vfail(v, -EACCES, "R%u tried to subtract pointer from scalar\n", i->dst_reg);
	err = check_movable(v, on_dst ? i->dst_reg : i->src_reg, on_dst ? &d : &s);
	if (err < 0)
		return err;
	if (!on_dst)
		vflow_need_reg(v, i->dst_reg);
	else if (BPF_SRC(i->code) == BPF_X)
		vflow_need_reg(v, i->src_reg);
	return move_pointer(v, i->dst_reg, on_dst ? &d : &s, on_dst ? &s.b : &d.b, op == BPF_SUB);
}

static int check_constant(struct verifier *v, const struct bpf_insn *i)
{
	unsigned op = insn_op(i);
	int width = insn_class(i) == BPF_ALU64 ? 64 : 32;

	if (BPF_SRC(i->code) != BPF_K)
		return 0;
	if ((op == BPF_DIV || op == BPF_MOD) && i->imm == 0)
		return vfail(v, -EINVAL, "div by zero\n");
	if ((op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH) && (i->imm < 0 || i->imm >= width))
		return vfail(v, -EINVAL, "invalid shift %d\n", i->imm);
	return 0;
}

static int one_operand(struct verifier *v, const struct bpf_insn *i)
{
	struct vreg *dst = &vregs(v)[i->dst_reg];
	int err = vneed_init(v, i->dst_reg);

	if (err < 0)
		return err;
	if (dst->kind != V_SCALAR)
		*dst = unknown();
	*dst = vreg_scalar(bounds_alu(i, &dst->b, &dst->b));
	return 0;
}

int valu(struct verifier *v, const struct bpf_insn *i)
{
	struct vreg *reg = vregs(v), src = vreg_scalar(bounds_const((uint64_t)(int64_t)i->imm));
	unsigned op = insn_op(i);
	int err;

	if (op == BPF_MOV)
		return mov(v, i);
	if (op == BPF_NEG || op == BPF_END)
		return one_operand(v, i);
	err = check_constant(v, i);
	if (err == 0 && BPF_SRC(i->code) == BPF_X) {
		err = vneed_init(v, i->src_reg);
		src = reg[i->src_reg];
	}
	if (err == 0)
		err = vneed_init(v, i->dst_reg);
	if (err < 0)
		return err;
	if (reg[i->dst_reg].kind != V_SCALAR || src.kind != V_SCALAR)
		return pointer_op(v, i, &src);
	if ((op == BPF_XOR || op == BPF_SUB) && BPF_SRC(i->code) == BPF_X && i->dst_reg == i->src_reg) {
		reg[i->dst_reg] = vreg_scalar(bounds_const(0));
		return 0;
	}
	reg[i->dst_reg] = vreg_scalar(bounds_alu(i, &reg[i->dst_reg].b, &src.b));
	return 0;
}

int vlddw(struct verifier *v, const struct bpf_insn *i)
{
	struct vreg *dst = &vregs(v)[i->dst_reg];

	v->next = v->pc + 2;
	if (insn_is_func_ref(i)) {
		*dst = vreg_pointer(V_FUNC);
		dst->size = (uint32_t)insn_target(i, v->pc);
		return 0;
	}
	if (!insn_is_map_ref(i)) {
		*dst = vreg_scalar(bounds_const(insn_imm64(i)));
		return 0;
	}
	if ((uint32_t)i->imm >= v->prog->nmaps)
		return vfail(v, -EINVAL, "fd %d is not pointing to valid bpf_map\n", i->imm);
	*dst = vreg_pointer(i->src_reg == BPF_PSEUDO_MAP_FD ? V_MAP : V_VALUE);
	dst->map = v->prog->maps[i->imm];
	if (i->src_reg == BPF_PSEUDO_MAP_VALUE)
		dst->off = i[1].imm; /* there is one such value: it needs no id to be told apart */
	return 0;
}
