/* What is done to a node: its attributes, its bytes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "memfs.h"

#define READ_MAX (1u << 20) /* what the kernel asks for at once */
#define BLOCKS (1ull << 30) /* as statfs says: 4 TiB, all free */

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuse_entry_param e;

	memfs_entry(memfs_of(req), memfs_node(req, ino), &e);
	fuse_reply_attr(req, &e.attr, e.attr_timeout);
}

static void set_times(struct node *n, const struct stat *to, int which)
{
	const struct timespec now = node_now();

	if (which & FUSE_SET_ATTR_ATIME)
		n->st.st_atim = to->st_atim;
	if (which & FUSE_SET_ATTR_ATIME_NOW)
		n->st.st_atim = now;
	if (which & FUSE_SET_ATTR_MTIME)
		n->st.st_mtim = to->st_mtim;
	if (which & FUSE_SET_ATTR_MTIME_NOW)
		n->st.st_mtim = now;
	n->st.st_ctim = which & FUSE_SET_ATTR_CTIME ? to->st_ctim : now;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *to, int which, struct fuse_file_info *fi)
{
	struct node *n = memfs_node(req, ino);

	pthread_rwlock_wrlock(&n->lock);
	if (which & FUSE_SET_ATTR_MODE)
		n->st.st_mode = (n->st.st_mode & S_IFMT) | (to->st_mode & 07777);
	if (which & FUSE_SET_ATTR_UID)
		n->st.st_uid = to->st_uid;
	if (which & FUSE_SET_ATTR_GID)
		n->st.st_gid = to->st_gid;
	if (which & FUSE_SET_ATTR_SIZE)
		node_resize(n, (uint64_t)to->st_size);
	set_times(n, to, which);
	pthread_rwlock_unlock(&n->lock);
	op_getattr(req, ino, fi);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	fuse_reply_readlink(req, memfs_node(req, ino)->target);
}

/* ENOSYS: the kernel opens without asking from now on. O_TRUNC it does by a setattr. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (memfs_of(req)->zero_open) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->direct_io = !memfs_of(req)->caching;
	fi->keep_cache = !!memfs_of(req)->caching;
	fuse_reply_open(req, fi);
}

/*
 * The pages themselves are what is replied: the only copy is the kernel's. Who
 * reads goes on before the reply returns here, and may remove the file: a reference.
 */
static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *n = memfs_node(req, ino);
	struct iovec iov[READ_MAX / NODE_PAGE + 1];
	size_t done = 0;
	int count = 0;

	size = size < READ_MAX ? size : READ_MAX;
	node_ref(n);
	pthread_rwlock_rdlock(&n->lock);
	if (off >= n->st.st_size)
		size = 0;
	else if ((off_t)size > n->st.st_size - off)
		size = (size_t)(n->st.st_size - off);
	while (done < size) {
		size_t in = ((size_t)off + done) % NODE_PAGE;
		size_t part = size - done < NODE_PAGE - in ? size - done : NODE_PAGE - in;
		const char *page = node_page(n, ((size_t)off + done) / NODE_PAGE);

		iov[count++] = (struct iovec){(void *)(uintptr_t)(page + in), part};
		done += part;
	}
	fuse_reply_iov(req, iov, count);
	pthread_rwlock_unlock(&n->lock);
	node_unref(n, 1);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *n = memfs_node(req, ino);
	long ret;

	pthread_rwlock_wrlock(&n->lock);
	if (!memfs_of(req)->writeback && (fi->flags & O_APPEND))
		off = n->st.st_size;
	ret = node_write(n, buf, size, (uint64_t)off);
	pthread_rwlock_unlock(&n->lock);
	if (ret < 0)
		fuse_reply_err(req, (int)-ret);
	else
		fuse_reply_write(req, (size_t)ret);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
	struct node *n = memfs_node(req, ino);
	int ret = 0;

	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	pthread_rwlock_wrlock(&n->lock);
	if (mode & FALLOC_FL_PUNCH_HOLE)
		node_punch(n, (uint64_t)off, (uint64_t)len);
	else
		ret = node_fill(n, (uint64_t)off, (uint64_t)len);
	if (ret == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && off + len > n->st.st_size)
		n->st.st_size = off + len;
	node_modified(n);
	pthread_rwlock_unlock(&n->lock);
	fuse_reply_err(req, -ret);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct statvfs st = {.f_bsize = NODE_PAGE,
				   .f_frsize = NODE_PAGE,
				   .f_blocks = BLOCKS,
				   .f_bfree = BLOCKS,
				   .f_bavail = BLOCKS,
				   .f_files = BLOCKS,
				   .f_ffree = BLOCKS,
				   .f_favail = BLOCKS,
				   .f_namemax = NODE_NAME_MAX};

	fuse_reply_statfs(req, &st);
}

/* flush, release, fsync, access and the extended attributes have no callback: the kernel asks once and never again. */
void data_fill(struct fuse_lowlevel_ops *ops)
{
	ops->getattr = op_getattr;
	ops->setattr = op_setattr;
	ops->readlink = op_readlink;
	ops->open = op_open;
	ops->read = op_read;
	ops->write = op_write;
	ops->fallocate = op_fallocate;
	ops->statfs = op_statfs;
}
