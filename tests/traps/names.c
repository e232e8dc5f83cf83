/* Rows about names and attributes: stat, access, getdents, two paths, owners and times, xattrs, statfs, inotify. */
#include "posix.h"

#include <dirent.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <utime.h>

static char *volatile nowhere = (char *)16; /* what the compiler is not to know */

static void the_same_inode(void)
{
	int fd = new_file();
	struct stat a = stat_of("f"), b = stat_fd(fd), c;
	struct statx x;

	same(a.st_dev, b.st_dev);
	same(a.st_ino, b.st_ino);
	must(fstatat(fd, "", &c, AT_EMPTY_PATH));
	same(c.st_ino, a.st_ino);
	must(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &x));
	same(x.stx_ino, a.st_ino);
	same(makedev(x.stx_dev_major, x.stx_dev_minor), a.st_dev);
	must(statx(AT_FDCWD, "f", AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS, &x));
	same(x.stx_ino, a.st_ino);
	same(stat_of(".").st_dev, a.st_dev);
	fails(fstatat(fd, "", &c, 0), ENOENT);
	fails(fstatat(AT_FDCWD, "f", &c, 1 << 30), EINVAL);
	must(fstatat(AT_FDCWD, "", &c, AT_EMPTY_PATH));
	same(c.st_ino, stat_of(".").st_ino);
}

static void access_ways(void)
{
	put("f", 0400, "x");
	must(access("f", R_OK));
	must(faccessat(AT_FDCWD, "f", F_OK, AT_SYMLINK_NOFOLLOW));
	fails(access("f", 8), EINVAL);
	fails(access("none", F_OK), ENOENT);
	fails(access("f", X_OK), EACCES);
	must(syscall(SYS_faccessat2, (int)must(open("f", O_RDONLY)), "", R_OK, AT_EMPTY_PATH));
	as_user(65534, 65534)
	{
		fails(access("f", R_OK), EACCES);
		fails(open("f", O_RDONLY), EACCES);
	}
}

struct old_entry {
	unsigned long ino, off;
	unsigned short len;
	char name[];
};

static void listing_shared(void)
{
	DIR *d;
	char buf[4096];
	int dir, other, names = 0, child;
	long n;

	for (int i = 0; i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "file-%d", i);
		put(name, 0600, "");
	}
	same(count_names("."), 100);
	dir = (int)must(open(".", O_RDONLY));
	other = (int)must(dup(dir));
	n = must(syscall(SYS_getdents64, dir, buf, 512));
	is(n > 0);
	child = fork();
	if (child == 0)
		_exit(syscall(SYS_getdents64, other, buf, 512) <= 0);
	join(child);
	same(lseek(dir, 0, SEEK_SET), 0); /* dup, fork: one place in the listing */
	while ((n = must(syscall(SYS_getdents, other, buf, sizeof(buf)))) > 0) {
		for (long at = 0; at < n;) {
			struct old_entry *e = (struct old_entry *)(void *)(buf + at);

			is(e->len > 0 && strlen(e->name) < 20);
			is(buf[at + e->len - 1] == (e->name[0] == '.' ? DT_DIR : DT_REG));
			names++;
			at += e->len;
		}
	}
	same(names, 102);
	same(lseek(dir, 0, SEEK_SET), 0);
	fails(syscall(SYS_getdents64, dir, buf, 5), EINVAL);
	d = opendir(".");
	is(d && readdir(d) && readdir(d) && readdir(d));
	n = telldir(d);
	is(readdir(d));
	seekdir(d, n);
	for (names = 3; readdir(d);)
		names++;
	same(names, 102);
	closedir(d);
	fails(syscall(SYS_getdents64, new_file(), buf, 512), ENOTDIR);
}

static void over_the_border(void)
{
	char outside[] = "/tmp/bt-fuse-traps.XXXXXX", path[128];
	int dir;

	is(mkdtemp(outside));
	if (stat_of(outside).st_dev == stat_of(".").st_dev) {
		rmdir(outside);
		skip("/tmp is the same file system");
	}
	dir = (int)must(open(outside, O_RDONLY | O_DIRECTORY));
	snprintf(path, sizeof(path), "%s/there", outside);
	put("here", 0600, "here");
	put(path, 0600, "there");
	fails(rename("here", path), EXDEV);
	fails(rename(path, "here"), EXDEV);
	fails(renameat(AT_FDCWD, "here", dir, "new"), EXDEV);
	fails(renameat(dir, "there", AT_FDCWD, "new"), EXDEV);
	fails(link("here", strcat(path, "2")), EXDEV);
	fails(linkat(dir, "there", AT_FDCWD, "new", 0), EXDEV);
	fails(renameat2(AT_FDCWD, "here", dir, "there", RENAME_EXCHANGE), EXDEV);
	snprintf(path, sizeof(path), "mv here %s/moved && mv %s/there back", outside, outside);
	same(system(path), 0);
	holds("back", "there");
	snprintf(path, sizeof(path), "%s/moved", outside);
	holds(path, "here");
	/* Symlinks into and out of it. */
	must(symlink(outside, "out"));
	holds("out/moved", "here");
	must(rename("out/moved", "out/again"));
	fails(rename("out/again", "new"), EXDEV);
	snprintf(path, sizeof(path), "%s/in", outside);
	{
		char here[4096];

		is(getcwd(here, sizeof(here)));
		must(symlink(here, path));
		strcat(path, "/back");
		holds(path, "there");
		must(unlink(path));
	}
	is(!exists("back"));
	snprintf(path, sizeof(path), "rm -r %s", outside);
	same(system(path), 0);
}

static void two_paths(void)
{
	must(mkdir("a", 0700));
	must(mkdir("b", 0700));
	must(symlink("a", "la"));
	must(symlink("b", "lb"));
	put("a/x", 0600, "x");
	put("a/y", 0600, "y");
	must(rename("la/x", "lb/y")); /* both over symlinks */
	is(!exists("a/x"));
	holds("b/y", "x");
	must(rename("la/y", "la/z"));
	holds("a/z", "y");
	must(link("la/z", "lb/z"));
	same(stat_of("b/z").st_nlink, 2);
	fails(rename("la/none", "lb/z"), ENOENT);
	fails(rename("a", "a/sub"), EINVAL);
	fails(rename("a/z", "b/z/"), ENOTDIR);
	fails(renameat2(AT_FDCWD, "a/z", AT_FDCWD, "b/z", RENAME_NOREPLACE), EEXIST);
	fails(renameat2(AT_FDCWD, "a/z", AT_FDCWD, "b/z", 1 << 20), EINVAL);
	fails(unlinkat(AT_FDCWD, "a", 0), EISDIR);
	fails(unlinkat(AT_FDCWD, "b/z", AT_REMOVEDIR), ENOTDIR);
	fails(rmdir("a"), ENOTEMPTY);
	fails(mkdir("a", 0700), EEXIST);
	fails(symlink("x", "la"), EEXIST);
	fails(mknod("a", S_IFREG | 0600, 0), EEXIST);
}

static void owners_and_times(void)
{
	struct timespec ts[2] = {{1000, 5}, {2000, 6}};
	struct timeval tv[2] = {{3000, 7}, {4000, 8}};
	struct utimbuf ut = {5000, 6000};
	int fd = new_file(), pid;

	umask(027);
	pid = fork();
	if (pid == 0) {
		must(close((int)must(open("child", O_CREAT | O_WRONLY, 0666))));
		_exit(0);
	}
	join(pid);
	same(mode_of("child"), 0640);
	same(umask(0), 027);
	same(system("umask 077; : >sub"), 0);
	same(mode_of("sub"), 0600);
	must(fchmod(fd, 0751));
	same(mode_of("f"), 0751);
	must(fchmodat(AT_FDCWD, "f", 0640, 0));
	must(futimens(fd, ts)); /* utimensat(fd, NULL) */
	same(stat_of("f").st_mtim.tv_sec, 2000);
	same(stat_of("f").st_mtim.tv_nsec, 6);
	must(syscall(SYS_utimes, "f", tv));
	same(stat_of("f").st_atim.tv_sec, 3000);
	same(stat_of("f").st_mtim.tv_nsec, 8000);
	must(syscall(SYS_utime, "f", &ut));
	same(stat_of("f").st_mtim.tv_sec, 6000);
	must(syscall(SYS_futimesat, AT_FDCWD, "f", tv));
	same(stat_of("f").st_mtim.tv_sec, 4000);
	tv[0].tv_usec = 1000000;
	fails(syscall(SYS_utimes, "f", tv), EINVAL);
	must(syscall(SYS_utimes, "f", NULL));
	is(stat_of("f").st_mtim.tv_sec > 1000000);
	fails(syscall(SYS_utime, "none", NULL), ENOENT);
	must(fchown(fd, -1, -1));
	must(fchownat(fd, "", -1, -1, AT_EMPTY_PATH));
	fails(fchmod(999, 0), EBADF);
	fails(futimens(999, NULL), EBADF);
}

static void attributes(void)
{
	char buf[70000], list[256];
	int fd = new_file();

	if (setxattr("f", "user.a", "1", 1, 0) < 0 && errno == EOPNOTSUPP)
		skip("no user.* here");
	must(symlink("f", "l"));
	must(setxattr("l", "user.b", "22", 2, XATTR_CREATE));
	must(fsetxattr(fd, "user.c", "333", 3, 0));
	fails(setxattr("f", "user.a", "x", 1, XATTR_CREATE), EEXIST);
	fails(setxattr("f", "user.z", "x", 1, XATTR_REPLACE), ENODATA);
	fails(setxattr("f", "user.z", "x", 1, 99), EINVAL);
	fails(setxattr("f", "", "x", 1, 0), ERANGE);
	fails(setxattr("f", "nospace.x", "x", 1, 0), EOPNOTSUPP);
	fails(setxattr("f", "user.big", buf, 65537, 0), E2BIG);
	fails(setxattr("f", nowhere, "x", 1, 0), EFAULT);
	fails(setxattr("f", "user.z", nowhere, 1, 0), EFAULT);
	same(getxattr("l", "user.a", buf, sizeof(buf)), 1);
	same(fgetxattr(fd, "user.b", buf, 2), 2);
	is(memcmp(buf, "22", 2) == 0);
	same(getxattr("f", "user.c", NULL, 0), 3);
	fails(getxattr("f", "user.c", buf, 2), ERANGE);
	fails(getxattr("f", "user.none", buf, 2), ENODATA);
	fails(getxattr("none", "user.c", buf, 2), ENOENT);
	fails(fgetxattr(999, "user.c", buf, 2), EBADF);
	fails(getxattr("f", "user.c", nowhere, 3), EFAULT);
	fails(lgetxattr("l", "user.a", buf, 2), ENODATA);
	is(listxattr("f", list, sizeof(list)) >= 21);
	is(llistxattr("l", list, sizeof(list)) <= 0);
	same(flistxattr(fd, NULL, 0), listxattr("f", NULL, 0));
	must(removexattr("f", "user.a"));
	must(fremovexattr(fd, "user.b"));
	is(lremovexattr("l", "user.c") < 0);
	must(removexattr("l", "user.c"));
	fails(removexattr("f", "user.c"), ENODATA);
	same(system("cp -p f g && [ -e g ]"), 0);
}

static void which_file_system(void)
{
	struct statfs a, b;
	struct statvfs v;
	struct {
		int32_t tfree;
		unsigned long tinode;
		char names[12];
	} u;

	must(statfs(".", &a));
	must(fstatfs(new_file(), &b));
	same(a.f_type, b.f_type);
	same(a.f_blocks, b.f_blocks);
	is(memcmp(&a.f_fsid, &b.f_fsid, sizeof(a.f_fsid)) == 0);
	same(a.f_namelen, 255);
	is(b.f_bfree <= b.f_blocks && b.f_ffree <= b.f_files);
	must(statvfs("f", &v));
	same(v.f_namemax, 255);
	must(syscall(SYS_ustat, stat_of(".").st_dev, &u));
	fails(statfs("none", &a), ENOENT);
	fails(fstatfs(999, &a), EBADF);
}

/* The kernel's events: name and mask of the next, "" where none comes. */
static unsigned next_event(int in, char *name, size_t size)
{
	static char buf[4096] __attribute__((aligned(8)));
	static ssize_t have, at;
	struct pollfd p = {.fd = in, .events = POLLIN};
	const struct inotify_event *e;

	name[0] = 0;
	if (at >= have) {
		if (poll(&p, 1, 300) <= 0)
			return 0;
		have = read(in, buf, sizeof(buf));
		at = 0;
	}
	e = (const struct inotify_event *)(const void *)(buf + at);
	at += (ssize_t)(sizeof(*e) + e->len);
	if (e->len)
		snprintf(name, size, "%s", e->name);
	return e->mask;
}

static void comes(int in, unsigned mask, const char *name)
{
	char got[256];
	unsigned m = next_event(in, got, sizeof(got));

	if (!(m & mask) || strcmp(got, name))
		fail(__FILE__, __LINE__, "event %#x of '%s', not %#x of '%s'", m, got, mask, name);
}

static void events(void)
{
	int in = (int)must(inotify_init1(IN_NONBLOCK)), fd, pid, early;

	must(mkdir("d", 0700));
	put("d/old", 0600, "x");
	early = (int)must(open("d/old", O_RDWR));
	must(inotify_add_watch(in, "d", IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB));
	fd = (int)must(open("d/new", O_CREAT | O_RDWR, 0600));
	comes(in, IN_CREATE, "new");
	same(write(fd, "x", 1), 1);
	comes(in, IN_MODIFY, "new");
	/* A descriptor from before that the kernel had not seen: it has no name there, so a directory hears nothing. */
	if (!getenv("TRAPS_HOOKED")) {
		same(write(early, "y", 1), 1);
		comes(in, IN_MODIFY, "old");
	}
	must(chmod("d/old", 0640));
	comes(in, IN_ATTRIB, "old");
	pid = fork();
	if (pid == 0)
		_exit(rename("d/new", "d/moved") < 0);
	join(pid);
	comes(in, IN_MOVED_FROM, "new");
	comes(in, IN_MOVED_TO, "moved");
	put("outside", 0600, "");
	must(rename("outside", "d/inside"));
	comes(in, IN_MOVED_TO, "inside");
	put("d/inside", 0600, "z");
	comes(in, IN_MODIFY, "inside");
	comes(in, IN_ATTRIB | IN_MODIFY, "inside");
	must(mkdir("d/sub", 0700));
	while (next_event(in, (char[256]){""}, 256) & (IN_ATTRIB | IN_MODIFY))
		;
	must(unlink("d/old"));
	comes(in, IN_DELETE | IN_ATTRIB, "old");
}

/* What is watched itself, in a directory that nobody watches. */
static void events_of_itself(void)
{
	int in = (int)must(inotify_init1(IN_NONBLOCK));

	put("f", 0600, "x");
	put("g", 0600, "x");
	must(mkdir("d", 0700));
	must(mkdir("e", 0700));
	must(inotify_add_watch(in, "d", IN_MOVE_SELF | IN_DELETE_SELF));
	must(rename("d", "moved"));
	comes(in, IN_MOVE_SELF, "");
	must(rmdir("moved"));
	comes(in, IN_DELETE_SELF, "");
	comes(in, IN_IGNORED, "");
	must(inotify_add_watch(in, "f", IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB));
	must(rename("f", "e/f"));
	comes(in, IN_MOVE_SELF, "");
	must(link("e/f", "second"));
	comes(in, IN_ATTRIB, "");
	must(unlink("second"));
	comes(in, IN_ATTRIB, "");
	must(rename("g", "e/f"));
	comes(in, IN_ATTRIB, "");
	comes(in, IN_DELETE_SELF, "");
	comes(in, IN_IGNORED, "");
	must(inotify_add_watch(in, "e/f", IN_DELETE_SELF | IN_ATTRIB));
	must(unlink("e/f"));
	comes(in, IN_ATTRIB, "");
	comes(in, IN_DELETE_SELF, "");
}

static void handles(void)
{
	struct {
		struct file_handle h;
		char bytes[128];
	} h = {.h = {.handle_bytes = 128}};
	int mount, fd;
	char c;

	put("f", 0600, "x");
	if (name_to_handle_at(AT_FDCWD, "f", &h.h, &mount, 0) < 0)
		skip("no handles here");
	fd = open_by_handle_at((int)must(open(".", O_RDONLY)), &h.h, O_RDONLY);
	if (fd < 0)
		skip("handles cannot be opened here");
	same(read(fd, &c, 1), 1);
	same(c, 'x');
}

const struct check name_traps[] = {{"the_same_inode", the_same_inode},
				   {"access_ways", access_ways},
				   {"listing_shared", listing_shared},
				   {"over_the_border", over_the_border},
				   {"two_paths", two_paths},
				   {"owners_and_times", owners_and_times},
				   {"attributes", attributes},
				   {"which_file_system", which_file_system},
				   {"events", events},
				   {"events_of_itself", events_of_itself},
				   {"handles", handles},
				   {NULL, NULL}};
