/*
 * A signal at every instruction. The child makes caught calls: answered,
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

#define STEPS 900 /* a little more than calls() takes */

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

static int one(void (*f)(struct regs *), long what, long want)
{
	struct regs before, after;

	fill(&before, what);
	after = before;
	f(&after);
	if ((long)after.r[RAX] != want)
		return 40;
	return changed(&before, &after);
}

static int calls(void)
{
	int rc = one(near_mov, TEST_ANSWER, 0x77);

	rc = rc != 0 ? rc : one(near_mov, TEST_HAND_ON, -ENOSYS);
	rc = rc != 0 ? rc : one(pad, TEST_ANSWER, 0x77);
	rc = rc != 0 ? rc : one(moved, TEST_ANSWER, 0x77);
	rc = rc != 0 ? rc : one(moved, TEST_HAND_ON, -ENOSYS);
	if (rc == 0 && syscall(TEST_NR, TEST_KERNEL, SYS_getpid, 0, 0, 0, 0) != sys_getpid())
		rc = 50;
	return rc;
}

static int child(void)
{
	struct sigaction sa = {.sa_handler = handler};
	sigset_t mask;
	int rc;

	sigaction(SIGUSR1, &sa, NULL);
	sys_call3(SYS_ptrace, PTRACE_TRACEME, 0, 0);
	rc = calls(); /* symbols are bound now */
	if (rc == 0 && sigsetjmp(jump, 1) == 0) {
		sys_call3(SYS_kill, sys_getpid(), SIGSTOP, 0);
		rc = calls();
	}
	sys_call3(SYS_getppid, 0, 0, 0); /* what was sent last arrives here */
	sigprocmask(SIG_SETMASK, NULL, &mask);
	if (sigismember(&mask, SIGUSR1) || sigismember(&mask, SIGTERM))
		rc = 60;
	if (rc == 0)
		rc = calls();
	return rc != 0 ? rc : got == 1 ? 0 : 70 + (got & 7);
}

static int wait_child(pid_t pid)
{
	int status = -1;

	waitpid(pid, &status, 0);
	return status;
}

/* Returns the exit status, -1 where the child ended within k steps. */
static int try_at(int k)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(child());
	status = wait_child(pid);
	for (int i = 0; i < k && WIFSTOPPED(status); i++) {
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		status = wait_child(pid);
	}
	if (!WIFSTOPPED(status))
		return -1;
	ptrace(PTRACE_CONT, pid, NULL, (void *)(long)SIGUSR1);
	status = wait_child(pid);
	while (WIFSTOPPED(status)) {
		int sig = WSTOPSIG(status);

		/* Queued again by the agent, it stops here once more. */
		ptrace(PTRACE_CONT, pid, NULL, (void *)(long)(sig == SIGTRAP ? 0 : sig));
		status = wait_child(pid);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	int failures = 0, k;

	for (int round = 0; round < 2; round++) {
		jumps = round == 1;
		for (k = 0; k < STEPS; k++) {
			int rc = try_at(k);

			if (rc == -1)
				break;
			if (rc != 0) {
				fprintf(stderr, "signal after %d instructions%s: %d\n", k, jumps ? ", jumping" : "",
					rc);
				failures++;
			}
		}
		printf("%d instructions%s\n", k, jumps ? ", jumping" : "");
	}
	return failures != 0;
}
