/*
 * bt-fuse status: this user's mounts, as their daemons tell of them; pools that
 * killed daemons left; mounts that nobody answers for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/report.h"
#include "control/ask.h"
#include "control/mounts.h"
#include "control/pools.h"
#include "shm/task.h"

struct survey {
	struct report *report;
	struct control_info *live; /* the mounts that answer */
	char (*silent)[64];	   /* names of those that have a daemon which does not */
	size_t nlive, nsilent;
};

static int add_silent(struct survey *s, const char *name)
{
	void *more = reallocarray(s->silent, s->nsilent + 1, sizeof(*s->silent));

	if (!more)
		return -ENOMEM;
	s->silent = more;
	snprintf(s->silent[s->nsilent++], sizeof(*s->silent), "%s", name);
	return 0;
}

static int add_live(void *arg, const struct ask_answer *answer)
{
	struct survey *s = arg;
	void *more;

	if (!answer->info)
		return add_silent(s, answer->name);
	more = reallocarray(s->live, s->nlive + 1, sizeof(*s->live));
	if (!more)
		return -ENOMEM;
	s->live = more;
	s->live[s->nlive++] = *answer->info;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct control_info *)a)->name, ((const struct control_info *)b)->name);
}

static void report_live(struct survey *s)
{
	if (s->nlive)
		qsort(s->live, s->nlive, sizeof(*s->live), by_name);
	for (size_t i = 0; i < s->nlive; i++)
		report_mount(s->report, &s->live[i]);
}

/*
 * Who works on the pool has locked a byte from TASK_LIFE on: see shm/task.h.
 * This process has attached none, so it may open and close the file.
 */
static uint32_t holder(const char *name)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = TASK_LIFE};
	autoclose int fd = pools_open(name);

	if (fd < 0 || fcntl(fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	return (uint32_t)lock.l_pid;
}

static void add_pool(void *arg, const struct pools_found *found)
{
	struct survey *s = arg;

	for (size_t i = 0; i < s->nlive; i++) {
		if (strcmp(s->live[i].name, found->name) == 0)
			return;
	}
	report_pool(s->report, found, holder(found->name));
}

/* One whose daemon is stopped is not dead, and would have this process wait; its pool is held. */
static int add_dead(void *arg, const struct mounts_entry *m)
{
	struct survey *s = arg;

	for (size_t i = 0; i < s->nsilent; i++)
		if (strcmp(s->silent[i], m->source) == 0)
			return 0;
	if (m->user == geteuid() && mounts_dead(m->dir))
		report_dead(s->report, m);
	return 0;
}

int cmd_status(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	struct report report = {.format = REPORT_TABLE};
	struct survey s = {.report = &report};
	int c, ret;

	while ((c = args_next(argc, argv, ":", longs, err)) != -1) {
		if (c != 'j')
			return -EINVAL;
		report.format = REPORT_JSON;
	}
	if (optind != argc)
		return err_set(err, -EINVAL, "status: %s: takes no argument", argv[optind]);
	report_begin(&report);
	ret = ask_each(ASK_EACH_MS, add_live, &s);
	if (ret == 0)
		report_live(&s);
	if (ret == 0)
		pools_each(add_pool, &s);
	if (ret == 0)
		mounts_each(add_dead, &s);
	report_end(&report);
	free(s.live);
	free(s.silent);
	return ret < 0 ? err_set(err, ret, "status: %s", strerror(-ret)) : 0;
}
