/* Extended attributes and POSIX ACLs. */
#include "posix.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

/* tmpfs takes user attributes since Linux 6.6. */
static void need_user_xattrs(const char *path)
{
	if (setxattr(path, "user.probe", "", 0, 0) < 0 && errno == EOPNOTSUPP && !on_fuse())
		skip("no user xattrs on this tmpfs");
	must(removexattr(path, "user.probe"));
}

static void xattr_basic(void)
{
	char buf[64];

	put("f", 0600, "");
	need_user_xattrs("f");
	fails(getxattr("f", "user.a", buf, sizeof(buf)), ENODATA);
	must(setxattr("f", "user.a", "value", 5, 0));
	same(getxattr("f", "user.a", NULL, 0), 5);
	same(getxattr("f", "user.a", buf, sizeof(buf)), 5);
	is(memcmp(buf, "value", 5) == 0);
	fails(getxattr("f", "user.a", buf, 4), ERANGE);
	fails(setxattr("f", "user.a", "x", 1, XATTR_CREATE), EEXIST);
	fails(setxattr("f", "user.b", "x", 1, XATTR_REPLACE), ENODATA);
	must(setxattr("f", "user.a", "longer value", 12, XATTR_REPLACE));
	same(getxattr("f", "user.a", buf, sizeof(buf)), 12);
	must(setxattr("f", "user.empty", "", 0, XATTR_CREATE));
	same(getxattr("f", "user.empty", buf, sizeof(buf)), 0);
	must(removexattr("f", "user.a"));
	fails(removexattr("f", "user.a"), ENODATA);
	make_dir("d", 0700);
	must(setxattr("d", "user.a", "dir", 3, 0));
	same(getxattr("d", "user.a", buf, sizeof(buf)), 3);
}

static void xattr_list(void)
{
	char list[8192], name[32];
	long len, n = 0;

	put("f", 0600, "");
	need_user_xattrs("f");
	same(listxattr("f", NULL, 0), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "user.%03d", i);
		must(setxattr("f", name, name, strlen(name), 0));
	}
	len = must(listxattr("f", list, sizeof(list)));
	same(len, 900);
	same(listxattr("f", NULL, 0), 900);
	fails(listxattr("f", list, 899), ERANGE);
	for (char *p = list; p < list + len; p += strlen(p) + 1)
		n++;
	same(n, 100);
	for (int i = 0; i < 100; i += 2) {
		snprintf(name, sizeof(name), "user.%03d", i);
		must(removexattr("f", name));
	}
	same(listxattr("f", NULL, 0), 450);
	same(getxattr("f", "user.051", list, sizeof(list)), 8);
	is(memcmp(list, "user.051", 8) == 0);
}

static void xattr_limits(void)
{
	static char value[65537], got[65536];
	char name[300];

	put("f", 0600, "");
	need_user_xattrs("f");
	memset(value, 'v', sizeof(value));
	must(setxattr("f", "user.big", value, 65536, 0));
	same(getxattr("f", "user.big", got, sizeof(got)), 65536);
	is(memcmp(got, value, 65536) == 0);
	fails(setxattr("f", "user.big", value, 65537, 0), E2BIG);
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = 0;
	fails(setxattr("f", name, "x", 1, 0), ERANGE);
	name[255] = 0;
	must(setxattr("f", name, "x", 1, 0));
	fails(setxattr("f", "nonsense.x", "x", 1, 0), EOPNOTSUPP);
	fails(setxattr("f", "user.", "x", 1, 0), EINVAL);
}

static void xattr_rights(void)
{
	char buf[16];

	need_root();
	put("f", 0644, "");
	need_user_xattrs("f");
	must(setxattr("f", "user.a", "u", 1, 0));
	must(setxattr("f", "trusted.a", "t", 1, 0));
	same(listxattr("f", NULL, 0), 7 + 10);
	as_user(1000, 1000)
	{
		same(getxattr("f", "user.a", buf, sizeof(buf)), 1);
		fails(setxattr("f", "user.a", "x", 1, 0), EACCES);
		fails(getxattr("f", "trusted.a", buf, sizeof(buf)), ENODATA);
		fails(setxattr("f", "trusted.a", "x", 1, 0), EPERM);
		same(listxattr("f", NULL, 0), 7);
	}
	must(symlink("f", "l"));
	fails(lsetxattr("l", "user.a", "x", 1, 0), EPERM);
	must(lsetxattr("l", "trusted.a", "x", 1, 0));
}

static void xattr_follow_inode(void)
{
	char buf[16];

	put("f", 0600, "");
	need_user_xattrs("f");
	must(setxattr("f", "user.a", "v", 1, 0));
	must(link("f", "g"));
	must(unlink("f"));
	must(rename("g", "h"));
	same(getxattr("h", "user.a", buf, sizeof(buf)), 1);
}

/* ---- ACLs, in the form in which they pass the xattr calls ------------------ */

struct acl {
	struct posix_acl_xattr_header h;
	struct posix_acl_xattr_entry e[8];
	int n;
};

static void acl_add(struct acl *a, uint16_t tag, uint16_t perm, uint32_t id)
{
	a->h.a_version = POSIX_ACL_XATTR_VERSION;
	a->e[a->n++] = (struct posix_acl_xattr_entry){tag, perm, id};
}

/* rw for the owner, r for user 1000, nothing for the group and others. */
static struct acl sample(uint16_t mask)
{
	struct acl a = {.n = 0};

	acl_add(&a, ACL_USER_OBJ, 6, ACL_UNDEFINED_ID);
	acl_add(&a, ACL_USER, 4, 1000);
	acl_add(&a, ACL_GROUP_OBJ, 0, ACL_UNDEFINED_ID);
	acl_add(&a, ACL_MASK, mask, ACL_UNDEFINED_ID);
	acl_add(&a, ACL_OTHER, 0, ACL_UNDEFINED_ID);
	return a;
}

static long acl_set(const char *path, const char *name, const struct acl *a)
{
	return setxattr(path, name, a, sizeof(a->h) + (size_t)a->n * sizeof(a->e[0]), 0);
}

static void acl_access(void)
{
	struct acl a = sample(4);

	need_root();
	put("f", 0600, "secret");
	must(acl_set("f", ACCESS, &a));
	same(mode_of("f"), 0640); /* the mask shows as the group's bits */
	as_user(1000, 1000)
	{
		holds("f", "secret");
		fails(open("f", O_RDWR), EACCES);
	}
	as_user(1001, 0)
	{
		fails(open("f", O_RDONLY), EACCES);
	}
	must(chmod("f", 0600)); /* takes it away by the mask */
	as_user(1000, 1000)
	{
		fails(open("f", O_RDONLY), EACCES);
	}
	must(chmod("f", 0660));
	as_user(1000, 1000)
	{
		holds("f", "secret");
	}
	must(removexattr("f", ACCESS));
	as_user(1000, 1000)
	{
		fails(open("f", O_RDONLY), EACCES);
	}
}

static void acl_default(void)
{
	struct acl a = sample(4), got;
	size_t size = sizeof(a.h) + 5 * sizeof(a.e[0]);

	need_root();
	umask(077); /* has no say where there is a default ACL */
	make_dir("d", 0755);
	must(acl_set("d", DEFAULT, &a));
	same(mode_of("d"), 0755);
	must(close(open("d/f", O_CREAT | O_RDWR, 0666)));
	must(mkdir("d/s", 0777));
	same(mode_of("d/f"), 0640);
	same(getxattr("d/f", ACCESS, &got, sizeof(got)), size);
	is(memcmp(&got, &a, size) == 0);
	same(getxattr("d/s", DEFAULT, &got, sizeof(got)), size);
	fails(getxattr("d/f", DEFAULT, &got, sizeof(got)), ENODATA);
	as_user(1000, 1000)
	{
		must(close(open("d/f", O_RDONLY)));
	}
	/* Files take no default ACL. */
	fails(acl_set("d/f", DEFAULT, &a), EACCES);
	must(removexattr("d", DEFAULT));
	must(close(open("d/g", O_CREAT | O_RDWR, 0666)));
	same(mode_of("d/g"), 0600);
}

static void acl_errors(void)
{
	struct acl a = sample(4), plain = {.n = 0};

	need_root();
	put("f", 0644, "");
	a.e[0].e_tag = 0x77;
	fails(acl_set("f", ACCESS, &a), EINVAL);
	a = sample(4);
	a.n = 4; /* no entry for others */
	fails(acl_set("f", ACCESS, &a), EINVAL);
	fails(setxattr("f", ACCESS, "x", 1, 0), EINVAL);
	as_user(1000, 1000)
	{
		a = sample(4);
		fails(acl_set("f", ACCESS, &a), EPERM);
	}
	/* One that says no more than mode bits do, becomes mode bits. */
	acl_add(&plain, ACL_USER_OBJ, 7, ACL_UNDEFINED_ID);
	acl_add(&plain, ACL_GROUP_OBJ, 5, ACL_UNDEFINED_ID);
	acl_add(&plain, ACL_OTHER, 1, ACL_UNDEFINED_ID);
	must(acl_set("f", ACCESS, &plain));
	same(mode_of("f"), 0751);
	fails(getxattr("f", ACCESS, NULL, 0), ENODATA);
}

const struct check xattr_checks[] = {
    {"xattr_basic", xattr_basic},
    {"xattr_list", xattr_list},
    {"xattr_limits", xattr_limits},
    {"xattr_rights", xattr_rights},
    {"xattr_follow_inode", xattr_follow_inode},
    {"acl_access", acl_access},
    {"acl_default", acl_default},
    {"acl_errors", acl_errors},
    {NULL, NULL},
};
