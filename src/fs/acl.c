/*
 * Access-control lists (acl(5)) and their algebra with the mode bits.
 *
 * The value of system.posix_acl_access and _default is what Linux's user
 * interface takes: a 32-bit version (2), then entries of 16-bit tag, 16-bit
 * permissions and 32-bit id, little-endian (linux/posix_acl_xattr.h).
 */
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <unistd.h>

#include "fs/internal.h"

/* Entries come in the order of their tags; which tag may follow in which state, and how often. */
static bool entry_ok(const struct acl_entry *e, uint16_t last)
{
	if (e->perm & ~7u)
		return false;
	switch (e->tag) {
	case ACL_USER_OBJ:
		return last == 0;
	case ACL_USER:
		return last == ACL_USER_OBJ || last == ACL_USER;
	case ACL_GROUP_OBJ:
		return last == ACL_USER_OBJ || last == ACL_USER;
	case ACL_GROUP:
		return last == ACL_GROUP_OBJ || last == ACL_GROUP;
	case ACL_MASK:
		return last == ACL_GROUP_OBJ || last == ACL_GROUP;
	case ACL_OTHER:
		return last == ACL_GROUP_OBJ || last == ACL_GROUP || last == ACL_MASK;
	default:
		return false;
	}
}

static struct acl_entry *entry_of(struct acl *a, uint16_t tag)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->e[i].tag == tag)
			return &a->e[i];
	return NULL;
}

static bool has_named(const struct acl *a)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->e[i].tag == ACL_USER || a->e[i].tag == ACL_GROUP)
			return true;
	return false;
}

static bool known_tag(uint16_t tag)
{
	return tag == ACL_USER_OBJ || tag == ACL_USER || tag == ACL_GROUP_OBJ || tag == ACL_GROUP || tag == ACL_MASK ||
	       tag == ACL_OTHER;
}

int acl_decode(const void *value, size_t size, struct acl *out)
{
	const unsigned char *p = value;
	uint32_t version;

	out->n = 0;
	if (size == 0)
		return 0;
	if (size < 4)
		return -EINVAL;
	__builtin_memcpy(&version, p, 4);
	if (version != POSIX_ACL_XATTR_VERSION)
		return -EOPNOTSUPP;
	if ((size - 4) % 8)
		return -EINVAL;
	if ((size - 4) / 8 > ACL_MAX)
		return -ENOSPC;
	out->n = (uint32_t)((size - 4) / 8);
	for (uint32_t i = 0; i < out->n; i++) {
		struct acl_entry *e = &out->e[i];
		bool named;

		__builtin_memcpy(e, p + 4 + 8 * i, 8);
		named = e->tag == ACL_USER || e->tag == ACL_GROUP;
		if (!known_tag(e->tag) || (named && e->id == (uint32_t)-1))
			return -EINVAL;
		if (!named) /* the kernel reads it back like this, whatever was set */
			e->id = (uint32_t)-1;
	}
	return 0;
}

bool acl_valid(const struct acl *list)
{
	struct acl *a = (struct acl *)(uintptr_t)list;
	uint16_t last = 0;

	for (uint32_t i = 0; i < a->n; i++) {
		if (!entry_ok(&a->e[i], last))
			return false;
		last = a->e[i].tag;
	}
	return a->n == 0 || (last == ACL_OTHER && (!has_named(a) || entry_of(a, ACL_MASK)));
}

int acl_parse(const void *value, size_t size, struct acl *out)
{
	int err = acl_decode(value, size, out);

	return err ? err : acl_valid(out) ? 0 : -EINVAL;
}

size_t acl_print(const struct acl *a, void *value)
{
	uint32_t version = POSIX_ACL_XATTR_VERSION;

	__builtin_memcpy(value, &version, 4);
	__builtin_memcpy((char *)value + 4, a->e, a->n * sizeof a->e[0]);
	return 4 + a->n * sizeof a->e[0];
}

_Static_assert(sizeof(struct acl_entry) == sizeof(struct posix_acl_xattr_entry), "the kernel's entry");

static int granted(const struct acl *a, const struct acl_entry *e, int mask)
{
	const struct acl_entry *m = entry_of((struct acl *)(uintptr_t)a, ACL_MASK);
	uint32_t perm = e->perm;

	if (m && e->tag != ACL_USER_OBJ && e->tag != ACL_OTHER)
		perm &= m->perm;
	return (perm & (uint32_t)mask) == (uint32_t)mask ? 0 : -EACCES;
}

static bool names_group_of(const struct acl_entry *e, const struct fs_cred *cred, const struct inode *i)
{
	if (e->tag == ACL_GROUP_OBJ)
		return cred_in_group(cred, load_relaxed(&i->gid));
	return e->tag == ACL_GROUP && cred_in_group(cred, e->id);
}

/* The owner's entry was judged by the mode bits already: they are the same. */
int acl_perm(const struct acl *a, const struct fs_cred *cred, const struct inode *i, int mask)
{
	bool in_group = false;

	for (uint32_t k = 0; k < a->n; k++)
		if (a->e[k].tag == ACL_USER && a->e[k].id == cred->uid)
			return granted(a, &a->e[k], mask);
	for (uint32_t k = 0; k < a->n; k++) {
		if (!names_group_of(&a->e[k], cred, i))
			continue;
		in_group = true;
		if ((a->e[k].perm & (uint32_t)mask) == (uint32_t)mask)
			return granted(a, &a->e[k], mask);
	}
	if (in_group)
		return -EACCES;
	for (uint32_t k = 0; k < a->n; k++)
		if (a->e[k].tag == ACL_OTHER)
			return granted(a, &a->e[k], mask);
	return -EAGAIN;
}

/* Both the entry and the mode's three bits become what both allow. */
static void meet(struct acl_entry *e, uint32_t *mode, unsigned shift)
{
	uint32_t both = e->perm & (*mode >> shift) & 7;

	e->perm = (uint16_t)both;
	*mode = (*mode & ~(7u << shift)) | both << shift;
}

bool acl_inherit(struct acl *a, uint32_t *mode)
{
	struct acl_entry *mask = entry_of(a, ACL_MASK), *group = entry_of(a, ACL_GROUP_OBJ);
	struct acl_entry *user = entry_of(a, ACL_USER_OBJ), *other = entry_of(a, ACL_OTHER);

	if (!group || !user || !other)
		return true;
	meet(user, mode, 6);
	meet(other, mode, 0);
	meet(mask ? mask : group, mode, 3);
	return !mask && !has_named(a);
}

void acl_chmod(struct acl *a, uint32_t mode)
{
	struct acl_entry *mask = entry_of(a, ACL_MASK), *group = entry_of(a, ACL_GROUP_OBJ);
	struct acl_entry *user = entry_of(a, ACL_USER_OBJ), *other = entry_of(a, ACL_OTHER);

	if (user)
		user->perm = mode >> 6 & 7;
	if (mask)
		mask->perm = mode >> 3 & 7;
	else if (group)
		group->perm = mode >> 3 & 7;
	if (other)
		other->perm = mode & 7;
}

bool acl_mode(const struct acl *list, uint32_t *mode)
{
	struct acl *a = (struct acl *)(uintptr_t)list;
	const struct acl_entry *mask = entry_of(a, ACL_MASK), *group = entry_of(a, ACL_GROUP_OBJ);
	const struct acl_entry *user = entry_of(a, ACL_USER_OBJ), *other = entry_of(a, ACL_OTHER);

	if (!user || !group || !other)
		return true;
	*mode = (uint32_t)user->perm << 6 | (uint32_t)(mask ? mask : group)->perm << 3 | other->perm;
	return !mask && !has_named(a);
}
