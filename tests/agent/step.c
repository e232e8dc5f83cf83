/*
 * A signal at every instruction. The child makes one caught call: answered,
 * handed on, through a moved syscall, through agent_kernel; the parent lets it
 * go k instructions by ptrace, sends a signal, and lets it run to its end; for
 * all k. The handler makes caught calls itself and returns, or leaves by
 * siglongjmp. Each time: the handler has run once, results and registers are
 * right, the mask is what it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "tests/agent/sample.h"
#include "tests/agent/test_calls.h"

#define STEPS 1000 /* more than a call takes */

static volatile int got;
static sigjmp_buf jump;
static int jumps;

static void handler(int sig)
{
	int fd = open("/dev/null", O_RDONLY);

	got++;
	if (fd < 0 || close(fd) != 0 || syscall(TEST_NR, TEST_ANSWER, 9) != 9)
		got += 100;
	if (jumps)
		siglongjmp(jump, 1);
}

static void fill(struct regs *r, long what)
{
	for (int i = 0; i < 16; i++)
		r->r[i] = 0x0101010101010101ull * (unsigned)(i + 1);
	r->r[RAX] = TEST_NR;
	r->r[RBX] = TEST_NR;
	r->r[RDI] = (uint64_t)what;
	r->r[RSI] = 0x77;
	r->flags = 0x8d5 | 0x202;
}

/* Which register is not what it was: its number + 1. */
static int changed(const struct regs *before, const struct regs *after)
{
	static const int kept[] = {RBX, RDX, RSI, RDI, RBP, R8, R9, R10, R12, R13, R14, R15};

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		if (before->r[kept[i]] != after->r[kept[i]])
			return kept[i] + 1;
	}
	return after->red[0] != 0x11111111 || after->red[1] != 0x22222222 || after->red[2] != 0x33333333 ? 30 : 0;
}

static const struct {
	const char *name;
	void (*f)(struct regs *);
	long what, want;
} kinds[] = {
    {"answered", near_mov, TEST_ANSWER, 0x77},
    {"handed on", near_mov, TEST_HAND_ON, -ENOSYS},
    {"padding", pad, TEST_ANSWER, 0x77},
    {"moved, answered", moved, TEST_ANSWER, 0x77},
    {"moved, handed on", moved, TEST_HAND_ON, -ENOSYS},
    {"by the handler", near_mov, TEST_KERNEL, -EBADF},
};

static int result(const struct regs *before, const struct regs *after, long want)
{
	return (long)after->r[RAX] != want ? 40 : changed(before, after);
}

static int child(int kind)
{
	struct sigaction sa = {.sa_handler = handler};
	struct regs before, after;
	sigset_t mask;
	volatile int rc = 0;

	fill(&before, kinds[kind].what);
	if (kinds[kind].what == TEST_KERNEL) {
		before.r[RSI] = SYS_close;
		before.r[RDX] = (uint64_t)-1;
	}
	after = before;
	sigaction(SIGUSR1, &sa, NULL);
	sys_call3(SYS_ptrace, PTRACE_TRACEME, 0, 0);
	if (sigsetjmp(jump, 1) == 0) {
		sys_call3(SYS_kill, sys_getpid(), SIGSTOP, 0);
		kinds[kind].f(&after);
		rc = result(&before, &after, kinds[kind].want);
	}
	/* The parent steps no further than here, so the signal has come, and not by the next call's grace. */
	sys_call3(SYS_kill, sys_getpid(), SIGSTOP, 0);
	if (rc == 0 && got != 1)
		rc = 80 + (got & 15);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	if (sigismember(&mask, SIGUSR1) || sigismember(&mask, SIGTERM))
		rc = 60;
	/* All is as before. */
	after = before;
	kinds[kind].f(&after);
	return rc != 0 ? rc : result(&before, &after, kinds[kind].want);
}

static int wait_child(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

/* Returns the exit status, -1 where k steps are more than there are. */
static int try_at(int kind, int k)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(child(kind));
	status = wait_child(pid);
	for (int i = 0; i < k && WIFSTOPPED(status); i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		status = wait_child(pid);
		if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) {
			kill(pid, SIGKILL);
			wait_child(pid);
			return -1;
		}
	}
	if (!WIFSTOPPED(status))
		return -2;
	ptrace(PTRACE_CONT, pid, NULL, (void *)(long)SIGUSR1);
	status = wait_child(pid);
	while (WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		/* Queued again by the agent, it stops here once more. */
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)(sig == SIGTRAP || sig == SIGSTOP ? 0 : sig));
		status = wait_child(pid);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int try_kind(int kind)
{
	int failures = 0, k;

	for (k = 0; k < STEPS; k++) {
		int rc = try_at(kind, k);

		if (rc == -1)
			break;
		if (rc != 0) {
			fprintf(stderr, "%s%s: signal after %d instructions: %d\n", kinds[kind].name,
				jumps ? ", jumping" : "", k, rc);
			failures++;
		}
	}
	printf("%s%s: %d instructions\n", kinds[kind].name, jumps ? ", jumping" : "", k);
	return failures + (k < 60 || k == STEPS);
}

int main(int argc, char **argv)
{
	int failures = 0;

	for (jumps = 0; jumps < 2; jumps++) {
		for (int kind = 0; kind < (int)(sizeof(kinds) / sizeof(*kinds)); kind++)
			failures += try_kind(kind);
	}
	return failures != 0;
}
