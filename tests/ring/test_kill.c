/*
 * kill -9 at every step: a client process, a vfork child that shares its
 * parent's channel, and the server die at the n-th store, for all n, while
 * others use the rings; nobody else waits or loses anything.
 *
 * usage: test_kill
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/mem.h"
#include "rig.h"

#define MS 1000000ull
#define ROUNDS 3 /* requests of the one who dies: more than one lap of entries */

static const struct ring_geometry GEO = {.channels = 4, .slots = 2, .data = 0};
static const struct channel_options OPT = {.eventfd = -1};
static long steps_left; /* 0: never */

static void die(void)
{
	if (steps_left && --steps_left == 0)
		sys_call3(SYS_kill, sys_getpid(), SIGKILL, 0);
}

static bool killed(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, __WALL) == pid);
	must(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

static void serve_here(struct ring_server *s)
{
	while (ring_server_poll(s) > 0)
		;
}

/* A child with a channel of its own dies; the server, here, gets the channel back. */
static long client_at(struct rig *rig, struct ring_server *s, long n)
{
	pid_t pid = fork();
	struct channel c;
	int status = 0;

	must(pid >= 0);
	if (pid == 0) {
		struct rig mine;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rig_join(&mine, rig->fd);
		steps_left = n;
		bell_step_hook = die;
		must(channel_attach(&c, &mine.ring, &OPT) == 0);
		for (uint32_t i = 0; i < ROUNDS; i++)
			must(rig_echo_call(&c, 1, i, 8, CHANNEL_FOREVER) == 0);
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0)
		ring_server_wait(s, MS), serve_here(s);
	serve_here(s);
	ring_server_sweep(s);
	must(s->stats.channels == 0 && s->stats.depth == 0 && s->stats.broken == 0);
	for (uint32_t i = 0; i < ring_used(&rig->ring); i++)
		must(ring_check(&rig->ring, i) == 0);
	return WIFSIGNALED(status) ? n + 1 : 0;
}

#ifndef MEM_UNDER_TSAN
struct vforked {
	struct channel *c;
	long n;
};

static int vfork_child(void *arg)
{
	struct vforked *v = arg;

	steps_left = v->n;
	bell_step_hook = die;
	for (uint32_t i = 0; i < ROUNDS; i++)
		must(rig_echo_call(v->c, 7, i, 8, CHANNEL_FOREVER) == 0);
	return 0;
}

/* The server is another process; the child's slots must come back, and all of them: the channel has two. */
static long vfork_at(struct channel *c, long n)
{
	static char stack[256 * 1024] __attribute__((aligned(64)));
	struct vforked v = {c, n};
	struct request q[2];
	pid_t pid = clone(vfork_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &v);
	bool died;

	must(pid > 0);
	died = killed(pid);
	bell_step_hook = NULL;
	channel_reclaim(c, 7);
	for (int i = 0; i < 2; i++)
		must(channel_begin(c, 1, 1000 * MS, &q[i]) == 0);
	for (int i = 0; i < 2; i++)
		channel_end(c, &q[i]);
	for (uint32_t i = 0; i < 5; i++)
		must(rig_echo_call(c, 1, i, 8, 1000 * MS) == 0);
	return died ? n + 1 : 0;
}

#endif

static bool ended(pid_t pid)
{
	siginfo_t info = {.si_pid = 0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* The server dies; its clients get their answer or ENOTCONN, and go on with the next one. */
static long server_at(struct rig *rig, struct channel *c, long n)
{
	uint64_t began;
	pid_t pid;
	int err = 0;

	fflush(NULL);
	pid = fork();
	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		steps_left = n;
		bell_step_hook = die;
		rig_serve(rig->fd, -1, -1);
	}
	while (channel_resume(c, -1) != 0 && !ended(pid))
		usleep(100);
	began = ring_now();
	for (uint32_t i = 0; i < ROUNDS && !err; i++)
		err = rig_echo_call(c, 1, i, 8, CHANNEL_FOREVER);
	must(err == 0 || err == -ENOTCONN);
	must(ring_now() - began < 2000 * MS);
	/* Where nothing went wrong, it had not come to step n. */
	kill(pid, SIGKILL);
	must(killed(pid));
	return err ? n + 1 : 0;
}

int main(void)
{
	struct ring_server s;
	struct channel c;
	struct rig rig;
	long n, total = 0;
	pid_t pid;

	rig_make(&rig, &GEO);
	must(ring_server_open(&s, &rig.ring, -1, rig_echo, NULL) == 0);
	for (n = 1; n; n = client_at(&rig, &s, n))
		total = n;
	ring_server_close(&s);
	printf("client: %ld steps\n", total);
	must(total > 20);

	pid = rig_server(rig.fd, -1);
	must(channel_attach(&c, &rig.ring, &OPT) == 0);
#ifdef MEM_UNDER_TSAN
	printf("vfork child: ThreadSanitizer cannot follow one\n");
#else
	for (n = 1; n; n = vfork_at(&c, n))
		total = n;
	printf("vfork child: %ld steps\n", total);
	must(total > 20);
#endif
	rig_kill(pid);

	for (n = 1; n; n = server_at(&rig, &c, n))
		total = n;
	printf("server: %ld steps\n", total);
	must(total > 10);
	pid = rig_server(rig.fd, -1);
	must(channel_resume(&c, -1) == 0);
	for (uint32_t i = 0; i < 20; i++)
		must(rig_echo_call(&c, 1, i, 8, 1000 * MS) == 0);
	must(ring_check(&rig.ring, c.index) == 0);
	rig_kill(pid);
	return 0;
}
