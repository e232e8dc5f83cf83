/*
 * Comparing states: does what was walked from an old one stand for the new one
 * too? And the reverse: making a state wide enough that the next one will be
 * covered.
 */
#include <string.h>

#include "bpf/vflow.h"

struct ids {
	uint32_t old[128], now[128];
	uint32_t n;
};

struct cover {
	struct ids ids;
	bool strict; /* everything is relevant and live */
};

/* The pairing of identities must be one to one. */
static bool same_id(struct ids *ids, uint32_t old, uint32_t now)
{
	if (!old || !now)
		return old == now;
	for (uint32_t k = 0; k < ids->n; k++)
		if (ids->old[k] == old || ids->now[k] == now)
			return ids->old[k] == old && ids->now[k] == now;
	if (ids->n == array_len(ids->old))
		return false;
	ids->old[ids->n] = old;
	ids->now[ids->n++] = now;
	return true;
}

static bool reg_covered(struct cover *c, const struct vreg *old, const struct vreg *now, bool relevant)
{
	if (old->kind == V_NONE)
		return true; /* nothing reads it */
	if (old->kind != now->kind)
		return false;
	if (old->kind == V_SCALAR) {
		if (!relevant)
			return true;
		return bounds_contain(&old->b, &now->b) && (!old->id || same_id(&c->ids, old->id, now->id));
	}
	return old->maybe_null == now->maybe_null && old->frame == now->frame && old->off == now->off &&
	       old->size == now->size && old->map == now->map && bounds_contain(&old->b, &now->b) &&
	       same_id(&c->ids, old->id, now->id) && same_id(&c->ids, old->ref, now->ref) &&
	       same_id(&c->ids, old->dyn, now->dyn);
}

static unsigned spilled_bytes(const struct vslot *s)
{
	unsigned n = 0;

	while (n < 8 && s->byte[n] == BYTE_SPILL)
		n++;
	return n;
}

static bool holds_pointer(const struct vslot *s)
{
	return (s->byte[0] == BYTE_SPILL && s->reg.kind != V_SCALAR) || s->byte[0] == BYTE_DYNPTR;
}

/* What a load of the slot's lowest n bytes yields; false: it is no number. */
static bool slot_number(const struct vslot *s, unsigned n, struct vreg *out)
{
	bool zero = true;

	if (s->byte[0] == BYTE_SPILL) {
		*out = s->reg;
		return spilled_bytes(s) == n && s->reg.kind == V_SCALAR;
	}
	for (unsigned k = 0; k < n; k++) {
		if (s->byte[k] == BYTE_NONE)
			return false;
		zero &= s->byte[k] == BYTE_ZERO;
	}
	*out =
	    vreg_scalar(zero ? bounds_const(0) : bounds_range(0, n == 8 ? UINT64_MAX : ((uint64_t)1 << (n * 8)) - 1));
	return true;
}

/* Bytes of data, as data. */
static bool bytes_covered(const struct vslot *old, const struct vslot *now, unsigned from, bool relevant)
{
	bool now_zero = now->byte[0] == BYTE_SPILL && vreg_is_zero(&now->reg);

	for (unsigned n = from; n < 8; n++) {
		if (old->byte[n] == BYTE_NONE)
			continue;
		if (now->byte[n] == BYTE_NONE)
			return false;
		if (old->byte[n] == BYTE_ZERO && relevant && now->byte[n] != BYTE_ZERO &&
		    !(now_zero && now->byte[n] == BYTE_SPILL))
			return false;
	}
	return true;
}

static bool slot_covered(struct cover *c, const struct vslot *old, const struct vslot *now, bool relevant)
{
	unsigned n = spilled_bytes(old);
	struct vreg number;

	if (old->byte[0] == BYTE_DYNPTR)
		return now->byte[0] == BYTE_DYNPTR && reg_covered(c, &old->reg, &now->reg, true);
	if (n && holds_pointer(old))
		return now->byte[7] == BYTE_SPILL && reg_covered(c, &old->reg, &now->reg, true);
	if (holds_pointer(now))
		return bytes_covered(old, &(struct vslot){0}, 0, false); /* covered where nothing was written */
	if (n && relevant)
		if (!slot_number(now, n, &number) || !reg_covered(c, &old->reg, &number, true))
			return false;
	return bytes_covered(old, now, relevant ? n : 0, relevant);
}

static bool frame_covered(struct verifier *v, struct cover *c, const struct vframe *old, const struct vframe *now,
			  uint32_t pc)
{
	static const struct vslot nothing;
	struct vset live = {0xffff, UINT64_MAX}, relevant = live;

	if (old->func != now->func || old->callsite != now->callsite || old->how != now->how)
		return false;
	if (!c->strict) {
		live = vflow_live(v, pc);
		relevant = vflow_relevant(v, pc);
	}
	for (unsigned r = 0; r < INSN_FP; r++) {
		unsigned bit = 1u << r;

		if ((live.regs & bit) && !reg_covered(c, &old->reg[r], &now->reg[r], relevant.regs & bit))
			return false;
	}
	for (uint32_t k = 0; k < old->nslots; k++) {
		uint64_t bit = (uint64_t)1 << k;
		const struct vslot *s = k < now->nslots ? &now->slot[k] : &nothing;

		if ((live.slots & bit) && !slot_covered(c, &old->slot[k], s, relevant.slots & bit))
			return false;
	}
	return true;
}

bool vcover_state(struct verifier *v, const struct vstate *old, const struct vstate *now, bool strict)
{
	struct cover c = {.strict = strict};

	if (old->depth != now->depth || old->nrefs != now->nrefs || old->lock_map != now->lock_map)
		return false;
	if (!same_id(&c.ids, old->lock_id, now->lock_id))
		return false;
	for (uint32_t k = 0; k < old->nrefs; k++)
		if (!same_id(&c.ids, old->ref[k].id, now->ref[k].id))
			return false;
	for (uint32_t d = 0; d <= old->depth; d++) {
		uint32_t pc = d == old->depth ? v->pc : now->frame[d + 1]->callsite;

		if (!frame_covered(v, &c, old->frame[d], now->frame[d], pc))
			return false;
	}
	return true;
}

static bool same_slot(const struct vslot *a, const struct vslot *b)
{
	return memcmp(a->byte, b->byte, sizeof(a->byte)) == 0 &&
	       (a->byte[0] != BYTE_SPILL || memcmp(&a->reg.b, &b->reg.b, sizeof(a->reg.b)) == 0);
}

static void widen_frame(struct vframe *now, const struct vframe *old, uint64_t relevant)
{
	for (uint32_t k = 0; k < now->nslots && k < old->nslots; k++) {
		struct vslot *s = &now->slot[k];

		if ((relevant & ((uint64_t)1 << k)) || holds_pointer(s) || holds_pointer(&old->slot[k]) ||
		    same_slot(s, &old->slot[k]))
			continue;
		for (unsigned n = 0; n < 8; n++)
			if (s->byte[n] != BYTE_NONE)
				s->byte[n] = BYTE_MISC;
		s->reg = (struct vreg){0};
	}
}

void vcover_widen(struct verifier *v)
{
	uint32_t pc = v->next;
	struct vseen *s = v->seen[pc];

	while (s && !(s->branches && s->st.depth == v->st.depth && s->st.frame[s->st.depth]->loop == vtop(v)->loop))
		s = s->next;
	if (!s)
		return;
	vflow_solve(v);
	for (uint32_t d = 0; d <= v->st.depth; d++) {
		uint32_t at = d == v->st.depth ? pc : v->st.frame[d + 1]->callsite;

		widen_frame(v->st.frame[d], s->st.frame[d], vflow_relevant(v, at).slots);
	}
}
