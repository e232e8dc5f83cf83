/* Operations on attributes, open files, references, memory, and the store as a whole. */
#include <fcntl.h>
#include <sys/stat.h>

#include "ops.h"
#include "common/scene.h"

static unsigned char value[65536];

static void setattr(struct task *t, const char *path, unsigned set)
{
	struct fs_attr a = {.mode = 0711, .uid = 11, .gid = 12, .atime = {1, 2}, .mtime = {3, 4}};

	must(fs_setattr(t, NULL, rig_walk(t, path), set, &a, NULL));
}

static void chmod_file(struct task *t)
{
	setattr(t, "target", FS_SET_MODE);
}
static void chmod_listed(struct task *t)
{
	setattr(t, "listed", FS_SET_MODE);
}
static void chown_file(struct task *t)
{
	setattr(t, "target", FS_SET_UID | FS_SET_GID);
}
static void set_all(struct task *t)
{
	setattr(t, "target", FS_SET_MODE | FS_SET_UID | FS_SET_GID | FS_SET_ATIME | FS_SET_MTIME);
}
static void set_now(struct task *t)
{
	setattr(t, "d", FS_SET_ATIME_NOW | FS_SET_MTIME_NOW);
}
static void read_atime(struct task *t)
{
	char buf[100];

	setattr(t, "f", FS_SET_ATIME);
	must(fs_read(t, rig_walk(t, "f"), buf, sizeof buf, 0, 0));
}

/* ---- Extended attributes ------------------------------------------------------- */

static void setxattr(struct task *t, const char *path, const char *name, size_t size)
{
	rig_pattern(value, size, 0, 77);
	must(fs_setxattr(t, NULL, rig_walk(t, path), name, value, size, 0));
}

static void xattr_short(struct task *t)
{
	setxattr(t, "f", "user.new", 20);
}
static void xattr_long(struct task *t)
{
	setxattr(t, "f", "user.new", 65536);
}
static void xattr_replace(struct task *t)
{
	setxattr(t, "x", "user.long", 20000);
}
static void xattr_shorten(struct task *t)
{
	setxattr(t, "x", "user.long", 3);
}
static void xattr_remove(struct task *t)
{
	must(fs_removexattr(t, NULL, rig_walk(t, "x"), "user.long"));
}
static void acl_access(struct task *t)
{
	unsigned char acl[64];
	size_t n = scene_acl(acl, 5);

	must(fs_setxattr(t, NULL, rig_walk(t, "f"), "system.posix_acl_access", acl, n, 0));
}
static void acl_replace(struct task *t)
{
	unsigned char acl[64];
	size_t n = scene_acl(acl, 1);

	must(fs_setxattr(t, NULL, rig_walk(t, "listed"), "system.posix_acl_access", acl, n, 0));
}
static void acl_default(struct task *t)
{
	unsigned char acl[64];
	size_t n = scene_acl(acl, 5);

	must(fs_setxattr(t, NULL, rig_walk(t, "d"), "system.posix_acl_default", acl, n, 0));
}
static void acl_remove(struct task *t)
{
	must(fs_removexattr(t, NULL, rig_walk(t, "acl"), "system.posix_acl_default"));
}

/* ---- Open files ------------------------------------------------------------------ */

static void open_file(struct task *t)
{
	must(fs_open(t, NULL, rig_walk(t, "f"), O_RDWR, 3));
}
static void open_far(struct task *t)
{
	must(fs_open(t, NULL, rig_walk(t, "f"), O_RDONLY, FS_HANDLES - 1));
}
static void open_truncate(struct task *t)
{
	must(fs_open(t, NULL, rig_walk(t, "target"), O_RDWR | O_TRUNC, 3));
}
static void close_file(struct task *t)
{
	must(fs_close(t, 3));
}
static void tmpfile_new(struct task *t)
{
	struct fs_new new = {.mode = S_IFREG | 0600};

	must(fs_tmpfile(t, NULL, rig_walk(t, "d"), &new, 4, NULL));
}
static void tmpfile_acl(struct task *t)
{
	struct fs_new new = {.mode = S_IFREG | 0666};

	must(fs_tmpfile(t, NULL, rig_walk(t, "acl"), &new, 4, NULL));
}

static fs_ino tmp;

static void tmpfile_full(struct task *t)
{
	struct fs_new new = {.mode = S_IFREG | 0600};
	struct fs_attr a;

	must(fs_tmpfile(t, NULL, rig_walk(t, "d"), &new, 4, &a));
	rig_write(t, a.ino, 0, 10000, 1);
	tmp = a.ino;
}
static void tmpfile_link(struct task *t)
{
	must(fs_link(t, NULL, tmp, rig_walk(t, "d"), rig_name("new"), NULL));
}
static void tmpfile_close(struct task *t)
{
	must(fs_close(t, 4));
}

/* ---- The kernel's references --------------------------------------------------------- */

static void lookup(struct task *t)
{
	tmp = rig_walk(t, "d/a");
}
static void lookup_unlink(struct task *t)
{
	tmp = rig_walk(t, "d/a");
	must(fs_unlink(t, NULL, rig_walk(t, "d"), rig_name("a")));
}
static void forget(struct task *t)
{
	fs_forget(t, tmp, 1);
}
static void forget_all(struct task *t)
{
	must(fs_forget_all(t));
}
static void unlink_a(struct task *t)
{
	must(fs_unlink(t, NULL, rig_walk(t, "d"), rig_name("a")));
}
static void tmpfile_kernel(struct task *t)
{
	struct fs_new new = {.mode = S_IFREG | 0600};

	must(fs_tmpfile(t, NULL, rig_walk(t, "d"), &new, 0, NULL));
}

/* ---- Memory and the whole --------------------------------------------------------------- */

static void trim(struct task *t)
{
	must(fs_trim(t, 0));
}

/* Free blocks and free pages of cells and inodes lie about. */
static void litter(struct task *t)
{
	scene(t);
	rig_write(t, rig_make(t, "gone", S_IFREG | 0600), 0, 3000000, 1);
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("gone")));
	rig_make(t, "many", S_IFDIR | 0700);
	for (int k = 0; k < 2; k++)
		for (int i = 0; i < 8 * 64; i++) {
			char s[8] = {(char)('a' + i % 20), (char)('a' + i / 20 % 20), (char)('a' + i / 400)};
			struct fs_new new = {.mode = S_IFREG | 0600};

			if (k == 0)
				must(fs_make(t, NULL, rig_walk(t, "many"), rig_name(s), &new, NULL));
			else
				must(fs_unlink(t, NULL, rig_walk(t, "many"), rig_name(s)));
		}
}

static void check_all(struct task *t)
{
	rig_clean(t, "before it is killed");
}

static void reap(struct task *t)
{
	must(fs_reap_dead(t));
}

static void seat(struct task *t)
{
	struct task other;

	must(task_attach(t->pool, 0, &other));
	task_detach(&other);
}

const struct op ops_rest[] = {
    {"chmod", scene, NULL, chmod_file, 0},
    {"chmod of a file with an ACL", scene, NULL, chmod_listed, 0},
    {"chown", scene, NULL, chown_file, 0},
    {"set all attributes", scene, NULL, set_all, 0},
    {"set times to now", scene, NULL, set_now, 0},
    {"read, with atime", scene, NULL, read_atime, 0},
    {"set a short attribute", scene, NULL, xattr_short, 0},
    {"set an attribute of 64 KiB", scene, NULL, xattr_long, 0},
    {"replace a long attribute", scene, NULL, xattr_replace, 0},
    {"shorten an attribute", scene, NULL, xattr_shorten, 0},
    {"remove an attribute", scene, NULL, xattr_remove, 0},
    {"set an access ACL", scene, NULL, acl_access, 0},
    {"replace an access ACL", scene, NULL, acl_replace, 0},
    {"set a default ACL", scene, NULL, acl_default, 0},
    {"remove a default ACL", scene, NULL, acl_remove, 0},
    {"open", scene, NULL, open_file, 0},
    {"open the last handle", scene, NULL, open_far, 0},
    {"open with O_TRUNC", scene, NULL, open_truncate, 0},
    {"close", scene, open_file, close_file, 0},
    {"tmpfile", scene, NULL, tmpfile_new, 0},
    {"tmpfile under a default ACL", scene, NULL, tmpfile_acl, 0},
    {"link of a tmpfile", scene, tmpfile_full, tmpfile_link, 0},
    {"close of a tmpfile", scene, tmpfile_full, tmpfile_close, 0},
    {"lookup, by the daemon", scene, NULL, lookup, OP_KERNEL},
    {"unlink, by the daemon", scene, lookup, unlink_a, OP_KERNEL},
    {"forget", scene, lookup, forget, OP_KERNEL},
    {"forget the last reference", scene, lookup_unlink, forget, OP_KERNEL},
    {"forget all", scene, lookup_unlink, forget_all, OP_KERNEL},
    {"tmpfile, by the daemon", scene, NULL, tmpfile_kernel, OP_KERNEL},
    {"trim", litter, NULL, trim, 0},
    {"check", scene, NULL, check_all, 0},
    {"reap the dead", scene, NULL, reap, 0},
    {"take and leave a seat", scene, NULL, seat, 0},
    {0},
};
