/*
 * A load of which every call is known: work DIR N does N rounds in DIR and
 * prints first how many calls of each kind that makes, "OP OK FAILED" a line,
 * and the bytes. With a third argument it prints a byte every round instead.
 * What has not gone as it should ends it, with one line of all that can be said.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BYTES 100

static char name[300], other[300], dir[300];
static const char *where;
static long rounds;
static struct stat at_start; /* of the directory */

static void tell_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		fprintf(stderr, "; %s: %s", path, strerrorname_np(errno));
	else
		fprintf(stderr, "; %s: mode %o, inode %ju, %ju links, %jd bytes", path, (unsigned)st.st_mode,
			(uintmax_t)st.st_ino, (uintmax_t)st.st_nlink, (intmax_t)st.st_size);
}

/* Whose mount it is, and if it is the one of the beginning. */
static void tell_mount(void)
{
	struct stat st;

	if (stat(where, &st) < 0)
		fprintf(stderr, "; %s: %s", where, strerrorname_np(errno));
	else
		fprintf(stderr, "; %s: device %jx, inode %ju, at the start %jx, %ju", where, (uintmax_t)st.st_dev,
			(uintmax_t)st.st_ino, (uintmax_t)at_start.st_dev, (uintmax_t)at_start.st_ino);
}

/* All that is to be known of a call that has not done what it should, on one line. */
static void fail(long ret, int error, const char *wanted, const char *what)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(stderr, "work: %jd.%03ld: process %d, round %ld: %s: wanted %s, seen %ld %s", (intmax_t)now.tv_sec,
		now.tv_nsec / 1000000, (int)getpid(), rounds, what, wanted, ret, ret < 0 ? strerrorname_np(error) : "");
	tell_file(name);
	tell_file(other);
	tell_file(dir);
	tell_mount();
	fprintf(stderr, "\n");
	exit(1);
}

static void must(long ret, const char *what)
{
	if (ret < 0)
		fail(ret, errno, "success", what);
}

static void must_be(long ret, long wanted, const char *what)
{
	char number[24];

	snprintf(number, sizeof(number), "%ld", wanted);
	if (ret != wanted)
		fail(ret, errno, number, what);
}

static void must_fail(long ret, int with, const char *what)
{
	if (ret >= 0 || errno != with)
		fail(ret, errno, strerrorname_np(with), what);
}

static void on_file(void)
{
	char buf[BYTES], back[BYTES];
	struct stat st;
	int fd = open(name, O_CREAT | O_RDWR | O_EXCL, 0644);

	must(fd, "open of name");
	memset(buf, (int)('a' + rounds % 26), sizeof(buf));
	must_be(write(fd, buf, sizeof(buf)), BYTES, "write");
	must_be(write(fd, buf, sizeof(buf)), BYTES, "second write");
	must_be(pread(fd, back, sizeof(back), 0), BYTES, "pread");
	must_be(memcmp(buf, back, BYTES), 0, "comparison of what is read");
	must_be(lseek(fd, 0, SEEK_SET), 0, "lseek");
	must(fstat(fd, &st), "fstat");
	must_be(st.st_size, 2 * BYTES, "size by fstat");
	must(ftruncate(fd, 10), "ftruncate");
	must(fsync(fd), "fsync");
	must(close(fd), "close");
}

static void on_names(void)
{
	struct stat st;
	char buf[100];

	must(stat(name, &st), "stat of name");
	must_be(st.st_size, 10, "size by stat");
	must(access(name, R_OK), "access to name");
	must(chmod(name, 0600), "chmod of name");
	must(chown(name, getuid(), getgid()), "chown of name");
	must(utimensat(AT_FDCWD, name, NULL, 0), "utimensat of name");
	must(rename(name, other), "rename of name to other");
	must(link(other, name), "link of other to name");
	must(unlink(other), "unlink of other");
	must(unlink(name), "unlink of name");
	must(symlink("to", name), "symlink at name");
	must_be(readlink(name, buf, sizeof(buf)), 2, "readlink of name");
	must(unlink(name), "unlink of the symlink");
	must(mkdir(dir, 0755), "mkdir");
	must(rmdir(dir), "rmdir");
	must_fail(stat(other, &st), ENOENT, "stat of other, which is not there");
	must_fail(mkdir("", 0755), ENOENT, "mkdir without a name");
	must_fail(rmdir(other), ENOENT, "rmdir of other, which is not there");
}

/* One line an operation: what a round makes. */
static void tell(long n)
{
	static const struct {
		const char *op;
		int ok, failed;
	} made[] = {{"open", 1, 0},    {"close", 1, 0},	   {"write", 2, 0},  {"read", 1, 0},   {"seek", 1, 0},
		    {"stat", 2, 1},    {"truncate", 1, 0}, {"fsync", 1, 0},  {"access", 1, 0}, {"chmod", 1, 0},
		    {"chown", 1, 0},   {"utimens", 1, 0},  {"rename", 1, 0}, {"link", 1, 0},   {"unlink", 3, 0},
		    {"symlink", 1, 0}, {"readlink", 1, 0}, {"mkdir", 1, 1},  {"rmdir", 1, 1}};

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		printf("%s %ld %ld\n", made[i].op, made[i].ok * n, made[i].failed * n);
	printf("bytes_read %ld 0\nbytes_written %ld 0\n", n * BYTES, n * 2 * BYTES);
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;

	if (n <= 0)
		return 2;
	where = argv[1];
	if (argc > 3) /* with two arguments no call is to be made but those that are told */
		must(stat(where, &at_start), "stat of the directory");
	snprintf(name, sizeof(name), "%s/name-%d", where, (int)getpid());
	snprintf(other, sizeof(other), "%s/other-%d", where, (int)getpid());
	snprintf(dir, sizeof(dir), "%s/dir-%d", where, (int)getpid());
	if (argc == 3)
		tell(n);
	for (; rounds < n; rounds++) {
		on_file();
		on_names();
		if (argc > 3)
			must(write(1, ".", 1), "telling of progress");
	}
	return 0;
}
