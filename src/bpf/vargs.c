/*
 * Arguments of helpers, each against its kind in the prototype; locks are
 * taken and given back here, because that is what their argument means.
 */
#include <string.h>

#include "bpf/vflow.h"

static int mismatch(struct verifier *v, unsigned reg, const char *expected)
{
	return vfail(v, -EACCES, "R%u type=%s expected=%s\n", reg, vkind_name(&vregs(v)[reg]), expected);
}

static int arg_map(struct verifier *v, unsigned reg, struct vhelper *c)
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
static int arg_sized(struct verifier *v, unsigned reg, const struct vhelper *c, bool key, enum vaccess access)
{
	if (!c->map)
		return vfail(v, -EACCES, "invalid map_ptr to access map->%s\n", key ? "key" : "value");
	return vmem_helper(v, reg, key ? c->map->key_size : c->map->value_size, access, access == ACCESS_READ);
}

/* Memory in `reg`, its size in the next register. */
static int arg_mem(struct verifier *v, unsigned reg, struct vhelper *c, bool out)
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

static int arg_record(struct verifier *v, unsigned reg, struct vhelper *c)
{
	const struct vreg *r = &vregs(v)[reg];

	if (r->kind != V_RECORD || r->maybe_null)
		return mismatch(v, reg, "ringbuf_mem");
	if (r->off || !bounds_is_const(&r->b))
		return vfail(v, -EACCES, "R%u must have zero offset when passed to release func\n", reg);
	c->released = r->ref;
	return 0;
}

static int arg_const(struct verifier *v, unsigned reg, struct vhelper *c)
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

static int arg_pointer(struct verifier *v, unsigned reg, unsigned type, struct vhelper *c)
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
	case ARG_TASK:
		if (r->kind != V_TASK || r->off || !bounds_is_const(&r->b))
			return mismatch(v, reg, "trusted_ptr_, ptr_");
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

/* No memory: then its size is 0. */
static int arg_null(struct verifier *v, unsigned n, const struct vhelper *c)
{
	unsigned reg = 1 + n;
	bool sized =
	    n + 1 < PROTO_ARGS && (c->proto->arg[n + 1] == ARG_SIZE || c->proto->arg[n + 1] == ARG_SIZE_OR_ZERO);

	vflow_need_reg(v, reg);
	if (!sized)
		return 0;
	vflow_need_reg(v, reg + 1);
	return vreg_is_zero(&vregs(v)[reg + 1]) ? 0 : mismatch(v, reg, "fp, map_key, map_value, mem, ringbuf_mem");
}

static int check_arg(struct verifier *v, unsigned n, struct vhelper *c)
{
	unsigned reg = 1 + n, type = c->proto->arg[n];
	int err = vneed_init(v, reg);

	if (err < 0)
		return err;
	if ((type & ARG_OR_NULL) && vreg_is_zero(&vregs(v)[reg]))
		return arg_null(v, n, c);
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
		if ((c->proto->flags & PROTO_DYN_LOCAL) && vregs(v)[reg].kind != V_VALUE)
			return vfail(v, -EACCES, "Unsupported reg type %s for bpf_dynptr_from_mem data\n",
				     vkind_name(&vregs(v)[reg]));
		return arg_mem(v, reg, c, true);
	case ARG_DYNPTR:
	case ARG_DYNPTR_NEW:
	case ARG_DYNPTR_RING:
		return vdynptr_arg(v, reg, type, c);
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
	return type == ARG_MEM_OUT || type == ARG_VALUE_OUT || type == ARG_LONG_OUT || type == ARG_DYNPTR_NEW;
}

/* What is read first, then what is written: a helper reads before it writes. */
int vargs_check(struct verifier *v, struct vhelper *c)
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
