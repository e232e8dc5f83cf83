/*
 * The file is removed by its holder before the lock is let go. So whoever gets
 * a lock verifies that the file still has its name: else it was the previous
 * holder's, and another one may be locked by now.
 */
#include "daemon/namelock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/ask.h"
#include "control/mounts.h"

#define STEP_MS 10
#define PATIENCE_MS 5000

/* 0, -EWOULDBLOCK: another process has it, or -errno. */
static int try_lock(struct namelock *l)
{
	autoclose int fd = open(l->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	struct stat held, named;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (fstat(fd, &held) < 0)
		return -errno;
	if (stat(l->path, &named) < 0 || held.st_ino != named.st_ino || held.st_dev != named.st_dev)
		return -EWOULDBLOCK;
	l->fd = steal_fd(&fd);
	return 0;
}

/*
 * Does the holder serve a mount? Not if it does not answer, and not if its mount
 * is gone: it ends when it learns of that.
 */
static bool serves(const char *name, struct err *err)
{
	struct mounts_entry m;
	struct control_info info;
	autoclose int sock = ask_connect(name);

	err_set(err, -EEXIST, "name %s: its daemon is ending but does not end; choose another with --name", name);
	if (sock < 0 || ask_info(sock, &info) < 0)
		return false;
	err_set(err, -EEXIST, "name %s: in use by the mount on %s (process %u); choose another with --name", name,
		info.mountpoint, info.head.pid);
	return mounts_find(info.mountpoint, &m);
}

int namelock_take(struct namelock *l, const struct rundir *dir, const char *name, struct err *err)
{
	const struct timespec step = {.tv_nsec = STEP_MS * 1000000L};

	l->fd = -1;
	snprintf(l->path, sizeof(l->path), "%s/%s.lock", dir->path, name);
	for (int waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
		int ret = try_lock(l);

		if (ret != -EWOULDBLOCK)
			return ret < 0 ? err_set(err, ret, "%s: %s", l->path, strerror(-ret)) : 0;
		if (serves(name, err))
			return -EEXIST;
		nanosleep(&step, NULL);
	}
	return -EEXIST;
}

void namelock_release(struct namelock *l)
{
	if (l->fd < 0)
		return;
	unlink(l->path);
	close(l->fd);
	l->fd = -1;
}
