/* The program that faults.c has run with one fault. faults.h says what it does. */
#include "run/faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARIABLES 200 /* more than an exec has room for on the stack */

#define NEED(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			return fprintf(stderr, "faults_work.c:%d: %s: %s\n", __LINE__, #cond, strerror(errno)), false; \
	} while (0)

static int f;
static char *env[VARIABLES + 1];

static bool say(const char *line)
{
	ssize_t n = (ssize_t)strlen(line);

	NEED(write(f, line, (size_t)n) == n);
	return true;
}

/* What has no memory for a child says so, as in the kernel; the next time there is. */
static bool again(int err)
{
	static bool once;

	if ((err != EAGAIN && err != ENOMEM) || once)
		return false;
	once = true;
	return true;
}

static void *in_thread(void *arg)
{
	return say("thread\n") ? NULL : arg;
}

static bool threads(void)
{
	pthread_t t;
	void *bad;
	int err;

	for (int i = 0; i < 2; i++) {
		do
			err = pthread_create(&t, NULL, in_thread, &f);
		while (again(err));
		errno = err;
		NEED(!err);
		NEED(pthread_join(t, &bad) == 0 && !bad);
	}
	return true;
}

static bool ended_well(pid_t pid)
{
	int status = -1;

	NEED(pid > 0 && waitpid(pid, &status, 0) == pid);
	NEED(status == 0);
	return true;
}

static bool forked(void)
{
	pid_t pid;

	do {
		pid = fork();
		if (pid == 0)
			_exit(!say("fork\n"));
	} while (pid < 0 && again(errno));
	return ended_well(pid);
}

static bool executed(char **args)
{
	pid_t pid;

	do {
		pid = vfork();
		if (pid == 0) {
			execve("/proc/self/exe", args, env);
			_exit(1);
		}
	} while (pid < 0 && again(errno));
	return ended_well(pid);
}

static bool spawned(char **args)
{
	pid_t pid = -1;
	int err;

	do
		err = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, env + VARIABLES - 2);
	while (again(err));
	errno = err;
	NEED(!err);
	return ended_well(pid);
}

static bool children(void)
{
	char number[16], exec[] = "exec\n", spawn[] = "spawn\n";
	char name[] = "faults", work[] = "work";
	char *args[] = {name, work, number, exec, NULL};

	snprintf(number, sizeof number, "%d", f);
	if (!forked() || !executed(args))
		return false;
	args[3] = spawn;
	return spawned(args);
}

static bool library(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW);
	int (*work)(const char *);

	NEED(lib);
	*(void **)(void *)&work = dlsym(lib, "raw_work");
	NEED(work && work("raw") == 0);
	return true;
}

static bool mapping(void)
{
	int fd = open("map", O_CREAT | O_RDWR, 0600);
	char *p, text[8];

	NEED(fd >= 0 && write(fd, "private", 7) == 7);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	NEED(p != MAP_FAILED);
	memcpy(p, "shared\n", 7);
	NEED(pread(fd, text, 7, 0) == 7 && close(fd) == 0 && munmap(p, 4096) == 0);
	text[7] = '\0';
	return say(text);
}

/* The kernel knows the file, and has to be told that it grows. */
static bool told(void)
{
	struct stat st;

	NEED(flock(f, LOCK_EX) == 0);
	if (!say("told\n"))
		return false;
	NEED(fstat(f, &st) == 0 && lseek(f, 0, SEEK_CUR) == st.st_size);
	NEED(flock(f, LOCK_UN) == 0);
	return true;
}

static bool shell(void)
{
	int status;

	do
		status = system("echo shell >>f");
	while (status < 0 && again(errno));
	NEED(status == 0);
	return true;
}

static void fill_env(void)
{
	static char var[VARIABLES][16];

	for (int i = 0; i < VARIABLES; i++) {
		snprintf(var[i], sizeof var[i], "V%d=%d", i, i);
		env[i] = var[i];
	}
}

int faults_work(char **args)
{
	if (!args[0] || !args[1])
		return 2;
	f = atoi(args[0]);
	if (f > 0) /* one of the children */
		return !say(args[1]);
	fill_env();
	if (chdir(args[0]) < 0 || (f = open("f", O_CREAT | O_RDWR, 0600)) < 0) {
		perror(args[0]);
		return 1;
	}
	return !(say("main\n") && threads() && children() && library(args[1]) && mapping() && told() && shell());
}
