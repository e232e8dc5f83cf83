/*
 * forking DIR SECONDS
 *
 * Threads open, write, read and close files in DIR, and pipes, while another thread
 * forks and starts programs: none of them may lose a descriptor, find another's file
 * behind its own or fail, and a child has what its parent had. This process has the
 * files, so what two threads do with one table of descriptors is all that is looked at.
 * Before that, children that share the memory, one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"

#define THREADS 3

extern char **environ;

static const char *dir;
static uint32_t stop;

static void fail(const char *what, unsigned id)
{
	printf("thread %u: %s: %s\n", id, what, strerror(errno));
	exit(1);
}

/* What the kernel has at this number, asked by an instruction that no agent has patched. */
static long kernel_fstat(int fd, struct stat *st)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(SYS_fstat), "D"(fd), "S"(st) : "rcx", "r11", "memory");
	return ret;
}

static void one_file(unsigned id, unsigned round)
{
	char path[256], out[64], in[64] = "";
	struct stat here, there;
	int fd, n = snprintf(out, sizeof out, "thread %u in round %u", id, round);

	snprintf(path, sizeof path, "%s/f%u.%u", dir, id, round % 5);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | (round % 2 ? O_CLOEXEC : 0), 0600);
	if (fd < 0)
		fail("open", id);
	if (write(fd, out, (size_t)n) != n)
		fail("write", id);
	if (pread(fd, in, sizeof in, 0) != n || memcmp(in, out, (size_t)n) != 0)
		fail("what was written is not there", id);
	if (fstat(fd, &here) || stat(path, &there) || here.st_ino != there.st_ino)
		fail("another file", id);
	/* Real by now, or a placeholder; never another file of the mount. */
	if (kernel_fstat(fd, &there) != 0)
		fail("the kernel has nothing there", id);
	if (there.st_dev == here.st_dev && there.st_ino != here.st_ino)
		fail("the kernel has another file there", id);
	if (close(fd) != 0)
		fail("close", id);
}

static void one_pipe(unsigned id, unsigned round)
{
	unsigned got = 0;
	int end[2];

	if (pipe2(end, O_CLOEXEC) != 0)
		fail("pipe", id);
	if (write(end[1], &round, sizeof round) != sizeof round)
		fail("write to a pipe", id);
	if (read(end[0], &got, sizeof got) != sizeof got || got != round)
		fail("a pipe has lost what was in it", id);
	if (close(end[0]) != 0 || close(end[1]) != 0)
		fail("close of a pipe", id);
}

static void *work(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;

	for (unsigned round = 0; !load_acquire(&stop); round++) {
		one_file(id, round);
		if (round % 3 == 0)
			one_pipe(id, round);
	}
	return NULL;
}

/* What the child has open under the number is what it had when it was made. */
static int child(int fd, const char *text)
{
	char in[32] = "";

	if (pread(fd, in, sizeof in - 1, 0) < 0 || strcmp(in, text) != 0)
		return 2;
	one_file(9, 0);
	return 0;
}

static void one_fork(unsigned round)
{
	char path[256], text[32];
	int fd, status, n = snprintf(text, sizeof text, "%u", round);
	pid_t pid;

	snprintf(path, sizeof path, "%s/forker%u", dir, round % 7);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		fail("the forker's file", 8);
	pid = fork();
	if (pid == 0)
		_exit(child(fd, text));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		fail("a child found something else", 8);
	close(fd);
}

static void one_program(void)
{
	char *argv[] = {(char *)(uintptr_t) "true", NULL};
	pid_t pid;
	int status;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) != pid ||
	    status != 0)
		fail("a program", 8);
	execv("/nonexistent/program", argv); /* what an exec that fails has prepared is undone */
}

/* ---- Children that share the memory ------------------------------------------------------ */

/* Has another file at number `fd` than its parent, and ends as a thread does: clone(2) of libc has it so. */
static int sharing(void *arg)
{
	int fd = *(int *)arg, other;
	char path[256];

	snprintf(path, sizeof path, "%s/shared", dir);
	if (close(fd) != 0)
		return 1;
	other = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
	return other == fd && write(other, "x", 1) == 1 ? 0 : 2;
}

static int sharing_twice(void *arg)
{
	static char stack[65536];
	int status = -1;
	pid_t pid = clone(sharing, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, arg);

	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		return 3;
	return sharing(arg);
}

/* Their parent does not wait for them, and makes the next one meanwhile. */
static void children_beside(void)
{
	enum { BESIDE = 4 };
	static char stack[BESIDE][65536];
	static int fd[BESIDE];
	char path[256];

	for (unsigned i = 0; i < 200; i++) {
		pid_t pid[BESIDE];

		for (unsigned k = 0; k < BESIDE; k++) {
			snprintf(path, sizeof path, "%s/beside%u", dir, k);
			fd[k] = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
			pid[k] =
			    fd[k] < 0 ? -1 : clone(sharing, stack[k] + sizeof stack[k], CLONE_VM | SIGCHLD, &fd[k]);
			if (pid[k] < 0)
				fail("a child beside us", k);
		}
		for (unsigned k = 0; k < BESIDE; k++) {
			int status = -1;

			if (waitpid(pid[k], &status, 0) != pid[k] || status != 0)
				fail("what a child beside us does", (unsigned)status);
			if (close(fd[k]) != 0)
				fail("close", k);
		}
	}
}

static long maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	long n = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		n += c == '\n';
	fclose(f);
	return n;
}

/* What one leaves behind is the next one's: nothing of it is seen, nothing adds up. */
static void children_that_share(void)
{
	static char stack[65536];
	char path[256], own[16] = "";
	long before = 0;
	int fd;

	snprintf(path, sizeof path, "%s/parents", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, "parent", 6) != 6)
		fail("write", 0);
	for (unsigned i = 0; i < 40; i++) {
		int many[20], status = -1;
		pid_t pid;

		for (unsigned k = 0; k < 20; k++)
			many[k] = i % 2 ? open(path, O_RDONLY) : -1;
		pid =
		    clone(i % 3 ? sharing : sharing_twice, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &fd);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			fail("a child that shares the memory", (unsigned)status);
		for (unsigned k = 0; k < 20; k++)
			if (i % 2 && close(many[k]) != 0)
				fail("close", k);
		if (pread(fd, own, sizeof own, 0) != 6 || memcmp(own, "parent", 6) != 0)
			fail("a child's file is here", i);
		if (i == 5)
			before = maps();
	}
	if (maps() > before + 3)
		fail("mappings add up", (unsigned)(maps() - before));
	close(fd);
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	time_t end;

	if (argc != 3)
		return 2;
	dir = argv[1];
	children_that_share();
	children_beside();
	end = time(NULL) + atoi(argv[2]);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, work, (void *)(uintptr_t)i);
	for (unsigned round = 0; time(NULL) < end; round++) {
		one_fork(round);
		if (round % 4 == 0)
			one_program();
	}
	store_release(&stop, 1);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}
