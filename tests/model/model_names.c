/* Names: may_create(), may_delete() and the calls above them in fs/namei.c of Linux. */
#include "model_int.h"

#include <sys/sysmacros.h>

struct mname *m_find(struct mnode *dir, struct fs_name name)
{
	for (size_t i = 0; i < dir->nnames; i++)
		if (strlen(dir->names[i].name) == name.len && !memcmp(dir->names[i].name, name.s, name.len))
			return &dir->names[i];
	return NULL;
}

void m_add_name(struct mnode *dir, struct fs_name name, struct mnode *n)
{
	dir->names = realloc(dir->names, (dir->nnames + 1) * sizeof(*dir->names));
	dir->names[dir->nnames++] = (struct mname){.name = strndup(name.s, name.len), .node = n};
}

void m_remove_name(struct mnode *dir, struct mname *name)
{
	free(name->name);
	*name = dir->names[--dir->nnames];
}

int m_lookup(struct model *m, const struct fs_cred *c, fs_ino dir, struct fs_name name, struct mnode **d,
	     struct mname **found)
{
	int ret;

	*d = m_get(m, dir);
	if (!*d)
		return -ESTALE;
	if (!S_ISDIR((*d)->a.mode))
		return -ENOTDIR;
	ret = m_permission(c, *d, X_OK);
	if (ret < 0)
		return ret;
	if (!(*d)->parent)
		return -ENOENT;
	if (name.len > FS_NAME_MAX)
		return -ENAMETOOLONG;
	*found = m_find(*d, name);
	return *found ? 0 : -ENOENT;
}

int model_lookup(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name name, struct fs_attr *out)
{
	struct mnode *d;
	struct mname *found;
	int ret = m_lookup(s, c, dir, name, &d, &found);

	return ret < 0 ? ret : model_ops.getattr(s, found->node->a.ino, out);
}

int m_may_delete(const struct fs_cred *c, struct mnode *dir, struct mnode *victim, bool isdir)
{
	int ret = m_permission(c, dir, W_OK | X_OK);

	if (ret == 0)
		ret = m_sticky(c, dir, victim);
	if (ret < 0)
		return ret;
	if (isdir && !S_ISDIR(victim->a.mode))
		return -ENOTDIR;
	return !isdir && S_ISDIR(victim->a.mode) ? -EISDIR : 0;
}

/* The name is free and may be made. */
static int may_create(struct model *m, const struct fs_cred *c, fs_ino dir, struct fs_name name, struct mnode **d)
{
	struct mname *found;
	int ret = m_lookup(m, c, dir, name, d, &found);

	if (ret == 0)
		return -EEXIST;
	if (ret != -ENOENT || !(*d)->parent)
		return ret;
	return m_permission(c, *d, W_OK | X_OK);
}

/* Owner, group, set-group-id and list of a new inode. */
static struct mnode *new_in(struct model *m, const struct fs_cred *c, struct mnode *dir, const struct fs_new *new)
{
	const uint32_t both = S_ISGID | S_IXGRP;
	uint32_t mode = new->mode;
	bool inherits = dir->a.mode & S_ISGID;
	struct mnode *n;

	if (inherits && !S_ISDIR(mode) && (mode & both) == both && !m_in_group(c, dir->a.gid) &&
	    !m_cap(c, FS_CAP_FSETID))
		mode &= ~(uint32_t)S_ISGID;
	if (inherits && S_ISDIR(mode))
		mode |= S_ISGID;
	n = m_new(m, mode);
	n->a.uid = c ? c->uid : new->uid;
	n->a.gid = inherits ? dir->a.gid : c ? c->gid : new->gid;
	m_acl_inherit(dir, n, new->umask);
	return n;
}

/* Whiteouts, character device 0/0, are for everybody. */
static int may_mknod(const struct fs_cred *c, const struct fs_new *new)
{
	if (!S_ISCHR(new->mode) && !S_ISBLK(new->mode))
		return 0;
	if (S_ISCHR(new->mode) && new->rdev == 0)
		return 0;
	return m_cap(c, FS_CAP_MKNOD) ? 0 : -EPERM;
}

int model_make(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name name, const struct fs_new *new,
	       struct fs_attr *out)
{
	struct mnode *d, *n;
	int ret = may_create(s, c, dir, name, &d);

	if (ret == 0)
		ret = may_mknod(c, new);
	if (ret < 0)
		return ret;
	n = new_in(s, c, d, new);
	n->a.rdev = new->rdev;
	if (S_ISLNK(new->mode)) {
		n->target = strndup(new->target, new->target_len);
		n->a.size = new->target_len;
	}
	if (S_ISDIR(new->mode)) {
		n->parent = d;
		d->a.nlink++;
	}
	m_add_name(d, name, n);
	m_touch(d);
	if (out)
		*out = n->a;
	return 0;
}

int model_tmpfile(void *s, const struct fs_cred *c, fs_ino dir, const struct fs_new *new, uint32_t handle,
		  struct fs_attr *out)
{
	struct model *m = s;
	struct mnode *d = m_get(m, dir), *n;
	int ret = d ? m_permission(c, d, W_OK | X_OK) : -ESTALE;

	if (ret < 0)
		return ret;
	n = new_in(m, c, d, new);
	n->a.nlink = 0;
	n->linkable = true;
	n->opens = 1;
	m->handle[handle % MODEL_HANDLES] = n;
	*out = n->a;
	return 0;
}

int model_link(void *s, const struct fs_cred *c, fs_ino ino, fs_ino dir, struct fs_name name, struct fs_attr *out)
{
	struct mnode *d, *n = m_get(s, ino);
	int ret = may_create(s, c, dir, name, &d);

	if (ret < 0)
		return ret;
	if (!n)
		return -ESTALE;
	if (S_ISDIR(n->a.mode))
		return -EPERM;
	if (n->a.nlink == 0 && !n->linkable)
		return -ENOENT;
	n->linkable = false;
	n->a.nlink++;
	n->a.ctime = m_now();
	m_add_name(d, name, n);
	m_touch(d);
	return 0;
}

int model_unlink(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name name)
{
	struct mnode *d, *n;
	struct mname *found;
	int ret = m_lookup(s, c, dir, name, &d, &found);

	if (ret == 0)
		ret = m_may_delete(c, d, found->node, false);
	if (ret < 0)
		return ret;
	n = found->node;
	m_remove_name(d, found);
	m_touch(d);
	n->a.ctime = m_now();
	n->a.nlink--;
	m_drop_if_unused(s, n);
	return 0;
}

int model_rmdir(void *s, const struct fs_cred *c, fs_ino dir, struct fs_name name)
{
	struct mnode *d, *n;
	struct mname *found;
	int ret = m_lookup(s, c, dir, name, &d, &found);

	if (ret == 0)
		ret = m_may_delete(c, d, found->node, true);
	if (ret == 0 && found->node->nnames)
		ret = -ENOTEMPTY;
	if (ret < 0)
		return ret;
	n = found->node;
	m_remove_name(d, found);
	m_touch(d);
	d->a.nlink--;
	n->a.ctime = m_now();
	n->a.nlink = 0;
	n->parent = NULL;
	m_drop_if_unused(s, n);
	return 0;
}

static struct fs_dirent entry(struct mnode *dir, uint64_t at)
{
	struct fs_dirent e = {.cookie = at + 1};
	struct mnode *n = dir;
	const char *name = at == 0 ? "." : "..";

	if (at == 1)
		n = dir->parent;
	if (at >= 2) {
		n = dir->names[at - 2].node;
		name = dir->names[at - 2].name;
	}
	e.ino = n->a.ino;
	e.mode = n->a.mode & S_IFMT;
	e.len = (uint8_t)strlen(name);
	strcpy(e.name, name);
	return e;
}

int model_readdir(void *s, fs_ino dir, uint64_t cookie, struct fs_dirent *out, int n)
{
	struct mnode *d = m_get(s, dir);
	int i;

	if (!d || !d->parent)
		return d ? -ENOENT : -ESTALE;
	if (cookie == 0)
		m_touch_atime(d);
	for (i = 0; i < n && cookie + (uint64_t)i < d->nnames + 2; i++)
		out[i] = entry(d, cookie + (uint64_t)i);
	return i;
}
