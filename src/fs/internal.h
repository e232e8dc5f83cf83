/* What the files of fs/ share. */
#pragma once

#include <errno.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/sys.h"
#include "fs/fs.h"
#include "fs/layout.h"

static inline struct fs *fs_of(const struct task *t)
{
	return (struct fs *)(void *)((char *)t->pool - offsetof(struct fs, pool));
}

static inline struct fs_ctl *fs_ctl(const struct fs *fs)
{
	return (struct fs_ctl *)(void *)(fs->pool.base + fs->pool.region[REGION_CONTROL].off);
}

static inline struct inode *inode_at(const struct fs *fs, fs_ino ino)
{
	return slab_unit(&fs->inodes, ino, sizeof(struct inode));
}

static inline fs_ino inode_number(const struct fs *fs, const struct inode *i)
{
	return (fs_ino)(i - (const struct inode *)(const void *)fs->inodes.base); /* a shift: each stat asks */
}

static inline bool is_dir(uint32_t mode)
{
	return S_ISDIR(mode);
}

/* ---- hand.c -------------------------------------------------------------- */

/* Items of the hand (shm/txn.h): tag, count << 40, index. */
#define TAG(n) ((uint64_t)(n) << 60)
enum hand_tag {
	HAND_INODE = 1, /* an inode of nobody: its unit is free after this */
	HAND_CELLS,	/* cells, `count` of them */
	HAND_BLOCKS,	/* blocks, `count` of them */
	HAND_REAP,	/* an inode without links, open files and kernel references */
	HAND_TRIM,	/* an inode whose mapping reaches beyond its end */
	HAND_NODE,	/* a node of a map that hangs on nothing: its height << 32, `count` entries left to free */
	HAND_XATTR,	/* an extended attribute that hangs on nothing */
	HAND_FILE,	/* an open file without references */
};

static inline uint64_t hand_item(enum hand_tag tag, uint64_t count, uint64_t index)
{
	return TAG(tag) | count << 40 | index;
}

/*
 * Frees what the last call left in the hand, and tells the kernel what it has to forget, unless a lock is held: then
 * whoever lets go of it calls again. Every call of fs/ ends with it.
 */
static inline int hand_settle(struct task *t);
int hand_settle_all(struct task *t);
/* The hand alone, down to the first `n` items. */
int hand_settle_to(struct task *t, uint32_t n);
/* Takes the item out of the hand, in the open transaction. False: it was not there. */
bool hand_forget(struct task *t, uint64_t item);
/* The same for one that must be there: the transaction cannot commit otherwise. */
void hand_drop(struct task *t, uint64_t item);

/* The same for an item of one slab, which may be a unit in the task's pocket. */
static inline void hand_drop_unit(struct task *t, const struct slab *s, uint64_t item)
{
	if (item_count(item) != 1 || !pocket_take(t, s, item_index(item)))
		hand_drop(t, item);
}
/* Units that hang on nothing from here on: into the pocket, or into the hand. In the open transaction. */
static inline bool hand_push_unit(struct task *t, const struct slab *s, uint64_t item)
{
	return (item_count(item) == 1 && pocket_put(t, s, item_index(item))) || hand_push(t, item);
}

static inline int hand_settle(struct task *t)
{
	pocket_settle(t);
	return likely(!(t->slot->nhand | t->slot->nstale)) ? 0 : hand_settle_all(t);
}
/* Room for `n` items more? */
static inline bool hand_room(const struct task *t, uint32_t n)
{
	return t->slot->nhand + n <= TASK_HAND;
}

/*
 * Is the inode about to lose its last link such that nothing hangs on it that
 * would have to be freed first, and nobody else refers to it? Then inode_free
 * frees it in the transaction that takes the link away, under both its locks.
 * inode_bare: under them, or to be asked again.
 */
bool inode_bare(const struct inode *i);
void inode_free(struct task *t, struct inode *i);

/* ---- inode.c ------------------------------------------------------------- */

struct fs_time {
	int64_t sec;
	uint32_t nsec;
};
struct fs_time time_now(const struct task *t);
static inline void stale_note(struct task *t, const struct inode *i, unsigned marks);
static inline void set_time(struct task *t, struct inode *i, enum inode_time which, struct fs_time v)
{
	stale_note(t, i, FS_MARK_ATTR); /* whatever changes, a time does too */
	/* Mostly it is that already: the clock ticks each 4 ms. */
	if (unlikely(i->sec[which] != v.sec))
		txn_set(t, &i->sec[which], v.sec);
	if (unlikely(i->nsec[which] != v.nsec))
		txn_set(t, &i->nsec[which], v.nsec);
}
static inline void touch(struct task *t, struct inode *i, struct fs_time now)
{
	set_time(t, i, TIME_CHANGE, now);
}
/* mtime and ctime */
static inline void modify(struct task *t, struct inode *i, struct fs_time now)
{
	set_time(t, i, TIME_MODIFY, now);
	set_time(t, i, TIME_CHANGE, now);
}
/* It was read: atime as relatime does. Failing is no error. */
void inode_accessed(struct task *t, struct inode *i);
/* The same in two steps: is it due by what was changed since the last access? And then, with that answer. */
bool inode_access_due(const struct inode *i);
void inode_accessed_if(struct task *t, struct inode *i, bool due);

/* Locks the meta words of two inodes in order, of one and the same once. */
int lock_two(struct task *t, struct inode *a, struct inode *b) must_check;
/* Locks the meta words of up to 4 inodes in order; 0 stands for none, doubles are locked once. */
int lock_inodes(struct task *t, const fs_ino *inos, int n) must_check;
/* Something refers to the inode: 0, -ESTALE otherwise. Under its lock, or to be validated. */
static inline int inode_alive(const struct inode *i)
{
	if (!load_relaxed(&i->mode))
		return -ESTALE;
	/* With nothing left that refers to it, it is in the hand of somebody who takes it apart. */
	return load_relaxed(&i->nlink) || load_relaxed(&i->nopen) || load_relaxed(&i->kref) ? 0 : -ESTALE;
}
/* And it is the one that is meant. */
static inline int inode_meant(const struct task *t, const struct inode *i)
{
	return unlikely(t->life) && load_relaxed(&i->gen) != t->life ? -ESTALE : inode_alive(i);
}
/* A regular file: 0, -EISDIR, -EINVAL, -ESTALE otherwise; -EUCLEAN where its size cannot be. */
int regular(const struct inode *i);
/* The inode's attributes. Under its lock, or to be validated. */
void fill_attr(const struct fs *fs, const struct inode *i, struct fs_attr *out);
/* Fills *out and, for a task of the daemon, counts a kernel reference. Under the inode's lock. */
void give(struct task *t, struct inode *i, struct fs_attr *out);
/* Takes a fresh inode into the hand. */
int inode_take(struct task *t, fs_ino *ino);
/* Nothing refers to it any more: into the hand to be reaped, in the open transaction. */
void maybe_reap(struct task *t, struct inode *i);

/* Locks the data word of a regular file outside of any transaction, and finishes a trim that was cut short. */
int lock_data(struct task *t, struct inode *i) must_check;
void unlock_data(struct task *t, bool changed);

/* ---- perm.c, acl.c --------------------------------------------------------- */

/* mask of R_OK, W_OK, X_OK. 0, -EACCES. Under the inode's lock, or to be validated. */
int perm_check(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, int mask);
bool cred_in_group(const struct fs_cred *cred, gid_t gid);
static inline bool cred_can(const struct fs_cred *cred, enum fs_cap cap)
{
	return !cred || (cred->caps & cap);
}
/* May `cred` remove or rename `victim` in `dir`? 0, -EACCES, -EPERM. */
int perm_delete(const struct fs *fs, const struct fs_cred *cred, const struct inode *dir, const struct inode *victim);
/* May it make an entry in `dir`? */
int perm_create(const struct fs *fs, const struct fs_cred *cred, const struct inode *dir);
/* The same for a name that may be taken, in Linux's order: -EACCES (no search), -EEXIST, -EACCES (no write). */
int perm_vacant(const struct fs *fs, const struct fs_cred *cred, const struct inode *dir, bool taken);
static inline bool is_owner(const struct fs_cred *cred, const struct inode *i)
{
	return !cred || cred->uid == i->uid || (cred->caps & FS_CAP_FOWNER);
}
/* mode without set-id bits; stranger: who has no right to those of its group */
uint32_t without_setid(uint32_t mode, bool stranger);
/* mode without the set-id bits that a write by `cred` takes away */
uint32_t kill_setid(const struct fs_cred *cred, const struct inode *i, uint32_t mode);

/* An access-control list, as acl(5) orders it. */
#define ACL_MAX 64u
struct acl_entry {
	uint16_t tag;
	uint16_t perm;
	uint32_t id;
};
struct acl {
	uint32_t n;
	struct acl_entry e[ACL_MAX];
};
/* From the value of system.posix_acl_*: 0, -EINVAL, -EOPNOTSUPP, -ENOSPC (more than ACL_MAX entries). */
int acl_decode(const void *value, size_t size, struct acl *out);
/* Are these entries, in this order, a list? None are: nothing set. */
bool acl_valid(const struct acl *a);
/* Both. */
int acl_parse(const void *value, size_t size, struct acl *out);
size_t acl_print(const struct acl *a, void *value);
/* Permission by the list: 0, -EACCES; -EAGAIN: damaged or torn. */
int acl_perm(const struct acl *a, const struct fs_cred *cred, const struct inode *i, int mask);
/* New inode under a default ACL: changes list and mode; true where mode alone says all. */
bool acl_inherit(struct acl *a, uint32_t *mode);
void acl_chmod(struct acl *a, uint32_t mode);
/* The permission bits that the list stands for; true where they say all. */
bool acl_mode(const struct acl *a, uint32_t *mode);

#define ACL_VALUE_MAX (4 + ACL_MAX * 8)
#define CAPABILITY "security.capability"
#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* ---- xattr.c ------------------------------------------------------------- */

/* Reads a short value into `buf`: its size, -ENODATA, -ERANGE. Under the inode's lock, or to be validated. */
int xattr_read(const struct fs *fs, const struct inode *i, const char *name, size_t len, void *buf, size_t size);
/* Takes room for an attribute into the hand and fills it; xattr_link hangs it in the open transaction. */
int xattr_build(struct task *t, const char *name, size_t len, const void *value, size_t size, uint32_t *cell);
void xattr_link(struct task *t, struct inode *i, uint32_t cell);
/* Unlinks the attribute into the hand, in the open transaction. False: there is none. */
bool xattr_unlink(struct task *t, struct inode *i, const char *name, size_t len);
/* A write or a chown takes a file's capabilities (capabilities(7)), in the open transaction. */
static inline void drop_caps(struct task *t, struct inode *i)
{
	if (unlikely(i->flags & INODE_CAPS))
		xattr_unlink(t, i, CAPABILITY, sizeof CAPABILITY - 1);
}
/* Frees the attribute that is the last item of the hand. */
int xattr_reap(struct task *t);
/* Hands the first attribute of an inode that is being reaped over to the hand. */
void xattr_pop(struct task *t, struct inode *i);

/* Something under `i` that a walked path may have relied on is going to be different. In the open transaction. */
static inline void turn_paths(struct task *t, struct inode *i)
{
	if (is_dir(i->mode))
		txn_set(t, &i->room.dir.changes, i->room.dir.changes + 1);
}

/* ---- dir.c --------------------------------------------------------------- */

static inline struct dirent *dirent_at(const struct fs *fs, uint32_t cell)
{
	return slab_unit(&fs->cells, cell, TREE_CELL);
}
/*
 * 0, -EINVAL, -ENAMETOOLONG, -ENOENT (empty). Fills in the name's key, by which
 * everything below knows it; a name that has one is not looked at again.
 */
int name_check(const struct fs *fs, struct fs_name *name);
/* The entry's cell, 0, or -EUCLEAN (torn, if read without the lock). Of a name that was checked, as all that follow. */
int64_t dir_find(const struct fs *fs, const struct inode *dir, struct fs_name name);
/* An entry of directory `ino` with the hash of `key` that leads to `target`. -ENOENT. Without a lock. */
int dir_entry_of(struct task *t, fs_ino ino, uint64_t key, fs_ino target, struct fs_dirent *out);
/* Takes cells for an entry into the hand and fills in name and hash. */
int dirent_take(struct task *t, struct fs_name name, uint32_t *cell, uint64_t *item);
/* Links the taken entry; its item leaves the hand. In the open transaction, under the directory's lock. */
int dirent_link(struct task *t, struct inode *dir, uint32_t cell, uint64_t item, const struct inode *target);
/* Unlinks it into the hand. */
int dirent_unlink(struct task *t, struct inode *dir, uint32_t cell);
/* Points the entry to another inode. */
void dirent_point(struct task *t, struct inode *dir, uint32_t cell, const struct inode *target);

/* ---- map.c ----------------------------------------------------------------- */

static inline uint32_t map_height(uint32_t flags)
{
	return flags >> 8 & 0xff;
}
/* What is mapped at file block `b`: an entry, 0 for a hole, or -EUCLEAN. *run: how many file blocks from `b` on
 * are of the same kind and lie one after the other, at least 1, at most `max`. */
int64_t map_get(const struct fs *fs, const struct inode *i, uint32_t b, uint32_t max, uint32_t *run);
/* Makes the nodes on the way to block `b` (transactions of its own). Under the data lock. */
int map_prepare(struct task *t, struct inode *i, uint32_t b);
/* Maps `n` blocks from `start`, where all were holes and map_prepare was called. In the open transaction. */
int map_link(struct task *t, struct inode *i, uint32_t b, uint32_t start, uint32_t n, uint32_t unwritten);
/* Blocks [b, b + n) were unwritten and are written now. At most MAP_STEP. In the open transaction. */
int map_written(struct task *t, struct inode *i, uint32_t b, uint32_t n);
/* And back: they read as zeros. */
int map_unwritten(struct task *t, struct inode *i, uint32_t b, uint32_t n);
/* Unmaps [from, to) as far as one transaction goes, the blocks into the hand. 1: there may be more. */
int map_cut(struct task *t, struct inode *i, uint32_t from, uint64_t to);
/* Frees what a HAND_NODE item at the hand's end leads to, a part at a time. */
int map_reap(struct task *t);
/* How far from `b` on the mapping of one node reaches: map_link and map_written stay inside. */
uint32_t map_span(const struct inode *i, uint32_t b);
#define MAP_STEP 256u

/* ---- inode.c: attributes in the transaction of another change -------------------- */

struct setattr {
	const struct fs_cred *cred;
	unsigned set; /* enum fs_set, without the size */
	const struct fs_attr *in;
	uint64_t seq;  /* the inode's version that `cell` was built from */
	uint32_t cell; /* a new access ACL, in the hand; 0: none */
};
/* Under the meta lock, before the first change. -EAGAIN: the ACL has to be built anew. */
int setattr_check(struct task *t, const struct inode *i, const struct setattr *s);
/* In the open transaction, after setattr_check(). */
void setattr_apply(struct task *t, struct inode *i, const struct setattr *s);

/* ---- data.c ------------------------------------------------------------------ */

static inline uint64_t block_end(uint64_t off)
{
	return (off / BLOCK_SIZE + 1) * BLOCK_SIZE;
}
/* These under the data lock, and but for data_drop_setid() in no transaction. */
/* Zeroes [from, to) where it lies in one block that is mapped and written. */
int data_zero_in_block(struct task *t, struct inode *i, uint64_t from, uint64_t to);
/* The end is about to move to `to` or beyond: what lies between becomes zeros. */
int data_zero_gap(struct task *t, struct inode *i, uint64_t to);
/* The bytes move from the inode to a block, and its room becomes a map. */
int data_leave_inline(struct task *t, struct inode *i);
/* What a change takes from who lacks CAP_FSETID. In the open transaction, under both locks. */
void data_drop_setid(struct task *t, const struct fs_cred *cred, struct inode *i);
/* Size, times and set-id bits after a change up to `end`. */
int data_written(struct task *t, const struct fs_cred *cred, struct inode *i, uint64_t end);
/* The block that comes after the one before `b`, a good place for `b`; 0: none in particular. */
uint32_t data_hint(const struct fs *fs, const struct inode *i, uint32_t b);

/* ---- range.c ------------------------------------------------------------------ */

/* Drops the mapping beyond the end of an inode with INODE_TRIM. Under the data lock. */
int range_trim(struct task *t, struct inode *i);
/*
 * New size of a regular file. In no transaction. `always`: the times change even if the size does not. `also`: what
 * changes in the same transaction, or NULL; may give setattr_check()'s -EAGAIN then.
 */
int range_resize(struct task *t, const struct fs_cred *cred, struct inode *i, uint64_t size, bool always,
		 const struct setattr *also);

/* ---- stale.c: what the kernel is to be told ------------------------------------ */

/*
 * `i` is going to be different: noted in the task's slot, if the kernel may hold
 * what `marks` says. Under the lock that the change is made under, before it is
 * final: who looks after that sees the change, who has looked before has marked.
 */
static inline void stale_note(struct task *t, const struct inode *i, unsigned marks);
void stale_note_marked(struct task *t, const struct inode *i, unsigned marks);
/* The same for a name that comes, goes or leads elsewhere. `known`: the kernel may hold what it leads to. */
static inline void stale_name(struct task *t, struct inode *dir, struct fs_name name, bool known);
void stale_name_marked(struct task *t, struct inode *dir, struct fs_name name, bool known);
/* The same for an inode that may have lost its last name: the kernel would keep it, and with it its space, for nothing.
 */
void stale_gone(struct task *t, const struct inode *i);
/* Is what a client does to it, or to a name of it, something that somebody waits for? */
bool stale_makes_events(struct task *t, const struct inode *i);
/* Owner, group or set-id bits are going to change: what the kernel refers to it judges by what it knows. */
void stale_owner(struct task *t, const struct inode *i);
/* Tells what is noted. Without locks. */
void stale_tell(struct task *t);
#define MARK_COUNT 0x1000u /* in `marks`: one setting; below it the marks */
/* The kernel may hold the marked things from now on: before they are read for it. */
void mark(struct inode *i, unsigned marks);
/* The kernel holds nothing of the inode any more, nor a name in it. Under its lock. */
void unmark(struct task *t, struct inode *i);
/* May the kernel hold something of this name (whose key is known) that is not so? */
static inline bool name_marked(const struct inode *dir, struct fs_name name);
/* It may from now on. Under the directory's lock. */
void mark_name(struct inode *dir, struct fs_name name);

static inline uint32_t name_bit(struct fs_name name)
{
	return (uint32_t)(name.key >> 20) % 512;
}

static inline bool name_marked(const struct inode *dir, struct fs_name name)
{
	uint32_t bit = name_bit(name);

	return load_relaxed(&dir->room.dir.absent[bit / 64]) >> (bit % 64) & 1;
}

static inline void stale_name(struct task *t, struct inode *dir, struct fs_name name, bool known)
{
	if (unlikely(known || name_marked(dir, name)))
		stale_name_marked(t, dir, name, known);
}

static inline void stale_note(struct task *t, const struct inode *i, unsigned marks)
{
	if (unlikely(load_relaxed(&i->marks) & marks))
		stale_note_marked(t, i, marks);
}
