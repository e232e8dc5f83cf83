/*
 * How long the file of a world is there: see used.h. The lock is the kernel's
 * own account of who is left. It belongs to the open file description: children
 * share it, a kill at any point drops it with the last descriptor and mapping.
 *
 * So it is not asked for by who has a share in it: who leaves lets go first and
 * opens the file anew. Bytes far behind what the file can be: who uses the world
 * holds the first one, who takes away the name holds the second one, and looks
 * again whether it is still this file's. The third one is the keeper's.
 */
#include "world/used.h"

#include <dirent.h> /* struct dirent64, which is the kernel's */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/sys.h"
#include "world/world.h"

#define USED_AT (1ll << 62)
#define NAME_AT (USED_AT + 1)
#define KEEPER_AT (USED_AT + 2)
#define WAKE_ROOM 176u

static int lock(int fd, int cmd, short type, int64_t from, int64_t n)
{
	struct flock l = {.l_type = type, .l_whence = 0 /* SEEK_SET */, .l_start = from, .l_len = n};
	int err;

	do
		err = sys_fcntl(fd, cmd, (long)&l);
	while (err == -EINTR);
	return err;
}

bool world_is_named(int fd, const char *path)
{
	struct stat here, there;

	return sys_call4(SYS_newfstatat, fd, (long)"", (long)&here, AT_EMPTY_PATH) == 0 &&
	       sys_call4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

int world_lock_keeper(int fd, bool on)
{
	return lock(fd, F_OFD_SETLK, on ? F_WRLCK : F_UNLCK, KEEPER_AT, 1);
}

static bool wake_dir(const char *path, char dir[WAKE_ROOM])
{
	static const char tail[] = ".wake";
	size_t n = 0;

	while (path[n])
		n++;
	if (n + sizeof(tail) > WAKE_ROOM)
		return false;
	mem_copy(dir, path, n);
	mem_copy(dir + n, tail, sizeof(tail));
	return true;
}

int world_use(int fd, const char *path)
{
	char dir[WAKE_ROOM];
	int err = lock(fd, F_OFD_SETLKW, F_RDLCK, USED_AT, 1);

	if (err)
		return err;
	if (!world_is_named(fd, path))
		return -EAGAIN;
	/* Who was killed while it took the world away may have come so far. */
	if (!wake_dir(path, dir))
		return -ENAMETOOLONG;
	err = (int)sys_call3(SYS_mkdir, (long)dir, 0700, 0);
	return err == -EEXIST ? 0 : err;
}

void world_move_away(int fd, const char *path)
{
	if (lock(fd, F_OFD_SETLKW, F_WRLCK, NAME_AT, 1) != 0)
		return;
	if (world_is_named(fd, path))
		sys_call3(SYS_unlink, (long)path, 0, 0);
	lock(fd, F_OFD_SETLK, F_UNLCK, NAME_AT, 1);
}

/* ---- Taking it away ------------------------------------------------------------------ */

static void empty(int dir)
{
	char buf[512] __attribute__((aligned(8)));
	long n;

	while ((n = sys_call3(SYS_getdents64, dir, (long)buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (struct dirent64 *)(void *)(buf + at);

			if (e->d_name[0] != '.')
				sys_call3(SYS_unlinkat, dir, (long)e->d_name, 0);
			at += e->d_reclen;
		}
}

static void remove_wake(const char *path)
{
	char dir[WAKE_ROOM];
	long fd;

	if (!wake_dir(path, dir))
		return;
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	empty((int)fd);
	sys_close((int)fd);
	sys_call3(SYS_rmdir, (long)dir, 0, 0);
}

/* Of a world that this program does not know nothing is known that should stay. */
static bool has_pins(int fd)
{
	struct world w = {.table = NULL};
	int copy = sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	bool any = false;

	if (copy < 0)
		return true;
	if (world_look(copy, &w) != 0) {
		sys_close(copy);
		return false;
	}
	for (uint32_t i = 0; i < WORLD_PINS && i < w.table->pins_high; i++)
		any |= w.table->pin[i].id != 0;
	world_unmap(&w);
	return any;
}

void world_remove_unused(const char *path)
{
	long fd =
	    sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return;
	if (lock((int)fd, F_OFD_SETLK, F_WRLCK, USED_AT, 2) == 0 && world_is_named((int)fd, path) &&
	    !has_pins((int)fd)) {
		/* The name last: while it is there nobody makes a new world, whose FIFOs these would be. */
		remove_wake(path);
		sys_call3(SYS_unlink, (long)path, 0, 0);
	}
	sys_close((int)fd);
}
