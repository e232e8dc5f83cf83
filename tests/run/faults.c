/*
 * faults [-k memory|any] [-s STEP] DIR COMMAND...
 *
 * Runs the command again and again; in the n-th run the n-th call of a kind that the
 * agent makes itself, in any of the processes, fails: by a tracer, so that nothing in
 * them knows of it. memory: mmap, mprotect and mremap, with ENOMEM; the command must
 * end with 0, print nothing, and leave in DIR/f what faults_work.c says. any: all calls
 * that can fail, with EIO, ENOMEM or EMFILE as it may be; then programs may report
 * errors, but must end, and not by a signal. Until there is no n-th call any more, in steps
 * of STEP.
 */
#include "run/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

#define LIMIT_SECONDS 30
#define TASKS 64
#define MAP_OF_LOADER 0x800 /* MAP_DENYWRITE: ld.so's; such a call the agent makes for the program */
#define OPTIONS                                                                                                        \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |  \
	 PTRACE_O_TRACEEXEC)

/* A run. */
struct run {
	unsigned n, seen; /* which call is to fail, and how many there were */
	pid_t main;
	int error;	 /* with which it fails */
	pid_t failing;	 /* in the call that fails */
	char call[128];	 /* what that was */
	char killed[64]; /* a process that a signal has ended */
};

static bool any;
static char output[] = "/tmp/faults.XXXXXX";

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "faults: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Does the agent's code lie there? */
static bool in_agent(pid_t tid, uint64_t ip)
{
	char path[64], line[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)tid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof line, f)) {
		unsigned long from, to;

		found = sscanf(line, "%lx-%lx", &from, &to) == 2 && ip >= from && ip < to &&
			strstr(line, "/libbtfuse-agent");
	}
	if (f)
		fclose(f);
	return found;
}

/* The error that call may fail with, 0: it is none of the kind. */
static int error_of(const struct __ptrace_syscall_info *s)
{
	switch (s->entry.nr) {
	case SYS_mmap:
		return s->entry.args[3] & MAP_OF_LOADER ? 0 : ENOMEM;
	case SYS_mprotect:
	case SYS_mremap:
		return ENOMEM;
	case SYS_fcntl:
		return any && (s->entry.args[1] == F_DUPFD || s->entry.args[1] == F_DUPFD_CLOEXEC) ? EMFILE : 0;
	case SYS_openat:
	case SYS_dup3:
	case SYS_socket:
	case SYS_connect:
		return any ? EMFILE : 0;
	case SYS_read:
	case SYS_pread64:
	case SYS_write:
	case SYS_pwrite64:
	case SYS_fstat:
	case SYS_statx:
	case SYS_statfs:
	case SYS_getcwd:
	case SYS_readlinkat:
	case SYS_faccessat:
	case SYS_faccessat2:
	case SYS_lseek:
	case SYS_sendmsg:
	case SYS_recvmsg:
	case SYS_sched_getaffinity:
	case SYS_getgroups:
	case SYS_capget:
		return any ? EIO : 0;
	case SYS_madvise: /* what commits a pool's memory */
	case SYS_fallocate:
		return any ? ENOMEM : 0;
	}
	return 0;
}

static void at_call(struct run *r, pid_t tid)
{
	struct __ptrace_syscall_info s;
	int err;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof s, &s) <= 0)
		return;
	if (s.op == PTRACE_SYSCALL_INFO_EXIT && tid == r->failing) {
		ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, rax), -(long)r->error);
		r->failing = 0;
		return;
	}
	if (s.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	err = error_of(&s);
	if (!err || !in_agent(tid, s.instruction_pointer) || ++r->seen != r->n)
		return;
	snprintf(r->call, sizeof r->call, "call %llu(%#llx, %#llx, %#llx, %#llx)", (unsigned long long)s.entry.nr,
		 (unsigned long long)s.entry.args[0], (unsigned long long)s.entry.args[1],
		 (unsigned long long)s.entry.args[2], (unsigned long long)s.entry.args[3]);
	ptrace(PTRACE_POKEUSER, tid, offsetof(struct user_regs_struct, orig_rax), -1l);
	r->failing = tid;
	r->error = err;
}

/* The command, which waits until it is traced. */
static void begin(struct run *r, char **argv)
{
	int go[2];

	if (pipe2(go, O_CLOEXEC) < 0 || (r->main = fork()) < 0)
		die("fork");
	if (r->main == 0) {
		int out = open(output, O_RDWR | O_TRUNC);
		char c;

		if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || read(go[0], &c, 1) != 1)
			_exit(127);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (ptrace(PTRACE_SEIZE, r->main, 0, OPTIONS) < 0)
		die("PTRACE_SEIZE");
	if (write(go[1], "", 1) != 1 || ptrace(PTRACE_INTERRUPT, r->main, 0, 0) < 0)
		die("PTRACE_INTERRUPT");
	close(go[0]);
	close(go[1]);
}

static void go_on(struct run *r, pid_t tid, int status)
{
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		at_call(r, tid);
		sig = 0;
	} else if (event) {
		sig = 0;
	}
	ptrace(PTRACE_SYSCALL, tid, 0, (long)sig);
}

/* Its status. */
static int one_run(struct run *r, char **argv)
{
	int status, result = -1;
	pid_t tid;

	begin(r, argv);
	alarm(LIMIT_SECONDS);
	while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (tid < 0)
			continue;
		if (WIFSTOPPED(status)) {
			go_on(r, tid, status);
			continue;
		}
		if (tid == r->main)
			result = status;
		if (WIFSIGNALED(status))
			snprintf(r->killed, sizeof r->killed, "process %d: %s", (int)tid, strsignal(WTERMSIG(status)));
	}
	alarm(0);
	return result;
}

/* The file's content, without an agent. */
static bool holds(const char *path, const char *want)
{
	char got[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, got, sizeof got - 1);

	if (fd >= 0)
		close(fd);
	got[n < 0 ? 0 : n] = '\0';
	if (n >= 0 && strcmp(got, want) == 0)
		return true;
	printf("%s holds \"%s\"\n", path, n < 0 ? strerror(errno) : got);
	return false;
}

static bool judge(struct run *r, const char *dir, int status)
{
	char path[4096];
	bool good = !*r->killed;

	if (!good)
		printf("%s\n", r->killed);
	if (any)
		return good;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		printf("status %#x\n", (unsigned)status);
		good = false;
	}
	snprintf(path, sizeof path, "%s/f", dir);
	return holds(path, FAULTS_LINES) && holds(output, "") && good;
}

static void clear(const char *dir)
{
	static const char *const names[] = {"f", "raw", "map"};
	char path[4096];

	for (size_t i = 0; i < array_len(names); i++) {
		snprintf(path, sizeof path, "%s/%s", dir, names[i]);
		unlink(path);
	}
}

static struct run now;

static void too_long(int sig)
{
	/* In waitpid, and nowhere else. */
	unlink(output);
	printf("it does not end where the agent's call %u fails: %s\n", now.n, now.call);
	fflush(stdout);
	_exit(1);
}

int main(int argc, char **argv)
{
	unsigned n = 1, step = 1, bad = 0, runs = 0;
	int c;

	if (argc > 1 && strcmp(argv[1], "work") == 0)
		return faults_work(argv + 2);
	while ((c = getopt(argc, argv, "+k:s:n:")) > 0) {
		any = any || (c == 'k' && strcmp(optarg, "any") == 0);
		step = c == 's' ? (unsigned)atoi(optarg) : step;
		n = c == 'n' ? (unsigned)atoi(optarg) : n;
	}
	if (optind + 2 > argc || !step || mkstemp(output) < 0)
		return 2;
	signal(SIGALRM, too_long);
	for (;; n += step, runs++) {
		int status;

		now = (struct run){.n = n};
		status = one_run(&now, argv + optind + 1);
		if (!judge(&now, argv[optind], status)) {
			printf("where the agent's call %u fails: %s\n", n, *now.call ? now.call : "none");
			fflush(stdout);
			bad++;
		}
		clear(argv[optind]);
		if (now.seen < n)
			break;
	}
	unlink(output);
	printf("faults: %u runs, %u of %u calls, %u bad\n", runs, runs, now.seen, bad);
	return bad || !runs ? 1 : 0;
}
