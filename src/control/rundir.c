/*
 * The runtime directory. Everything in it is trusted because nobody else can
 * write there: so it is verified each time, and never followed as a link (the
 * fallback lies in /tmp, where anyone may have been first).
 */
#include "control/rundir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "control/control.h"

static bool own_dir(const char *path)
{
	struct stat st;

	return path && path[0] == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/* The directory that the system gives the user while logged in; NULL: none. `room` is for its path. */
static const char *session_dir(char *room, size_t size)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (own_dir(xdg))
		return xdg;
	snprintf(room, size, "/run/user/%u", (unsigned)geteuid());
	return own_dir(room) ? room : NULL;
}

bool rundir_candidate(int n, struct rundir *dir)
{
	size_t size = sizeof(dir->path);
	const char *session;
	char room[32];
	int len;

	if (geteuid() == 0) {
		snprintf(dir->path, size, "/run/bt-fuse");
		return n == 0;
	}
	session = session_dir(room, sizeof(room));
	if (n == 0 && session) {
		len = snprintf(dir->path, size, "%s/bt-fuse", session);
		return len > 0 && (size_t)len < size;
	}
	snprintf(dir->path, size, "/tmp/bt-fuse-%u", (unsigned)geteuid());
	return n == (session ? 1 : 0);
}

bool rundir_trusted(const struct rundir *dir)
{
	struct stat st;

	return lstat(dir->path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 077) == 0;
}

int rundir_make(struct rundir *dir, struct err *err)
{
	if (!rundir_candidate(0, dir))
		return err_set(err, -ENAMETOOLONG, "XDG_RUNTIME_DIR: its path is too long");
	if (mkdir(dir->path, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "%s: %s; it is to hold the mount's socket", dir->path, strerror(errno));
	if (!rundir_trusted(dir))
		return err_set(err, -EPERM, "%s: not a directory of this user with mode 0700; remove it", dir->path);
	return 0;
}

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
	       c == '-';
}

bool rundir_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > CONTROL_NAME_MAX || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!name_char(name[i]))
			return false;
	}
	return true;
}

void rundir_default_name(const char *path, char *name)
{
	const char *base = strrchr(path, '/');
	uint64_t h = hash_bytes(0, path, strlen(path));
	int n;

	base = base ? base + 1 : path;
	n = snprintf(name, 64, "%.40s-%08x", *base ? base : "root", (unsigned)(h >> 32));
	for (int i = 0; i < n; i++) {
		if (!name_char(name[i]) || (i == 0 && name[i] == '.'))
			name[i] = '_';
	}
}
