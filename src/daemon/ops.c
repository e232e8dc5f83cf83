/*
 * The parts of FUSE operations that are common to all: the worker's seat, the
 * store's attributes in FUSE's terms, answers.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/scope.h"
#include "daemon/caller.h"
#include "daemon/ops.h"
#include "daemon/teller.h"
#include "metrics/count.h"

static __thread struct worker *self;
static pthread_key_t leaving; /* its destructor gives the seat back when a thread ends */

static void leave(void *arg)
{
	struct worker *w = arg;

	task_detach(&w->task);
	free(w);
	self = NULL;
}

int ops_prepare(void)
{
	return -pthread_key_create(&leaving, leave);
}

static int read_clock(int clock, struct timespec *ts)
{
	return clock_gettime(clock, ts) < 0 ? -errno : 0;
}

/* See struct task. */
static bool is_absent(void *arg, uint32_t dir, const char *name, size_t len, bool seen)
{
	struct worker *w = arg;

	if (name)
		w->keep = absent_add(w->session->absent, dir, name, len, seen);
	else
		absent_free(absent_take(w->session->absent, dir));
	return w->keep;
}

/* What calls of the kernel's leave to be told: only that an inode is gone. Nobody waits for it. */
static void tell_later(void *arg, const struct stale_list *list, uint32_t n)
{
	struct telling *t = calloc(1, sizeof(*t));

	if (!t)
		return;
	t->n = n;
	t->list = *list;
	teller_tell(((struct worker *)arg)->session->teller, t);
}

static int take_seat(struct session *s)
{
	autofree struct worker *w = malloc(sizeof(*w));
	int ret;

	if (!w)
		return -ENOMEM;
	memset(&w->task, 0, sizeof(w->task));
	ret = task_attach(s->pool, TASK_KERNEL, &w->task);
	if (ret < 0)
		return ret;
	w->keep = false;
	w->session = s;
	w->task.clock = read_clock;
	w->task.absent = is_absent;
	w->task.invalidate = tell_later;
	w->task.arg = w;
	metrics_attach(&w->task);
	self = steal(&w);
	pthread_setspecific(leaving, self);
	return 0;
}

struct session *ops_session(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

struct task *ops_task(struct session *s)
{
	if (unlikely(!self))
		(void)!take_seat(s); /* a request without one is answered with the reason */
	return self ? &self->task : NULL;
}

/* The process that asks is to end, or has a signal to see to: it waits for no lock, but for those who hold some. */
static void given_up(fuse_req_t req, void *worker)
{
	struct worker *w = worker;

	if (load_acquire(&w->request) == req)
		store_release(&w->task.given_up, 1);
}

struct worker *ops_worker(fuse_req_t req)
{
	int ret = self ? 0 : take_seat(ops_session(req));

	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return NULL;
	}
	store_release(&self->request, req);
	store_release(&self->task.given_up, 0);
	fuse_req_interrupt_func(req, given_up, self);
	return self;
}

void ops_stat(const struct fs_attr *a, struct stat *st)
{
	*st = (struct stat){
	    .st_ino = a->ino,
	    .st_mode = a->mode,
	    .st_nlink = a->nlink,
	    .st_uid = a->uid,
	    .st_gid = a->gid,
	    .st_rdev = a->rdev,
	    .st_size = (off_t)a->size,
	    .st_blksize = FS_BLOCK_SIZE,
	    .st_blocks = (blkcnt_t)a->blocks,
	    .st_atim = a->atime,
	    .st_mtim = a->mtime,
	    .st_ctim = a->ctime,
	};
}

void ops_entry(const struct fs_attr *a, struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){
	    .ino = a->ino,
	    .generation = a->gen,
	    .attr_timeout = OPS_FOREVER,
	    .entry_timeout = OPS_FOREVER,
	};
	ops_stat(a, &e->attr);
}

struct fs_name ops_name(const char *s)
{
	return (struct fs_name){.s = s, .len = strlen(s)};
}

void ops_reply(fuse_req_t req, int ret)
{
	fuse_reply_err(req, -ret);
}

void ops_reply_entry(fuse_req_t req, struct worker *w, int ret, const struct fs_attr *a)
{
	struct fuse_entry_param e;

	if (ret < 0) {
		fuse_reply_err(req, -ret);
		return;
	}
	ops_entry(a, &e);
	if (fuse_reply_entry(req, &e) < 0)
		fs_forget(&w->task, a->ino, 1);
}

void ops_reply_bytes(fuse_req_t req, struct worker *w, int64_t n)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, w->buf, (size_t)n);
}

bool ops_is_stranger(fuse_req_t req, gid_t gid)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return caller_is_stranger(&(struct caller){ctx->pid, ctx->uid, ctx->gid}, gid);
}

unsigned ops_setid(fuse_req_t req, const struct fs_attr *a)
{
	if (likely(!(a->mode & (S_ISUID | S_ISGID))))
		return 0;
	/* Only without group execution it matters who asks. */
	if ((a->mode & (S_ISGID | S_IXGRP)) == S_ISGID && ops_is_stranger(req, a->gid))
		return FS_SET_NO_SETID | FS_SET_STRANGER;
	return FS_SET_NO_SETID;
}

int ops_kill_suidgid(fuse_req_t req, struct worker *w, fs_ino ino)
{
	struct fs_attr a;
	uint32_t had;
	unsigned set;
	int ret;

	ret = fs_getattr(&w->task, ino, &a);
	if (ret < 0)
		return ret;
	had = a.mode;
	set = ops_setid(req, &a);
	if (likely(!set) || !S_ISREG(a.mode))
		return 0;
	ret = fs_setattr(&w->task, NULL, ino, set, &a, &a);
	/* A negative offset: attributes only, for which the kernel takes no lock that this request may hold. */
	if (ret == 0 && a.mode != had)
		fuse_lowlevel_notify_inval_inode(ops_session(req)->fuse, ino, -1, 0);
	return ret;
}
