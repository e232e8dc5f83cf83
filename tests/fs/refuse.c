/*
 * Every request for room fails once. For each operation of a scenario and each
 * n: the operations before it run on the store and on the plain model alike,
 * then it runs on the store with its n-th request for room refused. Either it
 * did without, or it is as if it had not been called (a write may have done a
 * part, and said so). The store must be sound, and the operation and all that
 * follow must then give what the model gives; after everything has been
 * deleted, all space must be back.
 *
 *	refuse SCENARIO
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "model/lane.h"
#include "model/sweep.h"

#define MODEL 0
#define STORE 1

struct fault {
	uint64_t asked; /* requests so far */
	uint64_t nth;	/* the one to refuse, 0: none */
	bool onward;	/* and all after it */
};

static bool refuse(void *arg)
{
	struct fault *f = arg;

	f->asked++;
	return f->nth && (f->asked == f->nth || (f->onward && f->asked > f->nth));
}

static bool frees(const struct op *o)
{
	return o->kind == OP_UNLINK || o->kind == OP_RMDIR || o->kind == OP_CLOSE || o->kind == OP_REMOVEXATTR ||
	       (o->kind == OP_FALLOCATE && o->flags == 03);
}

/* On one side only; the other side's time line goes on as well. */
static int64_t run_side(struct lane *l, int side, const struct op *o)
{
	result_clear(&l->r[side]);
	exec_clock = result_stamp(&l->time[side], l->time[MODEL].n);
	l->s->kind[side]->run(l->e[side], o, false, &l->r[side]);
	return l->r[side].ret;
}

/*
 * The operation with the fault. What the store did, the model does: nothing,
 * all, or the part that was written.
 */
static const char *run_faulty(struct lane *l, const struct op *o, struct fault *f, uint64_t nth)
{
	int64_t ret, want = 0;
	struct op part = *o;

	f->asked = 0;
	f->nth = nth;
	ret = run_side(l, STORE, o);
	f->nth = 0;
	if (ret == -ENOSPC && frees(o))
		l->diff = "what frees room needs some";
	if (ret != -ENOSPC) {
		if (o->kind == OP_WRITE || o->kind == OP_COPY_RANGE)
			part.len = ret;
		want = run_side(l, MODEL, &part);
		if (want != ret)
			l->diff = "return value";
	}
	l->time[MODEL].n++;
	l->time[STORE].n++;
	return l->diff;
}

static const char *prove(struct lane *l)
{
	const char *diff = lane_check(l, stderr);

	return diff ? diff : lane_dump(l);
}

static const char *run_rest(struct lane *l, const struct op_list *ops, size_t from, size_t to)
{
	const char *diff = NULL;

	for (size_t i = from; i < to && !diff; i++)
		diff = lane_step(l, &ops->v[i]);
	return diff;
}

/* Descriptors first: what they hold has no name. */
static const char *delete_all(struct lane *l, const struct exec_usage *before)
{
	struct exec_usage after;

	for (int i = 0; i < OP_SLOTS; i++) {
		struct op o = op_make(OP_CLOSE);

		o.fd = i;
		lane_step(l, &o);
	}
	if (sweep_dir(l, "."))
		return l->diff = "deleting";
	l->s->kind[STORE]->usage(l->e[STORE], &after);
	if (after.blocks != before->blocks || after.inodes != before->inodes)
		return l->diff = "space is lost";
	return lane_check(l, stderr);
}

/* Did the refusal come at all? Otherwise the operation has been tried with every n. */
static bool try_one(const struct lane_setup *s, const struct op_list *ops, size_t i, uint64_t nth, bool onward,
		    const char **diff)
{
	struct fault f = {.onward = onward};
	struct exec_usage before = {0};
	struct exec_fs *fs[LANE_SIDES];
	struct lane l;
	bool reached = false;

	if (!lane_instances(s, fs) || !lane_open(&l, s, fs, "t"))
		exit(2);
	s->kind[STORE]->usage(l.e[STORE], &before);
	exec_store_refuse(fs[STORE], refuse, &f);
	*diff = run_rest(&l, ops, 0, i);
	if (!*diff) {
		*diff = run_faulty(&l, &ops->v[i], &f, nth);
		reached = f.asked >= nth;
	}
	if (!*diff)
		*diff = prove(&l);
	if (!*diff && l.r[STORE].ret >= 0)
		*diff = run_rest(&l, ops, i, ops->n);
	if (!*diff)
		*diff = prove(&l);
	if (!*diff)
		*diff = delete_all(&l, &before);
	if (*diff) {
		fprintf(stderr, "operation %zu with request %llu refused: ", i + 1, (unsigned long long)nth);
		op_print(stderr, &ops->v[i]);
		lane_report(&l, stderr);
	}
	lane_close(&l);
	lane_instances_close(s, fs);
	return reached;
}

static bool read_scenario(const char *path, struct op_list *ops)
{
	FILE *f = fopen(path, "r");
	struct op op;
	int ret = -1;

	while (f && (ret = op_parse(f, &op)) > 0)
		op_list_add(ops, op);
	if (f)
		fclose(f);
	return ret == 0;
}

int main(int argc, char **argv)
{
	struct lane_setup s = {
	    .kind = {&exec_model, &exec_store},
	    .params = {{.size_max = FS_SIZE_MAX, .zero_range = true}, {.size = 64 << 20, .inodes = 4096}},
	    .traits = TRAIT_ATIME | TRAIT_BTIME,
	    .probe = true,
	};
	struct op_list ops = {0};
	const char *diff = NULL;
	unsigned tried = 0;

	if (argc != 2 || !read_scenario(argv[1], &ops)) {
		fprintf(stderr, "usage: refuse SCENARIO\n");
		return 2;
	}
	for (size_t i = 0; i < ops.n && !diff; i++)
		for (int onward = 0; onward < 2 && !diff; onward++)
			for (uint64_t n = 1; !diff && try_one(&s, &ops, i, n, onward, &diff); n++)
				tried++;
	printf("%zu operations, %u refusals%s\n", ops.n, tried, diff ? ", FAILED" : "");
	op_list_free(&ops);
	return diff != NULL;
}
