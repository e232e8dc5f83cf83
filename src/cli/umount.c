/*
 * bt-fuse umount. Waits for the daemon's end: the kernel tells of it through a
 * pidfd, taken before the unmount, so that the number cannot be another's.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "control/ask.h"
#include "control/mounts.h"

#define PATIENCE_MS 20000
#define BUSY_MS 320 /* the longest of the pauses after which what is busy is tried again */

static int wait_end(int pidfd, const struct control_info *info, struct err *err)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	if (pidfd < 0 || poll(&p, 1, PATIENCE_MS) == 1)
		return 0;
	return err_set(
	    err, -EBUSY,
	    "%s: unmounted, but its daemon (process %u) does not end: files in it are open, or it is mounted in "
	    "another namespace too",
	    info->mountpoint, info->head.pid);
}

static int explain(const char *dir, int ret, struct err *err)
{
	if (ret == -EBUSY)
		return err_set(err, ret, "%s: busy, files in it are in use; find out by whom: fuser -vm %s", dir, dir);
	if (ret == -EINVAL || ret == -ENOENT)
		return err_set(err, ret, "%s: not a mount of bt-fuse; see bt-fuse status", dir);
	return ret;
}

/* Who only looks at a mount (df, status, a shell that completes a name) keeps it busy for that moment. */
static int unmount_clean(const char *dir, struct err *err)
{
	int ret = mounts_unmount(dir, MOUNTS_CLEAN, err);

	for (int ms = 20; ret == -EBUSY && ms <= BUSY_MS; ms *= 2) {
		poll(NULL, 0, ms);
		ret = mounts_unmount(dir, MOUNTS_CLEAN, err);
	}
	return ret;
}

static int unmount(const char *dir, struct err *err)
{
	struct mounts_entry m;
	struct control_info info;
	autoclose int pidfd = -1;
	int ret;

	if (!mounts_find(dir, &m))
		return err_set(err, -EINVAL, "%s: not a mount of bt-fuse; see bt-fuse status", dir);
	if (m.user != geteuid() && geteuid() != 0)
		return err_set(err, -EPERM, "%s: mounted by another user (uid %u); ask that user, or root", dir,
			       m.user);
	if (mounts_dead(dir))
		return mounts_unmount(dir, MOUNTS_LAZY, err);
	if (ask_find(dir, &info))
		pidfd = (int)syscall(SYS_pidfd_open, info.head.pid, 0);
	ret = unmount_clean(dir, err);
	if (ret < 0)
		return explain(dir, ret, err);
	return wait_end(pidfd, &info, err);
}

int cmd_umount(int argc, char **argv, struct err *err)
{
	static const struct option none[] = {{NULL, 0, NULL, 0}};
	char dir[PATH_MAX];
	int ret;

	if (args_next(argc, argv, ":", none, err) != -1)
		return -EINVAL;
	if (optind + 1 != argc)
		return err_set(err, -EINVAL, "umount: wants one DIR: bt-fuse umount DIR");
	ret = mounts_resolve(argv[optind], dir);
	if (ret < 0)
		return err_set(err, ret, "%s: %s", argv[optind], strerror(-ret));
	return unmount(dir, err);
}
