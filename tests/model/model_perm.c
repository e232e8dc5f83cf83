/*
 * Who may do what: generic_permission() and setattr_prepare() of Linux, with
 * notify_change()'s rules for set-id bits. cred NULL: checked already.
 */
#include "model_int.h"

bool m_cap(const struct fs_cred *c, uint32_t cap)
{
	return !c || (c->caps & cap);
}

bool m_in_group(const struct fs_cred *c, gid_t gid)
{
	if (!c || c->gid == gid)
		return true;
	for (uint32_t i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

/* inode_owner_or_capable() */
bool m_owner(const struct fs_cred *c, const struct mnode *n)
{
	return !c || c->uid == n->a.uid || m_cap(c, FS_CAP_FOWNER);
}

/* The mode bits' answer alone. */
static bool mode_allows(const struct fs_cred *c, const struct mnode *n, int mask)
{
	uint32_t mode = n->a.mode;
	int ret;

	if (c->uid == n->a.uid)
		return !(mask & ~(mode >> 6) & 7);
	if (mode & S_IRWXG) {
		ret = m_acl_check(&n->access, n, c, mask);
		if (ret != -EAGAIN)
			return ret == 0;
	}
	if (m_in_group(c, n->a.gid))
		return !(mask & ~(mode >> 3) & 7);
	return !(mask & ~mode & 7);
}

int m_permission(const struct fs_cred *c, const struct mnode *n, int mask)
{
	if (!c || mode_allows(c, n, mask))
		return 0;
	if (S_ISDIR(n->a.mode)) {
		if (!(mask & W_OK) && m_cap(c, FS_CAP_DAC_READ_SEARCH))
			return 0;
		return m_cap(c, FS_CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	}
	if (mask == R_OK && m_cap(c, FS_CAP_DAC_READ_SEARCH))
		return 0;
	if (!(mask & X_OK) || (n->a.mode & 0111))
		return m_cap(c, FS_CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	return -EACCES;
}

int m_sticky(const struct fs_cred *c, const struct mnode *dir, const struct mnode *victim)
{
	if (!(dir->a.mode & S_ISVTX) || !c || c->uid == victim->a.uid || c->uid == dir->a.uid)
		return 0;
	return m_cap(c, FS_CAP_FOWNER) ? 0 : -EPERM;
}

int model_access(void *s, const struct fs_cred *c, fs_ino ino, int mask)
{
	struct mnode *n = m_get(s, ino);

	return n ? m_permission(c, n, mask) : -ESTALE;
}

/* Set-group-id without execute for the group once meant mandatory locking: it stays for members. */
uint32_t m_without_setid(const struct fs_cred *c, const struct mnode *n)
{
	uint32_t mode = n->a.mode & ~(uint32_t)S_ISUID;

	if ((mode & S_IXGRP) || (!m_in_group(c, n->a.gid) && !m_cap(c, FS_CAP_FSETID)))
		mode &= ~(uint32_t)S_ISGID;
	return mode;
}

void m_drop_privileges(const struct fs_cred *c, struct mnode *n)
{
	/* Without credentials nobody is known to have CAP_FSETID. */
	if (c && m_cap(c, FS_CAP_FSETID))
		return;
	n->a.mode = m_without_setid(c, n);
}

static int may_chown(const struct fs_cred *c, const struct mnode *n, unsigned set, const struct fs_attr *in)
{
	bool owner = c && c->uid == n->a.uid;

	if (m_cap(c, FS_CAP_CHOWN))
		return 0;
	if ((set & FS_SET_UID) && !(owner && in->uid == n->a.uid))
		return -EPERM;
	if ((set & FS_SET_GID) && !(owner && (in->gid == n->a.gid || m_in_group(c, in->gid))))
		return -EPERM;
	return 0;
}

static int may_set_size(struct model *m, const struct fs_cred *c, const struct mnode *n, unsigned set, uint64_t size)
{
	int ret;

	if (!S_ISREG(n->a.mode))
		return S_ISDIR(n->a.mode) ? -EISDIR : -EINVAL;
	ret = set & FS_SET_OPEN ? 0 : m_permission(c, n, W_OK);
	if (ret < 0)
		return ret;
	return size > (uint64_t)m->o.size_max ? -EFBIG : 0;
}

static int may_set_times(const struct fs_cred *c, const struct mnode *n, unsigned set)
{
	const unsigned now = FS_SET_ATIME_NOW | FS_SET_MTIME_NOW;

	if (m_owner(c, n))
		return 0;
	return (set & (now | FS_SET_ATIME | FS_SET_MTIME)) == now ? m_permission(c, n, W_OK) : -EPERM;
}

static int may_setattr(struct model *m, const struct fs_cred *c, const struct mnode *n, unsigned set,
		       const struct fs_attr *in)
{
	const unsigned times = FS_SET_ATIME | FS_SET_MTIME | FS_SET_ATIME_NOW | FS_SET_MTIME_NOW;
	int ret = 0;

	if (set & FS_SET_SIZE)
		ret = may_set_size(m, c, n, set, in->size);
	if (ret == 0 && (set & (FS_SET_UID | FS_SET_GID)))
		ret = may_chown(c, n, set, in);
	if (ret == 0 && (set & FS_SET_MODE) && !m_owner(c, n))
		ret = -EPERM;
	if (ret == 0 && (set & times))
		ret = may_set_times(c, n, set);
	return ret;
}

static void set_mode(const struct fs_cred *c, struct mnode *n, uint32_t mode)
{
	mode &= 07777;
	if (!m_in_group(c, n->a.gid) && !m_cap(c, FS_CAP_FSETID))
		mode &= ~(uint32_t)S_ISGID;
	n->a.mode = (n->a.mode & S_IFMT) | mode;
	m_acl_chmod(&n->access, mode);
}

static void set_owner(const struct fs_cred *c, struct mnode *n, unsigned set, const struct fs_attr *in)
{
	if (!S_ISDIR(n->a.mode))
		n->a.mode = m_without_setid(c, n);
	if (set & FS_SET_UID)
		n->a.uid = in->uid;
	if (set & FS_SET_GID)
		n->a.gid = in->gid;
}

/* ftruncate() changes the times in any case, truncate() to the same size: see enum same_size. */
static void set_size(struct model *m, const struct fs_cred *c, struct mnode *n, unsigned set, const struct fs_attr *in)
{
	bool touch = n->a.size != in->size || (set & FS_SET_OPEN) || m->o.same_size == SAME_SIZE_TOUCHES ||
		     (m->o.same_size == SAME_SIZE_TOUCHES_PAGES && n->npages);

	m_drop_privileges(c, n);
	m_set_size(n, (int64_t)in->size);
	if (touch)
		m_touch(n);
}

static void set_times(struct mnode *n, unsigned set, const struct fs_attr *in)
{
	if (set & (FS_SET_ATIME | FS_SET_ATIME_NOW))
		n->a.atime = set & FS_SET_ATIME ? in->atime : m_now();
	if (set & (FS_SET_MTIME | FS_SET_MTIME_NOW))
		n->a.mtime = set & FS_SET_MTIME ? in->mtime : m_now();
}

int model_setattr(void *s, const struct fs_cred *c, fs_ino ino, unsigned set, const struct fs_attr *in,
		  struct fs_attr *out)
{
	struct mnode *n = m_get(s, ino);
	int ret = n ? may_setattr(s, c, n, set, in) : -ESTALE;

	if (ret < 0)
		return ret;
	if (set & FS_SET_MODE)
		set_mode(c, n, in->mode);
	if (set & (FS_SET_UID | FS_SET_GID))
		set_owner(c, n, set, in);
	set_times(n, set, in);
	if (set & FS_SET_SIZE)
		set_size(s, c, n, set, in);
	else
		n->a.ctime = m_now();
	if (out)
		*out = n->a;
	return 0;
}
