/* Operations on inodes: attributes, extended attributes, links, the file system's figures. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "daemon/ops.h"

static void reply_attr(fuse_req_t req, int ret, const struct fs_attr *a)
{
	struct stat st;

	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	ops_stat(a, &st);
	fuse_reply_attr(req, &st, OPS_FOREVER);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct worker *w = ops_worker(req);
	struct fs_attr a;

	if (w)
		reply_attr(req, fs_getattr(&w->task, (fs_ino)ino, &a), &a);
}

static unsigned what_to_set(int fuse)
{
	static const struct {
		int fuse;
		unsigned fs;
	} map[] = {
	    {FUSE_SET_ATTR_MODE, FS_SET_MODE},
	    {FUSE_SET_ATTR_UID, FS_SET_UID},
	    {FUSE_SET_ATTR_GID, FS_SET_GID},
	    {FUSE_SET_ATTR_SIZE, FS_SET_SIZE},
	    {FUSE_SET_ATTR_ATIME, FS_SET_ATIME},
	    {FUSE_SET_ATTR_MTIME, FS_SET_MTIME},
	    {FUSE_SET_ATTR_ATIME_NOW, FS_SET_ATIME_NOW},
	    {FUSE_SET_ATTR_MTIME_NOW, FS_SET_MTIME_NOW},
	    {FUSE_SET_ATTR_CTIME, FS_SET_CTIME},
	};
	unsigned set = 0;

	for (size_t i = 0; i < array_len(map); i++) {
		if (fuse & map[i].fuse)
			set |= map[i].fs;
	}
	/* "Now" comes together with the flag of the time that it replaces. */
	if (set & FS_SET_ATIME_NOW)
		set &= ~(unsigned)FS_SET_ATIME;
	if (set & FS_SET_MTIME_NOW)
		set &= ~(unsigned)FS_SET_MTIME;
	return set;
}

/*
 * Nothing to set: so the kernel tells that set-id bits have to go, before
 * another request for which there is no flag (fallocate, a copy), or at
 * chown(2) to nobody in particular. ctime changes with it.
 */
static int set_attr(fuse_req_t req, struct worker *w, fs_ino ino, unsigned set, struct fs_attr *a)
{
	struct fs_attr had;
	int ret;

	if (!set) {
		set = FS_SET_CTIME;
		clock_gettime(CLOCK_REALTIME_COARSE, &a->ctime);
	} else if (!wire_kill_suidgid()) {
		return fs_setattr(&w->task, NULL, ino, set, a, a);
	}
	ret = fs_getattr(&w->task, ino, &had);
	return ret < 0 ? ret : fs_setattr(&w->task, NULL, ino, set | ops_setid(req, &had), a, a);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
	struct fs_attr a = {.mode = st->st_mode,
			    .uid = st->st_uid,
			    .gid = st->st_gid,
			    .size = (uint64_t)st->st_size,
			    .atime = st->st_atim,
			    .mtime = st->st_mtim,
			    .ctime = st->st_ctim};
	struct worker *w = ops_worker(req);
	unsigned set = what_to_set(to_set);

	/* ftruncate(2) sets the times even where the size stays, truncate(2) does not. */
	if (fi && (set & FS_SET_SIZE))
		set |= FS_SET_OPEN;
	if (w)
		reply_attr(req, set_attr(req, w, (fs_ino)ino, set, &a), &a);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct worker *w = ops_worker(req);
	int n;

	if (!w)
		return;
	n = fs_readlink(&w->task, (fs_ino)ino, w->buf, FS_SYMLINK_MAX);
	if (n < 0) {
		fuse_reply_err(req, -n);
		return;
	}
	w->buf[n] = '\0';
	fuse_reply_readlink(req, w->buf);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct worker *w = ops_worker(req);
	struct fs_stats s;
	struct statvfs st;
	int ret;

	if (!w)
		return;
	ret = fs_statfs(&w->task, &s);
	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	st = (struct statvfs){.f_bsize = FS_BLOCK_SIZE,
			      .f_frsize = FS_BLOCK_SIZE,
			      .f_blocks = s.blocks,
			      .f_bfree = s.blocks_free,
			      .f_bavail = s.blocks_free,
			      .f_files = s.inodes,
			      .f_ffree = s.inodes_free,
			      .f_favail = s.inodes_free,
			      .f_namemax = FS_NAME_MAX};
	fuse_reply_statfs(req, &st);
}

static bool is_access_acl(const char *name)
{
	return strcmp(name, "system.posix_acl_access") == 0;
}

/* An access ACL, or its end, takes the setgid bit that is not the caller's to keep; of its end the kernel says nothing.
 */
static int set_access_acl(fuse_req_t req, struct worker *w, fs_ino ino, const char *name, const void *value,
			  size_t size)
{
	struct fs_attr a;
	int flags = 0, ret = fs_getattr(&w->task, ino, &a);

	if (ret < 0)
		return ret;
	if ((a.mode & S_ISGID) && ops_is_stranger(req, a.gid))
		flags = FS_XATTR_STRANGER;
	return fs_setxattr(&w->task, NULL, ino, name, value, size, flags);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	struct worker *w = ops_worker(req);

	if (w)
		ops_reply(req, is_access_acl(name)
				   ? set_access_acl(req, w, (fs_ino)ino, name, value, size)
				   : fs_setxattr(&w->task, NULL, (fs_ino)ino, name, value, size, flags));
}

/* With size 0 the kernel asks for the size only. */
static void reply_xattr(fuse_req_t req, struct worker *w, size_t size, int n)
{
	if (n >= 0 && size == 0)
		fuse_reply_xattr(req, (size_t)n);
	else
		ops_reply_bytes(req, w, n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct worker *w = ops_worker(req);

	if (w)
		reply_xattr(req, w, size,
			    fs_getxattr(&w->task, NULL, (fs_ino)ino, name, w->buf, min_of(size, sizeof(w->buf))));
}

/*
 * The kernel judges who may get trusted.* by name, but hands on the list as it
 * is. Of the capability that decides, a request does not tell: root has it.
 */
static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	const struct fs_cred cred = {.uid = ctx->uid, .gid = ctx->gid, .caps = ctx->uid == 0 ? FS_CAP_ALL : 0};
	struct worker *w = ops_worker(req);

	if (w)
		reply_xattr(req, w, size,
			    fs_listxattr(&w->task, &cred, (fs_ino)ino, w->buf, min_of(size, sizeof(w->buf))));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct worker *w = ops_worker(req);

	if (w)
		ops_reply(req, is_access_acl(name) ? set_access_acl(req, w, (fs_ino)ino, name, "", 0)
						   : fs_removexattr(&w->task, NULL, (fs_ino)ino, name));
}

void inodes_fill(struct fuse_lowlevel_ops *ops)
{
	ops->getattr = op_getattr;
	ops->setattr = op_setattr;
	ops->readlink = op_readlink;
	ops->statfs = op_statfs;
	ops->setxattr = op_setxattr;
	ops->getxattr = op_getxattr;
	ops->listxattr = op_listxattr;
	ops->removexattr = op_removexattr;
}
