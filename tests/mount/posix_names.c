/* Names: creating, removing, linking, listing; paths and their limits. */
#include "posix.h"

#include <dirent.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static void create_mode(void)
{
	int fd;

	umask(027);
	fd = (int)must(open("f", O_CREAT | O_EXCL | O_RDWR, 0666));
	same(stat_fd(fd).st_mode, S_IFREG | 0640);
	same(stat_fd(fd).st_nlink, 1);
	same(stat_fd(fd).st_size, 0);
	same(stat_fd(fd).st_uid, geteuid());
	must(mkdir("d", 0777));
	same(stat_of("d").st_mode, S_IFDIR | 0750);
	/* O_CREAT gives the descriptor, whatever the mode says of later opens. */
	fd = (int)must(open("ro", O_CREAT | O_RDWR, 0));
	same(write(fd, "x", 1), 1);
}

static void open_flags(void)
{
	int fd;

	put("f", 0644, "text");
	make_dir("d", 0755);
	must(symlink("f", "l"));
	must(symlink("new", "dangling"));
	fails(open("f", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	fails(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	fails(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	fails(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	fails(open("d", O_WRONLY), EISDIR);
	fails(open("d", O_CREAT | O_RDWR, 0600), EISDIR);
	fails(open("none", O_RDWR), ENOENT);
	fails(open("f/x", O_RDONLY), ENOTDIR);
	fails(open("f/", O_RDONLY), ENOTDIR);
	fails(open("none/x", O_CREAT | O_RDWR, 0600), ENOENT);
	fails(open("", O_RDONLY), ENOENT);
	fd = (int)must(open("dangling", O_CREAT | O_RDWR, 0600));
	is(exists("new"));
	fd = (int)must(open("f", O_RDONLY));
	fails(write(fd, "x", 1), EBADF);
	fd = (int)must(open("f", O_WRONLY | O_TRUNC));
	fails(read(fd, &fd, 1), EBADF);
	same(stat_of("f").st_size, 0);
}

static void tmpfile_link(void)
{
	char path[64];
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	if (fd < 0 && errno == EOPNOTSUPP && on_fuse())
		skip("libfuse has no O_TMPFILE");
	must(fd);
	same(stat_fd(fd).st_nlink, 0);
	same(stat_fd(fd).st_mode, S_IFREG | 0640);
	same(write(fd, "tmp", 3), 3);
	same(count_names("."), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	same(stat_fd(fd).st_nlink, 1);
	holds("named", "tmp");
	fd = (int)must(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fails(linkat(AT_FDCWD, path, AT_FDCWD, "no", AT_SYMLINK_FOLLOW), ENOENT);
}

static void name_max(void)
{
	char name[257];

	memset(name, 'n', 256);
	name[256] = 0;
	fails(open(name, O_CREAT | O_RDWR, 0600), ENAMETOOLONG);
	fails(mkdir(name, 0700), ENAMETOOLONG);
	fails(symlink("x", name), ENAMETOOLONG);
	fails(mkfifo(name, 0600), ENAMETOOLONG);
	fails(access(name, F_OK), ENAMETOOLONG);
	fails(unlink(name), ENAMETOOLONG);
	put("f", 0600, "x");
	fails(rename("f", name), ENAMETOOLONG);
	fails(link("f", name), ENAMETOOLONG);
	name[255] = 0;
	must(rename("f", name));
	holds(name, "x");
	must(mkdir("d", 0700));
	must(chdir("d"));
	must(symlink(name, name));
	must(chdir(".."));
	must(unlink(name));
	same(pathconf(".", _PC_NAME_MAX), 255);
}

static void path_max(void)
{
	char path[PATH_MAX + 2];

	for (int i = 0; i < PATH_MAX + 1; i += 2)
		memcpy(path + i, "./", 2);
	path[PATH_MAX + 1] = 0;
	fails(access(path, F_OK), ENAMETOOLONG);
	path[PATH_MAX - 1] = 0;
	must(access(path, F_OK));
}

/* Every byte may stand in a name but '/' and NUL, which are no part of UTF-8's meaning either. */
static void name_bytes(void)
{
	char name[3] = "x";

	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name[1] = (char)c;
		put(name, 0600, name);
	}
	same(count_names("."), 254);
	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name[1] = (char)c;
		holds(name, name);
		must(unlink(name));
	}
	same(count_names("."), 0);
}

static void symlink_loop(void)
{
	char from[16], to[16];

	must(symlink("b", "a"));
	must(symlink("a", "b"));
	fails(open("a", O_RDONLY), ELOOP);
	fails(open("a/x", O_RDONLY), ELOOP);
	fails(chmod("a", 0600), ELOOP);
	/* 40 links are followed, not 41. */
	put("s0", 0600, "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(from, sizeof(from), "s%d", i);
		snprintf(to, sizeof(to), "s%d", i - 1);
		must(symlink(to, from));
	}
	holds("s40", "end");
	fails(open("s41", O_RDONLY), ELOOP);
}

static void symlink_text(void)
{
	static const size_t len[] = {1, 15, 16, 60, 61, 127, 128, 1023, 2048, 4094, 4095};
	char want[4097], got[4097], name[16];

	for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		memset(want, 'a' + (int)i, len[i]);
		want[len[i]] = 0;
		snprintf(name, sizeof(name), "l%zu", len[i]);
		must(symlink(want, name));
		same(stat_of(name).st_size, len[i]);
		same(stat_of(name).st_mode, S_IFLNK | 0777);
		same(readlink(name, got, sizeof(got)), len[i]);
		is(memcmp(got, want, len[i]) == 0);
		same(readlink(name, got, 1), 1);
	}
	memset(want, 'x', 4096);
	want[4096] = 0;
	fails(symlink(want, "toolong"), ENAMETOOLONG);
	fails(symlink("", "empty"), ENOENT);
	fails(symlink("x", "l1"), EEXIST);
	put("f", 0600, "");
	fails(readlink("f", got, sizeof(got)), EINVAL);
}

static void symlink_dir(void)
{
	make_dir("d", 0755);
	must(symlink("d", "l"));
	put("l/f", 0644, "through");
	holds("d/f", "through");
	fails(rmdir("l"), ENOTDIR);
	fails(unlink("l/"), ENOTDIR);
	must(unlink("l"));
	holds("d/f", "through");
}

static void hard_link(void)
{
	ino_t ino;

	put("a", 0644, "shared");
	make_dir("d", 0755);
	ino = stat_of("a").st_ino;
	must(link("a", "b"));
	must(link("a", "d/c"));
	same(stat_of("a").st_nlink, 3);
	same(stat_of("d/c").st_ino, ino);
	fails(link("a", "b"), EEXIST);
	fails(link("d", "e"), EPERM);
	fails(link("none", "e"), ENOENT);
	must(unlink("a"));
	holds("b", "shared");
	same(stat_of("b").st_nlink, 2);
	put("b", 0644, "changed");
	holds("d/c", "changed");
	must(symlink("b", "l"));
	must(link("l", "l2")); /* of the link itself */
	same(stat_of("l2").st_nlink, 2);
	is(S_ISLNK(stat_of("l2").st_mode));
}

static void link_many(void)
{
	char name[32];

	put("f", 0600, "x");
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		must(link("f", name));
	}
	same(stat_of("f").st_nlink, 3001);
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "l%d", i);
		must(unlink(name));
	}
	same(stat_of("f").st_nlink, 1);
}

static void unlink_errors(void)
{
	make_dir("d", 0755);
	put("f", 0600, "");
	fails(unlink("d"), EISDIR);
	fails(unlink("none"), ENOENT);
	fails(rmdir("f"), ENOTDIR);
	fails(rmdir("none"), ENOENT);
	fails(rmdir("d/."), EINVAL);
	put("d/f", 0600, "");
	fails(rmdir("d"), ENOTEMPTY);
	fails(rmdir("d/.."), ENOTEMPTY);
	must(unlink("d/f"));
	must(rmdir("d"));
	is(!exists("d"));
}

static void unlinked_open(void)
{
	int fd = (int)must(open("f", O_CREAT | O_RDWR, 0600));
	char path[64];

	same(write(fd, "before", 6), 6);
	must(unlink("f"));
	is(!exists("f"));
	same(stat_fd(fd).st_nlink, 0);
	same(pwrite(fd, "AFTER!", 6, 6), 6);
	fd_holds(fd, "beforeAFTER!", 12);
	must(ftruncate(fd, 3));
	must(fchmod(fd, 0444));
	same(stat_fd(fd).st_mode, S_IFREG | 0444);
	fd_holds(fd, "bef", 3);
	put("f", 0600, "another of that name");
	fd_holds(fd, "bef", 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fails(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW), ENOENT);
	must(close(fd));
}

static void removed_dir(void)
{
	struct stat st;
	DIR *d;
	int fd;

	make_dir("d", 0755);
	fd = (int)must(open("d", O_RDONLY | O_DIRECTORY));
	must(rmdir("d"));
	same(stat_fd(fd).st_nlink, 0);
	fails(openat(fd, "f", O_CREAT | O_RDWR, 0600), ENOENT);
	fails(mkdirat(fd, "f", 0700), ENOENT);
	fails(symlinkat("x", fd, "f"), ENOENT);
	fails(fstatat(fd, "f", &st, 0), ENOENT);
	put("file", 0600, "");
	fails(linkat(AT_FDCWD, "file", fd, "f", 0), ENOENT);
	fails(renameat(AT_FDCWD, "file", fd, "f"), ENOENT);
	d = fdopendir(fd);
	is(d);
	/* An empty stream: not even "." (tmpfs), or the two that are everywhere. */
	for (struct dirent *e; (e = readdir(d));)
		is(e->d_name[0] == '.');
	closedir(d);
}

static void dir_links(void)
{
	char name[16];

	make_dir("d", 0755);
	same(stat_of("d").st_nlink, 2);
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d/%d", i);
		make_dir(name, 0755);
		same(stat_of("d").st_nlink, 3 + i);
	}
	put("d/file", 0600, "");
	same(stat_of("d").st_nlink, 12);
	must(rmdir("d/3"));
	same(stat_of("d").st_nlink, 11);
	same(stat_of("d/4/..").st_ino, stat_of("d").st_ino);
}

static void deep_path(void)
{
	char cwd[8192];
	size_t base;

	base = strlen(getcwd(cwd, sizeof(cwd)));
	for (int i = 0; i < 300; i++) {
		must(mkdir("level", 0700));
		must(chdir("level"));
	}
	is(getcwd(cwd, sizeof(cwd)));
	same(strlen(cwd), base + 300 * strlen("/level"));
	put("f", 0600, "deep");
	must(unlink("f"));
	for (int i = 0; i < 300; i++) {
		must(chdir(".."));
		must(rmdir("level"));
	}
}

static void special_files(void)
{
	must(mkfifo("fifo", 0640));
	same(stat_of("fifo").st_mode, S_IFIFO | 0640);
	must(mknod("reg", S_IFREG | 0600, 0));
	same(stat_of("reg").st_mode, S_IFREG | 0600);
	must(mknod("sock", S_IFSOCK | 0600, 0));
	same(stat_of("sock").st_mode, S_IFSOCK | 0600);
	fails(open("sock", O_RDWR), ENXIO);
	fails(mkfifo("fifo", 0600), EEXIST);
	fails(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
}

static void devices(void)
{
	const dev_t dev[] = {makedev(1, 3), makedev(0, 0), makedev(255, 255), makedev(256, 256),
			     makedev(4095, 0xfffff)};
	char name[16];

	need_root();
	for (size_t i = 0; i < sizeof(dev) / sizeof(dev[0]); i++) {
		snprintf(name, sizeof(name), "c%zu", i);
		must(mknod(name, S_IFCHR | 0600, dev[i]));
		same(stat_of(name).st_mode, S_IFCHR | 0600);
		same(stat_of(name).st_rdev, dev[i]);
		name[0] = 'b';
		must(mknod(name, S_IFBLK | 0600, dev[i]));
		same(stat_of(name).st_rdev, dev[i]);
	}
	must(chmod(".", 0777));
	as_user(1000, 1000)
	{
		fails(mknod("mine", S_IFCHR | 0600, dev[0]), EPERM);
	}
}

static void fifo_use(void)
{
	char buf[8] = {0};
	pid_t pid;
	int fd;

	must(mkfifo("p", 0600));
	pid = (pid_t)must(fork());
	if (pid == 0) {
		fd = (int)must(open("p", O_WRONLY));
		same(write(fd, "pipe", 4), 4);
		_exit(0);
	}
	fd = (int)must(open("p", O_RDONLY));
	same(read(fd, buf, sizeof(buf)), 4);
	is(strcmp(buf, "pipe") == 0);
	same(read(fd, buf, sizeof(buf)), 0);
	join(pid);
	same(stat_of("p").st_size, 0);
}

static void socket_use(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "sock"};
	int listener = (int)must(socket(AF_UNIX, SOCK_STREAM, 0));
	char buf[8] = {0};
	pid_t pid;
	int fd;

	must(bind(listener, (struct sockaddr *)&addr, sizeof(addr)));
	is(S_ISSOCK(stat_of("sock").st_mode));
	must(listen(listener, 1));
	pid = (pid_t)must(fork());
	if (pid == 0) {
		fd = (int)must(socket(AF_UNIX, SOCK_STREAM, 0));
		must(connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
		same(write(fd, "sock", 4), 4);
		_exit(0);
	}
	fd = (int)must(accept(listener, NULL, NULL));
	same(read(fd, buf, sizeof(buf)), 4);
	is(strcmp(buf, "sock") == 0);
	join(pid);
	fails(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&addr, sizeof(addr)), EADDRINUSE);
	must(unlink("sock"));
	fails(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&addr, sizeof(addr)), ENOENT);
}

static void inotify_events(void)
{
	_Alignas(struct inotify_event) char buf[4096];
	int fd = (int)must(inotify_init1(IN_NONBLOCK));
	uint32_t seen = 0;
	long n;

	must(inotify_add_watch(fd, ".", IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_DELETE | IN_ATTRIB));
	put("f", 0644, "x");
	must(rename("f", "g"));
	must(unlink("g"));
	n = must(read(fd, buf, sizeof(buf)));
	for (char *p = buf; p < buf + n;) {
		struct inotify_event *e = (struct inotify_event *)(void *)p;

		seen |= e->mask;
		p += sizeof(*e) + e->len;
	}
	same(seen & 0xfff, IN_CREATE | IN_MODIFY | IN_MOVED_TO | IN_DELETE | IN_ATTRIB);
}

const struct check names_checks[] = {
    {"create_mode", create_mode},
    {"open_flags", open_flags},
    {"tmpfile_link", tmpfile_link},
    {"name_max", name_max},
    {"path_max", path_max},
    {"name_bytes", name_bytes},
    {"symlink_loop", symlink_loop},
    {"symlink_text", symlink_text},
    {"symlink_dir", symlink_dir},
    {"hard_link", hard_link},
    {"link_many", link_many},
    {"unlink_errors", unlink_errors},
    {"unlinked_open", unlinked_open},
    {"removed_dir", removed_dir},
    {"dir_links", dir_links},
    {"deep_path", deep_path},
    {"special_files", special_files},
    {"devices", devices},
    {"fifo_use", fifo_use},
    {"socket_use", socket_use},
    {"inotify_events", inotify_events},
    {NULL, NULL},
};
