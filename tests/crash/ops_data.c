/* Operations on bytes. All of them work on "target", which in the scene holds 3 blocks and 1,000 bytes. */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "ops.h"
#include "common/scene.h"

#define MIB (1u << 20)

static const struct fs_cred user = {.uid = 1000, .gid = 1000};

static fs_ino target(struct task *t)
{
	return rig_walk(t, "target");
}

static void resize(struct task *t, uint64_t size)
{
	struct fs_attr a = {.size = size};

	must(fs_setattr(t, NULL, target(t), FS_SET_SIZE, &a, NULL));
}

static void range(struct task *t, int mode, int64_t off, int64_t len)
{
	must(fs_fallocate(t, NULL, target(t), mode, off, len));
}

/* ---- What "target" is before ------------------------------------------------ */

static void inline_target(struct task *t)
{
	scene(t);
	resize(t, 0);
	rig_write(t, target(t), 0, 100, 2);
}

static void empty_target(struct task *t)
{
	scene(t);
	resize(t, 0);
}

static void unwritten_target(struct task *t)
{
	scene(t);
	range(t, FALLOC_FL_KEEP_SIZE, 4 * 4096, 8 * 4096);
}

/* Every other block: at height 1, and no two blocks of it lie together. */
static void holes(struct task *t, unsigned blocks)
{
	scene(t);
	resize(t, 0);
	for (unsigned b = 0; b < blocks; b += 2)
		rig_write(t, target(t), b * 4096u, 4096, b);
}

static void holey_target(struct task *t)
{
	holes(t, 36);
}

/* More pieces than the hand has room for. */
static void pieces_target(struct task *t)
{
	holes(t, 2 * TASK_HAND + 10);
}

static void large_target(struct task *t)
{
	scene(t);
	resize(t, 0);
	rig_write(t, target(t), 0, 3 * MIB, 5);
}

/* At height 2, with three nodes above data. */
static void sparse_target(struct task *t)
{
	scene(t);
	for (unsigned k = 1; k < 4; k++)
		rig_write(t, target(t), (uint64_t)k << 30, 3000, k);
}

/* The chunk is used up: the next block comes from a new one. */
static void full_chunk(struct task *t)
{
	const struct blocks *b = &((struct fs *)(void *)t->pool)->blocks;
	fs_ino ino;

	scene(t);
	ino = rig_make(t, "filler", S_IFREG | 0600);
	must(fs_fallocate(t, NULL, ino, 0, 0, (int64_t)(CHUNK_BLOCKS - blocks_used(b)) * 4096));
}

/* ---- Writing ----------------------------------------------------------------- */

static void write_inline(struct task *t)
{
	rig_write(t, target(t), 50, 70, 6);
}
static void write_leave_inline(struct task *t)
{
	rig_write(t, target(t), 50, 6000, 6);
}
static void overwrite(struct task *t)
{
	rig_write(t, target(t), 1000, 5000, 6);
}
static void append(struct task *t)
{
	unsigned char buf[9000];

	rig_pattern(buf, sizeof buf, 0, 6);
	expect_is(fs_write(t, NULL, target(t), buf, sizeof buf, 0, FS_IO_APPEND, NULL), sizeof buf);
}
static void write_as_user(struct task *t)
{
	unsigned char buf[100] = {1};

	expect_is(fs_write(t, &user, target(t), buf, sizeof buf, 0, 0, NULL), sizeof buf);
}
static void write_hole(struct task *t)
{
	rig_write(t, target(t), 21 * 4096 + 10, 4000, 6);
}
static void write_far(struct task *t)
{
	rig_write(t, target(t), 20 * 4096 + 10, 9000, 6);
}
static void write_unwritten(struct task *t)
{
	rig_write(t, target(t), 5 * 4096 + 100, 9000, 6);
}
static void write_long(struct task *t)
{
	rig_write(t, target(t), 2000, 2 * MIB + 300000, 6);
}
static void write_over_long(struct task *t)
{
	rig_write(t, target(t), 2000, MIB + 300000, 6);
}
static void write_high(struct task *t)
{
	rig_write(t, target(t), 300ull << 30, 5000, 6);
}
static void write_through_holes(struct task *t)
{
	rig_write(t, target(t), 100, 20 * 4096, 6);
}
static void write_one_block(struct task *t)
{
	rig_write(t, target(t), 10 * 4096, 4096, 6);
}
static void copy_range(struct task *t)
{
	expect_is(fs_copy_range(t, NULL, rig_walk(t, "big"), 100, target(t), 2000, 10000), 10000);
}

/* ---- Sizes and ranges ---------------------------------------------------------- */

static void truncate_up(struct task *t)
{
	resize(t, 100000);
}
static void truncate_up_inline(struct task *t)
{
	resize(t, 120);
}
static void truncate_down(struct task *t)
{
	resize(t, 5000);
}
static void truncate_down_far(struct task *t)
{
	resize(t, 3 * 4096 + 7);
}
static void truncate_to_nothing(struct task *t)
{
	resize(t, 0);
}
/* One call is one change, whatever it sets. */
static void truncate_and_more(struct task *t)
{
	struct fs_attr a = {.size = 5000, .mode = 0640, .uid = 7, .mtime = {1000, 1}};

	must(fs_setattr(t, NULL, target(t), FS_SET_SIZE | FS_SET_MODE | FS_SET_UID | FS_SET_MTIME, &a, NULL));
}
static void truncate_sparse(struct task *t)
{
	resize(t, (1ull << 30) + 100);
}
static void punch(struct task *t)
{
	range(t, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 3 * 4096);
}
static void punch_holes(struct task *t)
{
	range(t, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 134 * 4096);
}
static void punch_nodes(struct task *t)
{
	range(t, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 3ll << 30);
}
static void zero_range(struct task *t)
{
	range(t, FALLOC_FL_ZERO_RANGE, 1000, 8 * 4096);
}
static void allocate(struct task *t)
{
	range(t, 0, 2000, 20 * 4096);
}
static void allocate_keep(struct task *t)
{
	range(t, FALLOC_FL_KEEP_SIZE, 10 * 4096, 300 * 4096);
}

const struct op ops_data[] = {
    {"write inline", inline_target, NULL, write_inline, OP_STEPWISE},
    {"write, leaving inline", inline_target, NULL, write_leave_inline, OP_STEPWISE},
    {"overwrite", scene, NULL, overwrite, OP_STEPWISE},
    {"overwrite, clearing set-id bits", scene, NULL, write_as_user, OP_STEPWISE},
    {"append", scene, NULL, append, OP_STEPWISE},
    {"append to nothing", empty_target, NULL, append, OP_STEPWISE},
    {"write into a hole", holey_target, NULL, write_hole, OP_STEPWISE},
    {"write behind the end", scene, NULL, write_far, OP_STEPWISE},
    {"write unwritten blocks", unwritten_target, NULL, write_unwritten, OP_STEPWISE},
    {"write 2.3 MiB", scene, NULL, write_long, OP_STEPWISE},
    {"overwrite 1.3 MiB", large_target, NULL, write_over_long, OP_STEPWISE},
    {"write, raising the height by two", scene, NULL, write_high, OP_STEPWISE},
    {"write through holes", holey_target, NULL, write_through_holes, OP_STEPWISE},
    {"write into a new chunk", full_chunk, NULL, write_one_block, OP_STEPWISE},
    {"copy a range", scene, NULL, copy_range, OP_STEPWISE},
    {"truncate up", scene, NULL, truncate_up, 0},
    {"truncate up, inline", inline_target, NULL, truncate_up_inline, 0},
    {"truncate up, leaving inline", inline_target, NULL, truncate_up, OP_STEPWISE},
    {"truncate down", scene, NULL, truncate_down, 0},
    {"truncate down, with mode, owner and time", scene, NULL, truncate_and_more, 0},
    {"truncate down, with holes", holey_target, NULL, truncate_down_far, 0},
    {"truncate many pieces to nothing", pieces_target, NULL, truncate_to_nothing, 0},
    {"truncate 3 MiB to nothing", large_target, NULL, truncate_to_nothing, 0},
    {"truncate sparse", sparse_target, NULL, truncate_sparse, 0},
    {"punch a hole", scene, NULL, punch, OP_STEPWISE},
    {"punch many pieces", pieces_target, NULL, punch_holes, OP_STEPWISE},
    {"punch whole nodes", sparse_target, NULL, punch_nodes, OP_STEPWISE},
    {"zero a range", scene, NULL, zero_range, OP_STEPWISE},
    {"allocate", holey_target, NULL, allocate, OP_STEPWISE},
    {"allocate, keeping the size", scene, NULL, allocate_keep, OP_STEPWISE},
    {0},
};
