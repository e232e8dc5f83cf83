/* Rows about processes: signals, where a process is and who it is, sandboxes, its end. */
#include "posix.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>

extern char **environ;

/* ---- Signals -------------------------------------------------------------------------- */

static int handled, handler_failed;

static void use_files(int sig)
{
	int old = errno, fd = open("from-handler", O_CREAT | O_WRONLY | O_TRUNC, 0600);
	struct stat st;

	handled++;
	if (fd < 0 || write(fd, "h", 1) != 1 || close(fd) != 0 || stat("from-handler", &st) != 0)
		handler_failed++;
	errno = old;
}

static void timer_at_1khz(void)
{
	const struct itimerval fast = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = use_files, .sa_flags = SA_RESTART};
	char buf[4096];
	int fd = new_file();

	memset(buf, 'b', sizeof(buf));
	must(sigaction(SIGALRM, &sa, NULL));
	must(setitimer(ITIMER_REAL, &fast, NULL));
	for (int i = 0; handled < 300; i++) {
		char name[32];

		snprintf(name, sizeof(name), "n%d", i % 50);
		same(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
		must(close((int)must(open(name, O_CREAT | O_RDWR, 0600))));
		must(unlink(name));
	}
	must(setitimer(ITIMER_REAL, &off, NULL));
	same(handler_failed, 0);
	holds("from-handler", "h");
}

/* All that a call with a path can want of the thread: both its paths, a symlink's target, an attribute, a real file. */
static void name_and_open(int sig)
{
	const struct itimerval again = {.it_value = {0, 500}};
	int old = errno, fd = open("from-handler", O_CREAT | O_RDWR, 0600);

	handled++;
	if (fd < 0 || flock(fd, LOCK_SH) != 0 || close(fd) != 0 || rename("from-handler", "from-a-handler") != 0 ||
	    symlink("what-the-handler-says", "symlink-of-handler") != 0 || unlink("symlink-of-handler") != 0 ||
	    setxattr("from-a-handler", "user.handler", "handler", 7, 0) != 0 || unlink("from-a-handler") != 0)
		handler_failed++;
	setitimer(ITIMER_REAL, &again, NULL);
	errno = old;
}

static const char *by_entry(char *to, size_t size, const char *name)
{
	int fd = (int)must(open("d", O_RDONLY | O_DIRECTORY));

	is(dup2(fd, 50) == 50 && close(fd) == 0);
	snprintf(to, size, "/proc/self/fd/50/%s", name);
	return to;
}

/*
 * A path through the entry of a descriptor has its file made real in the middle of the call: no handler
 * may run there that uses what the call has noted down.
 */
static void handlers_name_files(void)
{
	const struct itimerval first = {.it_value = {0, 500}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = name_and_open, .sa_flags = SA_RESTART};
	char path[64], got[64];

	must(mkdir("d", 0700));
	put("f", 0600, "x");
	put("d/x", 0600, "x");
	must(sigaction(SIGALRM, &sa, NULL));
	must(setitimer(ITIMER_REAL, &first, NULL));
	for (int i = 0; i < 200 || handled < 300; i++) {
		must(symlink("what-main-says", by_entry(path, sizeof(path), "l")));
		same(readlink("d/l", got, sizeof(got)), 14);
		is(memcmp(got, "what-main-says", 14) == 0);
		must(unlink(by_entry(path, sizeof(path), "l")));
		must(rename("f", by_entry(path, sizeof(path), "g")));
		must(rename(by_entry(path, sizeof(path), "g"), "f"));
		must(link("f", by_entry(path, sizeof(path), "h")));
		must(unlink("d/h"));
		must(setxattr(by_entry(path, sizeof(path), "x"), "user.main", "main", 4, 0));
		same(getxattr(by_entry(path, sizeof(path), "x"), "user.main", got, sizeof(got)), 4);
		is(memcmp(got, "main", 4) == 0);
		must(removexattr("d/x", "user.main"));
	}
	signal(SIGALRM, SIG_IGN);
	must(setitimer(ITIMER_REAL, &off, NULL));
	same(handler_failed, 0);
	same(count_names("d"), 1);
	same(count_names("."), 2);
}

static char other_dir[4096];

static void go_elsewhere(int sig)
{
	const struct itimerval again = {.it_value = {0, 50 + handled % 300}};
	int old = errno;

	handled++;
	umask(handled % 2 ? 077 : 027);
	if (chdir(other_dir) != 0)
		handler_failed++;
	setitimer(ITIMER_REAL, &again, NULL);
	errno = old;
}

/* As the kernel knows it. */
static mode_t umask_of_kernel(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	unsigned mask = 0;

	is(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "Umask: %o", &mask) != 1)
		;
	fclose(f);
	return (mode_t)mask;
}

/* A handler changes what the call that it interrupts changes: whoever was last, everybody believes the same. */
static void handlers_move_about(void)
{
	const struct itimerval first = {.it_value = {0, 500}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = go_elsewhere, .sa_flags = SA_RESTART};
	char here[4096], now[4096], link[4096];
	sigset_t alarm;

	is(getcwd(here, sizeof(here) - 8));
	snprintf(other_dir, sizeof(other_dir), "%.4000s/b", here);
	strcat(here, "/a");
	must(mkdir("a", 0700));
	must(mkdir("b", 0700));
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	must(sigaction(SIGALRM, &sa, NULL));
	must(setitimer(ITIMER_REAL, &first, NULL));
	for (int i = 0; handled < 500 && i < 100000; i++) {
		ssize_t n;

		for (int k = 0; k < 20; k++) {
			must(chdir(here));
			umask(0);
		}
		sigprocmask(SIG_BLOCK, &alarm, NULL);
		is(getcwd(now, sizeof(now)));
		n = must(readlink("/proc/self/cwd", link, sizeof(link) - 1));
		link[n] = '\0';
		is(strcmp(now, link) == 0);
		must(close((int)must(open("new", O_CREAT | O_EXCL | O_RDWR, 0666))));
		same(mode_of("new"), 0666 & ~umask_of_kernel());
		must(unlink("new"));
		sigprocmask(SIG_UNBLOCK, &alarm, NULL);
	}
	signal(SIGALRM, SIG_IGN);
	must(setitimer(ITIMER_REAL, &off, NULL));
	same(handler_failed, 0);
}

static sigjmp_buf back;

static void jump(int sig)
{
	siglongjmp(back, 1);
}

static void jumps_out(void)
{
	const struct itimerval fast = {{0, 500}, {0, 500}}, off = {{0, 0}, {0, 0}};
	static volatile int jumps;
	char buf[4096] = "";
	int fd = new_file();

	signal(SIGALRM, jump);
	must(setitimer(ITIMER_REAL, &fast, NULL));
	if (sigsetjmp(back, 1))
		jumps++;
	while (jumps < 300) {
		if (pwrite(fd, buf, sizeof(buf), 0) != sizeof(buf) || access("f", F_OK) != 0)
			fail(__FILE__, __LINE__, "after %d jumps: %s", jumps, strerror(errno));
		if (mkdir("d", 0700) == 0 || errno == EEXIST)
			rmdir("d");
	}
	signal(SIGALRM, SIG_IGN);
	must(setitimer(ITIMER_REAL, &off, NULL));
	rmdir("d");
	same(pwrite(fd, "x", 1, 0), 1);
}

static void *work_for_ever(void *arg)
{
	char buf[64] = "";
	int fd = open("t", O_CREAT | O_RDWR, 0600);

	for (;;)
		if (pwrite(fd, buf, sizeof(buf), 0) < 0)
			return arg;
}

static void cancelled(void)
{
	pthread_t t;
	void *ret;

	for (int i = 0; i < 50; i++) {
		same(pthread_create(&t, NULL, work_for_ever, &handled), 0);
		usleep(500);
		same(pthread_cancel(t), 0);
		same(pthread_join(t, &ret), 0);
		is(ret == PTHREAD_CANCELED);
	}
	same(stat_of("t").st_size, 64);
	put("after", 0600, "x");
}

static void stopped_and_killed(void)
{
	int pid = fork();
	char buf[64] = "";

	if (pid == 0) {
		int fd = open("f", O_CREAT | O_RDWR | O_APPEND, 0600);

		flock(fd, LOCK_EX);
		for (;;)
			if (write(fd, buf, sizeof(buf)) < 0)
				_exit(1);
	}
	for (int i = 0; i < 20; i++) {
		usleep(2000);
		must(kill(pid, SIGSTOP));
		must(kill(pid, SIGCONT));
	}
	usleep(2000);
	must(kill(pid, SIGKILL));
	same(waitpid(pid, NULL, 0), pid);
	same(stat_of("f").st_size % 64, 0);
	must(flock((int)must(open("f", O_RDWR)), LOCK_EX | LOCK_NB)); /* its locks are gone */
}

/* ---- Where and who --------------------------------------------------------------------- */

static void where_it_is(void)
{
	char before[4096], now[4200], want[4200];
	int up = (int)must(open(".", O_RDONLY));

	is(getcwd(before, sizeof(before)));
	must(mkdir("d", 0700));
	must(mkdir("d/e", 0700));
	must(chdir("d/e"));
	put("here", 0600, "x");
	must(renameat(up, "d", up, "moved"));
	snprintf(want, sizeof(want), "%s/moved/e", before);
	is(getcwd(now, sizeof(now)));
	is(strcmp(now, want) == 0);
	fails(syscall(SYS_getcwd, now, 3), ERANGE);
	holds("here", "x");
	must(chdir(".."));
	is(exists("e/here"));
	must(fchdir(up));
	is(exists("moved/e/here"));
	same(system("cd moved && [ -e e/here ] && [ \"$(pwd -P)\" = \"$(cd . && pwd -P)\" ]"), 0);
	must(mkdir("gone", 0700));
	must(chdir("gone"));
	must(rmdir("../gone"));
	fails(syscall(SYS_getcwd, now, sizeof(now)), ENOENT);
	fails(open("new", O_CREAT | O_RDWR, 0600), ENOENT);
	same(stat_of(".").st_nlink, 0);
	is(exists("../moved"));
	must(chdir("/"));
	is(exists(want));
	fails(chdir("none"), ENOENT);
	fails(chdir(strcat(want, "/here")), ENOTDIR);
}

/* What was above a removed directory is removed as well, and made again under another name, with its number perhaps. */
static void removed_above(void)
{
	int here = (int)must(open(".", O_RDONLY)), b;

	for (int i = 0; i < 20; i++) {
		must(mkdir("a", 0700));
		must(mkdir("a/b", 0700));
		b = (int)must(open("a/b", O_RDONLY));
		must(rmdir("a/b"));
		must(rmdir("a"));
		must(mkdir("c", 0700));
		fails(openat(b, "../new", O_CREAT | O_WRONLY, 0600), ENOENT);
		fails(mkdirat(b, "../new", 0700), ENOENT);
		same(count_names("c"), 0);
		must(fchdir(b));
		fails(open("../new", O_CREAT | O_WRONLY, 0600), ENOENT);
		must(fchdir(here));
		same(count_names("c"), 0);
		must(close(b));
		must(rmdir("c"));
	}
}

static void *goes_away(void *arg)
{
	if (unshare(CLONE_FS) < 0)
		return NULL;
	umask(077);
	if (chdir("d") < 0 || access("in", F_OK) < 0)
		return arg;
	close(open("made", O_CREAT | O_WRONLY, 0666));
	return NULL;
}

static void thread_elsewhere(void)
{
	pthread_t t;
	void *bad;

	must(mkdir("d", 0700));
	put("d/in", 0600, "x");
	umask(0);
	same(pthread_create(&t, NULL, goes_away, &handled), 0);
	same(pthread_join(t, &bad), 0);
	is(!bad);
	is(exists("d/in"));
	put("x", 0666, "x");
	same(mode_of("d/made"), 0600);
	must(close((int)must(open("y", O_CREAT | O_WRONLY, 0666))));
	same(mode_of("y"), 0666);
}

static void another_root(void)
{
	int pid;

	need_root();
	must(mkdir("root", 0755));
	must(mkdir("root/etc", 0755));
	put("root/etc/passwd", 0644, "inside");
	pid = fork();
	if (pid == 0) {
		char here[4096];

		is(getcwd(here, sizeof(here)));
		must(chroot("root"));
		must(chdir("/"));
		holds("/etc/passwd", "inside");
		is(!exists(here)); /* what was a path of the mount is none here */
		put("/made", 0600, "x");
		_exit(0);
	}
	join(pid);
	holds("root/made", "x");
}

/* As a container's start has it: the old root is gone, and with it every path; what is open stays. */
static void pivoted(void)
{
	int pid, fd;

	need_root();
	must(mkdir("root", 0755));
	fd = new_file();
	pid = fork();
	if (pid == 0) {
		char here[4096];
		int dir = (int)must(open(".", O_RDONLY));

		is(getcwd(here, sizeof(here)));
		must(unshare(CLONE_NEWNS));
		must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
		must(mount("root", "root", NULL, MS_BIND, NULL));
		must(chdir("root"));
		must(syscall(SYS_pivot_root, ".", "."));
		must(umount2(".", MNT_DETACH));
		must(chdir("/"));
		is(!exists(here));
		put("/made", 0600, "x");
		same(write(fd, "after", 5), 5);
		must(mkdirat(dir, "beside", 0700));
		same(count_names("/"), 1);
		_exit(0);
	}
	join(pid);
	holds("root/made", "x");
	holds("f", "after");
	is(exists("beside"));
}

static void *waits(void *arg)
{
	pause();
	return NULL;
}

/* libc changes all threads, by calls that are not made in the usual place. */
static void changes_user(void)
{
	pthread_t t;
	int pid;

	need_root();
	put("mine", 0600, "x");
	must(chmod(".", 0755));
	same(access("mine", R_OK), 0);
	pid = fork();
	if (pid == 0) {
		same(pthread_create(&t, NULL, waits, NULL), 0);
		must(setgid(65534));
		must(setuid(65534));
		fails(open("mine", O_RDONLY), EACCES);
		fails(access("mine", R_OK), EACCES);
		fails(unlink("mine"), EACCES);
		fails(chmod("mine", 0666), EPERM);
		_exit(0);
	}
	join(pid);
	/* And by the effective id alone. */
	must(seteuid(65534));
	fails(open("mine", O_RDONLY), EACCES);
	same(access("mine", R_OK), 0); /* the real one */
	fails(faccessat(AT_FDCWD, "mine", R_OK, AT_EACCESS), EACCES);
	must(seteuid(0));
	holds("mine", "x");
}

/* ---- Sandboxes, limits, the end ------------------------------------------------------------ */

static void strict_sandbox(void)
{
	int status, pid = fork();

	if (pid == 0) {
		int fd = new_file();

		if (write(fd, "before ", 7) != 7 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) < 0)
			_exit(1);
		syscall(SYS_exit, write(fd, "after", 5) != 5);
	}
	same(waitpid(pid, &status, 0), pid);
	same(status, 0);
	holds("f", "before after");
}

/* A filter that lets through what a program that has opened its files needs, and kills for anything else. */
static void filtered_sandbox(void)
{
	struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 5, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 4, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 3, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 2, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
				  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
				  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog prog = {sizeof(f) / sizeof(f[0]), f};
	int status, pid = fork();

	if (pid == 0) {
		int fd = new_file();
		struct stat st;

		if (write(fd, "before ", 7) != 7 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) < 0)
			_exit(1);
		_exit(write(fd, "after", 5) != 5 || fstat(fd, &st) != 0 || st.st_size != 12 || stat("f", &st) != 0);
	}
	same(waitpid(pid, &status, 0), pid);
	same(status, 0);
	holds("f", "before after");
}

static void *one_call(void *arg)
{
	return access("f", F_OK) == 0 ? NULL : arg;
}

/* A filter that has calls fail: they fail on the mount as well, in threads and children too; all others go on. */
static void erring_sandbox(void)
{
	struct sock_filter f[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 3, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 2, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 2, 0),
				  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
				  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
				  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSPC)};
	struct sock_fprog prog = {sizeof(f) / sizeof(f[0]), f};
	int pid = fork();

	if (pid == 0) {
		int fd = new_file();
		pthread_t t;
		void *bad;

		same(write(fd, "before ", 7), 7);
		must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog));
		same(write(fd, "after", 5), 5);
		fails(open("f", O_RDONLY), EPERM);
		fails(open("new", O_CREAT | O_WRONLY, 0600), EPERM);
		fails(mkdir("d", 0700), ENOSPC);
		must(rename("f", "g"));
		same(stat_of("g").st_size, 12);
		same(pthread_create(&t, NULL, one_call, &fd), 0);
		same(pthread_join(t, &bad), 0);
		is(bad); /* there is no `f` any more */
		pid = fork();
		if (pid == 0) {
			fails(open("g", O_RDONLY), EPERM);
			same(write(fd, "!", 1), 1);
			_exit(0);
		}
		join(pid);
		close(STDERR_FILENO);
		is(system("true") != 0); /* libraries cannot be opened */
		_exit(0);
	}
	join(pid);
	holds("g", "before after!");
}

/* Calls sent back as signals: the agent would take some of them away, and have its own sent back. So there is no such
 * thing, as in older kernels, and the program goes on without. */
static void dispatched(void)
{
	static char selector; /* SYSCALL_DISPATCH_FILTER_ALLOW */

	if (prctl(59 /* PR_SET_SYSCALL_USER_DISPATCH */, 1, 0, 0, &selector) == 0) {
		is(!getenv("TRAPS_HOOKED"));
		must(prctl(59, 0, 0, 0, 0));
	} else {
		same(errno, EINVAL);
	}
	put("f", 0600, "x");
	holds("f", "x");
}

static void little_memory(void)
{
	int pid = fork();

	if (pid == 0) {
		const struct rlimit none = {0, 0};
		int fd;

		must(setrlimit(RLIMIT_AS, &none));
		fd = (int)must(open("f", O_CREAT | O_RDWR, 0600));
		same(write(fd, "x", 1), 1);
		must(mkdir("d", 0700));
		_exit(0);
	}
	join(pid);
	holds("f", "x");
	is(exists("d"));
}

/* A program that has no room for an agent beside itself works on what it has inherited. */
static void little_room_for_others(void)
{
	same(system("{ echo one; (ulimit -v 200000 && exec /bin/echo two); (ulimit -v 200000; echo three); } >f"), 0);
	holds("f", "one\ntwo\nthree\n");
	same(system("(ulimit -v 200000; exec cat) <f >g"), 0);
	holds("g", "one\ntwo\nthree\n");
}

/* What a process may have least of: files are worked on as before, and where something is short that is said. */
static void with_little(int resource)
{
	const struct rlimit none = {0, 0};
	char *const args[] = {(char *)"true", NULL};
	pthread_t t;
	pid_t pid;
	int fd, ret;
	void *bad = NULL;

	must(setrlimit((__rlimit_resource_t)resource, &none));
	fd = (int)must(open("f", O_CREAT | O_RDWR, 0600));
	same(write(fd, "x", 1), 1);
	must(rename("f", "g"));
	must(rename("g", "f"));
	same(flock(fd, LOCK_EX), 0); /* by a real descriptor */
	fails(rmdir("none"), ENOENT);
	ret = pthread_create(&t, NULL, one_call, &fd);
	if (ret == 0)
		same(pthread_join(t, &bad), 0);
	else
		same(ret, EAGAIN);
	is(!bad);
	pid = fork();
	if (pid == 0)
		_exit(pwrite(fd, "y", 1, 0) != 1);
	if (pid < 0)
		is(errno == EAGAIN || errno == ENOMEM);
	else
		join(pid);
	ret = posix_spawn(&pid, "/bin/true", NULL, NULL, args, environ);
	if (ret == 0)
		waitpid(pid, NULL, 0); /* it may be killed for want of what there is none of */
	else
		is(ret == EAGAIN || ret == ENOMEM);
	must(close(fd));
}

static void limits_at_minimum(void)
{
	static const int all[] = {RLIMIT_AS,	RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK,
				  RLIMIT_NPROC, RLIMIT_CORE, RLIMIT_LOCKS, RLIMIT_SIGPENDING};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int pid = fork();

		if (pid == 0) {
			with_little(all[i]);
			_exit(0);
		}
		join(pid);
		is(exists("f"));
		must(unlink("f"));
	}
}

static void ends_at_once(void)
{
	int pid = fork();

	if (pid == 0) {
		int fd = new_file();

		if (write(fd, "done", 4) == 4)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	holds("f", "done");
	must(unlink("f"));
	for (int i = 0; i < 100; i++) {
		pid = fork();
		if (pid == 0) {
			new_file();
			unlink("f");
			_exit(0);
		}
		join(pid);
	}
	same(count_names("."), 0);
}

const struct check process_traps[] = {{"timer_at_1khz", timer_at_1khz},
				      {"handlers_name_files", handlers_name_files},
				      {"handlers_move_about", handlers_move_about},
				      {"jumps_out", jumps_out},
				      {"cancelled", cancelled},
				      {"stopped_and_killed", stopped_and_killed},
				      {"where_it_is", where_it_is},
				      {"removed_above", removed_above},
				      {"thread_elsewhere", thread_elsewhere},
				      {"another_root", another_root},
				      {"pivoted", pivoted},
				      {"changes_user", changes_user},
				      {"strict_sandbox", strict_sandbox},
				      {"filtered_sandbox", filtered_sandbox},
				      {"erring_sandbox", erring_sandbox},
				      {"dispatched", dispatched},
				      {"little_memory", little_memory},
				      {"little_room_for_others", little_room_for_others},
				      {"limits_at_minimum", limits_at_minimum},
				      {"ends_at_once", ends_at_once},
				      {NULL, NULL}};
