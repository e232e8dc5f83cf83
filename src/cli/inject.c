/*
 * bt-fuse inject: runs a command of whose calls some fail or come late. Our own
 * program (progs/inject.bpf.c) is loaded into a world that only this command
 * sees, and attached to the entry of the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/call_names.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/loader.h"
#include "launch/run.h"
#include "world/event.h"

#define TEXTS 16

struct rule {
	char at[64];
	char text[TEXTS][320]; /* NAME=VALUE */
	unsigned n;
	bool acts;
};

static void set(struct rule *r, const char *name, long long value)
{
	if (r->n < TEXTS)
		snprintf(r->text[r->n++], sizeof(r->text[0]), "%s=%lld", name, value);
}

/* Which argument is a path: 1 + its place; 0: the call has a descriptor in front. */
static unsigned path_argument(const char *call)
{
	static const char *const first[] = {
	    "open",   "creat", "stat",	 "lstat",    "access",	 "truncate", "unlink",	 "mkdir",   "rmdir",
	    "chmod",  "chown", "lchown", "readlink", "execve",	 "rename",   "link",	 "symlink", "mknod",
	    "statfs", "chdir", "utime",	 "utimes",   "getxattr", "setxattr", "listxattr"};
	size_t n = strlen(call);

	for (size_t i = 0; i < array_len(first); i++)
		if (strcmp(call, first[i]) == 0)
			return 1;
	return strcmp(call, "statx") == 0 || strcmp(call, "openat2") == 0 || strcmp(call, "faccessat2") == 0 ||
		       strcmp(call, "renameat2") == 0 || (n > 2 && strcmp(call + n - 2, "at") == 0)
		   ? 2
		   : 0;
}

static int take_call(struct rule *r, const char *name, struct err *err)
{
	int nr = call_number(name, (unsigned)strlen(name));

	if (nr < 0)
		return err_set(err, -EINVAL, "inject: %s: no such system call", name);
	event_name(EVENT_SET | (uint32_t)nr, r->at, sizeof(r->at));
	set(r, "path_arg", path_argument(name));
	set(r, "dir_arg", path_argument(name) == 2);
	return 0;
}

static int take_errno(struct rule *r, const char *name, struct err *err)
{
	for (int e = 1; e < 134; e++) {
		const char *is = strerrorname_np(e);

		if (is && strcmp(is, name) == 0) {
			set(r, "error", e);
			r->acts = true;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "inject: %s: no such error; write ENOSPC, EIO...", name);
}

/* "5%", "0.05" */
static int take_rate(struct rule *r, const char *s, struct err *err)
{
	char *end;
	double v = strtod(s, &end);

	if (strcmp(end, "%") == 0)
		v /= 100;
	else if (*end || end == s)
		v = -1;
	if (!(v > 0 && v <= 1))
		return err_set(err, -EINVAL, "inject: rate %s: between 0 and 1, or in per cent", s);
	set(r, "rate", v * 1e6 < 1 ? 1 : (long long)(v * 1e6));
	return 0;
}

/* "10ms", "2s", "500us", "100ns" */
static int take_time(struct rule *r, const char *name, const char *s, struct err *err)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"", 1e9}};
	char *end;
	double v = strtod(s, &end);

	for (size_t i = 0; i < array_len(units) && end != s && v >= 0; i++) {
		if (strcmp(end, units[i].unit) == 0) {
			set(r, name, (long long)(v * units[i].ns));
			return 0;
		}
	}
	return err_set(err, -EINVAL, "inject: %s: not a time; write 10ms or 2s", s);
}

static int take_path(struct rule *r, const char *glob, struct err *err)
{
	if (strlen(glob) >= 256)
		return err_set(err, -ENAMETOOLONG, "inject: %s: a pattern has at most 255 bytes", glob);
	set(r, "has_path", 1);
	snprintf(r->text[r->n++], sizeof(r->text[0]), "pattern=%s", glob);
	return 0;
}

static int take_number(struct rule *r, const char *name, const char *s, struct err *err)
{
	uint64_t v;
	int ret = args_number(name, s, 10, UINT32_MAX, &v, err);

	if (ret == 0)
		set(r, name, (long long)v);
	return ret;
}

static int take_option(struct rule *r, int c, struct err *err)
{
	switch (c) {
	case 'c':
		return take_call(r, optarg, err);
	case 'e':
		return take_errno(r, optarg, err);
	case 'r':
		return take_rate(r, optarg, err);
	case 'n':
		return take_number(r, "nth", optarg, err);
	case 's':
		return take_number(r, "seed", optarg, err);
	case 'p':
		return take_path(r, optarg, err);
	case 'a':
		return take_time(r, "after_ns", optarg, err);
	case 'd':
		r->acts = true;
		return take_time(r, "delay_ns", optarg, err);
	default:
		return -EINVAL;
	}
}

/* ---- Running --------------------------------------------------------------------------- */

/* Serves the loader until it has said that it is ready, or has ended. */
static int wait_attached(struct bpfd *s, pid_t loader, int out, struct err *err)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, loader, 0);
	char line[256] = "";

	if (bpfd_run(s, pidfd, out) && read(out, line, sizeof(line) - 1) > 0 && strstr(line, "attached"))
		return 0;
	return err_set(err, -EIO, "inject: the rule could not be loaded");
}

static int run_command(char **argv)
{
	autofree char *handlers = loader_run_config();
	struct run_options o = {.handlers = handlers};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		unsetenv("BTFUSE_WORLD");
		_exit(run_exec(&o, argv));
	}
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 126;
	return pid < 0 ? 126 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int inject(struct bpfd *s, struct loader_object *o, char **argv, struct err *err)
{
	int out[2], ret;
	pid_t loader;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_set(err, -errno, "inject: %s", strerror(errno));
	loader = loader_spawn(s, o->argv, out[1]);
	close(out[1]);
	ret =
	    loader < 0 ? err_set(err, loader, "inject: %s", strerror(-loader)) : wait_attached(s, loader, out[0], err);
	if (ret == 0)
		ret = run_command(argv);
	close(out[0]);
	if (loader > 0) {
		kill(loader, SIGTERM);
		waitpid(loader, NULL, 0);
	}
	return ret;
}

static int with_rule(const struct rule *r, char **argv, struct err *err)
{
	static const char *const names[] = {"lib/bt-fuse/progs/inject.bpf.o",
					    "lib/x86_64-linux-gnu/bt-fuse/progs/inject.bpf.o", "progs/inject.bpf.o",
					    NULL};
	autofree char *object = run_find(names);
	struct loader_object o;
	char world[32], wake[160];
	struct bpfd s;
	int ret = object ? loader_object(&o, err) : err_set(err, -ENOENT, "inject: inject.bpf.o is not installed");

	if (ret)
		return ret;
	for (unsigned i = 0; i < r->n; i++)
		loader_add(&o, "--set", r->text[i]);
	loader_add(&o, "--at", r->at);
	loader_add(&o, NULL, object);
	snprintf(world, sizeof(world), "inject-%d", (int)getpid());
	setenv("BTFUSE_WORLD", world, 1);
	ret = bpfd_start(&s, NULL, err);
	if (ret == 0)
		ret = inject(&s, &o, argv, err);
	bpfd_end(&s);
	unlink(world_path().s);
	snprintf(wake, sizeof(wake), "%.120s.wake", world_path().s);
	rmdir(wake);
	free(o.argv[0]);
	return ret;
}

int cmd_inject(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {{"call", required_argument, NULL, 'c'},
					      {"errno", required_argument, NULL, 'e'},
					      {"rate", required_argument, NULL, 'r'},
					      {"nth", required_argument, NULL, 'n'},
					      {"seed", required_argument, NULL, 's'},
					      {"path", required_argument, NULL, 'p'},
					      {"after", required_argument, NULL, 'a'},
					      {"delay", required_argument, NULL, 'd'},
					      {0}};
	struct rule r = {.n = 0};
	int c, ret;

	while ((c = args_next(argc, argv, "+:", longs, err)) != -1) {
		ret = take_option(&r, c, err);
		if (ret)
			return ret;
	}
	if (!r.at[0] || !r.acts)
		return err_set(err, -EINVAL, "inject: --call and one of --errno and --delay are needed");
	if (!argv[optind])
		return err_set(err, -EINVAL, "inject: no command given; see bt-fuse-inject(1)");
	return with_rule(&r, argv + optind, err);
}
