/*
 * Reading directories, with or without the attributes of what is in them. In a
 * listing with attributes each entry but "." and ".." counts as a lookup.
 *
 * The kernel keeps no listings (FOPEN_CACHE_DIR): the store knows which names
 * the kernel has looked up, not which ones it has only listed, and could not
 * have those dropped.
 */
#include <errno.h>
#include <string.h>

#include "daemon/ops.h"

#define BATCH 32

struct listing {
	fuse_req_t req;
	struct worker *w;
	fs_ino dir;
	bool plus;
	size_t size, used; /* of w->buf */
	size_t listed;	   /* entries of w->listed: references that are given with the answer */
};

static void add_plain(struct listing *l, const struct fs_dirent *d)
{
	struct stat st = {.st_ino = d->ino, .st_mode = d->mode};

	l->used += fuse_add_direntry(l->req, l->w->buf + l->used, l->size - l->used, d->name, &st, (off_t)d->cookie);
}

static void add_plus(struct listing *l, const struct fs_dirent *d)
{
	struct fuse_entry_param e = {.attr = {.st_ino = d->ino, .st_mode = d->mode}};
	struct fs_name name = {.s = d->name, .len = d->len};
	struct fs_attr a;

	if (!fs_is_dots(name)) {
		if (fs_lookup(&l->w->task, NULL, l->dir, name, &a) < 0)
			return; /* gone since it was listed */
		ops_entry(&a, &e);
		l->w->listed[l->listed++] = a.ino;
	}
	l->used +=
	    fuse_add_direntry_plus(l->req, l->w->buf + l->used, l->size - l->used, d->name, &e, (off_t)d->cookie);
}

/* False: no room for it. */
static bool add(struct listing *l, const struct fs_dirent *d)
{
	size_t need = l->plus ? fuse_add_direntry_plus(l->req, NULL, 0, d->name, NULL, 0)
			      : fuse_add_direntry(l->req, NULL, 0, d->name, NULL, 0);

	if (need > l->size - l->used || l->listed == OPS_LISTED)
		return false;
	if (l->plus)
		add_plus(l, d);
	else
		add_plain(l, d);
	return true;
}

/* Fills the buffer. 0, or -errno where nothing could be read. */
static int fill(struct listing *l, uint64_t cookie)
{
	struct fs_dirent batch[BATCH];
	int n;

	while ((n = fs_readdir(&l->w->task, l->dir, cookie, batch, BATCH)) > 0) {
		for (int i = 0; i < n; i++) {
			if (!add(l, &batch[i]))
				return 0;
			cookie = batch[i].cookie;
		}
	}
	return l->used ? 0 : n;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct listing l = {.req = req, .w = ops_worker(req), .dir = (fs_ino)ino, .plus = plus};
	int ret;

	if (!l.w)
		return;
	l.size = min_of(size, sizeof(l.w->buf));
	ret = fill(&l, (uint64_t)off);
	if (ret < 0)
		fuse_reply_err(req, -ret);
	else if (fuse_reply_buf(req, l.w->buf, l.used) == 0)
		return;
	for (size_t i = 0; i < l.listed; i++)
		fs_forget(&l.w->task, l.w->listed[i], 1);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	list(req, ino, size, off, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	list(req, ino, size, off, true);
}

void listing_fill(struct fuse_lowlevel_ops *ops)
{
	ops->readdir = op_readdir;
	ops->readdirplus = op_readdirplus;
}
