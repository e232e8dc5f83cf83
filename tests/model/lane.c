/*
 * Lanes. Operation 0 of each time line is the making of the session's own
 * directory. The start of an operation is taken from the kernel's coarse
 * clock, which file systems stamp with, its end from the fine one, which never
 * is behind it.
 */
#include "lane.h"

#include <stdlib.h>
#include <string.h>

static struct timespec now(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t;
}

static void wait_for_tick(void)
{
	struct timespec a = now(CLOCK_REALTIME_COARSE), b = now(CLOCK_REALTIME);

	/* Times may have been taken from the fine clock, ahead of the coarse one. */
	do
		a = now(CLOCK_REALTIME_COARSE);
	while (a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec));
}

static void begin_op(struct lane *l, int side)
{
	struct timeline *t = &l->time[side];

	if (l->s->kind[side]->logical) {
		exec_clock = result_stamp(t, t->n);
		return;
	}
	if (t->n == l->cap[side]) {
		l->cap[side] = l->cap[side] ? 2 * l->cap[side] : 256;
		t->begin = realloc(t->begin, l->cap[side] * sizeof(*t->begin));
		t->end = realloc(t->end, l->cap[side] * sizeof(*t->end));
	}
	if (l->s->ticking)
		wait_for_tick();
	t->begin[t->n] = now(CLOCK_REALTIME_COARSE);
}

static void end_op(struct lane *l, int side)
{
	struct timeline *t = &l->time[side];

	if (!l->s->kind[side]->logical)
		t->end[t->n] = now(CLOCK_REALTIME);
	t->n++;
}

bool lane_open(struct lane *l, const struct lane_setup *s, struct exec_fs *const *fs, const char *sub)
{
	/* One origin, so that logical clocks agree. */
	struct timespec start = {.tv_sec = now(CLOCK_REALTIME_COARSE).tv_sec};

	*l = (struct lane){.s = s, .sides = s->kind[1] ? 2 : 1};
	for (int i = 0; i < l->sides; i++) {
		l->time[i].start = start;
		l->time[i].ticking = s->ticking;
		begin_op(l, i);
		l->e[i] = s->kind[i]->session(fs[i], sub);
		end_op(l, i);
		if (!l->e[i])
			return false;
	}
	return true;
}

void lane_close(struct lane *l)
{
	for (int i = 0; i < l->sides; i++) {
		if (l->e[i])
			l->s->kind[i]->end(l->e[i]);
		free(l->time[i].begin);
		free(l->time[i].end);
		result_clear(&l->r[i]);
	}
	op_free(&l->last);
}

/* Attributes of a directory that other lanes work in. */
static void forget_shared(struct result *r, const struct op *o)
{
	for (int i = 0; i < r->nprobe; i++)
		if (!strcmp(r->probe[i].what, "parent") && o->path && !strchr(o->path, '/') && o->at == OP_ROOT)
			r->probe[i].err = 1;
}

const char *lane_step(struct lane *l, const struct op *o)
{
	op_free(&l->last);
	l->last = op_copy(o);
	for (int i = 0; i < l->sides; i++) {
		result_clear(&l->r[i]);
		begin_op(l, i);
		l->s->kind[i]->run(l->e[i], o, l->s->probe && l->sides == 2, &l->r[i]);
		end_op(l, i);
		if (l->s->shared)
			forget_shared(&l->r[i], o);
	}
	l->ops++;
	if (l->sides == 2)
		l->diff = result_compare(o, &l->r[0], &l->time[0], &l->r[1], &l->time[1], l->s->traits);
	return l->diff;
}

const char *lane_check(struct lane *l, FILE *f)
{
	for (int i = 0; i < l->sides; i++) {
		int64_t n = l->s->kind[i]->verify ? l->s->kind[i]->verify(l->e[i], f) : 0;

		if (n == 0)
			continue;
		if (f)
			fprintf(f, "%s: check: %lld\n", l->s->kind[i]->name, (long long)n);
		return l->diff = "fs_check";
	}
	return NULL;
}

void lane_report(struct lane *l, FILE *f)
{
	fprintf(f, "differs: %s\n", l->diff);
	op_print(f, &l->last);
	for (int i = 0; i < l->sides; i++) {
		fprintf(f, "%s:\n", l->s->kind[i]->name);
		result_print(f, &l->r[i]);
	}
}

bool lane_instances(const struct lane_setup *s, struct exec_fs **fs)
{
	for (int i = 0; i < LANE_SIDES; i++) {
		fs[i] = s->kind[i] ? s->kind[i]->open(&s->params[i]) : NULL;
		if (s->kind[i] && !fs[i]) {
			if (i)
				s->kind[0]->close(fs[0]);
			return false;
		}
	}
	return true;
}

void lane_instances_close(const struct lane_setup *s, struct exec_fs **fs)
{
	for (int i = 0; i < LANE_SIDES; i++)
		if (s->kind[i])
			s->kind[i]->close(fs[i]);
}
