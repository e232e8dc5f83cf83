/* The model under vfs.c. Each session has a model of its own: sessions never meet in it. */
#include "cred.h"
#include "model.h"
#include "vfs.h"

#include <stdlib.h>

struct exec_fs {
	struct exec_params p;
};

struct exec {
	struct vfs v;
	struct model *m;
};

_Thread_local struct timespec exec_clock;

static struct exec_fs *instance(const struct exec_params *p)
{
	struct exec_fs *fs = calloc(1, sizeof(*fs));

	fs->p = *p;
	return fs;
}

static void instance_close(struct exec_fs *fs)
{
	free(fs);
}

static struct exec *session(struct exec_fs *fs, const char *sub)
{
	struct exec *e = calloc(1, sizeof(*e));
	const struct fs_cred *c = cred_get(0);
	struct model_options o = {
	    .size_max = fs->p.size_max,
	    .unknown_max = fs->p.unknown_max,
	    .zero_range = fs->p.zero_range,
	    .allocated_again_is_data = fs->p.allocated_again_is_data,
	    .same_size = fs->p.same_size,
	    .root_mode = fs->p.multiuser ? 0777 : 0755,
	    .root_uid = c->uid,
	    .root_gid = c->gid,
	};

	e->m = model_new(&o);
	e->v = (struct vfs){
	    .ops = &model_ops,
	    .s = e->m,
	    .root = FS_ROOT,
	    .size_max = INT64_MAX,
	    .link_policy = fs->p.link_policy,
	};
	return e;
}

static void session_end(struct exec *e)
{
	vfs_close_all(&e->v);
	model_free(e->m);
	free(e);
}

static void run(struct exec *e, const struct op *o, bool probe, struct result *r)
{
	vfs_run(&e->v, o, probe, r);
}

const struct exec_kind exec_model = {
    .name = "model",
    .open = instance,
    .close = instance_close,
    .session = session,
    .end = session_end,
    .run = run,
    .logical = true,
};
