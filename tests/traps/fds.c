/* Rows about descriptors: open, close, dup, lseek, fcntl, locks, /proc/self/fd, passing them on, limits. */
#include "posix.h"

#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/loop.h>
#include <linux/openat2.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static void *volatile nowhere = (void *)8; /* what the compiler is not to know */

/* With "..", -EAGAIN says that something was renamed or mounted meanwhile, wherever that was (openat2(2)). */
static long openat2_at(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .resolve = resolve};
	long ret;

	do
		ret = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (ret < 0 && errno == EAGAIN);
	return ret;
}

static void open_ways(void)
{
	int dir = (int)must(open(".", O_RDONLY | O_DIRECTORY)), fd;
	char buf[8] = "";
	FILE *f;

	put("f", 0644, "one");
	must(mkdir("d", 0700));
	must(symlink("f", "l"));
	must(symlink("../f", "d/up"));
	fails(open("f", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	fails(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	fails(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	fails(open("", O_RDONLY), ENOENT);
	fails(open("", O_CREAT | O_RDWR, 0600), ENOENT);
	fails(openat(999, "f", O_RDONLY), EBADF);
	fails(openat((int)must(open("f", O_RDONLY)), ".", O_RDONLY), ENOTDIR);
	must(close((int)must(creat("c", 0640))));
	same(mode_of("c"), 0640);
	/* A path only: neither read nor written, but a place to start from. */
	fd = (int)must(open("d", O_PATH));
	fails(read(fd, buf, 1), EBADF);
	must(close((int)must(openat(fd, "n", O_CREAT | O_WRONLY, 0600))));
	is(exists("d/n"));
	fd = (int)must(open("f", O_PATH));
	fails(read(fd, buf, 1), EBADF);
	same(stat_fd(fd).st_ino, stat_of("f").st_ino);
	/* stdio opens by a call of its own. */
	f = fopen("f", "a+");
	is(f && fputs("two", f) >= 0 && fclose(f) == 0);
	holds("f", "onetwo");
	/* openat2: what a path may do is obeyed. */
	must(close((int)must(openat2_at(dir, "d/up", O_RDONLY, 0))));
	must(close((int)must(openat2_at(dir, "d/up", O_RDONLY, RESOLVE_BENEATH))));
	fails(openat2_at(dir, "d/up", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
	fails(openat2_at(dir, "../x", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	fails(openat2_at(dir, "/etc", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	fd = (int)must(open("d", O_RDONLY | O_DIRECTORY));
	must(close((int)must(openat2_at(dir, "/f", O_RDONLY, RESOLVE_IN_ROOT))));
	fails(openat2_at(fd, "up", O_RDONLY, RESOLVE_IN_ROOT), ENOENT);
	fails(openat2_at(dir, "f", O_RDONLY | (1ull << 40), 0), EINVAL);
	fails(openat2_at(dir, "f", O_RDONLY, 1ull << 40), EINVAL);
}

static void close_ranges(void)
{
	int fd = new_file();

	must(close(fd));
	fails(close(fd), EBADF);
	fails(close(-1), EBADF);
	fd = new_file_named("g");
	same(fcntl(fd, F_DUPFD, 50), 50);
	must(close_range(fd + 1, ~0u, 0)); /* what the agent holds for itself stays */
	fails(fcntl(50, F_GETFD), EBADF);
	same(write(fd, "x", 1), 1);
	same(dup(fd), fd + 1);
	must(close_range((unsigned)fd + 1, 100, CLOSE_RANGE_CLOEXEC));
	same(fcntl(fd + 1, F_GETFD), FD_CLOEXEC);
	same(fcntl(fd, F_GETFD), 0);
	must(fcntl(fd + 1, F_SETFD, 0));
	same(fcntl(fd + 1, F_GETFD), 0);
	closefrom(fd);
	fails(write(fd, "x", 1), EBADF);
	fd = new_file_named("h");
	same(write(fd, "h", 1), 1);
	must(close(fd));
	holds("h", "h");
	holds("g", "x");
}

static void *closes_its_own(void *arg)
{
	return close_range(*(unsigned *)arg, ~0u, CLOSE_RANGE_UNSHARE) == 0 && fcntl(*(int *)arg, F_GETFD) < 0 ? NULL
													       : arg;
}

/* A thread gets a table of its own and closes what is in it: the others still have it. */
static void thread_of_its_own(void)
{
	int fd = new_file();
	pthread_t t;
	void *bad;

	same(write(fd, "1", 1), 1);
	same(pthread_create(&t, NULL, closes_its_own, &fd), 0);
	same(pthread_join(t, &bad), 0);
	is(!bad);
	same(write(fd, "2", 1), 1);
	holds("f", "12");
}

static void dup_shuffles(void)
{
	int a = new_file(), b = new_file_named("g"), i;

	same(dup(a), b + 1);
	same(write(a, "12", 2), 2);
	same(write(b + 1, "34", 2), 2); /* one offset */
	fd_holds(a, "1234", 4);
	/* Two change places over a third. */
	same(fcntl(a, F_DUPFD_CLOEXEC, 100), 100);
	same(dup2(b, a), a);
	same(dup2(100, b), b);
	same(fcntl(100, F_GETFD), FD_CLOEXEC);
	same(fcntl(b, F_GETFD), 0);
	must(close(100));
	same(write(b, "56", 2), 2);
	same(write(a, "g", 1), 1);
	holds("f", "123456");
	holds("g", "g");
	same(dup2(a, a), a);
	fails(dup3(a, a, 0), EINVAL);
	fails(dup2(a, -1), EBADF);
	fails(dup2(77, a), EBADF);
	same(write(a, "h", 1), 1); /* which has left it open */
	same(dup3(a, 60, O_CLOEXEC), 60);
	same(fcntl(60, F_GETFD), FD_CLOEXEC);
	fails(fcntl(a, F_DUPFD, -1), EINVAL);
	fails(fcntl(a, F_DUPFD, 1 << 30), EINVAL);
	/* A pipe over a file and back: the lowest number is always the next. */
	for (i = 0; i < 50; i++) {
		int p[2], low;

		must(pipe(p));
		same(dup2(p[0], 60), 60);
		same(dup2(a, 60), 60);
		must(close(p[0]));
		must(close(p[1]));
		low = (int)must(open("f", O_RDONLY));
		same(low, p[0]);
		must(close(low));
	}
	must(close(a));
	same(open("f", O_RDONLY), a);
}

static void closed_to_waits(int fd)
{
	struct pollfd p[3] = {{.fd = -1, .events = POLLIN}, {.fd = fd, .events = POLLIN}, {.fd = fd}};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	must(close(open("f", O_RDONLY)));
	fails(select(fd + 1, &set, NULL, NULL, NULL), EBADF);
	must(close(open("f", O_RDONLY)));
	fails(pselect(fd + 1, NULL, NULL, &set, NULL, NULL), EBADF);
	must(close(open("f", O_RDONLY)));
	same(poll(p, 3, -1), 2);
	same(p[0].revents, 0);
	same(p[1].revents, POLLNVAL);
	same(p[2].revents, POLLNVAL);
	must(close(open("f", O_RDONLY)));
	same(ppoll(p + 1, 1, NULL, NULL), 1);
	same(p[1].revents, POLLNVAL);
	fails(poll(nowhere, 1, 0), EFAULT);
	fails(select(fd + 1, nowhere, NULL, NULL, NULL), EFAULT);
	must(close(open("f", O_RDONLY)));
}

static void closed_to_sockets(int fd)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "s"};
	struct sockaddr *to = (struct sockaddr *)&name;
	struct msghdr m = {0};
	socklen_t n = sizeof(int);
	int value = 0;

	fails(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &n), EBADF);
	fails(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, n), EBADF);
	n = sizeof(name);
	fails(getsockname(fd, to, &n), EBADF);
	fails(getpeername(fd, to, &n), EBADF);
	fails(bind(fd, to, sizeof(name)), EBADF);
	fails(connect(fd, to, sizeof(name)), EBADF);
	fails(listen(fd, 1), EBADF);
	fails(shutdown(fd, SHUT_RD), EBADF);
	fails(send(fd, "", 1, 0), EBADF);
	fails(recv(fd, &value, 1, 0), EBADF);
	fails(sendmsg(fd, &m, 0), EBADF);
	fails(recvmsg(fd, &m, 0), EBADF);
	fails(accept(fd, NULL, NULL), EBADF);
}

/* What is closed is closed to every call, and what the agent holds for itself is not there. */
static void closed_descriptors(void)
{
	int fd = new_file(), other = new_file_named("g"), e = (int)must(epoll_create1(0)), n;
	struct epoll_event ev = {.events = EPOLLIN};
	struct stat st;
	struct statfs sf;
	char buf[64];
	off_t at = 0;

	must(mkdir("d", 0700));
	must(close(fd));
	fails(read(fd, buf, 1), EBADF);
	fails(write(fd, buf, 1), EBADF);
	fails(pread(fd, buf, 1, 0), EBADF);
	fails(lseek(fd, 0, SEEK_SET), EBADF);
	fails(fstat(fd, &st), EBADF);
	fails(syscall(SYS_fstat, fd, &st), EBADF);
	fails(fstatfs(fd, &sf), EBADF);
	fails(fchmod(fd, 0600), EBADF);
	fails(fchown(fd, (uid_t)-1, (gid_t)-1), EBADF);
	fails(futimens(fd, NULL), EBADF);
	fails(fsync(fd), EBADF);
	fails(ftruncate(fd, 0), EBADF);
	fails(fchdir(fd), EBADF);
	fails(flock(fd, LOCK_SH), EBADF);
	fails(ioctl(fd, FIOCLEX), EBADF);
	fails(ioctl(fd, FIONREAD, &n), EBADF);
	fails(isatty(fd) - 1, EBADF);
	fails(fcntl(fd, F_GETFD), EBADF);
	fails(fcntl(fd, F_SETFD, 0), EBADF);
	fails(fcntl(fd, F_GETFL), EBADF);
	fails(dup(fd), EBADF);
	fails(dup2(fd, fd), EBADF);
	fails(dup2(fd, other), EBADF);
	fails(syscall(SYS_getdents64, fd, buf, sizeof(buf)), EBADF);
	fails(openat(fd, "f", O_RDONLY), EBADF);
	fails(fstatat(fd, "f", &st, 0), EBADF);
	fails(fgetxattr(fd, "user.x", buf, sizeof(buf)), EBADF);
	fails(sendfile(other, fd, &at, 1), EBADF);
	fails(copy_file_range(fd, NULL, other, NULL, 1, 0), EBADF);
	fails(copy_file_range(other, NULL, fd, NULL, 1, 0), EBADF);
	fails(epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev), EBADF);
	closed_to_waits(fd);
	closed_to_sockets(fd);
	fails((long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0), EBADF);
	must(openat(fd, "/", O_RDONLY)); /* from no directory */
	must(close(fd));
	for (int round = 0; round < 2; round++) {
		for (fd = e + 1; fd < 1024; fd++) /* shells keep some in between */
			if ((fstat(fd, &st) == 0 || fcntl(fd, F_GETFD) >= 0) && (fd < 10 || fd > 300))
				fail(__FILE__, __LINE__, "%d is open", fd);
		fd = new_file_named(round ? "i" : "h");
		must(close(fd));
		must(open("d", O_RDONLY) - fd); /* the lowest free number is taken again */
		must(close(fd));
	}
	must(close(eventfd(500, 0))); /* which is no descriptor, though it looks like one of the agent's */
}

/* Descriptors of the agent's own lie in these: whoever takes their numbers is refused, and breaks nothing. */
static void dup_over_hidden(void)
{
	int fd = new_file(), p[2], child, to;

	must(pipe(p));
	for (to = 490; to < 520; to++) {
		int got = dup2(p[0], to), err = errno;

		if (got != to)
			same(err, EBADF);
		else
			same(dup2(fd, to), to);
		if (got == to)
			must(close(to));
	}
	child = fork();
	if (child == 0) {
		same(write(fd, "child", 5), 5);
		_exit(0);
	}
	join(child);
	same(write(fd, "+", 1), 1);
	fd_holds(fd, "child+", 6);
}

/* A number that is free stays so where nothing comes there. */
static void dup_of_nothing(void)
{
	int fd = new_file(), other = (int)must(dup(fd));

	must(close(other));
	fails(dup2(999, other), EBADF);
	fails(fcntl(other, F_GETFD), EBADF);
	same(dup(fd), other);
	fails(dup2(999, fd), EBADF);
	same(write(other, "x", 1), 1);
	same(write(fd, "y", 1), 1);
	fd_holds(fd, "xy", 2);
}

static void seek_shared(void)
{
	int fd = new_file(), child;

	same(write(fd, "0123456789", 10), 10);
	child = fork();
	if (child == 0) {
		same(lseek(fd, 3, SEEK_SET), 3);
		_exit(0);
	}
	join(child);
	same(lseek(fd, 0, SEEK_CUR), 3);
	same(lseek(fd, -1, SEEK_END), 9);
	same(lseek(fd, 2, SEEK_DATA), 2);
	same(lseek(fd, 2, SEEK_HOLE), 10);
	fails(lseek(fd, 10, SEEK_DATA), ENXIO);
	fails(lseek(999, 0, SEEK_SET), EBADF);
}

static void flags_and_ioctls(void)
{
	int fd = new_file(), n = -1;

	same(write(fd, "abcdef", 6), 6);
	must(fcntl(fd, F_SETFL, O_APPEND));
	same(fcntl(fd, F_GETFL) & O_APPEND, O_APPEND);
	same(lseek(fd, 0, SEEK_SET), 0);
	same(write(fd, "g", 1), 1);
	fd_holds(fd, "abcdefg", 7);
	must(fcntl(fd, F_SETFL, 0));
	same(lseek(fd, 1, SEEK_SET), 1);
	same(write(fd, "B", 1), 1);
	fd_holds(fd, "aBcdefg", 7);
	must(ioctl(fd, FIONREAD, &n));
	same(n, 5);
	must(ioctl(fd, FIOCLEX));
	same(fcntl(fd, F_GETFD), FD_CLOEXEC);
	must(ioctl(fd, FIONCLEX));
	same(fcntl(fd, F_GETFD), 0);
	same(isatty(fd), 0);
	same(errno, ENOTTY);
	fails(ioctl(fd, FIONREAD, nowhere), EFAULT);
	is(ioctl(fd, 0x40049409 /* FICLONE */, fd) < 0);
}

/* A loop device on a file: what it reads is what was written. */
static void loops(void)
{
	struct loop_config c = {.block_size = 0};
	char dev[32], in[512] = "", out[512] = "read by a loop device";
	int fd = (int)must(open("disk", O_CREAT | O_RDWR, 0600)), control = open("/dev/loop-control", O_RDWR), loop;

	must(ftruncate(fd, 65536));
	same(pwrite(fd, out, sizeof out, 4096), sizeof out);
	for (int i = 0; control >= 0 && i < 2; i++) {
		snprintf(dev, sizeof dev, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
		loop = open(dev, O_RDWR);
		if (loop < 0)
			continue; /* none in a container */
		c.fd = (uint32_t)fd;
		must(i ? ioctl(loop, LOOP_CONFIGURE, &c) : ioctl(loop, LOOP_SET_FD, fd));
		same(pread(loop, in, sizeof in, 4096), sizeof in);
		must(ioctl(loop, LOOP_CLR_FD));
		close(loop);
		is(memcmp(in, out, sizeof in) == 0);
	}
	close(control);
}

/* A sandbox that allows what lies beneath one directory. */
static int beneath(int dir)
{
	struct landlock_ruleset_attr all = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE};
	struct landlock_path_beneath_attr rule = {LANDLOCK_ACCESS_FS_READ_FILE, dir};
	int set = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all, 0);

	if (set < 0)
		return 0; /* the kernel has none */
	if (syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
		return 1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_landlock_restrict_self, set, 0) != 0)
		return 2;
	return open("d/f", O_RDONLY) < 0 ? 3 : open("f", O_RDONLY) >= 0 || errno != EACCES ? 4 : 0;
}

/* Calls that name a descriptor elsewhere than in their first argument, or that are newer than most programs. */
static void named_in_passing(void)
{
	int dir, fd, status, pid;

	put("f", 0644, "x");
	must(mkdir("d", 0700));
	put("d/f", 0644, "x");
	dir = (int)must(open("d", O_RDONLY | O_DIRECTORY));
	if (syscall(452 /* fchmodat2 */, dir, "f", 0600, AT_SYMLINK_NOFOLLOW) != 0)
		same(errno, ENOSYS);
	else
		same(mode_of("d/f"), 0600);
	fd = (int)must(open("d/new", O_CREAT | O_RDWR, 0600));
	status = fcntl(fd, 1024 + 4 /* F_CREATED_QUERY */, 0);
	is(status == 1 || (status < 0 && errno == EINVAL));
	is(fcntl((int)must(open("d/new", O_CREAT | O_RDWR, 0600)), 1024 + 4, 0) <= 0);
	same(fcntl(fd, F_GETFL) & O_CREAT, 0);
	must(flock(fd, LOCK_EX)); /* the kernel's from here on */
	same(fcntl(fd, F_GETFL) & ~0100000 /* O_LARGEFILE */, O_RDWR);
	pid = (int)must(fork());
	if (pid == 0)
		_exit(beneath(dir));
	must(waitpid(pid, &status, 0));
	same(status, 0);
	if (geteuid() == 0)
		loops();
}

/* A process that tries to lock what another holds: 0 it could, 1 it could not. */
static int other_gets(const char *path, int how)
{
	int status, pid = fork();

	if (pid == 0) {
		int fd = open(path, O_RDWR);
		struct flock l = {.l_type = F_WRLCK};
		int ret = how == 0 ? flock(fd, LOCK_EX | LOCK_NB) : fcntl(fd, how, &l);

		_exit(fd < 0 ? 2 : ret < 0);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void locks_hold(void)
{
	int fd = new_file(), second;
	struct flock l = {.l_type = F_WRLCK};

	must(flock(fd, LOCK_EX));
	same(other_gets("f", 0), 1);
	same(write(fd, "x", 1), 1); /* and reading and writing go on */
	second = (int)must(dup(fd));
	must(close(fd));
	same(other_gets("f", 0), 1); /* the open file has it, not the descriptor */
	must(close(second));
	same(other_gets("f", 0), 0);

	fd = (int)must(open("f", O_RDWR));
	must(fcntl(fd, F_SETLK, &l));
	same(other_gets("f", F_SETLK), 1);
	second = (int)must(open("f", O_RDONLY));
	same(other_gets("f", F_SETLK), 1);
	must(close(second)); /* any descriptor of the file takes the process's locks with it */
	same(other_gets("f", F_SETLK), 0);

	must(fcntl(fd, F_OFD_SETLK, &l));
	second = (int)must(open("f", O_RDONLY));
	must(close(second));
	same(other_gets("f", F_OFD_SETLK), 1);
	must(close(fd));
	same(other_gets("f", F_OFD_SETLK), 0);
	fails(flock(999, LOCK_EX), EBADF);
}

/* However a descriptor of the file is closed, the process's locks go with it. */
static void locks_go(void)
{
	int fd = new_file(), null = (int)must(open("/dev/null", O_RDONLY)), other = new_file_named("g"), second;
	struct flock l = {.l_type = F_WRLCK};

	for (int how = 0; how < 3; how++) {
		must(fcntl(fd, F_SETLK, &l));
		second = (int)must(open("f", O_RDONLY | O_CLOEXEC));
		same(other_gets("f", F_SETLK), 1);
		if (how == 0)
			must(close_range((unsigned)second, (unsigned)second, 0));
		else
			must(dup2(how == 1 ? null : other, second));
		same(other_gets("f", F_SETLK), 0);
		close(second);
	}
}

/* Where a lock begins is the kernel's to say, by an offset and an end that are ours. */
static void locks_from_there(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_start = -2, .l_len = 1};
	int fd = new_file(), pid, status;

	same(write(fd, "0123456789", 10), 10);
	same(lseek(fd, 5, SEEK_SET), 5);
	must(fcntl(fd, F_SETLK, &l)); /* byte 3 */
	l.l_whence = SEEK_END;
	must(fcntl(fd, F_SETLK, &l)); /* byte 8 */
	must(ftruncate(fd, 20));
	must(fcntl(fd, F_SETLK, &l)); /* byte 18 */
	pid = (int)must(fork());
	for (int i = 0; pid == 0 && i < 20; i++) {
		struct flock is = {.l_type = F_WRLCK, .l_start = i, .l_len = 1};

		if (fcntl(fd, F_GETLK, &is) != 0 || (is.l_type != F_UNLCK) != (i == 3 || i == 8 || i == 18))
			_exit(1 + i);
	}
	if (pid == 0)
		_exit(0);
	must(waitpid(pid, &status, 0));
	same(WEXITSTATUS(status), 0);
}

/* A lease is broken by who opens the file, or is not to be had. */
static void leases(void)
{
	int fd = new_file(), other = (int)must(open("f", O_RDWR));

	is(fcntl(fd, F_SETLEASE, F_WRLCK) < 0 && (errno == EAGAIN || errno == EINVAL));
	must(close(other));
	signal(SIGIO, SIG_IGN);
	if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0) {
		fails(open("f", O_RDONLY | O_NONBLOCK), EWOULDBLOCK);
		must(fcntl(fd, F_SETLEASE, F_UNLCK));
	}
	must(close((int)must(open("f", O_RDONLY | O_NONBLOCK))));
}

static volatile sig_atomic_t notified;

static void notify(int sig)
{
	notified++;
}

/* The oldest way to watch a directory. */
static void notices(void)
{
	struct sigaction a = {.sa_handler = notify};
	int dir;

	must(mkdir("d", 0700));
	dir = (int)must(open("d", O_RDONLY | O_DIRECTORY));
	must(sigaction(SIGIO, &a, NULL));
	if (fcntl(dir, F_NOTIFY, DN_CREATE | DN_MULTISHOT) != 0) /* CONFIG_DNOTIFY */
		return;
	put("d/f", 0600, "x");
	same(notified, 1);
	must(fcntl(dir, F_NOTIFY, 0));
}

/* A child with a memory of its own, and its parent's table of descriptors. */
static void one_table(void)
{
	int kept = new_file(), fd = (int)must(open("g", O_CREAT | O_RDWR, 0600)), status, pid;
	char in[2] = "";

	same(write(kept, "xy", 2), 2);
	pid = (int)must(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
	if (pid == 0) {
		close(fd);
		_exit(open("f", O_RDWR) == fd && write(fd, "z", 1) == 1 ? 0 : 1);
	}
	must(waitpid(pid, &status, 0));
	same(WEXITSTATUS(status), 0);
	same(lseek(fd, 0, SEEK_CUR), 1);
	same(pread(fd, in, 2, 0), 2);
	is(memcmp(in, "zy", 2) == 0);
	must(close(fd));
	fails(close(fd), EBADF);
	must(close(kept));
}

/* A lock taken by a child in a descriptor that it has inherited is its parent's as well. */
static void lock_of_child(void)
{
	int fd = new_file(), pid = fork();

	if (pid == 0)
		_exit(flock(fd, LOCK_EX) < 0);
	join(pid);
	same(other_gets("f", 0), 1);
	must(close(fd));
	same(other_gets("f", 0), 0);
}

static void names_of_descriptors(void)
{
	int fd = new_file(), other;
	char path[64], buf[8] = "";

	same(write(fd, "0123456789", 10), 10);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path),
			 i == 0	  ? "/proc/self/fd/%d"
			 : i == 1 ? "/dev/fd/%d"
				  : "/proc/%d/fd/%d",
			 i == 2 ? getpid() : fd, fd);
		other = (int)must(open(path, O_RDONLY));
		same(lseek(other, 0, SEEK_CUR), 0); /* an open file of its own */
		same(read(other, buf, 2), 2);
		is(memcmp(buf, "01", 2) == 0);
		same(lseek(fd, 0, SEEK_CUR), 10);
		same(stat_fd(other).st_ino, stat_fd(fd).st_ino);
		must(close(other));
	}
	must(unlink("f"));
	other = (int)must(open(path, O_RDWR)); /* also of a file without a name */
	same(pread(other, buf, 3, 7), 3);
	is(memcmp(buf, "789", 3) == 0);
	must(close(other));
	fd = (int)must(open(".", O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d/new", fd);
	put(path, 0600, "in");
	holds("new", "in");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", 200);
	fails(open(path, O_RDONLY), ENOENT);
}

static void ready_always(void)
{
	int fd = new_file(), e = (int)must(epoll_create1(0));
	struct epoll_event ev = {.events = EPOLLIN};
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
	fd_set r, w;

	same(poll(&p, 1, 0), 1);
	same(p.revents & (POLLIN | POLLOUT), POLLIN | POLLOUT);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	same(select(fd + 1, &r, &w, NULL, NULL), 2);
	if (!on_fuse()) /* which lets a daemon say when it is ready */
		fails(epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev), EPERM);
	else if (epoll_ctl(e, EPOLL_CTL_ADD, fd, &ev) == 0)
		same(epoll_wait(e, &ev, 1, 0), 1);
	same(write(fd, "x", 1), 1);
}

static void send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec io = {&byte, 1};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	same(sendmsg(sock, &m, 0), 1);
}

static int receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec io = {&byte, 1};
	struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	int fd;

	same(recvmsg(sock, &m, 0), 1);
	is(CMSG_FIRSTHDR(&m));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void descriptors_travel(void)
{
	int s[2], fd = new_file(), pid;
	char buf[8] = "";

	same(write(fd, "0123456789", 10), 10);
	same(lseek(fd, 4, SEEK_SET), 4);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	pid = fork();
	if (pid == 0) {
		must(close(fd));
		fd = receive_fd(s[1]);
		same(read(fd, buf, 2), 2);
		_exit(memcmp(buf, "45", 2) != 0);
	}
	send_fd(s[0], fd);
	join(pid);
	same(read(fd, buf, 2), 2); /* one offset, there and here */
	is(memcmp(buf, "67", 2) == 0);
}

/* Somebody takes our descriptor: the right one, or none. */
static void taken_descriptor(void)
{
	int fd = new_file(), ready[2], pid, pidfd, got;
	char c = 0;

	same(write(fd, "right", 5), 5);
	must(pipe(ready));
	pid = fork();
	if (pid == 0) {
		fd = (int)must(open("f", O_RDONLY));
		same(write(ready[1], &fd, sizeof(fd)), sizeof(fd));
		pause();
	}
	same(read(ready[0], &got, sizeof(got)), sizeof(got));
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	got = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, got, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (got < 0)
		skip("no pidfd_getfd here");
	is(read(got, &c, 1) < 0 || c == 'r');
}

static void few_descriptors(void)
{
	int fd[200], n = 0, dir = (int)must(open(".", O_RDONLY));
	struct rlimit old, low;
	char *p;

	must(getrlimit(RLIMIT_NOFILE, &old));
	low = (struct rlimit){.rlim_cur = 12, .rlim_max = old.rlim_max};
	must(setrlimit(RLIMIT_NOFILE, &low));
	for (int round = 0; round < 3; round++) {
		for (n = 0; n < 200 && (fd[n] = open("f", O_CREAT | O_RDWR, 0600)) >= 0; n++)
			is(fd[n] < 12);
		same(errno, EMFILE);
		is(n > 3);
		same(write(fd[n - 1], "x", 1), 1);
		fails(dup(fd[0]), EMFILE);
		fails(fcntl(fd[0], F_DUPFD, 12), EINVAL);
		/* What the kernel has to know takes no number more. */
		must(flock(fd[n - 1], LOCK_SH));
		p = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd[n - 2], 0);
		is(p != MAP_FAILED && *p == 'x');
		must(munmap(p, 1));
		must(fchdir(dir));
		same(write(fd[n - 3], "x", 1), 1);
		while (n)
			must(close(fd[--n]));
	}
	must(setrlimit(RLIMIT_NOFILE, &old));
	holds("f", "x");
}

/* What a program that has inherited `fd` as its input reads from it. */
static void program_reads(int fd, const char *want)
{
	char *const args[] = {(char *)"cat", NULL};
	char got[16] = "";
	int end[2], pid;

	must(pipe(end));
	pid = fork();
	if (pid == 0) {
		must(dup2(fd, 0));
		must(dup2(end[1], 1));
		execvp(args[0], args);
		_exit(127);
	}
	must(close(end[1]));
	join(pid);
	same(read(end[0], got, sizeof(got)), strlen(want));
	is(strcmp(got, want) == 0);
	must(close(end[0]));
}

/* As many as the limit allows, which is more than an open file's number can be here. */
static void many_descriptors(void)
{
	enum { MOST = 20000, LIMIT = 65536 };
	static int fd[MOST];
	struct rlimit r;
	int a = new_file(), b, far, n, limit, beyond, beyond_that;
	char c;

	same(write(a, "0123456789", 10), 10);
	must(getrlimit(RLIMIT_NOFILE, &r));
	limit = r.rlim_max < LIMIT ? (int)r.rlim_max : LIMIT;
	if (limit < 18000)
		skip("not so many descriptors");
	r.rlim_cur = (rlim_t)limit;
	must(setrlimit(RLIMIT_NOFILE, &r));
	n = limit - 1000 < MOST ? limit - 1000 : MOST;
	beyond = limit == LIMIT ? 30000 : limit - 500;
	beyond_that = limit == LIMIT ? 40000 : limit - 200;
	for (int i = 0; i < n; i++) {
		fd[i] = (int)must(open("f", (i % 2 ? O_RDONLY : O_RDWR | O_CREAT) | O_CLOEXEC, 0600));
		is(fd[i] > (i ? fd[i - 1] : a));
	}
	for (int i = 0; i < n; i++) {
		same(pread(fd[i], &c, 1, i % 10), 1);
		same(c, '0' + i % 10);
	}
	b = (int)must(openat(AT_FDCWD, "g", O_CREAT | O_EXCL | O_RDWR, 0600));
	same(write(b, "g", 1), 1);
	holds("g", "g");
	/* The offset is one, whatever the numbers. */
	b = (int)must(dup(fd[0]));
	is(b > fd[n - 1]);
	far = (int)must(fcntl(fd[1], F_DUPFD, beyond));
	is(far >= beyond);
	same(dup2(fd[2], beyond_that), beyond_that);
	for (int i = 0; i < 3; i++) {
		const int other[] = {b, far, beyond_that};

		same(read(fd[i], &c, 1), 1);
		same(read(other[i], &c, 1), 1);
		same(c, '1');
		same(lseek(fd[i], 0, SEEK_CUR), 2);
	}
	same(fcntl(beyond_that, F_GETFD), 0);
	same(fcntl(fcntl(fd[3], F_DUPFD_CLOEXEC, beyond), F_GETFD), FD_CLOEXEC);
	same(dup3(far, fd[4], O_CLOEXEC), fd[4]); /* and down again */
	same(read(fd[4], &c, 1), 1);
	same(c, '2');
	fails(dup2(fd[5], limit), EBADF);
	fails(fcntl(fd[5], F_DUPFD, limit), EINVAL);
	fails(dup2(fd[5], -1), EBADF);
	program_reads(beyond_that, "23456789");
	program_reads(fd[n - 1], "0123456789");
	program_reads(fd[5], "0123456789");
	must(close_range((unsigned)a + 1, ~0u, 0));
	fails(fcntl(fd[0], F_GETFD), EBADF);
	fails(fcntl(fd[n - 1], F_GETFD), EBADF);
	fails(fcntl(beyond_that, F_GETFD), EBADF);
	same(dup(a), a + 1);
	same(pread(a + 1, &c, 1, 7), 1);
	same(c, '7');
}

static int too_large;

static void count_xfsz(int sig)
{
	too_large++;
}

static void largest_file(void)
{
	const struct rlimit low = {.rlim_cur = 1000, .rlim_max = RLIM_INFINITY};
	static char buf[2000];
	int fd = new_file();

	signal(SIGXFSZ, count_xfsz);
	must(setrlimit(RLIMIT_FSIZE, &low));
	same(write(fd, buf, sizeof(buf)), 1000);
	fails(write(fd, buf, 1), EFBIG);
	same(too_large, 1);
	fails(ftruncate(fd, 1001), EFBIG);
	same(too_large, 2);
	same(pwrite(fd, "x", 1, 10), 1);
	same(stat_of("f").st_size, 1000);
}

/* As an ordinary user is, whom permissions hold for. */
static void without_override(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2];

	must(syscall(SYS_capget, &h, d));
	d[0].effective &= ~(1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH);
	must(syscall(SYS_capset, &h, d));
}

static struct stat of_open(int fd)
{
	struct stat st;

	must(fstat(fd, &st));
	return st;
}

static void known_to_kernel(const char *name, int fd)
{
	char *m;

	fails(open(name, O_RDWR), EACCES);
	must(flock(fd, LOCK_EX | LOCK_NB));
	same(pwrite(fd, "a", 1, 4095), 1);
	m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	is(m != MAP_FAILED);
	same(m[4095], 'a');
	m[0] = 'b';
	same(pread(fd, (char[1]){0}, 1, 0), 1);
	must(munmap(m, 4096));
	same(of_open(fd).st_size, 4096);
}

/* What is open stays so, whatever becomes of permissions: also where the kernel has to open it once more. */
static void open_whatever_the_mode(void)
{
	char path[32], line[64];
	int fd, in = (int)must(open("/proc/self/exe", O_RDONLY)), pid;

	without_override();
	fd = (int)must(open("f", O_RDWR | O_CREAT, 0400));
	known_to_kernel("f", fd);
	fd = (int)must(open("g", O_RDWR | O_CREAT, 0600));
	must(chmod("g", 0));
	known_to_kernel("g", fd);
	same(of_open(fd).st_mode & 07777, 0);
	same(stat_of("g").st_mode & 07777, 0);
	fails(open("g", O_RDONLY), EACCES);
	fd = (int)must(open("h", O_WRONLY | O_CREAT | O_EXCL, 0444));
	same(sendfile(fd, in, NULL, 100), 100); /* from another file system */
	same(sendfile(fd, in, NULL, 50), 50);
	same(stat_of("h").st_size, 150);
	fd = (int)must(open("i", O_WRONLY | O_CREAT | O_APPEND, 0444));
	snprintf(line, sizeof(line), "echo text >&%d", fd);
	for (int i = 0; i < 2; i++) {
		pid = (int)must(fork());
		if (pid == 0)
			execl("/bin/sh", "sh", "-c", line, NULL);
		same(waitpid(pid, NULL, 0), pid);
		same(write(fd, "more\n", 5), 5);
	}
	holds("i", "text\nmore\ntext\nmore\n");
	fd = (int)must(open("j", O_RDWR | O_CREAT, 0));
	must(unlink("j"));
	must(flock(fd, LOCK_EX));
	must(ftruncate(fd, 10));
	same(of_open(fd).st_size, 10);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fails(open(path, O_RDWR), EACCES);
}

/* Where nobody gets to any more from above, one goes on below. */
static void closed_above(void)
{
	int d, e, f;

	without_override();
	must(mkdir("n", 0700));
	must(mkdir("n/d", 0700));
	must(chdir("n/d"));
	must(chmod("..", 0));
	d = (int)must(open(".", O_RDONLY | O_DIRECTORY));
	must(mkdir("a", 0700));
	must(mkdir("a/b", 0700));
	e = (int)must(open("a", O_RDONLY | O_DIRECTORY));
	f = (int)must(openat(e, "b", O_RDONLY | O_DIRECTORY));
	must(flock(d, LOCK_SH));
	must(fchdir(e));
	must(mkdir("c", 0700));
	must(fchdir(f));
	same(stat_of("../c").st_mode & 07777, 0700);
	must(chdir("../.."));
	must(flock(f, LOCK_EX));
	must(chmod("..", 0700));
}

const struct check fd_traps[] = {{"open_ways", open_ways},
				 {"close_ranges", close_ranges},
				 {"thread_of_its_own", thread_of_its_own},
				 {"dup_shuffles", dup_shuffles},
				 {"closed_descriptors", closed_descriptors},
				 {"dup_over_hidden", dup_over_hidden},
				 {"dup_of_nothing", dup_of_nothing},
				 {"seek_shared", seek_shared},
				 {"flags_and_ioctls", flags_and_ioctls},
				 {"named_in_passing", named_in_passing},
				 {"locks_hold", locks_hold},
				 {"locks_go", locks_go},
				 {"locks_from_there", locks_from_there},
				 {"leases", leases},
				 {"notices", notices},
				 {"one_table", one_table},
				 {"lock_of_child", lock_of_child},
				 {"names_of_descriptors", names_of_descriptors},
				 {"ready_always", ready_always},
				 {"descriptors_travel", descriptors_travel},
				 {"taken_descriptor", taken_descriptor},
				 {"few_descriptors", few_descriptors},
				 {"many_descriptors", many_descriptors},
				 {"largest_file", largest_file},
				 {"open_whatever_the_mode", open_whatever_the_mode},
				 {"closed_above", closed_above},
				 {NULL, NULL}};
