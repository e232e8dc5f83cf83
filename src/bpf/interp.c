/*
 * The interpreter's machine: frames, memory checks, one step an instruction.
 *
 * Frames lie in one array, outermost first; the stack of frame f is
 * stack[f * INSN_STACK ...], its frame pointer the end of it. `shadow` holds a
 * byte a byte of stack: 1 once it was written. Callbacks that a helper makes
 * run in the same machine, in frames on top.
 */
#include "bpf/interp.h"

#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "bpf/interp_alu.h"
#include "bpf/proto.h"

#define FUNC_TAG 0x4250465f00000000ull /* function references: not an address of user space */

struct frame {
	uint64_t reg[INSN_REGS];
	uint32_t init;		 /* mask of registers that were written */
	uint32_t ret;		 /* slot to go on at in the caller */
	const struct prog *prog; /* a tail call changes it for this frame only */
};

struct machine {
	struct run run; /* helpers get its address */
	const struct prog *prog;
	const struct interp_env *env;
	struct interp_fault *fault;
	uint64_t left;
	uint32_t pc;
	uint32_t depth; /* index of the current frame */
	struct frame frame[INSN_FRAMES];
	uint8_t stack[INSN_FRAMES * INSN_STACK] cache_aligned;
	uint8_t shadow[INSN_FRAMES * INSN_STACK];
};

enum step {
	STEP_ON = 0,
	STEP_DONE = 1,
	/* negative: fault */
};

static int trip(struct machine *m, int err, const char *what, uint64_t addr)
{
	m->fault->err = err;
	m->fault->what = what;
	m->fault->addr = addr;
	m->fault->pc = m->pc;
	return err;
}

static struct frame *top(struct machine *m)
{
	return &m->frame[m->depth];
}

static bool in_range(uint64_t addr, uint64_t len, uint64_t start, uint64_t size)
{
	return addr >= start && len <= size && addr - start <= size - len;
}

static bool on_stack(const struct machine *m, uint64_t addr, uint64_t len)
{
	return in_range(addr, len, (uint64_t)(uintptr_t)m->stack, (m->depth + 1) * INSN_STACK);
}

/* 0 if the program may read or write there; marks what it writes. */
static int memory(struct machine *m, uint64_t addr, uint64_t len, bool write)
{
	const struct interp_env *e = m->env;

	if (on_stack(m, addr, len)) {
		uint8_t *shadow = m->shadow + (addr - (uint64_t)(uintptr_t)m->stack);

		if (write)
			memset(shadow, 1, len);
		else if (memchr(shadow, 0, len))
			return trip(m, -EINVAL, "read of stack that was not written", addr);
		return 0;
	}
	for (uint32_t k = 0; k < e->nmem; k++) {
		if (in_range(addr, len, e->mem[k].start, e->mem[k].len) && (!write || e->mem[k].writable))
			return 0;
	}
	if (e->access && e->access(e->arg, addr, len, write))
		return 0;
	return trip(m, -EFAULT, write ? "write outside of known memory" : "read outside of known memory", addr);
}

static int need(struct machine *m, unsigned reg)
{
	if (top(m)->init & (1u << reg))
		return 0;
	return trip(m, -EINVAL, "read of a register that was not written", reg);
}

static void set(struct machine *m, unsigned reg, uint64_t v)
{
	top(m)->reg[reg] = v;
	top(m)->init |= 1u << reg;
}

static int step_alu(struct machine *m, const struct bpf_insn *i)
{
	uint64_t *reg = top(m)->reg, src = (uint64_t)(int64_t)i->imm, v;
	bool is64 = insn_class(i) == BPF_ALU64;
	unsigned op = insn_op(i);

	if (BPF_SRC(i->code) == BPF_X && op != BPF_END) {
		if (need(m, i->src_reg) < 0)
			return -EINVAL;
		src = reg[i->src_reg];
	}
	if (op != BPF_MOV && need(m, i->dst_reg) < 0)
		return -EINVAL;
	if (op == BPF_MOV && i->off)
		src = alu_sext(src, (unsigned)i->off);
	if (op == BPF_END)
		v = alu_end(i, reg[i->dst_reg]);
	else if (op == BPF_NEG)
		v = -reg[i->dst_reg];
	else if (is64)
		v = alu64(op, i->off, reg[i->dst_reg], src);
	else
		v = alu32(op, i->off, (uint32_t)reg[i->dst_reg], (uint32_t)src);
	if (!is64 && op != BPF_END)
		v = (uint32_t)v;
	set(m, i->dst_reg, v);
	return STEP_ON;
}

static int step_load(struct machine *m, const struct bpf_insn *i)
{
	uint64_t addr, v = 0;
	unsigned size = insn_size(i);
	int r = need(m, i->src_reg);

	addr = top(m)->reg[i->src_reg] + (uint64_t)(int64_t)i->off;
	if (r == 0)
		r = memory(m, addr, size, false);
	if (r < 0)
		return r;
	memcpy(&v, (const void *)(uintptr_t)addr, size);
	set(m, i->dst_reg, BPF_MODE(i->code) == BPF_MEMSX ? alu_sext(v, size * 8) : v);
	return STEP_ON;
}

static int step_store(struct machine *m, const struct bpf_insn *i)
{
	uint64_t addr, v = (uint64_t)(int64_t)i->imm;
	int r = need(m, i->dst_reg);

	if (r == 0 && insn_class(i) == BPF_STX) {
		r = need(m, i->src_reg);
		v = top(m)->reg[i->src_reg];
	}
	addr = top(m)->reg[i->dst_reg] + (uint64_t)(int64_t)i->off;
	if (r == 0)
		r = memory(m, addr, insn_size(i), true);
	if (r < 0)
		return r;
	memcpy((void *)(uintptr_t)addr, &v, insn_size(i));
	return STEP_ON;
}

#define ATOMIC(type)                                                                                                   \
	static uint64_t atomic_##type(type *p, int op, type src, type r0)                                              \
	{                                                                                                              \
		switch (op & ~BPF_FETCH) {                                                                             \
		case BPF_ADD:                                                                                          \
			return fetch_add(p, src);                                                                      \
		case BPF_AND:                                                                                          \
			return fetch_and(p, src);                                                                      \
		case BPF_OR:                                                                                           \
			return fetch_or(p, src);                                                                       \
		case BPF_XOR:                                                                                          \
			return fetch_xor(p, src);                                                                      \
		case BPF_XCHG & ~BPF_FETCH:                                                                            \
			return swap(p, src);                                                                           \
		default: /* BPF_CMPXCHG */                                                                             \
			cas(p, &r0, src);                                                                              \
			return r0;                                                                                     \
		}                                                                                                      \
	}

ATOMIC(uint32_t)
ATOMIC(uint64_t)

static int step_atomic(struct machine *m, const struct bpf_insn *i)
{
	uint64_t *reg = top(m)->reg, addr = reg[i->dst_reg] + (uint64_t)(int64_t)i->off, old;
	int r = need(m, i->dst_reg);

	if (r == 0)
		r = need(m, i->src_reg);
	if (r == 0 && i->imm == BPF_CMPXCHG)
		r = need(m, 0);
	if (r == 0)
		r = memory(m, addr, insn_size(i), false);
	if (r == 0)
		r = memory(m, addr, insn_size(i), true);
	if (r == 0 && addr % insn_size(i))
		r = trip(m, -EFAULT, "atomic operation that is not aligned", addr);
	if (r < 0)
		return r;
	if (insn_size(i) == 4)
		old = atomic_uint32_t((void *)(uintptr_t)addr, i->imm, (uint32_t)reg[i->src_reg], (uint32_t)reg[0]);
	else
		old = atomic_uint64_t((void *)(uintptr_t)addr, i->imm, reg[i->src_reg], reg[0]);
	if (i->imm & BPF_FETCH)
		set(m, i->imm == BPF_CMPXCHG ? 0 : i->src_reg, old);
	return STEP_ON;
}

/* Opens a frame at slot `to`; R1 to R5 go over, as far as they are initialised. */
static int frame_push(struct machine *m, uint32_t to)
{
	struct frame *f = top(m);

	if (m->depth + 1 == INSN_FRAMES)
		return trip(m, -E2BIG, "local calls too deep", to);
	f->ret = m->pc + 1;
	m->depth++;
	memset(m->shadow + m->depth * INSN_STACK, 0, INSN_STACK);
	memcpy(f[1].reg, f[0].reg, sizeof(f[1].reg));
	f[1].prog = m->prog;
	f[1].init = (f[0].init & 0x3e) | 1u << INSN_FP;
	f[1].reg[INSN_FP] = (uint64_t)(uintptr_t)m->stack + (m->depth + 1) * INSN_STACK;
	m->pc = to;
	return STEP_ON;
}

static const struct map_info *map_at(const struct machine *m, uint64_t addr)
{
	for (uint32_t k = 0; k < m->prog->nmaps; k++) {
		if ((uint64_t)(uintptr_t)m->run.base + m->prog->maps[k]->off == addr)
			return m->prog->maps[k];
	}
	return NULL;
}

/* One argument of a helper against its prototype. */
static int check_arg(struct machine *m, const struct proto *p, unsigned n, const struct map_info *map)
{
	const uint64_t *reg = top(m)->reg;
	uint64_t v = reg[1 + n], size = n + 1 < PROTO_ARGS ? reg[2 + n] : 0;

	if ((p->arg[n] & ARG_OR_NULL) && v == 0)
		return 0;
	switch (p->arg[n] & ~ARG_OR_NULL) {
	case ARG_KEY:
		return map ? memory(m, v, map->key_size, false) : 0;
	case ARG_VALUE:
		return map ? memory(m, v, map->value_size, false) : 0;
	case ARG_VALUE_OUT:
		return map ? memory(m, v, map->value_size, true) : 0;
	case ARG_MEM:
		return size ? memory(m, v, size, false) : 0;
	case ARG_MEM_OUT:
		return size ? memory(m, v, size, true) : 0;
	case ARG_LONG_OUT:
		return memory(m, v, 8, true);
	case ARG_LOCK:
		return memory(m, v, 4, true);
	case ARG_TIMER:
		return memory(m, v, 16, true);
	case ARG_RECORD:
		return memory(m, v, 1, true);
	case ARG_DYNPTR: /* a callback's lies in the helper's own memory */
		return on_stack(m, v, 16) ? memory(m, v, 16, false) : 0;
	case ARG_DYNPTR_RING:
		return memory(m, v, 16, false);
	case ARG_DYNPTR_NEW:
		return memory(m, v, 16, true);
	default:
		return 0;
	}
}

static bool is_out(unsigned type)
{
	type &= ~(unsigned)ARG_OR_NULL;
	return type == ARG_MEM_OUT || type == ARG_VALUE_OUT || type == ARG_LONG_OUT || type == ARG_DYNPTR_NEW;
}

/* Reads before writes, as a helper does. */
static int check_args(struct machine *m, const struct proto *p)
{
	const struct map_info *map = NULL;

	int r = 0;

	for (unsigned n = 0; r == 0 && n < PROTO_ARGS && p->arg[n] != ARG_NONE; n++) {
		r = need(m, 1 + n);
		if (r == 0 && p->arg[n] == ARG_MAP)
			map = map_at(m, top(m)->reg[1 + n]);
		if (r == 0 && !is_out(p->arg[n]))
			r = check_arg(m, p, n, map);
	}
	for (unsigned n = 0; r == 0 && n < PROTO_ARGS && p->arg[n] != ARG_NONE; n++)
		if (is_out(p->arg[n]))
			r = check_arg(m, p, n, map);
	return r;
}

/* Goes on in another program, in the same frame; falls through where there is none. */
static int tail_call(struct machine *m)
{
	struct frame *f = top(m);
	const struct prog *next = NULL;

	if (m->env->tail && m->run.tail_left > 0)
		next = m->env->tail(m->env->arg, f->reg[2], (uint32_t)f->reg[3]);
	m->pc++;
	if (!next)
		return STEP_ON;
	m->run.tail_left--;
	m->prog = f->prog = next;
	m->pc = 0;
	f->init = 1u << 1 | 1u << INSN_FP;
	memset(m->shadow + m->depth * INSN_STACK, 0, INSN_STACK);
	return STEP_ON;
}

static int step_helper(struct machine *m, const struct bpf_insn *i)
{
	uint64_t *reg = top(m)->reg, ret;
	const struct proto *p = proto_of((uint32_t)i->imm);
	run_fn fn = NULL;
	int r;

	if (i->imm >= 0 && (uint32_t)i->imm < m->run.nhelpers)
		fn = m->run.helpers[i->imm];
	r = p ? check_args(m, p) : 0;
	if (r < 0)
		return r;
	if (p && (p->flags & PROTO_TAIL_CALL)) {
		top(m)->init &= ~0x3fu;
		return tail_call(m);
	}
	if (!fn)
		return trip(m, -EINVAL, "call of an unknown helper", (uint64_t)(int64_t)i->imm);
	m->fault->err = 0;
	ret = fn(reg[1], reg[2], reg[3], reg[4], reg[5], &m->run);
	if (m->fault->err) /* in a callback */
		return m->fault->err;
	top(m)->init &= ~0x3eu;
	set(m, 0, ret);
	if (p && p->ret == RET_VOID)
		top(m)->init &= ~1u;
	m->pc++;
	return STEP_ON;
}

static int step_exit(struct machine *m)
{
	uint64_t r0 = top(m)->reg[0];
	bool has_r0 = top(m)->init & 1;

	if (m->depth == 0)
		return need(m, 0) < 0 ? -EINVAL : STEP_DONE;
	m->depth--;
	m->pc = top(m)->ret;
	m->prog = top(m)->prog;
	top(m)->init &= ~0x3fu;
	if (has_r0) /* functions without a result leave none */
		set(m, 0, r0);
	return STEP_ON;
}

static int step_jump(struct machine *m, const struct bpf_insn *i)
{
	const uint64_t *reg = top(m)->reg;
	bool is32 = insn_class(i) == BPF_JMP32;
	uint64_t b = (uint64_t)(int64_t)i->imm;

	if (insn_is_goto(i)) {
		m->pc = (uint32_t)insn_target(i, m->pc);
		return STEP_ON;
	}
	if (i->code == INSN_EXIT)
		return step_exit(m);
	if (insn_is_local_call(i))
		return frame_push(m, (uint32_t)insn_target(i, m->pc));
	if (i->code == INSN_CALL)
		return step_helper(m, i);
	if (need(m, i->dst_reg) < 0 || (BPF_SRC(i->code) == BPF_X && need(m, i->src_reg) < 0))
		return -EINVAL;
	if (BPF_SRC(i->code) == BPF_X)
		b = reg[i->src_reg];
	if (alu_cond(insn_op(i), is32, reg[i->dst_reg], b))
		m->pc = (uint32_t)insn_target(i, m->pc);
	else
		m->pc++;
	return STEP_ON;
}

static int step_lddw(struct machine *m, const struct bpf_insn *i)
{
	uint64_t base = (uint64_t)(uintptr_t)m->run.base, v = insn_imm64(i);

	if (insn_is_map_ref(i)) {
		if ((uint32_t)i->imm >= m->prog->nmaps)
			return trip(m, -EINVAL, "reference to a map that is not resolved", 0);
		v = base + m->prog->maps[i->imm]->off;
		if (i->src_reg == BPF_PSEUDO_MAP_VALUE)
			v = base + m->prog->maps[i->imm]->value_off + (uint32_t)i[1].imm;
	} else if (insn_is_func_ref(i)) {
		v = FUNC_TAG | (uint64_t)insn_target(i, m->pc);
	}
	set(m, i->dst_reg, v);
	m->pc++;
	return STEP_ON;
}

static int step(struct machine *m)
{
	const struct bpf_insn *i = &m->prog->insns[m->pc];
	int r;

	if (m->left-- == 0)
		return trip(m, -ELOOP, "instruction budget spent", 0);
	if (m->env->trace)
		m->env->trace(m->env->arg, m->pc, top(m)->reg, top(m)->init, m->depth);
	if (insn_is_jump(i))
		return step_jump(m, i);
	if (insn_is_alu(i))
		r = step_alu(m, i);
	else if (i->code == INSN_LDDW)
		r = step_lddw(m, i);
	else if (insn_class(i) == BPF_LDX)
		r = step_load(m, i);
	else if (insn_is_atomic(i))
		r = step_atomic(m, i);
	else
		r = step_store(m, i);
	m->pc++;
	return r;
}

/* Until the frame `floor` returns. */
static int run_until(struct machine *m, uint32_t floor, uint64_t *r0)
{
	for (;;) {
		const struct bpf_insn *i = &m->prog->insns[m->pc];
		bool leaves = i->code == INSN_EXIT && m->depth == floor;
		int r;

		if (leaves && floor > 0) {
			if (need(m, 0) < 0)
				return -EINVAL;
			*r0 = top(m)->reg[0];
			m->depth--;
			return 0;
		}
		r = step(m);
		if (r < 0)
			return r;
		if (r == STEP_DONE) {
			*r0 = top(m)->reg[0];
			return 0;
		}
	}
}

/* A helper calls a function of the program. */
static uint64_t on_callback(struct run *run, uint64_t fn, const uint64_t args[5])
{
	struct machine *m = (struct machine *)(void *)run;
	struct frame saved = *top(m);
	uint32_t pc = m->pc;
	uint64_t r0 = 0;

	if (m->fault->err || (fn >> 32 << 32) != FUNC_TAG) {
		if (!m->fault->err)
			trip(m, -EINVAL, "callback that is not a function of the program", fn);
		return 1;
	}
	memcpy(top(m)->reg + 1, args, 5 * sizeof(*args));
	top(m)->init |= 0x3e;
	if (frame_push(m, (uint32_t)fn) < 0 || run_until(m, m->depth, &r0) < 0)
		return 1;
	*top(m) = saved;
	m->prog = saved.prog;
	m->pc = pc;
	return r0;
}

int interp_run(const struct prog *prog, struct run *run, const struct interp_env *env, const uint64_t *args,
	       uint32_t nargs, uint64_t *r0, struct interp_fault *fault)
{
	struct machine m;
	int r;

	memset(m.shadow, 0, sizeof(m.shadow));
	memset(m.frame, 0, sizeof(m.frame));
	m.run = *run;
	m.run.callback = on_callback;
	m.prog = m.frame[0].prog = prog;
	m.env = env;
	m.fault = fault;
	m.left = env->budget ? env->budget : 64000000;
	m.pc = 0;
	m.depth = 0;
	*fault = (struct interp_fault){0};
	for (uint32_t k = 0; k < nargs; k++)
		set(&m, 1 + k, args[k]);
	set(&m, INSN_FP, (uint64_t)(uintptr_t)m.stack + INSN_STACK);
	r = run_until(&m, 0, r0);
	run->tail_left = m.run.tail_left;
	run->cpu = m.run.cpu;
	return r;
}
