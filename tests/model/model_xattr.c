/* Extended attributes: xattr_permission() and simple_xattr of Linux. */
#include "model_int.h"

#include <sys/xattr.h>

#define ACCESS_ACL "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* The access list's or the default list's place in the inode; NULL: not such a name. */
static struct macl *acl_of(struct mnode *n, const char *name)
{
	if (!strcmp(name, ACCESS_ACL))
		return &n->access;
	return !strcmp(name, DEFAULT_ACL) ? &n->dflt : NULL;
}

static int user_permission(const struct fs_cred *c, const struct mnode *n, bool write)
{
	if (!S_ISREG(n->a.mode) && !S_ISDIR(n->a.mode))
		return write ? -EPERM : -ENODATA;
	if (S_ISDIR(n->a.mode) && (n->a.mode & S_ISVTX) && write && !m_owner(c, n))
		return -EPERM;
	return m_permission(c, n, write ? W_OK : R_OK);
}

/* 0, or why this attribute may not be read or written. */
static int permission(const struct fs_cred *c, const struct mnode *n, const char *name, bool write)
{
	if (has_prefix(name, "trusted."))
		return m_cap(c, FS_CAP_SYS_ADMIN) ? 0 : write ? -EPERM : -ENODATA;
	if (has_prefix(name, "user."))
		return user_permission(c, n, write);
	if (has_prefix(name, "security."))
		return write && !m_cap(c, FS_CAP_SYS_ADMIN) ? -EPERM : 0;
	if (has_prefix(name, "system."))
		return 0;
	return m_permission(c, n, write ? W_OK : R_OK);
}

static int supported(const char *name)
{
	static const char *const prefixes[] = {"user.", "trusted.", "security."};

	for (int i = 0; i < 3; i++)
		if (has_prefix(name, prefixes[i]))
			return name[strlen(prefixes[i])] ? 0 : -EINVAL;
	return -EOPNOTSUPP;
}

static struct mxattr *find(struct mnode *n, const char *name)
{
	for (size_t i = 0; i < n->nxattrs; i++)
		if (!strcmp(n->xattrs[i].name, name))
			return &n->xattrs[i];
	return NULL;
}

static int copy_out(void *value, size_t size, const void *from, size_t len)
{
	if (size == 0)
		return (int)len;
	if (size < len)
		return -ERANGE;
	memcpy(value, from, len);
	return (int)len;
}

int model_getxattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name, void *value, size_t size)
{
	struct mnode *n = m_get(s, ino);
	struct mxattr *x;
	int ret;

	if (!n)
		return -ESTALE;
	if (acl_of(n, name))
		return S_ISLNK(n->a.mode) ? -EOPNOTSUPP : m_acl_get(acl_of(n, name), value, size);
	ret = permission(c, n, name, false);
	if (ret == 0)
		ret = supported(name);
	if (ret < 0)
		return ret;
	x = find(n, name);
	return x ? copy_out(value, size, x->value, x->len) : -ENODATA;
}

static void put(struct mnode *n, struct mxattr *x, const char *name, const void *value, size_t size)
{
	if (!x) {
		n->xattrs = realloc(n->xattrs, (n->nxattrs + 1) * sizeof(*x));
		x = &n->xattrs[n->nxattrs++];
		*x = (struct mxattr){.name = strdup(name)};
	}
	x->value = realloc(x->value, size + 1);
	x->len = size;
	memcpy(x->value, value, size);
}

int model_setxattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name, const void *value, size_t size,
		   int flags)
{
	struct mnode *n = m_get(s, ino);
	struct mxattr *x;
	int ret;

	if (!n)
		return -ESTALE;
	if (acl_of(n, name))
		return m_acl_set(c, n, !strcmp(name, DEFAULT_ACL), value, size);
	ret = permission(c, n, name, true);
	if (ret == 0)
		ret = supported(name);
	if (ret < 0)
		return ret;
	x = find(n, name);
	if (x && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!x && (flags & XATTR_REPLACE))
		return -ENODATA;
	put(n, x, name, value, size);
	n->a.ctime = m_now();
	return 0;
}

static void list_one(const char *name, char *list, size_t *at)
{
	if (list)
		strcpy(list + *at, name);
	*at += strlen(name) + 1;
}

static size_t list_all(const struct fs_cred *c, struct mnode *n, char *list)
{
	size_t at = 0;

	if (n->access.n)
		list_one(ACCESS_ACL, list, &at);
	if (n->dflt.n)
		list_one(DEFAULT_ACL, list, &at);
	for (size_t i = 0; i < n->nxattrs; i++)
		if (!has_prefix(n->xattrs[i].name, "trusted.") || m_cap(c, FS_CAP_SYS_ADMIN))
			list_one(n->xattrs[i].name, list, &at);
	return at;
}

int model_listxattr(void *s, const struct fs_cred *c, fs_ino ino, char *list, size_t size)
{
	struct mnode *n = m_get(s, ino);
	size_t need;

	if (!n)
		return -ESTALE;
	need = list_all(c, n, NULL);
	if (size == 0)
		return (int)need;
	if (need > size)
		return -ERANGE;
	list_all(c, n, list);
	return (int)need;
}

int model_removexattr(void *s, const struct fs_cred *c, fs_ino ino, const char *name)
{
	struct mnode *n = m_get(s, ino);
	struct mxattr *x;
	int ret;

	if (!n)
		return -ESTALE;
	if (acl_of(n, name))
		return m_acl_set(c, n, !strcmp(name, DEFAULT_ACL), "", 0);
	ret = permission(c, n, name, true);
	if (ret == 0)
		ret = supported(name);
	if (ret < 0)
		return ret;
	x = find(n, name);
	if (!x)
		return -ENODATA;
	free(x->name);
	free(x->value);
	*x = n->xattrs[--n->nxattrs];
	n->a.ctime = m_now();
	return 0;
}
