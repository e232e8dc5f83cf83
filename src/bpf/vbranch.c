/*
 * Conditions. Both ways are walked unless what is known decides; each way
 * starts with what the condition says of its operands: a narrower number, a
 * pointer that is null or is not.
 */
#include "bpf/vflow.h"

struct same_number {
	uint32_t id;
	const struct vreg *now;
};

/* Takes over what a test said of another register with the same number. */
static void narrow_one(struct vreg *r, const struct same_number *s)
{
	struct bounds b = r->b;

	if (r->kind == V_SCALAR && r->id == s->id && bounds_intersect(&b, &s->now->b))
		r->b = b;
}

/* All copies of register `reg` in its frame, and notes which they are. */
static void narrow_copies(struct verifier *v, struct vframe *f, unsigned reg)
{
	struct same_number s = {.id = f->reg[reg].id, .now = &f->reg[reg]};
	struct vset linked = {0};

	if (!s.id)
		return;
	for (unsigned r = 0; r < INSN_REGS; r++) {
		if (f->reg[r].kind != V_SCALAR || f->reg[r].id != s.id)
			continue;
		linked.regs |= (uint16_t)(1u << r);
		if (r != reg)
			narrow_one(&f->reg[r], &s);
	}
	for (uint32_t k = 0; k < f->nslots; k++) {
		if (f->slot[k].byte[0] != BYTE_SPILL || f->slot[k].reg.kind != V_SCALAR || f->slot[k].reg.id != s.id)
			continue;
		linked.slots |= (uint64_t)1 << k;
		narrow_one(&f->slot[k].reg, &s);
	}
	vflow_link(v, linked);
}

struct null_test {
	uint32_t id, ref;
	bool null;
};

static void settle_null(struct vreg *r, void *arg)
{
	const struct null_test *t = arg;

	if (!r->maybe_null || r->id != t->id)
		return;
	if (t->null) {
		*r = vreg_scalar(bounds_const(0));
		return;
	}
	r->maybe_null = 0;
	/* Two values with a lock must be told apart as long as they live. */
	if (r->kind != V_VALUE || r->map->spin_lock_off < 0)
		r->id = 0;
}

static void drop_ref(struct vstate *st, uint32_t id)
{
	for (uint32_t k = 0; k < st->nrefs; k++) {
		if (st->ref[k].id != id)
			continue;
		st->ref[k] = st->ref[--st->nrefs];
		return;
	}
}

static void settle_state(struct vstate *st, const struct vreg *ptr, bool null)
{
	struct null_test t = {.id = ptr->id, .ref = ptr->ref, .null = null};

	vstate_each(st, settle_null, &t);
	if (null && t.ref)
		drop_ref(st, t.ref);
}

static int go(struct verifier *v, const struct bpf_insn *i, bool taken)
{
	v->next = taken ? (uint32_t)insn_target(i, v->pc) : v->pc + 1;
	return 0;
}

/* Leaves the current state on the way that falls through and queues the other. */
static int split(struct verifier *v, const struct bpf_insn *i)
{
	v->next = v->pc + 1;
	return vpush(v, (uint32_t)insn_target(i, v->pc));
}

/* A pointer against 0. */
static int null_branch(struct verifier *v, const struct bpf_insn *i, const struct vreg *ptr)
{
	bool equal = insn_op(i) == BPF_JEQ;
	struct vreg p = *ptr;
	int err;

	if (!p.maybe_null)
		return go(v, i, !equal);
	err = split(v, i);
	if (err < 0)
		return err;
	settle_state(&v->paths->st, &p, equal);
	settle_state(&v->st, &p, !equal);
	return 0;
}

/* Narrows both operands (register `src` may be a constant) in the state's current frame. */
static void assume(struct verifier *v, struct vstate *st, const struct bpf_insn *i, unsigned op, bool is32)
{
	struct vframe *f = st->frame[st->depth];
	bool reg = BPF_SRC(i->code) == BPF_X;
	struct bounds a = f->reg[i->dst_reg].b;
	struct bounds b = reg ? f->reg[i->src_reg].b : bounds_const((uint64_t)(int64_t)i->imm);

	if (reg && i->dst_reg == i->src_reg)
		return;
	bounds_assume(op, is32, &a, &b);
	f->reg[i->dst_reg].b = a;
	narrow_copies(v, f, i->dst_reg);
	if (reg) {
		f->reg[i->src_reg].b = b;
		narrow_copies(v, f, i->src_reg);
	}
}

static int scalar_branch(struct verifier *v, const struct bpf_insn *i, const struct vreg *src)
{
	bool is32 = insn_class(i) == BPF_JMP32;
	unsigned op = insn_op(i);
	int taken = bounds_taken(op, is32, &vregs(v)[i->dst_reg].b, &src->b), err;

	if (taken >= 0) {
		vflow_need_reg(v, i->dst_reg);
		if (BPF_SRC(i->code) == BPF_X)
			vflow_need_reg(v, i->src_reg);
		return go(v, i, taken);
	}
	err = split(v, i);
	if (err < 0)
		return err;
	assume(v, &v->paths->st, i, op, is32);
	assume(v, &v->st, i, bounds_inverse(op), is32);
	return 0;
}

int vbranch(struct verifier *v, const struct bpf_insn *i)
{
	const struct vreg *dst = &vregs(v)[i->dst_reg];
	struct vreg src = vreg_scalar(bounds_const((uint64_t)(int64_t)i->imm));
	bool equality = insn_op(i) == BPF_JEQ || insn_op(i) == BPF_JNE;
	int err = vneed_init(v, i->dst_reg);

	v->jumps++;
	if (err == 0 && BPF_SRC(i->code) == BPF_X) {
		err = vneed_init(v, i->src_reg);
		src = vregs(v)[i->src_reg];
	}
	if (err < 0)
		return err;
	if (dst->kind == V_SCALAR && src.kind == V_SCALAR)
		return scalar_branch(v, i, &src);
	if (equality && insn_class(i) == BPF_JMP) {
		if (dst->kind != V_SCALAR && vreg_is_zero(&src)) {
			if (BPF_SRC(i->code) == BPF_X)
				vflow_need_reg(v, i->src_reg);
			return null_branch(v, i, dst);
		}
		if (src.kind != V_SCALAR && vreg_is_zero(dst)) {
			vflow_need_reg(v, i->dst_reg);
			return null_branch(v, i, &src);
		}
	}
	return split(v, i); /* addresses against each other, or against numbers: nothing is learned */
}
