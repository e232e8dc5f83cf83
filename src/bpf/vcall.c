/*
 * Calls: of helpers, of functions of the program, and of functions of the
 * program by helpers; and returns.
 *
 * A helper that calls back is walked as a loop at its call: from the call one
 * way leads on, behind it, the other into the callback, whose return leads
 * back to the call with the callers' stacks as it left them. The loop is at
 * its end when a turn brings nothing that an earlier turn of the same call did
 * not cover (vprune.c).
 */
#include <string.h>

#include "bpf/vflow.h"

/* The compiler may open-code a call that always gets the same map. */
static void note_map(struct verifier *v, const struct map_info *map)
{
	const struct prog *p = v->prog;
	uint8_t *noted = &p->call_map[v->pc], now = CALL_MAP_MIXED;

	for (uint32_t k = 0; k < p->nmaps; k++)
		if (p->maps[k] == map)
			now = (uint8_t)(k + 1);
	*noted = *noted == 0 || *noted == now ? now : CALL_MAP_MIXED;
}

/* --- results --- */

static void forget_caller_saved(struct verifier *v)
{
	memset(vregs(v), 0, 6 * sizeof(struct vreg));
}

struct release {
	uint32_t ref;
};

static void forget_released(struct vreg *r, void *arg)
{
	const struct release *rel = arg;

	if (r->ref == rel->ref)
		*r = vreg_scalar(bounds_unknown());
}

static int release(struct verifier *v, uint32_t ref)
{
	struct release rel = {ref};

	for (uint32_t k = 0; k < v->st.nrefs; k++) {
		if (v->st.ref[k].id != ref)
			continue;
		v->st.ref[k] = v->st.ref[--v->st.nrefs];
		vstate_each(&v->st, forget_released, &rel);
		return 0;
	}
	return vfail(v, -EINVAL, "release of a reference that is not held\n");
}

static int acquire(struct verifier *v, uint32_t id)
{
	if (v->st.nrefs == VREFS)
		return vfail(v, -EINVAL, "too many references at once\n");
	v->st.ref[v->st.nrefs++] = (struct vref){id, v->pc};
	return 0;
}

/* A dynptr that the helper made, or gave up. */
static int dynptrs(struct verifier *v, const struct vhelper *c)
{
	uint32_t id;
	int err = 0;

	if (c->given_up.kind != V_NONE)
		vdynptr_give_up(v, c);
	if (c->made.kind == V_NONE)
		return 0;
	id = ++v->ids;
	if (c->proto->flags & PROTO_DYN_RING)
		err = acquire(v, id);
	if (err == 0)
		vdynptr_make(v, c, id, c->proto->flags & PROTO_DYN_RING ? id : 0);
	return err;
}

static int result(struct verifier *v, const struct vhelper *c)
{
	struct vreg *r0 = &vregs(v)[0];

	switch (c->proto->ret) {
	case RET_VOID:
		return 0;
	case RET_VALUE_OR_NULL:
		*r0 = vreg_pointer(c->map->inner ? V_MAP : V_VALUE);
		r0->map = c->map->inner ? c->map->inner : c->map;
		r0->maybe_null = 1;
		r0->id = ++v->ids;
		return 0;
	case RET_TASK:
		*r0 = vreg_pointer(V_TASK);
		return 0;
	case RET_RECORD_OR_NULL:
		*r0 = vreg_pointer(V_RECORD);
		r0->size = c->const_size;
		r0->maybe_null = 1;
		r0->id = r0->ref = ++v->ids;
		return acquire(v, r0->id);
	case RET_MEM_OR_NULL:
		*r0 = vreg_pointer(V_MEM);
		r0->size = c->const_size;
		r0->maybe_null = 1;
		r0->id = ++v->ids;
		r0->dyn = c->dyn;
		return 0;
	default:
		*r0 = vreg_scalar(bounds_unknown());
		if (c->proto->flags & PROTO_RANGE)
			r0->b = bounds_signed(-4095, (int64_t)c->max_size);
		return 0;
	}
}

/* --- functions of the program --- */

static int enter(struct verifier *v, struct vstate *st, uint32_t start, enum vcall how)
{
	struct vframe *f;

	if (st->depth + 1 == INSN_FRAMES)
		return vfail(v, -E2BIG, "the call stack of %u frames is too deep\n", st->depth + 2);
	f = vframe_new(prog_func_of(v->prog, start), v->pc, how);
	if (!f)
		return -ENOMEM;
	st->frame[++st->depth] = f;
	f->turn = ++v->turns;
	f->reg[INSN_FP] = vreg_pointer(V_STACK);
	f->reg[INSN_FP].frame = (uint8_t)st->depth;
	return 0;
}

int vcall_local(struct verifier *v, const struct bpf_insn *i)
{
	uint32_t start = (uint32_t)insn_target(i, v->pc);
	struct vframe *caller = vtop(v);
	int err;

	if (v->st.lock_map)
		return vfail(v, -EINVAL, "function calls are not allowed while holding a lock\n");
	err = enter(v, &v->st, start, CALL_PLAIN);
	if (err < 0)
		return err;
	memcpy(&vregs(v)[1], &caller->reg[1], 5 * sizeof(struct vreg));
	memset(caller->reg, 0, 6 * sizeof(struct vreg));
	v->next = start;
	if (v->level & 3) {
		vprint_break(v);
		log_printf(v->log, "caller of func#%u;", vtop(v)->func);
		vprint_state(v);
	}
	return 0;
}

/* What a callback gets, by the helper that calls it. */
static void callback_args(struct verifier *v, struct vframe *f, const struct vhelper *c, const struct vreg *caller)
{
	struct vreg key = vreg_pointer(V_KEY), value = vreg_pointer(V_VALUE);

	key.map = value.map = c->map;
	if (c->map && c->map->spin_lock_off >= 0)
		value.id = ++v->ids;
	if (c->proto->flags & PROTO_LOOP) {
		f->reg[1] = vreg_scalar(bounds_range(0, UINT32_MAX));
		f->reg[2] = caller[3];
		return;
	}
	if (c->proto->flags & PROTO_DRAIN) {
		f->reg[1] = vreg_pointer(V_DYNPTR);
		f->reg[2] = caller[3];
		return;
	}
	f->reg[1] = vreg_pointer(V_MAP);
	f->reg[1].map = c->map;
	f->reg[2] = key;
	f->reg[3] = value;
	if (c->proto->flags & PROTO_EACH)
		f->reg[4] = caller[3];
}

/* Queues the way into the callback. */
static int push_callback(struct verifier *v, const struct vhelper *c)
{
	struct vreg caller[6];
	struct vstate st;
	int err;

	memcpy(caller, vregs(v), sizeof(caller));
	if (!vtop(v)->loop || !v->st.again)
		vtop(v)->loop = ++v->loops;
	err = vstate_copy(&st, &v->st);
	st.again = 0;
	if (err == 0)
		err = enter(v, &st, c->func, CALL_LOOP);
	if (err == 0) {
		callback_args(v, st.frame[st.depth], c, caller);
		err = vpush_state(v, &st, c->func);
	}
	if (err < 0)
		vstate_free(&st);
	vtop(v)->loop = 0;
	return err;
}

/* A timer's function runs by itself, with nothing of this program's frames. */
static int push_timer(struct verifier *v, const struct vhelper *c)
{
	struct vstate st = {0};
	struct vhelper timer = *c;
	int err;

	timer.map = vregs(v)[1].map;
	st.frame[0] = vframe_new(prog_func_of(v->prog, c->func), 0, CALL_ASYNC);
	if (!st.frame[0])
		return -ENOMEM;
	st.frame[0]->reg[INSN_FP] = vreg_pointer(V_STACK);
	callback_args(v, st.frame[0], &timer, NULL);
	err = vpush_state(v, &st, c->func);
	if (err < 0)
		vstate_free(&st);
	return err;
}

/* A tail call out of a function: its caller goes on with whatever the other program returns. */
static int push_tail_return(struct verifier *v)
{
	struct vstate st;
	uint32_t callsite;
	int err;

	if (v->st.depth == 0)
		return 0;
	if (vtop(v)->how != CALL_PLAIN)
		return vfail(v, -EINVAL, "tail_call is not allowed in a callback\n");
	callsite = vtop(v)->callsite;
	err = vstate_copy(&st, &v->st);
	if (err < 0)
		return err;
	vframe_free(st.frame[st.depth]);
	st.frame[st.depth--] = NULL;
	st.frame[st.depth]->reg[0] = vreg_scalar(bounds_unknown());
	err = vpush_state(v, &st, callsite + 1);
	if (err < 0)
		vstate_free(&st);
	return err;
}

/* What libbpf puts in place of an access to a type of the kernel's that our BTF has not, and looks for in the log. */
#define BAD_RELOCATION 0xbad2310

int vcall_helper(struct verifier *v, const struct bpf_insn *i)
{
	struct vhelper c = {.helper = (uint32_t)i->imm, .proto = proto_of((uint32_t)i->imm)};
	uint32_t flags = c.proto ? c.proto->flags : 0;
	int err = 0;

	/* Both texts are the kernel's: probes look for them. */
	if (!c.proto && proto_name(c.helper))
		return vfail(v, -EOPNOTSUPP, "unknown func bpf_%s#%d: not served here\n", proto_name(c.helper), i->imm);
	if (!c.proto)
		return vfail(v, i->imm == BAD_RELOCATION ? -EOPNOTSUPP : -EINVAL, "invalid func unknown#%d\n", i->imm);
	if (v->st.lock_map && !(flags & (PROTO_LOCK | PROTO_UNLOCK)))
		return vfail(v, -EINVAL, "function calls are not allowed while holding a lock\n");
	if (err == 0)
		err = vargs_check(v, &c);
	if (err == 0 && (flags & PROTO_TAIL_CALL) && v->st.nrefs)
		err = vfail(v, -EINVAL, "tail_call would lead to reference leak\n");
	if (err == 0 && (flags & PROTO_TAIL_CALL))
		err = push_tail_return(v);
	if (err == 0 && (flags & (PROTO_LOOP | PROTO_EACH | PROTO_DRAIN)))
		err = push_callback(v, &c);
	if (err == 0 && (flags & PROTO_TIMER))
		err = push_timer(v, &c);
	if (err == 0 && c.released)
		err = release(v, c.released);
	if (err < 0)
		return err;
	if (c.map)
		note_map(v, c.map);
	forget_caller_saved(v);
	err = dynptrs(v, &c);
	if (err < 0)
		return err;
	v->st.again = 0;
	return result(v, &c);
}

/* --- returns --- */

static int check_range(struct verifier *v, const struct vreg *r0, int32_t min, int32_t max, const char *where)
{
	if (r0->kind != V_SCALAR)
		return vfail(v, -EINVAL, "%s the register R0 is not a known value (%s)\n", where, vkind_name(r0));
	vflow_need_reg(v, 0);
	if (r0->b.smin >= min && r0->b.smax <= max)
		return 0;
	vprint_break(v);
	log_printf(v->log, "%s the register R0 has value ", where);
	vprint_reg(v, r0);
	return vfail(v, -EINVAL, " should have been in [%d, %d]\n", min, max);
}

static int exit_program(struct verifier *v)
{
	const struct prog_type *type = v->opts->type;
	int err = vneed_init(v, 0);

	if (err < 0)
		return err;
	if (v->st.lock_map)
		return vfail(v, -EINVAL, "bpf_spin_unlock is missing\n");
	if (v->st.nrefs)
		return vfail(v, -EINVAL, "Unreleased reference id=%u alloc_insn=%u\n", v->st.ref[0].id,
			     v->st.ref[0].pc);
	if (vtop(v)->how == CALL_ASYNC)
		err = check_range(v, &vregs(v)[0], 0, 0, "At async callback");
	else if (type->flags & TYPE_RETURNS)
		err = check_range(v, &vregs(v)[0], type->ret_min, type->ret_max, "At program exit");
	return err < 0 ? err : 1;
}

/* Back to the call that the helper makes again. */
static int exit_callback(struct verifier *v)
{
	uint32_t held = v->st.nrefs;
	int err = vneed_init(v, 0);

	if (err == 0)
		err = check_range(v, &vregs(v)[0], 0, 1, "At callback return");
	if (err < 0)
		return err;
	for (uint32_t k = 0; k < held; k++)
		if (v->st.ref[k].pc >= v->prog->funcs[vtop(v)->func].start &&
		    v->st.ref[k].pc < v->prog->funcs[vtop(v)->func].end)
			return vfail(v, -EINVAL, "Unreleased reference id=%u alloc_insn=%u\n", v->st.ref[k].id,
				     v->st.ref[k].pc);
	if (v->st.lock_map)
		return vfail(v, -EINVAL, "bpf_spin_unlock is missing\n");
	v->next = vtop(v)->callsite;
	vframe_free(vtop(v));
	v->st.frame[v->st.depth--] = NULL;
	v->st.again = 1;
	vcover_widen(v);
	return 0;
}

int vcall_exit(struct verifier *v)
{
	struct vreg r0 = vregs(v)[0];

	if (v->st.depth == 0)
		return exit_program(v);
	if (vtop(v)->how == CALL_LOOP)
		return exit_callback(v);
	if (r0.kind == V_STACK && r0.frame == v->st.depth)
		return vfail(v, -EINVAL, "cannot return stack pointer to the caller\n");
	v->next = vtop(v)->callsite + 1;
	vframe_free(vtop(v));
	v->st.frame[v->st.depth--] = NULL;
	vregs(v)[0] = r0;
	if (v->level & 3) {
		vprint_break(v);
		log_printf(v->log, "returning from callee;");
		vprint_state(v);
	}
	return 0;
}
