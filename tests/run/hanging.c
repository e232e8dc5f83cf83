/*
 * hanging DIR DAEMON
 *
 * A thread goes to a directory of DIR, a mount, that the kernel must ask the daemon for, while that (pid DAEMON) is
 * stopped. All that needs no daemon goes on in other threads; who has to wait for the first (it goes elsewhere itself,
 * or forks) sleeps; and when the daemon goes on, they do. Prints what is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

static pid_t daemon_pid;
static char far_away[4096];

static _Noreturn void fail(const char *what)
{
	kill(daemon_pid, SIGCONT);
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

struct worker {
	const char *name;
	int (*work)(void);
	pthread_t thread;
	uint32_t tid;  /* atomic */
	uint32_t done; /* atomic */
	int ret;
};

static void *run(void *arg)
{
	struct worker *w = arg;

	store_release(&w->tid, (uint32_t)syscall(SYS_gettid));
	w->ret = w->work();
	store_release(&w->done, 1);
	return NULL;
}

static int goes_there(void)
{
	return chdir(far_away);
}

static int goes_away(void)
{
	return chdir("/");
}

static int forks(void)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(chdir("/") || umask(022) != 027);
	return pid < 0 || waitpid(pid, &status, 0) != pid ? -1 : status;
}

/* The call that a thread sleeps in, as the kernel says; -1: it runs. */
static long sleeps_in(const struct worker *w)
{
	char path[64], text[32] = "";
	int fd, n;

	snprintf(path, sizeof path, "/proc/self/task/%u/syscall", load_acquire(&w->tid));
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : (int)read(fd, text, sizeof text - 1);
	close(fd);
	return n > 0 && text[0] >= '0' && text[0] <= '9' ? atol(text) : -1;
}

static void start(struct worker *w, long sleeps)
{
	if (pthread_create(&w->thread, NULL, run, w) != 0)
		fail("pthread_create");
	for (int i = 0; i < 10000; i++) {
		if (load_acquire(&w->done))
			fail(w->name);
		if (load_acquire(&w->tid) && sleeps_in(w) == sleeps)
			return;
		usleep(1000);
	}
	errno = ETIMEDOUT;
	fail(w->name);
}

/* What nobody has to be asked for. */
static void works_on(void)
{
	char where[4096];
	struct stat st;
	int fd;

	umask(022);
	if (umask(027) != 022)
		fail("umask");
	if (!getcwd(where, sizeof where) || !strstr(where, "/here"))
		fail("getcwd");
	fd = open("file", O_RDONLY);
	if (stat("file", &st) != 0 || fd < 0 || read(fd, where, 1) != 1 || close(fd) != 0)
		fail("a file here");
}

int main(int argc, char **argv)
{
	struct worker w[] = {{.name = "who goes to where it takes long", .work = goes_there},
			     {.name = "who goes elsewhere meanwhile", .work = goes_away},
			     {.name = "who forks meanwhile", .work = forks}};
	char here[4096];
	int fd;

	if (argc != 3)
		return 2;
	daemon_pid = atoi(argv[2]);
	snprintf(here, sizeof here, "%s/here", argv[1]);
	snprintf(far_away, sizeof far_away, "%s/far", argv[1]);
	umask(022);
	if (mkdir(here, 0700) || mkdir(far_away, 0700) || chdir(here))
		fail("mkdir");
	fd = open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) != 0 || stat("file", &(struct stat){0}))
		fail("a file");
	if (kill(daemon_pid, SIGSTOP) != 0)
		fail("SIGSTOP");
	start(&w[0], SYS_chdir);
	works_on();
	start(&w[1], SYS_futex);
	start(&w[2], SYS_futex);
	works_on();
	kill(daemon_pid, SIGCONT);
	for (int i = 0; i < 3; i++) {
		pthread_join(w[i].thread, NULL);
		if (w[i].ret != 0)
			fail(w[i].name);
	}
	return 0;
}
