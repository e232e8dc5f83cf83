/*
 * Dispatch, and the observation of what an operation named: after each one,
 * the attributes of its paths, their parents and its descriptor, seen by user 0.
 */
#include "vfs_int.h"

#include <errno.h>
#include <string.h>

static vfs_fn *const table[OP_KINDS] = {
    [OP_STAT] = vfs_stat,	    [OP_FSTAT] = vfs_fstat,
    [OP_ACCESS] = vfs_access,	    [OP_MKDIR] = vfs_mkdir,
    [OP_RMDIR] = vfs_rmdir,	    [OP_MKNOD] = vfs_mknod,
    [OP_SYMLINK] = vfs_symlink,	    [OP_READLINK] = vfs_readlink,
    [OP_LINK] = vfs_link,	    [OP_LINKFD] = vfs_linkfd,
    [OP_UNLINK] = vfs_unlink,	    [OP_RENAME] = vfs_rename,
    [OP_OPEN] = vfs_open,	    [OP_TMPFILE] = vfs_tmpfile,
    [OP_CLOSE] = vfs_close,	    [OP_DUP] = vfs_dup,
    [OP_SETFL] = vfs_setfl,	    [OP_READ] = vfs_read,
    [OP_WRITE] = vfs_write,	    [OP_LSEEK] = vfs_lseek,
    [OP_TRUNCATE] = vfs_truncate,   [OP_FTRUNCATE] = vfs_ftruncate,
    [OP_FALLOCATE] = vfs_fallocate, [OP_COPY_RANGE] = vfs_copy_range,
    [OP_CHMOD] = vfs_chmod,	    [OP_FCHMOD] = vfs_fchmod,
    [OP_CHOWN] = vfs_chown,	    [OP_FCHOWN] = vfs_fchown,
    [OP_UTIMENS] = vfs_utimens,	    [OP_FUTIMENS] = vfs_futimens,
    [OP_SETXATTR] = vfs_setxattr,   [OP_GETXATTR] = vfs_getxattr,
    [OP_LISTXATTR] = vfs_listxattr, [OP_REMOVEXATTR] = vfs_removexattr,
    [OP_READDIR] = vfs_readdir,	    [OP_STATFS] = vfs_statfs,
    [OP_FSYNC] = vfs_fsync,	    [OP_CONTENT] = vfs_content,
};

static void probe_path(struct vfs_call *k, const char *what, const char *path)
{
	struct probe *p = &k->r->probe[k->r->nprobe++];

	p->what = what;
	p->err = vfs_find(k, path, false, &p->attr);
}

static void probe_parent(struct vfs_call *k, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = strdup(path);

	if (slash)
		dir[slash - path] = 0;
	probe_path(k, "parent", slash ? dir : ".");
	free(dir);
}

static void probe_fd(struct vfs_call *k, int fd)
{
	struct probe *p = &k->r->probe[k->r->nprobe++];
	struct vfs_file *f = vfs_slot(k, fd);

	p->what = "fd";
	p->err = f ? k->v->ops->getattr(k->v->s, f->ino, &p->attr) : -EBADF;
}

static void probe_all(struct vfs_call *k)
{
	bool target = k->o->kind == OP_SYMLINK; /* path2 is no path of ours */
	bool name = k->o->kind >= OP_SETXATTR && k->o->kind <= OP_REMOVEXATTR;

	k->c = cred_get(0);
	if (k->o->path) {
		probe_path(k, "path", k->o->path);
		probe_parent(k, k->o->path);
	}
	if (k->o->path2 && !target && !name)
		probe_path(k, "path2", k->o->path2);
	if (k->o->fd >= 0)
		probe_fd(k, k->o->fd);
}

void vfs_run(struct vfs *v, const struct op *o, bool probe, struct result *r)
{
	struct vfs_call k = {.v = v, .o = o, .c = cred_get(o->who), .r = r};
	int tries = 0;

	/* An inode that went away between two steps of the walk: the kernel walks again, too. */
	do
		r->ret = table[o->kind](&k);
	while (r->ret == -ESTALE && tries++ < 100);
	if (probe)
		probe_all(&k);
}
