/* The kernel's restrictions on links and files of others: Documentation/admin-guide/sysctl/fs.rst. */
#include "vfs.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	int hardlinks, symlinks, regular;
} sysctl;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int read_one(const char *path)
{
	FILE *f = fopen(path, "r");
	int n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%d", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static void read_all(void)
{
	sysctl.hardlinks = read_one("/proc/sys/fs/protected_hardlinks");
	sysctl.symlinks = read_one("/proc/sys/fs/protected_symlinks");
	sysctl.regular = read_one("/proc/sys/fs/protected_regular");
}

static bool active(const struct vfs *v)
{
	pthread_once(&once, read_all);
	return v->link_policy;
}

int vfs_may_follow(struct vfs *v, const struct fs_cred *c, fs_ino dir, const struct fs_attr *link)
{
	struct fs_attr d;

	if (!active(v) || !sysctl.symlinks || link->uid == c->uid || v->ops->getattr(v->s, dir, &d) < 0)
		return 0;
	if ((d.mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) || d.uid == link->uid)
		return 0;
	return -EACCES;
}

int vfs_may_link(struct vfs *v, const struct fs_cred *c, const struct fs_attr *target)
{
	if (!active(v) || !sysctl.hardlinks || target->uid == c->uid || (c->caps & FS_CAP_FOWNER))
		return 0;
	if (!S_ISREG(target->mode) || (target->mode & S_ISUID))
		return -EPERM;
	if ((target->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return -EPERM;
	return v->ops->access(v->s, c, target->ino, R_OK | W_OK) < 0 ? -EPERM : 0;
}

int vfs_may_create_over(struct vfs *v, const struct fs_cred *c, fs_ino dir, const struct fs_attr *file)
{
	struct fs_attr d;

	bool regular = S_ISREG(file->mode);

	/* may_create_in_sticky() asks the sysctl about regular files; a link that is not followed it always judges. */
	if (!active(v) || (regular && !sysctl.regular) || (!regular && !S_ISLNK(file->mode)) || file->uid == c->uid)
		return 0;
	if (v->ops->getattr(v->s, dir, &d) < 0 || !(d.mode & S_ISVTX) || d.uid == file->uid)
		return 0;
	if ((d.mode & S_IWOTH) || (sysctl.regular >= 2 && (d.mode & S_IWGRP)))
		return -EACCES;
	return 0;
}
