/* bt-fuse fsck: walks a pool, of a mount that is in use or of a daemon that was killed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "control/ask.h"
#include "control/mounts.h"
#include "control/pools.h"
#include "fs/fs.h"

enum verdict {
	CLEAN = 0,
	ERRORS = 1,
};

static void complain(void *arg, const char *what, uint64_t at)
{
	printf("%s: %s (at %#llx)\n", (const char *)arg, what, (unsigned long long)at);
}

static int read_clock(int clock, struct timespec *ts)
{
	return clock_gettime(clock, ts) < 0 ? -errno : 0;
}

static int check_attached(struct pool *pool, char *name, struct err *err)
{
	struct task task = {0};
	int64_t n;
	int ret = task_attach(pool, 0, &task);

	if (ret < 0)
		return err_set(err, ret, "%s: no seat in the pool: %s", name, strerror(-ret));
	task.clock = read_clock;
	n = fs_check(&task, complain, name);
	task_detach(&task);
	if (n < 0)
		return err_set(err, (int)n, "%s: could not be checked: %s", name, strerror((int)-n));
	if (n == 0)
		printf("%s: clean\n", name);
	else
		printf("%s: %lld errors\n", name, (long long)n);
	return n ? ERRORS : CLEAN;
}

static int check_pool(int fd, char *name, struct err *err)
{
	struct fs fs;
	int ret = fs_attach(fd, 0, &fs);

	if (ret < 0) {
		close(fd);
		return err_set(err, ret, "%s: %s", name,
			       ret == -EUCLEAN ? "not a pool of this version, or damaged beyond checking"
					       : strerror(-ret));
	}
	ret = check_attached(&fs.pool, name, err);
	fs_detach(&fs);
	return ret;
}

/* The pool's descriptor: from its daemon, or else from its file. */
static int open_pool(const char *name, struct err *err)
{
	struct control_attach reply;
	autoclose int sock = ask_connect(name);
	int fd = sock < 0 ? -ENOENT : ask_pool(sock, &reply);

	if (fd >= 0)
		return fd;
	fd = pools_open(name);
	if (fd < 0)
		return err_set(err, fd, "%s: no such mount, and no pool of this name is left; see bt-fuse status",
			       name);
	return fd;
}

/* A dead mount shows its name, unless it was given a source. */
static bool shows_name(const char *path, struct mounts_entry *m)
{
	return mounts_find(path, m) && rundir_name_ok(m->source) && access(pools_path(m->source).s, F_OK) == 0;
}

/* The name of what is, or was, mounted on `dir`. 0 or -errno with a text. */
static int name_of(const char *dir, char *name, struct err *err)
{
	struct control_info info;
	struct mounts_entry m;
	char path[PATH_MAX];
	int ret = mounts_resolve(dir, path);

	if (ret < 0)
		return err_set(err, ret, "%s: %s", dir, strerror(-ret));
	if (ask_find(path, &info))
		snprintf(name, 64, "%s", info.name);
	else if (shows_name(path, &m))
		snprintf(name, 64, "%.63s", m.source);
	else
		rundir_default_name(path, name);
	return 0;
}

int cmd_fsck(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {{"name", required_argument, NULL, 'n'}, {NULL, 0, NULL, 0}};
	char name[64] = "";
	int c, fd, ret = 0;

	while ((c = args_next(argc, argv, ":", longs, err)) != -1) {
		if (c != 'n')
			return -EINVAL;
		if (!rundir_name_ok(optarg))
			return err_set(err, -EINVAL, "name %s: not a name; see bt-fuse status", optarg);
		snprintf(name, sizeof(name), "%s", optarg);
	}
	if (optind + (*name ? 0 : 1) != argc)
		return err_set(err, -EINVAL, "fsck: wants one DIR, or --name NAME");
	if (!*name)
		ret = name_of(argv[optind], name, err);
	if (ret < 0)
		return ret;
	fd = open_pool(name, err);
	return fd < 0 ? fd : check_pool(fd, name, err);
}
