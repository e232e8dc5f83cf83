/* Mapped files, and programs that are executed from the file system. */
#include "posix.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define PAGE 4096

static int file_of(const char *name, size_t pages)
{
	int fd = (int)must(open(name, O_CREAT | O_RDWR, 0700));

	must(ftruncate(fd, (off_t)(pages * PAGE)));
	return fd;
}

static char *map_of(int fd, size_t pages, int prot, int flags)
{
	char *p = mmap(NULL, pages * PAGE, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
	return p;
}

static void map_shared(void)
{
	int fd = file_of("f", 4), second = (int)must(open("f", O_RDWR));
	char *p = map_of(fd, 4, PROT_READ | PROT_WRITE, MAP_SHARED), buf[8] = {0};

	memcpy(p + PAGE - 2, "mapped", 6);
	same(pread(second, buf, 6, PAGE - 2), 6);
	is(memcmp(buf, "mapped", 6) == 0);
	same(pwrite(second, "written", 7, 2 * PAGE), 7);
	is(memcmp(p + 2 * PAGE, "written", 7) == 0);
	must(msync(p, 4 * PAGE, MS_SYNC));
	must(munmap(p, 4 * PAGE));
	p = map_of(second, 4, PROT_READ, MAP_SHARED);
	is(memcmp(p + PAGE - 2, "mapped", 6) == 0);
}

static void map_private(void)
{
	int fd = file_of("f", 2);
	char *p = map_of(fd, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE), c;

	same(pwrite(fd, "a", 1, 10), 1);
	is(p[10] == 'a'); /* untouched pages show the file */
	p[PAGE] = 'z';
	same(pread(fd, &c, 1, PAGE), 1);
	is(c == 0);
}

static void map_two_processes(void)
{
	int fd = file_of("f", 1);
	volatile unsigned char *p = (unsigned char *)map_of(fd, 1, PROT_READ | PROT_WRITE, MAP_SHARED);
	pid_t pid = (pid_t)must(fork());

	if (pid == 0) {
		/* Its own open and mapping, not the inherited one. */
		fd = (int)must(open("f", O_RDWR));
		p = (unsigned char *)map_of(fd, 1, PROT_READ | PROT_WRITE, MAP_SHARED);
		for (int i = 0; i < 100; i++) {
			while (p[0] != 2 * i)
				usleep(10);
			p[0]++;
		}
		_exit(0);
	}
	for (int i = 0; i < 100; i++) {
		while (p[0] != 2 * i + 1)
			usleep(10);
		p[0]++;
	}
	join(pid);
	same(p[0], 200);
}

static sigjmp_buf escape;

static void on_bus(int sig)
{
	siglongjmp(escape, sig);
}

static void map_beyond_end(void)
{
	int fd = file_of("f", 4);
	volatile char *p = map_of(fd, 4, PROT_READ | PROT_WRITE, MAP_SHARED);

	p[0] = p[3 * PAGE] = p[PAGE + 100] = 'x';
	must(ftruncate(fd, PAGE + 50));
	is(p[0] == 'x');
	is(p[PAGE + 100] == 0); /* the rest of the last page reads as zeros */
	signal(SIGBUS, on_bus);
	if (sigsetjmp(escape, 1) == 0) {
		p[3 * PAGE] = 'y';
		fail(__FILE__, __LINE__, "a write beyond the end went through");
	}
	must(ftruncate(fd, 4 * PAGE));
	is(p[3 * PAGE] == 0);
}

static void map_outlives_file(void)
{
	int fd = file_of("f", 300);
	char *p = map_of(fd, 300, PROT_READ | PROT_WRITE, MAP_SHARED);

	must(unlink("f"));
	must(close(fd));
	for (int i = 0; i < 300; i++)
		p[i * PAGE] = (char)i;
	must(madvise(p, 300 * PAGE, MADV_DONTNEED)); /* fetched again from the file */
	for (int i = 0; i < 300; i++)
		is(p[i * PAGE] == (char)i);
}

static void map_write_counts(void)
{
	int fd = file_of("f", 64);
	char *p = map_of(fd, 64, PROT_READ | PROT_WRITE, MAP_SHARED);

	same(stat_fd(fd).st_blocks, 0);
	memset(p, 'x', 64 * PAGE);
	must(msync(p, 64 * PAGE, MS_SYNC));
	same(stat_fd(fd).st_blocks, 64 * PAGE / 512);
}

static void map_rights(void)
{
	int ro;

	file_of("f", 1);
	ro = (int)must(open("f", O_RDONLY));
	is(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED && errno == EACCES);
	map_of(ro, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	is(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, (int)must(open("f", O_WRONLY)), 0) == MAP_FAILED && errno == EACCES);
	is(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, (int)must(open(".", O_RDONLY)), 0) == MAP_FAILED && errno == ENODEV);
}

static void copy_file(const char *from, const char *to)
{
	int in = (int)must(open(from, O_RDONLY)), out = (int)must(open(to, O_CREAT | O_WRONLY, 0755));
	char buf[65536];

	for (long n; (n = must(read(in, buf, sizeof(buf)))) > 0;)
		same(write(out, buf, (size_t)n), n);
	must(close(in));
	must(close(out));
}

static void runs(char *const argv[])
{
	pid_t pid;

	fflush(stdout);
	pid = (pid_t)must(fork());
	if (pid == 0) {
		execv(argv[0], argv);
		fail(__FILE__, __LINE__, "exec of %s: %s", argv[0], strerror(errno));
	}
	join(pid);
}

static void exec_program(void)
{
	copy_file("/bin/true", "prog");
	runs((char *[]){"./prog", NULL});
	put("script", 0755, "#!/bin/sh\n[ \"$1\" = arg ]\n");
	runs((char *[]){"./script", "arg", NULL});
	must(chmod("script", 0644));
	fails(execl("./script", "script", (char *)NULL), EACCES);
	put("garbage", 0755, "\177NOT a program");
	fails(execl("./garbage", "garbage", (char *)NULL), ENOEXEC);
}

static void text_busy(void)
{
	pid_t pid;
	int fd, ready[2];
	char c;

	copy_file("/bin/cat", "prog");
	fd = (int)must(open("prog", O_WRONLY));
	fails(execl("./prog", "prog", (char *)NULL), ETXTBSY);
	must(close(fd));
	must(pipe(ready));
	pid = (pid_t)must(fork());
	if (pid == 0) {
		dup2(ready[0], 0);
		close(ready[1]);
		execl("./prog", "prog", "-", "/dev/null", (char *)NULL);
		_exit(1);
	}
	must(fcntl(ready[0], F_SETFD, FD_CLOEXEC));
	tick();
	tick();
	fails(open("prog", O_WRONLY), ETXTBSY);
	must(unlink("prog")); /* that is allowed */
	c = 0;
	is(write(ready[1], &c, 0) == 0);
	must(close(ready[1]));
	join(pid);
}

const struct check map_checks[] = {
    {"map_shared", map_shared},
    {"map_private", map_private},
    {"map_two_processes", map_two_processes},
    {"map_beyond_end", map_beyond_end},
    {"map_outlives_file", map_outlives_file},
    {"map_write_counts", map_write_counts},
    {"map_rights", map_rights},
    {"exec_program", exec_program},
    {"text_busy", text_busy},
    {NULL, NULL},
};
