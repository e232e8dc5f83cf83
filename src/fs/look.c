/* Looking names up without locks. */
#include <unistd.h>

#include "fs/look.h"

racy_read int look_in(const struct fs *fs, struct inode *dir, struct fs_name *name, struct look *l)
{
	const struct inode *target;
	const struct dirent *d;
	int64_t cell;
	int err;

	if (name->dir_gen && unlikely(load_relaxed(&dir->gen) != name->dir_gen))
		return -ESTALE;
	if (!is_dir(load_relaxed(&dir->mode)))
		return load_relaxed(&dir->mode) ? -ENOTDIR : -ESTALE;
	if (load_relaxed(&dir->nlink) == 0)
		return -ENOENT;
	err = name_check(fs, name);
	if (err)
		return err;
	cell = dir_find(fs, dir, *name);
	if (cell < 0)
		return (int)cell;
	l->cell = (uint32_t)cell;
	l->ino = 0;
	if (!cell)
		return 0;
	d = dirent_at(fs, l->cell);
	l->ino = d ? load_relaxed(&d->ino) : 0;
	target = inode_at(fs, l->ino);
	if (!target)
		return -EUCLEAN;
	/* It is looked at next, and in a large directory it is in no cache. */
	__builtin_prefetch(target);
	__builtin_prefetch(&target->sec);
	return 0;
}

int look(struct task *t, fs_ino dir, struct fs_name *name, struct look *l)
{
	const struct fs *fs = fs_of(t);
	int err;

	l->dir = inode_at(fs, dir);
	l->seq = 0;
	l->cell = 0;
	l->ino = 0;
	if (!l->dir)
		return -ESTALE;
	do {
		int seq_err = seq_begin(t, &l->dir->meta, &l->seq);

		if (seq_err)
			return seq_err;
		err = look_in(fs, l->dir, name, l);
	} while (!seq_valid(&l->dir->meta, l->seq));
	return err;
}

int look_refused(struct task *t, const struct fs_cred *cred, fs_ino dir, int err)
{
	return err == -ENOENT && fs_access(t, cred, dir, X_OK) == -EACCES ? -EACCES : err;
}
