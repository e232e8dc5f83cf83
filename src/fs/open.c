/* Open files of direct clients: see open.h. */
#include <fcntl.h>
#include <unistd.h>

#include "fs/open.h"

static uint32_t *handle_at(const struct fs *fs, uint32_t client, uint32_t handle)
{
	uint32_t *table = (uint32_t *)(void *)(fs->pool.base + fs->pool.region[REGION_HANDLES].off);

	return &table[(uint64_t)client * FS_HANDLES + handle];
}

static struct open_file *file_at(const struct fs *fs, uint32_t cell)
{
	return slab_at(&fs->cells, cell, 1);
}

static uint32_t handles_used(const struct fs *fs, uint32_t client)
{
	return min_of(load_relaxed(&client_slot(&fs->pool, client)->handles), FS_HANDLES);
}

int open_take(struct task *t, uint32_t handle, uint32_t *cell)
{
	struct fs *fs = fs_of(t);
	uint32_t used = handles_used(fs, fs->pool.client);
	int err = 0;

	if (handle >= FS_HANDLES)
		return -EBADF;
	if (handle >= used) /* memory for the part of the table that comes into use */
		err = pool_commit(&fs->pool, pool_off(&fs->pool, handle_at(fs, fs->pool.client, used)),
				  (handle - used + 1) * sizeof(uint32_t));
	return err ? err : slab_take(t, &fs->cells, 1, TAG(HAND_CELLS), cell);
}

int open_link(struct task *t, struct inode *i, int flags, uint32_t handle, uint32_t cell)
{
	struct fs *fs = fs_of(t);
	struct client_slot *c = client_slot(&fs->pool, fs->pool.client);
	uint32_t *h = handle_at(fs, fs->pool.client, handle);
	struct open_file *f = file_at(fs, cell);
	int err = txn_lock(t, &c->handle_lock);

	if (!err && *h)
		err = -EBADF;
	if (err)
		return err;
	f->ino = inode_number(fs, i);
	f->flags = (uint32_t)flags;
	txn_set(t, &i->nopen, i->nopen + 1);
	txn_set(t, h, cell);
	if (c->handles <= handle)
		txn_set(t, &c->handles, handle + 1);
	hand_drop(t, hand_item(HAND_CELLS, 1, cell));
	return 0;
}

/* What open(2) asks of the inode. Under its lock. */
static int may_open(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, int flags)
{
	int acc = flags & O_ACCMODE, err = inode_alive(i);
	int mask = acc == O_RDONLY ? R_OK : acc == O_WRONLY ? W_OK : R_OK | W_OK;

	if (err)
		return err;
	if (S_ISLNK(i->mode))
		return -ELOOP;
	if (is_dir(i->mode) && (acc != O_RDONLY || (flags & O_TRUNC)))
		return -EISDIR;
	if (!is_dir(i->mode) && (flags & O_DIRECTORY))
		return -ENOTDIR;
	if (flags & O_TRUNC)
		mask |= W_OK;
	err = perm_check(fs, cred, i, mask);
	if (!err && (flags & O_NOATIME) && !is_owner(cred, i))
		err = -EPERM;
	return err;
}

int fs_open(struct task *t, const struct fs_cred *cred, fs_ino ino, int flags, uint32_t handle)
{
	struct inode *i = inode_at(fs_of(t), ino);
	uint32_t cell;
	int err = i ? open_take(t, handle, &cell) : -ESTALE;

	if (err)
		return err;
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (!err)
		err = may_open(fs_of(t), cred, i, flags);
	if (!err)
		err = open_link(t, i, flags, handle, cell);
	err = err ? txn_abort(t, err) : txn_commit_quiet(t);
	hand_settle(t);
	if (!err && (flags & O_TRUNC) && S_ISREG(i->mode)) {
		err = data_resize(t, cred, i, 0, true);
		if (err)
			fs_close(t, handle);
		else
			stale_inode(t, i, FS_MARK_ATTR | FS_MARK_DATA);
	}
	return err;
}

/* Closes handle `handle` of `client`. */
static int drop(struct task *t, uint32_t client, uint32_t handle)
{
	struct fs *fs = fs_of(t);
	struct client_slot *c = client_slot(&fs->pool, client);
	uint32_t *h = handle_at(fs, client, handle);
	uint32_t cell = load_acquire(h);
	struct open_file *f = cell ? file_at(fs, cell) : NULL;
	struct inode *i = f ? inode_at(fs, load_relaxed(&f->ino)) : NULL;
	int err;

	if (!i)
		return cell ? -EUCLEAN : -EBADF;
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (!err)
		err = txn_lock(t, &c->handle_lock);
	if (!err && (*h != cell || f->ino != inode_number(fs, i)))
		err = -EBADF; /* another thread was faster */
	if (err)
		return txn_abort(t, err);
	txn_set(t, h, 0);
	hand_push(t, hand_item(HAND_CELLS, 1, cell));
	txn_set(t, &i->nopen, i->nopen - 1);
	maybe_reap(t, i);
	return txn_commit_quiet(t);
}

int fs_close(struct task *t, uint32_t handle)
{
	int err = handle < handles_used(fs_of(t), t->pool->client) ? drop(t, t->pool->client, handle) : -EBADF;

	hand_settle(t);
	return err;
}

void open_drop_all(struct task *t, uint32_t client)
{
	struct fs *fs = fs_of(t);

	for (uint32_t h = handles_used(fs, client); h-- > 0;) {
		if (load_acquire(handle_at(fs, client, h))) {
			drop(t, client, h);
			hand_settle(t);
		}
	}
	store_relaxed(&client_slot(&fs->pool, client)->handles, 0);
}

uint32_t open_each(const struct fs *fs, uint32_t client, void (*f)(void *arg, fs_ino ino, uint32_t cell), void *arg)
{
	uint32_t n = 0;

	for (uint32_t h = 0; h < handles_used(fs, client); h++) {
		uint32_t cell = load_relaxed(handle_at(fs, client, h));
		const struct open_file *file = cell ? file_at(fs, cell) : NULL;

		n += cell != 0;
		if (cell && f)
			f(arg, file ? load_relaxed(&file->ino) : 0, cell);
	}
	return n;
}
