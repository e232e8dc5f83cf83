/*
 * Inodes: attributes, references, and who holds them.
 *
 * An inode is freed (reaped) when nothing refers to it: no link, no open file
 * of a client (nopen), no reference of the kernel (kref). Whoever takes the
 * last one away puts it into its hand in the same transaction. Freed, its mode
 * is 0; its lock words stay, and go on counting, for the late reader who still
 * has its number.
 */
#include <fcntl.h>

#include "fs/internal.h"
#include "fs/open.h"

struct fs_time time_now(const struct task *t)
{
	struct timespec ts = {0};

	if (t->clock)
		t->clock(CLOCK_REALTIME_COARSE, &ts);
	else
		sys_clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	return (struct fs_time){ts.tv_sec, (uint32_t)ts.tv_nsec};
}

/* In order of their numbers, each once. */
static int sort_unique(const fs_ino *in, int n, fs_ino *out)
{
	int k = 0;

	for (int i = 0; i < n; i++) {
		int at = k;

		while (at > 0 && out[at - 1] > in[i])
			at--;
		if (in[i] == 0 || (at > 0 && out[at - 1] == in[i]))
			continue;
		for (int j = k; j > at; j--)
			out[j] = out[j - 1];
		out[at] = in[i];
		k++;
	}
	return k;
}

int lock_two(struct task *t, struct inode *a, struct inode *b)
{
	int err = txn_lock(t, a < b ? &a->meta : &b->meta);

	return err || a == b ? err : txn_lock(t, a < b ? &b->meta : &a->meta);
}

int lock_inodes(struct task *t, const fs_ino *inos, int n)
{
	fs_ino sorted[4];
	int k = sort_unique(inos, n, sorted);

	for (int j = 0; j < k; j++) {
		struct inode *i = inode_at(fs_of(t), sorted[j]);
		int err = i ? txn_lock(t, &i->meta) : -ESTALE;

		if (err)
			return err;
	}
	return 0;
}

int regular(const struct inode *i)
{
	uint32_t mode = load_acquire(&i->mode);
	uint64_t most = load_relaxed(&i->flags) & INODE_INLINE ? INODE_ROOM : (uint64_t)FS_SIZE_MAX;

	if (S_ISREG(mode))
		return load_relaxed(&i->size) <= most ? 0 : -EUCLEAN;
	return mode == 0 ? -ESTALE : is_dir(mode) ? -EISDIR : -EINVAL;
}

static inline uint64_t attr_size(const struct inode *i)
{
	/* What tmpfs says of a directory: 20 bytes an entry, "." and ".." among them. */
	if (is_dir(load_relaxed(&i->mode)))
		return 20 * (2 + (uint64_t)load_relaxed(&i->room.dir.count));
	return load_relaxed(&i->size);
}

static inline uint64_t attr_blocks(const struct inode *i)
{
	/* Inline bytes count as one block: some programs take a file of no blocks for one without data. */
	uint64_t n = load_relaxed(&i->flags) & INODE_INLINE ? load_relaxed(&i->size) != 0 : load_relaxed(&i->nblocks);

	return S_ISREG(load_relaxed(&i->mode)) ? n * (BLOCK_SIZE / 512) : 0;
}

static inline struct timespec attr_time(const struct inode *i, enum inode_time which)
{
	return (struct timespec){.tv_sec = load_relaxed(&i->sec[which]), .tv_nsec = load_relaxed(&i->nsec[which])};
}

racy_read void fill_attr(const struct fs *fs, const struct inode *i, struct fs_attr *out)
{
	out->ino = inode_number(fs, i);
	out->gen = load_relaxed(&i->gen);
	out->mode = load_relaxed(&i->mode);
	out->nlink = load_relaxed(&i->nlink);
	out->uid = load_relaxed(&i->uid);
	out->gid = load_relaxed(&i->gid);
	out->rdev = load_relaxed(&i->rdev);
	out->size = attr_size(i);
	out->blocks = attr_blocks(i);
	out->atime = attr_time(i, TIME_ACCESS);
	out->mtime = attr_time(i, TIME_MODIFY);
	out->ctime = attr_time(i, TIME_CHANGE);
	out->btime = attr_time(i, TIME_BIRTH);
}

void give(struct task *t, struct inode *i, struct fs_attr *out)
{
	if (t->flags & TASK_KERNEL) {
		txn_set(t, &i->kref, i->kref + 1);
		mark(i, FS_MARK_ATTR);
	}
	if (out)
		fill_attr(fs_of(t), i, out);
}

int inode_take(struct task *t, fs_ino *ino)
{
	return pocket_draw(t, &fs_of(t)->inodes, TAG(HAND_INODE), ino);
}

void maybe_reap(struct task *t, struct inode *i)
{
	if (i->nlink || i->nopen)
		return;
	if (i->kref == 0)
		hand_push(t, hand_item(HAND_REAP, 0, inode_number(fs_of(t), i)));
	else
		stale_gone(t, i);
}

int lock_data(struct task *t, struct inode *i)
{
	int err = lock_acquire(t, &i->data);

	if (!err)
		stale_note(t, i, FS_MARK_ATTR | FS_MARK_DATA);
	if (!err && unlikely(load_relaxed(&i->flags) & INODE_TRIM)) {
		err = range_trim(t, i);
		if (err)
			lock_release(t, LOCK_VERSION);
	}
	return err;
}

void unlock_data(struct task *t, bool changed)
{
	lock_release(t, changed ? LOCK_VERSION : 0);
}

racy_read int fs_getattr(struct task *t, fs_ino ino, struct fs_attr *out)
{
	const struct fs *fs = fs_of(t);
	struct inode *i = inode_at(fs, ino);
	uint64_t seq;
	int err;

	if (!i)
		return -ESTALE;
	if (t->flags & TASK_KERNEL)
		mark(i, FS_MARK_ATTR); /* before the look: whoever changes it afterwards sees the mark */
	do {
		err = seq_begin(t, &i->meta, &seq);
		if (err)
			return err;
		fill_attr(fs, i, out);
	} while (!seq_valid(&i->meta, seq));
	return out->mode ? 0 : -ESTALE;
}

uint32_t fs_mode(struct task *t, fs_ino ino)
{
	const struct inode *i = inode_at(fs_of(t), ino);

	return i ? load_relaxed(&i->mode) : 0;
}

/* Two members of 32 bits in one store: they are copied from there as one word, which would wait for two. */
static inline void set_pair(struct stat *out, size_t at, uint32_t low, uint32_t high)
{
	uint64_t v = low | (uint64_t)high << 32;

	__builtin_memcpy((char *)out + at, &v, sizeof v);
}

_Static_assert(offsetof(struct stat, st_uid) == offsetof(struct stat, st_mode) + 4, "a pair");
_Static_assert(offsetof(struct stat, __pad0) == offsetof(struct stat, st_gid) + 4, "a pair");

racy_read int fs_stat(struct task *t, fs_ino ino, struct stat *out)
{
	struct inode *i = inode_at(fs_of(t), ino);
	uint32_t mode;
	uint64_t seq;
	int err;

	if (!i)
		return -ESTALE;
	/* Each member by itself: zeroing all of it first takes as long as filling it. */
	out->st_dev = 0;
	out->st_ino = ino;
	out->st_blksize = BLOCK_SIZE;
	for (size_t k = 0; k < array_len(out->__glibc_reserved); k++)
		out->__glibc_reserved[k] = 0;
	do {
		err = seq_begin(t, &i->meta, &seq);
		if (err)
			return err;
		mode = load_relaxed(&i->mode);
		set_pair(out, offsetof(struct stat, st_mode), mode, load_relaxed(&i->uid));
		set_pair(out, offsetof(struct stat, st_gid), load_relaxed(&i->gid), 0);
		out->st_nlink = load_relaxed(&i->nlink);
		out->st_rdev = load_relaxed(&i->rdev);
		out->st_size = (off_t)attr_size(i);
		out->st_blocks = (blkcnt_t)attr_blocks(i);
		out->st_atim = attr_time(i, TIME_ACCESS);
		out->st_mtim = attr_time(i, TIME_MODIFY);
		out->st_ctim = attr_time(i, TIME_CHANGE);
	} while (!seq_valid(&i->meta, seq));
	return mode ? 0 : -ESTALE;
}

racy_read int fs_access(struct task *t, const struct fs_cred *cred, fs_ino ino, int mask)
{
	const struct fs *fs = fs_of(t);
	struct inode *i = inode_at(fs, ino);
	uint64_t seq;
	int err;

	if (!i)
		return -ESTALE;
	do {
		err = seq_begin(t, &i->meta, &seq);
		if (err)
			return err;
		err = inode_alive(i);
		if (!err && mask)
			err = perm_check(fs, cred, i, mask);
	} while (!seq_valid(&i->meta, seq));
	return err;
}

#define DAY 86400

static inline bool before(const struct inode *i, enum inode_time a, enum inode_time b)
{
	int64_t sa = load_relaxed(&i->sec[a]), sb = load_relaxed(&i->sec[b]);

	return sa < sb || (sa == sb && load_relaxed(&i->nsec[a]) <= load_relaxed(&i->nsec[b]));
}

#define DAY_READS 64u /* a thread looks at the clock for that at its first read, and at each 64th */

/* As mount(8) describes relatime: not since the last change, or a day ago. */
bool inode_access_due(const struct inode *i)
{
	return before(i, TIME_ACCESS, TIME_MODIFY) || before(i, TIME_ACCESS, TIME_CHANGE);
}

void inode_accessed(struct task *t, struct inode *i)
{
	inode_accessed_if(t, i, inode_access_due(i));
}

void inode_accessed_if(struct task *t, struct inode *i, bool due)
{
	struct fs_time now;

	if (likely(!due) && t->reads++ % DAY_READS)
		return;
	now = time_now(t);
	if (!due && now.sec - load_relaxed(&i->sec[TIME_ACCESS]) < DAY)
		return;
	if (now.sec == load_relaxed(&i->sec[TIME_ACCESS]) && now.nsec == load_relaxed(&i->nsec[TIME_ACCESS]))
		return; /* read and written in the same tick */
	txn_begin(t);
	/* Freed since it was read: who is making the next inode of this number fills it without a lock. */
	if (txn_lock(t, &i->meta) != 0 || inode_alive(i) != 0) {
		txn_abort(t, 0);
		return;
	}
	set_time(t, i, TIME_ACCESS, now);
	if (txn_commit(t) == 0)
		hand_settle(t);
}

racy_read int fs_readlink(struct task *t, fs_ino ino, char *buf, size_t size)
{
	const struct fs *fs = fs_of(t);
	struct inode *i = inode_at(fs, ino);
	uint64_t seq, len;
	int err;

	if (!i)
		return -ESTALE;
	do {
		const void *from = i->room.bytes;

		err = seq_begin(t, &i->meta, &seq);
		if (err)
			return err;
		err = inode_meant(t, i);
		if (!err && !S_ISLNK(load_relaxed(&i->mode)))
			err = -EINVAL;
		len = min_of(load_relaxed(&i->size), min_of(size, FS_SYMLINK_MAX));
		if (!(load_relaxed(&i->flags) & INODE_INLINE))
			from = block_at(&fs->blocks, load_relaxed(&i->room.map[0]), 1);
		else
			len = min_of(len, INODE_ROOM);
		if (!err && !from)
			err = -EUCLEAN;
		if (!err)
			mem_copy(buf, from, len);
	} while (!seq_valid(&i->meta, seq));
	if (err)
		return err;
	inode_accessed(t, i);
	return (int)len;
}

/* ---- Changing attributes ----------------------------------------------------- */

static int may_set_owner(const struct fs_cred *cred, const struct inode *i, unsigned set, const struct fs_attr *in)
{
	if (cred_can(cred, FS_CAP_CHOWN))
		return 0;
	if ((set & FS_SET_UID) && (cred->uid != i->uid || in->uid != i->uid))
		return -EPERM;
	if ((set & FS_SET_GID) && (cred->uid != i->uid || (in->gid != i->gid && !cred_in_group(cred, in->gid))))
		return -EPERM;
	return 0;
}

static int may_set(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, unsigned set,
		   const struct fs_attr *in)
{
	int err = 0;

	if (!cred)
		return 0;
	if (set & (FS_SET_UID | FS_SET_GID))
		err = may_set_owner(cred, i, set, in);
	if (!err && (set & (FS_SET_MODE | FS_SET_ATIME | FS_SET_MTIME)) && !is_owner(cred, i))
		err = -EPERM;
	/* Both times to now: who may write may do that. */
	if (!err && (set & (FS_SET_ATIME_NOW | FS_SET_MTIME_NOW)) && !is_owner(cred, i))
		err = (set & FS_SET_ATIME_NOW) && (set & FS_SET_MTIME_NOW) ? perm_check(fs, cred, i, W_OK) : -EPERM;
	return err;
}

/* Do the set-id bits go? chown takes them, whoever does it; but a mode from a kernel (no cred) has been through that.
 */
static bool loses_setid(const struct fs_cred *cred, unsigned set, uint32_t mode)
{
	if (S_ISREG(mode) && (set & FS_SET_NO_SETID))
		return true;
	return (set & (FS_SET_UID | FS_SET_GID | FS_SET_NOBODY)) && !is_dir(mode) && (cred || !(set & FS_SET_MODE));
}

static uint32_t new_mode(const struct fs_cred *cred, const struct inode *i, unsigned set, const struct fs_attr *in)
{
	bool stranger = cred ? !cred_in_group(cred, i->gid) && !cred_can(cred, FS_CAP_FSETID) : set & FS_SET_STRANGER;
	uint32_t mode = i->mode;

	if (set & FS_SET_MODE) {
		gid_t gid = set & FS_SET_GID ? in->gid : i->gid;

		mode = (mode & S_IFMT) | (in->mode & 07777);
		if (cred && !cred_in_group(cred, gid) && !(cred->caps & FS_CAP_FSETID))
			mode &= ~(uint32_t)S_ISGID;
	}
	return loses_setid(cred, set, mode) ? without_setid(mode, stranger) : mode;
}

/* An access ACL follows the mode: a new one is built before the transaction, see setattr_acl. */
static void set_fields(struct task *t, const struct fs_cred *cred, struct inode *i, unsigned set,
		       const struct fs_attr *in)
{
	struct fs_time now = time_now(t);
	uint32_t mode = new_mode(cred, i, set, in);
	/* Bits that go are no change of their own: of ctime decides what takes them, which may be truncate(2) to the
	 * same size. */
	bool only_takes = !(set & ~(unsigned)(FS_SET_NO_SETID | FS_SET_STRANGER));

	if (mode == i->mode && only_takes)
		return;
	if ((set & (FS_SET_UID | FS_SET_GID)) || ((mode ^ i->mode) & (S_ISUID | S_ISGID)))
		stale_owner(t, i);
	if (mode != i->mode)
		txn_set(t, &i->mode, mode);
	if (set & (FS_SET_MODE | FS_SET_UID | FS_SET_GID))
		turn_paths(t, i);
	if (set & (FS_SET_UID | FS_SET_GID))
		drop_caps(t, i);
	if (set & FS_SET_UID)
		txn_set(t, &i->uid, in->uid);
	if (set & FS_SET_GID)
		txn_set(t, &i->gid, in->gid);
	if (set & FS_SET_ATIME)
		set_time(t, i, TIME_ACCESS, (struct fs_time){in->atime.tv_sec, (uint32_t)in->atime.tv_nsec});
	if (set & FS_SET_MTIME)
		set_time(t, i, TIME_MODIFY, (struct fs_time){in->mtime.tv_sec, (uint32_t)in->mtime.tv_nsec});
	if (set & FS_SET_ATIME_NOW)
		set_time(t, i, TIME_ACCESS, now);
	if (set & FS_SET_MTIME_NOW)
		set_time(t, i, TIME_MODIFY, now);
	if (set & FS_SET_CTIME)
		now = (struct fs_time){in->ctime.tv_sec, (uint32_t)in->ctime.tv_nsec};
	if (!only_takes)
		touch(t, i, now);
}

/*
 * chmod of an inode with an access ACL: the list's own bits change as well. The
 * new list is built from the old one without a lock; if the old one has changed
 * when the lock is held, it is done again.
 */
static int build_acl(struct task *t, struct inode *i, uint32_t mode, uint64_t *seq, uint32_t *cell)
{
	unsigned char value[ACL_VALUE_MAX];
	struct acl acl;
	int n, err;

	*cell = 0;
	do {
		err = seq_begin(t, &i->meta, seq);
		if (err)
			return err;
		n = load_relaxed(&i->flags) & INODE_ACL
			? xattr_read(fs_of(t), i, ACL_ACCESS, sizeof ACL_ACCESS - 1, value, sizeof value)
			: -ENODATA;
	} while (!seq_valid(&i->meta, *seq));
	if (n == -ENODATA)
		return 0;
	err = n < 0 ? n : acl_parse(value, (size_t)n, &acl);
	if (err)
		return err;
	acl_chmod(&acl, mode);
	return xattr_build(t, ACL_ACCESS, sizeof ACL_ACCESS - 1, value, acl_print(&acl, value), cell);
}

int setattr_check(struct task *t, const struct inode *i, const struct setattr *s)
{
	int err = inode_meant(t, i);

	/* To take the bits is a chmod. */
	if (!err && (s->set & FS_SET_NOBODY) && !is_owner(s->cred, i) && new_mode(s->cred, i, s->set, s->in) != i->mode)
		err = -EPERM;
	if ((s->set & FS_SET_MODE) && (load_relaxed(&i->meta) ^ s->seq) / LOCK_VERSION)
		return -EAGAIN;
	return err ? err : may_set(fs_of(t), s->cred, i, s->set, s->in);
}

void setattr_apply(struct task *t, struct inode *i, const struct setattr *s)
{
	if (s->cell) {
		xattr_unlink(t, i, ACL_ACCESS, sizeof ACL_ACCESS - 1);
		xattr_link(t, i, s->cell);
	}
	set_fields(t, s->cred, i, s->set, s->in);
}

static int set_attributes(struct task *t, struct inode *i, const struct setattr *s, struct fs_attr *out)
{
	int err;

	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (!err)
		err = setattr_check(t, i, s);
	if (err)
		return txn_abort(t, err);
	setattr_apply(t, i, s);
	if (out)
		fill_attr(fs_of(t), i, out);
	return txn_commit(t);
}

/* `set` also says whether there is a size. -EAGAIN: the list has changed meanwhile. */
static int setattr_once(struct task *t, struct inode *i, unsigned set, struct setattr *s, struct fs_attr *out)
{
	int err = s->set & FS_SET_MODE ? build_acl(t, i, s->in->mode, &s->seq, &s->cell) : 0;

	if (err)
		return err;
	if (!(set & FS_SET_SIZE))
		return set_attributes(t, i, s, out);
	err = range_resize(t, s->cred, i, s->in->size, set & FS_SET_OPEN, s->set ? s : NULL);
	return err || !out ? err : fs_getattr(t, inode_number(fs_of(t), i), out);
}

/* What it is comes before who may (vfs_truncate); range_resize() looks again. */
static int may_truncate(struct task *t, const struct fs_cred *cred, const struct inode *i)
{
	uint32_t mode = load_relaxed(&i->mode);

	if (mode && !S_ISREG(mode))
		return is_dir(mode) ? -EISDIR : -EINVAL;
	return cred ? fs_access(t, cred, inode_number(fs_of(t), i), W_OK) : 0;
}

int fs_setattr(struct task *t, const struct fs_cred *cred, fs_ino ino, unsigned set, const struct fs_attr *in,
	       struct fs_attr *out)
{
	struct setattr s = {.cred = cred, .set = set & ~(unsigned)(FS_SET_SIZE | FS_SET_OPEN), .in = in};
	struct inode *i = inode_at(fs_of(t), ino);
	int err = i ? 0 : -ESTALE;

	if (!err && (set & FS_SET_SIZE) && !(set & FS_SET_OPEN))
		err = may_truncate(t, cred, i);
	if (err)
		return err;
	if (!s.set && !(set & FS_SET_SIZE))
		return out ? fs_getattr(t, ino, out) : 0;
	if (t->flags & TASK_KERNEL)
		mark(i, FS_MARK_ATTR); /* before the look, as in fs_getattr() */
	do {
		err = setattr_once(t, i, set, &s, out);
		hand_settle(t);
	} while (err == -EAGAIN);
	return err;
}

int fs_hold(struct task *t, fs_ino ino, struct fs_attr *out)
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

void fs_forget(struct task *t, fs_ino ino, uint64_t n)
{
	struct inode *i = inode_at(fs_of(t), ino);
	uint64_t had;

	if (!i)
		return;
	txn_begin(t);
	if (txn_lock(t, &i->meta) || i->mode == 0) {
		txn_abort(t, 0);
		return;
	}
	had = i->kref;
	if (had)
		txn_set(t, &i->kref, had - min_of(had, n));
	if (i->kref == 0)
		unmark(t, i);
	if (had && i->kref == 0) /* and not for one that is in somebody's hand already */
		maybe_reap(t, i);
	if (txn_commit_quiet(t) == 0)
		hand_settle(t);
}

bool fs_is_held(struct task *t, fs_ino ino)
{
	const struct inode *i = inode_at(fs_of(t), ino);

	return i && load_relaxed(&i->kref) != 0;
}

int fs_mark_mapped(struct task *t, fs_ino ino)
{
	struct inode *i = inode_at(fs_of(t), ino);

	if (!i)
		return -ESTALE;
	mark(i, FS_MARK_MAPPED);
	return 0;
}

int fs_mark_sized(struct task *t, fs_ino ino)
{
	struct inode *i = inode_at(fs_of(t), ino);

	if (!i)
		return -ESTALE;
	if (!(load_relaxed(&i->marks) & FS_MARK_SIZED))
		mark(i, FS_MARK_SIZED);
	return 0;
}

int fs_mark_appended(struct task *t, fs_ino ino, unsigned which)
{
	struct inode *i = inode_at(fs_of(t), ino);

	if (!i)
		return -ESTALE;
	if (!(load_relaxed(&i->marks) & which))
		mark(i, which);
	return 0;
}

int fs_mark_run(struct task *t, fs_ino ino)
{
	struct inode *i = inode_at(fs_of(t), ino);

	if (!i)
		return -ESTALE;
	mark(i, FS_MARK_RUN); /* before the look: who opens it after that sees the mark */
	return unlikely(load_relaxed(&i->nopen)) && open_has_writer(t, ino) ? -ETXTBSY : 0;
}

void fs_unmark_appended(struct task *t, fs_ino ino)
{
	struct inode *i = inode_at(fs_of(t), ino);

	if (i)
		fetch_and(&i->marks, ~(uint32_t)FS_MARK_APPENDED);
}

int fs_watch(struct task *t, fs_ino ino)
{
	struct inode *i = inode_at(fs_of(t), ino), *child;
	struct fs_dirent d[4];
	uint64_t cookie = 0;
	int n = 0;

	if (!i)
		return -ESTALE;
	mark(i, FS_MARK_WATCHED); /* first: what gets a name in it from now on is marked by that */
	while (is_dir(load_relaxed(&i->mode)) && (n = fs_readdir(t, ino, cookie, d, array_len(d))) > 0) {
		for (int k = 0; k < n; k++) {
			child = d[k].name[0] == '.' && d[k].len <= 2 ? NULL : inode_at(fs_of(t), d[k].ino);
			cookie = d[k].cookie;
			if (child && !is_dir(d[k].mode))
				mark(child, FS_MARK_WATCHED);
		}
	}
	return min_of(n, 0);
}

unsigned fs_kernel_marks(struct task *t, fs_ino ino)
{
	const struct inode *i = inode_at(fs_of(t), ino);

	return i ? load_relaxed(&i->marks) & (FS_MARK_MAPPED | FS_MARK_SIZED | FS_MARK_WATCHED | FS_MARK_APPENDED |
					      FS_MARK_APPENDER | FS_MARK_RUN)
		 : 0;
}

bool fs_is_watched(struct task *t, fs_ino dir, fs_ino ino)
{
	struct inode *i = inode_at(fs_of(t), ino), *in = dir ? inode_at(fs_of(t), dir) : NULL;

	if (in && (load_relaxed(&in->marks) & FS_MARK_WATCHED))
		return true;
	if (!i || likely(!(load_relaxed(&i->marks) & FS_MARK_WATCHED)))
		return false;
	if (is_dir(load_relaxed(&i->mode)) || !in || load_relaxed(&i->nlink) > 1 || load_relaxed(&i->kref))
		return true;
	/* The kernel does not know it, and its one name is where nobody watches. */
	fetch_and(&i->marks, ~(uint32_t)FS_MARK_WATCHED);
	return false;
}

int fs_mark_data(struct task *t, fs_ino ino)
{
	struct inode *i = inode_at(fs_of(t), ino);

	if (!i)
		return -ESTALE;
	mark(i, FS_MARK_DATA);
	return 0;
}
