/*
 * Paths: from a directory and a string of the program to an inode of a store.
 *
 * Only a path that is written as the mount point and something behind it, or
 * that is relative to a directory in a store, is walked here. All others the
 * kernel resolves; where that leads into the mount after all (over a symlink
 * outside, say), the answer is the same.
 *
 * A thread remembers where its last paths led. What was remembered holds as long
 * as no directory on the way has counted a change (fs_walk_holds).
 */
#include "vfs/internal.h"

#include "base/hash.h"

/* Does `path` start with the mount point, as a whole number of components? */
static bool at_mount(const struct vmount *m, const char *path, uint32_t len)
{
	if (len < m->len || !mem_equal(path, m->path, m->len))
		return false;
	return len == m->len || path[m->len] == '/';
}

static int enter(struct vfs_thread *v, unsigned store, fs_ino start, const char *rest, uint32_t len, struct where *w)
{
	w->store = store;
	w->m = &v->proc->mount[store];
	w->t = seat(v, store);
	w->w = (struct fs_walk){.start = start, .path = rest, .len = len};
	return w->t ? 0 : 1;
}

static bool starts(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

/* The decimal number at *p, which moves behind it; -1: none. */
static long number(const char **p)
{
	long n = -1;

	for (; **p >= '0' && **p <= '9' && n < (1l << 24); (*p)++)
		n = (n < 0 ? 0 : n) * 10 + (**p - '0');
	return n;
}

/* Is `path` below `dir`? Where it goes on, NULL: no. */
static const char *below(const char *path, const char *dir)
{
	if (!starts(path, dir))
		return NULL;
	while (*dir++)
		path++;
	return path;
}

/* "/proc/PID/fd/", where PID is this process. */
static const char *below_own_pid(const char *path)
{
	const char *p = below(path, "/proc/");

	return p && number(&p) == sys_getpid() ? below(p, "/fd/") : NULL;
}

long named_fd(const char *path, const char **rest)
{
	static const char *const dirs[] = {"/proc/self/fd/", "/dev/fd/", "/proc/thread-self/fd/"};
	static const char *const streams[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
	const char *p = NULL;
	long fd;

	for (unsigned i = 0; i < array_len(streams); i++)
		if ((p = below(path, streams[i])) && (*p == 0 || *p == '/'))
			return *rest = p, i;
	for (unsigned i = 0; i < array_len(dirs) && !(p = below(path, dirs[i])); i++)
		;
	if (!p)
		p = below_own_pid(path);
	fd = p ? number(&p) : -1;
	*rest = p;
	return fd >= 0 && (*p == 0 || *p == '/') ? fd : -1;
}

static int from_fd(struct vfs_thread *v, int dir, const char *path, uint32_t len, struct where *w);

/*
 * A path through the entry of a descriptor of ours: it is walked from there. The
 * kernel is to know the file all the same, in case that the call ends there.
 */
static int through_fd(struct vfs_thread *v, const char *path, uint32_t len, unsigned flags, struct where *w)
{
	const char *rest;
	long fd = named_fd(path, &rest);

	if (fd < 0 || fd_store(v->proc, fd) < 0)
		return 1;
	fd_make_real(v, fd);
	if (!*rest && (flags & (LOCATE_NOFOLLOW | LOCATE_PARENT)))
		return 1; /* the entry itself */
	return from_fd(v, (int)fd, rest, len - (uint32_t)(rest - path), w);
}

/* An absolute path. 0: in a store. */
static int classify(struct vfs_thread *v, const char *path, uint32_t len, unsigned flags, struct where *w)
{
	if ((path[1] == 'p' || path[1] == 'd') && !through_fd(v, path, len, flags, w))
		return 0;
	for (unsigned i = 0; i < v->proc->nmounts; i++) {
		struct vmount *m = &v->proc->mount[i];

		if (at_mount(m, path, len))
			return enter(v, i, FS_ROOT, path + m->len, len - m->len, w);
	}
	return 1;
}

/* A path relative to a working directory outside: it may lead to the mount point all the same. */
static int from_outside(struct vfs_thread *v, const char *path, uint32_t len, struct where *w)
{
	const struct vfs_place *p = v->place;

	for (unsigned i = 0; i < v->proc->nmounts && p->len; i++) {
		const struct vmount *m = &v->proc->mount[i];
		uint32_t skip = p->len == 1 ? 1 : p->len + 1; /* "/" itself ends with the slash */

		if (m->len <= skip || !mem_equal(m->path, p->path, p->len) || m->path[skip - 1] != '/')
			continue;
		if (len < m->len - skip || !mem_equal(path, m->path + skip, m->len - skip))
			continue;
		if (len == m->len - skip || path[m->len - skip] == '/')
			return enter(v, i, FS_ROOT, path + (m->len - skip), len - (m->len - skip), w);
	}
	return 1;
}

static int from_cwd(struct vfs_thread *v, const char *path, uint32_t len, struct where *w)
{
	const struct vfs_place *p = v->place;

	if (p->store >= 0)
		return enter(v, (unsigned)p->store, p->ino, path, len, w);
	return from_outside(v, path, len, w);
}

static int from_fd(struct vfs_thread *v, int dir, const char *path, uint32_t len, struct where *w)
{
	int store = fd_store(v->proc, dir);
	int64_t ino;

	if (store < 0)
		return 1;
	if (enter(v, (unsigned)store, 0, path, len, w))
		return 1;
	ino = fs_handle(w->t, (uint32_t)dir, NULL);
	w->w.start = ino > 0 ? (fs_ino)ino : 0;
	return ino > 0 ? 0 : 1;
}

/* ---- Remembered paths ------------------------------------------------------------ */

static struct known_path *slot_for(struct vfs_thread *v, const struct where *w, uint64_t *hash)
{
	*hash = hash_bytes(w->w.start, w->w.path, w->w.len) + w->store;
	return &v->known[*hash % PATHS];
}

static bool recall(struct vfs_thread *v, struct where *w, const struct known_path *k, uint64_t hash)
{
	if (k->hash != hash || k->len != w->w.len || k->start != w->w.start || k->store != w->store ||
	    k->epoch != v->cred_epoch || k->nofollow != (w->w.flags & FS_WALK_NOFOLLOW) ||
	    !mem_equal(k->path, w->w.path, k->len) || !fs_walk_holds(w->t, k->via, k->nvia))
		return false;
	w->w.ino = k->ino;
	w->w.nvia = k->nvia;
	mem_copy(w->w.via, k->via, k->nvia * sizeof k->via[0]);
	return true;
}

static void remember(struct vfs_thread *v, const struct where *w, struct known_path *k, uint64_t hash)
{
	if (w->w.nvia == 0 || w->w.nvia > FS_WALK_VIA)
		return;
	k->hash = hash;
	k->start = w->w.start;
	k->ino = w->w.ino;
	k->store = (uint8_t)w->store;
	k->len = (uint8_t)w->w.len;
	k->nvia = (uint8_t)w->w.nvia;
	k->nofollow = w->w.flags & FS_WALK_NOFOLLOW;
	k->epoch = v->cred_epoch;
	mem_copy(k->via, w->w.via, k->nvia * sizeof k->via[0]);
	mem_copy(k->path, w->w.path, k->len);
}

static void count_path(struct task *t, bool known)
{
	if (likely(t->count))
		metrics_add(known ? &t->count->paths_known : &t->count->paths_walked, 1);
}

static int walk(struct vfs_thread *v, struct where *w)
{
	const struct fs_cred *c = cred(v);
	struct known_path *k;
	uint64_t hash;
	int err;

	if (w->w.len > PATH_KEPT || (w->w.flags & FS_WALK_PARENT)) {
		count_path(w->t, false);
		return fs_walk(w->t, c, &w->w);
	}
	k = slot_for(v, w, &hash);
	if (recall(v, w, k, hash)) {
		count_path(w->t, true);
		return 0;
	}
	count_path(w->t, false);
	err = fs_walk(w->t, c, &w->w);
	if (!err)
		remember(v, w, k, hash);
	return err;
}

/* ---- All of it ---------------------------------------------------------------------- */

long call_pass_from(struct vfs_thread *v, int dir)
{
	int err = fd_make_real(v, dir);

	return err ? err : VFS_PASS;
}

static long pass_from(struct vfs_thread *v, int dir, bool relative)
{
	return relative ? call_pass_from(v, dir) : VFS_PASS;
}

long locate(struct vfs_thread *v, int dir, const char *path, unsigned flags, unsigned room, struct where *w)
{
	char *copy = v->path[room];
	long len = user_copy_string(copy, path, VFS_PATH);
	int out, err;

	w->w.dir = w->w.ino = 0; /* where it ends before there was a walk */
	if (unlikely(v->proc->passive))
		return VFS_PASS;
	if (len < 0 || len >= (long)VFS_PATH)
		return len < 0 ? -EFAULT : -ENAMETOOLONG;
	if (len == 0 && !(flags & LOCATE_EMPTY))
		return -ENOENT;
	if (copy[0] == '/')
		out = classify(v, copy, (uint32_t)len, flags, w);
	else if (dir == AT_FDCWD)
		out = from_cwd(v, copy, (uint32_t)len, w);
	else
		out = from_fd(v, dir, copy, (uint32_t)len, w);
	if (out)
		return pass_from(v, dir, copy[0] != '/');
	w->w.link = v->link[room];
	w->w.flags = FS_WALK_CAREFUL | (flags & LOCATE_NOFOLLOW ? FS_WALK_NOFOLLOW : 0) |
		     (flags & LOCATE_PARENT ? FS_WALK_PARENT : 0);
	err = walk(v, w);
	if (err != FS_WALK_OUT)
		return err;
	v->why = HANDED_OUTSIDE;
	return pass_from(v, dir, copy[0] != '/');
}
