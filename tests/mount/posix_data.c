/* Data: reading and writing, offsets, sparse files, holes, copies, space. */
#include "posix.h"

#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#define KIB 1024ll
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

static int new_file(void)
{
	return (int)must(open("f", O_CREAT | O_EXCL | O_RDWR, 0600));
}

static void zeros_at(int fd, off_t off, size_t len)
{
	char buf[4096];

	while (len) {
		size_t n = len < sizeof(buf) ? len : sizeof(buf);

		same(pread(fd, buf, n, off), n);
		is(!buf[0] && !memcmp(buf, buf + 1, n - 1));
		off += (off_t)n;
		len -= n;
	}
}

static void bytes_at(int fd, off_t off, const char *text)
{
	char buf[64];
	size_t len = strlen(text);

	same(pread(fd, buf, len, off), len);
	is(memcmp(buf, text, len) == 0);
}

static void offsets(void)
{
	int fd = new_file();
	char buf[16];

	same(write(fd, "0123456789", 10), 10);
	same(lseek(fd, 0, SEEK_CUR), 10);
	same(read(fd, buf, 10), 0);
	same(lseek(fd, -3, SEEK_END), 7);
	same(read(fd, buf, 10), 3);
	same(lseek(fd, 100, SEEK_SET), 100);
	same(read(fd, buf, 10), 0);
	same(write(fd, "x", 1), 1);
	same(stat_fd(fd).st_size, 101);
	zeros_at(fd, 10, 90);
	fails(lseek(fd, -1, SEEK_SET), EINVAL);
	fails(pread(fd, buf, 1, -1), EINVAL);
	fails(pwrite(fd, buf, 1, -1), EINVAL);
	fails(lseek(fd, 0, 99), EINVAL);
	fails(read((int)must(open(".", O_RDONLY)), buf, 1), EISDIR);
	same(pread(fd, buf, 0, 5), 0);
}

static void append(void)
{
	int fd = (int)must(open("f", O_CREAT | O_RDWR | O_APPEND, 0600));
	int other = (int)must(open("f", O_WRONLY));

	same(write(fd, "one", 3), 3);
	same(pwrite(other, "12345", 5, 0), 5);
	same(write(fd, "two", 3), 3);
	fd_holds(fd, "12345two", 8);
	same(lseek(fd, 0, SEEK_CUR), 8);
	same(pwrite(fd, "end", 3, 0), 3); /* Linux appends, whatever the offset */
	fd_holds(fd, "12345twoend", 11);
}

static void truncate_zeros(void)
{
	int fd = new_file();
	char buf[10000];

	memset(buf, 'x', sizeof(buf));
	same(write(fd, buf, sizeof(buf)), sizeof(buf));
	must(ftruncate(fd, 100));
	must(ftruncate(fd, 10000));
	same(pread(fd, buf, 100, 0), 100);
	is(buf[99] == 'x');
	zeros_at(fd, 100, 9900); /* nothing of what was there before */
	must(ftruncate(fd, 50));
	same(pwrite(fd, "y", 1, 200), 1);
	zeros_at(fd, 50, 150);
	fails(ftruncate(fd, -1), EINVAL);
	fails(truncate(".", 0), EISDIR);
	fails(truncate("none", 0), ENOENT);
	fails(ftruncate((int)must(open("f", O_RDONLY)), 0), EINVAL);
}

/* Sizes around every border at which a representation may change. */
static void sizes(void)
{
	static const int size[] = {0,	  1,	 7,	8,	15,	16,	 31,	 32,   63,   64,
				   100,	  127,	 128,	200,	255,	256,	 500,	 511,  512,  1023,
				   1024,  2048,	 4000,	4095,	4096,	4097,	 8191,	 8192, 8193, 12288,
				   65535, 65536, 65537, 131072, 131073, 1048575, 1048577};
	static char want[1048577];
	int fd = new_file();

	for (size_t i = 0; i < sizeof(want); i++)
		want[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(size) / sizeof(size[0]); i++) {
		size_t n = (size_t)size[i];

		must(ftruncate(fd, 0));
		same(pwrite(fd, want, n, 0), n);
		fd_holds(fd, want, n);
		if (n == 0)
			continue;
		/* Grown by a byte, cut by two. */
		same(pwrite(fd, want, 1, (off_t)n), 1);
		must(ftruncate(fd, (off_t)n - 1));
		fd_holds(fd, want, n - 1);
	}
}

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

static void send_file(void)
{
	int in = new_file(), out = (int)must(open("g", O_CREAT | O_RDWR, 0600));
	static char buf[200000];
	off_t off = 0;

	memset(buf, 'q', sizeof(buf));
	same(write(in, buf, sizeof(buf)), sizeof(buf));
	while (off < (off_t)sizeof(buf))
		is(must(sendfile(out, in, &off, sizeof(buf))) > 0);
	fd_holds(out, buf, sizeof(buf));
}

static void large_calls(void)
{
	size_t len = 64 * MIB + 13;
	int fd = new_file();
	char *a = malloc(len), *b = malloc(len);

	is(a && b);
	for (size_t i = 0; i < len; i++)
		a[i] = (char)(i * 31 + (i >> 12));
	same(pwrite(fd, a, len, 3), len);
	same(pread(fd, b, len, 3), len);
	is(memcmp(a, b, len) == 0);
	same(stat_fd(fd).st_size, len + 3);
	is(stat_fd(fd).st_blocks >= (long)(len / 512));
	free(a);
	free(b);
}

static void vectors(void)
{
	struct iovec iov[IOV_MAX + 1];
	static char in[IOV_MAX * 3], out[IOV_MAX * 3];
	int fd = new_file();

	for (int i = 0; i < IOV_MAX; i++) {
		memset(in + i * 3, i, 3);
		iov[i] = (struct iovec){in + i * 3, 3};
	}
	same(pwritev(fd, iov, IOV_MAX, 1), sizeof(in));
	for (int i = 0; i < IOV_MAX; i++)
		iov[i].iov_base = out + i * 3;
	same(preadv(fd, iov, IOV_MAX, 1), sizeof(in));
	is(memcmp(in, out, sizeof(in)) == 0);
	iov[IOV_MAX] = iov[0];
	fails(writev(fd, iov, IOV_MAX + 1), EINVAL);
}

static void bad_pointer(void)
{
	int fd = new_file();
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	is(page != MAP_FAILED);
	must(munmap(page + 4096, 4096));
	memset(page, 'p', 4096);
	fails(write(fd, page + 4096, 100), EFAULT);
	same(stat_fd(fd).st_size, 0);
	same(write(fd, page, 4096), 4096);
	fails(pread(fd, page + 4096, 100, 0), EFAULT);
}

static void direct_io(void)
{
	int fd = open("f", O_CREAT | O_RDWR | O_DIRECT, 0600), cached;
	char *buf = aligned_alloc(4096, 8192);

	if (fd < 0 && errno == EINVAL)
		skip("no O_DIRECT here");
	must(fd);
	is(buf);
	cached = (int)must(open("f", O_RDWR));
	memset(buf, 'd', 8192);
	same(pwrite(fd, buf, 8192, 4096), 8192);
	zeros_at(cached, 0, 4096);
	bytes_at(cached, 4096, "dddd");
	same(pwrite(cached, "cached", 6, 4096), 6);
	same(pread(fd, buf, 4096, 4096), 4096);
	is(memcmp(buf, "cachedd", 7) == 0);
	free(buf);
}

static void space(void)
{
	struct statvfs v0, v1;
	int fd = new_file();
	char *buf = calloc(1, 8 * MIB);
	unsigned long diff;

	is(buf);
	must(statvfs(".", &v0));
	same(v0.f_namemax, 255);
	is(v0.f_frsize > 0 && v0.f_blocks >= v0.f_bfree && v0.f_bfree >= v0.f_bavail && v0.f_files >= v0.f_ffree);
	same(write(fd, buf, 8 * MIB), 8 * MIB);
	must(statvfs(".", &v1));
	diff = (v0.f_bfree - v1.f_bfree) * v0.f_frsize;
	is(diff >= 8 * MIB && diff < 9 * MIB);
	must(mkdir("d", 0700));
	must(statvfs(".", &v1));
	same(v0.f_ffree - v1.f_ffree, 1);
	free(buf);
}

static void sync_calls(void)
{
	int fd = new_file();

	same(write(fd, "x", 1), 1);
	must(fsync(fd));
	must(fdatasync(fd));
	must(fsync((int)must(open(".", O_RDONLY | O_DIRECTORY))));
	must(syncfs(fd));
	must(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	same(write((int)must(open("g", O_CREAT | O_WRONLY | O_SYNC, 0600)), "x", 1), 1);
}

static void shared_offset(void)
{
	int fd = new_file(), dup_fd = dup(fd);
	pid_t pid;

	same(write(fd, "0123", 4), 4);
	pid = (pid_t)must(fork());
	if (pid == 0) {
		same(write(fd, "4567", 4), 4);
		_exit(0);
	}
	join(pid);
	same(lseek(fd, 0, SEEK_CUR), 8);
	same(write(dup_fd, "89", 2), 2);
	fd_holds(fd, "0123456789", 10);
}

/* ---- Random operations on one file, against an array in memory ------------ */

#define SHADOW (1 * MIB)

struct shadow {
	int fd;
	char *map;
	char *want;
	size_t size;
	uint64_t seed;
};

static uint64_t next(struct shadow *s)
{
	s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
	return s->seed >> 33;
}

static void random_write(struct shadow *s, size_t off, size_t len, bool mapped)
{
	char fill = (char)next(s);

	if (mapped) { /* a mapping does not grow the file */
		if (off + len > s->size)
			return;
		memset(s->map + off, fill, len);
	} else {
		char *buf = malloc(len + 1);

		is(buf);
		memset(buf, fill, len);
		same(pwrite(s->fd, buf, len, (off_t)off), len);
		free(buf);
	}
	memset(s->want + off, fill, len);
	if (off + len > s->size)
		s->size = off + len;
}

static void random_truncate(struct shadow *s, size_t size)
{
	must(ftruncate(s->fd, (off_t)size));
	if (size < s->size)
		memset(s->want + size, 0, s->size - size);
	s->size = size;
}

static void random_punch(struct shadow *s, size_t off, size_t len)
{
	must(fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len));
	memset(s->want + off, 0, len);
}

static void random_read(struct shadow *s, size_t off, size_t len, bool mapped)
{
	char *buf = malloc(len);
	size_t there = off >= s->size ? 0 : s->size - off < len ? s->size - off : len;

	is(buf);
	if (mapped)
		memcpy(buf, s->map + off, there);
	else
		same(pread(s->fd, buf, len, (off_t)off), there);
	if (memcmp(buf, s->want + off, there) != 0)
		fail(__FILE__, __LINE__, "%zu bytes at %zu differ (%s)", there, off, mapped ? "mapped" : "read");
	free(buf);
}

static void random_data(void)
{
	struct shadow s = {.fd = new_file(), .want = calloc(1, SHADOW), .seed = 1};

	s.map = mmap(NULL, SHADOW, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0);
	is(s.want && s.map != MAP_FAILED);
	for (int i = 0; i < 4000; i++) {
		size_t off = next(&s) % SHADOW;
		size_t len = 1 + next(&s) % (next(&s) % 4 ? 5000 : 200000);

		if (off + len > SHADOW)
			len = SHADOW - off;
		switch (next(&s) % 8) {
		case 0:
			random_truncate(&s, off);
			break;
		case 1:
			random_punch(&s, off, len);
			break;
		case 2:
		case 3:
			random_write(&s, off, len, false);
			break;
		case 4:
			random_write(&s, off, len, true);
			break;
		case 5:
			random_read(&s, off, len, true);
			break;
		default:
			random_read(&s, off, len, false);
		}
	}
	same(stat_fd(s.fd).st_size, s.size);
	fd_holds(s.fd, s.want, s.size);
}

const struct check data_checks[] = {
    {"offsets", offsets},
    {"append", append},
    {"truncate_zeros", truncate_zeros},
    {"sizes", sizes},
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
    {"send_file", send_file},
    {"large_calls", large_calls},
    {"vectors", vectors},
    {"bad_pointer", bad_pointer},
    {"direct_io", direct_io},
    {"space", space},
    {"sync_calls", sync_calls},
    {"shared_offset", shared_offset},
    {"random_data", random_data},
    {NULL, NULL},
};
