/*
 * Ranges of a regular file: its end, room, holes, where its data lies, copies.
 *
 * What changes the mapping holds the data lock, as a write does, and goes in
 * steps that the log has room for: who is killed between two of them leaves a
 * file with less room than wanted, or fewer holes. Only the end moves at once:
 * what lies behind it is trimmed after that, and whoever buries the dead finds
 * it in the hand (INODE_TRIM).
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "fs/internal.h"

/* ---- Changing the size ------------------------------------------------------------ */

int range_trim(struct task *t, struct inode *i)
{
	uint32_t base = t->slot->nhand;
	int more = 1;

	while (more > 0) {
		int err;

		txn_begin(t);
		err = txn_lock(t, &i->meta);
		if (!err && !(i->flags & INODE_TRIM))
			return txn_abort(t, 0); /* by now it is another inode of the same number */
		more = err ? err : map_cut(t, i, (uint32_t)div_up(i->size, BLOCK_SIZE), UINT64_MAX);
		if (more < 0)
			return txn_abort(t, more);
		if (more == 0) {
			bool empty = i->size == 0 && i->nblocks == 0 && map_height(i->flags) == 0;

			txn_set(t, &i->flags, (i->flags & ~(uint32_t)INODE_TRIM) | (empty ? INODE_INLINE : 0));
			if (hand_forget(t, hand_item(HAND_TRIM, 0, inode_number(fs_of(t), i))))
				base = base ? base - 1 : 0;
		}
		err = txn_commit(t);
		if (err)
			return err;
		hand_settle_to(t, base);
	}
	return 0;
}

/* Under the data lock. */
static int resize_locked(struct task *t, const struct fs_cred *cred, struct inode *i, uint64_t size, bool always,
			 const struct setattr *also)
{
	bool trim;
	int err = t->life && i->gen != t->life ? -ESTALE : regular(i);

	if (!err && size > (uint64_t)FS_SIZE_MAX)
		err = -EFBIG;
	if (!err && (i->flags & INODE_INLINE) && size > INODE_ROOM)
		err = data_leave_inline(t, i);
	if (!err)
		err = data_zero_gap(t, i, size);
	if (err)
		return err;
	trim = size <= i->size && !(i->flags & INODE_INLINE);
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (!err && also)
		err = setattr_check(t, i, also);
	if (err)
		return txn_abort(t, err);
	data_drop_setid(t, cred, i);
	if (size != i->size || always)
		modify(t, i, time_now(t));
	txn_set(t, &i->size, size);
	if (also)
		setattr_apply(t, i, also);
	if (trim) {
		txn_set(t, &i->flags, i->flags | INODE_TRIM);
		hand_push(t, hand_item(HAND_TRIM, 0, inode_number(fs_of(t), i)));
	}
	err = txn_commit(t);
	return err || !trim ? err : range_trim(t, i);
}

int range_resize(struct task *t, const struct fs_cred *cred, struct inode *i, uint64_t size, bool always,
		 const struct setattr *also)
{
	int err = lock_data(t, i);

	if (err)
		return err;
	err = resize_locked(t, cred, i, size, always, also);
	unlock_data(t, true);
	hand_settle(t);
	return err;
}

/* ---- Ranges ------------------------------------------------------------------------ */

static uint32_t first_whole(uint64_t off)
{
	return (uint32_t)div_up(off, BLOCK_SIZE);
}

/* [off, end) reads as zeros afterwards, its whole blocks become holes. */
static int punch(struct task *t, struct inode *i, uint64_t off, uint64_t end)
{
	uint32_t base = t->slot->nhand;
	int err, more = 1;

	if (i->flags & INODE_INLINE) {
		end = min_of(end, i->size);
		if (off < end)
			mem_zero(i->room.bytes + off, end - off);
		return 0;
	}
	err = off % BLOCK_SIZE ? data_zero_in_block(t, i, off, min_of(end, block_end(off))) : 0;
	if (!err && end % BLOCK_SIZE && (off / BLOCK_SIZE != end / BLOCK_SIZE || off % BLOCK_SIZE == 0))
		err = data_zero_in_block(t, i, end / BLOCK_SIZE * BLOCK_SIZE, end);
	while (!err && more > 0 && first_whole(off) < end / BLOCK_SIZE) {
		txn_begin(t);
		err = txn_lock(t, &i->meta);
		more = err ? err : map_cut(t, i, first_whole(off), end / BLOCK_SIZE);
		if (more < 0)
			return txn_abort(t, more);
		err = txn_commit(t);
		hand_settle_to(t, base);
	}
	return err;
}

/* Blocks that [b, to) lacks. */
static int64_t count_holes(const struct fs *fs, const struct inode *i, uint64_t b, uint64_t to)
{
	int64_t n = 0;

	while (b < to) {
		uint32_t run = 1;
		int64_t e = map_get(fs, i, (uint32_t)b, (uint32_t)(to - b), &run);

		if (e < 0)
			return e;
		n += e ? 0 : run;
		b += run;
	}
	return n;
}

static int fill_hole(struct task *t, struct inode *i, uint32_t b, uint32_t run)
{
	const struct fs *fs = fs_of(t);
	uint32_t start, n;
	int err = map_prepare(t, i, b);

	if (!err)
		err = blocks_take(t, &fs->blocks, min_of(run, map_span(i, b)), data_hint(fs, i, b), TAG(HAND_BLOCKS),
				  &start, &n);
	if (err)
		return err;
	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (!err)
		err = map_link(t, i, b, start, n, MAP_UNWRITTEN);
	if (err)
		return txn_abort(t, err);
	hand_drop(t, hand_item(HAND_BLOCKS, n, start));
	return txn_commit(t);
}

/* Every block of [off, end) belongs to the file afterwards. */
static int fill_range(struct task *t, struct inode *i, uint64_t off, uint64_t end)
{
	const struct fs *fs = fs_of(t);
	uint64_t b = off / BLOCK_SIZE, to = div_up(end, BLOCK_SIZE);
	int64_t holes;
	int err = 0;

	if (i->flags & INODE_INLINE)
		err = end > INODE_ROOM ? data_leave_inline(t, i) : 0;
	if (err || (i->flags & INODE_INLINE))
		return err;
	/* What cannot be had is not begun. */
	holes = count_holes(fs, i, b, to);
	if (holes < 0 || (uint64_t)holes > fs->blocks.nblocks - blocks_used(&fs->blocks))
		return holes < 0 ? (int)holes : -ENOSPC;
	while (!err && holes && b < to) {
		uint32_t run = 1;
		int64_t e = map_get(fs, i, (uint32_t)b, (uint32_t)(to - b), &run);

		if (e < 0)
			return (int)e;
		if (e == 0)
			err = fill_hole(t, i, (uint32_t)b, run);
		else
			b += run;
	}
	return err;
}

/* Marks the blocks [b, to), all mapped, as not written, in pieces that the log has room for. */
static int unwrite(struct task *t, struct inode *i, uint32_t b, uint32_t to)
{
	int err = 0;

	while (!err && b < to) {
		uint32_t run = 1, n = min_of(min_of(to - b, map_span(i, b)), MAP_STEP);
		int64_t e = map_get(fs_of(t), i, b, n, &run);

		if (e <= 0)
			return e < 0 ? (int)e : -EUCLEAN;
		txn_begin(t);
		err = txn_lock(t, &i->meta);
		if (!err)
			err = map_unwritten(t, i, b, run);
		err = err ? txn_abort(t, err) : txn_commit(t);
		b += run;
	}
	return err;
}

/* Room first, then zeros: what runs out of space has changed no byte. */
static int zero_range(struct task *t, struct inode *i, uint64_t off, uint64_t end)
{
	int err = fill_range(t, i, off, end);

	if (err || (i->flags & INODE_INLINE))
		return err ? err : punch(t, i, off, end);
	if (off % BLOCK_SIZE)
		err = data_zero_in_block(t, i, off, min_of(end, block_end(off)));
	if (!err && end % BLOCK_SIZE && (off / BLOCK_SIZE != end / BLOCK_SIZE || off % BLOCK_SIZE == 0))
		err = data_zero_in_block(t, i, end / BLOCK_SIZE * BLOCK_SIZE, end);
	return err ? err : unwrite(t, i, first_whole(off), (uint32_t)(end / BLOCK_SIZE));
}

static int range_locked(struct task *t, const struct fs_cred *cred, struct inode *i, int mode, uint64_t off,
			uint64_t end)
{
	int err = regular(i);
	uint64_t size = mode & FALLOC_FL_KEEP_SIZE ? i->size : max_of(end, i->size);

	if (err)
		return err == -EINVAL ? -ENODEV : err;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		err = punch(t, i, off, end);
	else if (mode & FALLOC_FL_ZERO_RANGE)
		err = zero_range(t, i, off, end);
	else
		err = fill_range(t, i, off, end);
	if (!err)
		err = data_zero_gap(t, i, size);
	return err ? err : data_written(t, cred, i, size);
}

int fs_fallocate(struct task *t, const struct fs_cred *cred, fs_ino ino, int mode, int64_t off, int64_t len)
{
	struct inode *i = inode_at(fs_of(t), ino);
	int err;

	if (!i)
		return -ESTALE;
	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE && mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) &&
	    mode != FALLOC_FL_ZERO_RANGE && mode != (FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (off > FS_SIZE_MAX || len > FS_SIZE_MAX - off)
		return -EFBIG;
	err = lock_data(t, i);
	if (err)
		return err;
	err = range_locked(t, cred, i, mode, (uint64_t)off, (uint64_t)(off + len));
	unlock_data(t, true);
	hand_settle(t);
	return err;
}

static racy_read int64_t seek_once(const struct fs *fs, const struct inode *i, uint64_t off, bool data)
{
	uint64_t size = load_relaxed(&i->size), at = off;
	int err = regular(i);

	if (err || off >= size)
		return err ? err : -ENXIO;
	if (load_relaxed(&i->flags) & INODE_INLINE)
		return (int64_t)(data ? off : size);
	while (at < size) {
		uint32_t run = 1;
		int64_t e = map_get(fs, i, (uint32_t)(at / BLOCK_SIZE),
				    (uint32_t)div_up(size - at / BLOCK_SIZE * BLOCK_SIZE, BLOCK_SIZE), &run);

		if (e < 0)
			return e;
		if ((e > 0 && !(e & MAP_UNWRITTEN)) == data)
			return (int64_t)at;
		at = (at / BLOCK_SIZE + run) * BLOCK_SIZE;
	}
	return data ? -ENXIO : (int64_t)size;
}

racy_read int64_t fs_seek(struct task *t, fs_ino ino, int64_t off, int whence)
{
	struct inode *i = inode_at(fs_of(t), ino);
	uint64_t seq;
	int64_t at;
	int err;

	if (!i)
		return -ESTALE;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	if (off < 0)
		return -ENXIO;
	do {
		err = seq_begin(t, &i->data, &seq);
		if (err)
			return err;
		at = seek_once(fs_of(t), i, (uint64_t)off, whence == SEEK_DATA);
	} while (!seq_valid(&i->data, seq));
	return at;
}

/* How much there is to copy, in Linux's order of checks (generic_copy_file_checks). */
static int64_t copy_room(const struct inode *in, uint64_t in_off, const struct inode *out, uint64_t out_off,
			 uint64_t len)
{
	uint64_t size = load_relaxed(&in->size);
	int err = regular(in);

	if (!err)
		err = regular(out);
	if (err)
		return err;
	len = in_off >= size ? 0 : min_of(len, size - in_off);
	if (out_off >= (uint64_t)FS_SIZE_MAX)
		return -EFBIG;
	len = min_of(len, (uint64_t)FS_SIZE_MAX - out_off);
	if (in == out && in_off < out_off + len && out_off < in_off + len)
		return -EINVAL;
	return (int64_t)len;
}

int64_t fs_copy_range(struct task *t, const struct fs_cred *cred, fs_ino in, int64_t in_off, fs_ino out,
		      int64_t out_off, uint64_t len)
{
	struct inode *from = inode_at(fs_of(t), in), *to = inode_at(fs_of(t), out);
	char piece[BLOCK_SIZE];
	int64_t n = 0, done = 0, room;
	bool due;

	if (!from || !to)
		return -ESTALE;
	if (in_off < 0 || out_off < 0 || len > INT64_MAX)
		return -EINVAL;
	room = copy_room(from, (uint64_t)in_off, to, (uint64_t)out_off, len);
	due = inode_access_due(from); /* within one file, what is written may have it look as if it were not */
	while (done < room) {
		/* To the next block boundary of the target: then every piece is one block there. */
		uint64_t want = min_of((uint64_t)(room - done), BLOCK_SIZE - (uint64_t)(out_off + done) % BLOCK_SIZE);

		n = fs_read(t, in, piece, want, in_off + done, FS_IO_NOATIME);
		if (n > 0)
			n = fs_write(t, cred, out, piece, (size_t)n, out_off + done, 0, NULL);
		if (n <= 0)
			break;
		done += n;
	}
	if (done) /* last, as in Linux: within one file it is later than mtime */
		inode_accessed_if(t, from, due || inode_access_due(from));
	return room < 0 ? room : done ? done : n;
}
