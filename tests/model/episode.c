/* Running an episode, with a lane for each thread. */
#include "episode.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gen.h"

#define CHECK_EVERY 50
#define DUMP_EVERY 100

struct runner {
	const struct episode *p;
	struct exec_fs **fs;
	struct episode_count *count;
	int thread;
	const char *diff;
};

/* The name of the thread's directory, or what its names begin with. */
static const char *thread_name(int thread, char *buf, size_t size)
{
	snprintf(buf, size, "t%d_", thread);
	return buf;
}

static void setup_gen(const struct episode *p, int thread, char *prefix, size_t size, struct gen *g, size_t *n)
{
	gen_init(g, p->seed * 64 + (uint64_t)thread);
	g->users = p->users;
	g->far = p->far;
	g->zero_range = p->zero_range;
	g->truncate = p->truncate;
	g->tmpfile = p->tmpfile;
	if (p->mode == EPISODE_SHARED)
		g->prefix = thread_name(thread, prefix, size);
	*n = p->ops / 10 + prng_below(&g->r, p->ops);
}

void episode_ops(const struct episode *p, int thread, struct op_list *out)
{
	char prefix[16];
	struct gen g;
	size_t n;

	setup_gen(p, thread, prefix, sizeof(prefix), &g, &n);
	while (out->n < n)
		op_list_add(out, gen_next(&g));
}

/* Runs the operations, looking at everything from time to time and at the end. */
static const char *run_ops(struct lane *l, const struct op_list *ops, FILE *f, uint64_t *done)
{
	const char *diff = NULL;
	size_t check = ops->n < 100 ? 1 : CHECK_EVERY;

	for (size_t i = 0; i < ops->n && !diff; i++) {
		*done = i + 1;
		diff = lane_step(l, &ops->v[i]);
		if (!diff && i % check == 0)
			diff = lane_check(l, f);
		if (!diff && i % DUMP_EVERY == DUMP_EVERY - 1)
			diff = lane_dump(l);
	}
	if (!diff)
		diff = lane_dump(l);
	return diff ? diff : lane_check(l, f);
}

static void *run_thread(void *arg)
{
	struct runner *r = arg;
	struct op_list ops = {0};
	char buf[16];
	struct lane l;
	uint64_t done;

	episode_ops(r->p, r->thread, &ops);
	if (!lane_open(&l, &r->p->setup, r->fs, r->p->mode == EPISODE_OWN ? thread_name(r->thread, buf, 16) : NULL)) {
		r->diff = "setup";
		return NULL;
	}
	r->diff = run_ops(&l, &ops, stderr, &done);
	if (r->diff) {
		fprintf(stderr, "thread %d, operation %llu of %zu: ", r->thread, (unsigned long long)done, ops.n);
		lane_report(&l, stderr);
	}
	__atomic_fetch_add(&r->count->ops, l.ops, __ATOMIC_RELAXED);
	lane_close(&l);
	op_list_free(&ops);
	return NULL;
}

static int run_all(const struct episode *p, struct exec_fs **fs, struct episode_count *count)
{
	struct runner r[64];
	pthread_t id[64];
	int failed = 0;

	for (int i = 0; i < p->threads; i++) {
		r[i] = (struct runner){.p = p, .fs = fs, .count = count, .thread = i};
		if (p->threads > 1)
			pthread_create(&id[i], NULL, run_thread, &r[i]);
		else
			run_thread(&r[i]);
	}
	for (int i = 0; i < p->threads; i++) {
		if (p->threads > 1)
			pthread_join(id[i], NULL);
		failed |= r[i].diff != NULL;
	}
	return failed;
}

int episode_run(const struct episode *p, struct episode_count *count)
{
	struct exec_fs *fs[LANE_SIDES];
	int failed;

	if (p->mode == EPISODE_MELEE)
		return episode_melee(p, count);
	if (!lane_instances(&p->setup, fs))
		return 2;
	failed = run_all(p, fs, count);
	lane_instances_close(&p->setup, fs);
	return failed;
}

/* In the child: exit status 0 or 1. */
static void replay_child(const struct lane_setup *s, const struct op_list *ops, FILE *f, uint64_t *done)
{
	struct exec_fs *fs[LANE_SIDES];
	struct lane l;
	const char *diff;

	alarm(s->ticking ? 10 * EPISODE_SECONDS : EPISODE_SECONDS);
	if (!f && !freopen("/dev/null", "w", stderr))
		_exit(2);
	if (!lane_instances(s, fs) || !lane_open(&l, s, fs, s->shared ? NULL : "t"))
		_exit(2);
	diff = run_ops(&l, ops, f, done);
	if (diff && f)
		lane_report(&l, f);
	lane_close(&l);
	lane_instances_close(s, fs);
	if (f)
		fflush(f);
	_exit(diff ? 1 : 0);
}

size_t episode_replay(const struct lane_setup *s, const struct op_list *ops, FILE *f)
{
	uint64_t *done = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	size_t failed = 0;
	int status = 0;
	pid_t pid;

	*done = 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		replay_child(s, ops, f, done);
	waitpid(pid, &status, 0);
	if (status) {
		failed = *done ? *done : 1;
		if (f && WIFSIGNALED(status))
			fprintf(f, "died at operation %zu: %s\n", failed, strsignal(WTERMSIG(status)));
	}
	munmap(done, 4096);
	return failed;
}
