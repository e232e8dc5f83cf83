/*
 * The log: instructions, and what is known after each, in the words of the
 * kernel's verifier.
 */
#include "bpf/vstate.h"

#include <string.h>

const char *vkind_name(const struct vreg *r)
{
	switch (r->kind) {
	case V_SCALAR:
		return "scalar";
	case V_CTX:
		return "ctx";
	case V_STACK:
		return "fp";
	case V_MAP:
		return r->maybe_null ? "map_ptr_or_null" : "map_ptr";
	case V_VALUE:
		return r->maybe_null ? "map_value_or_null" : "map_value";
	case V_KEY:
		return "map_key";
	case V_RECORD:
		return r->maybe_null ? "ringbuf_mem_or_null" : "ringbuf_mem";
	case V_FUNC:
		return "func";
	case V_TASK:
		return "trusted_ptr_task_struct";
	case V_MEM:
		return r->maybe_null ? "mem_or_null" : "mem";
	case V_DYNPTR:
		return "dynptr_ptr";
	default:
		return "?";
	}
}

void vprint_break(struct verifier *v)
{
	if (v->in_line)
		log_printf(v->log, "\n");
	v->in_line = false;
}

struct items {
	struct log *log;
	const char *sep;
};

static void item(struct items *it, const char *name, long long value, bool hex)
{
	log_printf(it->log, hex ? "%s%s=0x%llx" : "%s%s=%lld", it->sep, name, value);
	it->sep = ",";
}

static void print_bounds(struct items *it, const struct bounds *b)
{
	if (b->smin != INT64_MIN)
		item(it, "smin", b->smin, false);
	if (b->smax != INT64_MAX)
		item(it, "smax", b->smax, false);
	if (b->umin != 0)
		item(it, "umin", (long long)b->umin, b->umin > 0xffff);
	if (b->umax != UINT64_MAX)
		item(it, "umax", (long long)b->umax, b->umax > 0xffff);
	if (b->smin32 != INT32_MIN && b->smin32 != b->smin)
		item(it, "smin32", b->smin32, false);
	if (b->smax32 != INT32_MAX && b->smax32 != b->smax)
		item(it, "smax32", b->smax32, false);
	if (b->umin32 != 0 && b->umin32 != b->umin)
		item(it, "umin32", b->umin32, b->umin32 > 0xffff);
	if (b->umax32 != UINT32_MAX && b->umax32 != b->umax)
		item(it, "umax32", b->umax32, b->umax32 > 0xffff);
	if (b->bits.mask != UINT64_MAX && b->bits.mask != 0) {
		log_printf(it->log, "%svar_off=(0x%llx; 0x%llx)", it->sep, (unsigned long long)b->bits.value,
			   (unsigned long long)b->bits.mask);
		it->sep = ",";
	}
}

static void print_pointer(struct items *it, const struct vreg *r)
{
	if (r->id)
		item(it, "id", r->id, false);
	if (r->ref)
		item(it, "ref_obj_id", r->ref, false);
	if (r->map) {
		log_printf(it->log, "%smap=%s,ks=%u,vs=%u", it->sep, r->map->name, r->map->key_size,
			   r->map->value_size);
		it->sep = ",";
	}
	if (r->kind == V_RECORD || r->kind == V_MEM)
		item(it, "sz", r->size, false);
	if (r->off)
		item(it, "off", r->off, false);
	if (!bounds_is_const(&r->b))
		print_bounds(it, &r->b);
}

void vprint_reg(struct verifier *v, const struct vreg *r)
{
	struct items it = {.log = v->log, .sep = ""};

	if (vreg_is_const(r)) {
		log_printf(v->log, r->b.umax > 0xffffff && (int64_t)r->b.umax > 0 ? "0x%llx" : "%lld",
			   (long long)r->b.umax);
		return;
	}
	if (r->kind == V_STACK && bounds_is_const(&r->b)) {
		if (r->frame != v->st.depth)
			log_printf(v->log, "fp[%u]%+d", r->frame, r->off);
		else if (r->off)
			log_printf(v->log, "fp%d", r->off);
		else
			log_printf(v->log, "fp0");
		return;
	}
	log_printf(v->log, "%s(", vkind_name(r));
	if (r->kind == V_SCALAR) {
		if (r->id)
			item(&it, "id", r->id, false);
		print_bounds(&it, &r->b);
	} else {
		print_pointer(&it, r);
	}
	log_printf(v->log, ")");
}

static void print_slot(struct verifier *v, uint32_t k, const struct vslot *s)
{
	static const char letter[] = {'?', 'm', '0', 'r', 'd'};
	char text[9] = {0};
	bool any = false;

	for (int n = 0; n < 8; n++) {
		text[7 - n] = letter[s->byte[n]];
		any |= s->byte[n] != BYTE_NONE;
	}
	if (!any)
		return;
	log_printf(v->log, " fp-%u=", (k + 1) * 8);
	if (s->byte[7] == BYTE_SPILL)
		vprint_reg(v, &s->reg);
	else
		log_printf(v->log, "%s", text);
}

void vprint_state(struct verifier *v)
{
	const struct vframe *f = vtop(v);

	if (v->st.depth)
		log_printf(v->log, " frame%u:", v->st.depth);
	for (unsigned r = 0; r < INSN_REGS; r++) {
		if (f->reg[r].kind == V_NONE)
			continue;
		log_printf(v->log, " R%u=", r);
		vprint_reg(v, &f->reg[r]);
	}
	for (uint32_t k = 0; k < f->nslots; k++)
		print_slot(v, k, &f->slot[k]);
	for (uint32_t k = 0; k < v->st.nrefs; k++)
		log_printf(v->log, "%s%u", k ? "," : " refs=", v->st.ref[k].id);
	log_printf(v->log, "\n");
}

void vprint_changes(struct verifier *v, const struct vreg *before)
{
	const struct vreg *now = vregs(v);
	const char *sep = " ;";

	v->in_line = false;

	for (unsigned r = 0; r < INSN_REGS; r++) {
		if (memcmp(&now[r], &before[r], sizeof(*now)) == 0 || now[r].kind == V_NONE)
			continue;
		log_printf(v->log, "%s R%u=", sep, r);
		vprint_reg(v, &now[r]);
		sep = "";
	}
	log_printf(v->log, "\n");
}
