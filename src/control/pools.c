/*
 * Pool files. The directory is open to everybody, so that a file found there
 * is taken only if it is the user's own, plain, private and no link.
 */
#include "control/pools.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/rundir.h"

struct pools_path pools_path(const char *name)
{
	struct pools_path p;

	snprintf(p.s, sizeof(p.s), POOLS_DIR "/bt-fuse-%u-%s", (unsigned)geteuid(), name);
	return p;
}

static bool is_pool_file(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && (st->st_mode & 077) == 0 && st->st_nlink == 1;
}

int pools_open(const char *name)
{
	struct pools_path path = pools_path(name);
	struct stat st;
	autoclose int fd = open(path.s, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno == ELOOP || errno == EISDIR ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!is_pool_file(&st))
		return -EPERM;
	return steal_fd(&fd);
}

static void look_at(int dirfd, const char *file, const char *name, void (*each)(void *, const struct pools_found *),
		    void *arg)
{
	struct pools_found found = {0};
	struct stat st;

	if (!rundir_name_ok(name) || fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_pool_file(&st))
		return;
	snprintf(found.name, sizeof(found.name), "%s", name);
	found.size = (uint64_t)st.st_size;
	found.memory = (uint64_t)st.st_blocks * 512;
	each(arg, &found);
}

int pools_each(void (*each)(void *arg, const struct pools_found *found), void *arg)
{
	DIR *dir = opendir(POOLS_DIR);
	struct dirent *d;
	char prefix[32];
	int n;

	if (!dir)
		return -errno;
	n = snprintf(prefix, sizeof(prefix), "bt-fuse-%u-", (unsigned)geteuid());
	while ((d = readdir(dir))) {
		if (strncmp(d->d_name, prefix, (size_t)n) == 0)
			look_at(dirfd(dir), d->d_name, d->d_name + n, each, arg);
	}
	closedir(dir);
	return 0;
}
