/*
 * The store is killed at every step.
 *
 * A *victim* process attaches to a pool and does one operation; a hook between
 * its stores kills it at the k-th of them, for all k until the operation
 * completes. A *survivor*, attached before (or only afterwards), then reads
 * everything, which makes it wait for what the victim had locked; it must find
 * the pool whole, and the state before the operation or after it.
 *
 * With --burials a third process, the *burier*, clears up after the victim and
 * is killed at each step of that, before the survivor comes. The survivor looks
 * around, which undoes what the dead left half done, and then clears up; or it
 * clears up at once, the victim before the burier.
 *
 *	steps [--burials] [--every N] [--stride N] [--only TEXT] [--verbose] [names | data | rest]
 *
 * --every N: of the burials, and of the kills with a survivor that comes
 * afterwards, only each N-th. --stride N: of all kills, for sanitizers, under
 * which a fork takes 20 ms and the steps are the same.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/content.h"
#include "common/dump.h"
#include "common/image.h"
#include "ops.h"

#define SIZE ((struct rig_size){.bytes = 16u << 20, .inodes = 1000})
#define SLOW 10000000u /* ns: what nobody may wait longer than, in the median */

/* Shared by the processes of one run. */
static struct {
	long step, most_undo, step_most_undo;
	uint32_t completed;
} * seen;

struct plan {
	const struct op *op;
	const struct image *im;
	long victim; /* step at which it dies; 0: before the operation, LONG_MAX: after it */
	long burier; /* the same; -1: there is none */
	bool fresh;  /* the survivor comes after the death */
	bool blind;  /* it does not look around before it clears up; and the burier's seat is behind the victim's */
};

struct outcome {
	char *tight, *loose; /* dumps: all of it, and without what stepwise operations may have half done */
	struct content target;
	uint64_t wait;	  /* ns that the survivor's first look took */
	long steps, most; /* of the operation, and the one with the longest undo log */
	bool completed;	  /* the operation */
	bool burier_completed;
};

static unsigned long deaths;
static struct {
	uint64_t *ns;
	size_t n;
} waits;

static struct {
	long every, stride;
	bool burials, verbose;
	const char *only, *group;
} option = {.every = 1, .stride = 1};

/* ---- Those who die ------------------------------------------------------------ */

static struct rig me;
static long die_at;

static void tick(void *arg)
{
	(void)arg;
	if (me.t.slot->nundo > (uint32_t)seen->most_undo) {
		seen->most_undo = me.t.slot->nundo;
		seen->step_most_undo = seen->step + 1;
	}
	if (++seen->step == die_at)
		kill(getpid(), SIGKILL);
}

static void arm(long at)
{
	die_at = at;
	memset(seen, 0, sizeof *seen);
	me.fs.pool.step = tick;
}

/* A process that takes its seat, waits to be told, and dies at what it does then. */
struct mortal {
	pid_t pid;
	int ready[2], go[2];
};

static void await_turn(const struct mortal *m)
{
	char c = 0;

	expect_is(write(m->ready[1], &c, 1), 1);
	expect_is(read(m->go[0], &c, 1), 1);
}

static void victim(const struct plan *p, int fd, const struct mortal *m)
{
	rig_attach(&me, fd, p->op->flags & OP_KERNEL ? FS_ATTACH_KERNEL : 0);
	await_turn(m);
	if (p->op->prepare)
		p->op->prepare(&me.t);
	if (p->victim) {
		arm(p->victim);
		p->op->run(&me.t);
		me.fs.pool.step = NULL;
		seen->completed = 1;
	}
	kill(getpid(), SIGKILL);
}

static void burier(const struct plan *p, int fd, const struct mortal *m)
{
	rig_attach(&me, fd, 0);
	await_turn(m);
	arm(p->burier);
	fs_reap_dead(&me.t);
	me.fs.pool.step = NULL;
	seen->completed = 1;
	kill(getpid(), SIGKILL);
}

static void start(struct mortal *m, void (*life)(const struct plan *p, int fd, const struct mortal *m),
		  const struct plan *p, int fd)
{
	char c;

	must(pipe(m->ready));
	must(pipe(m->go));
	m->pid = (pid_t)must(fork());
	if (m->pid == 0)
		life(p, fd, m);
	expect_is(read(m->ready[0], &c, 1), 1);
}

static void let_die(struct mortal *m, const char *complaint)
{
	int status;

	expect_is(write(m->go[1], "", 1), 1);
	expect_is(waitpid(m->pid, &status, 0), m->pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		rig_fail(__FILE__, __LINE__, complaint, status);
	deaths++;
	close(m->ready[0]);
	close(m->ready[1]);
	close(m->go[0]);
	close(m->go[1]);
}

/* ---- The survivor ------------------------------------------------------------- */

static struct rig survivor;

static void look_around(struct outcome *o)
{
	uint64_t from = rig_now();
	char *text = dump_state(&survivor.t, DUMP_LOOSE);

	o->wait = rig_now() - from;
	rig_clean(&survivor.t, "before clearing up");
	o->loose = text;
}

/* Everything that a program might do next. */
static void work(struct task *t)
{
	static const char value[3000] = "of an attribute";
	char *before = dump_state(t, DUMP_SPACE), *after;
	fs_ino dir = rig_make(t, "d/work", S_IFDIR | 0700), ino = rig_make(t, "d/work/file", S_IFREG | 0600);

	rig_write(t, ino, 0, 20000, 1);
	must(fs_setxattr(t, NULL, ino, "user.a", value, sizeof value, 0));
	must(fs_rename(t, NULL, dir, rig_name("file"), FS_ROOT, rig_name("moved"), 0));
	must(fs_open(t, NULL, ino, 2, 9));
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("moved")));
	must(fs_close(t, 9));
	must(fs_rmdir(t, NULL, rig_walk(t, "d"), rig_name("work")));
	after = dump_state(t, DUMP_SPACE);
	if (strcmp(before, after) != 0) {
		dump_diff(before, after);
		rig_fail(__FILE__, __LINE__, "after the death, work leaves something behind", 0);
	}
	free(before);
	free(after);
}

static void clear_up(const struct plan *p, struct outcome *o)
{
	struct task *t = &survivor.t;

	must(fs_reap_dead(t));
	expect_is(fs_reap_dead(t), 0);
	if (p->op->flags & OP_KERNEL)
		must(fs_forget_all(t));
	rig_clean(t, "after clearing up");
	o->tight = dump_state(t, DUMP_SPACE);
	content_load(&o->target, t, rig_walk(t, "target"));
	if (p->victim != LONG_MAX || p->burier >= 0)
		work(t);
	rig_clean(t, "after going on");
}

static struct outcome run(const struct plan *p)
{
	int fd = image_restore(p->im);
	struct mortal v, b;
	struct outcome o = {0};
	unsigned flags = p->fresh && (p->op->flags & OP_KERNEL) ? FS_ATTACH_KERNEL : 0;

	if (!p->fresh)
		rig_attach(&survivor, fd, 0);
	if (p->burier >= 0 && !p->blind)
		start(&b, burier, p, fd);
	start(&v, victim, p, fd);
	if (p->burier >= 0 && p->blind)
		start(&b, burier, p, fd);
	let_die(&v, "the victim did not die as it should");
	o.completed = seen->completed;
	o.steps = seen->step;
	o.most = seen->step_most_undo;
	if (p->burier >= 0)
		let_die(&b, "the burier did not die as it should");
	o.burier_completed = p->burier >= 0 && seen->completed;
	if (p->fresh)
		rig_attach(&survivor, fd, flags);
	survivor.t.flags = 0;
	if (!p->blind)
		look_around(&o);
	clear_up(p, &o);
	rig_detach(&survivor);
	return o;
}

static void forget(struct outcome *o)
{
	free(o->tight);
	free(o->loose);
	content_free(&o->target);
}

/* ---- Before or after ------------------------------------------------------------- */

static const struct op *now_killing;
static struct plan now_plan;

static void refuse(const char *why, const char *a, const char *b)
{
	fprintf(stderr, "%s, killed at step %ld%s: %s\n", now_killing->name, now_plan.victim,
		now_plan.fresh ? ", survivor fresh" : "", why);
	if (now_plan.burier >= 0)
		fprintf(stderr, "  burier killed at step %ld%s\n", now_plan.burier,
			now_plan.blind ? ", survivor does not look around" : "");
	if (a)
		dump_diff(a, b);
	exit(1);
}

static void judge(const struct op *op, const struct outcome *before, const struct outcome *after,
		  const struct outcome *o)
{
	if (o->loose && strcmp(o->loose, before->loose) != 0 && strcmp(o->loose, after->loose) != 0)
		refuse("the first look shows neither the state before nor after", before->loose, o->loose);
	if (o->completed && strcmp(o->tight, after->tight) != 0)
		refuse("acknowledged, but not there", after->tight, o->tight);
	if (strcmp(o->tight, before->tight) == 0 || strcmp(o->tight, after->tight) == 0)
		return;
	if (!(op->flags & OP_STEPWISE)) {
		dump_diff(after->tight, o->tight);
		refuse("the state is neither the one before nor the one after", before->tight, o->tight);
	}
	if (!content_between(&before->target, &after->target, &o->target))
		refuse("the content is not between the one before and the one after", before->tight, o->tight);
}

static void note_wait(uint64_t ns)
{
	if (ns < 1000000)
		return; /* it did not wait */
	waits.ns = realloc(waits.ns, (waits.n + 1) * sizeof *waits.ns);
	expect(waits.ns != NULL);
	waits.ns[waits.n++] = ns;
}

/* ---- One operation at each of its steps --------------------------------------------- */

static struct image *prepare_image(const struct op *op)
{
	int fd = rig_memfd(SIZE), kept = (int)must(dup(fd));
	struct image *im;

	rig_attach(&survivor, fd, 0);
	if (!(op->flags & OP_COLD))
		survivor.t.arena = option.burials ? 2 : 1; /* the victim's: see run() for who comes when */
	op->set_up(&survivor.t);
	rig_clean(&survivor.t, "as set up");
	rig_detach(&survivor);
	im = image_take(kept);
	close(kept);
	return im;
}

static struct outcome run_plan(const struct plan *p)
{
	now_killing = p->op;
	now_plan = *p;
	return run(p);
}

static struct outcome run_one(const struct op *op, const struct image *im, long at, long burier_at, bool fresh)
{
	return run_plan(&(struct plan){op, im, at, burier_at, fresh, false});
}

static void kill_steps(const struct op *op, const struct image *im, const struct outcome *before,
		       const struct outcome *after, long steps, bool fresh)
{
	for (long k = 1 + (fresh ? option.every / 2 : 0); k <= steps; k += fresh ? option.every : option.stride) {
		struct outcome o = run_one(op, im, k, -1, fresh);

		judge(op, before, after, &o);
		if (!fresh)
			note_wait(o.wait);
		forget(&o);
	}
}

/* Each second of them is cleared up blindly, or, where all are asked for, each in both ways. */
static void kill_burials(const struct op *op, const struct image *im, const struct outcome *before,
			 const struct outcome *after, long at)
{
	struct plan p = {.op = op, .im = im, .victim = at, .burier = 1};
	bool completed = false;

	while (!completed) {
		struct outcome o = run_plan(&p);

		judge(op, before, after, &o);
		if (o.loose)
			note_wait(o.wait);
		completed = o.burier_completed;
		forget(&o);
		p.blind = !p.blind;
		if (option.every > 1 || !p.blind)
			p.burier += option.every;
	}
}

static void kill_op(const struct op *op)
{
	struct image *im = prepare_image(op);
	long other = option.burials ? LONG_MAX : -1, steps, most;
	struct outcome before = run_one(op, im, 0, other, false), after = run_one(op, im, LONG_MAX, other, false);
	unsigned long from = deaths;

	steps = after.steps;
	most = after.most;
	if (!after.completed)
		refuse("it does not complete", NULL, NULL);
	if (option.burials) {
		for (long k = most; k > 0 && k <= steps; k += option.every > 1 ? steps : max_of(1, steps / 10))
			kill_burials(op, im, &before, &after, k);
		if (steps)
			kill_burials(op, im, &before, &after, steps - 1 > 0 ? steps - 1 : 1);
	} else {
		kill_steps(op, im, &before, &after, steps, false);
		kill_steps(op, im, &before, &after, steps, true);
	}
	if (option.verbose)
		printf("%-40s %4ld steps %6lu deaths\n", op->name, steps, deaths - from);
	forget(&before);
	forget(&after);
	image_free(im);
}

static void kill_all(const char *group, const struct op *ops)
{
	if (option.group && strcmp(option.group, group) != 0)
		return;
	for (; ops->name; ops++)
		if (!option.only || strstr(ops->name, option.only))
			kill_op(ops);
}

/* ---- All of them ------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int report(void)
{
	uint64_t median, most;

	if (waits.n == 0) {
		printf("%lu deaths, nobody waited\n", deaths);
		return option.only == NULL; /* then the test is blind, or there is no such group */
	}
	qsort(waits.ns, waits.n, sizeof *waits.ns, by_size);
	median = waits.ns[waits.n / 2];
	most = waits.ns[waits.n - 1];
	printf("%lu deaths; %zu times the survivor waited: median %.1f ms, at most %.1f ms\n", deaths, waits.n,
	       (double)median / 1e6, (double)most / 1e6);
	return median >= SLOW;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--burials"))
			option.burials = true;
		else if (!strcmp(argv[i], "--verbose"))
			option.verbose = true;
		else if (!strcmp(argv[i], "--every") && i + 1 < argc)
			option.every = atol(argv[++i]);
		else if (!strcmp(argv[i], "--stride") && i + 1 < argc)
			option.stride = atol(argv[++i]);
		else if (!strcmp(argv[i], "--only") && i + 1 < argc)
			option.only = argv[++i];
		else
			option.group = argv[i];
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(seen != MAP_FAILED);
	kill_all("names", ops_names);
	kill_all("data", ops_data);
	kill_all("rest", ops_rest);
	return report();
}
