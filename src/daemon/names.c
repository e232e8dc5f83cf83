/*
 * Operations on names. That a name is absent is kept by the kernel as well:
 * an entry with inode 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ops.h"

/* ".bt-fuse-inode-<number><end>" in the root; 0 for any other name. */
static fs_ino number_in(fuse_ino_t dir, const char *name, const char *end)
{
	const size_t n = sizeof(FS_BY_NUMBER) - 1;
	char *rest;
	unsigned long ino;

	if (likely(name[0] != '.') || dir != FS_ROOT || strncmp(name, FS_BY_NUMBER, n) != 0)
		return 0;
	ino = strtoul(name + n, &rest, 10);
	return strcmp(rest, end) != 0 || ino > UINT32_MAX ? 0 : (fs_ino)ino;
}

static bool is_own_user(fuse_req_t req)
{
	return fuse_req_ctx(req)->uid == geteuid();
}

/* A name that is none: the kernel asks again each time. */
static void reply_by_number(fuse_req_t req, struct worker *w, fs_ino ino)
{
	struct fuse_entry_param e;
	struct fs_attr a;
	int ret = fs_hold(&w->task, ino, &a);

	if (ret < 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	ops_entry(&a, &e);
	e.entry_timeout = 0;
	numbers_add(w->session->numbers, ino);
	if (fuse_reply_entry(req, &e) < 0)
		fs_forget(&w->task, ino, 1);
}

static void op_lookup(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct fuse_entry_param absent = {0};
	struct worker *w = ops_worker(req);
	struct fs_attr a;
	int ret;

	fs_ino ino = number_in(dir, name, "");

	if (!w)
		return;
	if (ino && is_own_user(req)) {
		reply_by_number(req, w, ino);
		return;
	}
	if (number_in(dir, name, FS_BY_CREATION)) { /* created each time */
		fuse_reply_err(req, ENOENT);
		return;
	}
	w->keep = false;
	ret = fs_lookup(&w->task, NULL, (fs_ino)dir, ops_name(name), &a);
	if (ret != -ENOENT) {
		ops_reply_entry(req, w, ret, &a);
		return;
	}
	absent.entry_timeout = w->keep ? OPS_FOREVER : 0;
	fuse_reply_entry(req, &absent);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	struct worker *w = ops_worker(req);

	if (!w)
		return;
	fs_forget(&w->task, (fs_ino)ino, n);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *f)
{
	struct worker *w = ops_worker(req);

	if (!w)
		return;
	for (size_t i = 0; i < count; i++)
		fs_forget(&w->task, (fs_ino)f[i].ino, f[i].nlookup);
	fuse_reply_none(req);
}

static struct fs_new new_inode(fuse_req_t req, uint32_t mode)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct fs_new){.mode = mode, .umask = ctx->umask, .uid = ctx->uid, .gid = ctx->gid};
}

static void make(fuse_req_t req, fuse_ino_t dir, const char *name, const struct fs_new *new)
{
	struct worker *w = ops_worker(req);
	struct fs_attr a;

	if (w)
		ops_reply_entry(req, w, fs_make(&w->task, NULL, (fs_ino)dir, ops_name(name), new, &a), &a);
}

static void op_mknod(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, dev_t rdev)
{
	struct fs_new new = new_inode(req, mode);

	new.rdev = (uint32_t)rdev; /* libfuse hands on the kernel's 32-bit encoding as it is */
	make(req, dir, name, &new);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode)
{
	struct fs_new new = new_inode(req, S_IFDIR | (mode & 07777));

	make(req, dir, name, &new);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t dir, const char *name)
{
	struct fs_new new = new_inode(req, S_IFLNK | 0777);
	struct fs_name t = ops_name(target);

	new.umask = 0;
	new.target = t.s;
	new.target_len = t.len;
	make(req, dir, name, &new);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t dir, const char *name)
{
	struct worker *w = ops_worker(req);
	struct fs_attr a;

	if (w)
		ops_reply_entry(req, w, fs_link(&w->task, NULL, (fs_ino)ino, (fs_ino)dir, ops_name(name), &a), &a);
}

static void op_unlink(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct worker *w = ops_worker(req);

	if (w)
		ops_reply(req, fs_unlink(&w->task, NULL, (fs_ino)dir, ops_name(name)));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t dir, const char *name)
{
	struct worker *w = ops_worker(req);

	if (w)
		ops_reply(req, fs_rmdir(&w->task, NULL, (fs_ino)dir, ops_name(name)));
}

static void op_rename(fuse_req_t req, fuse_ino_t olddir, const char *oldname, fuse_ino_t newdir, const char *newname,
		      unsigned flags)
{
	struct worker *w = ops_worker(req);

	if (w)
		ops_reply(req, fs_rename(&w->task, NULL, (fs_ino)olddir, ops_name(oldname), (fs_ino)newdir,
					 ops_name(newname), flags));
}

static void reply_create(fuse_req_t req, struct worker *w, const struct fs_attr *a, struct fuse_file_info *fi)
{
	struct fuse_entry_param e;

	ops_entry(a, &e);
	fi->keep_cache = 1;
	data_opened(w->session, &w->task, a->ino, fi);
	if (fuse_reply_create(req, &e, fi) < 0) {
		data_closed(w->session, &w->task, a->ino, fi);
		fs_forget(&w->task, a->ino, 1);
	}
}

/*
 * An inode that is there already (FS_BY_CREATION). The kernel takes its attributes for those of a new file, whatever it
 * has heard of it meanwhile: so it is not to keep them.
 */
static void create_by_number(fuse_req_t req, struct worker *w, fs_ino ino, struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	struct fs_attr a;
	int ret = is_own_user(req) ? fs_getattr(&w->task, ino, &a) : -EACCES;

	if (ret == 0 && !S_ISREG(a.mode))
		ret = -EACCES;
	if (ret == 0) {
		data_opened(w->session, &w->task, ino, fi);
		ret = fs_hold(&w->task, ino, &a);
		if (ret < 0)
			data_closed(w->session, &w->task, ino, fi);
	}
	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	ops_entry(&a, &e);
	e.entry_timeout = e.attr_timeout = 0;
	fi->keep_cache = 1;
	numbers_add(w->session->numbers, ino | NUMBERS_CREATED);
	if (fuse_reply_create(req, &e, fi) < 0) {
		data_closed(w->session, &w->task, ino, fi);
		fs_forget(&w->task, ino, 1);
	}
}

/*
 * A name that has come into being since the kernel looked: ESTALE has it look
 * again and open what is there, with the permission checks that an opening
 * takes and a creation does not.
 */
static void op_create(fuse_req_t req, fuse_ino_t dir, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	struct fs_new new = new_inode(req, S_IFREG | (mode & 07777));
	struct worker *w = ops_worker(req);
	fs_ino ino = number_in(dir, name, FS_BY_CREATION);
	struct fs_attr a;
	int ret;

	if (!w)
		return;
	if (ino) {
		create_by_number(req, w, ino, fi);
		return;
	}
	ret = fs_make(&w->task, NULL, (fs_ino)dir, ops_name(name), &new, &a);
	if (ret == -EEXIST && !(fi->flags & O_EXCL))
		ret = -ESTALE;
	if (ret < 0)
		fuse_reply_err(req, -ret);
	else
		reply_create(req, w, &a, fi);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
static void op_tmpfile(fuse_req_t req, fuse_ino_t dir, mode_t mode, struct fuse_file_info *fi)
{
	struct fs_new new = new_inode(req, S_IFREG | (mode & 07777));
	struct worker *w = ops_worker(req);
	struct fs_attr a;
	int ret;

	if (!w)
		return;
	ret = fs_tmpfile(&w->task, NULL, (fs_ino)dir, &new, 0, &a);
	if (ret < 0)
		fuse_reply_err(req, -ret);
	else
		reply_create(req, w, &a, fi);
}
#endif

void names_fill(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = op_lookup;
	ops->forget = op_forget;
	ops->forget_multi = op_forget_multi;
	ops->mknod = op_mknod;
	ops->mkdir = op_mkdir;
	ops->symlink = op_symlink;
	ops->link = op_link;
	ops->unlink = op_unlink;
	ops->rmdir = op_rmdir;
	ops->rename = op_rename;
	ops->create = op_create;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
	ops->tmpfile = op_tmpfile;
#endif
}
