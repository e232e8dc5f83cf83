/*
 * Paths: which are still to be walked, and which need not be.
 *
 * At jump targets and branches the state is remembered now and then. A path that comes to
 * a pc in a state that a remembered one covers, ends there: whatever follows
 * was walked from that one. "Covers" is strict for what is not known to be
 * irrelevant; what is irrelevant is known (vflow.h) only when all paths from
 * the remembered state are at their end, "finished".
 *
 * An unfinished state that covers the current one lies on the current path: a
 * loop. At a helper call that calls back this is the loop's invariant, and
 * the path ends; what was remembered in between then depends on the
 * unfinished one (`waits`) and is compared strictly until that is finished. In
 * the program's own loops the path goes on, until the loop ends or the budget
 * does; an exact repetition will never end.
 */
#include <stdlib.h>
#include <string.h>

#include "bpf/vflow.h"

/* --- ends and beginnings --- */

int vpush_state(struct verifier *v, struct vstate *st, uint32_t pc)
{
	struct vpath *p;

	if (v->npaths >= 8192)
		return vfail(v, -E2BIG, "The sequence of %u jumps is too complex.\n", v->npaths);
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->st = *st;
	p->pc = pc;
	p->from = v->pc;
	p->parent = v->parent;
	p->next = v->paths;
	p->log_used = v->log ? v->log->used : 0;
	if (p->parent)
		p->parent->branches++;
	v->paths = p;
	v->npaths++;
	memset(st, 0, sizeof(*st));
	return 0;
}

int vpush(struct verifier *v, uint32_t pc)
{
	struct vstate st;
	int err = vstate_copy(&st, &v->st);

	if (err == 0)
		err = vpush_state(v, &st, pc);
	if (err < 0)
		vstate_free(&st);
	return err;
}

static void forget(struct verifier *v, struct vseen *s)
{
	vstate_free(&s->st);
	free(s);
	v->live_states--;
}

void vpath_end(struct verifier *v)
{
	struct vseen *s = v->parent;

	while (s && --s->branches == 0) {
		struct vseen *up = s->parent;

		if (s->evicted)
			forget(v, s);
		s = up;
	}
}

/* Is the state with this number still unfinished? Then it is an ancestor. */
static bool is_open(const struct verifier *v, uint32_t seq)
{
	const struct vseen *s = v->parent;

	while (s && s->seq > seq)
		s = s->parent;
	return s && s->seq == seq;
}

/* All that was remembered since state `seq` is finished only with it. */
static void wait_for(struct verifier *v, uint32_t seq)
{
	for (struct vseen *s = v->parent; s && s->seq > seq; s = s->parent)
		if (!s->waits || s->waits > seq)
			s->waits = seq;
}

/* --- identities --- */

struct count {
	uint32_t id[64], n[64], used;
};

static void count_id(struct vreg *r, void *arg)
{
	struct count *c = arg;
	uint32_t k = 0;

	if (r->kind != V_SCALAR || !r->id)
		return;
	while (k < c->used && c->id[k] != r->id)
		k++;
	if (k == array_len(c->id))
		return;
	if (k == c->used) {
		c->id[c->used] = r->id;
		c->n[c->used++] = 0;
	}
	c->n[k]++;
}

/* An identity that no two registers share says nothing, and would only make states differ. */
static void drop_single(struct vreg *r, void *arg)
{
	const struct count *c = arg;

	if (r->kind != V_SCALAR || !r->id)
		return;
	for (uint32_t k = 0; k < c->used; k++)
		if (c->id[k] == r->id && c->n[k] == 1)
			r->id = 0;
}

static void tidy_ids(struct vstate *st)
{
	struct count c = {.used = 0};

	vstate_each(st, count_id, &c);
	if (c.used)
		vstate_each(st, drop_single, &c);
}

/* --- the decision --- */

static bool calls_back(const struct bpf_insn *i)
{
	const struct proto *p = insn_is_helper(i) ? proto_of((uint32_t)i->imm) : NULL;

	return p && (p->flags & (PROTO_LOOP | PROTO_EACH | PROTO_DRAIN));
}

static int remember(struct verifier *v)
{
	struct vseen *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	err = vstate_copy(&s->st, &v->st);
	if (err < 0) {
		free(s);
		return err;
	}
	s->parent = v->parent;
	s->branches = 1;
	s->seq = ++v->seqs;
	s->next = v->seen[v->pc];
	v->seen[v->pc] = s;
	v->parent = s;
	v->jumps_at_last = v->jumps;
	v->insns_at_last = v->stats.insns;
	v->stats.states++;
	v->stats.peak = max_of(v->stats.peak, ++v->live_states);
	v->stats.most = max_of(v->stats.most, ++v->nseen[v->pc]);
	return 0;
}

/* A finished state: 1 where it covers the current one. */
static int try_finished(struct verifier *v, struct vseen *s)
{
	bool strict = s->waits && is_open(v, s->waits);

	if (!vcover_state(v, &s->st, &v->st, true)) {
		if (strict)
			return 0;
		vflow_solve(v);
		if (!vcover_state(v, &s->st, &v->st, false))
			return 0;
	}
	if (strict)
		wait_for(v, s->waits);
	return 1;
}

/* Is no turn of a helper's loop between the two? Turns end by themselves. */
static bool same_turns(const struct vstate *a, const struct vstate *b)
{
	for (uint32_t d = 0; d <= a->depth && d <= b->depth; d++)
		if (a->frame[d]->how == CALL_LOOP && a->frame[d]->turn != b->frame[d]->turn)
			return false;
	return true;
}

/* An unfinished state, an ancestor. 1: the invariant of a helper's loop. */
static int try_open(struct verifier *v, struct vseen *s, bool loop)
{
	if (loop) {
		if (!v->st.again || s->st.frame[s->st.depth]->loop != vtop(v)->loop)
			return 0;
		if (!vcover_state(v, &s->st, &v->st, true))
			return 0;
		wait_for(v, s->seq);
		return 1;
	}
	if (same_turns(&s->st, &v->st) && vcover_state(v, &s->st, &v->st, true) &&
	    vcover_state(v, &v->st, &s->st, true)) {
		return vfail(v, -EINVAL, "infinite loop detected at insn %u\n", v->pc);
	}
	return 0;
}

/* States that were compared often and in vain only cost time. */
static bool useless(const struct vseen *s)
{
	uint32_t patience = s->branches ? 64 : 3;

	return s->misses > s->hits * patience + patience;
}

static void evict(struct verifier *v, struct vseen **at)
{
	struct vseen *s = *at;

	*at = s->next;
	v->nseen[v->pc]--;
	s->evicted = true;
	if (!s->branches)
		forget(v, s);
}

int vprune(struct verifier *v)
{
	const struct bpf_insn *i = &v->prog->insns[v->pc];
	bool loop = calls_back(i);
	bool add = v->jumps - v->jumps_at_last >= 2 && v->stats.insns - v->insns_at_last >= 8;

	if (!loop && !(v->prog->mark[v->pc] & MARK_TARGET) && !insn_is_branch(i))
		return 0;
	tidy_ids(&v->st);
	for (struct vseen **at = &v->seen[v->pc], *s; (s = *at);) {
		int r = s->branches ? try_open(v, s, loop) : try_finished(v, s);

		if (r != 0) {
			s->hits++;
			return r;
		}
		/* In a loop of the program's own, remember only every so often. */
		if (s->branches && v->jumps - v->jumps_at_last < 20 && v->stats.insns - v->insns_at_last < 100)
			add = false;
		s->misses++;
		if (useless(s))
			evict(v, at);
		else
			at = &s->next;
	}
	return add || loop ? remember(v) : 0;
}

void vprune_free(struct verifier *v)
{
	while (v->paths) {
		struct vpath *p = v->paths;

		v->paths = p->next;
		vstate_free(&p->st);
		free(p);
	}
	/* Those that were evicted while unfinished are on the way from the current one to the root. */
	for (struct vseen *s = v->parent; s;) {
		struct vseen *up = s->parent;

		if (s->evicted)
			forget(v, s);
		s = up;
	}
	for (uint32_t pc = 0; v->seen && pc < v->prog->len; pc++) {
		while (v->seen[pc]) {
			struct vseen *s = v->seen[pc];

			v->seen[pc] = s->next;
			forget(v, s);
		}
	}
}
