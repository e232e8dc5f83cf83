/*
 * Dynptrs on the stack: 16 bytes that only helpers read and write. Both slots
 * are marked (BYTE_DYNPTR) and hold a register of kind V_DYNPTR: its `id` names
 * the dynptr, `off` says which half it is, `size` its type (enum vdyn), `ref`
 * the reference of a record that waits to be given up.
 *
 * A slice (V_MEM, what bpf_dynptr_data returns) has the dynptr's id in `dyn`
 * and ends with it: when it is overwritten, or its record is given up.
 */
#include "bpf/vflow.h"

#define DYNPTR_BYTES 16

static uint64_t both_slots(int32_t off)
{
	return (uint64_t)3 << ((unsigned)(-off - 1) / 8 - 1);
}

static bool is_dynptr(const struct vframe *f, uint32_t k)
{
	return k < f->nslots && f->slot[k].byte[0] == BYTE_DYNPTR;
}

static void end_slice(struct vreg *r, void *arg)
{
	if (r->kind == V_MEM && r->dyn == *(const uint32_t *)arg)
		*r = vreg_scalar(bounds_unknown());
}

/* The dynptr whose half is slot `k` is no more. */
static void forget(struct verifier *v, struct vframe *f, uint32_t k)
{
	uint32_t low = f->slot[k].reg.off ? k + 1 : k, id = f->slot[k].reg.id;

	f->slot[low] = f->slot[low - 1] = (struct vslot){0};
	vstate_each(&v->st, end_slice, &id);
}

int vdynptr_overwrite(struct verifier *v, struct vframe *f, int64_t lo, int64_t hi)
{
	for (int64_t at = lo & ~7ll; at < hi; at += 8) {
		uint32_t k = (uint32_t)(-at - 1) / 8;

		if (!is_dynptr(f, k))
			continue;
		if (f->slot[k].reg.ref)
			return vfail(v, -EINVAL, "cannot overwrite referenced dynptr\n");
		forget(v, f, k);
	}
	return 0;
}

int vdynptr_untouched(struct verifier *v, const struct vframe *f, int64_t lo, int64_t hi)
{
	for (int64_t at = lo & ~7ll; at < hi; at += 8)
		if (is_dynptr(f, (uint32_t)(-at - 1) / 8))
			return vfail(v, -EACCES, "potential write to dynptr at off=%lld disallowed\n", (long long)at);
	return 0;
}

/* An address on the stack where a dynptr can be. */
static int place_ok(struct verifier *v, unsigned reg)
{
	const struct vreg *r = &vregs(v)[reg];

	if (r->kind != V_STACK)
		return vfail(v, -EACCES, "R%u type=%s expected=fp, dynptr_ptr\n", reg, vkind_name(r));
	if (!bounds_is_const(&r->b))
		return vfail(v, -EINVAL, "dynptr has to be at a constant offset\n");
	if (r->off % 8 || r->off > -DYNPTR_BYTES || r->off < -(int)INSN_STACK)
		return vfail(v, -EINVAL, "cannot pass in dynptr at an offset=%d\n", r->off);
	return 0;
}

/* Where a helper makes one. */
static int arg_new(struct verifier *v, unsigned reg, struct vhelper *c)
{
	struct vreg r = vregs(v)[reg];
	int err = place_ok(v, reg);

	if (err == 0)
		err = vdynptr_overwrite(v, v->st.frame[r.frame], r.off, r.off + DYNPTR_BYTES);
	if (err == 0)
		err = vstack_helper(v, reg, &r, r.off, r.off + DYNPTR_BYTES, ACCESS_WRITE, false);
	c->made = r;
	return err;
}

/* One that is there; `ring`: a record's, which is given up. */
static int arg_there(struct verifier *v, unsigned reg, bool ring, struct vhelper *c)
{
	const struct vreg *r = &vregs(v)[reg];
	const struct vframe *f;
	int err = place_ok(v, reg);
	uint32_t k;

	if (err < 0)
		return err;
	f = v->st.frame[r->frame];
	k = (uint32_t)(-r->off - 1) / 8;
	if (!is_dynptr(f, k) || f->slot[k].reg.off)
		return vfail(v, -EINVAL, "Expected an initialized dynptr as arg #%u\n", reg);
	if (ring && f->slot[k].reg.size != DYN_RING)
		return vfail(v, -EINVAL, "Expected a dynptr of type ringbuf as arg #%u\n", reg);
	vflow_read(v, r->frame, both_slots(r->off));
	c->dyn = f->slot[k].reg.id;
	if (ring) {
		c->released = f->slot[k].reg.ref;
		c->given_up = *r;
	}
	return 0;
}

int vdynptr_arg(struct verifier *v, unsigned reg, unsigned type, struct vhelper *c)
{
	const struct vreg *r = &vregs(v)[reg];

	if (type == ARG_DYNPTR_NEW)
		return arg_new(v, reg, c);
	if (r->kind != V_DYNPTR)
		return arg_there(v, reg, type == ARG_DYNPTR_RING, c);
	if (type == ARG_DYNPTR_RING)
		return vfail(v, -EINVAL, "cannot pass pointer to const bpf_dynptr, the helper mutates it\n");
	return r->off || !bounds_is_const(&r->b) ? vfail(v, -EINVAL, "cannot pass in dynptr at an offset=%d\n", r->off)
						 : 0;
}

void vdynptr_give_up(struct verifier *v, const struct vhelper *c)
{
	struct vframe *f = v->st.frame[c->given_up.frame];

	forget(v, f, (uint32_t)(-c->given_up.off - 1) / 8);
	vflow_write(v, c->given_up.frame, both_slots(c->given_up.off), both_slots(c->given_up.off));
}

void vdynptr_make(struct verifier *v, const struct vhelper *c, uint32_t id, uint32_t ref)
{
	struct vframe *f = v->st.frame[c->made.frame];
	uint32_t low = (uint32_t)(-c->made.off - 1) / 8;
	struct vreg half = vreg_pointer(V_DYNPTR);

	half.id = id;
	half.ref = ref;
	half.size = c->proto->flags & PROTO_DYN_RING ? DYN_RING : DYN_LOCAL;
	for (uint32_t k = 0; k < 2; k++) {
		struct vslot *s = &f->slot[low - k];

		half.off = (int32_t)k * 8;
		s->reg = half;
		for (unsigned n = 0; n < 8; n++)
			s->byte[n] = BYTE_DYNPTR;
	}
	vflow_write(v, c->made.frame, both_slots(c->made.off), both_slots(c->made.off));
}
