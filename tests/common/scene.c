/* See scene.h. */
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "scene.h"

size_t scene_acl(unsigned char *value, unsigned mask)
{
	const struct posix_acl_xattr_entry e[] = {
	    {ACL_USER_OBJ, 7, ACL_UNDEFINED_ID},  {ACL_USER, 6, 1000},
	    {ACL_GROUP_OBJ, 5, ACL_UNDEFINED_ID}, {ACL_MASK, (__le16)mask, ACL_UNDEFINED_ID},
	    {ACL_OTHER, 4, ACL_UNDEFINED_ID},
	};
	uint32_t version = POSIX_ACL_XATTR_VERSION;

	memcpy(value, &version, 4);
	memcpy(value + 4, e, sizeof e);
	return 4 + sizeof e;
}

static void set(struct task *t, const char *path, const char *name, const void *value, size_t size)
{
	must(fs_setxattr(t, NULL, rig_walk(t, path), name, value, size, 0));
}

static void big_file(struct task *t)
{
	fs_ino ino = rig_make(t, "big", S_IFREG | 0644);

	/* Every other block, so that nothing is one run; then a long run, then something far away. */
	for (unsigned i = 0; i < 24; i += 2)
		rig_write(t, ino, (uint64_t)i * 4096, 4096, i);
	rig_write(t, ino, 200 * 4096, 60 * 4096, 3);
	rig_write(t, ino, 2000 * 4096, 4096, 4);
}

void scene(struct task *t)
{
	char long_target[2000];
	struct fs_new new = {.mode = S_IFLNK, .target = long_target, .target_len = sizeof long_target};
	unsigned char acl[64], value[5000];
	size_t n = scene_acl(acl, 7);
	fs_ino f = rig_make(t, "f", S_IFREG | 0644);

	memset(long_target, 'l', sizeof long_target);
	rig_write(t, f, 0, 100, 1);
	must(fs_link(t, NULL, f, FS_ROOT, rig_name("hard"), NULL));
	rig_write(t, rig_make(t, "target", S_IFREG | 06777), 0, 3 * 4096 + 1000, 2);
	rig_make(t, "d", S_IFDIR | 0755);
	rig_write(t, rig_make(t, "d/a", S_IFREG | 0600), 0, 5000, 5);
	rig_make(t, "d/b", S_IFREG | 0600);
	rig_make(t, "d/e", S_IFDIR | 0755);
	rig_make(t, "full", S_IFDIR | 0755);
	rig_make(t, "full/in", S_IFREG | 0600);
	rig_make(t, "acl", S_IFDIR | 02775);
	set(t, "acl", "system.posix_acl_default", acl, n);
	rig_make(t, "listed", S_IFREG | 0644);
	set(t, "listed", "system.posix_acl_access", acl, n);
	rig_make(t, "x", S_IFREG | 0644);
	rig_pattern(value, sizeof value, 0, 9);
	set(t, "x", "user.short", "value", 5);
	set(t, "x", "user.long", value, sizeof value);
	set(t, "x", "trusted.other", value, 300);
	big_file(t);
	rig_make(t, "link", S_IFLNK);
	must(fs_make(t, NULL, FS_ROOT, rig_name("long"), &new, NULL));
}
