/* States: copies, frames, slots. */
#include "bpf/vstate.h"

#include <stdlib.h>
#include <string.h>

struct vframe *vframe_new(uint32_t func, uint32_t callsite, enum vcall how)
{
	struct vframe *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->func = func;
	f->callsite = callsite;
	f->how = how;
	return f;
}

void vframe_free(struct vframe *f)
{
	if (f)
		free(f->slot);
	free(f);
}

int vframe_grow(struct vframe *f, uint32_t k)
{
	struct vslot *slot;

	if (k < f->nslots)
		return 0;
	slot = realloc(f->slot, (k + 1) * sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	memset(slot + f->nslots, 0, (k + 1 - f->nslots) * sizeof(*slot));
	f->slot = slot;
	f->nslots = k + 1;
	return 0;
}

static struct vframe *vframe_copy(const struct vframe *from)
{
	struct vframe *f = malloc(sizeof(*f));

	if (!f)
		return NULL;
	*f = *from;
	f->slot = NULL;
	if (!from->nslots)
		return f;
	f->slot = malloc(from->nslots * sizeof(*f->slot));
	if (!f->slot) {
		free(f);
		return NULL;
	}
	memcpy(f->slot, from->slot, from->nslots * sizeof(*f->slot));
	return f;
}

int vstate_copy(struct vstate *to, const struct vstate *from)
{
	*to = *from;
	memset(to->frame, 0, sizeof(to->frame));
	for (uint32_t k = 0; k <= from->depth; k++) {
		to->frame[k] = vframe_copy(from->frame[k]);
		if (!to->frame[k]) {
			vstate_free(to);
			return -ENOMEM;
		}
	}
	return 0;
}

void vstate_free(struct vstate *st)
{
	for (uint32_t k = 0; k < INSN_FRAMES; k++)
		vframe_free(st->frame[k]);
	memset(st, 0, sizeof(*st));
}

void vstate_each(struct vstate *st, void (*fn)(struct vreg *r, void *arg), void *arg)
{
	for (uint32_t d = 0; d <= st->depth; d++) {
		struct vframe *f = st->frame[d];

		for (unsigned r = 0; r < INSN_REGS; r++)
			fn(&f->reg[r], arg);
		for (uint32_t k = 0; k < f->nslots; k++)
			if (f->slot[k].byte[0] == BYTE_SPILL)
				fn(&f->slot[k].reg, arg);
	}
}
