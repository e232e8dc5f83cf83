/*
 * Threads of one process, a task each, do everything at once, readers against
 * writers. What is looked for is found by ThreadSanitizer (-Db_sanitize=thread)
 * and by the checker; content is checked where it can be: a block is always
 * what one writer wrote.
 */
#include <errno.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

#define WRITERS 3
#define READERS 2
#define ROUNDS 8000
#define NAMES 12

struct thread {
	pthread_t id;
	struct task t;
	uint64_t dice;
	unsigned char buf[9000];
};

static unsigned roll(struct thread *h, unsigned n)
{
	return (unsigned)(rig_random(&h->dice) >> 33) % n;
}

static struct fs_name some_name(struct thread *h, char *buf)
{
	return (struct fs_name){.s = buf, .len = (size_t)snprintf(buf, 8, "n%u", roll(h, NAMES))};
}

static fs_ino some_file(struct thread *h)
{
	char name[8];
	struct fs_attr a;

	return fs_lookup(&h->t, NULL, FS_ROOT, some_name(h, name), &a) == 0 ? a.ino : 0;
}

static void fine(int64_t got)
{
	if (got == -EUCLEAN || got == -EFAULT)
		rig_fail(__FILE__, __LINE__, "a call on a good pool", (long)got);
}

static void change_names(struct thread *h)
{
	static const uint32_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFLNK};
	struct fs_new new = {.mode = types[roll(h, 5)] | 0644, .target = "to", .target_len = 2};
	char a[8], b[8];

	switch (roll(h, 4)) {
	case 0:
		fine(fs_make(&h->t, NULL, FS_ROOT, some_name(h, a), &new, NULL));
		break;
	case 1:
		fine(fs_unlink(&h->t, NULL, FS_ROOT, some_name(h, a)));
		fine(fs_rmdir(&h->t, NULL, FS_ROOT, some_name(h, b)));
		break;
	case 2:
		fine(fs_rename(&h->t, NULL, FS_ROOT, some_name(h, a), FS_ROOT, some_name(h, b), roll(h, 3)));
		break;
	case 3: {
		fs_ino ino = some_file(h);

		if (ino)
			fine(fs_link(&h->t, NULL, ino, FS_ROOT, some_name(h, a), NULL));
	}
	}
}

static void change_file(struct thread *h)
{
	fs_ino ino = some_file(h);
	struct fs_attr a = {.mode = 0640, .size = roll(h, 20000)};
	char list[200];

	if (!ino)
		return;
	memset(h->buf, (int)(1 + roll(h, 255)), 4096);
	switch (roll(h, 7)) {
	case 0:
		fine(fs_setattr(&h->t, NULL, ino, FS_SET_MODE | FS_SET_MTIME_NOW, &a, &a));
		break;
	case 1:
		fine(fs_setattr(&h->t, NULL, ino, FS_SET_SIZE, &a, NULL));
		break;
	case 2:
		fine(fs_fallocate(&h->t, NULL, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
		break;
	case 3:
		fine(fs_setxattr(&h->t, NULL, ino, "user.a", h->buf, roll(h, 2) ? 20 : 5000, 0));
		break;
	case 4:
		fine(fs_removexattr(&h->t, NULL, ino, "user.a"));
		fine(fs_listxattr(&h->t, NULL, ino, list, sizeof list));
		break;
	default:
		fine(fs_write(&h->t, NULL, ino, h->buf, 4096, (int64_t)roll(h, 8) * 4096, 0, NULL));
	}
}

static void open_close(struct thread *h)
{
	fs_ino ino = some_file(h);
	uint32_t handle = roll(h, 8);

	if (ino)
		fine(fs_open(&h->t, NULL, ino, 2, handle));
	fine(fs_close(&h->t, handle));
}

static void *writer(void *arg)
{
	struct thread *h = arg;

	must(task_attach(&unit.fs.pool, 0, &h->t));
	for (int k = 0; k < ROUNDS; k++) {
		change_names(h);
		change_file(h);
		open_close(h);
		if (k % 512 == 0)
			fine(fs_trim(&h->t, 0));
	}
	task_detach(&h->t);
	return NULL;
}

/* Whole blocks are written and punched: one that is neither of a kind nor zeros was torn. */
static void read_file(struct thread *h)
{
	fs_ino ino = some_file(h);
	int64_t n;

	if (!ino)
		return;
	n = fs_read(&h->t, ino, h->buf, 4096, 4096, 0);
	fine(n);
	for (int64_t k = 1; k < n; k++)
		if (h->buf[k] != h->buf[0] && h->buf[k] != 0)
			rig_fail(__FILE__, __LINE__, "a read is torn", (long)k);
	fine(fs_getxattr(&h->t, NULL, ino, "user.a", h->buf, sizeof h->buf));
	fine(fs_readlink(&h->t, ino, (char *)h->buf, sizeof h->buf));
	fine(fs_seek(&h->t, ino, 0, 3));
}

static void *reader(void *arg)
{
	static const struct fs_cred cred = {.uid = 5, .gid = 5};
	struct fs_dirent e[5];
	struct thread *h = arg;

	must(task_attach(&unit.fs.pool, 0, &h->t));
	for (int k = 0; k < ROUNDS; k++) {
		struct fs_stats s;
		struct fs_attr a;
		uint64_t cookie = 0;
		int n;

		read_file(h);
		while ((n = fs_readdir(&h->t, FS_ROOT, cookie, e, 5)) > 0) {
			cookie = e[n - 1].cookie;
			fine(fs_getattr(&h->t, e[0].ino, &a));
			fine(fs_access(&h->t, &cred, e[0].ino, 4));
		}
		fine(n);
		if (k % 64 == 0)
			must(fs_statfs(&h->t, &s));
	}
	task_detach(&h->t);
	return NULL;
}

static void all_at_once(void **state)
{
	static struct thread threads[WRITERS + READERS];

	(void)state;
	for (unsigned k = 0; k < WRITERS + READERS; k++) {
		threads[k].dice = k + 1;
		expect_is(pthread_create(&threads[k].id, NULL, k < WRITERS ? writer : reader, &threads[k]), 0);
	}
	for (unsigned k = 0; k < 20; k++)
		rig_clean(&unit.t, "while they work");
	for (unsigned k = 0; k < WRITERS + READERS; k++)
		pthread_join(threads[k].id, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {UNIT(all_at_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
