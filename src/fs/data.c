/*
 * The bytes of regular files.
 *
 * A writer holds the data lock from the first to the last byte, and the meta
 * lock for the moments in which size, mapping and times change. Readers hold
 * nothing: they copy under the data word's version and copy again if it moved.
 *
 * Up to 128 bytes lie in the inode. Beyond the end, the bytes of the last block
 * are whatever they are: who moves the end across them zeroes them first. So
 * an append touches nothing but what it writes.
 *
 * The caller's buffer may not be there: copies from and to it are user_copy's,
 * and a write step that meets a bad pointer is not done.
 */
#include "base/user.h"
#include "fs/internal.h"

#define STEP_BYTES (1u << 20) /* a write takes effect in steps of this size */
#define READ_TRIES 3	      /* then a reader waits for its turn */

/* ---- Reading ------------------------------------------------------------------ */

static racy_read int64_t read_mapped(const struct fs *fs, const struct inode *i, char *buf, uint64_t len, uint64_t off)
{
	for (uint64_t done = 0; done < len;) {
		uint64_t at = off + done, in = at % BLOCK_SIZE, n, left;
		uint32_t run = 1;
		int64_t e =
		    map_get(fs, i, (uint32_t)(at / BLOCK_SIZE), (uint32_t)div_up(len - done + in, BLOCK_SIZE), &run);

		if (e < 0)
			return e;
		n = min_of((uint64_t)run * BLOCK_SIZE - in, len - done);
		if (e == 0 || (e & MAP_UNWRITTEN))
			left = user_zero(buf + done, n);
		else
			left = user_copy(buf + done, (char *)block_at(&fs->blocks, (uint32_t)e, run) + in, n);
		done += n - left;
		if (unlikely(left))
			return done ? (int64_t)done : -EFAULT;
	}
	return (int64_t)len;
}

static racy_read int64_t read_once(const struct fs *fs, const struct inode *i, char *buf, uint64_t len, uint64_t off)
{
	uint64_t size = load_relaxed(&i->size);
	int err = regular(i);

	if (err)
		return err;
	if (off >= size || len == 0)
		return 0;
	len = min_of(len, size - off);
	if (!(load_relaxed(&i->flags) & INODE_INLINE))
		return size > (uint64_t)FS_SIZE_MAX ? -EUCLEAN : read_mapped(fs, i, buf, len, off);
	if (size > INODE_ROOM)
		return -EUCLEAN;
	return user_copy(buf, i->room.bytes + off, len) ? -EFAULT : (int64_t)len;
}

int64_t fs_read(struct task *t, fs_ino ino, void *buf, size_t len, int64_t off, unsigned flags)
{
	const struct fs *fs = fs_of(t);
	struct inode *i = inode_at(fs, ino);
	int64_t n = 0;
	uint64_t seq = 0;
	int err, tries = 0;

	if (!i || off < 0)
		return i ? -EINVAL : -ESTALE;
	do {
		err = tries++ < READ_TRIES ? seq_begin(t, &i->data, &seq) : lock_acquire(t, &i->data);
		if (err)
			return err;
		n = read_once(fs, i, buf, len, (uint64_t)off);
	} while (tries <= READ_TRIES && !seq_valid(&i->data, seq));
	if (tries > READ_TRIES)
		lock_release(t, 0);
	if (n >= 0 && !(flags & FS_IO_NOATIME))
		inode_accessed(t, i);
	return n;
}

/* ---- Writing --------------------------------------------------------------------- */

/*
 * Before the lock is taken, as in the kernel: a page that has to be fetched takes its time, and who fetches it (a file
 * system, a handler of userfaultfd) may want this very file.
 */
static void fault_in(const char *buf, size_t len)
{
	if (!len || user_byte(buf + len - 1) < 0)
		return;
	for (size_t at = 0; at < len && user_byte(buf + at) >= 0; at += BLOCK_SIZE)
		;
}

int data_zero_in_block(struct task *t, struct inode *i, uint64_t from, uint64_t to)
{
	const struct fs *fs = fs_of(t);
	uint32_t run;
	int64_t e;

	if (from >= to)
		return 0;
	e = map_get(fs, i, (uint32_t)(from / BLOCK_SIZE), 1, &run);
	if (e > 0 && !(e & MAP_UNWRITTEN))
		mem_zero((char *)block_at(&fs->blocks, (uint32_t)e, 1) + from % BLOCK_SIZE, to - from);
	return e < 0 ? (int)e : 0;
}

int data_zero_gap(struct task *t, struct inode *i, uint64_t to)
{
	uint64_t size = i->size;

	if (to <= size)
		return 0;
	if (i->flags & INODE_INLINE) {
		mem_zero(i->room.bytes + size, min_of(to, INODE_ROOM) - size);
		return 0;
	}
	return size % BLOCK_SIZE ? data_zero_in_block(t, i, size, min_of(to, block_end(size))) : 0;
}

void data_drop_setid(struct task *t, const struct fs_cred *cred, struct inode *i)
{
	uint32_t mode = kill_setid(cred, i, i->mode);

	if (mode != i->mode)
		txn_set(t, &i->mode, mode);
	drop_caps(t, i);
}

/* Size, times and set-id bits after a write that ended at `end`. In the open transaction, under both locks. */
static void written(struct task *t, const struct fs_cred *cred, struct inode *i, uint64_t end)
{
	if (end > i->size)
		txn_set(t, &i->size, end);
	data_drop_setid(t, cred, i);
	modify(t, i, time_now(t));
}

static bool is_time(const struct inode *i, enum inode_time which, struct fs_time v)
{
	return load_relaxed(&i->sec[which]) == v.sec && load_relaxed(&i->nsec[which]) == v.nsec;
}

/*
 * Would written() change anything? The clock ticks every few milliseconds:
 * mostly it would not. Without the meta lock, as if just before who changes
 * these things.
 */
static bool needs_written(struct task *t, const struct fs_cred *cred, const struct inode *i, uint64_t end)
{
	struct fs_time now = time_now(t);
	uint32_t mode = load_relaxed(&i->mode);

	return end > i->size || !is_time(i, TIME_MODIFY, now) || !is_time(i, TIME_CHANGE, now) ||
	       kill_setid(cred, i, mode) != mode || (load_relaxed(&i->flags) & INODE_CAPS);
}

int data_written(struct task *t, const struct fs_cred *cred, struct inode *i, uint64_t end)
{
	int err;

	if (!needs_written(t, cred, i, end))
		return 0;
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (err)
		return txn_abort(t, err);
	written(t, cred, i, end);
	return txn_commit(t);
}

int data_leave_inline(struct task *t, struct inode *i)
{
	const struct fs *fs = fs_of(t);
	uint32_t block = 0, len;
	int err = i->size ? blocks_take(t, &fs->blocks, 1, 0, TAG(HAND_BLOCKS), &block, &len) : 0;

	if (err)
		return err;
	if (block)
		mem_copy(block_at(&fs->blocks, block, 1), i->room.bytes, INODE_ROOM);
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (err)
		return txn_abort(t, err);
	for (unsigned k = 0; k < INODE_ROOM / 8; k++)
		if (i->room.words[k])
			txn_set(t, &i->room.words[k], 0);
	txn_set(t, &i->flags, i->flags & 0xffu & ~(uint32_t)INODE_INLINE);
	if (block) {
		txn_set(t, &i->room.map[0], block);
		txn_set(t, &i->nblocks, 1);
		hand_drop(t, hand_item(HAND_BLOCKS, 1, block));
	}
	return txn_commit(t);
}

/* One write step: as many of `len` bytes at `off` as are mapped alike. */
struct step_args {
	struct task *t;
	const struct fs_cred *cred;
	struct inode *i;
	const char *buf;
	uint64_t len, off;
};

static int64_t write_inline(const struct step_args *a)
{
	int err;

	if (user_copy(a->i->room.bytes + a->off, a->buf, a->len))
		return -EFAULT;
	err = data_written(a->t, a->cred, a->i, a->off + a->len);
	return err ? err : (int64_t)a->len;
}

static int64_t overwrite(const struct step_args *a, uint32_t block, uint32_t run)
{
	uint64_t in = a->off % BLOCK_SIZE, n = min_of(a->len, (uint64_t)run * BLOCK_SIZE - in);
	int err;

	if (user_copy((char *)block_at(&fs_of(a->t)->blocks, block, run) + in, a->buf, n))
		return -EFAULT;
	err = data_written(a->t, a->cred, a->i, a->off + n);
	return err ? err : (int64_t)n;
}

/* Fills blocks that held nothing of the file: what the write does not cover, but the file will, is zeros. */
static int64_t fill_blocks(const struct step_args *a, uint32_t block, uint32_t n)
{
	uint64_t in = a->off % BLOCK_SIZE, bytes = min_of(a->len, (uint64_t)n * BLOCK_SIZE - in);
	uint64_t tail = (in + bytes) % BLOCK_SIZE;
	char *to = block_at(&fs_of(a->t)->blocks, block, n);

	mem_zero(to, in);
	if (user_copy(to + in, a->buf, bytes))
		return -EFAULT;
	if (tail && a->off + bytes < a->i->size)
		mem_zero(to + in + bytes, BLOCK_SIZE - tail);
	return (int64_t)bytes;
}

uint32_t data_hint(const struct fs *fs, const struct inode *i, uint32_t b)
{
	uint32_t run;
	int64_t e = b ? map_get(fs, i, b - 1, 1, &run) : 0;

	return e > 0 ? ((uint32_t)e & ~MAP_UNWRITTEN) + 1 : 0;
}

static int64_t write_hole(const struct step_args *a, uint32_t b, uint32_t run)
{
	struct task *t = a->t;
	const struct fs *fs = fs_of(t);
	uint32_t start, n;
	int64_t bytes;
	int err = map_prepare(t, a->i, b);

	if (!err)
		err = blocks_take(t, &fs->blocks, min_of(run, map_span(a->i, b)), data_hint(fs, a->i, b),
				  TAG(HAND_BLOCKS), &start, &n);
	if (err)
		return err;
	bytes = fill_blocks(a, start, n);
	if (bytes < 0)
		return bytes;
	txn_begin(t);
	err = txn_lock(t, &a->i->meta);
	if (!err)
		err = map_link(t, a->i, b, start, n, 0);
	if (err)
		return txn_abort(t, err);
	hand_drop(t, hand_item(HAND_BLOCKS, n, start));
	written(t, a->cred, a->i, a->off + (uint64_t)bytes);
	err = txn_commit(t);
	return err ? err : bytes;
}

static int64_t write_unwritten(const struct step_args *a, uint32_t b, uint32_t block, uint32_t run)
{
	struct task *t = a->t;
	uint32_t n = min_of(run, MAP_STEP);
	int64_t bytes = fill_blocks(a, block, n);
	int err;

	if (bytes < 0)
		return bytes;
	txn_begin(t);
	err = txn_lock(t, &a->i->meta);
	if (!err)
		err = map_written(t, a->i, b, (uint32_t)div_up(a->off % BLOCK_SIZE + (uint64_t)bytes, BLOCK_SIZE));
	if (err)
		return txn_abort(t, err);
	written(t, a->cred, a->i, a->off + (uint64_t)bytes);
	err = txn_commit(t);
	return err ? err : bytes;
}

static int64_t write_step(const struct step_args *a)
{
	struct inode *i = a->i;
	uint32_t b = (uint32_t)(a->off / BLOCK_SIZE), run = 1;
	uint32_t want = (uint32_t)div_up(a->off % BLOCK_SIZE + a->len, BLOCK_SIZE);
	int64_t e;
	int err;

	if (!S_ISREG(load_relaxed(&i->mode)))
		return -EUCLEAN;
	if ((i->flags & INODE_INLINE) && a->off + a->len > INODE_ROOM) {
		err = data_leave_inline(a->t, i);
		if (err)
			return err;
	}
	err = data_zero_gap(a->t, i, a->off);
	if (err)
		return err;
	if (i->flags & INODE_INLINE)
		return write_inline(a);
	e = map_get(fs_of(a->t), i, b, want, &run);
	if (e < 0)
		return e;
	if (e == 0)
		return write_hole(a, b, run);
	return e & MAP_UNWRITTEN ? write_unwritten(a, b, (uint32_t)e & ~MAP_UNWRITTEN, run)
				 : overwrite(a, (uint32_t)e, run);
}

/* Under the data lock: all of it, or as much as there is room for. */
static int64_t write_all(struct step_args a)
{
	uint64_t done = 0, len = a.len, off = a.off;
	const char *buf = a.buf;

	while (done < len) {
		int64_t n;

		a.buf = buf + done;
		a.off = off + done;
		a.len = min_of(len - done, STEP_BYTES);
		n = write_step(&a);
		if (n < 0)
			return done ? (int64_t)done : n;
		done += (uint64_t)n;
	}
	return (int64_t)done;
}

static int64_t write_locked(struct step_args *a, unsigned flags)
{
	int err = regular(a->i);

	if (err)
		return err;
	if (flags & FS_IO_APPEND)
		a->off = a->i->size;
	if (a->off >= (uint64_t)FS_SIZE_MAX)
		return -EFBIG;
	a->len = min_of(a->len, (uint64_t)FS_SIZE_MAX - a->off);
	return write_all(*a);
}

int64_t fs_write(struct task *t, const struct fs_cred *cred, fs_ino ino, const void *buf, size_t len, int64_t off,
		 unsigned flags, int64_t *end)
{
	struct inode *i = inode_at(fs_of(t), ino);
	struct step_args a = {t, cred, i, buf, len, (uint64_t)off};
	int64_t n;
	int err;

	if (!i || off < 0)
		return i ? -EINVAL : -ESTALE;
	fault_in(buf, len);
	err = lock_data(t, i);
	if (err)
		return err;
	n = len ? write_locked(&a, flags) : regular(i);
	unlock_data(t, len > 0); /* one that failed may have changed the mapping, too */
	hand_settle(t);
	if (end)
		*end = (int64_t)a.off + max_of(n, 0);
	return n;
}

/* ---- Several buffers as one ---------------------------------------------------------- */

static racy_read int64_t readv_once(const struct fs *fs, const struct inode *i, const struct iovec *v, uint32_t n,
				    uint64_t off)
{
	int64_t done = 0;

	for (uint32_t k = 0; k < n; k++) {
		int64_t got = read_once(fs, i, v[k].iov_base, v[k].iov_len, off + (uint64_t)done);

		if (got < 0)
			return done ? done : got;
		done += got;
		if ((size_t)got < v[k].iov_len)
			break;
	}
	return n ? done : regular(i);
}

int64_t fs_readv(struct task *t, fs_ino ino, const struct iovec *v, uint32_t n, int64_t off, unsigned flags)
{
	const struct fs *fs = fs_of(t);
	struct inode *i = inode_at(fs, ino);
	int64_t done = 0;
	uint64_t seq = 0;
	int err, tries = 0;

	if (!i || off < 0)
		return i ? -EINVAL : -ESTALE;
	do {
		err = tries++ < READ_TRIES ? seq_begin(t, &i->data, &seq) : lock_acquire(t, &i->data);
		if (err)
			return err;
		done = readv_once(fs, i, v, n, (uint64_t)off);
	} while (tries <= READ_TRIES && !seq_valid(&i->data, seq));
	if (tries > READ_TRIES)
		lock_release(t, 0);
	if (done >= 0 && !(flags & FS_IO_NOATIME))
		inode_accessed(t, i);
	return done;
}

/* Under the data lock. a->off is left where the first byte went. */
static int64_t writev_locked(struct step_args *a, const struct iovec *v, uint32_t n, unsigned flags)
{
	int64_t done = 0;
	uint64_t first = 0;
	int err = regular(a->i);

	if (err)
		return err;
	for (uint32_t k = 0; k < n; k++) {
		int64_t put;

		a->buf = v[k].iov_base;
		a->len = v[k].iov_len;
		if (!a->len)
			continue;
		put = write_locked(a, done ? 0 : flags);
		if (!done)
			first = a->off;
		if (put < 0) {
			done = done ? done : put;
			break;
		}
		done += put;
		if ((size_t)put < v[k].iov_len)
			break;
		a->off = first + (uint64_t)done;
	}
	a->off = done ? first : a->off;
	return done;
}

int64_t fs_writev(struct task *t, const struct fs_cred *cred, fs_ino ino, const struct iovec *v, uint32_t n,
		  int64_t off, unsigned flags, int64_t *end)
{
	struct inode *i = inode_at(fs_of(t), ino);
	struct step_args a = {t, cred, i, NULL, 0, (uint64_t)off};
	int64_t done;
	int err;

	if (!i || off < 0)
		return i ? -EINVAL : -ESTALE;
	for (uint32_t k = 0; k < n; k++)
		fault_in(v[k].iov_base, v[k].iov_len);
	err = lock_data(t, i);
	if (err)
		return err;
	done = writev_locked(&a, v, n, flags);
	unlock_data(t, true);
	hand_settle(t);
	if (end)
		*end = (int64_t)a.off + max_of(done, 0);
	return done;
}
