/*
 * The path walk: link_path_walk() of the kernel in a few lines. A symbolic
 * link's target is spliced into the path before what is left of it.
 */
#include "vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* MAXSYMLINKS */

static int start_of(struct vfs *v, int at, fs_ino *dir)
{
	*dir = v->root;
	if (at == OP_ROOT)
		return 0;
	if (at < 0 || at >= OP_SLOTS || !v->file[at])
		return -EBADF;
	*dir = v->file[at]->ino;
	return v->file[at]->type == S_IFDIR ? 0 : -ENOTDIR;
}

/* The link `attr` stands in p->dir, `rest` is what follows it. p->path becomes target + rest. */
static int splice_link(struct vfs *v, const struct fs_cred *c, struct vfs_place *p, const struct fs_attr *attr,
		       const char *rest)
{
	char target[FS_SYMLINK_MAX + 1];
	int n = vfs_may_follow(v, c, p->dir, attr);
	size_t left = strlen(rest);

	if (n < 0)
		return n;
	n = v->ops->readlink(v->s, attr->ino, target, sizeof(target));
	if (n < 0)
		return n;
	if ((size_t)n + left >= sizeof(p->path))
		return -ENAMETOOLONG;
	memmove(p->path + n, rest, left + 1);
	memcpy(p->path, target, (size_t)n);
	return 0;
}

/* Looks the next name up. 1: walked on or spliced, *rest is what is left; 0: arrived. */
static int walk_step(struct vfs *v, const struct fs_cred *c, struct vfs_place *p, unsigned flags, char **rest,
		     int *links)
{
	size_t len = strcspn(*rest, "/");
	char *next = *rest + len + strspn(*rest + len, "/");
	bool last = !*next;
	int ret;

	p->name = (struct fs_name){.s = *rest, .len = len};
	if (last && (flags & VFS_PARENT))
		return v->ops->access(v->s, c, p->dir, X_OK);
	p->err = v->ops->lookup(v->s, c, p->dir, p->name, &p->attr);
	if (last && (p->err || !S_ISLNK(p->attr.mode) || !(flags & VFS_FOLLOW)))
		return 0;
	if (p->err)
		return p->err;
	if (S_ISLNK(p->attr.mode)) {
		if (++*links > LINKS_MAX)
			return -ELOOP;
		ret = splice_link(v, c, p, &p->attr, *rest + len);
		*rest = p->path;
		return ret < 0 ? ret : 1;
	}
	if (!S_ISDIR(p->attr.mode))
		return -ENOTDIR;
	p->dir = p->attr.ino;
	*rest = next;
	return 1;
}

/* The file system's own walk, from p->dir. */
static int walk_below(struct vfs *v, const struct fs_cred *c, const char *path, unsigned flags, struct vfs_place *p)
{
	char link[2 * (FS_SYMLINK_MAX + 1)];
	struct fs_walk w = {
	    .start = p->dir,
	    .path = path,
	    .len = strlen(path),
	    .flags = flags & VFS_PARENT	  ? FS_WALK_PARENT
		     : flags & VFS_FOLLOW ? 0
					  : FS_WALK_NOFOLLOW,
	    .link = link,
	};
	int ret = v->ops->walk(v->s, c, &w);

	if (ret == FS_WALK_OUT)
		return ret;
	if (ret < 0 && !(ret == -ENOENT && w.dir))
		return ret;
	p->dir = w.dir;
	p->err = ret;
	p->name = (struct fs_name){.s = p->path, .len = w.last.len};
	memcpy(p->path, w.last.s ? w.last.s : "", w.last.len);
	if (ret == 0 && !(flags & VFS_PARENT))
		return v->ops->getattr(v->s, w.ino, &p->attr);
	return 0;
}

int vfs_walk(struct vfs *v, const struct fs_cred *c, int at, const char *path, unsigned flags, struct vfs_place *p)
{
	char *rest = p->path;
	int links = 0, ret;

	p->err = 0;
	p->name = (struct fs_name){.s = p->path, .len = 0};
	if (!*path)
		return -ENOENT;
	if (strlen(path) >= 4096)
		return -ENAMETOOLONG;
	ret = start_of(v, at, &p->dir);
	if (ret < 0)
		return ret;
	if (v->ops->walk) {
		ret = walk_below(v, c, path, flags, p);
		if (ret != FS_WALK_OUT)
			return ret; /* else it got too long: a client would leave it to the kernel */
		ret = start_of(v, at, &p->dir);
		if (ret < 0)
			return ret;
	}
	if (!strcmp(path, ".")) { /* only as a whole path, see gen.c */
		ret = v->ops->access(v->s, c, p->dir, X_OK);
		return ret < 0 ? ret : v->ops->getattr(v->s, p->dir, &p->attr);
	}
	strcpy(p->path, path);
	do
		ret = walk_step(v, c, p, flags, &rest, &links);
	while (ret > 0);
	return ret;
}
