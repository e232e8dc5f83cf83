/*
 * A load of which every call is known: work DIR N does N rounds in DIR and
 * prints how many calls of each kind it made, "OP OK FAILED" a line, and the
 * bytes. With a third argument it prints that first, then works on until it is
 * killed, a byte of progress to standard output every round.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES 100

static char name[300], other[300], dir[300];

static void must(long ret, const char *what)
{
	if (ret >= 0)
		return;
	fprintf(stderr, "work: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void must_fail(long ret, int with, const char *what)
{
	if (ret < 0 && errno == with)
		return;
	fprintf(stderr, "work: %s has not failed as it should: %s\n", what, strerror(errno));
	exit(1);
}

static void on_file(void)
{
	char buf[BYTES] = "x";
	struct stat st;
	int fd = open(name, O_CREAT | O_RDWR | O_EXCL, 0644);

	must(fd, "open");
	must(write(fd, buf, sizeof(buf)), "write");
	must(write(fd, buf, sizeof(buf)), "write");
	must(pread(fd, buf, sizeof(buf), 0), "pread");
	must(lseek(fd, 0, SEEK_SET), "lseek");
	must(fstat(fd, &st), "fstat");
	must(ftruncate(fd, 10), "ftruncate");
	must(fsync(fd), "fsync");
	must(close(fd), "close");
}

static void on_names(void)
{
	struct stat st;
	char buf[100];

	must(stat(name, &st), "stat");
	must(access(name, R_OK), "access");
	must(chmod(name, 0600), "chmod");
	must(chown(name, getuid(), getgid()), "chown");
	must(utimensat(AT_FDCWD, name, NULL, 0), "utimensat");
	must(rename(name, other), "rename");
	must(link(other, name), "link");
	must(unlink(other), "unlink");
	must(unlink(name), "unlink");
	must(symlink("to", name), "symlink");
	must(readlink(name, buf, sizeof(buf)), "readlink");
	must(unlink(name), "unlink");
	must(mkdir(dir, 0755), "mkdir");
	must(rmdir(dir), "rmdir");
	must_fail(stat(other, &st), ENOENT, "stat of nothing");
	must_fail(mkdir("", 0755), ENOENT, "mkdir of nothing");
	must_fail(rmdir(other), ENOENT, "rmdir of nothing");
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
	snprintf(name, sizeof(name), "%s/name-%d", argv[1], (int)getpid());
	snprintf(other, sizeof(other), "%s/other-%d", argv[1], (int)getpid());
	snprintf(dir, sizeof(dir), "%s/dir-%d", argv[1], (int)getpid());
	if (argc == 3)
		tell(n);
	for (long i = 0; i < n; i++) {
		on_file();
		on_names();
		if (argc > 3)
			must(write(1, ".", 1), "progress");
	}
	return 0;
}
