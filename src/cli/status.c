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
	char (*live)[64]; /* names of the mounts that answer */
	size_t nlive;
};

static int add_live(void *arg, const struct control_info *info)
{
	struct survey *s = arg;
	void *more = reallocarray(s->live, s->nlive + 1, sizeof(*s->live));

	if (!more)
		return -ENOMEM;
	s->live = more;
	memcpy(s->live[s->nlive++], info->name, sizeof(info->name));
	report_mount(s->report, info);
	return 0;
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
		if (strcmp(s->live[i], found->name) == 0)
			return;
	}
	report_pool(s->report, found, holder(found->name));
}

static int add_dead(void *arg, const struct mounts_entry *m)
{
	struct survey *s = arg;

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
	ret = ask_each(add_live, &s);
	if (ret == 0)
		pools_each(add_pool, &s);
	if (ret == 0)
		mounts_each(add_dead, &s);
	report_end(&report);
	free(s.live);
	return ret < 0 ? err_set(err, ret, "status: %s", strerror(-ret)) : 0;
}
