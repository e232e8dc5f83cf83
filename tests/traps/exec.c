/* Rows about execve and execveat: programs on the mount, and what they inherit. */
#include "posix.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>

extern char **environ;

static void copy_program(const char *from, const char *to)
{
	int in = (int)must(open(from, O_RDONLY)), out = (int)must(open(to, O_CREAT | O_WRONLY, 0755));
	char buf[65536];
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		same(write(out, buf, (size_t)n), n);
	must(close(in));
	must(close(out));
}

static void programs_on_it(void)
{
	char *const args[] = {(char *)"x", NULL};
	int fd, pid;

	copy_program("/bin/true", "true");
	same(system("./true"), 0);
	put("script", 0755, "#!/bin/sh\nread x; echo \"$x $1\"\n");
	put("in", 0600, "hello\n");
	same(system("./script arg <in >out 2>&1"), 0);
	holds("out", "hello arg\n");
	put("not", 0644, "#!/bin/sh\n");
	pid = fork();
	if (pid == 0) {
		execv("./not", args);
		_exit(errno == EACCES ? 3 : 4);
	}
	same(status_of(pid), 3);
	fd = (int)must(open("true", O_RDONLY | O_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH);
		_exit(4);
	}
	same(status_of(pid), 0);
	fails(open("none/true", O_RDONLY), ENOENT);
	must(symlink("none", "dangling"));
	fails(syscall(SYS_execveat, AT_FDCWD, "dangling", args, environ, AT_SYMLINK_NOFOLLOW), ELOOP);
	fails(execv("./dangling", args), ENOENT);
}

/* Who only looks at code that is not whole does not read behind its end; neither does who looks for calls in it. */
static void half_a_library(void)
{
	Dl_info libc = {0};
	void *p;
	int fd;

	is(dladdr((void *)(uintptr_t)getpid, &libc));
	copy_program(libc.dli_fname, "half");
	must(truncate("half", 8192));
	fd = (int)must(open("half", O_RDONLY));
	p = mmap(NULL, 1 << 20, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	is(p != MAP_FAILED);
	same(memcmp(p, "\177ELF", 4), 0);
	munmap(p, 1 << 20);
	close(fd);
	must(unlink("half"));
}

/* What a process mounts inside is what it sees there, and its children do. */
static void mounted_inside(void)
{
	dev_t outside;
	int pid;

	must(mkdir("d", 0700));
	put("d/hidden", 0600, "x");
	outside = stat_of("d").st_dev;
	if (mount("tmpfs", "d", "tmpfs", 0, NULL) != 0)
		return; /* not root */
	is(stat_of("d").st_dev != outside);
	fails(open("d/hidden", O_RDONLY), ENOENT);
	put("d/f", 0600, "x");
	pid = (int)must(fork());
	if (pid == 0)
		_exit(access("d/f", F_OK) != 0 || access("d/hidden", F_OK) == 0);
	same(status_of(pid), 0);
	must(mount("", "d", "", MS_REMOUNT | MS_RDONLY, NULL));
	fails(open("d/g", O_CREAT | O_RDWR, 0600), EROFS);
	must(umount("d"));
	must(unlink("d/hidden"));
	must(rmdir("d"));
}

/* Who runs is not written to, and who is written to does not run. */
static void busy_programs(void)
{
	char *const args[] = {(char *)"cat", NULL};
	int in[2], said[2], fd, pid, other;
	char c;

	copy_program("/bin/cat", "cat");
	must(pipe2(in, O_CLOEXEC));
	must(pipe2(said, O_CLOEXEC));
	pid = (int)must(fork());
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(said[1], 1);
		execv("./cat", args);
		_exit(4);
	}
	same(write(in[1], "x", 1), 1);
	same(read(said[0], &c, 1), 1); /* it runs */
	fails(open("cat", O_WRONLY), ETXTBSY);
	fails(open("cat", O_RDWR | O_CREAT, 0700), ETXTBSY);
	fails(open("cat", O_WRONLY | O_TRUNC), ETXTBSY);
	fails(truncate("cat", 1), ETXTBSY);
	must(close((int)must(open("cat", O_RDONLY))));
	must(close(in[1]));
	same(status_of(pid), 0);
	fd = (int)must(open("cat", O_RDWR)); /* it has ended */
	must(close(fd));
	copy_program("/bin/true", "true");
	fd = (int)must(open("true", O_RDWR | O_CLOEXEC));
	fails(execv("./true", args), ETXTBSY);
	pid = (int)must(fork());
	if (pid == 0) {
		execv("./true", args);
		_exit(errno == ETXTBSY ? 3 : 4);
	}
	same(status_of(pid), 3);
	must(close(fd));
	/* Opened by a child, which has it for itself. */
	must(pipe2(in, O_CLOEXEC));
	must(pipe2(said, O_CLOEXEC));
	pid = (int)must(fork());
	if (pid == 0) {
		other = open("true", O_WRONLY);
		c = other >= 0 ? 'y' : 'n';
		_exit(write(said[1], &c, 1) != 1 || read(in[0], &c, 1) != 1 || close(other) != 0);
	}
	same(read(said[0], &c, 1), 1);
	same(c, 'y');
	fails(execv("./true", args), ETXTBSY);
	same(write(in[1], "x", 1), 1);
	same(status_of(pid), 0);
	same(system("./true"), 0);
}

static void inherited_descriptors(void)
{
	int fd = new_file(), keep;

	same(write(fd, "0123456789\n", 11), 11);
	same(dup2(fd, 7), 7);
	same(lseek(7, 2, SEEK_SET), 2);
	keep = (int)must(open("f", O_RDONLY | O_CLOEXEC));
	same(dup3(keep, 8, O_CLOEXEC), 8);
	same(system("head -c 3 <&7 >got; [ ! -e /proc/self/fd/8 ]"), 0);
	holds("got", "234");
	same(system("(echo out; echo err >&2) >both 2>&1"), 0);
	holds("both", "out\nerr\n");
	is(system("exec 2>&-; echo x >&7 && : >&8") != 0);
}

/* A program without an agent in the middle: it goes on where the others left off, and they after it. */
static void through_the_kernel(void)
{
	const char *quiet = getenv("TRAPS_STATIC");
	char command[8192];

	if (!quiet)
		skip("TRAPS_STATIC names no program");
	snprintf(command, sizeof(command),
		 "{ echo one; %s w; echo two; (%s w); /bin/echo three; } >f; "
		 "printf '1\\n2\\n3\\n' >in; { read x; %s r; read y; echo \"$x $y\"; } <in >got",
		 quiet, quiet, quiet);
	same(system(command), 0);
	holds("f", "one\nstatic\ntwo\nstatic\nthree\n");
	holds("got", "2\n1 3\n");
	snprintf(command, sizeof(command), "exec 9>lock; %s l && ! flock -n lock true", quiet);
	same(system(command), 0);
}

const struct check exec_traps[] = {{"programs_on_it", programs_on_it},
				   {"half_a_library", half_a_library},
				   {"busy_programs", busy_programs},
				   {"mounted_inside", mounted_inside},
				   {"inherited_descriptors", inherited_descriptors},
				   {"through_the_kernel", through_the_kernel},
				   {NULL, NULL}};
