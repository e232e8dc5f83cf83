/*
 * The walk: instruction by instruction along a path, path by path until none
 * is left. The parts: vmem.c (memory), valu.c (arithmetic), vbranch.c
 * (conditions), vcall.c (calls and returns), vprune.c (which paths), vflow.c
 * (what matters later), vstate.c and vprint.c; bounds.c and tnum.c know
 * numbers.
 */
#include "bpf/verify.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/disasm.h"
#include "bpf/vflow.h"

#define BUDGET 1000000u

const struct prog_type prog_type_tracepoint = {.name = "tracepoint", .ctx_start = 8, .ctx_end = 2048};
const struct prog_type prog_type_raw_tracepoint = {.name = "raw_tracepoint", .ctx_end = 96};

/* --- before the walk --- */

struct reach {
	const struct prog *prog;
	uint8_t *seen;
	uint32_t *todo;
	uint32_t n;
};

static void reach(struct reach *r, int64_t pc)
{
	if (pc >= r->prog->len || r->seen[pc])
		return;
	r->seen[pc] = 1;
	r->todo[r->n++] = (uint32_t)pc;
}

static void reach_from(struct reach *r, uint32_t pc)
{
	const struct bpf_insn *i = &r->prog->insns[pc];

	if (insn_is_goto(i) || insn_is_branch(i) || insn_is_local_call(i) || insn_is_func_ref(i))
		reach(r, insn_target(i, pc));
	if (i->code != INSN_EXIT && !insn_is_goto(i))
		reach(r, pc + insn_slots(i));
}

/* Text that nothing leads to is a mistake of whoever made it. */
static int check_reachable(struct verifier *v)
{
	const struct prog *p = v->prog;
	struct reach r = {.prog = p, .seen = calloc(p->len, 1), .todo = calloc(p->len, sizeof(*r.todo))};
	int err = r.seen && r.todo ? 0 : -ENOMEM;

	if (err == 0)
		reach(&r, 0);
	while (err == 0 && r.n)
		reach_from(&r, r.todo[--r.n]);
	for (uint32_t pc = 0; err == 0 && pc < p->len; pc += insn_slots(&p->insns[pc]))
		if (!r.seen[pc])
			err = vfail(v, -EINVAL, "unreachable insn %u\n", pc);
	free(r.seen);
	free(r.todo);
	return err;
}

/* --- after the walk --- */

/* The deepest chain of calls from a function on. */
struct chain {
	uint32_t bytes; /* of stack */
	uint32_t calls; /* 0: not known yet */
	bool open;	/* being computed: to meet it again is recursion */
};

static int find_chain(struct verifier *v, struct chain *chains, uint32_t f, uint32_t depth)
{
	const struct prog *p = v->prog;
	struct chain *c = &chains[f], below = {0};

	if (c->calls)
		return 0;
	if (c->open || depth > INSN_FRAMES)
		return vfail(v, -E2BIG, "the call stack of %u frames is too deep or recursive\n", depth);
	c->open = true;
	for (uint32_t pc = p->funcs[f].start; pc < p->funcs[f].end; pc += insn_slots(&p->insns[pc])) {
		const struct bpf_insn *i = &p->insns[pc];
		uint32_t callee;
		int err;

		if (!insn_is_local_call(i) && !insn_is_func_ref(i))
			continue;
		callee = prog_func_of(p, (uint32_t)insn_target(i, pc));
		err = find_chain(v, chains, callee, depth + 1);
		if (err < 0)
			return err;
		below.bytes = max_of(below.bytes, chains[callee].bytes);
		below.calls = max_of(below.calls, chains[callee].calls);
	}
	c->bytes = below.bytes + round_up(max_of(v->depth[f], 1u), 32);
	c->calls = below.calls + 1;
	return 0;
}

/* Recursion, and stack of all frames together. A timer's function counts as if it were called. */
static int check_chains(struct verifier *v)
{
	struct chain *chains = calloc(v->prog->nfuncs, sizeof(*chains));
	int err = chains ? find_chain(v, chains, 0, 1) : -ENOMEM;

	if (err == 0 && chains[0].calls > INSN_FRAMES)
		err = vfail(v, -E2BIG, "the call stack of %u frames is too deep\n", chains[0].calls);
	if (err == 0 && chains[0].bytes > INSN_STACK)
		err = vfail(v, -EACCES, "combined stack size of %u calls is %u. Too large\n", chains[0].calls,
			    chains[0].bytes);
	free(chains);
	return err;
}

static void annotate(struct verifier *v)
{
	struct prog *p = v->prog;

	for (uint32_t f = 0; f < p->nfuncs; f++)
		p->funcs[f].stack = round_up(v->depth[f], 8);
	for (uint32_t pc = 0; pc < p->len; pc += insn_slots(&p->insns[pc]))
		if (!vflow_visited(v, pc))
			p->mark[pc] |= MARK_DEAD;
}

/* --- the walk --- */

static int step_memory(struct verifier *v, const struct bpf_insn *i)
{
	struct vreg value = vreg_scalar(bounds_const((uint64_t)(int64_t)i->imm));

	if (insn_class(i) == BPF_LDX)
		return vmem_load(v, i->src_reg, i->off, insn_size(i), BPF_MODE(i->code) == BPF_MEMSX, i->dst_reg);
	if (insn_is_atomic(i))
		return vmem_atomic(v, i);
	if (insn_class(i) == BPF_ST)
		return vmem_store(v, i->dst_reg, i->off, insn_size(i), &value, -1);
	value = vregs(v)[i->src_reg];
	return vmem_store(v, i->dst_reg, i->off, insn_size(i), &value, i->src_reg);
}

/* 1: the path is at its end. */
static int step(struct verifier *v, const struct bpf_insn *i)
{
	v->next = v->pc + 1;
	if (insn_is_alu(i))
		return valu(v, i);
	if (i->code == INSN_LDDW)
		return vlddw(v, i);
	if (!insn_is_jump(i))
		return step_memory(v, i);
	if (insn_is_goto(i)) {
		v->jumps++;
		v->next = (uint32_t)insn_target(i, v->pc);
		return 0;
	}
	if (i->code == INSN_EXIT)
		return vcall_exit(v);
	v->jumps += i->code == INSN_CALL;
	if (insn_is_local_call(i))
		return vcall_local(v, i);
	return i->code == INSN_CALL ? vcall_helper(v, i) : vbranch(v, i);
}

static void print_insn(struct verifier *v)
{
	char text[DISASM_MAX];

	disasm_insn(v->prog, v->pc, text, sizeof(text));
	log_printf(v->log, "%u: %-40s", v->pc, text);
	v->in_line = true;
}

/* A step with its line in the log, if one is kept. */
static int step_logged(struct verifier *v, const struct bpf_insn *i)
{
	struct vreg before[INSN_REGS];
	const struct vpath *known = v->paths;
	uint32_t depth = v->st.depth;
	int r;

	if (!v->log || !(v->level & 3))
		return step(v, i);
	memcpy(before, vregs(v), sizeof(before));
	print_insn(v);
	r = step(v, i);
	if (v->in_line && r == 0 && v->st.depth == depth)
		vprint_changes(v, before);
	vprint_break(v);
	for (struct vpath *p = v->paths; p && p != known; p = p->next)
		p->log_used = v->log->used; /* where one goes on that was left here */
	return r;
}

/* Takes up the path that was left last; false: none is left. */
static bool next_path(struct verifier *v)
{
	struct vpath *p = v->paths;

	vpath_end(v);
	vstate_free(&v->st);
	v->parent = NULL;
	if (!p)
		return false;
	v->st = p->st;
	v->pc = p->pc;
	v->parent = p->parent;
	v->paths = p->next;
	v->npaths--;
	if ((v->level & 3) && v->log) {
		if (!(v->level & 2))
			log_cut(v->log, p->log_used);
		log_printf(v->log, "\nfrom %u to %u:", p->from, p->pc);
		vprint_state(v);
	}
	free(p);
	return true;
}

/* One instruction of the current path. 1: nothing is left to walk. */
static int walk_one(struct verifier *v)
{
	const struct bpf_insn *i = &v->prog->insns[v->pc];
	uint32_t budget = v->opts->budget ? v->opts->budget : BUDGET;
	int r;

	if (++v->stats.insns > budget)
		return vfail(v, -E2BIG, "BPF program is too large. Processed %u insn\n", v->stats.insns);
	r = vprune(v);
	if (r == 1 && (v->level & 3))
		log_printf(v->log, "%u: safe\n", v->pc);
	if (r == 0) {
		vflow_begin(v);
		r = step_logged(v, i);
		if (r >= 0 && vflow_end(v) < 0)
			r = -ENOMEM;
	}
	if (r == 1)
		return next_path(v) ? 0 : 1;
	v->pc = v->next;
	return r;
}

static int walk(struct verifier *v)
{
	struct vframe *f = vframe_new(0, 0, CALL_PLAIN);
	int r = 0;

	if (!f)
		return -ENOMEM;
	v->st.frame[0] = f;
	f->reg[1] = vreg_pointer(V_CTX);
	f->reg[INSN_FP] = vreg_pointer(V_STACK);
	if (v->level & 3) {
		log_printf(v->log, "0:");
		vprint_state(v);
	}
	while (r == 0)
		r = walk_one(v);
	return r < 0 ? r : 0;
}

static void print_stats(struct verifier *v)
{
	log_printf(v->log, "processed %u insns (limit %u) max_states_per_insn %u total_states %u peak_states %u\n",
		   v->stats.insns, v->opts->budget ? v->opts->budget : BUDGET, v->stats.most, v->stats.states,
		   v->stats.peak);
}

int verify_prog(struct prog *prog, const struct verify_opts *opts, struct verify_stats *stats)
{
	struct verifier v = {.prog = prog, .opts = opts, .log = opts->log, .level = opts->log ? opts->log_level : 0};
	int r;

	v.seen = calloc(prog->len, sizeof(*v.seen));
	v.nseen = calloc(prog->len, sizeof(*v.nseen));
	v.depth = calloc(prog->nfuncs, sizeof(*v.depth));
	free(prog->call_map);
	prog->call_map = calloc(prog->len, 1);
	r = v.seen && v.nseen && v.depth && prog->call_map ? vflow_new(&v) : -ENOMEM;
	if (r == 0)
		r = check_reachable(&v);
	if (r == 0)
		r = walk(&v);
	if (r == 0)
		r = check_chains(&v);
	if (r == 0)
		annotate(&v);
	if (v.level)
		print_stats(&v);
	if (stats)
		*stats = v.stats;
	vstate_free(&v.st);
	vprune_free(&v);
	vflow_free(&v);
	free(v.seen);
	free(v.nseen);
	free(v.depth);
	return r;
}
