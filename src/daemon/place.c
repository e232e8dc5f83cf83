/*
 * A new pool is formatted in a file without a name and gets its name last: a
 * pool that can be found is complete. It lies in the system's shared memory
 * file system, so that it outlives a daemon that is killed; where that is too
 * small, in a memfd, which does not.
 */
#include "daemon/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/pools.h"
#include "daemon/rings.h"
#include "fs/fs.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define INODES_MIN UINT64_C(1024)
#define INODES_MAX (UINT64_C(1) << 26)

static uint64_t physical_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Bytes that can still be put into POOLS_DIR; a tmpfs without a limit says 0 blocks. */
static uint64_t shm_available(void)
{
	struct statfs st;

	if (statfs(POOLS_DIR, &st) < 0)
		return 0;
	if (st.f_blocks == 0)
		return physical_memory();
	return (uint64_t)st.f_bavail * (uint64_t)st.f_bsize;
}

/* Where nothing is given: half of memory, or what POOLS_DIR can hold of it. */
static uint64_t default_size(void)
{
	uint64_t half = physical_memory() / 2, room = shm_available();

	return room < half && room >= GIB ? room / 8 * 7 : half;
}

static int choose(const struct daemon_config *c, struct fs_format *f, struct err *err)
{
	uint64_t memory = physical_memory();

	f->size = round_up(c->size ? c->size : default_size(), FS_BLOCK_SIZE);
	if (f->size > memory)
		return err_set(err, -ENOMEM, "size of %llu MiB: this machine has %llu MiB of memory; ask for less",
			       (unsigned long long)(f->size / MIB), (unsigned long long)(memory / MIB));
	f->inodes = c->inodes;
	if (!f->inodes)
		f->inodes = max_of(min_of(f->size / FS_BLOCK_SIZE, INODES_MAX), INODES_MIN);
	f->name = c->name;
	f->rings = rings_bytes();
	f->root_mode = c->root_mode;
	f->root_uid = c->root_uid;
	f->root_gid = c->root_gid;
	if (fs_format_bytes(f) == 0)
		return err_set(
		    err, -EINVAL,
		    "size of %llu bytes with %llu inodes: out of bounds; from 64K and 16 inodes to 8T and 2^26",
		    (unsigned long long)f->size, (unsigned long long)f->inodes);
	return 0;
}

static int format(int fd, const struct fs_format *f, struct err *err)
{
	int ret = fs_format(fd, f);

	return ret < 0 ? err_set(err, ret, "making the pool: %s", strerror(-ret)) : 0;
}

static int make_memfd(const struct fs_format *f, struct place *place, struct err *err)
{
	autoclose int fd = memfd_create(f->name, MFD_CLOEXEC);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, "memfd_create: %s", strerror(errno));
	ret = format(fd, f, err);
	if (ret < 0)
		return ret;
	place->memfd = true;
	place->fd = steal_fd(&fd);
	return 0;
}

static int give_name(int fd, const char *path)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int make_file(const struct fs_format *f, struct place *place, struct err *err)
{
	struct pools_path path = pools_path(f->name);
	autoclose int fd = open(POOLS_DIR, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, POOLS_DIR ": %s", strerror(errno));
	ret = format(fd, f, err);
	if (ret < 0)
		return ret;
	ret = give_name(fd, path.s);
	if (ret < 0)
		return err_set(err, ret, "%s: %s; remove it", path.s, strerror(-ret));
	place->fd = steal_fd(&fd);
	return 0;
}

static int make(const struct daemon_config *c, struct place *place, struct err *err)
{
	struct fs_format f = {0};
	char line[256];
	int ret = choose(c, &f, err);

	if (ret < 0)
		return ret;
	if (f.size <= shm_available())
		return make_file(&f, place, err);
	snprintf(line, sizeof(line),
		 POOLS_DIR " has no room for %llu MiB: the pool is private memory, and nothing survives the daemon",
		 (unsigned long long)(f.size / MIB));
	c->note(c->arg, line);
	return make_memfd(&f, place, err);
}

int place_open(const struct daemon_config *config, struct place *place, struct err *err)
{
	struct pools_path path = pools_path(config->name);
	int fd = pools_open(config->name);

	*place = (struct place){.fd = -1};
	if (fd == -ENOENT)
		return make(config, place, err);
	if (fd == -EPERM)
		return err_set(err, fd, "%s: not a private plain file of this user; remove it", path.s);
	if (fd < 0)
		return err_set(err, fd, "%s: %s", path.s, strerror(-fd));
	place->fd = fd;
	place->found = true;
	return 0;
}

void place_remove(const struct daemon_config *config)
{
	struct pools_path path = pools_path(config->name);

	unlink(path.s);
}
