/* Handles and open files of direct clients: see open.h. */
#include <fcntl.h>
#include <unistd.h>

#include "fs/open.h"

#define SHARED (1u << 31) /* in `flags`: by two clients once */

static uint32_t *handle_at(const struct fs *fs, uint32_t client, uint32_t handle)
{
	uint32_t *table = (uint32_t *)(void *)(fs->pool.base + fs->pool.region[REGION_HANDLES].off);

	return &table[(uint64_t)client * FS_HANDLES + handle];
}

static struct open_file *file_at(const struct fs *fs, uint32_t file)
{
	return slab_unit(&fs->files, file, sizeof(struct open_file));
}

static uint32_t handles_used(const struct fs *fs, uint32_t client)
{
	return min_of(load_relaxed(&client_slot(&fs->pool, client)->handles), FS_HANDLES);
}

/* Memory for handle `handle` of a client, which may be the first that high. */
static int table_grow(struct fs *fs, uint32_t client, uint32_t handle)
{
	uint32_t used = handles_used(fs, client);

	if (handle >= FS_HANDLES)
		return -EBADF;
	used = round_up(used, POOL_PAGE / sizeof(uint32_t)); /* the rest of a page in use has its memory */
	if (handle < used)
		return 0;
	return pool_commit(&fs->pool, pool_off(&fs->pool, handle_at(fs, client, used)),
			   (handle - used + 1) * sizeof(uint32_t));
}

/* ---- Opening ------------------------------------------------------------------- */

int open_take(struct task *t, uint32_t handle, uint32_t *file)
{
	struct fs *fs = fs_of(t);
	int err = table_grow(fs, fs->pool.client, handle);

	return err ? err : pocket_draw(t, &fs->files, TAG(HAND_FILE), file);
}

/* A handle of `file` more, which the caller counts. In the open transaction, under the inode's lock; takes the table's.
 */
static int enter(struct task *t, struct inode *i, uint32_t client, uint32_t handle, uint32_t file)
{
	struct fs *fs = fs_of(t);
	struct client_slot *c = client_slot(&fs->pool, client);
	uint32_t *h = handle_at(fs, client, handle);
	int err = txn_lock(t, &c->handle_lock);

	if (!err && *h)
		err = -EBADF;
	if (err)
		return err;
	txn_set(t, &i->nopen, i->nopen + 1);
	txn_set(t, h, file);
	if (unlikely(c->handles <= handle))
		txn_set(t, &c->handles, handle + 1);
	return 0;
}

int open_link(struct task *t, struct inode *i, int flags, uint32_t handle, uint32_t file)
{
	struct fs *fs = fs_of(t);
	struct open_file *f = file_at(fs, file);

	if (!f)
		return -EUCLEAN;
	store_relaxed(&f->pos, 0);
	store_relaxed(&f->refs, 1);
	store_relaxed(&f->given, 0);
	store_relaxed(&f->key, 0);
	store_relaxed(&f->ino, inode_number(fs, i));
	store_relaxed(&f->flags, (uint32_t)flags);
	hand_drop_unit(t, &fs->files, hand_item(HAND_FILE, 1, file));
	return enter(t, i, fs->pool.client, handle, file);
}

/* What open(2) asks of the inode. Under its lock. */
static int may_open(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, int flags)
{
	int acc = flags & O_ACCMODE, err = inode_alive(i);
	int mask = acc == O_RDONLY ? R_OK : acc == O_WRONLY ? W_OK : R_OK | W_OK;

	if (err)
		return err;
	if (!is_dir(i->mode) && (flags & O_DIRECTORY))
		return -ENOTDIR;
	if (S_ISLNK(i->mode))
		return -ELOOP;
	if (is_dir(i->mode) && (acc != O_RDONLY || (flags & O_TRUNC)))
		return -EISDIR;
	if (flags & O_TRUNC)
		mask |= W_OK;
	err = perm_check(fs, cred, i, mask);
	if (!err && (flags & O_NOATIME) && !is_owner(cred, i))
		err = -EPERM;
	if (!err && (flags & O_DIRECT) && is_dir(i->mode))
		err = -EINVAL;
	return err;
}

int fs_open(struct task *t, const struct fs_cred *cred, fs_ino ino, int flags, uint32_t handle)
{
	struct inode *i = inode_at(fs_of(t), ino);
	uint32_t file;
	int err = i ? open_take(t, handle, &file) : -ESTALE;

	if (err)
		return err;
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (!err)
		err = inode_meant(t, i);
	if (!err)
		err = may_open(fs_of(t), cred, i, flags);
	if (!err)
		err = open_link(t, i, flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY), handle, file);
	err = err ? txn_abort(t, err) : txn_commit_quiet(t);
	hand_settle(t);
	if (!err && (flags & O_TRUNC) && S_ISREG(i->mode)) {
		err = range_resize(t, cred, i, 0, true, NULL);
		if (err)
			fs_close(t, handle);
	}
	return err;
}

/* ---- Closing ------------------------------------------------------------------- */

/* The open file of a handle and its inode; -EBADF, or -EUCLEAN where it leads nowhere. */
static int resolve(const struct fs *fs, uint32_t client, uint32_t handle, uint32_t *file, struct inode **i)
{
	const struct open_file *f;

	*file = handle < FS_HANDLES ? load_acquire(handle_at(fs, client, handle)) : 0;
	if (!*file)
		return -EBADF;
	f = file_at(fs, *file);
	*i = f ? inode_at(fs, load_relaxed(&f->ino)) : NULL;
	return *i ? 0 : -EUCLEAN;
}

/* Locks inode and table, and sees that the handle still leads to `file`. */
static int lock_handle(struct task *t, uint32_t client, uint32_t handle, uint32_t file, struct inode *i)
{
	struct fs *fs = fs_of(t);
	int err = txn_lock(t, &i->meta);

	if (!err)
		err = txn_lock(t, &client_slot(&fs->pool, client)->handle_lock);
	if (!err && (*handle_at(fs, client, handle) != file || file_at(fs, file)->ino != inode_number(fs, i)))
		err = -EBADF; /* another thread was faster */
	return err;
}

/* Closes handle `handle` of `client`. */
static int drop(struct task *t, uint32_t client, uint32_t handle)
{
	struct fs *fs = fs_of(t);
	struct open_file *f;
	struct inode *i;
	uint32_t file;
	int err = resolve(fs, client, handle, &file, &i);

	if (err)
		return err;
	f = file_at(fs, file);
	txn_begin(t);
	err = lock_handle(t, client, handle, file, i);
	if (err)
		return txn_abort(t, err);
	txn_set(t, handle_at(fs, client, handle), 0);
	txn_set(t, &f->refs, f->refs - 1);
	txn_set(t, &i->nopen, i->nopen - 1);
	if (f->refs == 0)
		hand_push_unit(t, &fs->files, hand_item(HAND_FILE, 1, file));
	if (unlikely(i->nlink == 0))
		maybe_reap(t, i);
	return txn_commit_quiet(t);
}

int fs_close(struct task *t, uint32_t handle)
{
	int err = drop(t, t->pool->client, handle);

	hand_settle(t);
	return err;
}

/* Whoever died with the table locked, clearing up after this client: what that had half done is undone. */
static int table_settled(struct task *t, uint32_t client)
{
	int err = lock_acquire(t, &client_slot(t->pool, client)->handle_lock);

	if (!err)
		lock_release(t, 0);
	return err;
}

int open_drop_all(struct task *t, uint32_t client)
{
	struct fs *fs = fs_of(t);
	int err = table_settled(t, client);

	if (err)
		return err;
	for (uint32_t h = handles_used(fs, client); h-- > 0;) {
		if (load_acquire(handle_at(fs, client, h))) {
			drop(t, client, h);
			hand_settle(t);
		}
	}
	store_relaxed(&client_slot(&fs->pool, client)->handles, 0);
	return 0;
}

/* ---- Sharing ------------------------------------------------------------------- */

/* Handle `from` of this client becomes handle `to` of `client` as well. */
static int share(struct task *t, uint32_t from, uint32_t client, uint32_t to)
{
	struct fs *fs = fs_of(t);
	struct inode *i;
	uint32_t file;
	int err = table_grow(fs, client, to);

	if (!err)
		err = resolve(fs, fs->pool.client, from, &file, &i);
	if (err)
		return err;
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	/* Its references are counted under this lock: with one it is not freed before we have another. */
	if (!err && (load_relaxed(handle_at(fs, fs->pool.client, from)) != file ||
		     file_at(fs, file)->ino != inode_number(fs, i) || !file_at(fs, file)->refs))
		err = -EBADF;
	if (!err)
		err = enter(t, i, client, to, file);
	if (!err)
		txn_set(t, &file_at(fs, file)->refs, file_at(fs, file)->refs + 1);
	if (!err && client != fs->pool.client)
		fetch_or(&file_at(fs, file)->flags, SHARED);
	return err ? txn_abort(t, err) : txn_commit_quiet(t);
}

int fs_dup(struct task *t, uint32_t from, uint32_t to)
{
	return share(t, from, t->pool->client, to);
}

int fs_fork_prepare(struct task *t, uint32_t *seat)
{
	struct fs *fs = fs_of(t);
	int err = client_make(&fs->pool, seat);

	/* Of processes that come and go by the thousand, all seats can be the dead's before the daemon looks again. */
	if (err == -EUSERS && fs_reap_dead(t) > 0)
		err = client_make(&fs->pool, seat);
	if (err)
		return err;
	for (uint32_t h = 0; h < handles_used(fs, fs->pool.client); h++) {
		if (!load_acquire(handle_at(fs, fs->pool.client, h)))
			continue;
		err = share(t, h, *seat, h);
		if (err && err != -EBADF) { /* -EBADF: closed just now by another thread */
			fs_fork_abandon(t, *seat);
			return err;
		}
	}
	return 0;
}

void fs_fork_abandon(struct task *t, uint32_t seat)
{
	if (open_drop_all(t, seat) == 0)
		client_give_up(t->pool, seat);
}

void fs_fork_child_is(struct task *t, uint32_t seat, int pid)
{
	uint32_t none = 0;

	/* The child may have come already and written its own. */
	cas(&client_slot(t->pool, seat)->pid, &none, (uint32_t)pid);
}

int fs_fork_child(struct fs *fs, uint32_t seat)
{
	return client_take(&fs->pool, seat);
}

uint32_t fs_handles(const struct fs *fs)
{
	return handles_used(fs, fs->pool.client);
}

uint32_t open_each(const struct fs *fs, uint32_t client, void (*f)(void *arg, uint32_t file), void *arg)
{
	uint32_t n = 0;

	for (uint32_t h = 0; h < handles_used(fs, client); h++) {
		uint32_t file = load_relaxed(handle_at(fs, client, h));

		n += file != 0;
		if (file && f)
			f(arg, file);
	}
	return n;
}

struct writer {
	const struct fs *fs;
	fs_ino ino;
	bool found;
};

static void meet(void *arg, uint32_t file)
{
	struct writer *w = arg;
	const struct open_file *f = file_at(w->fs, file);
	uint32_t flags = f ? load_relaxed(&f->flags) : SHARED;

	w->found |= !(flags & SHARED) && load_relaxed(&f->ino) == w->ino && (flags & O_ACCMODE) != O_RDONLY;
}

bool open_has_writer(struct task *t, fs_ino ino)
{
	struct writer w = {.fs = fs_of(t), .ino = ino};

	for (uint32_t i = 0; i < POOL_CLIENTS; i++) {
		open_each(w.fs, i, meet, &w);
		if (w.found && client_alive(t->pool, i))
			return true;
		w.found = false;
	}
	return false;
}

/* ---- Using --------------------------------------------------------------------- */

racy_read int64_t fs_handle(struct task *t, uint32_t handle, uint32_t *flags)
{
	const struct fs *fs = fs_of(t);
	uint32_t file, *h = handle_at(fs, fs->pool.client, handle);
	const struct open_file *f;
	fs_ino ino;

	if (unlikely(handle >= FS_HANDLES))
		return -EBADF;
	do {
		file = load_acquire(h);
		if (!file)
			return -EBADF;
		f = file_at(fs, file);
		if (!f)
			return -EUCLEAN;
		ino = load_relaxed(&f->ino);
		if (flags)
			*flags = load_relaxed(&f->flags) & ~SHARED;
		fence_acquire();
	} while (load_relaxed(h) != file);
	return ino;
}

int fs_set_flags(struct task *t, uint32_t handle, uint32_t mask, uint32_t flags)
{
	const struct fs *fs = fs_of(t);
	struct inode *i;
	uint32_t file, old;
	struct open_file *f;
	int err = resolve(fs, fs->pool.client, handle, &file, &i);

	if (err)
		return err;
	f = file_at(fs, file);
	old = load_relaxed(&f->flags);
	while (!cas(&f->flags, &old, (old & ~mask) | (flags & mask)))
		;
	return 0;
}

void fs_opened_by(struct task *t, uint32_t handle, fs_ino dir, uint64_t entry)
{
	struct open_file *f = file_at(fs_of(t), fs_handle_file(t, handle));

	if (unlikely(!f))
		return;
	store_relaxed(&f->dir, dir);
	store_relaxed(&f->key, entry);
}

int fs_opened_name(struct task *t, uint32_t handle, fs_ino *dir, struct fs_dirent *out)
{
	const struct open_file *f = file_at(fs_of(t), fs_handle_file(t, handle));
	uint64_t key = f ? load_relaxed(&f->key) : 0;

	if (!key)
		return -ENOENT;
	*dir = load_relaxed(&f->dir);
	return dir_entry_of(t, *dir, key, load_relaxed(&f->ino), out);
}

uint32_t fs_handle_file(struct task *t, uint32_t handle)
{
	const struct fs *fs = fs_of(t);

	return handle < handles_used(fs, fs->pool.client) ? load_acquire(handle_at(fs, fs->pool.client, handle)) : 0;
}

bool fs_offset_given(struct task *t, uint32_t handle)
{
	const struct open_file *f = file_at(fs_of(t), fs_handle_file(t, handle));

	return f && load_relaxed(&f->given);
}

/* Locks the offset of the handle's open file, whoever it belongs to. */
static int lock_any_offset(struct task *t, uint32_t handle, struct open_file **f)
{
	const struct fs *fs = fs_of(t);
	uint32_t *h = handle_at(fs, fs->pool.client, handle);
	uint32_t file = handle < FS_HANDLES ? load_acquire(h) : 0;
	int err;

	if (!file)
		return -EBADF;
	*f = file_at(fs, file);
	err = *f ? lock_acquire(t, &(*f)->lock) : -EUCLEAN;
	/* Closed meanwhile, and perhaps opened as another: the lock word is one all the same. */
	if (!err && load_acquire(h) != file) {
		lock_release(t, 0);
		err = -EBADF;
	}
	return err;
}

static int lock_offset(struct task *t, uint32_t handle, struct open_file **f)
{
	int err = lock_any_offset(t, handle, f);

	if (!err && unlikely(load_relaxed(&(*f)->given))) {
		lock_release(t, 0);
		err = -EREMOTE;
	}
	return err;
}

int64_t fs_give_offset(struct task *t, uint32_t handle, int fd)
{
	struct open_file *f;
	int64_t pos;
	int err = lock_any_offset(t, handle, &f);

	if (err)
		return err;
	/* Where it was given before, by who shares the descriptor with us, the kernel has gone on from there. */
	pos = (int64_t)f->pos;
	if (!f->given)
		sys_call3(SYS_lseek, fd, pos, SEEK_SET);
	store_relaxed(&f->given, 1);
	lock_release(t, 0);
	return pos;
}

int64_t fs_read_next(struct task *t, uint32_t handle, void *buf, size_t len)
{
	struct open_file *f;
	struct inode *i;
	uint32_t flags;
	int64_t n = lock_offset(t, handle, &f);

	if (n)
		return n;
	i = inode_at(fs_of(t), f->ino);
	flags = f->flags;
	if ((flags & O_ACCMODE) == O_WRONLY)
		n = -EBADF;
	else
		n = fs_read(t, f->ino, buf, len, (int64_t)f->pos, FS_IO_NOATIME);
	if (n > 0)
		store_relaxed(&f->pos, f->pos + (uint64_t)n);
	lock_release(t, 0);
	if (n >= 0 && !(flags & O_NOATIME)) /* not under the lock: the kernel may have to be told */
		inode_accessed(t, i);
	return n;
}

int64_t fs_write_next(struct task *t, const struct fs_cred *cred, uint32_t handle, const void *buf, size_t len)
{
	struct open_file *f;
	int64_t end = 0, n = lock_offset(t, handle, &f);

	if (n)
		return n;
	if ((f->flags & O_ACCMODE) == O_RDONLY)
		n = -EBADF;
	else
		n = fs_write(t, cred, f->ino, buf, len, (int64_t)f->pos, f->flags & O_APPEND ? FS_IO_APPEND : 0, &end);
	if (n > 0)
		store_relaxed(&f->pos, (uint64_t)end);
	lock_release(t, 0);
	hand_settle(t); /* what could not be told under the lock */
	return n;
}

int64_t fs_readv_next(struct task *t, uint32_t handle, const struct iovec *v, uint32_t n)
{
	struct open_file *f;
	struct inode *i;
	uint32_t flags;
	int64_t done = lock_offset(t, handle, &f);

	if (done)
		return done;
	i = inode_at(fs_of(t), f->ino);
	flags = f->flags;
	if ((flags & O_ACCMODE) == O_WRONLY)
		done = -EBADF;
	else
		done = fs_readv(t, f->ino, v, n, (int64_t)f->pos, FS_IO_NOATIME);
	if (done > 0)
		store_relaxed(&f->pos, f->pos + (uint64_t)done);
	lock_release(t, 0);
	if (done >= 0 && !(flags & O_NOATIME))
		inode_accessed(t, i);
	return done;
}

int64_t fs_writev_next(struct task *t, const struct fs_cred *cred, uint32_t handle, const struct iovec *v, uint32_t n,
		       unsigned flags)
{
	struct open_file *f;
	int64_t end = 0, done = lock_offset(t, handle, &f);

	if (done)
		return done;
	flags |= f->flags & O_APPEND ? FS_IO_APPEND : 0;
	if ((f->flags & O_ACCMODE) == O_RDONLY)
		done = -EBADF;
	else
		done = fs_writev(t, cred, f->ino, v, n, (int64_t)f->pos, flags, &end);
	if (done > 0)
		store_relaxed(&f->pos, (uint64_t)end);
	lock_release(t, 0);
	hand_settle(t); /* what could not be told under the lock */
	return done;
}

static int64_t seek_base(struct task *t, const struct open_file *f, int whence)
{
	struct fs_attr a;
	int err;

	if (whence == SEEK_SET || whence == SEEK_CUR)
		return whence == SEEK_SET ? 0 : (int64_t)f->pos;
	if (whence != SEEK_END)
		return -EINVAL;
	err = fs_getattr(t, f->ino, &a);
	return err ? err : (int64_t)a.size;
}

static int64_t seek_target(struct task *t, const struct open_file *f, int64_t off, int whence)
{
	int64_t base;

	if (whence == SEEK_DATA || whence == SEEK_HOLE)
		return fs_seek(t, f->ino, off, whence);
	base = seek_base(t, f, whence);
	if (base < 0)
		return base;
	/* Beyond the largest file is allowed, as through the kernel: writing there is -EFBIG. */
	if (off < -base || off > INT64_MAX - base)
		return -EINVAL;
	return base + off;
}

int64_t fs_seek_to(struct task *t, uint32_t handle, int64_t off, int whence)
{
	struct open_file *f;
	int64_t to = lock_offset(t, handle, &f);

	if (to)
		return to;
	to = seek_target(t, f, off, whence);
	if (to >= 0)
		store_relaxed(&f->pos, (uint64_t)to);
	lock_release(t, 0);
	return to;
}
