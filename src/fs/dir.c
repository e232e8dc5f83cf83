/*
 * Directories: a tree of entries by the hash of their names.
 *
 * An entry's key is the hash of its name with the last bits replaced by a
 * number that tells names of one hash apart. The key is also the cookie of
 * readdir: it stays the same as long as the entry does, so a listing goes on
 * after it whatever came and went. Cookies 1 and 2 are "." and "..".
 */
#include "base/hash.h"
#include "fs/internal.h"

#define COOKIE_DOT 1u
#define COOKIE_DOTDOT 2u

#define READ_TRIES 3 /* then a listing waits for its turn */

int name_check(const struct fs *fs, struct fs_name *name)
{
	uint64_t h;

	if (name->key)
		return 0;
	if (name->len == 0)
		return -ENOENT;
	if (name->len > FS_NAME_MAX)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < name->len; i++)
		if (name->s[i] == '/' || name->s[i] == 0)
			return -EINVAL;
	/* The first key of the names with this hash: at least KEY_TIES, below 2^63. */
	h = hash_bytes(fs->pool.secret, name->s, name->len) >> 1 & ~(uint64_t)(KEY_TIES - 1);
	name->key = h ? h : KEY_TIES;
	return 0;
}

static racy_read bool same_name(const struct fs *fs, uint32_t cell, const struct dirent *d, struct fs_name name)
{
	if (load_relaxed(&d->len) != name.len || !slab_at(&fs->cells, cell, DIRENT_CELLS((uint32_t)name.len)))
		return false;
	return mem_equal(d->name, name.s, name.len);
}

racy_read int64_t dir_find(const struct fs *fs, const struct inode *dir, struct fs_name name)
{
	uint64_t key = name.key;
	int64_t cell = tree_ceil(&fs->cells, load_relaxed(&dir->room.dir.root), key);

	for (uint32_t ties = 0; cell > 0 && ties < KEY_TIES; ties++) {
		const struct dirent *d = dirent_at(fs, (uint32_t)cell);

		if (!d)
			return -EUCLEAN;
		if (load_relaxed(&d->key) - key >= KEY_TIES)
			return 0;
		if (same_name(fs, (uint32_t)cell, d, name))
			return cell;
		cell = tree_next(&fs->cells, (uint32_t)cell);
	}
	return min_of(cell, 0);
}

int dirent_take(struct task *t, struct fs_name name, uint32_t *cell, uint64_t *item)
{
	const struct fs *fs = fs_of(t);
	uint32_t n = DIRENT_CELLS((uint32_t)name.len);
	struct dirent *d;
	int err = n == 1 ? pocket_draw(t, &fs->cells, TAG(HAND_CELLS), cell)
			 : slab_take(t, &fs->cells, n, TAG(HAND_CELLS), cell);

	if (err)
		return err;
	*item = hand_item(HAND_CELLS, n, *cell);
	d = dirent_at(fs, *cell);
	/* A late reader of the entry that was here before may still look: each store is whole. */
	store_relaxed(&d->key, name.key);
	store_relaxed(&d->len, (uint8_t)name.len);
	store_relaxed(&d->known, 0);
	mem_copy(d->name, name.s, name.len);
	return 0;
}

/* What gets a name in a watched directory is watched with it. */
static void watch_with(const struct fs *fs, const struct inode *dir, const struct inode *target)
{
	if (unlikely(load_relaxed(&dir->marks) & FS_MARK_WATCHED) && !is_dir(target->mode))
		mark(inode_at(fs, inode_number(fs, target)), FS_MARK_WATCHED);
}

int dirent_link(struct task *t, struct inode *dir, uint32_t cell, uint64_t item, const struct inode *target)
{
	const struct fs *fs = fs_of(t);
	struct dirent *d = dirent_at(fs, cell);
	uint64_t first = d->key;
	int err;

	store_relaxed(&d->ino, inode_number(fs, target));
	store_relaxed(&d->dir, inode_number(fs, dir));
	store_relaxed(&d->type, (uint8_t)(target->mode >> 12));
	if (t->flags & TASK_KERNEL)
		store_relaxed(&d->known, 1);
	/* The smallest key of the name's hash that the directory does not use. */
	while ((err = tree_insert(t, &fs->cells, &dir->room.dir.root, cell)) == -EEXIST) {
		if (d->key + 1 - first >= KEY_TIES)
			return -ENOSPC;
		store_relaxed(&d->key, d->key + 1);
	}
	if (err)
		return err;
	stale_name(t, dir, (struct fs_name){.s = d->name, .len = d->len, .key = d->key}, false);
	txn_set(t, &dir->room.dir.count, dir->room.dir.count + 1);
	watch_with(fs, dir, target);
	hand_drop_unit(t, &fs->cells, item);
	return 0;
}

int dirent_unlink(struct task *t, struct inode *dir, uint32_t cell)
{
	const struct fs *fs = fs_of(t);
	struct dirent *d = dirent_at(fs, cell);
	int err = tree_remove(t, &fs->cells, &dir->room.dir.root, cell);

	if (err)
		return err;
	stale_name(t, dir, (struct fs_name){.s = d->name, .len = d->len, .key = d->key}, d->known);
	txn_set(t, &dir->room.dir.count, dir->room.dir.count - 1);
	turn_paths(t, dir);
	return hand_push_unit(t, &fs->cells, hand_item(HAND_CELLS, DIRENT_CELLS(d->len), cell)) ? 0 : -EUCLEAN;
}

void dirent_point(struct task *t, struct inode *dir, uint32_t cell, const struct inode *target)
{
	const struct fs *fs = fs_of(t);
	struct dirent *d = dirent_at(fs, cell);

	watch_with(fs, dir, target);
	txn_set(t, &d->ino, inode_number(fs, target));
	txn_set(t, &d->type, (uint8_t)(target->mode >> 12));
	stale_name(t, dir, (struct fs_name){.s = d->name, .len = d->len, .key = d->key}, d->known);
	if (!d->known != !(t->flags & TASK_KERNEL))
		txn_set(t, &d->known, t->flags & TASK_KERNEL ? 1 : 0);
	turn_paths(t, dir);
}

/* ---- Listing --------------------------------------------------------------- */

static racy_read int emit(const struct fs *fs, const struct dirent *d, uint32_t cell, struct fs_dirent *out)
{
	out->len = load_relaxed(&d->len);
	if (!slab_at(&fs->cells, cell, DIRENT_CELLS(out->len)))
		return -EUCLEAN;
	out->ino = load_relaxed(&d->ino);
	out->mode = (uint32_t)load_relaxed(&d->type) << 12;
	out->cookie = load_relaxed(&d->key);
	mem_copy(out->name, d->name, out->len);
	out->name[out->len] = 0;
	return 0;
}

static void emit_dots(struct fs_dirent *out, fs_ino ino, uint8_t len)
{
	*out = (struct fs_dirent){.ino = ino, .mode = S_IFDIR, .cookie = len, .len = len, .name = ".."};
	out->name[len] = 0;
}

/* Fills from the tree; stops at what is torn. */
static racy_read int list(const struct fs *fs, const struct inode *dir, uint64_t cookie, struct fs_dirent *out, int n)
{
	int64_t cell = tree_ceil(&fs->cells, load_relaxed(&dir->room.dir.root), max_of(cookie + 1, KEY_TIES));
	int k = 0;

	while (cell > 0 && k < n) {
		const struct dirent *d = dirent_at(fs, (uint32_t)cell);

		if (!d || emit(fs, d, (uint32_t)cell, &out[k]) != 0)
			return -EUCLEAN;
		k++;
		cell = tree_next(&fs->cells, (uint32_t)cell);
	}
	return cell < 0 ? -EUCLEAN : k;
}

static racy_read int list_once(const struct fs *fs, const struct inode *dir, uint64_t cookie, struct fs_dirent *out,
			       int n)
{
	int k = 0, more;

	if (!is_dir(load_relaxed(&dir->mode)))
		return load_relaxed(&dir->mode) ? -ENOTDIR : -ESTALE;
	if (load_relaxed(&dir->nlink) == 0)
		return -ENOENT; /* removed: nothing in it, not even dots */
	if (cookie < COOKIE_DOT && k < n)
		emit_dots(&out[k++], inode_number(fs, dir), COOKIE_DOT);
	if (cookie < COOKIE_DOTDOT && k < n)
		emit_dots(&out[k++], load_relaxed(&dir->room.dir.parent), COOKIE_DOTDOT);
	more = list(fs, dir, cookie, out + k, n - k);
	return more < 0 ? more : k + more;
}

static racy_read int list_dir(struct task *t, struct inode *dir, uint64_t cookie, struct fs_dirent *out, int n)
{
	const struct fs *fs = fs_of(t);
	uint64_t seq;
	int err, got;

	for (int tries = 0; tries < READ_TRIES; tries++) {
		err = seq_begin(t, &dir->meta, &seq);
		if (err)
			return err;
		got = list_once(fs, dir, cookie, out, n);
		if (seq_valid(&dir->meta, seq))
			return got;
	}
	err = lock_acquire(t, &dir->meta); /* it changes faster than it can be listed */
	if (err)
		return err;
	got = list_once(fs, dir, cookie, out, n);
	lock_release(t, 0);
	return got;
}

int fs_readdir(struct task *t, fs_ino ino, uint64_t cookie, struct fs_dirent *out, int n)
{
	struct inode *dir = inode_at(fs_of(t), ino);
	int got = dir ? list_dir(t, dir, cookie, out, n) : -ESTALE;

	if (got >= 0)
		inode_accessed(t, dir);
	return got;
}

/* Among the names of one hash, the one that leads to `ino`. */
static racy_read int entry_of(const struct fs *fs, const struct inode *dir, uint64_t key, fs_ino ino,
			      struct fs_dirent *out)
{
	int64_t cell = tree_ceil(&fs->cells, load_relaxed(&dir->room.dir.root), key);

	for (uint32_t ties = 0; cell > 0 && ties < KEY_TIES; ties++) {
		const struct dirent *d = dirent_at(fs, (uint32_t)cell);

		if (!d || load_relaxed(&d->key) - key >= KEY_TIES)
			break;
		if (load_relaxed(&d->ino) == ino)
			return emit(fs, d, (uint32_t)cell, out);
		cell = tree_next(&fs->cells, (uint32_t)cell);
	}
	return -ENOENT;
}

racy_read int dir_entry_of(struct task *t, fs_ino ino, uint64_t key, fs_ino target, struct fs_dirent *out)
{
	const struct fs *fs = fs_of(t);
	struct inode *dir = inode_at(fs, ino);
	uint64_t seq;
	int err;

	if (!dir)
		return -ENOENT;
	do {
		err = seq_begin(t, &dir->meta, &seq);
		if (err)
			return err;
		err = is_dir(load_relaxed(&dir->mode)) ? entry_of(fs, dir, key, target, out) : -ENOENT;
	} while (!seq_valid(&dir->meta, seq));
	return err;
}

racy_read int fs_dirname(struct task *t, fs_ino ino, fs_ino *parent, struct fs_dirent *out)
{
	const struct fs *fs = fs_of(t);
	struct inode *dir = inode_at(fs, ino);
	uint64_t seq;
	int err;

	if (!dir)
		return -ESTALE;
	do {
		uint32_t self;
		const struct dirent *d;

		err = seq_begin(t, &dir->meta, &seq);
		if (err)
			return err;
		*parent = load_relaxed(&dir->room.dir.parent);
		self = load_relaxed(&dir->room.dir.self);
		d = dirent_at(fs, self);
		if (!is_dir(load_relaxed(&dir->mode)))
			err = -ENOTDIR;
		else if (ino == FS_ROOT)
			emit_dots(out, FS_ROOT, COOKIE_DOT);
		else
			err = load_relaxed(&dir->nlink) == 0 ? -ENOENT : d ? emit(fs, d, self, out) : -EUCLEAN;
	} while (!seq_valid(&dir->meta, seq));
	return err;
}

/* Depth first, on the way back by the cookie of the directory's own entry. */
int fs_find_name(struct task *t, fs_ino ino, fs_ino top, uint32_t most, fs_ino *dir, struct fs_dirent *out)
{
	uint64_t cookie = COOKIE_DOTDOT;
	fs_ino at = top;

	while (most--) {
		struct inode *i = inode_at(fs_of(t), at);
		int n = i ? list_dir(t, i, cookie, out, 1) : -ESTALE;

		if (n == 1 && out->ino == ino) {
			*dir = at;
			return 0;
		}
		if (n == 1 && S_ISDIR(out->mode)) {
			at = out->ino;
			cookie = COOKIE_DOTDOT;
			continue;
		}
		if (n == 0 && (at == top || at == FS_ROOT)) /* the root too where a directory was moved out of `top` */
			return -ENOENT;
		if (n == 0)
			n = fs_dirname(t, at, &at, out);
		if (n < 0)
			return n == -EUCLEAN ? n : -ENOENT;
		cookie = out->cookie;
	}
	return -ENOENT;
}
