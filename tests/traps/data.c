/* Rows about bytes: vectors, bad pointers, copies, mappings, sizes, appending together. */
#include "posix.h"

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define PAGE 4096l

/* What the compiler is not to know. */
static void *volatile nowhere = (void *)16;
static volatile int minus_one = -1;

static void vectors_whole(void)
{
	struct iovec v[3] = {{(char *)"ab", 2}, {(char *)"", 0}, {(char *)"cde", 3}};
	char a[3] = "", b[3] = "";
	struct iovec r[2] = {{a, 2}, {b, 3}};
	int fd = new_file();

	same(writev(fd, v, 3), 5);
	same(pwritev(fd, v, 3, 5), 5);
	fd_holds(fd, "abcdeabcde", 10);
	same(lseek(fd, 0, SEEK_CUR), 5);
	same(readv(fd, r, 2), 5);
	is(memcmp(a, "ab", 2) == 0 && memcmp(b, "cde", 3) == 0);
	same(preadv(fd, r, 2, 7), 3); /* short at the end */
	is(memcmp(a, "cd", 2) == 0 && b[0] == 'e');
	same(readv(fd, r, 0), 0);
	fails(readv(fd, r, minus_one), EINVAL);
	fails(preadv(fd, r, 2, -1), EINVAL);
	/* At the descriptor's own offset, and at the end for once. */
	same(lseek(fd, 0, SEEK_SET), 0);
	same(preadv2(fd, r, 2, -1, 0), 5);
	same(lseek(fd, 0, SEEK_CUR), 5);
	same(pwritev2(fd, v, 3, 0, RWF_APPEND), 5);
	same(stat_of("f").st_size, 15);
	same(lseek(fd, 0, SEEK_CUR), 5);
	same(pwritev2(fd, v, 1, 0, RWF_DSYNC), 2);
	fails(pwritev2(fd, v, 1, 0, 1 << 30), EOPNOTSUPP);
	must(fcntl(fd, F_SETFL, O_APPEND));
	same(pwritev(fd, v, 3, 0), 5); /* appends on Linux */
	same(stat_of("f").st_size, 20);
	fails(writev((int)must(open("f", O_RDONLY)), v, 1), EBADF);
}

static void bad_pointers(void)
{
	char *two = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *end = two + PAGE;
	struct iovec v[2] = {{(char *)"good", 4}, {nowhere, 4}};
	void *bad = nowhere;
	int fd = new_file(), n;

	is(two != MAP_FAILED);
	must(munmap(end, PAGE));
	memset(two, 'x', PAGE);
	fails(write(fd, bad, 1), EFAULT);
	same(stat_of("f").st_size, 0);
	same(write(fd, end - 10, 10), 10);
	fails(read(fd, bad, 1) < 0 ? -1 : pread(fd, bad, 1, 0), EFAULT);
	/* Partly there: as much as is there, or nothing. */
	n = (int)pread(fd, end - 4, 10, 0);
	is(n == 4 || (n < 0 && errno == EFAULT));
	n = (int)pwrite(fd, end - 4, 8, 20);
	is(n == 4 || (n < 0 && errno == EFAULT));
	n = (int)writev(fd, v, 2);
	is(n == 4 || (n < 0 && errno == EFAULT));
	fails(writev(fd, bad, 1), EFAULT);
	fails(open(bad, O_RDONLY), EFAULT);
	fails(stat("f", bad), EFAULT);
	fails(fstat(fd, bad), EFAULT);
	fails(stat(bad, (struct stat *)two), EFAULT);
	fails(rename("f", bad), EFAULT);
	fails(link(bad, "g"), EFAULT);
	fails(symlink(bad, "g"), EFAULT);
	fails(mkdir(bad, 0700), EFAULT);
	fails(unlink(bad), EFAULT);
	must(symlink("f", "l"));
	fails(readlink("l", bad, 10), EFAULT);
	fails(syscall(SYS_getcwd, bad, 4096), EFAULT);
	fails(syscall(SYS_getdents64, must(open(".", O_RDONLY)), bad, 4096), EFAULT);
	fails(syscall(SYS_statfs, ".", bad), EFAULT);
	fails(syscall(SYS_fstatfs, fd, bad), EFAULT);
	fails(utimensat(AT_FDCWD, "f", bad, 0), EFAULT);
	fails(syscall(SYS_copy_file_range, fd, bad, fd, NULL, 1ul, 0ul), EFAULT);
	fails(chdir(bad), EFAULT);
	fails(access(bad, R_OK), EFAULT);
	fails(truncate(bad, 0), EFAULT);
}

static void copies(void)
{
	int in = new_file(), out = new_file_named("g"), p[2], far;
	static char buf[100000], back[100000];
	loff_t from = 0, to = 0;
	FILE *f = tmpfile();

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 4096);
	same(write(in, buf, sizeof(buf)), sizeof(buf));
	for (ssize_t n; from < (loff_t)sizeof(buf);) {
		n = copy_file_range(in, &from, out, &to, sizeof(buf), 0);
		is(n > 0);
	}
	fd_holds(out, buf, sizeof(buf));
	same(lseek(out, 0, SEEK_CUR), 0); /* neither offset was asked for */
	same(lseek(in, 0, SEEK_SET), 0);
	must(ftruncate(out, 0));
	for (ssize_t n, left = sizeof(buf); left > 0; left -= n) {
		n = sendfile(out, in, NULL, (size_t)left);
		is(n > 0);
	}
	fd_holds(out, buf, sizeof(buf));
	same(lseek(in, 0, SEEK_CUR), sizeof(buf));
	same(lseek(out, 0, SEEK_CUR), sizeof(buf));
	fails(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
	fails(copy_file_range(999, NULL, out, NULL, 1, 0), EBADF);
	/* Into a pipe and out of it, at the descriptors' own offsets. */
	must(pipe(p));
	same(lseek(in, 100, SEEK_SET), 100);
	same(splice(in, NULL, p[1], NULL, 1000, 0), 1000);
	same(lseek(in, 0, SEEK_CUR), 1100);
	same(read(in, back, 1), 1);
	same(back[0], buf[1100]);
	must(ftruncate(out, 0));
	same(lseek(out, 0, SEEK_SET), 0);
	same(splice(p[0], NULL, out, NULL, 1000, 0), 1000);
	same(write(out, "end", 3), 3);
	same(pread(out, back, 1003, 0), 1003);
	is(memcmp(back, buf + 100, 1000) == 0 && memcmp(back + 1000, "end", 3) == 0);
	/* To a file system that is not ours. */
	is(f);
	far = fileno(f);
	from = 0;
	while (from < (loff_t)sizeof(buf)) {
		ssize_t n = copy_file_range(in, &from, far, NULL, sizeof(buf), 0);

		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP))
			n = sendfile(far, in, &from, sizeof(buf));
		is(n > 0);
	}
	fd_holds(far, buf, sizeof(buf));
}

static jmp_buf out_of_fault;

static void on_fault(int sig)
{
	siglongjmp(out_of_fault, sig);
}

static int faults(const volatile char *p)
{
	int sig = sigsetjmp(out_of_fault, 1);

	if (!sig)
		(void)*p;
	return sig;
}

static void mappings(void)
{
	int fd = new_file(), pid;
	char *a, *b, c = 0;

	signal(SIGBUS, on_fault);
	must(ftruncate(fd, 2 * PAGE));
	a = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	b = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	is(a != MAP_FAILED && b != MAP_FAILED);
	a[0] = 'a';
	same(pread(fd, &c, 1, 0), 1); /* a store is seen at once */
	same(c, 'a');
	same(pwrite(fd, "w", 1, 1), 1); /* and a write */
	same(a[1], 'w');
	same(b[1], 'w');
	pid = fork();
	if (pid == 0) {
		int other = open("f", O_RDWR);

		a[2] = 'c';
		_exit(pwrite(other, "o", 1, 3) != 1 || a[3] != 'o');
	}
	join(pid);
	same(a[2], 'c');
	same(a[3], 'o');
	must(msync(a, PAGE, MS_SYNC));
	/* Beyond the end there is nothing; growing brings it, shrinking takes it. */
	same(faults(a + 2 * PAGE), SIGBUS);
	same(pwrite(fd, "g", 1, 3 * PAGE), 1);
	same(faults(a + 2 * PAGE), 0);
	same(faults(b + 3 * PAGE), 0);
	same(a[3 * PAGE], 'g');
	same(b[3 * PAGE], 'g');
	must(ftruncate(fd, PAGE));
	same(faults(a + PAGE), SIGBUS);
	same(faults(b + PAGE), SIGBUS);
	same(faults(a), 0);
	must(close(fd));
	a = mremap(a, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE); /* it holds the file */
	is(a != MAP_FAILED);
	same(a[2], 'c');
	must(munmap(a, 8 * PAGE));
	must(munmap(b, 4 * PAGE));
}

/* A file that is only mapped privately is as long as it is, too. */
static void private_mapping_ends(void)
{
	int fd = new_file(), child;
	char *p;

	signal(SIGBUS, on_fault);
	must(ftruncate(fd, PAGE));
	p = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE, (int)must(open("f", O_RDONLY)), 0);
	is(p != MAP_FAILED);
	same(faults(p), 0);
	same(faults(p + PAGE), SIGBUS);
	child = fork();
	if (child == 0) {
		fd = open("f", O_RDWR);
		_exit(pwrite(fd, "x", 1, 2 * PAGE) != 1);
	}
	join(child);
	same(faults(p + 2 * PAGE), 0);
	same(p[2 * PAGE], 'x');
	must(truncate("f", PAGE));
	same(faults(p + 2 * PAGE), SIGBUS);
	must(close((int)must(open("f", O_WRONLY | O_TRUNC))));
	same(faults(p), SIGBUS);
}

#define WRITERS 4
#define LINES 300

static void append_together(void)
{
	static int seen[WRITERS];
	int pid[WRITERS];
	char line[64];
	FILE *f;

	for (int w = 0; w < WRITERS; w++) {
		pid[w] = (int)must(fork());
		if (pid[w] == 0) {
			int fd = open("f", O_CREAT | O_APPEND | O_WRONLY, 0600), n;

			for (int i = 0; i < LINES; i++) {
				n = snprintf(line, sizeof(line), "%d %d %.*s\n", w, i, (i * 7) % 40,
					     "........................................");
				if (write(fd, line, (size_t)n) != n)
					_exit(1);
			}
			_exit(0);
		}
	}
	for (int w = 0; w < WRITERS; w++)
		join(pid[w]);
	f = fopen("f", "r");
	is(f);
	while (fgets(line, sizeof(line), f)) {
		int w = -1, i = -1, dots = 0;

		same(sscanf(line, "%d %d", &w, &i), 2);
		for (const char *p = line; *p; p++)
			dots += *p == '.';
		is(w >= 0 && w < WRITERS);
		same(i, seen[w]++); /* in the order of its writer, and whole */
		same(dots, i * 7 % 40);
	}
	for (int w = 0; w < WRITERS; w++)
		same(seen[w], LINES);
	fclose(f);
}

/* Readers see each write wholly or not at all. */
static void whole_writes(void)
{
	static char buf[8192];
	int fd = new_file(), pid;

	/* The kernel reads its pages one by one, and tmpfs its own as well: only who copies under a version does
	 * better. */
	if (!getenv("TRAPS_HOOKED"))
		skip("only promised in a hooked process");
	memset(buf, 'a', sizeof(buf));
	same(write(fd, buf, sizeof(buf)), sizeof(buf));
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 3000; i++) {
			memset(buf, 'a' + i % 26, sizeof(buf));
			if (pwrite(fd, buf, sizeof(buf), 0) != sizeof(buf))
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 0; i < 3000; i++) {
		same(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
		is(memcmp(buf, buf + 1, sizeof(buf) - 1) == 0);
	}
	join(pid);
}

static void sizes_and_ranges(void)
{
	int fd = new_file();
	char *p;

	same(write(fd, "0123456789", 10), 10);
	must(posix_fallocate(fd, 0, 100000) ? -1 : 0);
	same(stat_of("f").st_size, 100000);
	is(stat_of("f").st_blocks >= 100000 / 512);
	must(truncate("f", 5));
	fd_holds(fd, "01234", 5);
	same(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	same(posix_fadvise(fd, 0, 0, 99), EINVAL);
	must(readahead(fd, 0, 4096));
	must(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	must(fsync(fd));
	must(fdatasync(fd));
	must(syncfs(fd));
	sync();
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	is(p != MAP_FAILED);
	p[0] = 'X';
	must(msync(p, PAGE, MS_SYNC));
	fd_holds(fd, "X1234", 5);
	fails(fsync(999), EBADF);
	fails(fallocate((int)must(open("f", O_RDONLY)), 0, 0, 1), EBADF);
	fails(ftruncate((int)must(open("f", O_RDONLY)), 0), EINVAL);
}

static void aio(void)
{
	aio_context_t ctx = 0;
	struct iocb w = {.aio_lio_opcode = IOCB_CMD_PWRITE}, *list = &w;
	struct io_event done;
	int fd = new_file();

	same(write(fd, "0123456789", 10), 10);
	if (syscall(SYS_io_setup, 4, &ctx) < 0)
		skip("no aio here");
	w.aio_fildes = (unsigned)fd;
	w.aio_buf = (uintptr_t) "AB";
	w.aio_nbytes = 2;
	w.aio_offset = 3;
	same(syscall(SYS_io_submit, ctx, 1, &list), 1);
	same(syscall(SYS_io_getevents, ctx, 1, 1, &done, NULL), 1);
	same(done.res, 2);
	fd_holds(fd, "012AB56789", 10);
	same(write(fd, "end", 3), 3);
	fd_holds(fd, "012AB56789end", 13);
}

struct uring {
	int fd;
	char *sq, *cq;
	struct io_uring_params p;
	struct io_uring_sqe *sqe;
};

static int uring_one(struct uring *u, const struct io_uring_sqe *e)
{
	unsigned *tail = (unsigned *)(void *)(u->sq + u->p.sq_off.tail), *head, at = *tail & (u->p.sq_entries - 1);
	struct io_uring_cqe *c;

	u->sqe[at] = *e;
	((unsigned *)(void *)(u->sq + u->p.sq_off.array))[at] = at;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	same(syscall(SYS_io_uring_enter, u->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0ul), 1);
	head = (unsigned *)(void *)(u->cq + u->p.cq_off.head);
	c = (struct io_uring_cqe *)(void *)(u->cq + u->p.cq_off.cqes) + (*head & (u->p.cq_entries - 1));
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return c->res;
}

static void io_uring(void)
{
	struct uring u = {.p = {0}};
	int fd = new_file(), late;
	char buf[8] = "";

	same(write(fd, "0123456789", 10), 10);
	u.fd = (int)syscall(SYS_io_uring_setup, 4, &u.p);
	if (u.fd < 0)
		skip("no io_uring here");
	u.sq = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, u.fd, IORING_OFF_SQ_RING);
	u.cq = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, u.fd, IORING_OFF_CQ_RING);
	u.sqe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, u.fd, IORING_OFF_SQES);
	if (u.sq == MAP_FAILED || u.cq == MAP_FAILED || (void *)u.sqe == MAP_FAILED)
		skip("its rings cannot be mapped this way");
	same(uring_one(&u,
		       &(struct io_uring_sqe){
			   .opcode = IORING_OP_WRITE, .fd = fd, .addr = (uintptr_t) "ring", .len = 4, .off = 2}),
	     4);
	fd_holds(fd, "01ring6789", 10);
	late = (int)must(open("f", O_RDWR)); /* opened after it */
	same(pwrite(late, "L", 1, 0), 1);
	same(uring_one(&u,
		       &(struct io_uring_sqe){
			   .opcode = IORING_OP_READ, .fd = late, .addr = (uintptr_t)buf, .len = 4, .off = 0}),
	     4);
	is(memcmp(buf, "L1ri", 4) == 0);
}

/* What is written is read, however it was opened, whatever others do to the file at the time. */
static void direct_together(void)
{
	enum { SIZE = 65536, CHILDREN = 40, ROUNDS = 10 };
	int fd = open("f", O_CREAT | O_RDWR | O_DIRECT | O_DSYNC, 0600), status;

	if (fd < 0 && errno == EINVAL)
		skip("no O_DIRECT here");
	must(fd);
	same(fcntl(fd, F_GETFL) & ~0100000, O_RDWR | O_DIRECT | O_DSYNC);
	must(fcntl(fd, F_SETFL, O_APPEND));
	same(fcntl(fd, F_GETFL) & ~0100000, O_RDWR | O_APPEND | O_DSYNC);
	must(fcntl(fd, F_SETFL, O_DIRECT));
	same(fcntl(fd, F_GETFL) & ~0100000, O_RDWR | O_DIRECT | O_DSYNC);
	fails(open(".", O_RDONLY | O_DIRECT), EINVAL);
	must(flock(fd, LOCK_EX));
	for (int k = 0; k < CHILDREN; k++) {
		int out, in;
		char *a, *b;

		if (must(fork()) != 0)
			continue;
		out = (int)must(open("f", O_WRONLY));
		in = (int)must(open("f", O_RDONLY | O_DIRECT));
		a = aligned_alloc(4096, SIZE);
		b = aligned_alloc(4096, SIZE);
		for (int round = 0; round < ROUNDS; round++) {
			memset(a, k + round, SIZE);
			same(pwrite(out, a, SIZE, (off_t)SIZE * k), SIZE);
			same(pread(in, b, SIZE, (off_t)SIZE * k), SIZE);
			is(memcmp(a, b, SIZE) == 0);
		}
		_exit(0);
	}
	for (int k = 0; k < CHILDREN; k++) {
		must(wait(&status));
		same(status, 0);
	}
	same(stat_of("f").st_size, SIZE * CHILDREN);
}

const struct check data_traps[] = {{"vectors_whole", vectors_whole},
				   {"bad_pointers", bad_pointers},
				   {"copies", copies},
				   {"mappings", mappings},
				   {"private_mapping_ends", private_mapping_ends},
				   {"append_together", append_together},
				   {"whole_writes", whole_writes},
				   {"sizes_and_ranges", sizes_and_ranges},
				   {"aio", aio},
				   {"io_uring", io_uring},
				   {"direct_together", direct_together},
				   {NULL, NULL}};
