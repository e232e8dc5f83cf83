/*
 * border MOUNT OUTSIDE (`m` and `out` in one directory): opens, looks at and reads paths that cross the border of the
 * mount, from many places, by openat2 with the ways to resolve that it knows and by the older calls, and prints what
 * each gave. Run hooked and not, the two must be the same to the byte. Both directories have the tree of border.sh.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CLOSED 77
#define TRIES 10000

struct place {
	const char *name;
	int fd;
};

static const char *where, *path;
static dev_t proc;
static int above;     /* the directory that both are in */
static int file, dir; /* descriptors of MOUNT's `f` and `d` */
static char file_path[4096], dir_path[4096];

static int need(int fd, const char *what)
{
	if (fd < 0) {
		perror(what);
		exit(2);
	}
	return fd;
}

/* As they are when nothing was done with them yet, at the same numbers. */
static void open_anew(void)
{
	if (!strstr(path, "fd") && !isdigit(*path))
		return;
	close(file);
	close(dir);
	if (need(open(file_path, O_RDONLY), file_path) != file || need(open(dir_path, O_RDONLY), dir_path) != dir)
		exit(2);
}

static void say_error(const char *call, unsigned how)
{
	printf("%s %s %s %x: %s\n", where, path, call, how, strerror(errno));
}

static void say_file(const char *call, unsigned how, const struct stat *st)
{
	/* Numbers in /proc are made as one looks. */
	printf("%s %s %s %x: %lx:%lu %o\n", where, path, call, how, (unsigned long)st->st_dev,
	       st->st_dev == proc ? 0 : (unsigned long)st->st_ino, (unsigned)st->st_mode);
}

static void opened(const char *call, unsigned how, int fd)
{
	struct stat st;

	if (fd < 0) {
		say_error(call, how);
		return;
	}
	if (fstat(fd, &st) < 0)
		say_error("fstat of what was opened", how);
	else
		say_file(call, how, &st);
	close(fd);
}

/* A rename anywhere on the machine during a `..` is EAGAIN where nothing may lead out: openat2(2). */
static int openat2_at(int from, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = flags & O_CREAT ? 0600 : 0, .resolve = resolve};

	int fd, tries = TRIES;

	do {
		open_anew();
		fd = (int)syscall(SYS_openat2, from, path, &how, sizeof how);
	} while (fd < 0 && errno == EAGAIN && (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) && --tries);
	return fd;
}

/* What was made is found by where it can have been made, and removed again, so that each call finds the same. */
static void created(const char *call, unsigned how, int fd)
{
	static const char *const places[] = {"m/new",	      "m/d/new", "m/d/overnew", "out/new", "out/d/new",
					     "out/d/overnew", "new",	 "overnew",	"../new"};
	const char *made = "nowhere";

	for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
		if (unlinkat(above, places[i], 0) == 0)
			made = places[i];
	if (fd < 0)
		say_error(call, how);
	else
		close(fd);
	printf("%s %s %s %x: %s\n", where, path, call, how, made);
}

static void by_openat2(int from)
{
	static const uint64_t flags[] = {O_RDONLY, O_PATH, O_PATH | O_NOFOLLOW, O_RDONLY | O_DIRECTORY};
	static const unsigned ways[] = {0,
					RESOLVE_NO_XDEV,
					RESOLVE_NO_MAGICLINKS,
					RESOLVE_NO_SYMLINKS,
					RESOLVE_BENEATH,
					RESOLVE_IN_ROOT,
					RESOLVE_CACHED,
					RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
					RESOLVE_NO_XDEV | RESOLVE_BENEATH,
					RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
					RESOLVE_IN_ROOT | RESOLVE_NO_XDEV,
					RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
					RESOLVE_CACHED | RESOLVE_NO_SYMLINKS,
					RESOLVE_BENEATH | RESOLVE_IN_ROOT,
					0x3f,
					0x80};

	for (unsigned k = 0; k < sizeof ways / sizeof *ways; k++) {
		const unsigned resolve = ways[k];

		for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
			int fd = openat2_at(from, flags[i], resolve);

			/* What the kernel had not cached, it has now; here too a rename may come in between. */
			for (int n = 0; fd < 0 && errno == EAGAIN && (resolve & RESOLVE_CACHED) && n < 4; n++) {
				fd = openat2_at(from, flags[i], resolve & ~(unsigned)RESOLVE_CACHED);
				if (fd < 0)
					break;
				close(fd);
				fd = openat2_at(from, flags[i], resolve);
			}
			opened("openat2", resolve << 8 | i, fd);
		}
		if (strstr(path, "new"))
			created("openat2", resolve, openat2_at(from, O_CREAT | O_RDWR, resolve));
	}
}

static void by_others(int from)
{
	char target[4096];
	struct stat st;
	ssize_t n;

	open_anew();
	opened("openat", 0, openat(from, path, O_RDONLY));
	open_anew();
	opened("openat", 1, openat(from, path, O_PATH | O_NOFOLLOW));
	open_anew();
	opened("openat", 2, openat(from, path, O_RDONLY | O_DIRECTORY));
	open_anew();
	if (strstr(path, "new"))
		created("openat", 3, openat(from, path, O_CREAT | O_RDWR, 0600));
	for (int flags = 0; flags <= AT_SYMLINK_NOFOLLOW; flags += AT_SYMLINK_NOFOLLOW) {
		open_anew();
		if (fstatat(from, path, &st, flags) < 0)
			say_error("fstatat", (unsigned)flags);
		else
			say_file("fstatat", (unsigned)flags, &st);
	}
	open_anew();
	n = readlinkat(from, path, target, sizeof target);
	if (n < 0)
		say_error("readlinkat", 0);
	else if (!isdigit(path[strlen(path) - 1])) /* a descriptor's name */
		printf("%s %s readlinkat: %.*s\n", where, path, (int)n, target);
	open_anew();
	if (faccessat(from, path, R_OK, 0) < 0)
		say_error("faccessat", 0);
	open_anew();
	if (mkdirat(from, path, 0700) < 0)
		say_error("mkdirat", 0);
	else if (unlinkat(from, path, AT_REMOVEDIR) < 0)
		say_error("rmdir of what was made", 0);
	open_anew();
	if (unlinkat(from, path, AT_REMOVEDIR) < 0)
		say_error("rmdir", 0);
}

/* Paths in which DIR, FILE and OTHER are numbers of descriptors, MNT and OUT the two directories. */
static const char *const paths[] = {
    "",
    ".",
    "/",
    "..",
    "f",
    "f/",
    "f/x",
    "d",
    "d/",
    "d/f",
    "d/../f",
    "d/./f",
    "d//f",
    "../d/f",
    "../f",
    "../../f",
    "../out/f",
    "../../out/f",
    "../m/f",
    "../../m/f",
    "../m/../m/d/../f",
    "../out/../m/f",
    "new",
    "d/new",
    "../new",
    "none/new",
    "up",
    "up/f",
    "d/up",
    "d/up/f",
    "d/up/new",
    "d/far",
    "d/far/f",
    "over",
    "over/f",
    "over/d/../f",
    "over/new",
    "overf",
    "overnew",
    "home",
    "home/f",
    "homef",
    "relative",
    "there",
    "there/d/f",
    "back/f",
    "loop",
    "loop/f",
    "dangling",
    "fdfile",
    "fddir/f",
    "cwd",
    "cwd/f",
    "MNT",
    "MNT/",
    "MNT/.",
    "MNT/..",
    "MNT/f",
    "MNT/d/../f",
    "MNT/../m/f",
    "MNT/../out/f",
    "MNT/d/up/f",
    "MNT/over/f",
    "MNT/none",
    "MNT//d//f",
    "OUT/f",
    "OUT/over/f",
    "OUT/overf",
    "OUT/../m/f",
    "/proc/self/cwd",
    "/proc/self/cwd/f",
    "/proc/self/rootMNT/f",
    "/proc/self/fd/FILE",
    "/proc/self/fd/FILE/",
    "/proc/self/fd/DIR",
    "/proc/self/fd/DIR/",
    "/proc/self/fd/DIR/f",
    "/proc/self/fd/DIR/../f",
    "/proc/self/fd/DIR/up/f",
    "/proc/self/fd/OTHER",
    "/proc/self/fd/OTHER/f",
    "/proc/self/fd/OTHER/../m/f",
    "/proc/self/fd/99",
    "/proc/self/../self/fd/FILE",
    "/proc//self/fd/FILE",
    "/proc/thread-self/fd/FILE",
    "/dev/fd/FILE",
    "/dev/fd/DIR/f",
};

static char *expand(const char *from, const char *const words[][2])
{
	static char out[4096];
	char *to = out;

	while (*from) {
		int i = 0;

		while (words[i][0] && strncmp(from, words[i][0], strlen(words[i][0])) != 0)
			i++;
		if (words[i][0]) {
			to = stpcpy(to, words[i][1]);
			from += strlen(words[i][0]);
		} else {
			*to++ = *from++;
		}
	}
	*to = 0;
	return out;
}

static void all_paths(int from, const char *const words[][2])
{
	for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
		path = expand(paths[i], words);
		by_openat2(from);
		by_others(from);
	}
}

/* Descriptors by their names, from a directory of names. */
static void by_name(const char *const words[][2])
{
	static const char *const names[] = {"FILE", "DIR", "DIR/f", "DIR/../f", "OTHER"};
	static const char *const dirs[] = {"/proc/self/fd", "/dev/fd", "/proc/thread-self/fd"};

	for (unsigned k = 0; k < sizeof dirs / sizeof *dirs; k++) {
		int from = need(open(dirs[k], O_RDONLY | O_DIRECTORY), dirs[k]);

		for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
			path = expand(names[i], words);
			where = dirs[k];
			by_openat2(from);
			by_others(from);
		}
		close(from);
		need(chdir(dirs[k]), dirs[k]);
		for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
			path = expand(names[i], words);
			where = "from there";
			by_others(AT_FDCWD);
		}
	}
}

static void sizes(const char *in)
{
	struct {
		struct open_how how;
		uint64_t more;
	} how = {.how = {.flags = O_RDONLY}};

	where = "size";
	path = "f";
	need(chdir(in), in);
	for (unsigned more = 0; more < 2; more++) {
		how.more = more;
		for (size_t size = 0; size <= sizeof how; size += 8)
			opened("openat2", (unsigned)size << 8 | more,
			       (int)syscall(SYS_openat2, AT_FDCWD, path, &how, size));
	}
}

int main(int argc, char **argv)
{
	const char *mount = argv[1], *outside = argv[2];
	char file_name[12], dir_name[12], other_name[12], up[4096];
	struct place place[7];
	struct stat st;
	unsigned n = 0;

	if (argc != 3)
		return 2;
	proc = stat("/proc/self", &st) < 0 ? 0 : st.st_dev;
	snprintf(up, sizeof up, "%s/..", outside);
	above = need(open(up, O_PATH), up);
	snprintf(file_path, sizeof file_path, "%s/f", mount);
	snprintf(dir_path, sizeof dir_path, "%s/d", mount);
	file = need(open(file_path, O_RDONLY), file_path);
	dir = need(open(dir_path, O_RDONLY), dir_path);
	snprintf(file_name, sizeof file_name, "%d", file);
	snprintf(dir_name, sizeof dir_name, "%d", dir);
	snprintf(other_name, sizeof other_name, "%d", need(open(outside, O_RDONLY | O_DIRECTORY), outside));
	place[n++] = (struct place){"mount", need(open(mount, O_RDONLY | O_DIRECTORY), mount)};
	place[n++] = (struct place){"below", need(open(dir_path, O_RDONLY | O_DIRECTORY), dir_path)};
	place[n++] = (struct place){"path", need(open(dir_path, O_PATH), dir_path)};
	place[n++] = (struct place){"above", above};
	place[n++] = (struct place){"outside", need(open(outside, O_RDONLY | O_DIRECTORY), outside)};
	place[n++] = (struct place){"file", need(open(file_path, O_RDONLY), file_path)};
	place[n++] = (struct place){"closed", CLOSED};
	const char *const words[][2] = {{"MNT", mount},	   {"OUT", outside},	  {"FILE", file_name},
					{"DIR", dir_name}, {"OTHER", other_name}, {NULL, NULL}};
	const char *const cwds[] = {mount, dir_path, outside, up};

	for (unsigned i = 0; i < n; i++) {
		where = place[i].name;
		all_paths(place[i].fd, words);
	}
	for (unsigned i = 0; i < sizeof cwds / sizeof *cwds; i++) {
		need(chdir(cwds[i]), cwds[i]);
		where = cwds[i];
		all_paths(AT_FDCWD, words);
	}
	by_name(words);
	sizes(mount);
	return 0;
}
