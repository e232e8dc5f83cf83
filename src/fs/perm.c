/* Who may do what: mode bits, ACLs, sticky directories, capabilities (path_resolution(7), acl(5)). */
#include <unistd.h>

#include "fs/internal.h"

bool cred_in_group(const struct fs_cred *cred, gid_t gid)
{
	if (cred->gid == gid)
		return true;
	for (uint32_t i = 0; i < cred->ngroups; i++)
		if (cred->groups[i] == gid)
			return true;
	return false;
}

/* -EAGAIN: there is no list that could be read. */
static int by_acl(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, int mask)
{
	unsigned char value[ACL_VALUE_MAX];
	struct acl acl;
	int n = xattr_read(fs, i, ACL_ACCESS, sizeof ACL_ACCESS - 1, value, sizeof value);

	if (n < 0 || acl_parse(value, (size_t)n, &acl) != 0)
		return -EAGAIN;
	return acl_perm(&acl, cred, i, mask);
}

static int by_mode(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, int mask)
{
	uint32_t mode = load_relaxed(&i->mode);

	if (cred->uid == load_relaxed(&i->uid))
		return (mode >> 6 & (uint32_t)mask) == (uint32_t)mask ? 0 : -EACCES;
	/* As in Linux: a list whose mask class is empty need not be read. */
	if ((load_relaxed(&i->flags) & INODE_ACL) && (mode & S_IRWXG)) {
		int err = by_acl(fs, cred, i, mask);

		if (err != -EAGAIN)
			return err;
	}
	if (cred_in_group(cred, load_relaxed(&i->gid)))
		mode >>= 3;
	return (mode & 7 & (uint32_t)mask) == (uint32_t)mask ? 0 : -EACCES;
}

int perm_check(const struct fs *fs, const struct fs_cred *cred, const struct inode *i, int mask)
{
	uint32_t mode = load_relaxed(&i->mode);

	mask &= R_OK | W_OK | X_OK;
	if (!cred || mask == 0 || by_mode(fs, cred, i, mask) == 0)
		return 0;
	if (is_dir(mode)) {
		if (!(mask & W_OK) && (cred->caps & FS_CAP_DAC_READ_SEARCH))
			return 0;
		return cred->caps & FS_CAP_DAC_OVERRIDE ? 0 : -EACCES;
	}
	if (mask == R_OK && (cred->caps & FS_CAP_DAC_READ_SEARCH))
		return 0;
	if ((!(mask & X_OK) || (mode & 0111)) && (cred->caps & FS_CAP_DAC_OVERRIDE))
		return 0;
	return -EACCES;
}

int perm_vacant(const struct fs *fs, const struct fs_cred *cred, const struct inode *dir, bool taken)
{
	int err = perm_create(fs, cred, dir);

	if (likely(!err))
		return taken ? -EEXIST : 0;
	/* Which of the two is missing? */
	if (taken && perm_check(fs, cred, dir, X_OK) == 0)
		return -EEXIST;
	return err;
}

int perm_create(const struct fs *fs, const struct fs_cred *cred, const struct inode *dir)
{
	return perm_check(fs, cred, dir, W_OK | X_OK);
}

int perm_delete(const struct fs *fs, const struct fs_cred *cred, const struct inode *dir, const struct inode *victim)
{
	int err = perm_check(fs, cred, dir, W_OK | X_OK);

	if (err || !cred || !(dir->mode & S_ISVTX))
		return err;
	if (cred->uid == victim->uid || cred->uid == dir->uid || (cred->caps & FS_CAP_FOWNER))
		return 0;
	return -EPERM;
}

/* Without group execution S_ISGID once meant mandatory locking: it stays for members of the group (Linux 6.2). */
uint32_t without_setid(uint32_t mode, bool stranger)
{
	mode &= ~(uint32_t)S_ISUID;
	return (mode & S_IXGRP) || stranger ? mode & ~(uint32_t)S_ISGID : mode;
}

uint32_t kill_setid(const struct fs_cred *cred, const struct inode *i, uint32_t mode)
{
	if (!cred || (cred->caps & FS_CAP_FSETID) || !S_ISREG(mode))
		return mode;
	return without_setid(mode, !cred_in_group(cred, load_relaxed(&i->gid)));
}
