/* What a name leads to, looked at without locks and verified under them: shared by the operations on names. */
#pragma once

#include "fs/internal.h"

/* What a name led to when it was looked at without locks. */
struct look {
	struct inode *dir;
	uint64_t seq;  /* of the directory */
	uint32_t cell; /* of the entry, 0: there is none */
	fs_ino ino;
};

/* Looks, and fills in the name's key. 0 (also where there is no entry), -ENOTDIR, -ENOENT (a removed directory, or no
 * name), -ENAMETOOLONG ... */
int look(struct task *t, fs_ino dir, struct fs_name *name, struct look *l);
/* What look failed with. Who may not search a removed directory is not told that it is removed: -EACCES for -ENOENT. */
int look_refused(struct task *t, const struct fs_cred *cred, fs_ino dir, int err);

/* The same in the middle of a look: l->seq is set, and the caller validates it. */
int look_in(const struct fs *fs, struct inode *dir, struct fs_name *name, struct look *l);

/* Under the directory's lock: is it still what was looked at? That the kernel came to know it changes no version. */
static inline bool still(const struct look *l)
{
	return !((load_relaxed(&l->dir->meta) ^ l->seq) / LOCK_VERSION);
}

/* Ends an operation: frees what it left, passes its result on. */
static inline int finish(struct task *t, int err)
{
	hand_settle(t);
	return err;
}

/* One link less, in the open transaction. A directory has its two go at once. */
static inline void drop_link(struct task *t, struct inode *i, struct fs_time now)
{
	txn_set(t, &i->nlink, is_dir(i->mode) ? 0 : i->nlink - 1);
	touch(t, i, now);
	stale_gone(t, i);
	maybe_reap(t, i);
}
