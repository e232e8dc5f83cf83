/* Attributes: stat, access, chmod, chown, utimes, statfs. */
#include <linux/stat.h>
#include <unistd.h>

#include "vfs/internal.h"

/* ---- stat ------------------------------------------------------------------------- */

/* As the kernel unfolds the 32 bits (new_decode_dev). */
static uint64_t dev_of(uint32_t rdev)
{
	uint64_t major = rdev >> 8 & 0xfff, minor = (rdev & 0xff) | (rdev >> 12 & 0xfff00);

	if (likely(!rdev))
		return 0;
	return (major & 0xfff) << 8 | (major & ~0xfffull) << 32 | (minor & 0xff) | (minor & ~0xffull) << 12;
}

static int stat_out(const struct vmount *m, struct stat *st, void *to)
{
	st->st_dev = m->dev;
	st->st_rdev = dev_of((uint32_t)st->st_rdev);
	return user_copy(to, st, sizeof *st) ? -EFAULT : 0;
}

static struct statx_timestamp stamp(struct timespec ts)
{
	return (struct statx_timestamp){.tv_sec = ts.tv_sec, .tv_nsec = (uint32_t)ts.tv_nsec};
}

static int statx_out(const struct vmount *m, const struct stat *a, void *to)
{
	uint64_t rdev = dev_of((uint32_t)a->st_rdev);
	struct statx st = {
	    .stx_mask = STATX_BASIC_STATS | (m->mnt_id ? STATX_MNT_ID : 0),
	    .stx_mnt_id = m->mnt_id,
	    .stx_attributes = a->st_ino == FS_ROOT ? m->attributes & STATX_ATTR_MOUNT_ROOT : 0,
	    .stx_attributes_mask = m->attributes,
	    .stx_blksize = FS_BLOCK_SIZE,
	    .stx_nlink = (uint32_t)a->st_nlink,
	    .stx_uid = a->st_uid,
	    .stx_gid = a->st_gid,
	    .stx_mode = (uint16_t)a->st_mode,
	    .stx_ino = a->st_ino,
	    .stx_size = (uint64_t)a->st_size,
	    .stx_blocks = (uint64_t)a->st_blocks,
	    .stx_atime = stamp(a->st_atim),
	    .stx_mtime = stamp(a->st_mtim),
	    .stx_ctime = stamp(a->st_ctim),
	    .stx_rdev_major = (uint32_t)(rdev >> 8 & 0xfff),
	    .stx_rdev_minor = (uint32_t)((rdev & 0xff) | (rdev >> 12 & 0xfff00)),
	    .stx_dev_major = (uint32_t)(m->dev >> 8 & 0xfff),
	    .stx_dev_minor = (uint32_t)((m->dev & 0xff) | (m->dev >> 12 & 0xfff00)),
	};

	return user_copy(to, &st, sizeof st) ? -EFAULT : 0;
}

/* Attributes of what a path leads to; again where the path led elsewhere meanwhile. */
static long attr_at(struct vfs_thread *v, int dir, const char *path, unsigned flags, struct where *w, struct stat *st)
{
	unsigned later = LOCATE_LATER;
	long err;

	for (;;) {
		err = locate(v, dir, path, flags | later, 0, w);
		if (err)
			return err;
		err = fs_stat(w->t, w->w.ino, st);
		if (likely(located_still(w)) || w->w.nvia > FS_WALK_VIA)
			return err;
		later = 0; /* what was remembered is not true; what is walked now is, or changes once more */
	}
}

static long stat_at(struct vfs_thread *v, int dir, const char *path, unsigned flags, void *to)
{
	struct stat st;
	struct where w;
	long err = attr_at(v, dir, path, flags, &w, &st);

	return err ? err : stat_out(w.m, &st, to);
}

HANDLER(call_stat)
{
	return stat_at(v, AT_FDCWD, (const char *)c->a[0], 0, (void *)c->a[1]);
}

HANDLER(call_lstat)
{
	return stat_at(v, AT_FDCWD, (const char *)c->a[0], LOCATE_NOFOLLOW, (void *)c->a[1]);
}

static long fd_attr(struct vfs_thread *v, long fd, struct vmount **m, struct stat *st)
{
	int store = fd_store(v->proc, fd);
	struct task *t = store < 0 ? NULL : seat(v, (unsigned)store);

	if (!t)
		return fd_passed(v->proc, fd);
	*m = &v->proc->mount[store];
	return fs_stat(t, load_relaxed(&v->proc->ino[fd]), st);
}

static long stat_fd(struct vfs_thread *v, long fd, void *to)
{
	struct vmount *m;
	struct stat st;
	long err = fd_attr(v, fd, &m, &st);

	return err ? err : stat_out(m, &st, to);
}

HANDLER(call_fstat)
{
	return stat_fd(v, (int)c->a[0], (void *)c->a[1]);
}

bool empty_path(const char *path, int flags)
{
	return (flags & AT_EMPTY_PATH) && (!path || user_byte(path) == 0);
}

HANDLER(call_newfstatat)
{
	int flags = (int)c->a[3];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT))
		return VFS_PASS;
	if ((int)c->a[0] >= 0 && empty_path((const char *)c->a[1], flags))
		return stat_fd(v, (int)c->a[0], (void *)c->a[2]);
	return stat_at(v, (int)c->a[0], (const char *)c->a[1], how(flags), (void *)c->a[2]);
}

/* What is told of an inode here. Of all else the kernel knows, say how a mount is called. */
#define STATX_OURS (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)

HANDLER(call_statx)
{
	int flags = (int)c->a[2];
	struct vmount *m;
	struct stat st;
	struct where w;
	long err;

	if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_SYNC_TYPE)) ||
	    (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || ((unsigned)c->a[3] & ~STATX_OURS))
		return call_path_at(v, c);
	if ((int)c->a[0] >= 0 && empty_path((const char *)c->a[1], flags)) {
		err = fd_attr(v, (int)c->a[0], &m, &st);
	} else {
		err = attr_at(v, (int)c->a[0], (const char *)c->a[1], how(flags), &w, &st);
		m = w.m;
	}
	return err ? err : statx_out(m, &st, (void *)c->a[4]);
}

/* ---- access, readlink ------------------------------------------------------------------ */

static long access_at(struct vfs_thread *v, int dir, const char *path, int mask, int flags)
{
	struct where w;
	long err;

	if (mask & ~(R_OK | W_OK | X_OK))
		return -EINVAL;
	/* access(2) asks for the real ids, the walk for the effective: where they differ the kernel knows better. */
	if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) || (!(flags & AT_EACCESS) && !same_ids(v)))
		return call_pass_from(v, dir);
	err = locate(v, dir, path, how(flags) | LOCATE_LATER, 0, &w);
	if (!err) {
		err = fs_access(w.t, cred(v), w.w.ino, mask);
		if (likely(located_still(&w)))
			return err;
		err = locate(v, dir, path, how(flags), 0, &w);
	}
	return err ? err : fs_access(w.t, cred(v), w.w.ino, mask);
}

HANDLER(call_access)
{
	return access_at(v, AT_FDCWD, (const char *)c->a[0], (int)c->a[1], 0);
}

HANDLER(call_faccessat)
{
	return access_at(v, (int)c->a[0], (const char *)c->a[1], (int)c->a[2], 0);
}

HANDLER(call_faccessat2)
{
	return access_at(v, (int)c->a[0], (const char *)c->a[1], (int)c->a[2], (int)c->a[3]);
}

static long readlink_at(struct vfs_thread *v, int dir, const char *path, char *buf, long size)
{
	unsigned tries = 0;
	struct where w;
	long n;

	if (size <= 0)
		return -EINVAL;
	do {
		n = locate(v, dir, path, LOCATE_NOFOLLOW | LOCATE_ENTRY, 0, &w);
		if (n == VFS_PASS && !v->proc->passive)
			return readlink_entry(v, dir, v->path[0], buf, (size_t)size);
		if (n == -ENOENT && empty_path(path, AT_EMPTY_PATH)) /* `dir` may be a symlink, open by its path only */
			return call_pass_from(v, dir);
		if (n)
			return n;
		begin_meant(&w);
		n = end_meant(&w, fs_readlink(w.t, w.w.ino, v->path[1], min_of((size_t)size, FS_SYMLINK_MAX)));
	} while (walk_again(n, &tries));
	return n > 0 && user_copy(buf, v->path[1], (size_t)n) ? -EFAULT : n;
}

HANDLER(call_readlink)
{
	return readlink_at(v, AT_FDCWD, (const char *)c->a[0], (char *)c->a[1], (int)c->a[2]);
}

HANDLER(call_readlinkat)
{
	return readlink_at(v, (int)c->a[0], (const char *)c->a[1], (char *)c->a[2], (int)c->a[3]);
}

/* ---- chmod, chown, utimes ----------------------------------------------------------------- */

static long set_at(struct vfs_thread *v, int dir, const char *path, unsigned flags, unsigned set,
		   const struct fs_attr *a)
{
	unsigned n = 0;
	struct where w;
	long err;

	do {
		err = locate(v, dir, path, flags, 0, &w);
		if (err)
			return err;
		begin_meant(&w);
		err = end_meant(&w, fs_setattr(w.t, cred(v), w.w.ino, set, a, NULL));
	} while (walk_again(err, &n));
	return err;
}

static long set_fd(struct vfs_thread *v, long fd, unsigned set, const struct fs_attr *a)
{
	int store = fd_store(v->proc, fd);
	struct task *t = store < 0 ? NULL : seat(v, (unsigned)store);
	int64_t ino = t ? fs_handle(t, (uint32_t)fd, NULL) : 0;

	if (!t)
		return fd_passed(v->proc, fd);
	if (ino > 0 && unlikely(fs_kernel_marks(t, (fs_ino)ino) & FS_MARK_WATCHED)) {
		int err = fd_make_real(v, fd);

		return err ? err : VFS_PASS;
	}
	return ino < 0 ? (long)ino : fs_setattr(t, cred(v), (fs_ino)ino, set, a, NULL);
}

HANDLER(call_chmod)
{
	const struct fs_attr a = {.mode = (uint32_t)c->a[1] & 07777};

	return set_at(v, AT_FDCWD, (const char *)c->a[0], 0, FS_SET_MODE, &a);
}

HANDLER(call_fchmod)
{
	const struct fs_attr a = {.mode = (uint32_t)c->a[1] & 07777};

	return set_fd(v, (int)c->a[0], FS_SET_MODE, &a);
}

HANDLER(call_fchmodat)
{
	const struct fs_attr a = {.mode = (uint32_t)c->a[2] & 07777};

	return set_at(v, (int)c->a[0], (const char *)c->a[1], 0, FS_SET_MODE, &a);
}

static unsigned owner_set(long uid, long gid, struct fs_attr *a)
{
	*a = (struct fs_attr){.uid = (uid_t)uid, .gid = (gid_t)gid};
	if ((uid_t)uid == (uid_t)-1 && (gid_t)gid == (gid_t)-1)
		return FS_SET_NOBODY;
	return ((uid_t)uid != (uid_t)-1 ? FS_SET_UID : 0) | ((gid_t)gid != (gid_t)-1 ? FS_SET_GID : 0);
}

HANDLER(call_chown)
{
	struct fs_attr a;
	unsigned set = owner_set(c->a[1], c->a[2], &a);

	return set_at(v, AT_FDCWD, (const char *)c->a[0], 0, set, &a);
}

HANDLER(call_lchown)
{
	struct fs_attr a;
	unsigned set = owner_set(c->a[1], c->a[2], &a);

	return set_at(v, AT_FDCWD, (const char *)c->a[0], LOCATE_NOFOLLOW, set, &a);
}

HANDLER(call_fchown)
{
	struct fs_attr a;
	unsigned set = owner_set(c->a[1], c->a[2], &a);

	return set_fd(v, (int)c->a[0], set, &a);
}

HANDLER(call_fchownat)
{
	struct fs_attr a;
	unsigned set = owner_set(c->a[2], c->a[3], &a);
	int flags = (int)c->a[4];

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((int)c->a[0] >= 0 && empty_path((const char *)c->a[1], flags))
		return set_fd(v, (int)c->a[0], set, &a);
	return set_at(v, (int)c->a[0], (const char *)c->a[1], how(flags), set, &a);
}

/* One of utimensat's two times: what is to be set, into *t. -EINVAL. */
static int time_set(const struct timespec *in, struct timespec *t, unsigned value, unsigned now, unsigned *set)
{
	if (in->tv_nsec == UTIME_OMIT)
		return 0;
	if (in->tv_nsec != UTIME_NOW && (in->tv_nsec < 0 || in->tv_nsec > 999999999))
		return -EINVAL;
	*t = *in;
	*set |= in->tv_nsec == UTIME_NOW ? now : value;
	return 0;
}

HANDLER(call_utimensat)
{
	struct timespec ts[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	struct fs_attr a = {0};
	struct where w;
	unsigned set = 0;
	int flags = (int)c->a[3];
	bool bad;
	long err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (c->a[2] && user_copy(ts, (const void *)c->a[2], sizeof ts))
		return -EFAULT;
	/* Both UTIME_OMIT: nothing at all, not even a look at the path. */
	if (ts[0].tv_nsec == UTIME_OMIT && ts[1].tv_nsec == UTIME_OMIT)
		return 0;
	bad = time_set(&ts[0], &a.atime, FS_SET_ATIME, FS_SET_ATIME_NOW, &set) ||
	      time_set(&ts[1], &a.mtime, FS_SET_MTIME, FS_SET_MTIME_NOW, &set);
	/* futimens(fd) is utimensat(fd, NULL). A time that is none is found after the file. */
	if (!c->a[1] || ((int)c->a[0] >= 0 && empty_path((const char *)c->a[1], flags)))
		return bad && fd_store(v->proc, (int)c->a[0]) >= 0 ? -EINVAL : set_fd(v, (int)c->a[0], set, &a);
	if (bad) {
		err = locate(v, (int)c->a[0], (const char *)c->a[1], how(flags), 0, &w);
		return err ? err : -EINVAL;
	}
	return set_at(v, (int)c->a[0], (const char *)c->a[1], how(flags), set, &a);
}

/* Both times, or NULL for now, in microseconds. */
static long utimes(struct vfs_thread *v, int dir, const char *path, const struct timeval *from)
{
	struct timeval tv[2];
	struct fs_attr a = {0};

	if (!from) {
		if (!path)
			return set_fd(v, dir, FS_SET_ATIME_NOW | FS_SET_MTIME_NOW, &a);
		return set_at(v, dir, path, 0, FS_SET_ATIME_NOW | FS_SET_MTIME_NOW, &a);
	}
	if (user_copy(tv, from, sizeof tv))
		return -EFAULT;
	for (int i = 0; i < 2; i++)
		if (tv[i].tv_usec < 0 || tv[i].tv_usec > 999999)
			return -EINVAL;
	a.atime = (struct timespec){tv[0].tv_sec, tv[0].tv_usec * 1000};
	a.mtime = (struct timespec){tv[1].tv_sec, tv[1].tv_usec * 1000};
	return path ? set_at(v, dir, path, 0, FS_SET_ATIME | FS_SET_MTIME, &a)
		    : set_fd(v, dir, FS_SET_ATIME | FS_SET_MTIME, &a);
}

HANDLER(call_utimes)
{
	return c->a[0] ? utimes(v, AT_FDCWD, (const char *)c->a[0], (const struct timeval *)c->a[1]) : -EFAULT;
}

HANDLER(call_futimesat)
{
	return utimes(v, (int)c->a[0], (const char *)c->a[1], (const struct timeval *)c->a[2]);
}

HANDLER(call_utime)
{
	struct fs_attr a = {0};
	long times[2];

	if (!c->a[1])
		return set_at(v, AT_FDCWD, (const char *)c->a[0], 0, FS_SET_ATIME_NOW | FS_SET_MTIME_NOW, &a);
	if (user_copy(times, (const void *)c->a[1], sizeof times))
		return -EFAULT;
	a.atime.tv_sec = times[0];
	a.mtime.tv_sec = times[1];
	return set_at(v, AT_FDCWD, (const char *)c->a[0], 0, FS_SET_ATIME | FS_SET_MTIME, &a);
}

/* ---- statfs ----------------------------------------------------------------------- */

/* Ids and flags, which only the kernel knows, are asked for once; the numbers are the store's. */
static long statfs_out(struct vfs_thread *v, unsigned store, void *to)
{
	struct vmount *m = &v->proc->mount[store];
	struct task *t = seat(v, store);
	struct statfs st = m->statfs;
	struct fs_stats s;
	long err;

	if (!load_acquire(&m->statfs_known)) {
		err = sys_call3(SYS_statfs, (long)m->path, (long)&st, 0);
		if (err)
			return err;
		m->statfs = st;
		store_release(&m->statfs_known, 1);
	}
	err = t ? fs_statfs(t, &s) : -EAGAIN;
	if (err)
		return err;
	st.f_blocks = s.blocks;
	st.f_bfree = st.f_bavail = s.blocks_free;
	st.f_files = s.inodes;
	st.f_ffree = s.inodes_free;
	return user_copy(to, &st, sizeof st) ? -EFAULT : 0;
}

HANDLER(call_statfs)
{
	struct where w;
	long err = locate(v, AT_FDCWD, (const char *)c->a[0], 0, 0, &w);

	return err ? err : statfs_out(v, w.store, (void *)c->a[1]);
}

HANDLER(call_fstatfs)
{
	int store = fd_store(v->proc, (int)c->a[0]);

	return store < 0 ? fd_passed(v->proc, (int)c->a[0]) : statfs_out(v, (unsigned)store, (void *)c->a[1]);
}
