/* Memory: what files cost, that it comes back, and how large a directory may be. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define FILES 100000u
#define NAMES 1000000u

static struct task *t = &unit.t;

static int set_up(void **state, uint64_t inodes)
{
	(void)state;
	rig_open(&unit, (struct rig_size){.bytes = 64u << 20, .inodes = inodes});
	return 0;
}

static int set_up_files(void **state)
{
	return set_up(state, FILES + 100);
}

static int set_up_names(void **state)
{
	return set_up(state, NAMES + 100);
}

static uint64_t memory(void)
{
	struct fs_stats s;

	must(fs_statfs(t, &s));
	return s.memory;
}

static struct fs_name nth(unsigned i)
{
	static char name[16];

	snprintf(name, sizeof name, "f%011u", i);
	return (struct fs_name){.s = name, .len = 12};
}

static void make_files(unsigned from, unsigned to)
{
	struct fs_new new = {.mode = S_IFREG | 0600};

	for (unsigned i = from; i < to; i++)
		must(fs_make(t, NULL, FS_ROOT, nth(i), &new, NULL));
}

static void bytes_a_file(void **state)
{
	uint64_t before = memory(), each;

	(void)state;
	make_files(0, FILES);
	each = (memory() - before) / FILES;
	printf("an empty file with a name of 12 bytes: %lu bytes\n", (unsigned long)each);
	assert_true(each > 300);
	assert_true(each <= 400);
	for (unsigned i = 0; i < FILES; i++)
		must(fs_unlink(t, NULL, FS_ROOT, nth(i)));
	assert_true(fs_trim(t, 0) > 0);
	assert_true(memory() < before + FILES * 20); /* the pages' own entries stay */
}

static void data_comes_back(void **state)
{
	uint64_t before, most;
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);

	(void)state;
	must(fs_trim(t, 0));
	before = memory();
	rig_write(t, ino, 0, 20u << 20, 1);
	most = memory();
	assert_true(most - before >= 20u << 20);
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("f")));
	assert_true(fs_trim(t, 0) >= 20 << 20);
	assert_true(memory() <= before + (1 << 17));
}

/* ENOSPC at the last block, nothing damaged, and all of it back. */
static void data_runs_out(void **state)
{
	static unsigned char buf[1 << 20];
	struct fs_stats before, s;
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);
	int64_t n, off = 0;

	(void)state;
	must(fs_statfs(t, &before));
	while ((n = fs_write(t, NULL, ino, buf, sizeof buf, off, 0, NULL)) > 0)
		off += n;
	assert_int_equal(n, -ENOSPC);
	must(fs_statfs(t, &s));
	assert_int_equal(s.blocks_free, 0);
	rig_clean(t, "when it is full");
	assert_int_equal(fs_write(t, NULL, rig_make(t, "g", S_IFREG | 0600), buf, 100, 0, 0, NULL), 100); /* inline */
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("f")));
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("g")));
	must(fs_statfs(t, &s));
	assert_int_equal(s.blocks_free, before.blocks_free);
}

/* ---- What the kernel referred to ------------------------------------------------------ */

static void die_as_daemon(int fd)
{
	struct rig r;
	struct fs_attr a;

	rig_attach(&r, fd, FS_ATTACH_KERNEL);
	for (unsigned i = 0; i < 100; i++) {
		must(fs_lookup(&r.t, NULL, FS_ROOT, nth(i), &a));
		if (i % 2)
			must(fs_unlink(&r.t, NULL, FS_ROOT, nth(i)));
	}
	_exit(0);
}

static void forgets_all(void **state)
{
	struct fs_stats before, s;

	(void)state;
	must(fs_statfs(t, &before));
	make_files(0, 100);
	unit_child(die_as_daemon);
	assert_int_equal(fs_reap_dead(t), 1);
	rig_clean(t, "while the kernel's references stand");
	must(fs_statfs(t, &s));
	assert_int_equal(before.inodes_free - s.inodes_free, 100);
	must(fs_forget_all(t));
	must(fs_statfs(t, &s));
	assert_int_equal(before.inodes_free - s.inodes_free, 50);
}

/* ---- A million names -------------------------------------------------------------------- */

/* Microseconds a round of lookup, unlink and make takes, in the mean of many. */
static double round_trip(unsigned names)
{
	struct fs_attr a;
	uint64_t dice = 1, from = rig_now();

	for (int k = 0; k < 20000; k++) {
		unsigned i = (unsigned)(rig_random(&dice) >> 30) % names;

		must(fs_lookup(t, NULL, FS_ROOT, nth(i), &a));
		must(fs_unlink(t, NULL, FS_ROOT, nth(i)));
		make_files(i, i + 1);
	}
	return (double)(rig_now() - from) / 20000 / 1000;
}

static void a_million_names(void **state)
{
	double small, large;

	(void)state;
	make_files(0, 1000);
	small = round_trip(1000);
	make_files(1000, NAMES);
	large = round_trip(NAMES);
	printf("lookup, unlink, create: %.2f us among 1,000 names, %.2f us among 1,000,000\n", small, large);
	/* log2 is twice as large; the rest is memory that no cache holds. A walk through all would be 1,000 times. */
	assert_true(large < small * 30);
	rig_clean(t, "with a million names");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(bytes_a_file, set_up_files, unit_tear_down),
	    cmocka_unit_test_setup_teardown(data_comes_back, set_up_files, unit_tear_down),
	    cmocka_unit_test_setup_teardown(data_runs_out, set_up_files, unit_tear_down),
	    cmocka_unit_test_setup_teardown(forgets_all, set_up_files, unit_tear_down),
	    cmocka_unit_test_setup_teardown(a_million_names, set_up_names, unit_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
