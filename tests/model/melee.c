/*
 * Free for all: threads with the same names in the same directory. What each
 * call returns depends on the others, but no call may fail with an error that
 * no argument explains, the store must be sound afterwards, and when all has
 * been deleted all space must be back.
 */
#include "episode.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cred.h"
#include "gen.h"
#include "sweep.h"

struct fighter {
	const struct episode *p;
	struct exec_fs **fs;
	struct episode_count *count;
	int thread, failed;
};

/* Errors that mean a damaged store or a broken promise, whatever was asked. */
static bool unexpected(const struct lane *l)
{
	switch (-l->r[0].ret) {
	case EUCLEAN:
	case EIO:
	case EFAULT:
	case ENOSYS:
	case ESTALE:
	case EDEADLK:
	case EAGAIN:
	case EINTR:
	case EUSERS:
		return true;
	default:
		return false;
	}
}

static void *fight(void *arg)
{
	struct fighter *f = arg;
	struct op_list ops = {0};
	struct lane l;

	episode_ops(f->p, f->thread, &ops);
	if (!lane_open(&l, &f->p->setup, f->fs, NULL)) {
		f->failed = 1;
		return NULL;
	}
	for (size_t i = 0; i < ops.n && !f->failed; i++) {
		lane_step(&l, &ops.v[i]);
		if (unexpected(&l)) {
			l.diff = "unexpected error";
			lane_report(&l, stderr);
			f->failed = 1;
		}
		if (f->thread == 0 && i % 200 == 199 && lane_check(&l, stderr))
			f->failed = 1;
	}
	__atomic_fetch_add(&f->count->ops, l.ops, __ATOMIC_RELAXED);
	lane_close(&l);
	op_list_free(&ops);
	return NULL;
}

/* Deletes everything; the space must be what it was before. */
static int clean_up(const struct episode *p, struct exec_fs **fs, const struct exec_usage *before)
{
	const struct exec_kind *k = p->setup.kind[0];
	struct exec_usage after;
	struct lane l;
	int failed = 0;

	if (!lane_open(&l, &p->setup, fs, NULL))
		return 1;
	failed |= lane_check(&l, stderr) != NULL;
	failed |= sweep_dir(&l, ".");
	failed |= lane_check(&l, stderr) != NULL;
	if (k->usage) {
		k->usage(l.e[0], &after);
		if (after.blocks != before->blocks || after.inodes != before->inodes) {
			fprintf(stderr, "space is lost: %lld blocks, %lld inodes\n",
				(long long)(after.blocks - before->blocks), (long long)(after.inodes - before->inodes));
			failed = 1;
		}
	}
	lane_close(&l);
	return failed;
}

static void usage_now(const struct episode *p, struct exec_fs **fs, struct exec_usage *u)
{
	struct lane l;

	if (p->setup.kind[0]->usage && lane_open(&l, &p->setup, fs, NULL)) {
		p->setup.kind[0]->usage(l.e[0], u);
		lane_close(&l);
	}
}

int episode_melee(const struct episode *p, struct episode_count *count)
{
	struct exec_fs *fs[LANE_SIDES];
	struct exec_usage before = {0};
	struct fighter f[64];
	pthread_t id[64];
	int failed = 0;

	if (!lane_instances(&p->setup, fs))
		return 2;
	usage_now(p, fs, &before);
	for (int i = 0; i < p->threads; i++) {
		f[i] = (struct fighter){.p = p, .fs = fs, .count = count, .thread = i};
		pthread_create(&id[i], NULL, fight, &f[i]);
	}
	for (int i = 0; i < p->threads; i++) {
		pthread_join(id[i], NULL);
		failed |= f[i].failed;
	}
	failed |= clean_up(p, fs, &before);
	lane_instances_close(&p->setup, fs);
	return failed;
}
