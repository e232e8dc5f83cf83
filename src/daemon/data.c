/*
 * Operations on open files. A kernel reference holds the inode, and each request
 * carries what else matters: the file handle says only whether it is counted
 * among those that may be written through.
 *
 * Left out on purpose, since libfuse answers as it should be:
 *	flush, fsync, fsyncdir	ENOSYS, whereupon the kernel succeeds without asking again
 *	releasedir		success
 *	getlk, setlk, flock	not offered: locks stay in the kernel, for all users of the mount
 *	ioctl			ENOTTY
 *	access			never asked, by default_permissions
 *
 * atime. Reads that the page cache answers are not seen here. So where relatime
 * is due to change a file's atime, the kernel is told at open to drop its
 * pages, and the first read comes through. With noatime there is nothing left
 * to do at open: ENOSYS has the kernel open without asking, ever.
 *
 * Pages. The kernel holds what it read and what it wrote; both mark the inode.
 * Keeping pages at open marks nothing: a mark that has gone took them along.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "daemon/ops.h"
#include "daemon/teller.h"

#define DAY 86400

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

/* Would a read change atime, as relatime does? */
static bool atime_due(struct worker *w, fs_ino ino)
{
	struct timespec now;
	struct fs_attr a;

	if (fs_getattr(&w->task, ino, &a) < 0)
		return true;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return !later(&a.atime, &a.mtime) || !later(&a.atime, &a.ctime) || now.tv_sec - a.atime.tv_sec >= DAY;
}

static bool reads_atime(const struct session *s, int flags)
{
	return !(s->flags & SESSION_NOATIME) && !(flags & O_NOATIME) && (flags & O_ACCMODE) != O_WRONLY;
}

static int truncate_at_open(fuse_req_t req, struct worker *w, fs_ino ino)
{
	struct fs_attr a = {.size = 0};
	int ret = wire_kill_suidgid() ? ops_kill_suidgid(req, w, ino) : 0;

	return ret < 0 ? ret : fs_setattr(&w->task, NULL, ino, FS_SET_SIZE | FS_SET_OPEN, &a, &a);
}

/*
 * What is read from the kernel's pages is not seen here, so a file that is
 * opened to be read counts as read. Dropping its pages instead, to see the first
 * read, is not safe: a page that another process has just written is clean
 * while its WRITE is under way (the kernel writes through), and read anew
 * before that arrives it would stay old for ever.
 */
static void access_at_open(struct session *s, struct worker *w, fs_ino ino)
{
	fs_read(&w->task, ino, w->buf, 1, 0, 0);
	fuse_lowlevel_notify_inval_inode(s->fuse, ino, -1, 0); /* its attributes, no page */
}

/* ---- Who may write ---------------------------------------------------------------------- */

enum { WRITES = 1, APPENDS = 2 }; /* fh of what is counted */

static bool writes(const struct fuse_file_info *fi)
{
	return (fi->flags & O_ACCMODE) != O_RDONLY;
}

void data_opened(struct session *s, struct task *t, fs_ino ino, struct fuse_file_info *fi)
{
	if (!writes(fi))
		return;
	fi->fh = fi->flags & O_APPEND ? APPENDS : WRITES;
	writers_add(&s->writers, ino);
	if (fi->fh != APPENDS)
		return;
	pthread_mutex_lock(&s->appending);
	writers_add(&s->appenders, ino);
	(void)!fs_mark_appended(t, ino, FS_MARK_APPENDED);
	pthread_mutex_unlock(&s->appending);
}

void data_closed(struct session *s, struct task *t, fs_ino ino, const struct fuse_file_info *fi)
{
	if (!fi->fh)
		return;
	writers_drop(&s->writers, ino);
	if (fi->fh != APPENDS)
		return;
	pthread_mutex_lock(&s->appending);
	writers_drop(&s->appenders, ino);
	if (!writers_any(&s->appenders, ino))
		fs_unmark_appended(t, ino);
	pthread_mutex_unlock(&s->appending);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct worker *w = ops_worker(req);

	if (!w)
		return;
	data_closed(ops_session(req), &w->task, (fs_ino)ino, fi);
	fuse_reply_err(req, 0);
}

/* An opening that the teller answers. */
struct opening {
	struct telling telling; /* first */
	struct session *session;
	fuse_req_t req;
	struct fuse_file_info fi;
};

static void reply_open(struct session *s, fuse_req_t req, fs_ino ino, const struct fuse_file_info *fi)
{
	struct task *t;

	if (fuse_reply_open(req, fi) < 0 && (t = ops_task(s)))
		data_closed(s, t, ino, fi);
}

static void is_settled(struct telling *t)
{
	struct opening *o = (struct opening *)t;

	reply_open(o->session, o->req, o->telling.list.item[0].ino, &o->fi);
	free(o);
}

/*
 * The kernel appends at the end that it knows of. If its attributes are not marked
 * somebody may just have had it forget them, and have seen no writer.
 */
static void open_to_write(fuse_req_t req, struct worker *w, fs_ino ino, struct fuse_file_info *fi)
{
	struct session *s = ops_session(req);
	struct opening *o;

	data_opened(s, &w->task, ino, fi);
	if (fs_marks(&w->task, ino) & FS_MARK_ATTR || !(o = calloc(1, sizeof(*o)))) {
		reply_open(s, req, ino, fi);
		return;
	}
	*o = (struct opening){.telling = {.n = 1, .done = is_settled}, .session = s, .req = req, .fi = *fi};
	o->telling.list.item[0] = (struct stale_item){.ino = ino, .marks = FS_MARK_OWNER};
	teller_tell(s->teller, &o->telling);
}

/* ---- */

#define OPENS_TO_EXECUTE 0x20 /* the kernel's own, FMODE_EXEC */

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct session *s = ops_session(req);
	struct worker *w = ops_worker(req);
	int ret = 0;

	if (!w)
		return;
	if (s->zero_open)
		ret = -ENOSYS;
	else if (fi->flags & O_TRUNC)
		ret = truncate_at_open(req, w, (fs_ino)ino);
	else if (fi->flags & OPENS_TO_EXECUTE)
		ret = fs_mark_run(&w->task, (fs_ino)ino);
	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	if ((fi->flags & O_ACCMODE) == O_RDONLY && reads_atime(s, fi->flags) && atime_due(w, (fs_ino)ino))
		access_at_open(s, w, (fs_ino)ino);
	fi->keep_cache = 1;
	if (writes(fi))
		open_to_write(req, w, (fs_ino)ino, fi);
	else
		fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct worker *w = ops_worker(req);
	unsigned flags;
	int64_t n;

	if (!w)
		return;
	flags = reads_atime(ops_session(req), fi->flags) ? 0 : FS_IO_NOATIME;
	n = fs_mark_data(&w->task, (fs_ino)ino);
	if (n == 0)
		n = fs_read(&w->task, (fs_ino)ino, w->buf, min_of(size, sizeof(w->buf)), off, flags);
	ops_reply_bytes(req, w, n);
}

static void reply_count(fuse_req_t req, int64_t n)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}

/*
 * With O_APPEND the store decides where the end is, whatever the kernel
 * thinks; but for pages that were changed through a mapping, which have their
 * place.
 */
static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	unsigned flags = (fi->flags & O_APPEND) && !fi->writepage ? FS_IO_APPEND : 0;
	struct worker *w = ops_worker(req);
	int64_t n;

	if (!w)
		return;
	n = unlikely(wire_kill_suidgid()) ? ops_kill_suidgid(req, w, (fs_ino)ino) : 0;
	if (n == 0)
		n = fs_mark_data(&w->task, (fs_ino)ino);
	if (n == 0 && flags && fi->fh != APPENDS) /* since a while: fcntl(2) */
		n = fs_mark_appended(&w->task, (fs_ino)ino, FS_MARK_APPENDER);
	if (n == 0)
		n = fs_write(&w->task, NULL, (fs_ino)ino, buf, size, off, flags, NULL);
	reply_count(req, n);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
	struct worker *w = ops_worker(req);

	if (w)
		ops_reply(req, fs_fallocate(&w->task, NULL, (fs_ino)ino, mode, off, len));
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct worker *w = ops_worker(req);
	int64_t at;

	if (!w)
		return;
	if (whence == SEEK_DATA && unlikely(herald_is(&ops_session(req)->looker, fuse_req_ctx(req)->pid)))
		session_settle(ops_session(req), &w->task, (fs_ino)ino);
	at = fs_seek(&w->task, (fs_ino)ino, off, whence);
	if (at < 0)
		fuse_reply_err(req, (int)-at);
	else
		fuse_reply_lseek(req, at);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t in_off, struct fuse_file_info *in_fi,
			       fuse_ino_t out, off_t out_off, struct fuse_file_info *out_fi, size_t len, int flags)
{
	struct worker *w = ops_worker(req);

	if (w)
		reply_count(req, fs_copy_range(&w->task, NULL, (fs_ino)in, in_off, (fs_ino)out, out_off, len));
}

void data_fill(struct fuse_lowlevel_ops *ops)
{
	ops->open = op_open;
	ops->release = op_release;
	ops->read = op_read;
	ops->write = op_write;
	ops->fallocate = op_fallocate;
	ops->lseek = op_lseek;
	ops->copy_file_range = op_copy_file_range;
}
