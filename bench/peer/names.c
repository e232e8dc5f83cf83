/*
 * What has to do with names. The kernel sends no two requests at once that
 * change the same directory, and holds both directories of a rename: so the order
 * in which two directories are locked here cannot lead to a deadlock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memfs.h"

void memfs_entry(const struct memfs *fs, struct node *n, struct fuse_entry_param *e)
{
	memset(e, 0, sizeof(*e));
	e->ino = (fuse_ino_t)n;
	e->attr_timeout = e->entry_timeout = fs->timeout;
	pthread_rwlock_rdlock(&n->lock);
	e->attr = n->st;
	e->generation = n->st.st_ino; /* never given twice, as addresses are */
	pthread_rwlock_unlock(&n->lock);
}

/* The reference that the kernel gets with a reply. */
static void reply_entry(fuse_req_t req, struct node *n)
{
	struct fuse_entry_param e;

	memfs_entry(memfs_of(req), n, &e);
	if (fuse_reply_entry(req, &e) < 0)
		node_unref(n, 1);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *dir = memfs_node(req, parent), *n = NULL;
	struct fuse_entry_param absent = {.entry_timeout = memfs_of(req)->timeout};
	struct entry *e;

	if (strlen(name) > NODE_NAME_MAX) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	pthread_rwlock_rdlock(&dir->lock);
	e = node_find(dir, name);
	if (e) {
		n = e->node;
		node_ref(n);
	}
	pthread_rwlock_unlock(&dir->lock);
	if (n)
		reply_entry(req, n);
	else if (memfs_of(req)->caching)
		fuse_reply_entry(req, &absent);
	else
		fuse_reply_err(req, ENOENT);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	if (ino != FUSE_ROOT_ID)
		node_unref(memfs_node(req, ino), count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		if (forgets[i].ino != FUSE_ROOT_ID)
			node_unref(memfs_node(req, forgets[i].ino), forgets[i].nlookup);
	fuse_reply_none(req);
}

/* ---- Making ------------------------------------------------------------------ */

/* A new node under a name, with a reference for the kernel. 0 or -errno. */
static int make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev, const char *target,
		struct node **out)
{
	const struct fuse_ctx *who = fuse_req_ctx(req);
	struct node *dir = memfs_node(req, parent), *n = node_new(mode, who->uid, who->gid, rdev);
	int ret;

	if (!n)
		return -ENOMEM;
	if (target) {
		n->target = strdup(target);
		n->st.st_size = (off_t)strlen(target);
	}
	pthread_rwlock_wrlock(&dir->lock);
	if (dir->st.st_mode & S_ISGID) {
		n->st.st_gid = dir->st.st_gid;
		n->st.st_mode |= S_ISDIR(mode) ? S_ISGID : 0;
	}
	ret = dir->st.st_nlink == 0 ? -ENOENT : node_enter(dir, name, n);
	pthread_rwlock_unlock(&dir->lock);
	if (ret < 0)
		node_unref(n, 1);
	else
		*out = n;
	return ret;
}

static void make_and_reply(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev,
			   const char *target)
{
	struct node *n;
	int ret = make(req, parent, name, mode, rdev, target, &n);

	if (ret < 0)
		fuse_reply_err(req, -ret);
	else
		reply_entry(req, n);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	make_and_reply(req, parent, name, mode, rdev, NULL);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	make_and_reply(req, parent, name, S_IFDIR | mode, 0, NULL);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	make_and_reply(req, parent, name, S_IFLNK | 0777, 0, target);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	struct node *n;
	int ret = make(req, parent, name, S_IFREG | mode, 0, NULL, &n);

	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	fi->direct_io = !memfs_of(req)->caching;
	fi->keep_cache = !!memfs_of(req)->caching;
	memfs_entry(memfs_of(req), n, &e);
	if (fuse_reply_create(req, &e, fi) < 0)
		node_unref(n, 1);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	struct node *dir = memfs_node(req, parent), *n = memfs_node(req, ino);
	int ret;

	pthread_rwlock_wrlock(&dir->lock);
	ret = node_enter(dir, name, n);
	pthread_rwlock_unlock(&dir->lock);
	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	node_ref(n);
	reply_entry(req, n);
}

/* ---- Removing and renaming --------------------------------------------------- */

static int is_full(struct node *n)
{
	int full;

	if (!S_ISDIR(n->st.st_mode))
		return 0;
	pthread_rwlock_rdlock(&n->lock);
	full = n->dir.entries > 0;
	pthread_rwlock_unlock(&n->lock);
	return full;
}

/* unlink and rmdir; which of the two fits is the kernel's matter. */
static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *dir = memfs_node(req, parent);
	struct entry *e;
	int ret = 0;

	pthread_rwlock_wrlock(&dir->lock);
	e = node_find(dir, name);
	if (!e)
		ret = ENOENT;
	else if (is_full(e->node))
		ret = ENOTEMPTY;
	else
		node_remove(dir, e);
	pthread_rwlock_unlock(&dir->lock);
	fuse_reply_err(req, ret);
}

/* With both directories locked. Returns the node that was replaced (to be dropped unlocked) in `gone`. */
static int move(struct node *from, const char *name, struct node *to, const char *new_name, unsigned flags,
		struct node **gone)
{
	struct entry *e = node_find(from, name), *there = node_find(to, new_name);
	struct node *n;
	int ret = 0;

	if (!e)
		return -ENOENT;
	n = e->node;
	if (there && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (there && there->node == n)
		return 0;
	if (there && is_full(there->node))
		return -ENOTEMPTY;
	node_ref(n);
	if (there)
		*gone = node_redirect(to, there, n);
	else
		ret = node_enter(to, new_name, n);
	if (ret < 0 || !there)
		node_unref(n, 1); /* not taken over */
	if (ret == 0)
		node_remove(from, e);
	return ret;
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
		      unsigned flags)
{
	struct node *from = memfs_node(req, parent), *to = memfs_node(req, new_parent), *gone = NULL;
	int ret;

	if (flags & ~(unsigned)RENAME_NOREPLACE) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	pthread_rwlock_wrlock(&from->lock);
	if (to != from)
		pthread_rwlock_wrlock(&to->lock);
	ret = move(from, name, to, new_name, flags, &gone);
	if (to != from)
		pthread_rwlock_unlock(&to->lock);
	pthread_rwlock_unlock(&from->lock);
	if (gone)
		node_unref(gone, 1);
	fuse_reply_err(req, -ret);
}

/* ---- Listing ------------------------------------------------------------------ */

struct listing {
	fuse_req_t req;
	char *buf;
	size_t len, size;
	int plus;
};

/* Adds one name if there is room for it. A listing with attributes gives the kernel a reference to each but . and .. */
static int add_name(struct listing *l, const char *name, struct node *n, off_t next)
{
	struct fuse_entry_param e = {.attr = {.st_ino = n->st.st_ino, .st_mode = n->st.st_mode}};
	const int dots = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
	size_t room = l->size - l->len, need;

	if (!l->plus) {
		need = fuse_add_direntry(l->req, l->buf + l->len, room, name, &e.attr, next);
	} else {
		if (!dots)
			memfs_entry(memfs_of(l->req), n, &e);
		need = fuse_add_direntry_plus(l->req, l->buf + l->len, room, name, &e, next);
	}
	if (need > room)
		return 0;
	if (l->plus && !dots)
		node_ref(n);
	l->len += need;
	return 1;
}

/* Offsets: 1 behind ".", 2 behind "..", then 3 + the slot. */
static void list(struct listing *l, struct node *dir, off_t off)
{
	struct directory *d = &dir->dir;

	if (off == 0 && !add_name(l, ".", dir, ++off))
		return;
	if (off == 1 && !add_name(l, "..", d->parent ? d->parent : dir, ++off))
		return;
	for (uint32_t i = (uint32_t)off - 2; i < d->nslots; i++)
		if (d->slots[i] && !add_name(l, d->slots[i]->name, d->slots[i]->node, (off_t)i + 3))
			return;
}

static void read_listing(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, int plus)
{
	struct listing l = {.req = req, .buf = malloc(size), .size = size, .plus = plus};
	struct node *dir = memfs_node(req, ino);

	if (!l.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	pthread_rwlock_rdlock(&dir->lock);
	list(&l, dir, off);
	pthread_rwlock_unlock(&dir->lock);
	fuse_reply_buf(req, l.buf, l.len);
	free(l.buf);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fi->cache_readdir = fi->keep_cache = !!memfs_of(req)->caching;
	fuse_reply_open(req, fi);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	read_listing(req, ino, size, off, 0);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	read_listing(req, ino, size, off, 1);
}

void names_fill(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = op_lookup;
	ops->forget = op_forget;
	ops->forget_multi = op_forget_multi;
	ops->mknod = op_mknod;
	ops->mkdir = op_mkdir;
	ops->symlink = op_symlink;
	ops->create = op_create;
	ops->link = op_link;
	ops->unlink = op_remove;
	ops->rmdir = op_remove;
	ops->rename = op_rename;
	ops->opendir = op_opendir;
	ops->readdir = op_readdir;
	ops->readdirplus = op_readdirplus;
}
