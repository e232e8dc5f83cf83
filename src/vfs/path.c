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
	w->w.start = start;
	w->w.path = rest;
	w->w.len = len;
	return w->t ? 0 : 1;
}

static bool starts(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

/* The decimal number at *p, which moves behind it; -1: none, or not as /proc writes it. */
static long number(const char **p)
{
	long n = -1;

	if ((*p)[0] == '0' && (*p)[1] >= '0' && (*p)[1] <= '9')
		return -1;
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

/* Is there a thread of this number in this process, as /proc counts them? */
static bool is_own_thread(long tid)
{
	char path[32] = "/proc/self/task/";
	struct stat st;

	mem_decimal(path + 16, (uint32_t)tid);
	return tid >= 0 && sys_call4(SYS_newfstatat, AT_FDCWD, (long)path, (long)&st, 0) == 0;
}

/* Behind the number of a thread and a slash. */
static const char *below_number(const char *path, long *tid)
{
	*tid = path ? number(&path) : -1;
	return *tid >= 0 && *path == '/' ? path + 1 : NULL;
}

/* Behind "fd", as the last or followed by a slash. */
static const char *below_fd(const char *path)
{
	const char *p = path ? below(path, "fd") : NULL;

	return p && (*p == 0 || *p == '/') ? p : NULL;
}

const char *below_own_fds(const char *path)
{
	const char *p = below(path, "/proc/"), *self = p ? below(p, "self/") : NULL, *task, *end;
	long tid = -1;

	if (!p)
		return below_fd(below(path, "/dev/"));
	end = below_fd(self ? self : below(p, "thread-self/"));
	if (end)
		return end;
	if (!self)
		self = below_number(p, &tid);
	task = self ? below(self, "task/") : NULL;
	if (task)
		self = below_number(task, &tid);
	end = below_fd(self);
	return end && is_own_thread(tid) ? end : NULL;
}

long named_fd(const char *path, const char **rest)
{
	static const char *const streams[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
	const char *p = NULL;
	long fd;

	for (unsigned i = 0; i < array_len(streams); i++)
		if ((p = below(path, streams[i])) && (*p == 0 || *p == '/'))
			return *rest = p, i;
	p = below_own_fds(path);
	fd = p && *p == '/' ? (p++, number(&p)) : -1;
	*rest = p;
	return fd >= 0 && (*p == 0 || *p == '/') ? fd : -1;
}

/*
 * The kernel is to walk `path`, in which descriptors may be named in whatever way: those of ours become real. `entry`:
 * but for the last, which it does not follow.
 */
static void reveal_named(struct vfs_thread *v, const char *path, bool entry)
{
	bool may_be = *path != '/'; /* relative to a directory that may be theirs */
	const char *begin;
	long fd = named_fd(path, &begin);

	if (fd >= 0 && (*begin || !entry))
		fd_make_real(v, fd);
	while (*path) {
		while (*path == '/')
			path++;
		begin = path;
		fd = number(&path);
		if (may_be && fd >= 0 && ((*path == 0 && !entry) || *path == '/'))
			fd_make_real(v, fd);
		while (*path && *path != '/')
			path++;
		if (path != begin)
			may_be = path - begin == 2 && begin[0] == 'f' && begin[1] == 'd';
	}
}

/* Entries of descriptors are named from /proc and /dev, or relative to what may be a directory of theirs. */
static bool may_name_fd(const char *path)
{
	return *path != '/' || path[1] == 'p' || path[1] == 'd' || path[1] == '/';
}

void path_reveal(struct vfs_thread *v, const char *path)
{
	long len = v->proc->passive ? 0 : user_copy_string(v->path[0], path, VFS_PATH);

	if (len > 0 && len < (long)VFS_PATH && may_name_fd(v->path[0]))
		reveal_named(v, v->path[0], false);
}

static int from_fd(struct vfs_thread *v, int dir, const char *path, uint32_t len, struct where *w);

static uint32_t slashes(const char *s)
{
	uint32_t n = 0;

	while (s[n] == '/')
		n++;
	return n;
}

/* A path through the entry of a descriptor of ours: it is walked from there. */
static int through_fd(struct vfs_thread *v, const char *path, uint32_t len, unsigned flags, struct where *w)
{
	const char *rest;
	long fd = named_fd(path, &rest);

	if (fd < 0 || fd_store(v->proc, fd) < 0)
		return 1;
	if ((flags & LOCATE_PARENT && !rest[slashes(rest)]) || (flags & LOCATE_NOFOLLOW && !*rest))
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

	return store < 0 ? 1 : enter(v, (unsigned)store, load_relaxed(&v->proc->ino[dir]), path, len, w);
}

/* ---- Remembered paths ------------------------------------------------------------ */

/* A path that is to be looked up among the remembered ones. */
struct query {
	const char *path;
	uint32_t len;
	uint64_t key;
	struct known_path *slot;
};

/* Which place: nothing but speed depends on it. */
static uint64_t hash_of(uint64_t h, const char *path, uint32_t len)
{
	uint32_t i = 0;

	for (; i + 8 < len; i += 8)
		h = (h ^ hash_load(path + i, 8)) * 0x9e3779b97f4a7c15u;
	h ^= len >= 8 ? hash_load(path + len - 8, 8) : hash_tail((const unsigned char *)path, len);
	h *= 0x9e3779b97f4a7c15u;
	return h >> 40;
}

/* False: it is not to be remembered. */
static bool query(struct vfs_thread *v, const struct where *w, uint32_t len, unsigned nofollow, struct query *q)
{
	if (!len || len > PATH_KEPT)
		return false;
	q->path = w->w.path;
	q->len = len;
	q->key = w->w.start | (uint64_t)len << 32 | (uint64_t)w->store << 40 | (uint64_t)nofollow << 48;
	q->slot = &v->known[hash_of(q->key, q->path, len) % PATHS];
	return true;
}

static bool matches(const struct vfs_thread *v, const struct query *q)
{
	const struct known_path *k = q->slot;

	return k->key == q->key && k->epoch == v->cred_epoch && mem_equal(k->path, q->path, q->len);
}

/* Whether it still holds is for the caller to ask. */
static bool recall(struct vfs_thread *v, struct where *w, const struct query *q)
{
	if (!matches(v, q))
		return false;
	w->via = q->slot->via;
	w->w.nvia = q->slot->nvia;
	w->w.ino = q->slot->ino;
	w->w.gen = q->slot->gen;
	w->w.entry = q->slot->entry;
	w->w.dir = q->slot->dir;
	w->w.last.len = 0;
	w->w.slash = false;
	return true;
}

static void remember(struct vfs_thread *v, const struct where *w, const struct query *q)
{
	struct known_path *k = q->slot;

	if (w->w.nvia == 0 || w->w.nvia > FS_WALK_VIA)
		return;
	k->key = q->key;
	k->ino = w->w.ino;
	k->gen = w->w.gen;
	k->entry = w->w.entry;
	k->dir = w->w.dir;
	k->epoch = v->cred_epoch;
	k->nvia = w->w.nvia;
	for (uint32_t i = 0; i < k->nvia; i++)
		k->via[i] = w->w.via[i];
	mem_copy(k->path, q->path, q->len);
}

/* Where the last component begins, with what is in front of it: 0 where that is nothing but slashes. */
static uint32_t last_component(const char *path, uint32_t len)
{
	uint32_t at = len, first = 0;

	while (at > 0 && path[at - 1] == '/')
		at--;
	while (at > 0 && path[at - 1] != '/')
		at--;
	while (first < at && path[first] == '/')
		first++;
	return first < at ? at : 0;
}

/*
 * The directory that the last component is to be looked up in: files of one
 * directory are often named one after the other. The walk goes on from there.
 */
static int walk_prefix(struct vfs_thread *v, struct where *w, uint32_t len)
{
	struct query q;
	bool kept = query(v, w, len, 0, &q);
	size_t whole = w->w.len;
	unsigned flags = w->w.flags;
	int err = 0;

	if (kept && recall(v, w, &q) && located_still(w)) {
		for (uint32_t i = 0; i < w->w.nvia; i++)
			w->w.via[i] = w->via[i];
	} else {
		w->w.nvia = 0;
		w->w.gen = 0;	/* where it starts, something holds */
		w->w.len = len; /* with the slash at its end: it must be a directory */
		w->w.flags = flags & FS_WALK_CAREFUL;
		err = fs_walk(w->t, cred(v), &w->w);
		if (!err && kept)
			remember(v, w, &q);
	}
	if (err) {
		w->w.dir = 0; /* more than the last component is missing */
		return err;
	}
	w->w.flags = flags;
	w->w.start = w->w.ino;
	w->w.path += len;
	w->w.len = whole - len;
	return 0;
}

/*
 * The last component alone, for a call that makes or takes a name: where it is
 * looked up, and whether that may be, is that call's matter. False: it is nothing
 * but slashes.
 */
static bool only_name(struct fs_walk *w)
{
	const char *p = w->path, *end = p + w->len;

	while (p < end && *p == '/')
		p++;
	if (p == end)
		return false;
	w->dir = w->start;
	w->ino = 0;
	w->last.s = p;
	w->last.key = 0;
	w->last.dir_gen = w->gen;
	w->gen = 0;
	while (p < end && *p != '/')
		p++;
	w->last.len = (size_t)(p - w->last.s);
	w->slash = p < end;
	/* Else the walk tells whether that is what is wrong first. */
	return w->last.len <= FS_NAME_MAX && !fs_is_dots(w->last);
}

static void count_path(struct task *t, bool known)
{
	if (likely(t->count))
		metrics_add(known ? &t->count->paths_known : &t->count->paths_walked, 1);
}

static int walk(struct vfs_thread *v, struct where *w, bool later)
{
	uint32_t prefix;
	struct query q;
	bool kept =
	    !(w->w.flags & FS_WALK_PARENT) && query(v, w, (uint32_t)w->w.len, w->w.flags & FS_WALK_NOFOLLOW, &q);
	int err = 0;

	w->w.links = 0;
	if (kept && recall(v, w, &q) && (later || located_still(w))) {
		count_path(w->t, true);
		return 0;
	}
	count_path(w->t, false);
	w->w.nvia = 0;
	w->w.gen = 0;
	prefix = last_component(w->w.path, (uint32_t)w->w.len);
	if (prefix)
		err = walk_prefix(v, w, prefix);
	w->via = w->w.via;
	if (!err && (w->w.flags & FS_WALK_PARENT) && only_name(&w->w))
		return 0;
	if (!err)
		err = fs_walk(w->t, cred(v), &w->w);
	if (!err && kept)
		remember(v, w, &q);
	return err;
}

/* ---- All of it ---------------------------------------------------------------------- */

long call_pass_from(struct vfs_thread *v, int dir)
{
	int err = fd_make_real(v, dir);

	return err ? err : VFS_PASS;
}

/* `path`: what the kernel will walk, or where that leaves the store. */
static long pass_from(struct vfs_thread *v, int dir, const char *path, unsigned flags, bool relative)
{
	if (may_name_fd(path))
		reveal_named(v, path, flags & LOCATE_ENTRY);
	return relative ? call_pass_from(v, dir) : VFS_PASS;
}

/* Does it go through the entry of a descriptor of ours that the kernel does not know? */
static bool names_virtual(const struct vfs_thread *v, const char *path)
{
	const char *rest;
	long fd = path[1] == 'p' || path[1] == 'd' ? named_fd(path, &rest) : -1;

	return fd >= 0 && fd_store(v->proc, fd) >= 0 && !(load_relaxed(&v->proc->fd[fd]) & FD_REAL);
}

/* Are there events to be made of what is done with it? */
static bool watched(const struct where *w, int err)
{
	return (!err || (err == -ENOENT && w->w.dir)) && fs_is_watched(w->t, w->w.dir, w->w.ino);
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
	if (copy[0] == '/' && names_virtual(v, copy)) /* the kernel is to know the file: the call may end there */
		reveal_named(v, copy, flags & LOCATE_ENTRY);
	if (copy[0] == '/')
		out = classify(v, copy, (uint32_t)len, flags, w);
	else if (dir == AT_FDCWD)
		out = from_cwd(v, copy, (uint32_t)len, w);
	else
		out = from_fd(v, dir, copy, (uint32_t)len, w);
	if (out)
		return pass_from(v, dir, copy, flags, copy[0] != '/');
	w->w.link = v->link[room];
	w->w.flags = FS_WALK_CAREFUL | (flags & LOCATE_NOFOLLOW ? FS_WALK_NOFOLLOW : 0) |
		     (flags & LOCATE_PARENT ? FS_WALK_PARENT : 0);
	err = walk(v, w, flags & LOCATE_LATER);
	if (err != FS_WALK_OUT && likely(!watched(w, err)))
		return err;
	v->why = HANDED_OUTSIDE;
	return pass_from(v, dir, err == FS_WALK_OUT ? w->w.path : copy, flags, copy[0] != '/');
}

/* ---- For those who look at calls ------------------------------------------------------ */

int vfs_path_mount(const struct vfs_thread *v, const char *path)
{
	for (uint32_t i = 0; v && i < v->proc->nmounts; i++) {
		const struct vmount *m = &v->proc->mount[i];
		uint32_t n = 0;

		while (n < m->len && path[n] == m->path[n])
			n++;
		if (n == m->len && (!path[n] || path[n] == '/'))
			return (int)i;
	}
	return -ENOENT;
}

int vfs_fd_mount(const struct vfs_thread *v, long fd)
{
	int store = v ? fd_store(v->proc, fd) : -1;

	return store < 0 ? -ENOENT : store;
}
