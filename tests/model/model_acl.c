/* POSIX access control lists, after fs/posix_acl.c of Linux and the withdrawn POSIX 1003.1e. */
#include "model_int.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

static struct macl_entry *entry(struct macl *a, int tag)
{
	for (int i = 0; i < a->n; i++)
		if (a->e[i].tag == tag)
			return &a->e[i];
	return NULL;
}

static int masked(const struct macl *a, int i, int mask)
{
	for (int j = i + 1; j < a->n; j++)
		if (a->e[j].tag == ACL_MASK)
			return a->e[j].perm & a->e[i].perm & mask & 7;
	return a->e[i].perm & mask & 7;
}

/* Named users first, then any group that matches and grants, then others. */
int m_acl_check(const struct macl *a, const struct mnode *n, const struct fs_cred *c, int mask)
{
	bool group = false;

	if (a->n == 0)
		return -EAGAIN;
	for (int i = 0; i < a->n; i++) {
		const struct macl_entry *e = &a->e[i];
		bool member = (e->tag == ACL_GROUP_OBJ && m_in_group(c, n->a.gid)) ||
			      (e->tag == ACL_GROUP && m_in_group(c, e->id));

		if (e->tag == ACL_USER_OBJ && n->a.uid == c->uid)
			return (e->perm & mask) == mask ? 0 : -EACCES;
		if (e->tag == ACL_USER && e->id == c->uid)
			return masked(a, i, mask) == mask ? 0 : -EACCES;
		if (member && (e->perm & mask) == mask)
			return masked(a, i, mask) == mask ? 0 : -EACCES;
		group |= member;
		if (e->tag == ACL_OTHER)
			return !group && (e->perm & mask) == mask ? 0 : -EACCES;
	}
	return -EACCES;
}

void m_acl_chmod(struct macl *a, uint32_t mode)
{
	struct macl_entry *group;

	if (a->n == 0)
		return;
	group = entry(a, ACL_MASK);
	if (!group)
		group = entry(a, ACL_GROUP_OBJ);
	entry(a, ACL_USER_OBJ)->perm = mode >> 6 & 7;
	group->perm = mode >> 3 & 7;
	entry(a, ACL_OTHER)->perm = mode & 7;
}

/* Does the list say more than mode bits can? And the bits that it amounts to. */
static bool beyond_mode(const struct macl *a, uint32_t *bits)
{
	bool more = false;

	*bits = 0;
	for (int i = 0; i < a->n; i++) {
		uint32_t perm = a->e[i].perm & 7u;

		if (a->e[i].tag == ACL_USER_OBJ)
			*bits |= perm << 6;
		if (a->e[i].tag == ACL_GROUP_OBJ)
			*bits |= perm << 3;
		if (a->e[i].tag == ACL_OTHER)
			*bits |= perm;
		if (a->e[i].tag == ACL_MASK)
			*bits = (*bits & ~(uint32_t)S_IRWXG) | perm << 3;
		if (a->e[i].tag & (ACL_USER | ACL_GROUP | ACL_MASK))
			more = true;
	}
	return more;
}

/* A new inode takes the directory's default list, cut down to the mode that was asked for; else the umask. */
void m_acl_inherit(const struct mnode *dir, struct mnode *n, uint32_t umask)
{
	struct macl a = dir->dflt;
	struct macl_entry *group;
	uint32_t mode = n->a.mode, bits;

	if (S_ISLNK(mode))
		return;
	if (a.n == 0) {
		n->a.mode &= ~(umask & 0777);
		return;
	}
	if (S_ISDIR(mode))
		n->dflt = dir->dflt;
	group = entry(&a, ACL_MASK);
	if (!group)
		group = entry(&a, ACL_GROUP_OBJ);
	entry(&a, ACL_USER_OBJ)->perm &= mode >> 6 & 7;
	group->perm &= mode >> 3 & 7;
	entry(&a, ACL_OTHER)->perm &= mode & 7;
	bits = entry(&a, ACL_USER_OBJ)->perm << 6 | group->perm << 3 | entry(&a, ACL_OTHER)->perm;
	n->a.mode = (mode & ~0777u) | bits;
	if (beyond_mode(&a, &bits))
		n->access = a;
}

/* posix_acl_from_xattr(). */
static int decode(struct macl *a, const unsigned char *value, size_t size)
{
	const struct posix_acl_xattr_header *h = (const void *)value;
	const struct posix_acl_xattr_entry *e = (const void *)(h + 1);

	a->n = 0;
	if (size == 0)
		return 0;
	if (size < sizeof(*h))
		return -EINVAL;
	if (h->a_version != POSIX_ACL_XATTR_VERSION)
		return -EOPNOTSUPP;
	if ((size - sizeof(*h)) % sizeof(*e) != 0)
		return -EINVAL;
	for (size_t i = 0; i < (size - sizeof(*h)) / sizeof(*e); i++) {
		int tag = e[i].e_tag;

		if (tag != ACL_USER_OBJ && tag != ACL_USER && tag != ACL_GROUP_OBJ && tag != ACL_GROUP &&
		    tag != ACL_MASK && tag != ACL_OTHER)
			return -EINVAL;
		if ((tag == ACL_USER || tag == ACL_GROUP) && e[i].e_id == (uint32_t)-1)
			return -EINVAL;
		a->e[a->n++] = (struct macl_entry){e[i].e_tag, e[i].e_perm, e[i].e_id};
	}
	return 0;
}

/* One entry each for owner, group and others in this order, a mask where there are named ones. */
static bool valid(const struct macl *a)
{
	int want = ACL_USER_OBJ;
	bool named = false;

	for (int i = 0; i < a->n; i++) {
		int tag = a->e[i].tag;

		if (a->e[i].perm & ~7)
			return false;
		if (tag == ACL_USER_OBJ && want == ACL_USER_OBJ) {
			want = ACL_USER;
		} else if (tag == ACL_USER && want == ACL_USER) {
			named = true;
		} else if (tag == ACL_GROUP_OBJ && want == ACL_USER) {
			want = ACL_GROUP;
		} else if (tag == ACL_GROUP && want == ACL_GROUP) {
			named = true;
		} else if (tag == ACL_MASK && want == ACL_GROUP) {
			want = ACL_OTHER;
		} else if (tag == ACL_OTHER && (want == ACL_OTHER || (want == ACL_GROUP && !named))) {
			want = 0;
		} else {
			return false;
		}
	}
	return want == 0;
}

/* An access list that mode bits can say is kept as mode bits. */
static void set_access(const struct fs_cred *c, struct mnode *n, const struct macl *a)
{
	uint32_t bits;

	n->access.n = 0;
	if (a->n) {
		if (beyond_mode(a, &bits))
			n->access = *a;
		n->a.mode = (n->a.mode & ~0777u) | bits;
	}
	if (!m_in_group(c, n->a.gid) && !m_cap(c, FS_CAP_FSETID))
		n->a.mode &= ~(uint32_t)S_ISGID;
}

int m_acl_set(const struct fs_cred *c, struct mnode *n, bool dflt, const void *value, size_t size)
{
	struct macl a;
	int ret = decode(&a, value, size);

	if (ret < 0)
		return ret;
	if (S_ISLNK(n->a.mode))
		return -EOPNOTSUPP;
	if (dflt && !S_ISDIR(n->a.mode))
		return a.n ? -EACCES : 0;
	if (!m_owner(c, n))
		return -EPERM;
	if (a.n && !valid(&a))
		return -EINVAL;
	if (dflt)
		n->dflt = a;
	else
		set_access(c, n, &a);
	n->a.ctime = m_now();
	return 0;
}

int m_acl_get(const struct macl *a, void *value, size_t size)
{
	struct posix_acl_xattr_header *h = value;
	struct posix_acl_xattr_entry *e = (void *)(h + 1);
	size_t need = sizeof(*h) + (size_t)a->n * sizeof(*e);

	if (a->n == 0)
		return -ENODATA;
	if (size == 0)
		return (int)need;
	if (size < need)
		return -ERANGE;
	h->a_version = POSIX_ACL_XATTR_VERSION;
	for (int i = 0; i < a->n; i++) {
		bool named = a->e[i].tag == ACL_USER || a->e[i].tag == ACL_GROUP;

		e[i].e_tag = a->e[i].tag;
		e[i].e_perm = a->e[i].perm;
		e[i].e_id = named ? a->e[i].id : (uint32_t)-1;
	}
	return (int)need;
}
