/* What the kernel and fusermount3 would refuse later, and less clearly. */
#include "daemon/mountpoint.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/mounts.h"

static int clear_dead(const char *dir, struct err *err)
{
	struct mounts_entry m;

	while (mounts_find(dir, &m)) {
		int ret;

		if (!mounts_dead(dir))
			return err_set(err, -EBUSY, "%s: already mounted as %s; unmount it first: bt-fuse umount %s",
				       dir, m.source, dir);
		ret = mounts_unmount(dir, MOUNTS_LAZY, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int check_device(struct err *err)
{
	if (access("/dev/fuse", R_OK | W_OK) == 0)
		return 0;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return err_set(err, -errno, "/dev/fuse: missing; load the kernel's module: modprobe fuse");
	return err_set(err, -errno, "/dev/fuse: %s; ask the administrator for mode 0666 on it", strerror(errno));
}

static int check_helper(struct err *err)
{
	if (geteuid() == 0 || access("/usr/bin/fusermount3", X_OK) == 0 || access("/bin/fusermount3", X_OK) == 0)
		return 0;
	return err_set(err, -ENOENT, "fusermount3: not found; install the package fuse3");
}

int mountpoint_prepare(const char *dir, struct err *err)
{
	struct stat st;
	int ret = clear_dead(dir, err);

	if (ret < 0)
		return ret;
	if (stat(dir, &st) < 0 && (errno == ENOTCONN || errno == ECONNABORTED))
		return err_set(err, -errno, "%s: a dead mount of another kind; unmount it first: fusermount3 -uz %s",
			       dir, dir);
	if (stat(dir, &st) < 0)
		return err_set(err, -errno, "%s: %s%s", dir, strerror(errno), errno == ENOENT ? "; make it first" : "");
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "%s: not a directory; choose one", dir);
	ret = check_device(err);
	return ret < 0 ? ret : check_helper(err);
}
