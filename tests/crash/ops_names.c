/* Operations on names, and what a pool holds for them. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "ops.h"
#include "common/scene.h"

static void make(struct task *t, const char *path, uint32_t mode, const char *target, size_t len)
{
	struct fs_new new = {
	    .mode = mode, .umask = 022, .rdev = 0x103, .uid = 7, .gid = 8, .target = target, .target_len = len};
	struct fs_name name;
	fs_ino dir = rig_parent(t, path, &name);

	must(fs_make(t, NULL, dir, name, &new, NULL));
}

static void make_file(struct task *t)
{
	make(t, "d/new", S_IFREG | 0644, NULL, 0);
}
static void make_dir(struct task *t)
{
	make(t, "d/new", S_IFDIR | 0755, NULL, 0);
}
static void make_fifo(struct task *t)
{
	make(t, "new", S_IFIFO | 0600, NULL, 0);
}
static void make_socket(struct task *t)
{
	make(t, "d/new", S_IFSOCK | 0600, NULL, 0);
}
static void make_char(struct task *t)
{
	make(t, "d/new", S_IFCHR | 0600, NULL, 0);
}
static void make_block(struct task *t)
{
	make(t, "d/new", S_IFBLK | 0600, NULL, 0);
}
static void make_symlink(struct task *t)
{
	make(t, "d/new", S_IFLNK, "short", 5);
}
static void make_long_symlink(struct task *t)
{
	char to[3000];

	memset(to, 't', sizeof to);
	make(t, "d/new", S_IFLNK, to, sizeof to);
}
static void make_file_acl(struct task *t)
{
	make(t, "acl/new", S_IFREG | 0666, NULL, 0);
}
static void make_dir_acl(struct task *t)
{
	make(t, "acl/new", S_IFDIR | 0777, NULL, 0);
}

static void make_long_name(struct task *t)
{
	char name[256];

	memset(name, 'n', 255);
	name[255] = 0;
	make(t, name, S_IFREG | 0644, NULL, 0);
}

static void other_arena(struct task *t)
{
	t->arena += 5;
}

/* Four empty pages lie with the arena: the next one goes back. */
static void fill_and_empty(struct task *t)
{
	char path[32];

	scene(t);
	for (unsigned i = 0; i < 6 * SLAB_UNITS; i++) {
		snprintf(path, sizeof path, "d/e/%u", i);
		rig_make(t, path, S_IFREG | 0600);
	}
	for (unsigned i = 0; i < 6 * SLAB_UNITS - 1; i++) {
		snprintf(path, sizeof path, "%u", i);
		must(fs_unlink(t, NULL, rig_walk(t, "d/e"), rig_name(path)));
	}
}

static void unlink_page(struct task *t)
{
	must(fs_unlink(t, NULL, rig_walk(t, "d/e"), rig_name("383")));
}

static void link_file(struct task *t)
{
	must(fs_link(t, NULL, rig_walk(t, "f"), rig_walk(t, "d"), rig_name("new"), NULL));
}

static void unlink_path(struct task *t, const char *path)
{
	struct fs_name name;
	fs_ino dir = rig_parent(t, path, &name);

	must(fs_unlink(t, NULL, dir, name));
}

static void unlink_small(struct task *t)
{
	unlink_path(t, "d/a");
}
static void unlink_linked(struct task *t)
{
	unlink_path(t, "f");
}
static void unlink_attributes(struct task *t)
{
	unlink_path(t, "x");
}
static void unlink_mapped(struct task *t)
{
	unlink_path(t, "big");
}
static void unlink_symlink(struct task *t)
{
	unlink_path(t, "long");
}
static void open_a(struct task *t)
{
	must(fs_open(t, NULL, rig_walk(t, "d/a"), 2, 5));
}
static void close_a(struct task *t)
{
	must(fs_close(t, 5));
}
static void open_and_unlink(struct task *t)
{
	open_a(t);
	unlink_small(t);
}

static void rmdir_empty(struct task *t)
{
	must(fs_rmdir(t, NULL, rig_walk(t, "d"), rig_name("e")));
}

static void rename_path(struct task *t, const char *from, const char *to, unsigned flags)
{
	struct fs_name a, b;
	fs_ino da = rig_parent(t, from, &a), db = rig_parent(t, to, &b);

	must(fs_rename(t, NULL, da, a, db, b, flags));
}

static void rename_new(struct task *t)
{
	rename_path(t, "d/a", "d/new", 0);
}
static void rename_noreplace(struct task *t)
{
	rename_path(t, "f", "new", 1);
}
static void rename_replace(struct task *t)
{
	rename_path(t, "d/a", "d/b", 0);
}
static void rename_replace_big(struct task *t)
{
	rename_path(t, "d/a", "big", 0);
}
static void rename_replace_dir(struct task *t)
{
	rename_path(t, "full", "d/e", 0);
}
static void rename_across(struct task *t)
{
	rename_path(t, "f", "d/new", 0);
}
static void rename_dir_across(struct task *t)
{
	rename_path(t, "full", "d/new", 0);
}
static void rename_exchange(struct task *t)
{
	rename_path(t, "d/a", "d/b", 2);
}
static void rename_exchange_across(struct task *t)
{
	rename_path(t, "full", "d/a", 2);
}
static void rename_exchange_dirs(struct task *t)
{
	rename_path(t, "full", "d/e", 2);
}
static void rename_same(struct task *t)
{
	rename_path(t, "f", "hard", 0);
}

const struct op ops_names[] = {
    {"make a file", scene, NULL, make_file, 0},
    {"make a directory", scene, NULL, make_dir, 0},
    {"make a fifo", scene, NULL, make_fifo, 0},
    {"make a socket", scene, NULL, make_socket, 0},
    {"make a character device", scene, NULL, make_char, 0},
    {"make a block device", scene, NULL, make_block, 0},
    {"make a short symlink", scene, NULL, make_symlink, 0},
    {"make a long symlink", scene, NULL, make_long_symlink, 0},
    {"make a file under a default ACL", scene, NULL, make_file_acl, 0},
    {"make a directory under a default ACL", scene, NULL, make_dir_acl, 0},
    {"make a name of 255 bytes", scene, NULL, make_long_name, 0},
    {"make a file on new slab pages", scene, NULL, make_file, OP_COLD},
    {"make a file on a slab page of nobody", scene, other_arena, make_file, 0},
    {"make a file, by the daemon", scene, NULL, make_file, OP_KERNEL},
    {"link", scene, NULL, link_file, 0},
    {"unlink the last name", scene, NULL, unlink_small, 0},
    {"unlink one of two names", scene, NULL, unlink_linked, 0},
    {"unlink a file with attributes", scene, NULL, unlink_attributes, 0},
    {"unlink a mapped file", scene, NULL, unlink_mapped, 0},
    {"unlink a long symlink", scene, NULL, unlink_symlink, 0},
    {"unlink an open file", scene, open_a, unlink_small, 0},
    {"close an unlinked file", scene, open_and_unlink, close_a, 0},
    {"unlink, and a slab page goes back", fill_and_empty, NULL, unlink_page, 0},
    {"rmdir", scene, NULL, rmdir_empty, 0},
    {"rename to a new name", scene, NULL, rename_new, 0},
    {"rename without replacing", scene, NULL, rename_noreplace, 0},
    {"rename over a file", scene, NULL, rename_replace, 0},
    {"rename over a mapped file", scene, NULL, rename_replace_big, 0},
    {"rename over a directory", scene, NULL, rename_replace_dir, 0},
    {"rename to another directory", scene, NULL, rename_across, 0},
    {"rename a directory to another", scene, NULL, rename_dir_across, 0},
    {"rename of two names of one inode", scene, NULL, rename_same, 0},
    {"exchange", scene, NULL, rename_exchange, 0},
    {"exchange a directory and a file", scene, NULL, rename_exchange_across, 0},
    {"exchange directories", scene, NULL, rename_exchange_dirs, 0},
    {0},
};
