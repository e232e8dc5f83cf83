/* Holes: sparse and large files, what lies between the data, copies inside the file system. */
#include "posix.h"

#include <signal.h>
#include <sys/resource.h>

#define KIB 1024ll
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

static void sparse(void)
{
	int fd = new_file();

	must(ftruncate(fd, 8 * TIB));
	same(stat_fd(fd).st_size, 8 * TIB);
	same(stat_fd(fd).st_blocks, 0);
	same(pwrite(fd, "five", 4, 5 * TIB), 4);
	same(pwrite(fd, "last", 4, 8 * TIB - 4), 4);
	bytes_at(fd, 5 * TIB, "five");
	bytes_at(fd, 8 * TIB - 4, "last");
	zeros_at(fd, 5 * TIB - 8192, 8192);
	zeros_at(fd, 3 * TIB, 4096);
	is(stat_fd(fd).st_blocks > 0 && stat_fd(fd).st_blocks < 2048);
	same(lseek(fd, 0, SEEK_DATA) / MIB, 5 * TIB / MIB);
	must(ftruncate(fd, 6 * TIB));
	must(ftruncate(fd, 8 * TIB));
	zeros_at(fd, 8 * TIB - 4096, 4096);
	must(ftruncate(fd, 0));
	same(stat_fd(fd).st_blocks, 0);
}

/* Scattered over the whole range: each write finds its own place again. */
static void sparse_scatter(void)
{
	int fd = new_file();
	char text[32];

	for (uint64_t i = 0; i < 2000; i++) {
		off_t off = (off_t)(i * 0x9e3779b97f4a7c15u % (uint64_t)(8 * TIB - 32));

		snprintf(text, sizeof(text), "<%llu>", (unsigned long long)i);
		same(pwrite(fd, text, strlen(text), off), strlen(text));
	}
	for (uint64_t i = 0; i < 2000; i++) {
		off_t off = (off_t)(i * 0x9e3779b97f4a7c15u % (uint64_t)(8 * TIB - 32));

		snprintf(text, sizeof(text), "<%llu>", (unsigned long long)i);
		bytes_at(fd, off, text);
	}
}

static void beyond_4gib(void)
{
	static const off_t at[] = {2 * GIB - 2, 4 * GIB - 2, 4 * GIB + 4096, 16 * GIB - 1};
	int fd = new_file();

	for (int i = 0; i < 4; i++)
		same(pwrite(fd, "edge", 4, at[i]), 4);
	for (int i = 0; i < 4; i++) {
		bytes_at(fd, at[i], "edge");
		zeros_at(fd, at[i] - 100, 100);
	}
	same(stat_fd(fd).st_size, 16 * GIB + 3);
	same(lseek(fd, 0, SEEK_END), 16 * GIB + 3);
	zeros_at(fd, 0, 4096);
}

static void too_big(void)
{
	struct rlimit lim = {.rlim_cur = 10000, .rlim_max = RLIM_INFINITY};
	int fd = new_file();
	char buf[100] = {0};

	if (on_fuse()) {
		fails(ftruncate(fd, 8 * TIB + 1), EFBIG);
		fails(pwrite(fd, "x", 1, 8 * TIB), EFBIG);
		fails(fallocate(fd, 0, 8 * TIB, 4096), EFBIG);
		same(stat_fd(fd).st_size, 0);
	}
	signal(SIGXFSZ, SIG_IGN);
	must(getrlimit(RLIMIT_FSIZE, &lim));
	lim.rlim_cur = 10000;
	must(setrlimit(RLIMIT_FSIZE, &lim));
	fails(ftruncate(fd, 10001), EFBIG);
	same(pwrite(fd, buf, 100, 9950), 50); /* up to the limit */
	fails(pwrite(fd, buf, 1, 10000), EFBIG);
}

static void seek_hole_data(void)
{
	int fd = new_file();
	off_t data;

	must(ftruncate(fd, 100 * MIB));
	same(pwrite(fd, "x", 1, 10 * MIB), 1);
	same(pwrite(fd, "x", 1, 50 * MIB + 5), 1);
	data = (off_t)must(lseek(fd, 0, SEEK_DATA));
	is(data > 9 * MIB && data <= 10 * MIB);
	data = (off_t)must(lseek(fd, 10 * MIB, SEEK_HOLE));
	is(data > 10 * MIB && data < 12 * MIB);
	data = (off_t)must(lseek(fd, data, SEEK_DATA));
	is(data > 49 * MIB && data <= 50 * MIB + 5);
	same(lseek(fd, 0, SEEK_HOLE), 0);
	same(lseek(fd, 99 * MIB, SEEK_HOLE), 99 * MIB);
	fails(lseek(fd, 60 * MIB, SEEK_DATA), ENXIO);
	fails(lseek(fd, 100 * MIB, SEEK_DATA), ENXIO);
	fails(lseek(fd, 100 * MIB, SEEK_HOLE), ENXIO);
	must(ftruncate(fd, 10 * MIB + 1));
	same(lseek(fd, 10 * MIB, SEEK_HOLE), 10 * MIB + 1); /* the end is a hole */
}

static void punch_hole(void)
{
	int fd = new_file();
	char buf[16384];
	long blocks;

	memset(buf, 'x', sizeof(buf));
	same(write(fd, buf, sizeof(buf)), sizeof(buf));
	blocks = stat_fd(fd).st_blocks;
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4000, 8500));
	same(stat_fd(fd).st_size, sizeof(buf));
	zeros_at(fd, 4000, 8500);
	bytes_at(fd, 3999, "x");
	bytes_at(fd, 12500, "x");
	same(stat_fd(fd).st_blocks, blocks - 16); /* two whole blocks */
	same(lseek(fd, 0, SEEK_HOLE), 4096);
	same(lseek(fd, 4096, SEEK_DATA), 12288);
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 * GIB));
	same(stat_fd(fd).st_size, sizeof(buf));
	zeros_at(fd, 0, sizeof(buf));
	same(stat_fd(fd).st_blocks, 0);
	fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096), EOPNOTSUPP);
}

static void preallocate(void)
{
	int fd = new_file();

	must(fallocate(fd, 0, 0, 1 * MIB));
	same(stat_fd(fd).st_size, 1 * MIB);
	same(stat_fd(fd).st_blocks, 2048);
	zeros_at(fd, 0, 1 * MIB);
	same(pwrite(fd, "kept", 4, 100), 4);
	must(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * MIB));
	same(stat_fd(fd).st_size, 1 * MIB);
	bytes_at(fd, 100, "kept");
	must(ftruncate(fd, 2 * MIB));
	zeros_at(fd, 1 * MIB, 1 * MIB);
	fails(fallocate(fd, 0, 0, 0), EINVAL);
	fails(fallocate(fd, 0, -1, 10), EINVAL);
	fails(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP);
	fails(fallocate((int)must(open("f", O_RDONLY)), 0, 0, 10), EBADF);
}

static void zero_range(void)
{
	int fd = new_file();
	char buf[12288];

	memset(buf, 'x', sizeof(buf));
	same(write(fd, buf, sizeof(buf)), sizeof(buf));
	if (fallocate(fd, FALLOC_FL_ZERO_RANGE, 100, 5000) < 0 && errno == EOPNOTSUPP && !on_fuse())
		skip("tmpfs has no FALLOC_FL_ZERO_RANGE");
	zeros_at(fd, 100, 5000);
	bytes_at(fd, 99, "x");
	bytes_at(fd, 5100, "x");
	must(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 12000, 10000));
	same(stat_fd(fd).st_size, 12288);
	zeros_at(fd, 12000, 288);
	must(fallocate(fd, FALLOC_FL_ZERO_RANGE, 12000, 10000));
	same(stat_fd(fd).st_size, 22000);
	zeros_at(fd, 12000, 10000);
}

static void copy_range(void)
{
	int in = new_file(), out = (int)must(open("g", O_CREAT | O_RDWR, 0600));
	loff_t from = 1000, to = 5;
	static char buf[300000], got[300000];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i / 100);
	same(write(in, buf, sizeof(buf)), sizeof(buf));
	for (size_t left = sizeof(buf) - 1000; left;)
		left -= (size_t)must(copy_file_range(in, &from, out, &to, left, 0));
	same(to, sizeof(buf) - 1000 + 5);
	same(from, sizeof(buf));
	same(copy_file_range(in, &from, out, &to, 100, 0), 0); /* at the end */
	same(pread(out, got, sizeof(got), 5), sizeof(buf) - 1000);
	is(memcmp(got, buf + 1000, sizeof(buf) - 1000) == 0);
	zeros_at(out, 0, 5);
	from = 0, to = 50;
	fails(copy_file_range(in, &from, in, &to, 100, 0), EINVAL); /* overlaps */
	fails(copy_file_range(in, NULL, (int)must(open("g", O_RDONLY)), NULL, 1, 0), EBADF);
	fails(copy_file_range(in, NULL, (int)must(open(".", O_RDONLY)), NULL, 1, 0), EISDIR);
}

static void copy_range_holes(void)
{
	int in = new_file(), out = (int)must(open("g", O_CREAT | O_RDWR, 0600));
	loff_t from = 0, to = 0;
	size_t left = 3 * MIB;

	must(ftruncate(in, 3 * MIB));
	same(pwrite(in, "data", 4, 1 * MIB + 7), 4);
	while (left)
		left -= (size_t)must(copy_file_range(in, &from, out, &to, left, 0));
	same(stat_fd(out).st_size, 3 * MIB);
	bytes_at(out, 1 * MIB + 7, "data");
	zeros_at(out, 0, 1 * MIB + 7);
	zeros_at(out, 2 * MIB, 1 * MIB);
}

const struct check hole_checks[] = {
    {"sparse", sparse},
    {"sparse_scatter", sparse_scatter},
    {"beyond_4gib", beyond_4gib},
    {"too_big", too_big},
    {"seek_hole_data", seek_hole_data},
    {"punch_hole", punch_hole},
    {"preallocate", preallocate},
    {"zero_range", zero_range},
    {"copy_range", copy_range},
    {"copy_range_holes", copy_range_holes},
    {NULL, NULL},
};
