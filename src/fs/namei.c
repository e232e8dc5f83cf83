/*
 * Operations on names.
 *
 * All follow one pattern, free of lock order trouble: look without locks what
 * the names lead to, lock everything in order, see that the directories'
 * versions have not moved in between (else again), then change. What needs
 * room takes it into the hand before the locks, so that nothing can fail for
 * want of space once a change has begun.
 */
#include <fcntl.h>
#include <unistd.h>

#include "fs/look.h"
#include "fs/open.h"

/* ---- lookup ------------------------------------------------------------------ */

/* Answers the kernel with an inode: a reference is counted. */
static int refer(struct task *t, fs_ino ino, struct fs_attr *out)
{
	struct inode *i = inode_at(fs_of(t), ino);
	int err;

	if (!i)
		return -ESTALE;
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (!err)
		err = inode_alive(i);
	if (err)
		return txn_abort(t, err);
	give(t, i, out);
	return txn_commit_quiet(t);
}

static int lookup_dots(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, struct fs_attr *out)
{
	struct fs_dirent self;
	fs_ino parent = dir;
	int err = fs_access(t, cred, dir, X_OK);

	if (!err && name.len == 2) {
		err = fs_dirname(t, dir, &parent, &self);
		if (err == -ENOENT)
			err = 0; /* a removed directory still knows its parent */
	}
	if (err)
		return err;
	return t->flags & TASK_KERNEL ? refer(t, parent, out) : fs_getattr(t, parent, out);
}

/* Without a lock: entry, then attributes, then the entry again. */
static racy_read int lookup_free(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name,
				 struct fs_attr *out)
{
	const struct fs *fs = fs_of(t);
	struct look l;
	int err;

	do {
		err = look(t, dir, &name, &l);
		if (l.dir && err != -ESTALE && err != -ENOTDIR && cred && perm_check(fs, cred, l.dir, X_OK) != 0)
			err = -EACCES;
		if (err || !l.cell)
			continue;
		if (out)
			err = fs_getattr(t, l.ino, out);
	} while (l.dir && l.seq && !seq_valid(&l.dir->meta, l.seq));
	return err ? err : l.cell ? 0 : -ENOENT;
}

/* For the kernel: under locks, because it is counted and marked. */
static int lookup_kernel(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name,
			 struct fs_attr *out)
{
	const struct fs *fs = fs_of(t);
	struct look l;
	int err;

	for (;;) {
		err = look(t, dir, &name, &l);
		if (err)
			return err;
		txn_begin(t);
		err = lock_inodes(t, (fs_ino[]){dir, l.ino}, 2);
		if (err)
			return txn_abort(t, err);
		if (still(&l))
			break;
		txn_abort(t, 0);
	}
	err = perm_check(fs, cred, l.dir, X_OK);
	if (err)
		return txn_abort(t, err);
	if (!l.cell) {
		if (!t->absent || t->absent(t->arg, dir, name.s, name.len, name_marked(l.dir, name)))
			mark_name(l.dir, name);
		return txn_abort(t, -ENOENT);
	}
	if (!dirent_at(fs, l.cell)->known)
		txn_set(t, &dirent_at(fs, l.cell)->known, 1);
	give(t, inode_at(fs, l.ino), out);
	return txn_commit_quiet(t);
}

int fs_lookup(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, struct fs_attr *out)
{
	if (fs_is_dots(name))
		return lookup_dots(t, cred, dir, name, out);
	return t->flags & TASK_KERNEL ? lookup_kernel(t, cred, dir, name, out) : lookup_free(t, cred, dir, name, out);
}

/* ---- make ---------------------------------------------------------------------- */

/* What a new inode needs from its directory, read without a lock and checked again under it. */
struct heritage {
	uint32_t mode;
	uint32_t gid;
	uint32_t access_acl; /* cells of attributes in the hand, 0: none */
	uint32_t default_acl;
};

static int inherit_acl(struct task *t, struct inode *dir, uint64_t seq, const struct fs_new *new, struct heritage *h)
{
	unsigned char value[ACL_VALUE_MAX];
	struct acl acl;
	int n = xattr_read(fs_of(t), dir, ACL_DEFAULT, sizeof ACL_DEFAULT - 1, value, sizeof value), err;

	if (!seq_valid(&dir->meta, seq))
		return -EAGAIN;
	err = n < 0 ? n : acl_parse(value, (size_t)n, &acl);
	if (err)
		return err;
	if (is_dir(new->mode))
		err = xattr_build(t, ACL_DEFAULT, sizeof ACL_DEFAULT - 1, value, (size_t)n, &h->default_acl);
	if (!err && !acl_inherit(&acl, &h->mode))
		err = xattr_build(t, ACL_ACCESS, sizeof ACL_ACCESS - 1, value, acl_print(&acl, value), &h->access_acl);
	return err;
}

/* Mode, group and lists of a new inode in the directory that was looked at. */
static int inherit(struct task *t, const struct fs_cred *cred, const struct look *l, const struct fs_new *new,
		   struct heritage *h)
{
	uint32_t dir_mode = load_relaxed(&l->dir->mode);
	bool listed = (load_relaxed(&l->dir->flags) & INODE_DEFAULT_ACL) && !S_ISLNK(new->mode);

	*h = (struct heritage){.mode = new->mode, .gid = cred ? cred->gid : new->gid};
	if (S_ISLNK(new->mode))
		h->mode = S_IFLNK | 0777;
	else if (!listed)
		h->mode &= ~(new->umask & 0777);
	if (dir_mode & S_ISGID) {
		h->gid = load_relaxed(&l->dir->gid);
		if (is_dir(h->mode))
			h->mode |= S_ISGID;
		else if (cred && (new->mode &(S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && /* before the umask */
			 !cred_in_group(cred, h->gid) && !(cred->caps & FS_CAP_FSETID))
			h->mode &= ~(uint32_t)S_ISGID;
	}
	return listed ? inherit_acl(t, l->dir, l->seq, new, h) : 0;
}

/* An empty directory, whose count of changes is none that an earlier life of the inode had: see fs_walk. */
static void dir_fill(struct inode *i)
{
	for (unsigned k = 0; k < INODE_ROOM / 8; k++)
		store_relaxed(&i->room.words[k], 0);
	store_relaxed(&i->room.dir.changes, (i->gen + 1) << 32);
	store_relaxed(&i->room.dir.asked, (i->gen + 1) << 32);
}

/* Fills a fresh inode of the hand: nothing leads to it yet, so nothing is logged. */
static void inode_fill(struct inode *i, const struct fs_cred *cred, const struct fs_new *new, const struct heritage *h,
		       struct fs_time now)
{
	store_relaxed(&i->uid, cred ? cred->uid : new->uid);
	store_relaxed(&i->gid, h->gid);
	store_relaxed(&i->nlink, is_dir(h->mode) ? 2 : 1);
	store_relaxed(&i->size, 0);
	store_relaxed(&i->nblocks, 0);
	store_relaxed(&i->rdev, S_ISBLK(h->mode) || S_ISCHR(h->mode) ? new->rdev : 0);
	store_relaxed(&i->flags, S_ISREG(h->mode) || S_ISLNK(h->mode) ? INODE_INLINE : 0);
	store_relaxed(&i->xattr, 0);
	store_relaxed(&i->nopen, 0);
	store_relaxed(&i->marks, (uint32_t)i->gen * MARK_COUNT); /* no count that the number had in another life */
	store_relaxed(&i->kref, 0);
	for (int k = 0; k < TIMES; k++) {
		store_relaxed(&i->sec[k], now.sec);
		store_relaxed(&i->nsec[k], now.nsec);
	}
	if (is_dir(h->mode))
		dir_fill(i);
}

/* A symlink's target: into the inode, or into a block of the hand. */
static int fill_target(struct task *t, struct inode *i, const struct fs_new *new, uint32_t *block)
{
	const struct fs *fs = fs_of(t);
	uint32_t len;
	int err;

	*block = 0;
	if (!S_ISLNK(new->mode))
		return 0;
	if (new->target_len == 0 || new->target_len > FS_SYMLINK_MAX)
		return new->target_len ? -ENAMETOOLONG : -ENOENT;
	store_relaxed(&i->size, new->target_len);
	if (new->target_len <= INODE_ROOM) {
		mem_copy(i->room.bytes, new->target, new->target_len);
		return 0;
	}
	err = blocks_take(t, &fs->blocks, 1, 0, TAG(HAND_BLOCKS), block, &len);
	if (err)
		return err;
	mem_copy(block_at(&fs->blocks, *block, 1), new->target, new->target_len);
	for (unsigned k = 0; k < INODE_ROOM / 8; k++)
		store_relaxed(&i->room.words[k], 0);
	store_relaxed(&i->room.map[0], *block);
	store_relaxed(&i->nblocks, 1);
	store_relaxed(&i->flags, 0);
	return 0;
}

/* Everything a new inode consists of, in the hand. */
struct made {
	fs_ino ino;
	struct inode *i;
	uint32_t block;
	uint32_t cell; /* entry, 0: none wanted */
	uint64_t cell_item;
	struct heritage h;
	struct fs_time now;
};

static int prepare(struct task *t, const struct fs_cred *cred, const struct look *l, struct fs_name name,
		   const struct fs_new *new, struct made *m)
{
	int err = inherit(t, cred, l, new, &m->h);

	m->cell = 0;
	if (!err)
		err = inode_take(t, &m->ino);
	if (err)
		return err;
	m->i = inode_at(fs_of(t), m->ino);
	m->now = time_now(t);
	inode_fill(m->i, cred, new, &m->h, m->now);
	err = fill_target(t, m->i, new, &m->block);
	if (!err && name.len)
		err = dirent_take(t, name, &m->cell, &m->cell_item);
	return err;
}

/* Brings the prepared inode to life: in the open transaction, its items leave the hand. */
static void enliven(struct task *t, struct made *m)
{
	if (m->h.access_acl)
		xattr_link(t, m->i, m->h.access_acl);
	if (m->h.default_acl)
		xattr_link(t, m->i, m->h.default_acl);
	if (m->block)
		hand_drop(t, hand_item(HAND_BLOCKS, 1, m->block));
	txn_set(t, &m->i->gen, m->i->gen + 1);
	txn_set(t, &m->i->mode, m->h.mode);
	hand_drop_unit(t, &fs_of(t)->inodes, hand_item(HAND_INODE, 1, m->ino));
}

static int make_link(struct task *t, struct inode *dir, struct made *m)
{
	int err;

	enliven(t, m);
	err = dirent_link(t, dir, m->cell, m->cell_item, m->i);
	if (err)
		return err;
	if (is_dir(m->h.mode)) {
		store_relaxed(&m->i->room.dir.parent, inode_number(fs_of(t), dir));
		store_relaxed(&m->i->room.dir.parent_gen, dir->gen);
		store_relaxed(&m->i->room.dir.self, m->cell);
		txn_set(t, &dir->nlink, dir->nlink + 1);
	}
	modify(t, dir, m->now);
	return 0;
}

/* How a new file is opened at once. */
struct opening {
	int flags;
	uint32_t handle;
	fs_ino *ino; /* out: what was made */
};

/* -EAGAIN: the directory changed since it was looked at. `o` NULL: it is not opened. */
static int make_once(struct task *t, const struct fs_cred *cred, struct look *l, struct fs_name name,
		     const struct fs_new *new, const struct opening *o, struct fs_attr *out)
{
	struct made m;
	uint32_t file = 0;
	int err = prepare(t, cred, l, name, new, &m);

	if (!err && o)
		err = open_take(t, o->handle, &file);
	if (err)
		return err;
	txn_begin(t);
	err = lock_two(t, l->dir, m.i);
	if (!err && !still(l))
		err = -EAGAIN;
	if (!err)
		err = make_link(t, l->dir, &m);
	if (!err && o) {
		*o->ino = m.ino;
		err = open_link(t, m.i, o->flags, o->handle, file);
	}
	if (err)
		return txn_abort(t, err);
	give(t, m.i, out);
	return txn_commit(t);
}

static int make_allowed(const struct fs *fs, const struct fs_cred *cred, const struct look *l, const struct fs_new *new)
{
	int err = perm_vacant(fs, cred, l->dir, l->cell != 0);

	if (!err && (S_ISCHR(new->mode) || S_ISBLK(new->mode)) && !(S_ISCHR(new->mode) && new->rdev == 0) &&
	    !cred_can(cred, FS_CAP_MKNOD))
		err = -EPERM;
	return err;
}

static int make(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, const struct fs_new *new,
		const struct opening *o, struct fs_attr *out)
{
	struct look l;
	int err;

	if (fs_is_dots(name))
		return -EEXIST;
	do {
		err = look(t, dir, &name, &l);
		if (err)
			return look_refused(t, cred, dir, err);
		err = make_allowed(fs_of(t), cred, &l, new);
		if (!err)
			err = finish(t, make_once(t, cred, &l, name, new, o, out));
		else if (!seq_valid(&l.dir->meta, l.seq))
			err = -EAGAIN;
	} while (err == -EAGAIN);
	return err;
}

int fs_make(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, const struct fs_new *new,
	    struct fs_attr *out)
{
	return make(t, cred, dir, name, new, NULL, out);
}

int fs_create(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, const struct fs_new *new,
	      int flags, uint32_t handle, fs_ino *ino)
{
	const struct opening o = {flags & ~(O_EXCL | O_TRUNC | O_NOCTTY), handle, ino};

	return make(t, cred, dir, name, new, &o, NULL);
}

/* ---- link, tmpfile ---------------------------------------------------------------- */

static int link_allowed(const struct fs *fs, const struct fs_cred *cred, const struct look *l, const struct inode *i)
{
	int err = inode_alive(i);

	if (!err)
		err = perm_vacant(fs, cred, l->dir, l->cell != 0);
	if (!err && is_dir(i->mode))
		err = -EPERM;
	/* A file without links can get one only if it was made that way: it still has a holder. */
	if (!err && i->nlink == 0 && !(i->flags & INODE_TMPFILE))
		err = -ENOENT;
	if (!err && i->nlink == UINT32_MAX)
		err = -EMLINK;
	return err;
}

static int link_once(struct task *t, const struct fs_cred *cred, struct look *l, struct fs_name name, fs_ino ino,
		     struct fs_attr *out)
{
	const struct fs *fs = fs_of(t);
	struct inode *i = inode_at(fs, ino);
	struct fs_time now = time_now(t);
	uint64_t item;
	uint32_t cell;
	int err = dirent_take(t, name, &cell, &item);

	if (err)
		return err;
	txn_begin(t);
	err = lock_two(t, l->dir, i);
	if (!err && !still(l))
		err = -EAGAIN;
	if (!err)
		err = inode_meant(t, i);
	if (!err)
		err = link_allowed(fs, cred, l, i);
	if (!err)
		err = dirent_link(t, l->dir, cell, item, i);
	if (err)
		return txn_abort(t, err);
	txn_set(t, &i->nlink, i->nlink + 1);
	if (i->flags & INODE_TMPFILE)
		txn_set(t, &i->flags, i->flags & ~(uint32_t)INODE_TMPFILE);
	touch(t, i, now);
	modify(t, l->dir, now);
	give(t, i, out);
	return txn_commit(t);
}

int fs_link(struct task *t, const struct fs_cred *cred, fs_ino ino, fs_ino dir, struct fs_name name,
	    struct fs_attr *out)
{
	const struct fs *fs = fs_of(t);
	struct look l;
	int err;

	if (!inode_at(fs, ino) || fs_is_dots(name))
		return fs_is_dots(name) ? -EEXIST : -ESTALE;
	do {
		err = look(t, dir, &name, &l);
		if (!err)
			err = finish(t, link_once(t, cred, &l, name, ino, out));
		else
			err = look_refused(t, cred, dir, err);
	} while (err == -EAGAIN);
	return err;
}

/* Looks at the directory and prepares the inode. -EAGAIN: the directory changed meanwhile. */
static int tmpfile_prepare(struct task *t, const struct fs_cred *cred, struct look *l, const struct fs_new *new,
			   struct made *m)
{
	int err = seq_begin(t, &l->dir->meta, &l->seq);

	if (err)
		return err;
	if (!is_dir(load_relaxed(&l->dir->mode)))
		err = load_relaxed(&l->dir->mode) ? -ENOTDIR : -ESTALE;
	else
		err = inode_meant(t, l->dir);
	if (!err) /* a removed directory will do, as in Linux: nothing is put into it */
		err = perm_create(fs_of(t), cred, l->dir);
	if (!seq_valid(&l->dir->meta, l->seq))
		return -EAGAIN;
	return err ? err : prepare(t, cred, l, (struct fs_name){0}, new, m);
}

static int tmpfile_link(struct task *t, struct made *m, bool nameless, uint32_t handle, uint32_t cell,
			struct fs_attr *out)
{
	int err;

	txn_begin(t);
	err = txn_lock(t, &m->i->meta);
	if (err)
		return txn_abort(t, err);
	store_relaxed(&m->i->nlink, 0);
	if (!nameless)
		store_relaxed(&m->i->flags, m->i->flags | INODE_TMPFILE);
	enliven(t, m);
	if (!(t->flags & TASK_KERNEL))
		err = open_link(t, m->i, O_RDWR, handle, cell);
	if (err)
		return txn_abort(t, err);
	give(t, m->i, out);
	return txn_commit(t);
}

int fs_tmpfile(struct task *t, const struct fs_cred *cred, fs_ino dir, const struct fs_new *new, uint32_t handle,
	       struct fs_attr *out)
{
	struct look l = {.dir = inode_at(fs_of(t), dir)};
	uint32_t cell = 0;
	struct made m;
	int err;

	if (!l.dir)
		return -ESTALE;
	do {
		err = finish(t, 0);
		if (!(t->flags & TASK_KERNEL))
			err = open_take(t, handle, &cell);
		if (!err)
			err = tmpfile_prepare(t, cred, &l, new, &m);
	} while (err == -EAGAIN);
	return finish(t, err ? err : tmpfile_link(t, &m, new->nameless, handle, cell, out));
}

/* ---- unlink, rmdir ------------------------------------------------------------------ */

static int remove_allowed(const struct fs *fs, const struct fs_cred *cred, const struct look *l,
			  const struct inode *victim, bool want_dir)
{
	int err = perm_delete(fs, cred, l->dir, victim);

	if (err)
		return err;
	if (want_dir && !is_dir(victim->mode))
		return -ENOTDIR;
	if (!want_dir && is_dir(victim->mode))
		return -EISDIR;
	return want_dir && victim->room.dir.count ? -ENOTEMPTY : 0;
}

static int remove_once(struct task *t, const struct fs_cred *cred, struct look *l, bool want_dir)
{
	const struct fs *fs = fs_of(t);
	struct inode *victim = inode_at(fs, l->ino);
	struct fs_time now = time_now(t);
	bool bare = inode_bare(victim);
	int err;

	txn_begin(t);
	/* The data word too: who still has the number may be reading or resizing. */
	err = bare && S_ISREG(load_relaxed(&victim->mode)) ? txn_lock(t, &victim->data) : 0;
	if (!err)
		err = lock_two(t, l->dir, victim);
	if (!err && (!still(l) || bare != inode_bare(victim)))
		err = -EAGAIN;
	if (!err)
		err = remove_allowed(fs, cred, l, victim, want_dir);
	if (!err && !bare && stale_makes_events(t, victim))
		err = -EREMCHG;
	if (!err)
		err = dirent_unlink(t, l->dir, l->cell);
	if (err)
		return txn_abort(t, err);
	if (is_dir(victim->mode)) {
		txn_set(t, &victim->room.dir.self, 0);
		txn_set(t, &l->dir->nlink, l->dir->nlink - 1);
	}
	modify(t, l->dir, now);
	if (bare)
		inode_free(t, victim);
	else
		drop_link(t, victim, now);
	return txn_commit(t);
}

static int remove_name(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, bool want_dir)
{
	struct look l;
	int err;

	do {
		err = look(t, dir, &name, &l);
		if (!err && !l.cell) {
			err = perm_check(fs_of(t), cred, l.dir, X_OK);
			err = err ? err : -ENOENT;
			if (!seq_valid(&l.dir->meta, l.seq))
				err = -EAGAIN;
		} else if (!err) {
			err = remove_once(t, cred, &l, want_dir);
		} else {
			err = look_refused(t, cred, dir, err);
		}
	} while (err == -EAGAIN);
	return finish(t, err);
}

int fs_unlink(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name)
{
	return fs_is_dots(name) ? -EISDIR : remove_name(t, cred, dir, name, false);
}

int fs_rmdir(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name)
{
	if (fs_is_dots(name))
		return name.len == 1 ? -EINVAL : -ENOTEMPTY;
	return remove_name(t, cred, dir, name, true);
}
