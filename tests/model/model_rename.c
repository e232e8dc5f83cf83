/* rename(2): do_renameat2() and vfs_rename() of Linux. */
#include "model_int.h"

#include <stdio.h>

struct move {
	struct mnode *olddir, *newdir;
	struct mname *old, *new; /* new: NULL where the name is free */
};

/* Is `a` the directory `b`, or above it? */
static bool is_above(const struct mnode *a, const struct mnode *b)
{
	while (b != a && b->parent != b && b->parent)
		b = b->parent;
	return a == b;
}

static int check_target(struct move *v, unsigned flags)
{
	if (v->new && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (!v->new && (flags & RENAME_EXCHANGE))
		return -ENOENT;
	if (is_above(v->old->node, v->newdir))
		return -EINVAL; /* into itself */
	if (v->new &&is_above(v->new->node, v->olddir))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

static int check_permission(const struct fs_cred *c, struct move *v, unsigned flags)
{
	struct mnode *old = v->old->node, *new = v->new ? v->new->node : NULL;
	bool isdir = S_ISDIR(old->a.mode);
	int ret = m_may_delete(c, v->olddir, old, isdir);

	if (ret == 0 && !new)
		ret = m_permission(c, v->newdir, W_OK | X_OK);
	if (ret == 0 && new)
		ret = m_may_delete(c, v->newdir, new, flags & RENAME_EXCHANGE ? S_ISDIR(new->a.mode) : isdir);
	if (ret < 0 || v->olddir == v->newdir)
		return ret;
	/* A directory that changes its parent has its ".." written. */
	if (isdir)
		ret = m_permission(c, old, W_OK);
	if (ret == 0 && (flags & RENAME_EXCHANGE) && S_ISDIR(new->a.mode))
		ret = m_permission(c, new, W_OK);
	return ret;
}

/* A directory went from one parent to another. */
static void reparent(struct mnode *n, struct mnode *from, struct mnode *to)
{
	if (!S_ISDIR(n->a.mode))
		return;
	n->parent = to;
	from->a.nlink--;
	to->a.nlink++;
}

static void exchange(struct move *v)
{
	struct mnode *old = v->old->node, *new = v->new->node;

	v->old->node = new;
	v->new->node = old;
	reparent(old, v->olddir, v->newdir);
	reparent(new, v->newdir, v->olddir);
	new->a.ctime = m_now();
}

static void replace(struct model *m, struct move *v)
{
	struct mnode *victim = v->new->node;

	v->new->node = v->old->node;
	victim->a.ctime = m_now();
	victim->a.nlink--;
	if (S_ISDIR(victim->a.mode)) {
		victim->a.nlink = 0;
		victim->parent = NULL;
		v->newdir->a.nlink--;
	}
	m_drop_if_unused(m, victim);
}

static void move_it(struct model *m, struct move *v, struct fs_name oldname, struct fs_name newname)
{
	struct mnode *old = v->old->node;

	if (v->new)
		replace(m, v);
	else
		m_add_name(v->newdir, newname, old);
	m_remove_name(v->olddir, m_find(v->olddir, oldname));
	reparent(old, v->olddir, v->newdir);
}

int model_rename(void *s, const struct fs_cred *c, fs_ino olddir, struct fs_name oldname, fs_ino newdir,
		 struct fs_name newname, unsigned flags)
{
	struct move v = {0};
	struct mnode *old;
	int ret = m_lookup(s, c, olddir, oldname, &v.olddir, &v.old);

	if (ret == 0) {
		ret = m_lookup(s, c, newdir, newname, &v.newdir, &v.new);
		if (ret == -ENOENT && v.newdir->parent)
			ret = 0;
	}
	if (ret == 0)
		ret = check_target(&v, flags);
	if (ret == 0 && v.new &&v.new->node == v.old->node)
		return 0; /* two names of one file: nothing happens */
	if (ret == 0)
		ret = check_permission(c, &v, flags);
	if (ret == 0 && v.new && !(flags & RENAME_EXCHANGE) && v.new->node->nnames)
		ret = -ENOTEMPTY;
	if (ret < 0)
		return ret;
	old = v.old->node;
	if (flags & RENAME_EXCHANGE)
		exchange(&v);
	else
		move_it(s, &v, oldname, newname);
	old->a.ctime = m_now();
	m_touch(v.olddir);
	m_touch(v.newdir);
	return 0;
}
