/*
 * The stack: the only memory whose content is followed, byte by byte as
 * written or not, and by slot as a register that was spilled there.
 *
 * Spills are followed where they start at a slot's lowest byte; other bytes
 * are data, or zero.
 */
#include "bpf/vflow.h"

/* Slots that the bytes [lo, hi) relative to the frame pointer touch; hi <= 0. */
static uint64_t slot_mask(int64_t lo, int64_t hi)
{
	unsigned first = (unsigned)((-hi) / 8), last = (unsigned)((-lo - 1) / 8);
	uint64_t upto = last == 63 ? UINT64_MAX : ((uint64_t)1 << (last + 1)) - 1;

	return upto & ~(((uint64_t)1 << first) - 1);
}

static unsigned slot_of(int64_t off)
{
	return (unsigned)((-off - 1) / 8);
}

static unsigned byte_of(int64_t off)
{
	return (unsigned)(off & 7);
}

static int check_stack(struct verifier *v, unsigned reg, const struct vreg *r, int64_t lo, int64_t hi)
{
	uint32_t func = v->st.frame[r->frame]->func;

	if (lo < -(int64_t)INSN_STACK || hi > 0)
		return vfail(v, -EACCES, "invalid%s stack R%u off=%lld size=%lld\n",
			     bounds_is_const(&r->b) ? "" : " variable-offset", reg, (long long)lo,
			     (long long)(hi - lo));
	if ((uint64_t)-lo > v->depth[func])
		v->depth[func] = (uint32_t)-lo;
	return 0;
}

static int stack_alignment(struct verifier *v, int64_t off, unsigned size)
{
	if (off % size == 0)
		return 0;
	return vfail(v, -EACCES, "misaligned stack access off %lld size %u\n", (long long)off, size);
}

static enum vbyte byte_at(const struct vframe *f, int64_t off)
{
	unsigned k = slot_of(off);

	return k < f->nslots ? f->slot[k].byte[byte_of(off)] : BYTE_NONE;
}

/* All bytes were written, and are the program's to read? Else the log says which was not. */
static int stack_init(struct verifier *v, const struct vframe *f, unsigned reg, int64_t lo, int64_t hi)
{
	for (int64_t off = lo; off < hi; off++) {
		if (byte_at(f, off) != BYTE_NONE && byte_at(f, off) != BYTE_DYNPTR)
			continue;
		return vfail(v, -EACCES, "invalid read from stack R%u off %lld+%lld size %lld\n", reg, (long long)lo,
			     (long long)(off - lo), (long long)(hi - lo));
	}
	return 0;
}

/* What a load of `size` bytes at `off` yields. */
static struct vreg stack_value(const struct vframe *f, int64_t off, unsigned size)
{
	const struct vslot *s = &f->slot[slot_of(off)];
	unsigned spilled = 0;
	bool zero = true;

	while (spilled < 8 && s->byte[spilled] == BYTE_SPILL)
		spilled++;
	if (spilled && byte_of(off) == 0) {
		if (spilled == size)
			return s->reg;
		if (s->reg.kind == V_SCALAR && size < spilled)
			return vreg_scalar(bounds_zext(&s->reg.b, size * 8));
	}
	for (unsigned n = 0; n < size; n++)
		zero &= byte_at(f, off + n) == BYTE_ZERO;
	if (zero)
		return vreg_scalar(bounds_const(0));
	return vreg_scalar(bounds_range(0, size == 8 ? UINT64_MAX : ((uint64_t)1 << (size * 8)) - 1));
}

int vstack_load(struct verifier *v, unsigned reg, const struct vreg *r, int64_t lo, int64_t hi, unsigned size,
		struct vreg *out)
{
	struct vframe *f = v->st.frame[r->frame];
	int err = check_stack(v, reg, r, lo, hi);

	if (err == 0 && bounds_is_const(&r->b))
		err = stack_alignment(v, lo, size);
	if (err == 0)
		err = stack_init(v, f, reg, lo, hi);
	if (err < 0)
		return err;
	vflow_read(v, r->frame, slot_mask(lo, hi));
	if (bounds_is_const(&r->b))
		*out = stack_value(f, lo, size);
	else
		*out = vreg_scalar(bounds_range(0, size == 8 ? UINT64_MAX : ((uint64_t)1 << (size * 8)) - 1));
	return 0;
}

/* A spilled register that is partly overwritten is bytes from now on. */
static void slot_spoil(struct vslot *s)
{
	for (unsigned n = 0; n < 8; n++)
		if (s->byte[n] == BYTE_SPILL)
			s->byte[n] = BYTE_MISC;
	s->reg = (struct vreg){0};
}

/* Bytes of unknown content; those that were not written stay so unless `sure`. */
static int stack_smear(struct verifier *v, struct vframe *f, int64_t lo, int64_t hi, bool sure)
{
	int err = vframe_grow(f, slot_of(lo));

	if (err < 0)
		return err;
	for (int64_t off = lo; off < hi; off++) {
		struct vslot *s = &f->slot[slot_of(off)];
		uint8_t *b = &s->byte[byte_of(off)];

		if (*b == BYTE_SPILL)
			slot_spoil(s);
		if (sure || *b != BYTE_NONE)
			*b = BYTE_MISC;
	}
	return 0;
}

static int stack_put(struct verifier *v, struct vframe *f, int64_t off, unsigned size, const struct vreg *value)
{
	bool zero = vreg_is_const(value) && value->b.umax == 0, spill = byte_of(off) == 0 && !zero;
	struct vslot *s;
	int err = vframe_grow(f, slot_of(off));

	if (err < 0)
		return err;
	s = &f->slot[slot_of(off)];
	if (size < 8) {
		slot_spoil(s);
		spill &= value->kind == V_SCALAR;
	}
	if (spill) {
		s->reg = *value;
		if (size < 8 && s->reg.b.umax >> (size * 8)) {
			s->reg.b = bounds_zext(&value->b, size * 8);
			s->reg.id = 0;
		}
	}
	if (size == 8 && !spill)
		slot_spoil(s);
	for (unsigned n = 0; n < size; n++)
		s->byte[byte_of(off) + n] = spill ? BYTE_SPILL : zero ? BYTE_ZERO : BYTE_MISC;
	return 0;
}

int vstack_store(struct verifier *v, unsigned reg, const struct vreg *r, int64_t lo, int64_t hi, unsigned size,
		 const struct vreg *value)
{
	struct vframe *f = v->st.frame[r->frame];
	bool known = bounds_is_const(&r->b);
	int err = check_stack(v, reg, r, lo, hi);

	if (err == 0 && known)
		err = stack_alignment(v, lo, size);
	if (err < 0)
		return err;
	if (value->kind == V_STACK && value->frame > r->frame)
		return vfail(v, -EINVAL, "cannot spill pointers to stack into stack frame of the caller\n");
	err = vdynptr_overwrite(v, f, lo, hi);
	if (err < 0)
		return err;
	if (!known && value->ref)
		return vfail(v, -EACCES, "reference may not be spilled at a variable offset\n");
	vflow_write(v, r->frame, slot_mask(lo, hi), known && size == 8 ? slot_mask(lo, hi) : 0);
	return known ? stack_put(v, f, lo, size, value) : stack_smear(v, f, lo, hi, false);
}

int vstack_helper(struct verifier *v, unsigned reg, const struct vreg *r, int64_t lo, int64_t hi, enum vaccess access,
		  bool must_be_init)
{
	struct vframe *f = v->st.frame[r->frame];
	bool known = bounds_is_const(&r->b);
	int err = check_stack(v, reg, r, lo, hi);

	if (err == 0 && (access & ACCESS_WRITE))
		err = vdynptr_untouched(v, f, lo, hi);
	if (err == 0 && (must_be_init || !known))
		err = stack_init(v, f, reg, lo, hi);
	if (err < 0)
		return err;
	if (must_be_init || !known)
		vflow_read(v, r->frame, slot_mask(lo, hi));
	if (!(access & ACCESS_WRITE))
		return 0;
	vflow_write(v, r->frame, slot_mask(lo, hi), 0);
	return stack_smear(v, f, lo, hi, true);
}
