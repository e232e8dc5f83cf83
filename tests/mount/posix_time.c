/* Times: which change sets which of them, and utimensat(2). */
#include "posix.h"

#include <sys/xattr.h>
#include <time.h>

static int later(struct timespec a, struct timespec b)
{
	return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec > b.tv_nsec);
}

static int equal(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* What a change does to the times of a path. */
enum times { NONE, CTIME, BOTH };

static struct stat before;
static const char *watched;

static void watch(const char *path)
{
	watched = path;
	before = stat_of(path);
	tick();
}

static void changed(int line, enum times want)
{
	struct stat now = stat_of(watched);

	if ((want != NONE) != later(now.st_ctim, before.st_ctim))
		fail(__FILE__, line, "ctime of %s %s", watched, want ? "stays" : "changes");
	if ((want == BOTH) != later(now.st_mtim, before.st_mtim))
		fail(__FILE__, line, "mtime of %s %s", watched, want == BOTH ? "stays" : "changes");
}

/* Does `change` and looks at the times of `path`. */
#define touches(path, change, want)                                                                                    \
	do {                                                                                                           \
		watch(path);                                                                                           \
		must(change);                                                                                          \
		changed(__LINE__, want);                                                                               \
	} while (0)

static void times_of_inode(void)
{
	put("f", 0644, "some text");
	touches("f", chmod("f", 0600), CTIME);
	touches("f", chown("f", geteuid(), getegid()), CTIME);
	touches("f", link("f", "g"), CTIME);
	touches("f", rename("g", "h"), CTIME);
	touches("f", unlink("h"), CTIME);
	touches("f", truncate("f", 3), BOTH);
	touches("f", truncate("f", 300), BOTH);
	touches("f", access("f", R_OK), NONE);
	must(symlink("f", "l"));
	touches("l", rename("l", "m") || rename("m", "l"), CTIME);
	if (setxattr("f", "user.probe", "v", 1, 0) < 0 && errno == EOPNOTSUPP)
		skip("no user xattrs here");
	touches("f", setxattr("f", "user.x", "v", 1, 0), CTIME);
	touches("f", removexattr("f", "user.x"), CTIME);
}

static void times_of_descriptor(void)
{
	int fd, ro;

	put("f", 0644, "some text");
	fd = (int)must(open("f", O_RDWR));
	touches("f", write(fd, "x", 1), BOTH);
	touches("f", pwrite(fd, "x", 1, 5000), BOTH);
	touches("f", ftruncate(fd, 10), BOTH);
	touches("f", ftruncate(fd, 10), BOTH); /* also to the size it has */
	touches("f", fallocate(fd, 0, 0, 8192), BOTH);
	touches("f", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), BOTH);
	touches("f", fchmod(fd, 0600), CTIME);
	touches("f", write(fd, "x", 0), NONE);
	touches("f", fsync(fd), NONE);
	touches("f", close(open("f", O_WRONLY | O_TRUNC)), BOTH);
	touches("f", close(open("f", O_WRONLY | O_TRUNC)), BOTH); /* though it was empty */
	touches("f", close(open("f", O_RDWR)), NONE);
	ro = (int)must(open("f", O_RDONLY));
	touches("f", futimens(ro, NULL), BOTH);
}

static void times_of_directory(void)
{
	make_dir("d", 0755);
	make_dir("e", 0755);
	touches("d", close(open("d/f", O_CREAT | O_RDWR, 0600)), BOTH);
	touches("d", close(open("d/f", O_CREAT | O_RDWR, 0600)), NONE);
	touches("d", mkdir("d/s", 0700), BOTH);
	touches("d", symlink("x", "d/l"), BOTH);
	touches("d", mkfifo("d/p", 0600), BOTH);
	touches("d", link("d/f", "d/g"), BOTH);
	touches("d", rename("d/f", "d/h"), BOTH);
	touches("d", chmod("d/h", 0600), NONE);
	touches("d", rename("d/h", "e/h"), BOTH);
	touches("e", rename("e/h", "d/h"), BOTH);
	touches("e", rename("d/h", "e/h"), BOTH);
	touches("d", unlink("d/g"), BOTH);
	touches("d", rmdir("d/s"), BOTH);
	touches("d", mkdir("d/sub", 0700), BOTH);
	touches("d", mkdir("d/sub/sub", 0700), NONE);
	touches("d", rename("d", "d2") || rename("d2", "d"), CTIME);
}

static void failures_touch_nothing(void)
{
	put("f", 0644, "");
	make_dir("d", 0755);
	put("d/x", 0600, "");
	watch("d");
	fails(mkdir("d/x", 0700), EEXIST);
	fails(unlink("d/none"), ENOENT);
	fails(rename("f", "d"), EISDIR);
	fails(rmdir("d"), ENOTEMPTY);
	fails(link("f", "d/x"), EEXIST);
	changed(__LINE__, NONE);
}

static void new_times(void)
{
	struct timespec t0, t1;
	struct stat st;

	clock_gettime(CLOCK_REALTIME, &t0);
	tick();
	put("f", 0600, "");
	make_dir("d", 0700);
	tick();
	clock_gettime(CLOCK_REALTIME, &t1);
	st = stat_of("f");
	is(later(st.st_mtim, t0) && later(t1, st.st_mtim));
	is(later(st.st_atim, t0) && later(st.st_ctim, t0));
	st = stat_of("d");
	is(equal(st.st_atim, st.st_mtim));
	is(later(st.st_mtim, t0) && later(t1, st.st_ctim));
}

static void set_time(const char *path, struct timespec atime, struct timespec mtime)
{
	struct timespec ts[2] = {atime, mtime};

	must(utimensat(AT_FDCWD, path, ts, AT_SYMLINK_NOFOLLOW));
}

static void utimens_values(void)
{
	static const struct timespec values[] = {{0, 0},	  {1, 999999999},  {1700000000, 123456789},
						 {0x7fffffff, 1}, {0x80000000, 2}, {0xffffffffLL + 1, 3},
						 {-1, 4}};
	struct timespec omit = {.tv_nsec = UTIME_OMIT}, now = {.tv_nsec = UTIME_NOW};
	struct timespec bad[2] = {{.tv_nsec = 1000000000}, {0}};

	put("f", 0600, "");
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		set_time("f", values[i], values[(i + 1) % 7]);
		is(equal(stat_of("f").st_atim, values[i]));
		is(equal(stat_of("f").st_mtim, values[(i + 1) % 7]));
	}
	set_time("f", values[2], values[1]);
	set_time("f", omit, values[0]);
	is(equal(stat_of("f").st_atim, values[2]));
	is(equal(stat_of("f").st_mtim, values[0]));
	set_time("f", now, omit);
	is(later(stat_of("f").st_atim, values[2]));
	is(equal(stat_of("f").st_mtim, values[0]));
	must(symlink("f", "l"));
	set_time("l", values[1], values[1]);
	is(equal(stat_of("l").st_mtim, values[1]));
	fails(utimensat(AT_FDCWD, "f", bad, 0), EINVAL);
	watch("f");
	set_time("f", values[2], omit);
	changed(__LINE__, CTIME);
}

static void utimens_by_others(void)
{
	struct timespec past[2] = {{1, 1}, {1, 1}};

	need_root();
	put("writable", 0666, "");
	put("readable", 0644, "");
	as_user(1000, 1000)
	{
		must(utimensat(AT_FDCWD, "writable", NULL, 0));
		fails(utimensat(AT_FDCWD, "writable", past, 0), EPERM);
		fails(utimensat(AT_FDCWD, "readable", NULL, 0), EACCES);
	}
}

/*
 * relatime: a read sets atime where it is not after mtime, or a day old. Pages
 * that the kernel holds of a FUSE file are read without the daemon hearing of
 * it, hence the POSIX_FADV_DONTNEED. That need not succeed: then the opening
 * counts, a tick after what went before.
 */
static struct timespec atime_after_read(const char *path)
{
	char c;
	int fd;

	tick();
	fd = (int)must(open(path, O_RDONLY));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	tick();
	same(read(fd, &c, 1), 1);
	must(close(fd));
	return stat_of(path).st_atim;
}

static void relatime(void)
{
	struct timespec now, old, first;

	put("f", 0600, "text");
	clock_gettime(CLOCK_REALTIME, &now);
	old = (struct timespec){now.tv_sec - 3600, 0};
	set_time("f", old, (struct timespec){now.tv_sec - 1800, 0});
	first = atime_after_read("f");
	is(later(first, now)); /* it was before mtime */
	is(equal(atime_after_read("f"), first));
	set_time("f", old, (struct timespec){now.tv_sec - 7200, 0});
	is(!later(stat_of("f").st_ctim, now) || later(atime_after_read("f"), old)); /* before ctime */
	old.tv_sec = now.tv_sec - 90000;
	set_time("f", old, (struct timespec){now.tv_sec - 200000, 0});
	is(later(atime_after_read("f"), old)); /* more than a day old */
}

static void relatime_links(void)
{
	struct timespec now;
	char buf[8];

	clock_gettime(CLOCK_REALTIME, &now);
	must(symlink("target", "l"));
	set_time("l", (struct timespec){1000, 0}, (struct timespec){2000, 0});
	tick();
	same(readlink("l", buf, sizeof(buf)), 6);
	if (on_fuse())
		return; /* the kernel reads links from its cache: nothing to expect */
	is(later(stat_of("l").st_atim, now));
}

static void noatime_open(void)
{
	struct timespec old = {1000, 0};
	char c;
	int fd;

	put("f", 0600, "text");
	set_time("f", old, (struct timespec){2000, 0});
	fd = (int)must(open("f", O_RDONLY | O_NOATIME));
	must(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	same(read(fd, &c, 1), 1);
	is(equal(stat_of("f").st_atim, old));
	need_root();
	as_user(1000, 1000)
	{
		fails(open("f", O_RDONLY | O_NOATIME), EACCES);
	}
	must(chmod("f", 0644));
	as_user(1000, 1000)
	{
		fails(open("f", O_RDONLY | O_NOATIME), EPERM);
	}
}

const struct check time_checks[] = {
    {"times_of_inode", times_of_inode},
    {"times_of_descriptor", times_of_descriptor},
    {"times_of_directory", times_of_directory},
    {"failures_touch_nothing", failures_touch_nothing},
    {"new_times", new_times},
    {"utimens_values", utimens_values},
    {"utimens_by_others", utimens_by_others},
    {"relatime", relatime},
    {"relatime_links", relatime_links},
    {"noatime_open", noatime_open},
    {NULL, NULL},
};
