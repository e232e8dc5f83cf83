/*
 * Whatever another process has written into the pool: no call may crash, hang
 * or touch what is not the pool's; -EUCLEAN is the worst answer. A target of
 * libFuzzer, which drive.c also runs without it.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/image.h"
#include "common/rig.h"
#include "common/scene.h"
#include "pool.h"
#include "target.h"

#define SIZE ((struct rig_size){.bytes = 16u << 20, .inodes = 200})
#define INODES 30u /* the scene has 21 */

static const struct fs_cred user = {.uid = 1000, .gid = 1000};
static const char *const names[] = {"f", "hard",   "target", "d",    "full", "acl",
				    "x", "listed", "big",    "link", "long", "new"};
#define NAMES (sizeof names / sizeof names[0])

/* ---- A good pool, with somebody's debris in it -------------------------------------- */

/* Dies with an open file, an open transaction, locks and a hand: the pool then has all of these to damage. */
static void leave_debris(int fd)
{
	struct rig r;
	struct inode *i;
	uint32_t at, n;

	rig_attach(&r, fd, 0);
	must(fs_open(&r.t, NULL, rig_walk(&r.t, "d/a"), O_RDWR, 2));
	must(fs_unlink(&r.t, NULL, rig_walk(&r.t, "d"), rig_name("a")));
	must(blocks_take(&r.t, &r.fs.blocks, 3, 0, 3ull << 60, &at, &n));
	must(slab_take(&r.t, &r.fs.cells, 2, 2ull << 60, &at));
	i = slab_at(&r.fs.inodes, rig_walk(&r.t, "f"), 1);
	txn_begin(&r.t);
	must(txn_lock(&r.t, &i->meta));
	txn_set(&r.t, &i->nlink, 7);
	txn_set(&r.t, &i->sec[0], 7);
	_exit(0);
}

static const struct image *good(void)
{
	static struct image *im;
	struct rig r;
	int fd, kept;

	if (im)
		return im;
	fd = rig_memfd(SIZE);
	kept = (int)must(dup(fd));
	rig_attach(&r, fd, 0);
	scene(&r.t);
	rig_detach(&r);
	if (fork() == 0)
		leave_debris(kept);
	wait(NULL);
	im = image_take(kept);
	close(kept);
	return im;
}

size_t pool_bytes(void)
{
	return image_bytes(good());
}

/* ---- Damage ------------------------------------------------------------------------------ */

static void damage(int fd, const struct damage *d)
{
	size_t width = 1u << d->width % 9, n = pool_bytes();
	off_t where = (off_t)image_offset(good(), d->where % n / width * width);
	off_t from = (off_t)image_offset(good(), d->value % n / width * width);
	unsigned char bytes[256];
	uint64_t v = 0;

	must(pread(fd, bytes, width, d->how % DAMAGE_WAYS == DAMAGE_COPY ? from : where));
	memcpy(&v, bytes, width < 8 ? width : 8);
	if (d->how % DAMAGE_WAYS == DAMAGE_SET)
		v = d->value;
	else if (d->how % DAMAGE_WAYS == DAMAGE_XOR)
		v ^= d->value;
	else if (d->how % DAMAGE_WAYS == DAMAGE_ADD)
		v += d->value;
	memcpy(bytes, &v, width < 8 ? width : 8);
	must(pwrite(fd, bytes, width, where));
}

/* ---- All calls ------------------------------------------------------------------------------ */

static unsigned char buffer[20000];

static void look_at(struct task *t, fs_ino ino)
{
	struct fs_dirent e[8];
	struct fs_attr a;
	uint64_t cookie = 0;

	fs_getattr(t, ino, &a);
	fs_access(t, &user, ino, 7);
	fs_readlink(t, ino, (char *)buffer, sizeof buffer);
	fs_read(t, ino, buffer, sizeof buffer, 0, 0);
	fs_read(t, ino, buffer, sizeof buffer, 2000 * 4096 - 100, FS_IO_NOATIME);
	fs_seek(t, ino, 0, SEEK_HOLE);
	fs_seek(t, ino, 5000, SEEK_DATA);
	fs_listxattr(t, &user, ino, (char *)buffer, sizeof buffer);
	fs_getxattr(t, NULL, ino, "user.long", buffer, sizeof buffer);
	fs_getxattr(t, NULL, ino, "system.posix_acl_access", buffer, sizeof buffer);
	fs_dirname(t, ino, &a.ino, e);
	/* A damaged tree may lead round in circles: a listing is as long as its caller likes. */
	for (int k = 0, n = 1; k < 20 && n > 0; k++) {
		n = fs_readdir(t, ino, cookie, e, 8);
		if (n > 0)
			cookie = e[n - 1].cookie;
	}
}

static void change_bytes(struct task *t, fs_ino ino)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE};
	static const int64_t offsets[] = {0, 100, 4096 * 3 + 5, 4096 * 40, 1ll << 33};
	struct fs_attr a = {.size = 70};

	if (ino % 2 == 0) /* before a write gives them another form */
		fs_fallocate(t, NULL, ino, modes[3], 50, 1ll << 36);
	for (unsigned k = 0; k < sizeof offsets / sizeof offsets[0]; k++)
		fs_write(t, &user, ino, buffer, k * 5000, offsets[k], k == 1 ? FS_IO_APPEND : 0, NULL);
	for (unsigned k = 0; k < 4; k++)
		fs_fallocate(t, NULL, ino, modes[k], 1000 + k * 5000, 30000);
	fs_copy_range(t, NULL, ino, 0, ino + 1, 100, 9000);
	fs_setattr(t, NULL, ino, FS_SET_SIZE, &a, &a);
	a.size = 100000;
	fs_setattr(t, &user, ino, FS_SET_SIZE, &a, &a);
}

static void change_attributes(struct task *t, fs_ino ino)
{
	struct fs_attr a = {.mode = 0750, .uid = 5};
	unsigned char acl[64];
	size_t n = scene_acl(acl, 3);

	fs_setattr(t, NULL, ino, FS_SET_MODE | FS_SET_UID | FS_SET_MTIME_NOW, &a, &a);
	fs_setxattr(t, NULL, ino, "user.long", buffer, 9000, 0);
	fs_setxattr(t, NULL, ino, "user.new", buffer, 10, 0);
	fs_setxattr(t, NULL, ino, "system.posix_acl_access", acl, n, 0);
	fs_removexattr(t, NULL, ino, "user.short");
	fs_removexattr(t, NULL, ino, "system.posix_acl_default");
}

static void change_names(struct task *t, fs_ino dir)
{
	static const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO};
	struct fs_new new = {.target = (char *)buffer, .target_len = 200};

	for (unsigned k = 0; k < 4; k++) {
		new.mode = types[k] | 0666;
		fs_make(t, NULL, dir, rig_name("new"), &new, NULL);
		fs_make(t, &user, dir, rig_name("a name that takes more than one cell of the pool, by far"), &new,
			NULL);
		fs_unlink(t, NULL, dir, rig_name("new"));
		fs_rmdir(t, NULL, dir, rig_name("new"));
	}
	fs_link(t, NULL, 3, dir, rig_name("linked"), NULL);
	for (unsigned k = 0; k < NAMES; k++) {
		fs_rename(t, NULL, dir, rig_name(names[k]), dir, rig_name(names[(k * 5 + 1) % NAMES]), k % 3);
		fs_rename(t, NULL, dir, rig_name(names[k]), FS_ROOT, rig_name(names[(k + 1) % NAMES]), 0);
		fs_lookup(t, &user, dir, rig_name(names[k]), NULL);
	}
}

static void open_and_close(struct task *t, fs_ino ino, uint32_t handle)
{
	struct fs_new new = {.mode = S_IFREG | 0600};

	fs_open(t, NULL, ino, ino % 2 ? O_RDWR : O_RDWR | O_TRUNC, handle);
	fs_tmpfile(t, NULL, ino, &new, handle + 1, NULL);
	fs_unlink(t, NULL, FS_ROOT, rig_name(names[ino % NAMES]));
	fs_close(t, handle);
	fs_close(t, handle + 1);
}

static void call_all(struct task *t)
{
	struct fs_stats s;

	fs_statfs(t, &s);
	fs_check(t, NULL, NULL);
	for (fs_ino ino = 1; ino < INODES; ino++)
		look_at(t, ino);
	for (fs_ino ino = 1; ino < INODES; ino++) {
		change_attributes(t, ino);
		change_bytes(t, ino);
		change_names(t, ino);
	}
	for (fs_ino ino = 2; ino < INODES; ino++)
		open_and_close(t, ino, ino);
	t->flags = TASK_KERNEL;
	change_names(t, FS_ROOT);
	fs_forget(t, 5, 1);
	fs_forget_all(t);
	fs_reap_dead(t);
	fs_trim(t, 0);
	fs_check(t, NULL, NULL);
}

/*
 * Damage may make another's seat one of this process's own, with locks held. Nobody could tell
 * it from a thread of ours that sleeps in the midst of its work, which is waited for.
 */
static void no_other_threads(struct pool *p)
{
	for (uint32_t i = 0; i < task_slots_used(p); i++)
		if (task_slot(p, i)->seat == seat_word(SLOT_LIVE, p->client))
			task_slot(p, i)->nheld = 0;
}

int pool_good(void)
{
	return image_restore(good());
}

void pool_call_all(int fd)
{
	struct task t;
	struct fs fs;

	if (fs_attach(fd, 0, &fs) != 0) {
		close(fd);
		return;
	}
	no_other_threads(&fs.pool);
	if (task_attach(&fs.pool, 0, &t) == 0) {
		call_all(&t);
		task_detach(&t);
	}
	fs_detach(&fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = pool_good();
	struct damage d;

	for (; size >= sizeof d; data += sizeof d, size -= sizeof d) {
		memcpy(&d, data, sizeof d);
		damage(fd, &d);
	}
	pool_call_all(fd);
	return 0;
}

/* ---- Inputs made up ---------------------------------------------------------------------------- */

#define RECORDS 12

/* What a wrong number usually looks like. */
static uint64_t some_value(uint64_t (*roll)(uint64_t n))
{
	static const uint64_t odd[] = {0,	   1,	   2,	      ~0ull,	  0xffffffff,  0x80000000,
				       0x7fffffff, 0xffff, 0x10000,   1ull << 63, 0x100000001, 1ull << 40,
				       4095,	   4096,   0x1000001, 512,	  64,	       63};

	switch (roll(4)) {
	case 0:
		return odd[roll(sizeof odd / sizeof odd[0])];
	case 1:
		return roll(300);
	case 2:
		return 1ull << roll(64);
	default:
		return roll(1ull << 53) << roll(12);
	}
}

size_t target_make_up(uint8_t *input, uint64_t (*roll)(uint64_t n))
{
	size_t n = 1 + roll(roll(2) ? 3 : RECORDS);

	for (size_t i = 0; i < n; i++) {
		struct damage d = {.how = (uint8_t)roll(DAMAGE_WAYS),
				   .width = (uint8_t)roll(roll(3) ? 4 : 9),
				   .where = (uint32_t)roll(pool_bytes()),
				   .value = some_value(roll)};

		memcpy(input + i * sizeof d, &d, sizeof d);
	}
	return n * sizeof(struct damage);
}
