/*
 * Notes and their solution: see vflow.h.
 *
 * Graph: an instruction's successors within its function; a local call also
 * depends on its callee's entry (arguments), and an exit on what the callers
 * do with R0. What a callee or callback reads of a caller's stack is noted at
 * the call in the caller; a number that it loads there is needed if it needs
 * it, and a number that it stores there if the caller does (struct outer).
 */
#include "bpf/vflow.h"

#include <stdlib.h>
#include <string.h>

enum effect {
	FX_OTHER = 0, /* reads `use`, sets `def` to something unknown */
	FX_MOV,	      /* def from use */
	FX_ALU,	      /* dst from dst and src */
	FX_LOAD,
	FX_STORE,
	FX_BRANCH,
	FX_LOCAL,
	FX_EXIT,
};

/* An access to a caller's frame: what a function does there matters as the caller's slots matter at the call. */
struct outer {
	uint32_t pc;	   /* of the access */
	uint32_t callsite; /* in the frame that owns the slots */
	uint64_t slots;
	uint32_t next_at_pc, next_at_call; /* 1 + index; 0: none */
};

struct note {
	/* Constant. */
	uint8_t fx;
	uint16_t use, def;
	/* What was seen. */
	bool visited, queued;
	struct vset need, link;
	uint64_t reads, writes, kills; /* slots */
	uint32_t outer;		       /* accesses of callers' frames from here: 1 + index */
	uint32_t from_below;	       /* accesses of this frame by what is called here: 1 + index */
	/* The solution. */
	struct vset live, relevant;
};

struct vflow {
	struct note *note; /* by pc */
	uint32_t *pred_at; /* by pc: first of its predecessors in pred; [len] the end */
	uint32_t *pred;
	uint32_t *queue;
	uint32_t queued;
	struct outer *outer;
	uint32_t nouter, outer_room;
	int err;	    /* -ENOMEM: a note was lost */
	bool *ret_relevant; /* by function: some caller needs R0's number */
	/* Of the current instruction. */
	uint64_t reads, writes, kills;
	bool stored;
};

#define R(n) ((uint16_t)(1u << (n)))
#define CALLER_SAVED 0x3fu /* R0 to R5 */

static void enqueue(struct vflow *w, uint32_t pc)
{
	if (!w->note[pc].visited || w->note[pc].queued)
		return;
	w->note[pc].queued = true;
	w->queue[w->queued++] = pc;
}

/* --- what instructions do, from their text --- */

static uint16_t helper_args(const struct bpf_insn *i)
{
	const struct proto *p = proto_of((uint32_t)i->imm);
	uint16_t use = 0;

	for (unsigned n = 0; p && n < PROTO_ARGS && p->arg[n]; n++)
		use |= R(1 + n);
	return use;
}

static void describe_alu(struct note *n, const struct bpf_insn *i)
{
	bool reg = BPF_SRC(i->code) == BPF_X && insn_op(i) != BPF_END;

	n->def = R(i->dst_reg);
	n->use = reg ? R(i->src_reg) : 0;
	n->fx = FX_MOV;
	if (insn_op(i) != BPF_MOV) {
		n->fx = FX_ALU;
		n->use |= R(i->dst_reg);
	}
}

static void describe_jump(struct note *n, const struct bpf_insn *i)
{
	if (insn_is_branch(i)) {
		n->fx = FX_BRANCH;
		n->use = R(i->dst_reg) | (BPF_SRC(i->code) == BPF_X ? R(i->src_reg) : 0);
	} else if (insn_is_local_call(i)) {
		n->fx = FX_LOCAL;
		n->def = CALLER_SAVED;
	} else if (i->code == INSN_CALL) {
		n->use = helper_args(i);
		n->def = CALLER_SAVED;
	} else if (i->code == INSN_EXIT) {
		n->fx = FX_EXIT;
		n->use = R(0);
	}
}

static void describe_atomic(struct note *n, const struct bpf_insn *i)
{
	n->use = R(i->dst_reg) | R(i->src_reg);
	if (i->imm == BPF_CMPXCHG) {
		n->use |= R(0);
		n->def = R(0);
	} else if (i->imm & BPF_FETCH) {
		n->def = R(i->src_reg);
	}
}

static void describe(struct note *n, const struct bpf_insn *i)
{
	if (insn_is_alu(i)) {
		describe_alu(n, i);
	} else if (insn_is_jump(i)) {
		describe_jump(n, i);
	} else if (i->code == INSN_LDDW) {
		n->def = R(i->dst_reg);
	} else if (insn_class(i) == BPF_LDX) {
		n->fx = FX_LOAD;
		n->use = R(i->src_reg);
		n->def = R(i->dst_reg);
	} else if (insn_is_atomic(i)) {
		describe_atomic(n, i);
	} else {
		n->fx = FX_STORE;
		n->use = R(i->dst_reg) | (insn_class(i) == BPF_STX ? R(i->src_reg) : 0);
	}
}

/* --- the graph --- */

/* Successors of `pc` in its function: 0 to 2. */
static unsigned successors(const struct prog *p, uint32_t pc, uint32_t *to)
{
	const struct bpf_insn *i = &p->insns[pc];
	unsigned n = 0;

	if (i->code == INSN_EXIT)
		return 0;
	if (!insn_is_goto(i) && pc + insn_slots(i) < p->len)
		to[n++] = pc + insn_slots(i);
	if (insn_is_goto(i) || insn_is_branch(i))
		to[n++] = (uint32_t)insn_target(i, pc);
	return n;
}

/* Predecessors as one array; a local call also precedes its callee's first instruction, in this sense. */
static void link_graph(struct vflow *w, const struct prog *p, bool count)
{
	for (uint32_t pc = 0; pc < p->len; pc += insn_slots(&p->insns[pc])) {
		uint32_t to[3];
		unsigned n = successors(p, pc, to);

		if (insn_is_local_call(&p->insns[pc]))
			to[n++] = (uint32_t)insn_target(&p->insns[pc], pc);
		for (unsigned k = 0; k < n; k++) {
			if (count)
				w->pred_at[to[k] + 1]++;
			else
				w->pred[w->pred_at[to[k]]++] = pc;
		}
	}
}

static int build_graph(struct vflow *w, const struct prog *p)
{
	w->pred_at = calloc(p->len + 2, sizeof(*w->pred_at));
	if (!w->pred_at)
		return -ENOMEM;
	link_graph(w, p, true);
	for (uint32_t pc = 0; pc < p->len; pc++)
		w->pred_at[pc + 1] += w->pred_at[pc];
	w->pred = calloc(w->pred_at[p->len] + 1, sizeof(*w->pred));
	if (!w->pred)
		return -ENOMEM;
	link_graph(w, p, false);
	/* Filling has moved each start to its end. */
	memmove(w->pred_at + 1, w->pred_at, (p->len + 1) * sizeof(*w->pred_at));
	w->pred_at[0] = 0;
	return 0;
}

int vflow_new(struct verifier *v)
{
	const struct prog *p = v->prog;
	struct vflow *w = calloc(1, sizeof(*w));

	v->flow = w;
	if (!w)
		return -ENOMEM;
	w->note = calloc(p->len, sizeof(*w->note));
	w->queue = calloc(p->len, sizeof(*w->queue));
	w->ret_relevant = calloc(p->nfuncs, sizeof(*w->ret_relevant));
	if (!w->note || !w->queue || !w->ret_relevant)
		return -ENOMEM;
	for (uint32_t pc = 0; pc < p->len; pc += insn_slots(&p->insns[pc])) {
		describe(&w->note[pc], &p->insns[pc]);
		w->note[pc].kills = UINT64_MAX;
	}
	return build_graph(w, p);
}

void vflow_free(struct verifier *v)
{
	struct vflow *w = v->flow;

	if (!w)
		return;
	free(w->note);
	free(w->pred_at);
	free(w->pred);
	free(w->queue);
	free(w->ret_relevant);
	free(w->outer);
	free(w);
	v->flow = NULL;
}

/* --- notes --- */

void vflow_begin(struct verifier *v)
{
	struct vflow *w = v->flow;

	w->reads = w->writes = w->kills = 0;
	if (!w->note[v->pc].visited) {
		w->note[v->pc].visited = true;
		enqueue(w, v->pc);
	}
}

static void add_slots(struct vflow *w, uint32_t pc, uint64_t reads, uint64_t writes)
{
	struct note *n = &w->note[pc];

	if ((reads & ~n->reads) == 0 && (writes & ~n->writes) == 0)
		return;
	n->reads |= reads;
	n->writes |= writes;
	enqueue(w, pc);
}

int vflow_end(struct verifier *v)
{
	struct vflow *w = v->flow;
	struct note *n = &w->note[v->pc];

	add_slots(w, v->pc, w->reads, w->writes);
	if (n->kills & ~w->kills) {
		n->kills &= w->kills;
		enqueue(w, v->pc);
	}
	return w->err;
}

static struct outer *outer_find(struct vflow *w, uint32_t pc, uint32_t callsite)
{
	for (uint32_t k = w->note[pc].outer; k; k = w->outer[k - 1].next_at_pc)
		if (w->outer[k - 1].callsite == callsite)
			return &w->outer[k - 1];
	return NULL;
}

static struct outer *outer_add(struct vflow *w, uint32_t pc, uint32_t callsite)
{
	if (w->nouter == w->outer_room) {
		uint32_t room = w->outer_room ? 2 * w->outer_room : 16;
		struct outer *bigger = realloc(w->outer, room * sizeof(*bigger));

		if (!bigger) {
			w->err = -ENOMEM;
			return NULL;
		}
		w->outer = bigger;
		w->outer_room = room;
	}
	w->outer[w->nouter++] = (struct outer){.pc = pc,
					       .callsite = callsite,
					       .next_at_pc = w->note[pc].outer,
					       .next_at_call = w->note[callsite].from_below};
	w->note[pc].outer = w->note[callsite].from_below = w->nouter;
	return &w->outer[w->nouter - 1];
}

static void note_outer(struct verifier *v, uint32_t callsite, uint64_t slots)
{
	struct outer *o = outer_find(v->flow, v->pc, callsite);

	if (!o)
		o = outer_add(v->flow, v->pc, callsite);
	if (!o || (slots & ~o->slots) == 0)
		return;
	o->slots |= slots;
	enqueue(v->flow, v->pc);
}

void vflow_read(struct verifier *v, uint32_t depth, uint64_t slots)
{
	uint32_t callsite;

	if (depth == v->st.depth) {
		v->flow->reads |= slots;
		return;
	}
	callsite = v->st.frame[depth + 1]->callsite;
	add_slots(v->flow, callsite, slots, 0);
	note_outer(v, callsite, slots);
}

void vflow_write(struct verifier *v, uint32_t depth, uint64_t slots, uint64_t whole)
{
	if (depth != v->st.depth) {
		note_outer(v, v->st.frame[depth + 1]->callsite, slots);
		return;
	}
	v->flow->writes |= slots;
	v->flow->kills |= whole;
}

void vflow_need_reg(struct verifier *v, unsigned reg)
{
	struct note *n = &v->flow->note[v->pc];

	if (n->need.regs & R(reg))
		return;
	n->need.regs |= R(reg);
	enqueue(v->flow, v->pc);
}

void vflow_link(struct verifier *v, struct vset set)
{
	struct note *n = &v->flow->note[v->pc];

	if ((set.regs & ~n->link.regs) == 0 && (set.slots & ~n->link.slots) == 0)
		return;
	n->link.regs |= set.regs;
	n->link.slots |= set.slots;
	enqueue(v->flow, v->pc);
}

/* --- the solution --- */

static struct vset join(struct vset a, struct vset b)
{
	return (struct vset){a.regs | b.regs, a.slots | b.slots};
}

static bool same(struct vset a, struct vset b)
{
	return a.regs == b.regs && a.slots == b.slots;
}

static struct vset live_before(struct vflow *w, const struct prog *p, uint32_t pc, struct vset out)
{
	const struct note *n = &w->note[pc];
	struct vset in = out;

	in.regs = (uint16_t)((out.regs & ~n->def) | n->use);
	if (n->fx == FX_LOCAL)
		in.regs |= w->note[insn_target(&p->insns[pc], pc)].live.regs & 0x3e;
	in.slots = (out.slots & ~n->kills) | n->reads;
	return in;
}

/* A number that was read from callers' frames is needed there. */
static void need_outer(struct vflow *w, const struct note *n)
{
	for (uint32_t k = n->outer; k; k = w->outer[k - 1].next_at_pc) {
		struct note *call = &w->note[w->outer[k - 1].callsite];

		if ((w->outer[k - 1].slots & ~call->need.slots) == 0)
			continue;
		call->need.slots |= w->outer[k - 1].slots;
		enqueue(w, w->outer[k - 1].callsite);
	}
}

/* Does a caller need what is stored in its frame here? */
static bool outer_relevant(const struct vflow *w, const struct note *n)
{
	for (uint32_t k = n->outer; k; k = w->outer[k - 1].next_at_pc)
		if (w->note[w->outer[k - 1].callsite].relevant.slots & w->outer[k - 1].slots)
			return true;
	return false;
}

static struct vset relevant_before(struct vflow *w, const struct prog *p, uint32_t pc, struct vset out)
{
	const struct note *n = &w->note[pc];
	struct vset in = {(uint16_t)(out.regs & ~n->def), out.slots & ~n->kills};
	bool dst = out.regs & n->def;

	switch (n->fx) {
	case FX_MOV:
	case FX_ALU:
		in.regs |= dst ? n->use : 0;
		break;
	case FX_LOAD:
		in.slots |= dst ? n->reads : 0;
		if (dst)
			need_outer(w, n);
		break;
	case FX_STORE:
		in.regs |= (out.slots & n->writes) || outer_relevant(w, n) ? n->use : 0;
		break;
	case FX_BRANCH:
		if ((out.regs & (n->use | n->link.regs)) || (out.slots & n->link.slots)) {
			in.regs |= n->use | n->link.regs;
			in.slots |= n->link.slots;
		}
		break;
	case FX_LOCAL:
		in.regs |= w->note[insn_target(&p->insns[pc], pc)].relevant.regs & 0x3e;
		break;
	case FX_EXIT:
		in.regs = w->ret_relevant[prog_func_of(p, pc)] ? R(0) : 0;
		break;
	default:
		break;
	}
	return join(in, n->need);
}

/* R0 of a function became relevant: its exits have to be looked at again. */
static void wake_exits(struct vflow *w, const struct prog *p, uint32_t func)
{
	w->ret_relevant[func] = true;
	for (uint32_t pc = p->funcs[func].start; pc < p->funcs[func].end; pc++)
		if (w->note[pc].fx == FX_EXIT)
			enqueue(w, pc);
}

static void solve_one(struct vflow *w, const struct prog *p, uint32_t pc)
{
	struct note *n = &w->note[pc];
	struct vset live = {0}, relevant = {0}, was_live = n->live, was_relevant = n->relevant;
	uint32_t to[2];
	unsigned count = successors(p, pc, to);

	for (unsigned k = 0; k < count; k++) {
		if (!w->note[to[k]].visited)
			continue;
		live = join(live, w->note[to[k]].live);
		relevant = join(relevant, w->note[to[k]].relevant);
	}
	if (n->fx == FX_LOCAL && (relevant.regs & R(0))) {
		uint32_t func = prog_func_of(p, (uint32_t)insn_target(&p->insns[pc], pc));

		if (!w->ret_relevant[func])
			wake_exits(w, p, func);
	}
	n->live = join(was_live, live_before(w, p, pc, live));
	n->relevant = join(was_relevant, relevant_before(w, p, pc, relevant));
	if (same(n->live, was_live) && same(n->relevant, was_relevant))
		return;
	for (uint32_t k = w->pred_at[pc]; k < w->pred_at[pc + 1]; k++)
		enqueue(w, w->pred[k]);
	for (uint32_t k = n->from_below; k; k = w->outer[k - 1].next_at_call)
		enqueue(w, w->outer[k - 1].pc);
}

void vflow_solve(struct verifier *v)
{
	struct vflow *w = v->flow;

	while (w->queued) {
		uint32_t pc = w->queue[--w->queued];

		w->note[pc].queued = false;
		solve_one(w, v->prog, pc);
	}
}

struct vset vflow_live(const struct verifier *v, uint32_t pc)
{
	return v->flow->note[pc].live;
}

struct vset vflow_relevant(const struct verifier *v, uint32_t pc)
{
	return v->flow->note[pc].relevant;
}

bool vflow_visited(const struct verifier *v, uint32_t pc)
{
	return v->flow->note[pc].visited;
}
