/*
 * Nothing in a signal says whether it was sent to us or to our process group. So there is a *witness*: a process in the
 * same group that does nothing and has all signals blocked. What the group gets stays pending there, where it can be
 * read (proc(5), ShdPnd); one that has heard something is replaced. The kernel goes through a group from the newest
 * member to the oldest, so the witness, which is younger than we are, has a signal before us; kill(2) of -1 goes the
 * other way round, and is given a moment.
 *
 * By the sender, as sudo(8) does it, it cannot be told: a script without job control is in the group that it starts us
 * in, and kills us alone.
 *
 * What cannot be told apart: the same signal twice within the 0.1 ms that a new witness takes; if both were for the
 * group, the program hears of one once more.
 */
#include "launch/relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"

#define MOMENT_NS 1000000

static uint64_t bit(int sig)
{
	return (uint64_t)1 << (sig - 1);
}

static void relayed(sigset_t *s)
{
	static const int all[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH};

	sigemptyset(s);
	for (size_t i = 0; i < array_len(all); i++)
		sigaddset(s, all[i]);
	sigaddset(s, SIGCHLD);
}

/* ---- The witness ----------------------------------------------------------------- */

_Noreturn static void witness(pid_t parent)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "bt-fuse-witness");
	close_range(0, ~0u, 0);
	while (getppid() == parent)
		pause();
	_exit(0);
}

/* 0: there is none. */
static pid_t call_witness(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		witness(parent);
	return pid > 0 ? pid : 0;
}

static void dismiss(pid_t pid)
{
	if (pid == 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* What it has heard. */
static uint64_t ask(pid_t pid)
{
	char path[40], line[128];
	uint64_t heard = 0;
	FILE *in;

	if (pid == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	in = fopen(path, "re");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		if (strncmp(line, "ShdPnd:", 7) == 0)
			heard = strtoull(line + 7, NULL, 16);
	}
	if (in != NULL)
		fclose(in);
	return heard;
}

/* The new one first: what comes meanwhile one of both has heard. */
static void replace_witness(struct relay *r, int sig)
{
	pid_t old = r->witness;

	r->witness = call_witness();
	r->heard = (r->heard | ask(old)) & ~bit(sig);
	dismiss(old);
}

/* Has the whole group got the signal that we have got? */
static bool group_got(struct relay *r, const siginfo_t *info)
{
	const struct timespec moment = {0, MOMENT_NS};
	int sig = info->si_signo;

	if (r->witness == 0)
		return info->si_code > 0; /* what the kernel sends, a terminal's */
	if (!((r->heard | ask(r->witness)) & bit(sig))) {
		nanosleep(&moment, NULL);
		if (!(ask(r->witness) & bit(sig)))
			return false;
	}
	replace_witness(r, sig);
	return true;
}

/* ---- All of it --------------------------------------------------------------------- */

pid_t relay_fork(struct relay *r)
{
	const struct sigaction wait_for = {.sa_handler = SIG_DFL};
	sigset_t set;
	pid_t pid;

	*r = (struct relay){0};
	relayed(&set);
	sigprocmask(SIG_BLOCK, &set, &r->mask);
	sigaction(SIGCHLD, &wait_for, &r->child); /* ignored, it would leave us nothing to wait for */
	pid = fork();
	if (pid > 0) {
		r->program = pid;
		r->witness = call_witness();
		return pid;
	}
	pid = pid < 0 ? -errno : 0;
	sigaction(SIGCHLD, &r->child, NULL);
	sigprocmask(SIG_SETMASK, &r->mask, NULL);
	return pid;
}

/* True: it has ended. */
static bool has_ended(struct relay *r, int *status)
{
	pid_t pid = waitpid(r->program, status, WNOHANG);

	if (pid < 0 && errno != EINTR)
		*status = W_EXITCODE(126, 0);
	return pid == r->program || (pid < 0 && errno != EINTR);
}

/* What ended the program may have been for us as well: we are to say more. */
static void forget_pending(void)
{
	const struct timespec now = {0, 0};
	sigset_t set;

	relayed(&set);
	while (sigtimedwait(&set, NULL, &now) > 0)
		;
}

int relay_wait(struct relay *r)
{
	siginfo_t info;
	sigset_t set;
	int status;

	relayed(&set);
	while (!has_ended(r, &status)) {
		if (sigwaitinfo(&set, &info) > 0 && info.si_signo != SIGCHLD && !group_got(r, &info))
			kill(r->program, info.si_signo);
	}
	dismiss(r->witness);
	forget_pending();
	sigaction(SIGCHLD, &r->child, NULL);
	sigprocmask(SIG_SETMASK, &r->mask, NULL);
	return status;
}
