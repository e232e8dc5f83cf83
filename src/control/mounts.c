/*
 * /proc/self/mountinfo: see proc(5). Paths in it have blank, tab, newline and
 * backslash as three octal digits.
 */
#include "control/mounts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/capture.h"

#define PATIENCE_MS 2000 /* for an answer of a mount */

static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++, to++) {
		if (s[0] == '\\' && s[1] && s[2] && s[3]) {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to = *s;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /root /dir opts shared:1 - type source superopts" */
static bool parse(const char *line, struct mounts_entry *m)
{
	const char *rest = strstr(line, " - ");
	unsigned maj, min;
	const char *user;
	int at = 0;

	if (!rest || strncmp(rest + 3, MOUNTS_TYPE " ", sizeof(MOUNTS_TYPE)) != 0)
		return false;
	if (sscanf(line, "%d %*d %u:%u %*s %4095s", &m->id, &maj, &min, m->dir) != 4)
		return false;
	if (sscanf(rest + 3, "%*s %255s %n", m->source, &at) != 1)
		return false;
	user = strstr(rest + 3 + at, "user_id=");
	m->user = user ? (uid_t)strtoul(user + 8, NULL, 10) : (uid_t)-1;
	m->dev = makedev(maj, min);
	unescape(m->dir);
	unescape(m->source);
	return true;
}

int mounts_each(int (*each)(void *arg, const struct mounts_entry *m), void *arg)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	autofree char *line = NULL;
	struct mounts_entry m;
	size_t size = 0;
	int ret = 0;

	if (!f)
		return -errno;
	while (ret == 0 && getline(&line, &size, f) > 0) {
		if (parse(line, &m))
			ret = each(arg, &m);
	}
	fclose(f);
	return ret;
}

struct search {
	const char *dir;
	struct mounts_entry *out;
	bool found;
};

/* Goes on after a hit: later lines lie on top of earlier ones. */
static int match(void *arg, const struct mounts_entry *m)
{
	struct search *s = arg;

	if (strcmp(m->dir, s->dir) == 0) {
		*s->out = *m;
		s->found = true;
	}
	return 0;
}

bool mounts_find(const char *dir, struct mounts_entry *out)
{
	struct search s = {.dir = dir, .out = out};

	return mounts_each(match, &s) == 0 && s.found;
}

static bool answers_not_connected(const char *dir)
{
	struct statfs st;

	return statfs(dir, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

/* A child asks: a daemon that is stopped would have the asker wait for ever. */
bool mounts_dead(const char *dir)
{
	pid_t pid = fork();
	struct pollfd p = {.fd = -1, .events = POLLIN};
	int status = 0;

	if (pid == 0) /* _exit() of a sanitizer writes out what the parent has printed */
		syscall(SYS_exit_group, answers_not_connected(dir));
	if (pid < 0)
		return false;
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0 || poll(&p, 1, PATIENCE_MS) != 1)
		kill(pid, SIGKILL);
	if (p.fd >= 0)
		close(p.fd);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static int resolve_whole(const char *dir, char *out)
{
	return realpath(dir, out) ? 0 : -errno;
}

int mounts_resolve(const char *dir, char *out)
{
	char copy[PATH_MAX], parent[PATH_MAX];
	size_t len = strlen(dir);
	const char *base;
	char *slash;
	int n;

	while (len > 1 && dir[len - 1] == '/')
		len--;
	if (len == 0)
		return -ENOENT;
	if (len >= sizeof(copy))
		return -ENAMETOOLONG;
	memcpy(copy, dir, len);
	copy[len] = '\0';
	if (resolve_whole(copy, out) == 0)
		return 0;
	if (errno != ENOTCONN && errno != ECONNABORTED)
		return -errno;
	slash = strrchr(copy, '/');
	base = slash ? slash + 1 : copy;
	if (!strcmp(base, ".") || !strcmp(base, "..") || !*base)
		return -ENOTCONN;
	if (slash == copy)
		slash++;
	n = slash ? snprintf(out, PATH_MAX, "%.*s", (int)(slash - copy), copy) : snprintf(out, PATH_MAX, ".");
	if (n < 0 || !realpath(out, parent))
		return -errno;
	n = snprintf(out, PATH_MAX, "%s%s%s", parent, parent[1] ? "/" : "", base);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* What fusermount3 said, without its own name in front. */
static const char *plain(const char *text)
{
	return strncmp(text, "fusermount3: ", 13) == 0 ? text + 13 : text;
}

static int run_fusermount(const char *dir, enum mounts_how how, struct err *err)
{
	const char *argv[] = {"fusermount3", how == MOUNTS_LAZY ? "-uz" : "-u", "--", dir, NULL};
	struct capture capture;
	char said[256];
	int status = -1, ret;
	pid_t pid;

	capture_begin(&capture);
	ret = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(void *)argv, environ);
	if (ret == 0 && waitpid(pid, &status, 0) < 0)
		ret = errno;
	capture_end(&capture, said, sizeof(said));
	if (ret == ENOENT)
		return err_set(err, -ENOENT, "fusermount3: not found; install the package fuse3");
	if (ret)
		return err_set(err, -ret, "fusermount3: %s", strerror(ret));
	if (status == 0)
		return 0;
	return err_set(err, strstr(said, "busy") ? -EBUSY : -EPERM, "%s",
		       *said ? plain(said) : "fusermount3 failed without a word");
}

int mounts_unmount(const char *dir, enum mounts_how how, struct err *err)
{
	if (umount2(dir, UMOUNT_NOFOLLOW | (how == MOUNTS_LAZY ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno != EPERM || geteuid() == 0)
		return err_set(err, -errno, "%s: %s", dir, strerror(errno));
	return run_fusermount(dir, how, err);
}
