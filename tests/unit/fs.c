/* Directories, mappings and attributes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/internal.h"
#include "unit.h"

static struct task *t = &unit.t;

/* ---- Names of one hash ------------------------------------------------------------ */

static struct inode *root_dir(void)
{
	return slab_at(&unit.fs.inodes, FS_ROOT, 1);
}

/* With its key, as whoever looks a name up gets it. */
static struct fs_name checked(const char *s)
{
	struct fs_name n = rig_name(s);

	must(name_check(&unit.fs, &n));
	return n;
}

/* Links an entry for `name` with another name's key, as if their hashes were equal. */
static int link_with_key(const char *name, uint64_t key, uint32_t *cell, const struct inode *target)
{
	uint64_t item;
	int err;

	must(dirent_take(t, checked(name), cell, &item));
	dirent_at(&unit.fs, *cell)->key = key;
	txn_begin(t);
	must(txn_lock(t, &root_dir()->meta));
	err = dirent_link(t, root_dir(), *cell, item, target);
	err = err ? txn_abort(t, err) : txn_commit(t);
	hand_settle(t);
	return err;
}

static void unlink_cell(uint32_t cell)
{
	txn_begin(t);
	must(txn_lock(t, &root_dir()->meta));
	must(dirent_unlink(t, root_dir(), cell));
	must(txn_commit(t));
	hand_settle(t);
}

static void dir_collisions(void **state)
{
	static uint32_t cells[KEY_TIES];
	const struct inode *target;
	struct fs_attr a;
	uint64_t key, item;
	uint32_t cell, n;
	char name[16];

	(void)state;
	target = slab_at(&unit.fs.inodes, rig_make(t, "target", S_IFREG | 0600), 1);
	must(dirent_take(t, checked("x"), &cell, &item));
	key = dirent_at(&unit.fs, cell)->key;
	hand_settle(t);
	/* "x" comes behind 5 others, and is found; then there are 4096, and no more can be. */
	for (n = 0; n < 5; n++) {
		snprintf(name, sizeof name, "other%u", n);
		must(link_with_key(name, key, &cells[n], target));
		assert_int_equal(dirent_at(&unit.fs, cells[n])->key, key + n);
	}
	must(fs_link(t, NULL, inode_number(&unit.fs, target), FS_ROOT, rig_name("x"), NULL));
	must(fs_lookup(t, NULL, FS_ROOT, rig_name("x"), &a));
	unlink_cell(cells[2]); /* its key is free again, and used */
	must(link_with_key("again", key, &cells[2], target));
	assert_int_equal(dirent_at(&unit.fs, cells[2])->key, key + 2);
	must(fs_lookup(t, NULL, FS_ROOT, rig_name("x"), &a));
	for (; n < KEY_TIES - 1; n++) {
		snprintf(name, sizeof name, "other%u", n);
		must(link_with_key(name, key, &cells[n], target));
	}
	must(fs_lookup(t, NULL, FS_ROOT, rig_name("x"), &a));
	assert_int_equal(link_with_key("full", key, &cell, target), -ENOSPC);
	assert_int_equal(tree_check(&unit.fs.cells, root_dir()->room.dir.root), KEY_TIES + 1);
	while (n > 0)
		unlink_cell(cells[--n]);
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("x")));
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("target")));
}

/* A listing in pieces, with names coming and going in between: who stays is seen once. */
static void dir_listing(void **state)
{
	struct fs_dirent e[7];
	unsigned char seen[300] = {0};
	uint64_t cookie = 0;
	char name[16];
	int n;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "%u", i);
		rig_make(t, name, S_IFREG | 0600);
	}
	for (unsigned round = 0; (n = (int)must(fs_readdir(t, FS_ROOT, cookie, e, 7))) > 0; round++) {
		cookie = e[n - 1].cookie;
		for (int k = 0; k < n; k++)
			if (e[k].name[0] >= '0' && e[k].name[0] <= '9')
				seen[atoi(e[k].name)]++;
		snprintf(name, sizeof name, "%u", round * 3 % 300); /* multiples of 3 go ... */
		fs_unlink(t, NULL, FS_ROOT, rig_name(name));
		snprintf(name, sizeof name, "new%u", round); /* ... and others come */
		rig_make(t, name, S_IFREG | 0600);
	}
	for (unsigned i = 0; i < 300; i++)
		assert_true(i % 3 == 0 ? seen[i] <= 1 : seen[i] == 1);
}

/* ---- Mappings -------------------------------------------------------------------------- */

static unsigned char piece[5000], back[5000];

static void wrote(fs_ino ino, uint64_t off)
{
	rig_pattern(piece, sizeof piece, off, 1);
	assert_int_equal(fs_read(t, ino, back, sizeof back, (int64_t)off, 0), sizeof back);
	assert_memory_equal(piece, back, sizeof back);
}

static void map_all_heights(void **state)
{
	/* In the inode; height 1, 2, 3, and the last bytes there can be. */
	static const uint64_t offs[] = {0,	    100000,	200000,	    1ull << 27,		(1ull << 27) + 4096,
					1ull << 35, 1ull << 37, 1ull << 40, (1ull << 43) - 5000};
	struct inode *i;
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);
	struct fs_attr a;

	(void)state;
	i = slab_at(&unit.fs.inodes, ino, 1);
	for (unsigned k = 0; k < sizeof offs / sizeof offs[0]; k++) {
		rig_write(t, ino, offs[k], sizeof piece, 1);
		for (unsigned j = 0; j <= k; j++)
			wrote(ino, offs[j]);
		rig_clean(t, "as the map grows");
	}
	assert_int_equal(map_height(i->flags), 3);
	assert_int_equal(fs_write(t, NULL, ino, piece, 1, FS_SIZE_MAX, 0, NULL), -EFBIG);
	for (unsigned k = 0; k + 1 < sizeof offs / sizeof offs[0]; k++) {
		int64_t at = fs_seek(t, ino, (int64_t)offs[k] + 3 * 4096, SEEK_DATA);

		assert_int_equal(at, k == 3 ? (int64_t)offs[5] : at);
		assert_true(at >= 0);
	}
	for (unsigned k = sizeof offs / sizeof offs[0]; k-- > 1;) {
		struct fs_attr size = {.size = offs[k]};

		must(fs_setattr(t, NULL, ino, FS_SET_SIZE, &size, NULL));
		for (unsigned j = 0; j + 1 < k; j++)
			wrote(ino, offs[j]);
		rig_clean(t, "as the map is cut");
	}
	must(fs_getattr(t, ino, &a));
	a.size = 0;
	must(fs_setattr(t, NULL, ino, FS_SET_SIZE, &a, &a));
	assert_int_equal(a.blocks, 0);
	assert_int_equal(map_height(i->flags), 0);
	assert_int_equal(blocks_used(&unit.fs.blocks), 1); /* nodes too */
}

/* What lay behind an end that moved back does not come to light when it moves on. */
static void map_cut_and_grow(void **state)
{
	static const uint64_t ends[] = {0, 1, 100, 128, 129, 4095, 4096, 4097, 9000, 140000};
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);
	static unsigned char all[150000];

	(void)state;
	for (unsigned a = 0; a < 10; a++)
		for (unsigned b = 0; b < a; b++) {
			struct fs_attr cut = {.size = ends[b]}, grow = {.size = ends[a] + 3000};

			rig_write(t, ino, 0, ends[a], 5);
			must(fs_setattr(t, NULL, ino, FS_SET_SIZE, &cut, NULL));
			must(fs_setattr(t, NULL, ino, FS_SET_SIZE, &grow, NULL));
			assert_int_equal(fs_read(t, ino, all, sizeof all, 0, 0), ends[a] + 3000);
			for (uint64_t k = ends[b]; k < ends[a] + 3000; k++)
				assert_int_equal(all[k], 0);
			must(fs_setattr(t, NULL, ino, FS_SET_SIZE, &(struct fs_attr){.size = 0}, NULL));
		}
}

/* ---- Extended attributes ------------------------------------------------------------------ */

static void xattr_sizes(void **state)
{
	static unsigned char value[FS_XATTR_SIZE_MAX], got[FS_XATTR_SIZE_MAX];
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);
	uint64_t cells, blocks;

	(void)state;
	cells = slab_used(&unit.fs.cells);
	blocks = blocks_used(&unit.fs.blocks);
	for (unsigned len = 1; len <= 250; len += 83) {
		char name[256] = "user.";

		memset(name + 5, 'n', len);
		name[5 + len] = 0;
		for (size_t size = 0; size <= sizeof value; size = size < 600 ? size + 1 : size * 2 + 1) {
			rig_pattern(value, size, 0, len);
			must(fs_setxattr(t, NULL, ino, name, value, size, 0));
			assert_int_equal(fs_getxattr(t, NULL, ino, name, NULL, 0), size);
			assert_int_equal(fs_getxattr(t, NULL, ino, name, got, sizeof got), size);
			assert_memory_equal(value, got, size);
			if (size > 1)
				assert_int_equal(fs_getxattr(t, NULL, ino, name, got, size - 1), -ERANGE);
		}
		must(fs_setxattr(t, NULL, ino, name, value, sizeof value, 0));
		assert_int_equal(fs_setxattr(t, NULL, ino, name, value, sizeof value, 1), -EEXIST);
		must(fs_removexattr(t, NULL, ino, name));
		assert_int_equal(fs_removexattr(t, NULL, ino, name), -ENODATA);
		assert_int_equal(slab_used(&unit.fs.cells), cells);
		assert_int_equal(blocks_used(&unit.fs.blocks), blocks);
	}
	assert_int_equal(fs_setxattr(t, NULL, ino, "user.a", value, FS_XATTR_SIZE_MAX + 1, 0), -E2BIG);
	assert_int_equal(fs_setxattr(t, NULL, ino, "other.a", value, 1, 0), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    UNIT(dir_collisions), UNIT(dir_listing), UNIT(map_all_heights), UNIT(map_cut_and_grow), UNIT(xattr_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
