/*
 * bt-fuse load: runs a libbpf application, or an object file's programs, with
 * bpf(2) answered in user space. The application is a child; this process
 * verifies and compiles for it, and clears up when it has ended.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/loader.h"
#include "control/rundir.h"

/* A relocatable object of eBPF? */
static bool is_object(const char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr h;

	return fd >= 0 && read(fd, &h, sizeof(h)) == sizeof(h) && memcmp(h.e_ident, ELFMAG, SELFMAG) == 0 &&
	       h.e_type == ET_REL && h.e_machine == EM_BPF;
}

static int wait_for(struct bpfd *s, pid_t pid, const sigset_t *ends)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	autoclose int sigs = signalfd(-1, ends, SFD_CLOEXEC);
	struct signalfd_siginfo si;
	int status;

	/* An interrupt of the terminal has reached the application itself. */
	while (bpfd_run(s, pidfd, sigs) && read(sigs, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo != SIGINT || si.ssi_code <= 0)
			kill(pid, (int)si.ssi_signo);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 126;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int serve(struct bpfd *s, char **argv, struct err *err)
{
	sigset_t ends;
	pid_t pid;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	pid = loader_spawn(s, argv, -1);
	if (pid < 0)
		return err_set(err, pid, "load: %s", strerror(-pid));
	return wait_for(s, pid, &ends);
}

/* The process that listens there. */
static int server_of(const struct sockaddr_un *addr)
{
	autoclose int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ucred peer = {.pid = 0};
	socklen_t n = sizeof(peer);

	if (connect(sock, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
	    getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return -ENOENT;
	return peer.pid > 0 ? (int)peer.pid : -ESRCH;
}

/*
 * Tells the loader of that name to end, and waits for the end of its process: the socket may be closed
 * while its programs are still attached.
 */
static int stop(const char *name, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autoclose int pidfd = -1;
	struct pollfd ended;
	struct rundir dir;
	int ret = bpfd_path(name, addr.sun_path, sizeof(addr.sun_path), &dir, err);

	if (ret)
		return ret;
	ret = server_of(&addr);
	if (ret < 0)
		return err_set(err, ret, "load: no loader is called %s", name);
	pidfd = (int)syscall(SYS_pidfd_open, ret, 0);
	if (pidfd < 0 && errno == ESRCH)
		return 0; /* it ended in between */
	if (pidfd < 0 || syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) < 0)
		return err_set(err, -errno, "load: %s: %s", name, strerror(errno));
	ended = (struct pollfd){.fd = pidfd, .events = POLLIN};
	while (poll(&ended, 1, -1) < 0 && errno == EINTR)
		;
	return 0;
}

int cmd_load(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {{"name", required_argument, NULL, 'n'},
					      {"stop", required_argument, NULL, 's'},
					      {"set", required_argument, NULL, 'v'},
					      {0}};
	struct loader_object object = {.argc = 0};
	const char *name = NULL, *sets[LOADER_SETS];
	int nsets = 0;
	struct bpfd s;
	int c, ret;

	while ((c = args_next(argc, argv, "+:", longs, err)) != -1) {
		if (c == 's')
			return stop(optarg, err);
		if (c == 'n')
			name = optarg;
		else if (c == 'v' && nsets < LOADER_SETS)
			sets[nsets++] = optarg;
		else
			return -EINVAL;
	}
	argv += optind;
	if (!argv[0])
		return err_set(err, -EINVAL, "load: no program given; see bt-fuse-load(1)");
	if (name && !rundir_name_ok(name))
		return err_set(err, -EINVAL, "load: %s: not a name; use letters, digits, '.', '_' and '-'", name);
	if (!argv[1] && is_object(argv[0])) {
		ret = loader_object(&object, err);
		if (ret)
			return ret;
		for (int i = 0; i < nsets; i++)
			loader_add(&object, "--set", sets[i]);
		loader_add(&object, NULL, argv[0]);
		argv = object.argv;
	} else if (nsets) {
		return err_set(err, -EINVAL, "load: --set is for object files");
	}
	ret = bpfd_start(&s, name, err);
	if (ret == 0)
		ret = serve(&s, argv, err);
	bpfd_end(&s);
	free(object.argv[0]);
	return ret;
}
