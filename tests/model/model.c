/* The model's inodes, open files and clock. */
#include "model_int.h"

#include <fcntl.h>

struct timespec m_now(void)
{
	return exec_clock;
}

void m_touch(struct mnode *n)
{
	n->a.mtime = n->a.ctime = m_now();
}

static bool later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

/* relatime: update if not later than mtime and ctime, or a day old. */
void m_touch_atime(struct mnode *n)
{
	struct timespec now = m_now();

	if (later(n->a.atime, n->a.mtime) && later(n->a.atime, n->a.ctime) &&
	    now.tv_sec - n->a.atime.tv_sec < 24 * 3600)
		return;
	n->a.atime = now;
}

struct mnode *m_get(struct model *m, fs_ino ino)
{
	return ino < m->nnodes ? m->node[ino] : NULL;
}

/* Inode numbers are never used again: a stale one is found out. */
struct mnode *m_new(struct model *m, uint32_t mode)
{
	struct mnode *n = calloc(1, sizeof(*n));

	m->node = realloc(m->node, (m->nnodes + 1) * sizeof(struct mnode *));
	n->a.ino = (fs_ino)m->nnodes;
	n->a.mode = mode;
	n->a.nlink = S_ISDIR(mode) ? 2 : 1;
	n->a.atime = n->a.mtime = n->a.ctime = n->a.btime = m_now();
	m->node[m->nnodes++] = n;
	return n;
}

static void free_node(struct model *m, struct mnode *n)
{
	m->node[n->a.ino] = NULL;
	for (size_t i = 0; i < n->nnames; i++)
		free(n->names[i].name);
	for (size_t i = 0; i < n->npages; i++)
		free(n->pages[i].bytes);
	for (size_t i = 0; i < n->nxattrs; i++) {
		free(n->xattrs[i].name);
		free(n->xattrs[i].value);
	}
	free(n->names);
	free(n->pages);
	free(n->xattrs);
	free(n->target);
	free(n);
}

void m_drop_if_unused(struct model *m, struct mnode *n)
{
	if (n->a.nlink == 0 && n->opens == 0)
		free_node(m, n);
}

static int model_getattr(void *s, fs_ino ino, struct fs_attr *out)
{
	struct mnode *n = m_get(s, ino);

	if (!n)
		return -ESTALE;
	*out = n->a;
	out->blocks = n->npages * (MODEL_PAGE / 512);
	return 0;
}

static int model_readlink(void *s, fs_ino ino, char *buf, size_t size)
{
	struct mnode *n = m_get(s, ino);

	if (!n)
		return -ESTALE;
	if (!n->target)
		return -EINVAL;
	m_touch_atime(n);
	if (size > n->a.size)
		size = n->a.size;
	memcpy(buf, n->target, size);
	return (int)size;
}

static int open_mask(int flags)
{
	static const int mask[] = {R_OK, W_OK, R_OK | W_OK, R_OK | W_OK};

	return mask[flags & O_ACCMODE] | (flags & O_TRUNC ? W_OK : 0);
}

static int model_open(void *s, const struct fs_cred *c, fs_ino ino, int flags, uint32_t handle)
{
	struct model *m = s;
	struct mnode *n = m_get(m, ino);
	int ret;

	if (!n)
		return -ESTALE;
	if (S_ISDIR(n->a.mode) && (open_mask(flags) & W_OK))
		return -EISDIR;
	ret = m_permission(c, n, open_mask(flags));
	if (ret < 0)
		return ret;
	if ((flags & O_NOATIME) && !m_owner(c, n))
		return -EPERM;
	if ((flags & O_TRUNC) && S_ISREG(n->a.mode)) {
		m_drop_privileges(c, n);
		m_set_size(n, 0);
		m_touch(n);
	}
	n->opens++;
	m->handle[handle % MODEL_HANDLES] = n;
	return 0;
}

static int model_close(void *s, uint32_t handle)
{
	struct model *m = s;
	struct mnode *n = m->handle[handle % MODEL_HANDLES];

	m->handle[handle % MODEL_HANDLES] = NULL;
	n->opens--;
	m_drop_if_unused(m, n);
	return 0;
}

static int model_statfs(void *s, struct fs_stats *out)
{
	*out = (struct fs_stats){.blocks = 1, .inodes = 1};
	return 0;
}

struct model *model_new(const struct model_options *o)
{
	struct model *m = calloc(1, sizeof(*m));
	struct mnode *root;

	m->o = *o;
	m->node = calloc(1, sizeof(struct mnode *));
	m->nnodes = FS_ROOT;
	root = m_new(m, S_IFDIR | o->root_mode);
	root->a.uid = o->root_uid;
	root->a.gid = o->root_gid;
	root->parent = root;
	return m;
}

void model_free(struct model *m)
{
	for (size_t i = 0; i < m->nnodes; i++)
		if (m->node[i])
			free_node(m, m->node[i]);
	free(m->node);
	free(m);
}

const struct node_ops model_ops = {
    .lookup = model_lookup,
    .make = model_make,
    .tmpfile = model_tmpfile,
    .link = model_link,
    .unlink = model_unlink,
    .rmdir = model_rmdir,
    .rename = model_rename,
    .readdir = model_readdir,
    .getattr = model_getattr,
    .setattr = model_setattr,
    .access = model_access,
    .readlink = model_readlink,
    .open = model_open,
    .close = model_close,
    .read = model_read,
    .write = model_write,
    .fallocate = model_fallocate,
    .seek = model_seek,
    .copy_range = model_copy_range,
    .getxattr = model_getxattr,
    .setxattr = model_setxattr,
    .listxattr = model_listxattr,
    .removexattr = model_removexattr,
    .statfs = model_statfs,
};
