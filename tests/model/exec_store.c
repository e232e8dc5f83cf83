/* The store under vfs.c, on a pool in a memfd: by inodes alone, or with its own walk and open files. */
#include "cred.h"
#include "node_store.h"
#include "vfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct exec_fs {
	struct fs fs;
	struct exec_params p;
	uint32_t sessions; /* atomic: numbers the sessions, for their handles */
};

struct exec {
	struct vfs v;
	struct node_seat seat;
};

static int session_clock(int clock, struct timespec *ts)
{
	*ts = exec_clock;
	return 0;
}

static int make_pool(struct exec_fs *fs, const struct exec_params *p)
{
	const struct fs_cred *c = cred_get(0);
	struct fs_format f = {
	    .size = p->size ? p->size : 256 << 20,
	    .inodes = p->inodes ? p->inodes : 65536,
	    .name = "model",
	    .root_mode = 0777,
	    .root_uid = c->uid,
	    .root_gid = c->gid,
	};
	int fd = memfd_create("bt-fuse-model", MFD_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = fs_format(fd, &f);
	if (ret == 0)
		ret = fs_attach(fd, 0, &fs->fs);
	if (ret < 0)
		close(fd);
	return ret;
}

void exec_store_refuse(struct exec_fs *fs, bool (*refuse)(void *arg), void *arg)
{
	fs->fs.pool.refuse_arg = arg;
	fs->fs.pool.refuse = refuse;
}

static struct exec_fs *instance(const struct exec_params *p)
{
	struct exec_fs *fs = calloc(1, sizeof(*fs));
	int ret = make_pool(fs, p);

	fs->p = *p;
	direct_ops_fill();
	if (ret == 0)
		return fs;
	fprintf(stderr, "model: cannot make a pool: %s\n", strerror(-ret));
	free(fs);
	return NULL;
}

static void instance_close(struct exec_fs *fs)
{
	fs_detach(&fs->fs);
	free(fs);
}

/* The session's own directory, made by user 0. */
static fs_ino own_directory(struct exec_fs *fs, struct task *t, const char *sub)
{
	struct fs_new new = {.mode = S_IFDIR | (fs->p.multiuser ? 0777u : 0755u)};
	struct fs_name name = {.s = sub, .len = strlen(sub)};
	struct fs_attr a = {0};
	int ret = fs_make(t, cred_get(0), FS_ROOT, name, &new, &a);

	if (ret < 0)
		fprintf(stderr, "model: cannot make the session's directory: %s\n", strerror(-ret));
	return a.ino;
}

static struct exec *session_with(struct exec_fs *fs, const char *sub, const struct node_ops *ops)
{
	struct exec *e = calloc(1, sizeof(*e));
	int ret = task_attach(&fs->fs.pool, 0, &e->seat.task);

	if (ret < 0) {
		fprintf(stderr, "model: cannot attach a task: %s\n", strerror(-ret));
		free(e);
		return NULL;
	}
	e->seat.task.clock = session_clock;
	e->v = (struct vfs){
	    .ops = ops,
	    .s = &e->seat,
	    .root = sub ? own_directory(fs, &e->seat.task, sub) : FS_ROOT,
	    .first_handle = __atomic_fetch_add(&fs->sessions, 1, __ATOMIC_RELAXED) * OP_SLOTS,
	    .size_max = INT64_MAX,
	    .link_policy = fs->p.link_policy,
	};
	return e;
}

static struct exec *session(struct exec_fs *fs, const char *sub)
{
	return session_with(fs, sub, &store_ops);
}

static struct exec *session_direct(struct exec_fs *fs, const char *sub)
{
	return session_with(fs, sub, &direct_ops);
}

static void session_end(struct exec *e)
{
	vfs_close_all(&e->v);
	task_detach(&e->seat.task);
	free(e);
}

static void run(struct exec *e, const struct op *o, bool probe, struct result *r)
{
	vfs_run(&e->v, o, probe, r);
}

struct complaints {
	FILE *f;
	int n;
};

static void complain(void *arg, const char *what, uint64_t at)
{
	struct complaints *c = arg;

	if (c->f && c->n++ < 5)
		fprintf(c->f, "fs_check: %s (at %#llx)\n", what, (unsigned long long)at);
}

static int64_t verify_store(struct exec *e, FILE *f)
{
	struct complaints c = {.f = f};

	return fs_check(&e->seat.task, complain, &c);
}

static void usage(struct exec *e, struct exec_usage *u)
{
	struct fs_stats st = {0};

	if (fs_statfs(&e->seat.task, &st) == 0)
		*u = (struct exec_usage){(int64_t)(st.blocks - st.blocks_free), (int64_t)(st.inodes - st.inodes_free)};
}

const struct exec_kind exec_store = {
    .name = "store",
    .open = instance,
    .close = instance_close,
    .session = session,
    .end = session_end,
    .run = run,
    .verify = verify_store,
    .usage = usage,
    .logical = true,
};

const struct exec_kind exec_direct = {
    .name = "direct",
    .open = instance,
    .close = instance_close,
    .session = session_direct,
    .end = session_end,
    .run = run,
    .verify = verify_store,
    .usage = usage,
    .logical = true,
};
