/*
 * Memory: which bytes an access may touch, and what it then knows.
 *
 * A pointer is its kind, a known offset, and a set of further offsets. The
 * context and the stack want the whole offset known to be precise; everything
 * else is held against the two ends of the set. The content of the stack:
 * vstack.c.
 */
#include <string.h>

#include "bpf/vflow.h"

#define OFF_LIMIT (1 << 29) /* offsets beyond this are never in anything; sums of two still fit an int */

int vneed_init(struct verifier *v, unsigned reg)
{
	if (vregs(v)[reg].kind != V_NONE)
		return 0;
	return vfail(v, -EACCES, "R%u !read_ok\n", reg);
}

/* The interval [*lo, *hi) that an access of `size` bytes through `r` may touch. */
static int extent(struct verifier *v, unsigned reg, const struct vreg *r, int off, uint32_t size, int64_t *lo,
		  int64_t *hi)
{
	if (r->b.smin < -OFF_LIMIT)
		return vfail(v, -EACCES,
			     "R%u min value is negative, either use unsigned index or do a if (index >=0) check.\n",
			     reg);
	if (r->b.smax > OFF_LIMIT)
		return vfail(v, -EACCES, "R%u unbounded memory access, make sure to bounds check any such access\n",
			     reg);
	*lo = (int64_t)r->off + off + r->b.smin;
	*hi = (int64_t)r->off + off + r->b.smax + size;
	return 0;
}

static bool overlaps(int64_t lo, int64_t hi, int32_t field, uint32_t size)
{
	return field >= 0 && lo < (int64_t)field + size && hi > field;
}

static int check_value(struct verifier *v, const struct vreg *r, int64_t lo, int64_t hi, enum vaccess access)
{
	const struct map_info *map = r->map;

	if (overlaps(lo, hi, map->spin_lock_off, 4))
		return vfail(v, -EACCES, "bpf_spin_lock cannot be accessed directly by load/store\n");
	if (overlaps(lo, hi, map->timer_off, 16))
		return vfail(v, -EACCES, "bpf_timer cannot be accessed directly by load/store\n");
	if ((access & ACCESS_WRITE) && (map->flags & BPF_F_RDONLY_PROG))
		return vfail(v, -EACCES, "write into map forbidden, value_size=%u off=%lld size=%lld\n",
			     map->value_size, (long long)lo, (long long)(hi - lo));
	if ((access & ACCESS_READ) && (map->flags & BPF_F_WRONLY_PROG))
		return vfail(v, -EACCES, "read from map forbidden, value_size=%u off=%lld size=%lld\n", map->value_size,
			     (long long)lo, (long long)(hi - lo));
	return 0;
}

static uint32_t object_size(struct verifier *v, const struct vreg *r)
{
	switch (r->kind) {
	case V_VALUE:
		return r->map->value_size;
	case V_KEY:
		return r->map->key_size;
	case V_RECORD:
	case V_MEM:
		return r->size;
	case V_TASK:
		return TASK_BYTES;
	default: /* V_CTX */
		return v->opts->type->ctx_end;
	}
}

/* Anything but the stack. */
static int check_object(struct verifier *v, unsigned reg, const struct vreg *r, int64_t lo, int64_t hi,
			enum vaccess access)
{
	uint32_t size = object_size(v, r);

	if (r->kind == V_CTX && !bounds_is_const(&r->b))
		return vfail(v, -EACCES, "variable ctx access var_off=(0x%llx; 0x%llx) off=%d\n",
			     (unsigned long long)r->b.bits.value, (unsigned long long)r->b.bits.mask, r->off);
	if (lo < 0 || hi > size || (r->kind == V_CTX && lo < v->opts->type->ctx_start)) {
		if (r->kind == V_CTX)
			return vfail(v, -EACCES, "invalid bpf_context access off=%lld size=%lld\n", (long long)lo,
				     (long long)(hi - lo));
		vprint_break(v);
		log_printf(v->log, "invalid access to %s, %s=%u off=%lld size=%lld\n",
			   r->kind == V_VALUE ? "map value"
			   : r->kind == V_KEY ? "map key"
					      : "memory",
			   r->kind == V_VALUE ? "value_size"
			   : r->kind == V_KEY ? "key_size"
					      : "mem_size",
			   size, (long long)lo, (long long)(hi - lo - (r->b.smax - r->b.smin)));
		return vfail(v, -EACCES, "R%u %s value is outside of the allowed memory range\n", reg,
			     lo < 0 ? "min" : "max");
	}
	if (r->kind == V_VALUE)
		return check_value(v, r, lo, hi, access);
	if (r->kind == V_KEY && (access & ACCESS_WRITE))
		return vfail(v, -EACCES, "write to change key R%u off %lld disallowed\n", reg, (long long)lo);
	if (r->kind == V_TASK && (access & ACCESS_WRITE))
		return vfail(v, -EACCES, "only read is supported\n");
	if (r->kind == V_CTX && (access & ACCESS_WRITE) && !(v->opts->type->flags & TYPE_CTX_WRITE))
		return vfail(v, -EACCES, "invalid bpf_context access off=%lld size=%lld\n", (long long)lo,
			     (long long)(hi - lo));
	return 0;
}

static bool is_memory(const struct vreg *r)
{
	switch (r->kind) {
	case V_CTX:
	case V_STACK:
	case V_VALUE:
	case V_KEY:
	case V_RECORD:
	case V_MEM:
	case V_TASK:
		return !r->maybe_null;
	default:
		return false;
	}
}

/* --- loads and stores --- */

static int bad_pointer(struct verifier *v, unsigned reg)
{
	return vfail(v, -EACCES, "R%u invalid mem access '%s'\n", reg, vkind_name(&vregs(v)[reg]));
}

/* A constant of a read-only map that nobody changes any more. */
static bool rodata_value(const struct vreg *r, int64_t lo, unsigned size, struct vreg *out)
{
	uint64_t value = 0;

	if (r->kind != V_VALUE || !r->map->rodata || !bounds_is_const(&r->b))
		return false;
	memcpy(&value, (const char *)r->map->rodata + lo, size);
	*out = vreg_scalar(bounds_const(value));
	return true;
}

/* A task's pointer to another one, which is never null. */
static bool task_pointer(const struct vreg *r, int64_t lo, unsigned size)
{
	return r->kind == V_TASK && bounds_is_const(&r->b) && size == 8 && lo % 8 == 0 && lo >= TASK_POINTERS &&
	       lo < TASK_POINTERS_END;
}

static int alignment(struct verifier *v, const struct vreg *r, int off, unsigned size, bool strict)
{
	struct tnum at = tnum_add(r->b.bits, tnum_const((uint64_t)((int64_t)r->off + off)));

	if (!strict || tnum_is_aligned(at, size))
		return 0;
	return vfail(v, -EACCES, "misaligned access off (0x%llx; 0x%llx)+%d+%d size %u\n",
		     (unsigned long long)r->b.bits.value, (unsigned long long)r->b.bits.mask, r->off, off, size);
}

static int load(struct verifier *v, unsigned reg, int off, unsigned size, struct vreg *out)
{
	struct vreg r = vregs(v)[reg];
	int64_t lo, hi;
	int err = vneed_init(v, reg);

	if (err == 0 && !is_memory(&r))
		err = bad_pointer(v, reg);
	if (err == 0)
		err = extent(v, reg, &r, off, size, &lo, &hi);
	if (err < 0)
		return err;
	if (r.kind == V_STACK)
		return vstack_load(v, reg, &r, lo, hi, size, out);
	err = check_object(v, reg, &r, lo, hi, ACCESS_READ);
	if (err == 0)
		err = alignment(v, &r, off, size, r.kind == V_CTX);
	if (err < 0)
		return err;
	if (task_pointer(&r, lo, size)) {
		*out = vreg_pointer(V_TASK);
		return 0;
	}
	if (!rodata_value(&r, lo, size, out))
		*out = vreg_scalar(bounds_range(0, size == 8 ? UINT64_MAX : ((uint64_t)1 << (size * 8)) - 1));
	return 0;
}

int vmem_load(struct verifier *v, unsigned reg, int off, unsigned size, bool sign, unsigned dst)
{
	struct vreg out;
	int err = load(v, reg, off, size, &out);

	if (err < 0)
		return err;
	if (sign)
		out = vreg_scalar(out.kind == V_SCALAR ? bounds_sext(&out.b, size * 8)
						       : bounds_signed(-((int64_t)1 << (size * 8 - 1)),
								       ((int64_t)1 << (size * 8 - 1)) - 1));
	vregs(v)[dst] = out;
	return 0;
}

/* The number that is stored and its copy on the stack share an id from now on. */
static void share_spilled(struct verifier *v, int value_reg, struct vreg *value)
{
	if (value_reg < 0 || value->kind != V_SCALAR || value->id || bounds_is_const(&value->b))
		return;
	value->id = vregs(v)[value_reg].id = ++v->ids;
}

int vmem_store(struct verifier *v, unsigned reg, int off, unsigned size, const struct vreg *stored, int value_reg)
{
	struct vreg value = *stored;
	struct vreg r = vregs(v)[reg];
	int64_t lo, hi;
	int err = vneed_init(v, reg);

	if (err == 0 && value_reg >= 0)
		err = vneed_init(v, (unsigned)value_reg);
	if (err == 0 && !is_memory(&r))
		err = bad_pointer(v, reg);
	if (err == 0)
		err = extent(v, reg, &r, off, size, &lo, &hi);
	if (err < 0)
		return err;
	if (r.kind == V_STACK) {
		share_spilled(v, value_reg, &value);
		return vstack_store(v, reg, &r, lo, hi, size, &value);
	}
	err = check_object(v, reg, &r, lo, hi, ACCESS_WRITE);
	return err == 0 ? alignment(v, &r, off, size, r.kind == V_CTX) : err;
}

int vmem_atomic(struct verifier *v, const struct bpf_insn *i)
{
	unsigned size = insn_size(i);
	struct vreg *reg = vregs(v), old, unknown;
	int err = vneed_init(v, i->src_reg);

	if (err == 0 && i->imm == BPF_CMPXCHG)
		err = vneed_init(v, 0);
	if (err == 0)
		err = vneed_init(v, i->dst_reg);
	if (err == 0 && reg[i->src_reg].kind != V_SCALAR)
		err = vfail(v, -EACCES, "R%u leaks addr into mem\n", i->src_reg);
	if (err == 0 && reg[i->dst_reg].kind == V_CTX)
		err = vfail(v, -EACCES, "BPF_ATOMIC stores into R%u ctx is not allowed\n", i->dst_reg);
	if (err == 0)
		err = load(v, i->dst_reg, i->off, size, &old);
	if (err == 0 && old.kind != V_SCALAR)
		err = vfail(v, -EACCES, "R%u atomic operation on a spilled pointer\n", i->dst_reg);
	if (err == 0)
		err = alignment(v, &reg[i->dst_reg], i->off, size, true);
	unknown = vreg_scalar(bounds_range(0, size == 4 ? UINT32_MAX : UINT64_MAX));
	if (err == 0)
		err = vmem_store(v, i->dst_reg, i->off, size, &unknown, -1);
	if (err == 0 && (i->imm & BPF_FETCH))
		vregs(v)[i->imm == BPF_CMPXCHG ? 0 : i->src_reg] = unknown;
	return err;
}

/* --- helpers --- */

int vmem_helper(struct verifier *v, unsigned reg, uint32_t size, enum vaccess access, bool must_be_init)
{
	struct vreg r = vregs(v)[reg];
	int64_t lo, hi;
	int err;

	if (!is_memory(&r))
		return vfail(v, -EACCES, "R%u type=%s expected=fp, map_key, map_value, mem, ringbuf_mem\n", reg,
			     vkind_name(&r));
	err = extent(v, reg, &r, 0, size, &lo, &hi);
	if (err < 0 || size == 0)
		return err;
	if (r.kind == V_STACK)
		return vstack_helper(v, reg, &r, lo, hi, access, must_be_init);
	return check_object(v, reg, &r, lo, hi, access);
}
