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

/* What is collected while the arguments of one helper call are checked. */
struct call {
	const struct proto *proto;
	uint32_t helper;
	const struct map_info *map;
	uint32_t const_size; /* ARG_CONST_SIZE */
	uint64_t max_size;   /* of an ARG_MEM_OUT */
	uint32_t func;	     /* ARG_CALLBACK: its first slot */
	uint32_t released;   /* reference */
};

/* --- arguments --- */

static int mismatch(struct verifier *v, unsigned reg, const char *expected)
{
	return vfail(v, -EACCES, "R%u type=%s expected=%s\n", reg, vkind_name(&vregs(v)[reg]), expected);
}

static int arg_map(struct verifier *v, unsigned reg, struct call *c)
{
	const struct vreg *r = &vregs(v)[reg];
	uint64_t served = c->proto->maps;

	if (r->kind != V_MAP || r->maybe_null)
		return mismatch(v, reg, "map_ptr");
	if (served && (r->map->type >= 64 || !(served & MAPS_OF(r->map->type))))
		return vfail(v, -EINVAL, "cannot pass map_type %u into func bpf_%s#%u\n", r->map->type,
			     proto_name(c->helper), c->helper);
	c->map = r->map;
	return 0;
}

/* Memory as large as the map's keys or values. */
static int arg_sized(struct verifier *v, unsigned reg, const struct call *c, bool key, enum vaccess access)
{
	if (!c->map)
		return vfail(v, -EACCES, "invalid map_ptr to access map->%s\n", key ? "key" : "value");
	return vmem_helper(v, reg, key ? c->map->key_size : c->map->value_size, access, access == ACCESS_READ);
}

/* Memory in `reg`, its size in the next register. */
static int arg_mem(struct verifier *v, unsigned reg, struct call *c, bool out)
{
	const struct vreg *size = &vregs(v)[reg + 1];
	bool zero_ok = c->proto->arg[reg] == ARG_SIZE_OR_ZERO;

	if (size->kind != V_SCALAR)
		return size->kind == V_NONE ? vneed_init(v, reg + 1) : mismatch(v, reg + 1, "scalar");
	vflow_need_reg(v, reg + 1);
	if (size->b.smin < 0)
		return vfail(v, -EACCES, "R%u min value is negative, either use unsigned or 'var &= const'\n", reg + 1);
	if (size->b.umin == 0 && !zero_ok)
		return vfail(v, -EACCES, "R%u invalid zero-sized read: u64=[%llu,%llu]\n", reg + 1,
			     (unsigned long long)size->b.umin, (unsigned long long)size->b.umax);
	if (size->b.umax >= 1 << 29)
		return vfail(v, -EACCES, "R%u unbounded memory access, use 'var &= const' or 'if (var < const)'\n",
			     reg + 1);
	if (out)
		c->max_size = size->b.umax;
	/* Of a size that is not known, nobody can tell what will have been written. */
	return vmem_helper(v, reg, (uint32_t)size->b.umax, out ? ACCESS_WRITE : ACCESS_READ,
			   !out || !bounds_is_const(&size->b));
}

static int arg_string(struct verifier *v, unsigned reg)
{
	const struct vreg *r = &vregs(v)[reg];
	const char *text;

	if (r->kind != V_VALUE || r->maybe_null)
		return mismatch(v, reg, "map_value");
	if (!r->map->rodata)
		return vfail(v, -EACCES, "R%u does not point to a readonly map'\n", reg);
	if (!bounds_is_const(&r->b) || r->off < 0 || (uint32_t)r->off >= r->map->value_size)
		return vfail(v, -EACCES, "R%u is not a constant address'\n", reg);
	text = (const char *)r->map->rodata + r->off;
	if (!memchr(text, 0, r->map->value_size - (uint32_t)r->off))
		return vfail(v, -EINVAL, "string is not zero-terminated\n");
	return 0;
}

/* The field of a map's value that only its helpers touch. */
static int arg_field(struct verifier *v, unsigned reg, bool timer)
{
	const struct vreg *r = &vregs(v)[reg];
	const char *name = timer ? "bpf_timer" : "bpf_spin_lock";
	int32_t at;

	if (r->kind != V_VALUE || r->maybe_null)
		return mismatch(v, reg, "map_value");
	at = timer ? r->map->timer_off : r->map->spin_lock_off;
	if (!bounds_is_const(&r->b))
		return vfail(v, -EINVAL, "R%u doesn't have constant offset. %s has to be at the constant offset\n", reg,
			     name);
	if (at < 0)
		return vfail(v, -EINVAL, "map '%s' has no valid %s\n", r->map->name, name);
	if (r->off != at)
		return vfail(v, -EINVAL, "off %d doesn't point to 'struct %s' that is at %d\n", r->off, name, at);
	return 0;
}

static int lock(struct verifier *v, unsigned reg, bool take)
{
	const struct vreg *r = &vregs(v)[reg];
	int err = arg_field(v, reg, false);

	if (err < 0)
		return err;
	if (take) {
		if (v->st.lock_map)
			return vfail(v, -EINVAL, "Locking two bpf_spin_locks are not allowed\n");
		v->st.lock_map = r->map;
		v->st.lock_id = r->id;
		return 0;
	}
	if (!v->st.lock_map)
		return vfail(v, -EINVAL, "bpf_spin_unlock without taking a lock\n");
	if (v->st.lock_map != r->map || v->st.lock_id != r->id)
		return vfail(v, -EINVAL, "bpf_spin_unlock of different lock\n");
	v->st.lock_map = NULL;
	v->st.lock_id = 0;
	return 0;
}

static int arg_record(struct verifier *v, unsigned reg, struct call *c)
{
	const struct vreg *r = &vregs(v)[reg];

	if (r->kind != V_RECORD || r->maybe_null)
		return mismatch(v, reg, "ringbuf_mem");
	if (r->off || !bounds_is_const(&r->b))
		return vfail(v, -EACCES, "R%u must have zero offset when passed to release func\n", reg);
	c->released = r->ref;
	return 0;
}

static int arg_const(struct verifier *v, unsigned reg, struct call *c)
{
	const struct vreg *r = &vregs(v)[reg];

	if (!vreg_is_const(r))
		return vfail(v, -EACCES, "R%u is not a known constant'\n", reg);
	vflow_need_reg(v, reg);
	if (r->b.umax >= 1u << 29)
		return vfail(v, -EINVAL, "R%u invalid size %llu\n", reg, (unsigned long long)r->b.umax);
	c->const_size = (uint32_t)r->b.umax;
	return 0;
}

static int arg_pointer(struct verifier *v, unsigned reg, unsigned type, struct call *c)
{
	const struct vreg *r = &vregs(v)[reg];

	switch (type) {
	case ARG_CTX:
		if (r->kind != V_CTX)
			return mismatch(v, reg, "ctx");
		if (r->off || !bounds_is_const(&r->b))
			return vfail(v, -EACCES, "dereference of modified ctx ptr R%u off=%d disallowed\n", reg,
				     r->off);
		return 0;
	case ARG_CALLBACK:
		if (r->kind != V_FUNC)
			return mismatch(v, reg, "func");
		c->func = r->size;
		return 0;
	case ARG_STACK_OR_NULL:
		if (vreg_is_zero(r)) {
			vflow_need_reg(v, reg);
			return 0;
		}
		return r->kind == V_STACK ? 0 : mismatch(v, reg, "fp");
	default: /* ARG_ZERO */
		if (!vreg_is_zero(r))
			return mismatch(v, reg, "zero");
		vflow_need_reg(v, reg);
		return 0;
	}
}

static int check_arg(struct verifier *v, unsigned n, struct call *c)
{
	unsigned reg = 1 + n, type = c->proto->arg[n];
	int err = vneed_init(v, reg);

	if (err < 0)
		return err;
	if ((type & ARG_OR_NULL) && vreg_is_zero(&vregs(v)[reg])) {
		vflow_need_reg(v, reg);
		return 0;
	}
	switch (type & ~(unsigned)ARG_OR_NULL) {
	case ARG_ANY:
		return 0;
	case ARG_MAP:
		return arg_map(v, reg, c);
	case ARG_KEY:
		return arg_sized(v, reg, c, true, ACCESS_READ);
	case ARG_VALUE:
		return arg_sized(v, reg, c, false, ACCESS_READ);
	case ARG_VALUE_OUT:
		/* A Bloom filter is asked whether it holds this value. */
		if (c->map && c->map->type == BPF_MAP_TYPE_BLOOM_FILTER)
			return arg_sized(v, reg, c, false, ACCESS_READ);
		return arg_sized(v, reg, c, false, ACCESS_WRITE);
	case ARG_MEM:
		return arg_mem(v, reg, c, false);
	case ARG_MEM_OUT:
		return arg_mem(v, reg, c, true);
	case ARG_SIZE:
	case ARG_SIZE_OR_ZERO: /* with the argument before, where that was not 0 */
		return vregs(v)[reg].kind == V_SCALAR ? 0 : mismatch(v, reg, "scalar");
	case ARG_CONST_SIZE:
		return arg_const(v, reg, c);
	case ARG_LONG_OUT:
		return vmem_helper(v, reg, 8, ACCESS_WRITE, false);
	case ARG_STR:
		return arg_string(v, reg);
	case ARG_LOCK:
		return lock(v, reg, c->proto->flags & PROTO_LOCK);
	case ARG_TIMER:
		return arg_field(v, reg, true);
	case ARG_RECORD:
		return arg_record(v, reg, c);
	default:
		return arg_pointer(v, reg, type, c);
	}
}

static bool is_out(unsigned type)
{
	type &= ~(unsigned)ARG_OR_NULL;
	return type == ARG_MEM_OUT || type == ARG_VALUE_OUT || type == ARG_LONG_OUT;
}

/* What is read first, then what is written: a helper reads before it writes. */
static int check_args(struct verifier *v, struct call *c)
{
	int err = 0;

	for (unsigned n = 0; err == 0 && n < PROTO_ARGS && c->proto->arg[n]; n++)
		if (!is_out(c->proto->arg[n]))
			err = check_arg(v, n, c);
	for (unsigned n = 0; err == 0 && n < PROTO_ARGS && c->proto->arg[n]; n++)
		if (is_out(c->proto->arg[n]))
			err = check_arg(v, n, c);
	return err;
}

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

static int acquire(struct verifier *v, struct vreg *r)
{
	if (v->st.nrefs == VREFS)
		return vfail(v, -EINVAL, "too many references at once\n");
	r->ref = r->id;
	v->st.ref[v->st.nrefs++] = (struct vref){r->id, v->pc};
	return 0;
}

static int result(struct verifier *v, const struct call *c)
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
	case RET_RECORD_OR_NULL:
		*r0 = vreg_pointer(V_RECORD);
		r0->size = c->const_size;
		r0->maybe_null = 1;
		r0->id = ++v->ids;
		return acquire(v, r0);
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
static void callback_args(struct verifier *v, struct vframe *f, const struct call *c, const struct vreg *caller)
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
	f->reg[1] = vreg_pointer(V_MAP);
	f->reg[1].map = c->map;
	f->reg[2] = key;
	f->reg[3] = value;
	if (c->proto->flags & PROTO_EACH)
		f->reg[4] = caller[3];
}

/* Queues the way into the callback. */
static int push_callback(struct verifier *v, const struct call *c)
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
static int push_timer(struct verifier *v, const struct call *c)
{
	struct vstate st = {0};
	struct call timer = *c;
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

int vcall_helper(struct verifier *v, const struct bpf_insn *i)
{
	struct call c = {.helper = (uint32_t)i->imm, .proto = proto_of((uint32_t)i->imm)};
	uint32_t flags = c.proto ? c.proto->flags : 0;
	int err = 0;

	if (!c.proto)
		return vfail(v, -EINVAL, "%s %s#%d\n", proto_name(c.helper) ? "unknown func" : "invalid func",
			     proto_name(c.helper) ? proto_name(c.helper) : "unknown", i->imm);
	if (v->st.lock_map && !(flags & (PROTO_LOCK | PROTO_UNLOCK)))
		return vfail(v, -EINVAL, "function calls are not allowed while holding a lock\n");
	if (err == 0)
		err = check_args(v, &c);
	if (err == 0 && (flags & PROTO_TAIL_CALL) && v->st.nrefs)
		err = vfail(v, -EINVAL, "tail_call would lead to reference leak\n");
	if (err == 0 && (flags & (PROTO_LOOP | PROTO_EACH)))
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
	vprune_widen(v);
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
