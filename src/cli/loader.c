/* A loader is a child under the agent that is told of the world and of our socket. */
#include "cli/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/scope.h"
#include "launch/run.h"

int loader_object(struct loader_object *o, struct err *err)
{
	static const char *const names[] = {"libexec/bt-fuse/bt-fuse-attach", "src/bpfd/bt-fuse-attach", NULL};

	*o = (struct loader_object){.argc = 1};
	o->argv[0] = run_find(names);
	return o->argv[0] ? 0 : err_set(err, -ENOENT, "bt-fuse-attach is not installed");
}

void loader_add(struct loader_object *o, const char *option, const char *value)
{
	if (o->argc + 2 >= (int)array_len(o->argv))
		return;
	if (option)
		o->argv[o->argc++] = (char *)(uintptr_t)option;
	o->argv[o->argc++] = (char *)(uintptr_t)value;
	o->argv[o->argc] = NULL;
}

static char *locate_btf(void)
{
	static const char *const names[] = {"lib/bt-fuse/vmlinux.btf", "lib/x86_64-linux-gnu/bt-fuse/vmlinux.btf",
					    "src/bpfd/vmlinux.btf", NULL};

	return run_find(names);
}

/* Descriptor numbers that the application may count on stay free. */
static int become(const struct bpfd *s, char **argv)
{
	autofree char *btf = locate_btf(), *config = NULL;
	struct run_options o = {0};
	int fd = world_open(), high;

	if (fd < 0) {
		fprintf(stderr, "bt-fuse: %s: %s\n", world_path().s, strerror(-fd));
		return 126;
	}
	high = fcntl(fd, F_DUPFD, 500);
	if (high < 0 || asprintf(&config, ";%d,%s,%s", high, s->path, btf ? btf : "") < 0)
		return 126;
	close(fd);
	o.handlers = config;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	return run_exec(&o, argv);
}

pid_t loader_spawn(const struct bpfd *s, char **argv, int out)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (out >= 0)
			dup2(out, STDOUT_FILENO);
		_exit(become(s, argv));
	}
	return pid;
}
