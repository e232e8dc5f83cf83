/*
 * rename(2), with RENAME_NOREPLACE and RENAME_EXCHANGE.
 *
 * Both names are looked at without locks, then up to four inodes are locked in
 * order. Where a directory could come to lie in itself, the rename lock is needed
 * besides: under it no directory gets another parent, so that the ways up to the
 * root stand still while we look.
 */
#include "fs/look.h"

/* As linux/fs.h has them; stdio.h is not for freestanding code. */
#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE 2u

struct rename {
	struct look from, to;
	struct inode *src, *dst; /* dst: NULL where the new name is free */
	unsigned flags;
	uint32_t cell; /* a new entry in the hand, 0: none */
	uint64_t item;
};

static fs_ino number(struct task *t, const struct inode *i)
{
	return inode_number(fs_of(t), i);
}

static bool same_dir(const struct rename *r)
{
	return r->from.dir == r->to.dir;
}

/* Could one of the two be a directory that holds the other's parent? */
static bool could_loop(const struct rename *r)
{
	if (same_dir(r))
		return false;
	return is_dir(load_relaxed(&r->src->mode)) || (r->dst && is_dir(load_relaxed(&r->dst->mode)));
}

/* Is `dir` the same as `top`, or somewhere under it? Under the rename lock. */
static int under(struct task *t, const struct inode *dir, const struct inode *top)
{
	const struct fs *fs = fs_of(t);
	fs_ino ino = number(t, dir);

	for (uint64_t depth = 0; depth < (uint64_t)fs->inodes.npages * SLAB_UNITS; depth++) {
		const struct inode *i = inode_at(fs, ino);

		if (!i)
			return -EUCLEAN;
		if (i == top)
			return 1;
		if (ino == FS_ROOT)
			return 0;
		ino = load_relaxed(&i->room.dir.parent);
	}
	return -EUCLEAN;
}

/* Permissions, in the order in which Linux finds fault (vfs_rename). */
static int allowed(const struct fs *fs, const struct fs_cred *cred, const struct rename *r)
{
	bool src_dir = is_dir(r->src->mode), exchange = r->flags & RENAME_EXCHANGE;
	int err = perm_delete(fs, cred, r->from.dir, r->src);

	if (!err)
		err = r->dst ? perm_delete(fs, cred, r->to.dir, r->dst) : perm_create(fs, cred, r->to.dir);
	if (!err && r->dst && !exchange && src_dir != is_dir(r->dst->mode))
		err = src_dir ? -ENOTDIR : -EISDIR;
	/* A directory that moves has its ".." written. */
	if (!err && !same_dir(r) && src_dir)
		err = perm_check(fs, cred, r->src, 2);
	if (!err && !same_dir(r) && exchange && is_dir(r->dst->mode))
		err = perm_check(fs, cred, r->dst, 2);
	if (!err && r->dst && !exchange && src_dir && r->dst->room.dir.count)
		err = -ENOTEMPTY;
	return err;
}

static int check_loop(struct task *t, const struct rename *r)
{
	bool exchange = r->flags & RENAME_EXCHANGE;
	int in = is_dir(load_relaxed(&r->src->mode)) ? under(t, r->to.dir, r->src) : 0;

	if (in)
		return in < 0 ? in : -EINVAL;
	/* The new name's directory lies in the old one's own subtree, and holds it: not empty, or a loop. */
	in = r->dst && is_dir(load_relaxed(&r->dst->mode)) ? under(t, r->from.dir, r->dst) : 0;
	if (in)
		return in < 0 ? in : exchange ? -EINVAL : -ENOTEMPTY;
	return 0;
}

/* The directory `i` has moved from `from` to `to`, where `cell` names it now. */
static void moved(struct task *t, struct inode *i, struct inode *from, struct inode *to, uint32_t cell)
{
	if (!is_dir(i->mode))
		return;
	txn_set(t, &i->room.dir.self, cell);
	if (from == to)
		return;
	txn_set(t, &i->room.dir.parent, number(t, to));
	txn_set(t, &i->room.dir.parent_gen, to->gen);
	turn_paths(t, i); /* its ".." */
	txn_set(t, &from->nlink, from->nlink - 1);
	txn_set(t, &to->nlink, to->nlink + 1);
}

static void exchange_names(struct task *t, struct rename *r)
{
	dirent_point(t, r->from.dir, r->from.cell, r->dst);
	dirent_point(t, r->to.dir, r->to.cell, r->src);
	moved(t, r->src, r->from.dir, r->to.dir, r->to.cell);
	moved(t, r->dst, r->to.dir, r->from.dir, r->from.cell);
	touch(t, r->dst, time_now(t));
}

static int replace_name(struct task *t, struct rename *r)
{
	struct fs_time now = time_now(t);

	dirent_point(t, r->to.dir, r->to.cell, r->src);
	moved(t, r->src, r->from.dir, r->to.dir, r->to.cell);
	if (is_dir(r->dst->mode)) {
		txn_set(t, &r->dst->room.dir.self, 0);
		txn_set(t, &r->to.dir->nlink, r->to.dir->nlink - 1);
	}
	drop_link(t, r->dst, now);
	return dirent_unlink(t, r->from.dir, r->from.cell);
}

static int new_name(struct task *t, struct rename *r)
{
	/* In this order: the old entry's cell may go into the pocket that the new one's comes from. */
	int err = dirent_link(t, r->to.dir, r->cell, r->item, r->src);

	if (!err)
		err = dirent_unlink(t, r->from.dir, r->from.cell);
	moved(t, r->src, r->from.dir, r->to.dir, r->cell);
	return err;
}

static int change(struct task *t, struct rename *r)
{
	struct fs_time now = time_now(t);
	int err = 0;

	if (r->flags & RENAME_EXCHANGE)
		exchange_names(t, r);
	else
		err = r->dst ? replace_name(t, r) : new_name(t, r);
	modify(t, r->from.dir, now);
	if (!same_dir(r))
		modify(t, r->to.dir, now);
	touch(t, r->src, now);
	return err;
}

/* Without locks: are the directories still what was looked at? */
static bool unmoved(const struct rename *r)
{
	return seq_valid(&r->from.dir->meta, r->from.seq) && seq_valid(&r->to.dir->meta, r->to.seq);
}

static int lock_all(struct task *t, struct rename *r)
{
	bool check = could_loop(r);
	int err = check ? txn_lock(t, &fs_ctl(fs_of(t))->rename_lock) : 0;

	if (!err && check) {
		err = check_loop(t, r);
		/* From a directory that is removed meanwhile the way leads anywhere. */
		if (err && !unmoved(r))
			err = -EAGAIN;
	}
	if (err)
		return err;
	err = lock_inodes(t, (fs_ino[]){number(t, r->from.dir), number(t, r->to.dir), r->from.ino, r->to.ino}, 4);
	if (!err && (!still(&r->from) || !still(&r->to)))
		err = -EAGAIN;
	return err;
}

static int rename_once(struct task *t, const struct fs_cred *cred, struct rename *r, struct fs_name name)
{
	int err = r->dst ? 0 : dirent_take(t, name, &r->cell, &r->item);

	if (err)
		return err;
	txn_begin(t);
	err = lock_all(t, r);
	/* Two names of one inode: nothing to do (POSIX), whoever asks (vfs_rename). */
	if (!err && r->src == r->dst)
		return txn_abort(t, 0);
	if (!err)
		err = allowed(fs_of(t), cred, r);
	if (!err && (stale_makes_events(t, r->src) || (r->dst && stale_makes_events(t, r->dst))))
		err = -EREMCHG;
	if (!err)
		err = change(t, r);
	return err ? txn_abort(t, err) : txn_commit(t);
}

/* Looks at both names. -EAGAIN: a directory changed before all was seen, or rename_once will find so. */
static int look_both(struct task *t, const struct fs_cred *cred, struct rename *r, fs_ino olddir,
		     struct fs_name *oldname, fs_ino newdir, struct fs_name *newname)
{
	const struct fs *fs = fs_of(t);
	int err = look(t, olddir, oldname, &r->from);

	if (!err)
		err = look(t, newdir, newname, &r->to);
	if (err)
		return look_refused(t, cred, newdir, look_refused(t, cred, olddir, err));
	err = perm_check(fs, cred, r->from.dir, 1);
	if (!err)
		err = perm_check(fs, cred, r->to.dir, 1);
	if (!err && !r->from.cell)
		err = -ENOENT;
	if (!err && (r->flags & RENAME_EXCHANGE) && !r->to.cell)
		err = -ENOENT;
	if (!err && (r->flags & RENAME_NOREPLACE) && r->to.cell)
		err = -EEXIST;
	if (err)
		return unmoved(r) ? err : -EAGAIN;
	r->src = inode_at(fs, r->from.ino);
	r->dst = r->to.cell ? inode_at(fs, r->to.ino) : NULL;
	return 0;
}

int fs_rename(struct task *t, const struct fs_cred *cred, fs_ino olddir, struct fs_name oldname, fs_ino newdir,
	      struct fs_name newname, unsigned flags)
{
	struct rename r = {.flags = flags};
	int err;

	if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	if (fs_is_dots(oldname) || fs_is_dots(newname))
		return flags & RENAME_NOREPLACE && !fs_is_dots(oldname) ? -EEXIST : -EBUSY;
	do {
		err = look_both(t, cred, &r, olddir, &oldname, newdir, &newname);
		if (!err)
			err = finish(t, rename_once(t, cred, &r, newname));
	} while (err == -EAGAIN);
	return err;
}
