/* Data: reading and writing, offsets, sparse files, holes, copies, space. */
#include "posix.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#define KIB 1024ll
#define MIB (1024 * KIB)

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
