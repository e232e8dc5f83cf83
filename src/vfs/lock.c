/*
 * Record locks are the kernel's. A process loses those of a file when it closes any descriptor of it
 * (fcntl(2)), also one that only we have opened and closed to make another real. So of a file whose locks it may hold
 * it has real descriptors only, each from the kernel at its own number: those that are there become real before the
 * first lock, and those that are opened later are opened so.
 */
#include "vfs/internal.h"

/* Who opens the file afterwards sees it. True: others may have it open that did not. */
static bool note(struct vfs_proc *p, fs_ino ino)
{
	bool first;

	numbers_lock(p);
	first = !ino_locked(p, ino) || p->nlocked > LOCKED;
	if (first && p->nlocked < LOCKED)
		store_relaxed(&p->locked[p->nlocked], ino);
	if (first && p->nlocked <= LOCKED)
		store_release(&p->nlocked, p->nlocked + 1);
	numbers_unlock(p);
	return first;
}

static void reveal(struct vfs_thread *v, unsigned store, fs_ino ino)
{
	struct vfs_proc *p = v->proc;

	if (!note(p, ino))
		return;
	fence_full(); /* pairs with lock_open()'s caller: one of both sees the other */
	for (long fd = 0; fd < fd_end(p); fd++)
		if (fd_store(p, fd) == (int)store && load_relaxed(&p->ino[fd]) == ino)
			(void)!fd_make_real(v, fd);
}

int lock_begins(struct vfs_thread *v, long fd)
{
	int store = fd_store(v->proc, fd);
	int64_t ino = fd_inode(v, fd, NULL);

	if (store >= 0 && ino > 0)
		reveal(v, (unsigned)store, (fs_ino)ino);
	return fd_make_real(v, fd);
}

void lock_begins_elsewhere(struct vfs_thread *v, long fd, const void *lock)
{
	const struct vfs_proc *p = v->proc;
	struct flock l;
	fs_ino ino;

	if (p->passive || user_copy(&l, lock, sizeof l) || l.l_type == F_UNLCK)
		return;
	for (unsigned i = 0; i < p->nmounts; i++)
		if (fd_is_inode(&p->mount[i], fd, &ino))
			reveal(v, i, ino);
}

long lock_open(struct vfs_thread *v, struct where *w, int flags)
{
	long fd = fd_open_real(v, w->store, w->w.ino, flags), err;

	if (fd == -EACCES) /* the kernel says it, or does it */
		return VFS_PASS;
	if (fd < 0 || fd >= (long)FS_HANDLES)
		return fd;
	begin_meant(w);
	err = end_meant(w, fs_open(w->t, cred(v), w->w.ino, flags & ~O_CLOEXEC, (uint32_t)fd));
	if (err) {
		sys_close((int)fd);
		return err;
	}
	fs_opened_by(w->t, (uint32_t)fd, w->w.dir, w->w.entry);
	fd_own(v->proc, fd, w->w.ino, w->store, flags & O_CLOEXEC, true);
	fd_reach(v->proc, fd);
	return fd;
}
