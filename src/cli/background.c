/*
 * The child tells its parent through a pipe how it goes, a line each: 'N' and a
 * note, 'R' when the mount is ready, 'E' and an error. After ready it holds
 * nothing of the parent's any more: whoever waits for the end of the command's
 * output must not wait for the daemon's.
 */
#include "cli/background.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/scope.h"

static void say(int fd, char kind, const char *text)
{
	char line[sizeof(((struct err *)0)->text) + 8];
	int n = snprintf(line, sizeof(line), "%c%s\n", kind, text);
	ssize_t written = write(fd, line, (size_t)n);

	(void)written; /* the parent may be gone: then nobody wants to know */
}

/* A file stays: nobody waits for its end, and what a library says in distress is told. */
static bool is_file(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void silence(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		dup2(null, fd);
		close(null);
	}
}

static void child_note(void *arg, const char *line)
{
	say(*(int *)arg, 'N', line);
}

static void child_ready(void *arg)
{
	int *fd = arg;

	silence(STDOUT_FILENO);
	if (!is_file(STDERR_FILENO))
		silence(STDERR_FILENO);
	say(*fd, 'R', "");
	close(*fd);
	store_release(fd, -1);
}

static void child(const struct daemon_config *config, int fd)
{
	struct daemon_config c = *config;
	struct err err;
	int ret;

	setsid();
	silence(STDIN_FILENO);
	fd = dup3(fd, 3, O_CLOEXEC) == 3 ? 3 : fd;
	if (fd == 3)
		close_range(4, ~0u, 0);
	if (chdir("/") < 0)
		_exit(1);
	c.note = child_note;
	c.ready = child_ready;
	c.arg = &fd;
	ret = daemon_serve(&c, &err);
	if (ret < 0 && load_acquire(&fd) >= 0)
		say(fd, 'E', err.text);
	_exit(ret < 0);
}

static int died(pid_t pid, struct err *err)
{
	int status = 0;

	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "the daemon died of signal %d before the mount worked", WTERMSIG(status));
	return err_set(err, -EIO, "the daemon ended before the mount worked");
}

/* 1: goes on, 0: mounted, -errno with a text. */
static int take(const struct daemon_config *config, char *line, struct err *err)
{
	line[strcspn(line, "\n")] = '\0';
	switch (line[0]) {
	case 'N':
		config->note(config->arg, line + 1);
		return 1;
	case 'R':
		return 0;
	default:
		return err_set(err, -EIO, "%s", line + 1);
	}
}

static int listen_to(const struct daemon_config *config, pid_t pid, int fd, struct err *err)
{
	autofree char *line = NULL;
	FILE *f = fdopen(fd, "r");
	size_t size = 0;
	int ret = 1;

	while (ret == 1) {
		if (!f || getline(&line, &size, f) <= 0) {
			ret = died(pid, err);
			break;
		}
		ret = take(config, line, err);
	}
	/* An error's end: the name is free again when this command returns. */
	if (ret < 0)
		waitpid(pid, NULL, 0);
	if (f)
		fclose(f);
	return ret;
}

int background_serve(const struct daemon_config *config, struct err *err)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0)
		return err_set(err, -errno, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0)
		child(config, fd[1]);
	close(fd[1]);
	return listen_to(config, pid, fd[0], err);
}
