/*
 * What the kernel may hold, and who tells it. The kernel is a task of the
 * daemon's kind; telling it is a function here, which can do what others might
 * meanwhile.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/internal.h"
#include "unit.h"

static struct task *t = &unit.t;
static struct task kernel, other;

/* What was told, in all and since the last look. */
static unsigned told, told_marks, told_names;
static char told_name[256];
static void (*meanwhile)(void); /* once, while the kernel is being told */
static bool drop = true;	/* it forgets */
static unsigned absences;	/* that it keeps */
static bool keeps = true;

static void begun(void *arg)
{
	absences = 0;
}

static void tell_one(const struct stale_item *s, const char *name)
{
	uint32_t seen = fs_marks(&kernel, s->ino);
	uint64_t asked = 0;
	bool names = s->marks & FS_MARK_NAMES;
	void (*f)(void) = meanwhile;

	told++;
	told_marks |= s->marks;
	if (names) {
		told_names++;
		assert_true(fs_names_begin(&kernel, s->ino, begun, NULL, &asked));
		memcpy(told_name, name, s->len);
		told_name[s->len] = 0;
	}
	meanwhile = NULL;
	if (f)
		f();
	if (names && drop)
		fs_names_end(&kernel, s->ino, asked);
	else if (drop)
		fs_marks_drop(&kernel, s->ino, seen, s->marks);
}

static void tell(void *arg, const struct stale_list *l, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		tell_one(&l->item[i], l->name[l->item[i].name]);
}

static bool keep(void *arg, uint32_t dir, const char *name, size_t len, bool seen)
{
	absences = name ? absences + keeps : 0;
	return keeps;
}

static int set_up(void **state)
{
	unit_set_up(state);
	must(task_attach(&unit.fs.pool, TASK_KERNEL, &kernel));
	must(task_attach(&unit.fs.pool, 0, &other));
	kernel.absent = keep;
	t->invalidate = other.invalidate = tell;
	told = told_marks = told_names = absences = 0;
	drop = keeps = true;
	meanwhile = NULL;
	return 0;
}

static int tear_down(void **state)
{
	task_detach(&kernel);
	task_detach(&other);
	return unit_tear_down(state);
}

#define MARKS(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* How often the kernel was told since the last look. */
static unsigned news(void)
{
	unsigned n = told;

	told = told_marks = told_names = 0;
	return n;
}

static void chmod_by(struct task *who, fs_ino ino, uint32_t mode)
{
	struct fs_attr a = {.mode = mode};

	must(fs_setattr(who, NULL, ino, FS_SET_MODE, &a, &a));
}

static fs_ino make_by(struct task *who, const char *name)
{
	const struct fs_new new = {.mode = S_IFREG | 0600};
	struct fs_attr a;

	must(fs_make(who, NULL, FS_ROOT, rig_name(name), &new, &a));
	return a.ino;
}

static int look_by_kernel(const char *name)
{
	struct fs_attr a;

	return fs_lookup(&kernel, NULL, FS_ROOT, rig_name(name), &a);
}

/* ---- Inodes --------------------------------------------------------------------------- */

static void a_mark_costs_once(void **state)
{
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);
	struct fs_attr a;
	char byte = 'x';

	(void)state;
	assert_int_equal(news(), 0);
	chmod_by(t, ino, 0640);
	assert_int_equal(news(), 0);
	must(fs_getattr(&kernel, ino, &a));
	chmod_by(t, ino, 0600);
	assert_int_equal(told_marks, FS_MARK_ATTR);
	assert_int_equal(news(), 1);
	chmod_by(t, ino, 0640);
	must(fs_write(t, NULL, ino, &byte, 1, 0, 0, NULL));
	assert_int_equal(news(), 0);
	must(fs_mark_data(&kernel, ino));
	must(fs_write(t, NULL, ino, &byte, 1, 0, 0, NULL));
	assert_int_equal(told_marks, FS_MARK_DATA);
	assert_int_equal(news(), 1);
	must(fs_write(t, NULL, ino, &byte, 1, 0, 0, NULL));
	chmod_by(&kernel, ino, 0600); /* what it does itself it knows */
	assert_int_equal(news(), 0);
}

static fs_ino shared;

static void other_changes_too(void)
{
	chmod_by(&other, shared, 0604);
}

/* The second finds the mark although the first is about to tell, and does not return before the kernel knows. */
static void two_clients_one_mark(void **state)
{
	struct fs_attr a;

	(void)state;
	shared = rig_make(t, "f", S_IFREG | 0600);
	must(fs_getattr(&kernel, shared, &a));
	meanwhile = other_changes_too;
	chmod_by(t, shared, 0640);
	assert_int_equal(news(), 2);
	chmod_by(&other, shared, 0600);
	assert_int_equal(news(), 0);
}

static void kernel_asks_again(void)
{
	struct fs_attr a;

	must(fs_getattr(&kernel, shared, &a));
}

static void asked_while_told(void **state)
{
	(void)state;
	shared = rig_make(t, "f", S_IFREG | 0600);
	kernel_asks_again();
	meanwhile = kernel_asks_again;
	chmod_by(t, shared, 0640);
	assert_int_equal(news(), 1);
	chmod_by(t, shared, 0600); /* the mark of the second question is still there */
	assert_int_equal(news(), 1);
	chmod_by(t, shared, 0640);
	assert_int_equal(news(), 0);
}

/* A write at an open file's own offset holds a lock: the kernel is told when that is free. */
static void told_without_locks(void **state)
{
	fs_ino ino = rig_make(t, "f", S_IFREG | 0600);
	const struct fs_cred root = {.caps = FS_CAP_ALL};
	struct fs_attr a;

	(void)state;
	must(fs_open(t, &root, ino, 2, 0));
	must(fs_getattr(&kernel, ino, &a));
	must(fs_mark_data(&kernel, ino));
	assert_int_equal(fs_write_next(t, &root, 0, "abc", 3), 3);
	assert_int_equal(news(), 1);
	assert_int_equal(fs_write_next(t, &root, 0, "abc", 3), 3);
	assert_int_equal(news(), 0);
	must(fs_close(t, 0));
}

/* ---- Names ----------------------------------------------------------------------------- */

static void absent_names(void **state)
{
	char name[16];

	(void)state;
	make_by(t, "a");
	assert_int_equal(news(), 0);
	/* More than the filter can tell apart: the first that is made empties it. */
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof name, "n%d", i);
		assert_int_equal(look_by_kernel(name), -ENOENT);
	}
	make_by(t, "n7");
	assert_string_equal(told_name, "n7");
	assert_int_equal(told_marks & FS_MARK_NAMES, FS_MARK_NAMES);
	assert_int_equal(absences, 0);
	news();
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "m%d", i);
		make_by(t, name);
	}
	assert_int_equal(news(), 0);
	/* What the kernel is not to keep is not marked. */
	keeps = false;
	assert_int_equal(look_by_kernel("never"), -ENOENT);
	make_by(t, "never");
	assert_int_equal(news(), 0);
}

static void make_n2(void)
{
	make_by(&other, "gone");
}

/* The name goes, and while the kernel is being told somebody makes it anew: he waits as well. */
static void name_comes_back(void **state)
{
	struct fs_attr a;

	(void)state;
	make_by(t, "gone");
	must(look_by_kernel("gone"));
	must(fs_getattr(&kernel, FS_ROOT, &a));
	news();
	meanwhile = make_n2;
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("gone")));
	assert_int_equal(told_names, 2);
	assert_string_equal(told_name, "gone");
	news();
	must(fs_unlink(t, NULL, FS_ROOT, rig_name("gone")));
	make_by(t, "gone");
	assert_int_equal(news(), 0);
}

static void kernel_looks_for_late(void)
{
	assert_int_equal(look_by_kernel("late"), -ENOENT);
}

static void absent_while_told(void **state)
{
	(void)state;
	assert_int_equal(look_by_kernel("early"), -ENOENT);
	meanwhile = kernel_looks_for_late;
	make_by(t, "early");
	assert_int_equal(told_names, 1);
	make_by(t, "late");
	assert_int_equal(told_names, 2);
	assert_string_equal(told_name, "late");
	news();
}

static void renames(void **state)
{
	(void)state;
	make_by(t, "from");
	make_by(t, "to");
	must(look_by_kernel("from"));
	must(look_by_kernel("to"));
	news();
	must(fs_rename(t, NULL, FS_ROOT, rig_name("from"), FS_ROOT, rig_name("to"), 0));
	assert_int_equal(told_marks, FS_MARK_NAMES | FS_MARK_ATTR | FS_MARK_GONE);
	assert_int_equal(news(), 4); /* two names, two files; nobody asked for the root */
	must(fs_rename(t, NULL, FS_ROOT, rig_name("to"), FS_ROOT, rig_name("from"), 0));
	assert_int_equal(news(), 0);
	must(look_by_kernel("from"));
	make_by(t, "to");
	must(look_by_kernel("to"));
	news();
	must(fs_rename(t, NULL, FS_ROOT, rig_name("from"), FS_ROOT, rig_name("to"), 2)); /* RENAME_EXCHANGE */
	assert_int_equal(news(), 4);
}

/* The kernel forgets a directory: nothing of what it knew in it is to be told. */
static void forgotten(void **state)
{
	fs_ino d = rig_make(t, "d", S_IFDIR | 0700);
	struct fs_attr a;

	(void)state;
	must(look_by_kernel("d"));
	assert_int_equal(fs_lookup(&kernel, NULL, d, rig_name("x"), &a), -ENOENT);
	assert_int_equal(absences, 1);
	fs_forget(&kernel, d, 1);
	assert_int_equal(absences, 0);
	rig_make(t, "d/x", S_IFREG | 0600);
	assert_int_equal(news(), 0);
}

/* ---- Death ------------------------------------------------------------------------------ */

static void die(void *arg, const struct stale_list *l, uint32_t n)
{
	kill(getpid(), SIGKILL);
}

/* Killed between its change and telling. */
static void changes_and_dies(int fd)
{
	struct rig r;

	rig_attach(&r, fd, 0);
	r.t.invalidate = die;
	chmod_by(&r.t, shared, 0604);
	fs_unlink(&r.t, NULL, FS_ROOT, rig_name("lost"));
	_exit(1);
}

static void dies_before_telling(void **state)
{
	struct fs_attr a;

	(void)state;
	shared = rig_make(t, "f", S_IFREG | 0600);
	must(fs_getattr(&kernel, shared, &a));
	unit_child(changes_and_dies);
	t->invalidate = NULL; /* who cannot tell leaves it to others */
	fs_reap_dead(t);
	assert_int_equal(news(), 0);
	t->invalidate = tell;
	fs_reap_dead(t);
	assert_int_equal(told_marks, FS_MARK_ATTR);
	assert_int_equal(news(), 1);
	must(fs_getattr(t, shared, &a));
	assert_int_equal(a.mode & 0777, 0604);
	chmod_by(t, shared, 0600);
	assert_int_equal(news(), 0);
	assert_int_equal(fs_reap_dead(t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    MARKS(a_mark_costs_once),	MARKS(two_clients_one_mark), MARKS(asked_while_told), MARKS(told_without_locks),
	    MARKS(absent_names),	MARKS(name_comes_back),	     MARKS(renames),	      MARKS(forgotten),
	    MARKS(dies_before_telling), MARKS(absent_while_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
