/*
 * Where a user's world lies: a file in the system's shared memory. The place is
 * open to everybody, so what is there is taken only if it is this user's own,
 * plain, private and no link. Hosted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/scope.h"
#include "world/object.h"
#include "world/used.h"

#define TRIES 1000 /* each one that fails is somebody else's coming or going */

static bool name_ok(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n < 32 && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] == 0;
}

struct world_path world_path(void)
{
	const char *name = getenv("BTFUSE_WORLD");
	struct world_path p;

	if (name && name_ok(name))
		snprintf(p.s, sizeof(p.s), "/dev/shm/bt-fuse-bpf.%u.%s", (unsigned)geteuid(), name);
	else
		snprintf(p.s, sizeof(p.s), "/dev/shm/bt-fuse-bpf.%u", (unsigned)geteuid());
	return p;
}

static int open_there(const char *path, int mode)
{
	struct stat st;
	autoclose int fd = open(path, mode | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno == ELOOP || errno == EISDIR ? -EPERM : -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) || st.st_nlink > 1)
		return -EPERM;
	return steal_fd(&fd);
}

/* A new one appears whole or not at all, and takes nobody's place. */
static int make(const char *path)
{
	char wake[sizeof(((struct world_table *)0)->wake) + 8], self[32];
	autoclose int fd = open("/dev/shm", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	int err;

	if (fd < 0)
		return -errno;
	snprintf(wake, sizeof(wake), "%s.wake", path);
	err = world_format(fd, wake);
	if (err)
		return err;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST ? -errno : 0;
}

/* Is it one that this program can use? A file of another version is moved out of the way: who uses it keeps it. */
static bool usable(const char *path, int fd)
{
	struct world w = {0};
	int copy = dup(fd);

	/* No seat is taken, so that closing this descriptor drops no lock of this process. */
	if (copy >= 0 && world_map(copy, &w) == 0) {
		world_unmap(&w);
		return true;
	}
	if (copy >= 0)
		close(copy);
	world_move_away(fd, path);
	return false;
}

int world_open(void)
{
	struct world_path path = world_path();

	for (int i = 0; i < TRIES; i++) {
		autoclose int fd = open_there(path.s, O_RDWR);
		int err;

		if (fd < 0 && fd != -ENOENT)
			return fd;
		if (fd < 0) {
			err = make(path.s);
			if (err)
				return err;
			continue;
		}
		err = usable(path.s, fd) ? world_use(fd, path.s) : -EAGAIN;
		if (err == 0)
			return steal_fd(&fd);
		if (err != -EAGAIN)
			return err;
	}
	return -EBUSY;
}

int world_open_look(void)
{
	return open_there(world_path().s, O_RDONLY);
}

int world_join(struct world *w, struct task *t)
{
	int fd = world_open(), err = fd < 0 ? fd : world_map(fd, w);

	if (err) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	err = client_attach(&w->arena.pool);
	if (!err)
		err = task_attach(&w->arena.pool, 0, t);
	if (err) {
		world_unmap(w);
		return err;
	}
	arena_join();
	return 0;
}

void world_leave(struct world *w, struct task *t)
{
	object_drop_client(w, t, w->arena.pool.client);
	object_collect(w, t);
	task_detach(t);
	client_detach(&w->arena.pool);
	world_unmap(w);
	world_remove_unused(world_path().s);
}
