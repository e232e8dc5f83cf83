/*
 * bt-fuse run: starts a program with the agent, and hands it the pools of this
 * user's mounts.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/loader.h"
#include "control/ask.h"
#include "control/mounts.h"
#include "launch/run.h"
#include "vfs/vfs.h"
#include "world/world.h"

struct pools {
	const char *const *dirs; /* the mounts that were asked for, canonical; NULL: all */
	int wanted;
	int fd[VFS_MOUNTS];
	unsigned n;
	char *unserved; /* names of those that are the kernel's. NULL: none */
	bool too_many;
	const char *trace; /* the file of a tracer. NULL: none */
};

static bool is_wanted(const struct pools *p, const char *dir)
{
	for (int i = 0; i < p->wanted; i++)
		if (strcmp(p->dirs[i], dir) == 0)
			return true;
	return p->wanted == 0;
}

/* Descriptors of ours are out of the way of those that the program counts on: redirections, the lowest free number. */
static int keep_high(int fd)
{
	int high = fcntl(fd, F_DUPFD, 500);

	if (high < 0) {
		fcntl(fd, F_SETFD, 0);
		return fd;
	}
	close(fd);
	return high;
}

static void leave_out(struct pools *p, const char *dir)
{
	autofree char *old = p->unserved;

	if (asprintf(&p->unserved, "%s%s%s", old ? old : "", old ? " " : "", dir) < 0)
		p->unserved = steal(&old);
}

/* The pool of a daemon that works, to be attached by an agent of this build. -errno. */
static int take_pool(int sock)
{
	struct control_attach reply;
	autoclose int fd = ask_pool(sock, &reply);
	autoclose int looked_at = fd < 0 ? -1 : dup(fd);
	struct fs fs;
	int err = fd < 0 ? fd : looked_at < 0 ? -errno : fs_look(looked_at, &fs);

	if (err < 0)
		return err;
	pool_unmap(&fs.pool);
	steal_fd(&looked_at); /* which that has closed */
	return steal_fd(&fd);
}

static const char *reason(int err)
{
	return err == -EUCLEAN	   ? "its daemon is of another version, or the pool damaged (see bt-fuse fsck)"
	       : err == -ETIMEDOUT ? "its daemon does not answer"
	       : err == -EBUSY	   ? "something is mounted in it"
				   : strerror(-err);
}

static void try_pool(struct pools *p, const struct ask_answer *answer)
{
	const char *dir = answer->info->mountpoint;
	int fd = p->n == VFS_MOUNTS ? -ENOSPC : vfs_is_covered(dir) ? -EBUSY : take_pool(answer->sock);

	if (fd >= 0) {
		p->fd[p->n++] = keep_high(fd);
		return;
	}
	leave_out(p, dir);
	p->too_many |= p->n == VFS_MOUNTS;
	if (p->n < VFS_MOUNTS)
		fprintf(stderr, "bt-fuse: run: %s: the kernel is asked there: %s\n", dir, reason(fd));
}

static int add_pool(void *arg, const struct ask_answer *answer)
{
	struct pools *p = arg;

	if (!answer->info) {
		if (!p->wanted) { /* else those that are have been found */
			leave_out(p, answer->name);
			fprintf(stderr,
				"bt-fuse: run: mount %s: its daemon does not answer; the kernel is asked there\n",
				answer->name);
		}
		return 0;
	}
	if (is_wanted(p, answer->info->mountpoint))
		try_pool(p, answer);
	return p->wanted && p->n == (unsigned)p->wanted; /* all: nobody else is waited for */
}

static void find_pools(struct pools *p)
{
	ask_each(ASK_EACH_MS, add_pool, p);
	if (p->too_many)
		fprintf(stderr, "bt-fuse: run: more than %u mounts; the kernel is asked on %s\n", VFS_MOUNTS,
			p->unserved ? p->unserved : "some");
}

/* The world of eBPF, so that programs attached later are seen. Where there is no room for it, programs run without. */
static int add_world(char **text)
{
	int fd = world_open();
	autofree char *old = *text;

	if (fd >= 0)
		return asprintf(text, "%s;%d", old ? old : "", keep_high(fd));
	fprintf(stderr, "bt-fuse: run: no eBPF programs are seen: %s: %s\n", world_path().s, strerror(-fd));
	*text = steal(&old);
	return 0;
}

/* "<placeholder>,<pool>...[,<file of a tracer>][;<world>]" for the agent. */
static char *describe(const struct pools *p)
{
	int placeholder = p->n ? vfs_placeholder() : -1;
	char *text = NULL;

	if (placeholder >= 0 && asprintf(&text, "%d", placeholder) < 0)
		return NULL;
	for (unsigned i = 0; i < p->n && text; i++) {
		autofree char *old = text;

		if (asprintf(&text, "%s,%d", old, p->fd[i]) < 0)
			text = NULL;
	}
	if (p->trace && text) {
		autofree char *old = text;

		if (asprintf(&text, "%s,%s", old, p->trace) < 0)
			text = NULL;
	}
	return add_world(&text) < 0 ? NULL : text;
}

char *loader_run_config(void)
{
	struct pools pools = {.wanted = 0};
	autofree char *text = NULL;

	find_pools(&pools);
	text = describe(&pools);
	free(pools.unserved);
	return steal(&text);
}

static int add_dir(const char *arg, char **dirs, int n, struct err *err)
{
	struct control_info info;
	struct mounts_entry m;

	dirs[n] = realpath(arg, NULL);
	if (!dirs[n])
		return err_set(err, -errno, "%s: %s", arg, strerror(errno));
	if (ask_find(dirs[n], &info))
		return 0;
	if (mounts_find(dirs[n], &m))
		return err_set(err, -ETIMEDOUT, "%s: the mount's daemon does not answer; see bt-fuse status", arg);
	return err_set(err, -ENOENT, "%s: no mount of bt-fuse is here; see bt-fuse status", arg);
}

int cmd_run(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {{"mount", required_argument, NULL, 'm'},
					      {"stats", optional_argument, NULL, 's'},
					      {"trace-to", required_argument, NULL, 't'}, /* of bt-fuse trace */
					      {0}};
	char *dirs[VFS_MOUNTS];
	struct run_options o = {0};
	struct pools pools = {.dirs = (const char *const *)dirs};
	autofree char *handlers = NULL, *unserved = NULL;
	int c, ret = 0;

	while ((c = getopt_long(argc, argv, "+v", longs, NULL)) != -1 && ret == 0) {
		if (c == 's' && (!optarg || strcmp(optarg, "process") == 0))
			o.stats = true, o.processes |= optarg != NULL;
		else if (c == 'v')
			o.verbose = true;
		else if (c == 't')
			pools.trace = optarg;
		else if (c == 'm' && pools.wanted < (int)VFS_MOUNTS)
			ret = add_dir(optarg, dirs, pools.wanted++, err);
		else
			return err_set(err, -EINVAL, c == 'm' ? "run: at most %u mounts" : "run: see bt-fuse-run(1)",
				       VFS_MOUNTS);
	}
	if (ret < 0)
		return ret;
	if (!argv[optind])
		return err_set(err, -EINVAL, "run: no command given; see bt-fuse-run(1)");
	find_pools(&pools);
	unserved = pools.unserved;
	handlers = describe(&pools);
	o.handlers = handlers;
	o.unserved = unserved;
	return run_exec(&o, argv + optind);
}
