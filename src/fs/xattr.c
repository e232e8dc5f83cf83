/*
 * Extended attributes: a list of cell runs that starts in the inode. A short
 * value lies behind its name, a long one in blocks of its own. A change builds
 * the new attribute beside the old one and swaps them in one transaction.
 */
#include <linux/xattr.h>
#include <unistd.h>

#include "fs/internal.h"

#define XATTR_ROOM (XATTR_CELLS * 64u - (uint32_t)offsetof(struct xattr, name))
#define XATTRS_MAX 4096u /* on one inode: bounds every walk */

enum space { SPACE_NONE, SPACE_USER, SPACE_TRUSTED, SPACE_SECURITY, SPACE_ACL };

static bool starts(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return false;
	return true;
}

static size_t name_len(const char *s)
{
	size_t n = 0;

	while (n <= FS_XATTR_NAME_MAX && s[n])
		n++;
	return n;
}

static bool is_name(const char *name, const char *other)
{
	return starts(name, other) && name_len(name) == name_len(other);
}

static enum space space_of(const char *name)
{
	if (starts(name, "user."))
		return SPACE_USER;
	if (starts(name, "trusted."))
		return SPACE_TRUSTED;
	if (starts(name, "security."))
		return SPACE_SECURITY;
	return is_name(name, ACL_ACCESS) || is_name(name, ACL_DEFAULT) ? SPACE_ACL : SPACE_NONE;
}

/* ---- The list ------------------------------------------------------------------ */

static struct xattr *xattr_at(const struct fs *fs, uint32_t cell)
{
	struct xattr *x = slab_at(&fs->cells, cell, 1);
	uint32_t cells = x ? load_relaxed(&x->cells) : 0;

	return cells && cells <= XATTR_CELLS && slab_at(&fs->cells, cell, cells) ? x : NULL;
}

static uint32_t *block_list(struct xattr *x)
{
	return (uint32_t *)(void *)((char *)x + round_up(offsetof(struct xattr, name) + load_relaxed(&x->len), 4));
}

/* Is its content where its sizes say? */
static bool xattr_ok(const struct xattr *x)
{
	uint32_t room = load_relaxed(&x->cells) * 64u, head = (uint32_t)offsetof(struct xattr, name);
	uint32_t len = load_relaxed(&x->len), blocks = load_relaxed(&x->blocks), size = load_relaxed(&x->size);

	if (blocks)
		return blocks <= XATTR_BLOCKS && size <= blocks * BLOCK_SIZE &&
		       round_up(head + len, 4) + blocks * 4 <= room;
	return size <= room && head + len + size <= room;
}

/* The attribute's cell, 0: none, -EUCLEAN: torn or damaged. *link: the word that leads to it. */
static racy_read int64_t find(const struct fs *fs, const struct inode *i, const char *name, size_t len, uint32_t **link)
{
	uint32_t *word = (uint32_t *)(uintptr_t)&i->xattr;

	for (unsigned k = 0; k < XATTRS_MAX; k++) {
		uint32_t cell = load_relaxed(word);
		struct xattr *x;

		if (!cell)
			return 0;
		x = xattr_at(fs, cell);
		if (!x || !xattr_ok(x))
			return -EUCLEAN;
		if (link)
			*link = word;
		if (load_relaxed(&x->len) == len && mem_equal(x->name, name, len))
			return cell;
		word = &x->next;
	}
	return -EUCLEAN;
}

static racy_read int copy_value(const struct fs *fs, struct xattr *x, void *buf, size_t size)
{
	uint32_t n = load_relaxed(&x->size);

	if (n > size)
		return -ERANGE;
	if (!load_relaxed(&x->blocks)) {
		mem_copy(buf, x->name + load_relaxed(&x->len), n);
		return (int)n;
	}
	for (uint32_t k = 0; k * BLOCK_SIZE < n; k++) {
		const void *p = block_at(&fs->blocks, load_relaxed(&block_list(x)[k]), 1);

		if (!p)
			return -EUCLEAN;
		mem_copy((char *)buf + k * BLOCK_SIZE, p, min_of(n - k * BLOCK_SIZE, BLOCK_SIZE));
	}
	return (int)n;
}

racy_read int xattr_read(const struct fs *fs, const struct inode *i, const char *name, size_t len, void *buf,
			 size_t size)
{
	int64_t cell = find(fs, i, name, len, NULL);

	if (cell <= 0)
		return cell ? (int)cell : -ENODATA;
	return copy_value(fs, xattr_at(fs, (uint32_t)cell), buf, size);
}

/* ---- Building and hanging ---------------------------------------------------------- */

static int fill_value(struct task *t, struct xattr *x, const char *value, uint32_t size)
{
	const struct fs *fs = fs_of(t);

	if (!x->blocks) {
		mem_copy(x->name + x->len, value, size);
		return 0;
	}
	for (uint32_t k = 0; k < x->blocks; k++) {
		uint32_t start, n;
		int err = blocks_take(t, &fs->blocks, 1, 0, TAG(HAND_BLOCKS), &start, &n);

		if (err)
			return err;
		mem_copy(block_at(&fs->blocks, start, 1), value + k * BLOCK_SIZE,
			 min_of(size - k * BLOCK_SIZE, BLOCK_SIZE));
		store_relaxed(&block_list(x)[k], start);
	}
	return 0;
}

int xattr_build(struct task *t, const char *name, size_t len, const void *value, size_t size, uint32_t *cell)
{
	const struct fs *fs = fs_of(t);
	uint32_t head = (uint32_t)(offsetof(struct xattr, name) + len), base = t->slot->nhand;
	uint32_t blocks = size <= XATTR_ROOM - len ? 0 : (uint32_t)div_up(size, BLOCK_SIZE);
	uint32_t bytes = blocks ? round_up(head, 4) + blocks * 4 : head + (uint32_t)size;
	uint32_t cells = div_up(bytes, 64);
	struct xattr *x;
	int err = slab_take(t, &fs->cells, cells, TAG(HAND_CELLS), cell);

	if (err)
		return err;
	x = slab_at(&fs->cells, *cell, cells);
	if (!x)
		return -EUCLEAN;
	store_relaxed(&x->next, 0);
	store_relaxed(&x->size, (uint32_t)size);
	store_relaxed(&x->len, (uint8_t)len);
	store_relaxed(&x->cells, (uint8_t)cells);
	store_relaxed(&x->blocks, (uint8_t)blocks);
	mem_copy(x->name, name, len);
	err = fill_value(t, x, value, (uint32_t)size);
	if (err)
		return err;
	/* Cells and blocks become one item. */
	txn_begin(t);
	err = txn_lock_own(t);
	if (err)
		return txn_abort(t, err);
	while (t->slot->nhand > base)
		hand_take(t, t->slot->nhand - 1);
	hand_push(t, hand_item(HAND_XATTR, 0, *cell));
	return txn_commit_quiet(t);
}

static void set_flags(struct task *t, struct inode *i, const struct xattr *x, bool there)
{
	uint32_t bit = 0, flags;

	if (x->len == sizeof ACL_ACCESS - 1 && mem_equal(x->name, ACL_ACCESS, x->len))
		bit = INODE_ACL;
	if (x->len == sizeof ACL_DEFAULT - 1 && mem_equal(x->name, ACL_DEFAULT, x->len))
		bit = INODE_DEFAULT_ACL;
	if (x->len == sizeof CAPABILITY - 1 && mem_equal(x->name, CAPABILITY, x->len))
		bit = INODE_CAPS;
	flags = there ? i->flags | bit : i->flags & ~bit;
	if (flags != i->flags)
		txn_set(t, &i->flags, flags);
}

void xattr_link(struct task *t, struct inode *i, uint32_t cell)
{
	struct xattr *x = xattr_at(fs_of(t), cell);

	if (!x) {
		t->broken = 1;
		return;
	}
	txn_set(t, &x->next, i->xattr);
	txn_set(t, &i->xattr, cell);
	set_flags(t, i, x, true);
	hand_drop(t, hand_item(HAND_XATTR, 0, cell));
}

static void unlink_at(struct task *t, struct inode *i, uint32_t *link, uint32_t cell)
{
	struct xattr *x = xattr_at(fs_of(t), cell);

	if (!x || !slab_in_use(&fs_of(t)->cells, cell)) { /* not in use: a list that leads back into itself */
		t->broken = 1;
		return;
	}
	txn_set(t, link, x->next);
	set_flags(t, i, x, false);
	hand_push(t, hand_item(HAND_XATTR, 0, cell));
}

bool xattr_unlink(struct task *t, struct inode *i, const char *name, size_t len)
{
	uint32_t *link = NULL;
	int64_t cell = find(fs_of(t), i, name, len, &link);

	if (cell > 0)
		unlink_at(t, i, link, (uint32_t)cell);
	if (cell < 0)
		t->broken = 1;
	return cell > 0;
}

void xattr_pop(struct task *t, struct inode *i)
{
	unlink_at(t, i, &i->xattr, i->xattr);
}

int xattr_reap(struct task *t)
{
	struct task_slot *s = t->slot;
	uint32_t cell = item_index(s->hand[s->nhand - 1]);
	struct xattr *x = xattr_at(fs_of(t), cell);
	int err;

	if (!x || !xattr_ok(x))
		return -EUCLEAN;
	txn_begin(t);
	err = txn_lock_own(t);
	if (err)
		return txn_abort(t, err);
	txn_set(t, &s->hand[s->nhand - 1], hand_item(HAND_CELLS, x->cells, cell));
	for (uint32_t k = 0; k < x->blocks; k++)
		hand_push(t, hand_item(HAND_BLOCKS, 1, block_list(x)[k]));
	return txn_commit_quiet(t);
}

/* ---- Permissions ------------------------------------------------------------------- */

static int check_name(const char *name)
{
	size_t len = name_len(name);

	return len == 0 || len > FS_XATTR_NAME_MAX ? -ERANGE : 0;
}

/* Only the name space, "user." and nothing behind it. */
static bool is_bare(const char *name)
{
	size_t len = name_len(name), dot = 0;

	while (dot < len && name[dot] != '.')
		dot++;
	return dot + 1 >= len;
}

/* As xattr(7) says. `write`: set or remove. */
static int space_allowed(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, const char *name,
			 bool write)
{
	uint32_t mode = load_relaxed(&i->mode);
	int err;

	switch (space_of(name)) {
	case SPACE_NONE: /* Linux asks for the permission before the handler, but not for its own names */
		err = starts(name, "system.") ? 0 : perm_check(fs, cred, i, write ? W_OK : R_OK);
		return err ? err : -EOPNOTSUPP;
	case SPACE_USER:
		if (!S_ISREG(mode) && !is_dir(mode))
			return write ? -EPERM : -ENODATA;
		if (write && is_dir(mode) && (mode & S_ISVTX) && !is_owner(cred, i))
			return -EPERM;
		return perm_check(fs, cred, i, write ? W_OK : R_OK);
	case SPACE_TRUSTED:
		return cred_can(cred, FS_CAP_SYS_ADMIN) ? 0 : write ? -EPERM : -ENODATA;
	case SPACE_SECURITY:
		return write && !cred_can(cred, FS_CAP_SYS_ADMIN) ? -EPERM : 0;
	case SPACE_ACL: /* writing: acl_allowed() */
		return S_ISLNK(mode) ? -EOPNOTSUPP : 0;
	}
	return -EOPNOTSUPP;
}

static int allowed(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, const char *name, bool write)
{
	int err = space_allowed(fs, cred, i, name, write);

	return err ? err : is_bare(name) ? -EINVAL : 0;
}

/* ---- The calls -------------------------------------------------------------------- */

racy_read int fs_getxattr(struct task *t, const struct fs_cred *cred, fs_ino ino, const char *name, void *value,
			  size_t size)
{
	const struct fs *fs = fs_of(t);
	struct inode *i = inode_at(fs, ino);
	size_t len = name_len(name);
	uint64_t seq;
	int n;

	if (!i)
		return -ESTALE;
	if (len > FS_XATTR_NAME_MAX || len == 0)
		return -ERANGE;
	if (t->flags & TASK_KERNEL)
		mark(i, FS_MARK_ATTR);
	do {
		int64_t cell;

		n = seq_begin(t, &i->meta, &seq);
		if (n)
			return n;
		n = inode_alive(i);
		if (!n)
			n = allowed(fs, cred, i, name, false);
		cell = n ? 0 : find(fs, i, name, len, NULL);
		if (!n)
			n = cell < 0 ? (int)cell : cell == 0 ? -ENODATA : 0;
		if (!n && size == 0)
			n = (int)load_relaxed(&xattr_at(fs, (uint32_t)cell)->size);
		else if (!n)
			n = copy_value(fs, xattr_at(fs, (uint32_t)cell), value, size);
	} while (!seq_valid(&i->meta, seq));
	return n;
}

static racy_read int list_once(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, char *list,
			       size_t size)
{
	size_t n = 0;
	uint32_t cell = load_relaxed(&i->xattr);

	for (unsigned k = 0; cell && k < XATTRS_MAX; k++) {
		const struct xattr *x = xattr_at(fs, cell);
		size_t len;

		if (!x || !xattr_ok(x))
			return -EUCLEAN;
		len = load_relaxed(&x->len);
		cell = load_relaxed(&x->next);
		if (len > 8 && starts(x->name, "trusted.") && !cred_can(cred, FS_CAP_SYS_ADMIN))
			continue;
		if (size && n + len + 1 > size)
			return -ERANGE;
		if (size) {
			mem_copy(list + n, x->name, len);
			list[n + len] = 0;
		}
		n += len + 1;
	}
	return (int)n;
}

racy_read int fs_listxattr(struct task *t, const struct fs_cred *cred, fs_ino ino, char *list, size_t size)
{
	struct inode *i = inode_at(fs_of(t), ino);
	uint64_t seq;
	int n;

	if (!i)
		return -ESTALE;
	do {
		n = seq_begin(t, &i->meta, &seq);
		if (n)
			return n;
		n = inode_alive(i);
		if (!n)
			n = list_once(fs_of(t), cred, i, list, size);
	} while (!seq_valid(&i->meta, seq));
	return n;
}

/* Has the inode as many attributes as find() passes? */
static bool list_full(const struct fs *fs, const struct inode *i)
{
	unsigned n = 0;

	for (uint32_t cell = i->xattr; cell && n < XATTRS_MAX; n++) {
		const struct xattr *x = xattr_at(fs, cell);

		cell = x ? x->next : 0;
	}
	return n >= XATTRS_MAX - 1;
}

/* A change of one attribute, parsed and built: `cell` 0 removes it. */
struct change {
	const char *name;
	size_t len;
	uint32_t cell;
	int flags; /* XATTR_CREATE, XATTR_REPLACE */
	bool sets_mode;
	uint32_t perms;
	bool stranger; /* where cred is NULL */
	bool acl;      /* that nothing was there to remove is no error */
	bool invalid;  /* an ACL that is none: judged after the permission, as Linux does */
};

/*
 * posix_acl's order of checks in Linux. 1: nothing to do, a default list is
 * taken off what can have none.
 */
static int acl_allowed(const struct fs_cred *cred, const struct inode *i, const struct change *c)
{
	if (S_ISLNK(i->mode))
		return -EOPNOTSUPP;
	if (is_name(c->name, ACL_DEFAULT) && !is_dir(i->mode))
		return c->cell || c->invalid ? -EACCES : 1;
	if (!is_owner(cred, i))
		return -EPERM;
	return c->invalid ? -EINVAL : 0;
}

/* What setting or removing an access ACL does to the mode. Under the lock. */
static void follow_mode(struct task *t, const struct fs_cred *cred, struct inode *i, const struct change *c)
{
	bool stranger = cred ? !cred_in_group(cred, i->gid) && !(cred->caps & FS_CAP_FSETID) : c->stranger;
	uint32_t mode = c->sets_mode ? (i->mode & ~0777u) | c->perms : i->mode;

	if (stranger)
		mode &= ~(uint32_t)S_ISGID;
	if (mode != i->mode)
		txn_set(t, &i->mode, mode);
}

static int change_locked(struct task *t, const struct fs_cred *cred, struct inode *i, const struct change *c)
{
	int err = inode_alive(i);
	bool was;

	if (!err)
		err = c->acl ? acl_allowed(cred, i, c) : allowed(fs_of(t), cred, i, c->name, true);
	if (err)
		return min_of(err, 0);
	was = xattr_unlink(t, i, c->name, c->len);
	if (was && (c->flags & XATTR_CREATE))
		return -EEXIST;
	if (!was && ((c->flags & XATTR_REPLACE) || (!c->cell && !c->acl)))
		return -ENODATA;
	if (!was && c->cell && list_full(fs_of(t), i))
		return -ENOSPC;
	if (c->cell)
		xattr_link(t, i, c->cell);
	if (is_name(c->name, ACL_ACCESS))
		follow_mode(t, cred, i, c);
	if (c->acl)
		turn_paths(t, i);
	touch(t, i, time_now(t));
	return 0;
}

static int change(struct task *t, const struct fs_cred *cred, fs_ino ino, const struct change *c)
{
	struct inode *i = inode_at(fs_of(t), ino);
	int err;

	txn_begin(t);
	err = txn_lock(t, &i->meta);
	if (!err)
		err = change_locked(t, cred, i, c);
	err = err ? txn_abort(t, err) : txn_commit(t);
	hand_settle(t);
	return err;
}

/* An ACL is built from what its value means; what its mode bits say alone is not kept as a list. */
static int build_acl(struct task *t, struct change *c, const void *value, size_t size)
{
	char printed[ACL_VALUE_MAX];
	struct acl acl;
	int err = acl_decode(value, size, &acl);

	if (err)
		return err;
	c->flags = 0;
	c->invalid = !acl_valid(&acl);
	if (acl.n == 0 || c->invalid)
		return 0;
	if (is_name(c->name, ACL_ACCESS)) {
		c->sets_mode = true;
		if (acl_mode(&acl, &c->perms))
			return 0;
	}
	return xattr_build(t, c->name, c->len, printed, acl_print(&acl, printed), &c->cell);
}

int fs_setxattr(struct task *t, const struct fs_cred *cred, fs_ino ino, const char *name, const void *value,
		size_t size, int flags)
{
	struct change c = {.name = name,
			   .len = name_len(name),
			   .flags = flags & ~FS_XATTR_STRANGER,
			   .stranger = flags & FS_XATTR_STRANGER,
			   .acl = space_of(name) == SPACE_ACL};
	int err = check_name(name);

	if (!inode_at(fs_of(t), ino))
		return -ESTALE;
	if (err)
		return err;
	if (size > FS_XATTR_SIZE_MAX)
		return -E2BIG;
	if (c.flags & ~(XATTR_CREATE | XATTR_REPLACE) || (cred && c.stranger))
		return -EINVAL;
	err = c.acl ? build_acl(t, &c, value, size) : xattr_build(t, name, c.len, value, size, &c.cell);
	if (err) {
		hand_settle(t);
		return err;
	}
	return change(t, cred, ino, &c);
}

int fs_removexattr(struct task *t, const struct fs_cred *cred, fs_ino ino, const char *name)
{
	struct change c = {.name = name, .len = name_len(name), .acl = space_of(name) == SPACE_ACL};
	int err = check_name(name);

	if (!inode_at(fs_of(t), ino))
		return -ESTALE;
	if (err)
		return err;
	return change(t, cred, ino, &c);
}
