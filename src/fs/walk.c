/*
 * Walking paths inside the store.
 *
 * Each directory on the way is looked at under its version; its count of
 * changes, read in the same look, tells later whether the way is still the
 * same. A symlink's target and what is left of the path are put together in
 * the caller's room, one half of which is written while the other is read.
 */
#include <unistd.h>

#include "fs/look.h"
#include "metrics/count.h"

#define LINKS_MAX 40u /* as Linux's MAXSYMLINKS */

struct walker {
	struct task *t;
	const struct fs_cred *cred;
	struct fs_walk *w;
	fs_ino at;
	const char *p, *end;
	const char *behind; /* the component's end: the slashes that follow it, and the rest */
	unsigned half;	    /* of w->link that is free */
	uint64_t gen;	    /* of `at`, 0: it is not known */
};

static void skip_slashes(struct walker *k)
{
	while (k->p < k->end && *k->p == '/')
		k->p++;
}

static struct fs_name component(struct walker *k)
{
	struct fs_name n = {.s = k->p};

	while (k->p < k->end && *k->p != '/')
		k->p++;
	n.len = (size_t)(k->p - n.s);
	return n;
}

static void count_name(struct task *t, bool found)
{
	if (likely(t->count))
		metrics_add(found ? &t->count->names_found : &t->count->names_absent, 1);
}

/* Looks `name` up in directory k->at and remembers having come through. *ino: 0 where there is none. */
static racy_read int step_down(struct walker *k, struct fs_name *name, fs_ino *ino, uint32_t *type, uint64_t *gen)
{
	const struct fs *fs = fs_of(k->t);
	struct look l = {.dir = inode_at(fs, k->at)};
	uint64_t changes;
	int err;

	if (!l.dir)
		return -ESTALE;
	do {
		const struct inode *target;
		const struct dirent *d;

		err = seq_begin(k->t, &l.dir->meta, &l.seq);
		if (err)
			return err;
		changes = load_relaxed(&l.dir->room.dir.changes);
		l.cell = 0;
		l.ino = 0;
		name->dir_gen = k->gen;
		err = look_in(fs, l.dir, name, &l);
		if (err != -ESTALE && err != -ENOTDIR && perm_check(fs, k->cred, l.dir, X_OK) != 0)
			err = -EACCES;
		else if (!err && name->len > FS_NAME_MAX)
			err = -ENAMETOOLONG;
		d = l.cell ? dirent_at(fs, l.cell) : NULL;
		*ino = l.ino;
		target = inode_at(fs, l.ino);
		*gen = l.ino && target ? load_relaxed(&target->gen) : 0;
		*type = d ? (uint32_t)load_relaxed(&d->type) << 12 : 0;
	} while (!seq_valid(&l.dir->meta, l.seq));
	if (k->w->nvia < FS_WALK_VIA)
		k->w->via[k->w->nvia] = (struct fs_via){k->at, changes};
	k->w->nvia = min_of(k->w->nvia + 1, FS_WALK_VIA + 1);
	count_name(k->t, *ino);
	return err;
}

/* To the parent of a directory. One that is removed knows the one that it had, which may be gone as well. */
static racy_read int to_parent(struct walker *k)
{
	const struct fs *fs = fs_of(k->t);
	struct inode *dir = inode_at(fs, k->at);
	const struct inode *to;
	bool removed;
	fs_ino parent;
	uint64_t seq, gen;

	if (!dir)
		return -ESTALE;
	do {
		int err = seq_begin(k->t, &dir->meta, &seq);

		if (err)
			return err;
		if (!is_dir(load_relaxed(&dir->mode)))
			return -ENOTDIR;
		removed = load_relaxed(&dir->nlink) == 0;
		parent = load_relaxed(&dir->room.dir.parent);
		gen = load_relaxed(&dir->room.dir.parent_gen);
	} while (!seq_valid(&dir->meta, seq));
	to = inode_at(fs, parent);
	if (removed && to && (load_relaxed(&to->gen) != gen || !load_relaxed(&to->mode)))
		return -ENOENT;
	k->at = parent;
	k->gen = gen;
	return 0;
}

static int step_up(struct walker *k)
{
	struct fs_name here = {.s = ".", .len = 1};
	fs_ino below;
	uint32_t type;
	uint64_t gen;
	int err = step_down(k, &here, &below, &type, &gen); /* for permission and memory of the way */

	if (err && err != -ENOENT)
		return err;
	return k->at == FS_ROOT ? FS_WALK_OUT : to_parent(k);
}

/* A stranger's symlink at the end of a path, in a directory where everybody may make one (proc(5)). */
static racy_read bool doubtful(const struct walker *k, fs_ino ino)
{
	const struct fs *fs = fs_of(k->t);
	const struct inode *dir = inode_at(fs, k->at), *i = inode_at(fs, ino);

	return k->p == k->end && k->cred && dir && i &&
	       (load_relaxed(&dir->mode) & (S_ISVTX | S_IWOTH)) == (S_ISVTX | S_IWOTH) &&
	       load_relaxed(&i->uid) != k->cred->uid && load_relaxed(&i->uid) != load_relaxed(&dir->uid);
}

/* The rest of the path becomes the symlink's target and what followed it. */
static int follow(struct walker *k, fs_ino ino)
{
	size_t rest = (size_t)(k->end - k->behind);
	char *to;
	int n;

	if (++k->w->links > LINKS_MAX || !k->w->link)
		return -ELOOP;
	if ((k->w->flags & FS_WALK_CAREFUL) && doubtful(k, ino))
		return FS_WALK_OUT;
	to = k->w->link + k->half * (FS_SYMLINK_MAX + 1);
	n = fs_readlink(k->t, ino, to, FS_SYMLINK_MAX);
	if (n <= 0)
		return n ? n : -ENOENT;
	if ((size_t)n + rest > FS_SYMLINK_MAX)
		return FS_WALK_OUT; /* the kernel has no such limit */
	mem_copy(to + n, k->behind, rest);
	to[(size_t)n + rest] = 0;
	k->p = to;
	k->end = to + n + rest;
	k->half ^= 1;
	k->w->nvia = FS_WALK_VIA + 1; /* what the link says is not remembered */
	return *to == '/' ? FS_WALK_OUT : 0;
}

/* May names be looked up where the walk is? It may have started at a file. */
static racy_read int searchable(const struct walker *k)
{
	const struct inode *i = inode_at(fs_of(k->t), k->at);

	if (i && !is_dir(load_relaxed(&i->mode)) && load_relaxed(&i->mode))
		return -ENOTDIR;
	return fs_access(k->t, k->cred, k->at, X_OK);
}

static int last_dots(struct walker *k, struct fs_name name)
{
	uint32_t type;
	uint64_t gen;
	fs_ino ino;
	int err = searchable(k);

	if (!err && name.len == 1) {
		err = step_down(k, &name, &ino, &type, &gen); /* for the memory of the way */
		err = err == -ENOENT ? 0 : err;		      /* a removed directory is still itself */
	} else if (!err) {
		err = step_up(k);
	}
	if (err)
		return err;
	k->w->ino = k->at;
	k->w->gen = k->gen;
	return 0;
}

/* The component `name`; `last`: nothing but slashes follows it. */
static int walk_one(struct walker *k, struct fs_name name, bool last)
{
	uint32_t type = 0;
	uint64_t gen = 0;
	fs_ino ino = 0;
	int err;

	if (last) {
		k->w->dir = k->at;
		k->w->last = name;
		k->w->last.dir_gen = k->gen;
		if (k->w->flags & FS_WALK_PARENT)
			return searchable(k);
	}
	if (fs_is_dots(name))
		return last ? last_dots(k, name) : name.len == 2 ? step_up(k) : 0;
	err = step_down(k, &name, &ino, &type, &gen);
	if (last)
		k->w->last.key = name.key;
	if (err || !ino)
		return err ? err : -ENOENT;
	if (S_ISLNK(type) && (!last || k->w->slash || !(k->w->flags & FS_WALK_NOFOLLOW)))
		return follow(k, ino);
	if ((!last || k->w->slash) && !is_dir(type))
		return -ENOTDIR;
	k->at = ino;
	k->gen = gen;
	k->w->ino = last ? ino : 0;
	k->w->entry = last ? name.key : 0;
	k->w->gen = gen;
	return 0;
}

int fs_walk(struct task *t, const struct fs_cred *cred, struct fs_walk *w)
{
	struct walker k = {
	    .t = t, .cred = cred, .w = w, .at = w->start, .gen = w->gen, .p = w->path, .end = w->path + w->len};

	w->dir = 0;
	w->ino = 0;
	w->entry = 0;
	w->gen = 0;
	w->slash = false;
	w->last = (struct fs_name){0};
	skip_slashes(&k);
	if (k.p == k.end) { /* the start itself */
		int err = w->len ? searchable(&k) : 0;

		w->ino = err ? 0 : w->start;
		w->gen = k.gen;
		return err;
	}
	while (k.p < k.end) {
		struct fs_name name = component(&k);
		int err;

		k.behind = k.p;
		skip_slashes(&k);
		w->slash = k.p == k.end && k.p != k.behind;
		err = walk_one(&k, name, k.p == k.end);
		if (err) {
			if (k.p != k.end) /* not at the last component */
				w->dir = 0;
			if (err == FS_WALK_OUT)
				w->path = k.p;
			return err;
		}
		skip_slashes(&k);
	}
	return 0;
}

racy_read bool fs_walk_holds(struct task *t, const struct fs_via *via, uint32_t n)
{
	const struct fs *fs = fs_of(t);

	if (n > FS_WALK_VIA)
		return false;
	for (uint32_t k = 0; k < n; k++) {
		const struct inode *dir = inode_at(fs, via[k].dir);

		/* Under a lock it may be about to change: then the answer is no longer, or not yet, sure. */
		if (unlikely(!dir) || load_acquire(&dir->room.dir.changes) != via[k].changes ||
		    !is_dir(load_relaxed(&dir->mode)))
			return false;
	}
	return true;
}
