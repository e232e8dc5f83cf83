/*
 * Processes that work on one pool are killed at random.
 *
 * N workers do a random mixture of all operations in one tree; the first one
 * as the daemon would (FS_ATTACH_KERNEL, TASK_KERNEL). Every other kill is by
 * the parent at a random time, which mostly hits them between transactions;
 * the other half kill themselves at a random step, in the midst of one. After
 * each the parent looks the pool over with fs_check and starts another worker.
 * In the end all leave or are dead: then nothing may be left of them, no seat,
 * handle, block or inode.
 *
 * Meanwhile each worker measures how long it sleeps. The clock on the wall
 * would tell how many share how many processors; what counts is the time in
 * which it neither ran nor was ready to run (schedstat). The parent's checks
 * hold everybody up and are left out.
 *
 *	kills KILLS [SEED]
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "common/rig.h"

#define WORKERS 5u
#define SIZE ((struct rig_size){.bytes = 48u << 20, .inodes = 3000})
#define DIRS 4
#define NAMES 40
#define HANDLES 6

#define SLOW 10000000u /* ns */
#define BUCKETS 64u    /* of waits: half a millisecond each */
#define BUCKET 500000u
#define CALLS 16 /* between two looks at the clock */

/* Shared by all. */
static struct shared {
	uint64_t calls;
	uint64_t waits[BUCKETS]; /* times that somebody slept so long in CALLS calls */
	uint64_t longest;
	uint32_t checks; /* odd: one is under way */
	uint32_t stop;
} * all;

static struct rig me;
static uint64_t dice;

static unsigned roll(unsigned n)
{
	return (unsigned)(rig_random(&dice) >> 33) % n;
}

/* ---- What a worker does ---------------------------------------------------------- */

static unsigned char buffer[1 << 17];

/* What may happen to anybody whose files others remove, move and fill the pool with. */
static void accept(int64_t got, const char *what)
{
	static const int fine[] = {0,	   -ENOENT, -EEXIST, -ENOTEMPTY, -ENOTDIR, -EISDIR, -ESTALE, -ENOSPC,
				   -EBADF, -EINVAL, -ENXIO,  -ENODATA,	 -ELOOP,   -EPERM,  -EBUSY,  -ERANGE};

	for (unsigned i = 0; i < sizeof fine / sizeof fine[0]; i++)
		if (got >= 0 || got == fine[i])
			return;
	rig_fail(__FILE__, __LINE__, what, (long)got);
}

static fs_ino some_dir(void)
{
	char name[2] = {(char)('A' + roll(DIRS)), 0};
	struct fs_attr a;

	return fs_lookup(&me.t, NULL, FS_ROOT, rig_name(name), &a) == 0 ? a.ino : FS_ROOT;
}

static struct fs_name some_name(char *buf)
{
	unsigned k = roll(NAMES);
	/* Some are long: of up to five cells. */
	int n = snprintf(buf, 256, "%u%.*s", k, k % 8 == 0 ? (int)k * 6 : 0,
			 "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
			 "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
			 "012345678901234567890123456789012345678901234567890123");

	return (struct fs_name){.s = buf, .len = (size_t)n};
}

/* The kernel lets go of what an answer gave it. */
static void let_go(fs_ino ino)
{
	if (me.t.flags & TASK_KERNEL)
		fs_forget(&me.t, ino, 1);
}

static fs_ino some_file(void)
{
	char buf[256];
	struct fs_attr a;
	fs_ino dir = some_dir();
	int err = fs_lookup(&me.t, NULL, dir, some_name(buf), &a);

	let_go(dir);
	accept(err, "lookup");
	return err ? 0 : a.ino;
}

static void do_make(void)
{
	static const uint32_t types[] = {S_IFREG, S_IFREG, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO};
	char buf[256], target[600];
	struct fs_new new = {.mode = types[roll(6)] | 0644, .target = target, .target_len = 1 + roll(599)};
	struct fs_attr a;
	fs_ino dir = some_dir();
	int err;

	memset(target, 't', sizeof target);
	err = fs_make(&me.t, NULL, dir, some_name(buf), &new, &a);
	accept(err, "make");
	if (!err)
		let_go(a.ino);
	let_go(dir);
}

static void do_remove(void)
{
	char buf[256];
	fs_ino dir = some_dir();
	struct fs_name name = some_name(buf);

	accept(roll(4) ? fs_unlink(&me.t, NULL, dir, name) : fs_rmdir(&me.t, NULL, dir, name), "remove");
	let_go(dir);
}

static void do_rename(void)
{
	char a[256], b[256];
	fs_ino from = some_dir(), to = some_dir();

	accept(fs_rename(&me.t, NULL, from, some_name(a), to, some_name(b), roll(3)), "rename");
	let_go(from);
	let_go(to);
}

static void do_link(void)
{
	char buf[256];
	fs_ino ino = some_file(), dir = some_dir();
	int err = ino ? fs_link(&me.t, NULL, ino, dir, some_name(buf), NULL) : 0;

	accept(err, "link");
	if (ino && !err)
		let_go(ino);
	if (ino)
		let_go(ino);
	let_go(dir);
}

static void do_write(void)
{
	fs_ino ino = some_file();
	size_t len = roll(4) ? roll(200) : roll(sizeof buffer);
	int64_t off = roll(3) ? roll(300000) : roll(8) ? 0 : (int64_t)roll(1u << 30) * 2;

	if (!ino)
		return;
	accept(fs_write(&me.t, NULL, ino, buffer, len, off, roll(3) ? 0 : FS_IO_APPEND, NULL), "write");
	let_go(ino);
}

static void do_read(void)
{
	fs_ino ino = some_file();

	if (!ino)
		return;
	accept(fs_read(&me.t, ino, buffer, roll(sizeof buffer), roll(100000), 0), "read");
	accept(fs_seek(&me.t, ino, roll(100000), roll(2) ? 3 : 4), "seek");
	let_go(ino);
}

static void do_setattr(void)
{
	fs_ino ino = some_file();
	struct fs_attr a = {.mode = roll(4096), .uid = roll(3), .gid = roll(3), .size = roll(2) ? 0 : roll(400000)};

	if (!ino)
		return;
	accept(fs_setattr(&me.t, NULL, ino, roll(3) ? FS_SET_SIZE : FS_SET_MODE | FS_SET_UID, &a, &a), "setattr");
	let_go(ino);
}

static void do_fallocate(void)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_ZERO_RANGE};
	fs_ino ino = some_file();
	int err;

	if (!ino)
		return;
	err = fs_fallocate(&me.t, NULL, ino, modes[roll(4)], roll(300000), 1 + roll(500000));
	accept(err == -ENODEV ? 0 : err, "fallocate");
	let_go(ino);
}

static void do_xattr(void)
{
	static const char *const names[] = {"user.a", "user.bb", "security.c", "trusted.long"};
	fs_ino ino = some_file();
	const char *name = names[roll(4)];
	int err;

	if (!ino)
		return;
	if (roll(2))
		err = fs_setxattr(&me.t, NULL, ino, name, buffer, roll(3) ? roll(300) : roll(FS_XATTR_SIZE_MAX), 0);
	else if (roll(2))
		err = fs_removexattr(&me.t, NULL, ino, name);
	else
		err = fs_getxattr(&me.t, NULL, ino, name, buffer, sizeof buffer);
	accept(err, "xattr");
	let_go(ino);
}

static void do_open(void)
{
	struct fs_new new = {.mode = S_IFREG | 0600};
	unsigned handle = roll(HANDLES);
	fs_ino ino;

	if (me.t.flags & TASK_KERNEL)
		return;
	if (roll(2)) {
		accept(fs_close(&me.t, handle), "close");
		return;
	}
	if (roll(6) == 0) {
		accept(fs_tmpfile(&me.t, NULL, some_dir(), &new, handle, NULL), "tmpfile");
		return;
	}
	ino = some_file();
	if (ino)
		accept(fs_open(&me.t, NULL, ino, roll(4) ? O_RDWR : O_RDWR | O_TRUNC, handle), "open");
}

static void do_list(void)
{
	struct fs_dirent e[16];
	fs_ino dir = some_dir();
	uint64_t cookie = 0;
	int n;

	while ((n = fs_readdir(&me.t, dir, cookie, e, 16)) > 0)
		cookie = e[n - 1].cookie;
	accept(n, "readdir");
	let_go(dir);
}

static void do_rare(void)
{
	switch (roll(3)) {
	case 0:
		must(fs_reap_dead(&me.t));
		break;
	case 1:
		must(fs_trim(&me.t, roll(2) ? 0 : 1 << 20));
		break;
	case 2: {
		struct task other;

		must(task_attach(&me.fs.pool, me.t.flags, &other));
		task_detach(&other);
	}
	}
}

static void do_something(void)
{
	static void (*const what[])(void) = {do_make,	   do_make,  do_remove, do_rename, do_link,
					     do_write,	   do_write, do_write,	do_read,   do_list,
					     do_fallocate, do_xattr, do_open,	do_setattr};
	unsigned k = roll(400);

	if (k == 0)
		do_rare();
	else
		what[k % (sizeof what / sizeof what[0])]();
}

static void note(uint64_t ns)
{
	uint64_t bucket = min_of(ns / BUCKET, BUCKETS - 1), longest = load_relaxed(&all->longest);

	fetch_add(&all->waits[bucket], 1);
	while (ns > longest && !cas(&all->longest, &longest, ns))
		;
}

/* Nanoseconds in which this process ran or was ready to. */
static uint64_t awake(int schedstat)
{
	unsigned long long ran = 0, ready = 0;
	char text[128];
	ssize_t n = pread(schedstat, text, sizeof text - 1, 0);

	text[max_of(n, 0)] = 0;
	expect_is(sscanf(text, "%llu %llu", &ran, &ready), 2);
	return ran + ready;
}

static long steps_left;

static void tick(void *arg)
{
	(void)arg;
	if (--steps_left == 0)
		kill(getpid(), SIGKILL);
}

/* Some calls, and how long it slept in them. */
static void measure(int schedstat)
{
	uint32_t checks = load_acquire(&all->checks);
	uint64_t from = rig_now(), was = awake(schedstat), slept, took;

	for (int i = 0; i < CALLS; i++)
		do_something();
	fetch_add(&all->calls, CALLS);
	slept = awake(schedstat) - was;
	took = rig_now() - from;
	if (!(checks & 1) && load_acquire(&all->checks) == checks)
		note(took > slept ? took - slept : 0);
}

/* `which`: the first one is the daemon. `steps`: when it dies by itself, 0: never. */
static void worker(int fd, unsigned which, uint64_t seed, long steps)
{
	int schedstat = (int)must(open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC));

	dice = seed;
	rig_pattern(buffer, sizeof buffer, 0, which);
	rig_attach(&me, fd, which == 0 ? FS_ATTACH_KERNEL : 0);
	steps_left = steps;
	me.fs.pool.step = tick;
	while (!load_relaxed(&all->stop) && roll(2000)) /* some leave in order */
		measure(schedstat);
	rig_detach(&me);
	_exit(0);
}

/* ---- Who watches them ----------------------------------------------------------------- */

static struct rig watcher;
static pid_t workers[WORKERS];

static void start(int fd, unsigned which, long steps)
{
	uint64_t seed = rig_random(&dice);

	fflush(NULL);
	workers[which] = (pid_t)must(fork());
	if (workers[which] == 0)
		worker(fd, which, seed, steps);
}

/* It was killed, or left; anything else is a failure that it has told about. */
static void gone(unsigned which)
{
	int status;

	expect_is(waitpid(workers[which], &status, 0), workers[which]);
	if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : WEXITSTATUS(status) != 0)
		rig_fail(__FILE__, __LINE__, "a worker failed", status);
}

static void look_over(void)
{
	fetch_add(&all->checks, 1);
	rig_clean(&watcher.t, "after a kill");
	fetch_add(&all->checks, 1);
}

/* Sometimes a second one while the others are still busy with the first. */
static unsigned long kill_some(int fd)
{
	unsigned which = roll(WORKERS), other = (which + 1) % WORKERS;
	bool two = roll(3) == 0;

	usleep(roll(3) ? roll(6000) : roll(300));
	kill(workers[which], SIGKILL);
	gone(which);
	if (two) {
		usleep(roll(4000));
		kill(workers[other], SIGKILL);
		gone(other);
		start(fd, other, 0);
	}
	if (roll(2))
		usleep(roll(5000)); /* so that it is a worker who finds the dead */
	look_over();
	start(fd, which, roll(2) ? 1 + (long)roll(30000) : 0);
	return two ? 2 : 1;
}

static void stop_all(void)
{
	store_release(&all->stop, 1);
	for (unsigned i = 0; i < WORKERS; i++) {
		if (i % 2)
			kill(workers[i], SIGKILL);
		gone(i);
	}
}

static void remove_tree(struct task *t, fs_ino dir)
{
	struct fs_dirent e;

	while (fs_readdir(t, dir, 2, &e, 1) == 1) {
		if (S_ISDIR(e.mode))
			remove_tree(t, e.ino);
		must(S_ISDIR(e.mode) ? fs_rmdir(t, NULL, dir, rig_name(e.name))
				     : fs_unlink(t, NULL, dir, rig_name(e.name)));
	}
}

static void nothing_left(const struct fs_stats *before)
{
	struct task *t = &watcher.t;
	struct fs_stats s;

	must(fs_reap_dead(t));
	must(fs_forget_all(t));
	rig_clean(t, "at the end");
	remove_tree(t, FS_ROOT);
	must(fs_reap_dead(t));
	rig_clean(t, "when all is removed");
	must(fs_statfs(t, &s));
	expect_is(s.clients, 1);
	expect_is(s.tasks, 1);
	expect_is(s.opens, 0);
	expect_is(s.inodes_free, before->inodes_free);
	expect_is(s.blocks_free, before->blocks_free);
	expect_is(slab_used(&watcher.fs.cells), 1);
	printf("%lu transactions rolled back\n", (unsigned long)s.rollbacks);
	expect(s.rollbacks > 0);
}

static int report(unsigned long kills)
{
	uint64_t slow = 0, waited = 0;

	for (unsigned i = 2; i < BUCKETS; i++) {
		waited += all->waits[i];
		slow += i >= SLOW / BUCKET ? all->waits[i] : 0;
	}
	printf("%lu kills, %lu calls; slept for 1 ms or more %lu times, for 10 ms or more %lu, at most %.1f ms\n",
	       kills, (unsigned long)all->calls, (unsigned long)waited, (unsigned long)slow,
	       (double)all->longest / 1e6);
	if (!waited)
		return 1; /* then the test is blind */
	return slow * 2 > waited;
}

int main(int argc, char **argv)
{
	unsigned long kills = argc > 1 ? strtoul(argv[1], NULL, 0) : 150;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : rig_now() ^ (uint64_t)getpid() << 40;
	int fd = rig_memfd(SIZE);
	struct fs_stats before;

	printf("seed %llu\n", (unsigned long long)seed);
	dice = seed | 1;
	all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(all != MAP_FAILED);
	rig_attach(&watcher, fd, 0);
	must(fs_statfs(&watcher.t, &before));
	for (unsigned i = 0; i < DIRS; i++)
		rig_make(&watcher.t, (char[2]){(char)('A' + i), 0}, S_IFDIR | 0755);
	for (unsigned i = 0; i < WORKERS; i++)
		start(fd, i, 0);
	for (unsigned long k = 0; k < kills;)
		k += kill_some(fd);
	stop_all();
	nothing_left(&before);
	return report(kills);
}
