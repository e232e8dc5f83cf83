/* Rows about what is shared or named in unusual ways: groups, places, entries of descriptors, pages that others fetch.
 */
#include "posix.h"

#include <grp.h>
#include <linux/stat.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

extern char **environ;

/* ---- Who ----------------------------------------------------------------------------- */

/* A member of more groups than anybody thought of has the rights of each. */
static void many_groups(void)
{
	gid_t all[200];
	int pid;

	need_root();
	must(chmod(".", 0755));
	put("theirs", 0640, "x");
	must(chown("theirs", 0, 5180));
	for (unsigned i = 0; i < 200; i++)
		all[i] = 5000 + i;
	pid = (int)must(fork());
	if (pid == 0) {
		must(setgroups(200, all));
		must(setresgid(5000, 5000, 5000));
		must(setresuid(1000, 1000, 1000));
		holds("theirs", "x");
		must(access("theirs", R_OK));
		fails(open("theirs", O_WRONLY), EACCES);
		_exit(0);
	}
	join(pid);
	must(setgroups(200, all));
	must(setgroups(1, all));
	must(seteuid(1000));
	fails(open("theirs", O_RDONLY), EACCES);
	must(seteuid(0));
}

/* ---- A place in common ------------------------------------------------------------------ */

static int goes_into_d(void *arg)
{
	umask(077);
	return chdir("d") != 0;
}

static char stack[65536] __attribute__((aligned(16)));

static void is_in_d(void)
{
	struct stat st;

	must(close((int)must(open("made", O_CREAT | O_WRONLY, 0666))));
	must(stat("../d/made", &st));
	same(st.st_mode & 07777, 0600);
	must(chdir(".."));
	must(unlink("d/made"));
	umask(0);
}

/* One directory and umask for two processes, with a memory each or with one. */
static void place_in_common(void)
{
	int pid;

	must(mkdir("d", 0700));
	umask(0);
	pid = (int)must(syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0));
	if (pid == 0)
		_exit(goes_into_d(NULL));
	join(pid);
	is_in_d();
	pid = (int)must(clone(goes_into_d, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FS | SIGCHLD, NULL));
	join(pid);
	is_in_d();
}

static int gone;

static int is_a_thread(void *arg)
{
	int bad = goes_into_d(arg) || access("../d", F_OK) != 0;

	__atomic_store_n(&gone, bad ? 2 : 1, __ATOMIC_RELEASE);
	syscall(SYS_exit, 0);
	return 0;
}

/* A thread that has all in common with the others but where it is. */
static void place_apart(void)
{
	int here = (int)must(open(".", O_RDONLY | O_DIRECTORY));

	must(mkdir("d", 0700));
	umask(0);
	must(clone(is_a_thread, stack + sizeof(stack), CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL));
	while (!__atomic_load_n(&gone, __ATOMIC_ACQUIRE))
		usleep(100);
	same(gone, 1);
	must(close((int)must(open("f", O_CREAT | O_WRONLY, 0666))));
	must(faccessat(here, "f", F_OK, 0));
	same(mode_of("f"), 0666);
}

/*
 * A directory is removed and made again while somebody goes into it: wherever that one is then, all of its calls
 * believe the same.
 */
static void place_made_anew(void)
{
	int up = (int)must(open(".", O_RDONLY | O_DIRECTORY)), pid[3], in = 0;
	struct stat here, there;

	for (int i = 0; i < 3; i++) {
		pid[i] = (int)must(fork());
		while (pid[i] == 0)
			if ((mkdir("d", 0700) != 0 && errno != EEXIST) || (rmdir("d") != 0 && errno != ENOENT))
				_exit(1);
	}
	for (int i = 0; in < 1000 && i < 1000000; i++) {
		if (chdir("d") != 0) {
			same(errno, ENOENT);
			continue;
		}
		in++;
		must(stat("/proc/self/cwd", &there));
		must(stat(".", &here));
		same(here.st_ino, there.st_ino);
		must(chdir(".."));
		must(stat(".", &here));
		must(fstat(up, &there));
		same(here.st_ino, there.st_ino);
	}
	is(in > 100);
	for (int i = 0; i < 3; i++) {
		must(kill(pid[i], SIGKILL));
		same(waitpid(pid[i], NULL, 0), pid[i]);
	}
	(void)!rmdir("d");
}

/* ---- Entries of descriptors, where the kernel walks ------------------------------------------ */

static const char *entry(char *to, size_t size, const char *dir, const char *rest)
{
	snprintf(to, size, "/proc/self/fd/%d%s", (int)must(open(dir, O_RDONLY | O_CLOEXEC)), rest);
	return to;
}

static struct sockaddr_un socket_in(const char *dir, const char *name)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	entry(un.sun_path, sizeof(un.sun_path), dir, name);
	return un;
}

/* The way to sockets whose path is longer than their name may be. */
static void sockets_by_entry(void)
{
	int server = (int)must(socket(AF_UNIX, SOCK_STREAM, 0)), in = (int)must(socket(AF_UNIX, SOCK_DGRAM, 0)), out;
	struct iovec one = {(char *)"x", 1};
	struct sockaddr_un un;
	struct mmsghdr m = {.msg_hdr = {.msg_namelen = sizeof(un), .msg_iov = &one, .msg_iovlen = 1}};

	must(mkdir("d", 0700));
	un = socket_in("d", "/server");
	must(bind(server, (struct sockaddr *)&un, sizeof(un)));
	must(listen(server, 1));
	un = socket_in("d", "/server");
	must(connect((int)must(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&un, sizeof(un)));
	un = socket_in("d", "/in");
	must(bind(in, (struct sockaddr *)&un, sizeof(un)));
	out = (int)must(socket(AF_UNIX, SOCK_DGRAM, 0));
	un = socket_in("d", "/in");
	same(sendto(out, "x", 1, 0, (struct sockaddr *)&un, sizeof(un)), 1);
	un = socket_in("d", "/in");
	m.msg_hdr.msg_name = &un;
	same(sendmsg(out, &m.msg_hdr, 0), 1);
	un = socket_in("d", "/in");
	same(sendmmsg(out, &m, 1, 0), 1);
	is(exists("d/server") && exists("d/in"));
	must(unlink("d/server"));
	must(unlink("d/in"));
}

struct handle {
	struct file_handle head;
	char bytes[128];
};

static void handles_by_entry(void)
{
	struct handle a = {.head = {.handle_bytes = sizeof(a.bytes)}}, b = a;
	char path[64];
	int id;

	put("f", 0600, "x");
	if (name_to_handle_at(AT_FDCWD, "f", &a.head, &id, 0) != 0)
		skip("no handles here");
	must(name_to_handle_at(AT_FDCWD, entry(path, sizeof(path), "f", ""), &b.head, &id, AT_SYMLINK_FOLLOW));
	same(a.head.handle_bytes, b.head.handle_bytes);
	same(memcmp(a.bytes, b.bytes, a.head.handle_bytes), 0);
}

/* What is mounted goes from one directory to another, both named so. */
static void mounts_by_entry(void)
{
	char from[64], to[64], *there;

	must(mkdir("d", 0700));
	put("d/f", 0600, "x");
	there = strdup("/tmp/bt-fuse-trap.XXXXXX");
	is(mkdtemp(there));
	if (mount(entry(from, sizeof(from), "d", ""), there, NULL, MS_BIND, NULL) != 0) {
		same(errno, EPERM);
	} else {
		snprintf(to, sizeof(to), "%s/f", there);
		is(exists(to));
		must(umount2(there, MNT_DETACH));
	}
	must(rmdir(there));
	free(there);
}

static int status_of_exec(const char *path, char *const *env)
{
	char *const args[] = {(char *)"x", NULL};
	int status, pid = vfork();

	if (pid == 0) {
		execve(path, args, env);
		_exit(errno);
	}
	same(waitpid(pid, &status, 0), pid);
	is(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void copy_to(const char *from, const char *to)
{
	char command[8192];

	snprintf(command, sizeof(command), "cp %.4000s %s", from, to);
	same(system(command), 0);
}

static void programs_by_entry(void)
{
	char path[64];

	copy_to("/bin/true", "true");
	same(status_of_exec(entry(path, sizeof(path), "true", ""), environ), 0);
	must(mkdir("d", 0700));
	must(rename("true", "d/true"));
	same(status_of_exec(entry(path, sizeof(path), "d", "/true"), environ), 0);
}

/* A program that is started holds its predecessor's locks, unless one of the file's descriptors is closed then. */
static void locks_over_exec(void)
{
	char *const args[] = {(char *)"sh", (char *)"-c", (char *)"echo; read x", NULL};
	struct flock all = {.l_type = F_WRLCK};

	for (int closes = 0; closes < 2; closes++) {
		int in[2], out[2], pid, fd;
		char c;

		must(pipe2(in, O_CLOEXEC));
		must(pipe2(out, O_CLOEXEC));
		fd = new_file();
		pid = (int)must(fork());
		if (pid == 0) {
			must(fcntl(fd, F_SETLK, &all));
			if (closes)
				must(open("f", O_RDONLY | O_CLOEXEC));
			is(dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1);
			execv("/bin/sh", args);
			_exit(1);
		}
		same(read(out[0], &c, 1), 1);
		all.l_type = F_WRLCK;
		must(fcntl(fd, F_GETLK, &all));
		same(all.l_type, closes ? F_UNLCK : F_WRLCK);
		all = (struct flock){.l_type = F_WRLCK};
		same(write(in[1], "\n", 1), 1);
		join(pid);
		must(close(fd));
		must(unlink("f"));
	}
}

/* Of this process, as a child sees it. */
static bool is_locked(const char *path)
{
	int pid = (int)must(fork()), status;

	if (pid == 0) {
		struct flock all = {.l_type = F_WRLCK};
		int fd = open(path, O_RDWR);

		_exit(fd < 0 || fcntl(fd, F_GETLK, &all) != 0 ? 2 : all.l_type != F_UNLCK);
	}
	same(waitpid(pid, &status, 0), pid);
	is(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status);
}

/* The kernel is to know all of what a fork shares; that costs no locks. */
static void locked_and_forked(void)
{
	struct flock all = {.l_type = F_WRLCK};
	int fd = new_file(), second, p[2];

	/* One that is the kernel's already. */
	must(pipe(p));
	same(write(fd, "x", 1), 1);
	same(splice(fd, &(off_t){0}, p[1], NULL, 1, 0), 1);
	must(fcntl(fd, F_SETLK, &all));
	second = (int)must(open("f", O_RDWR));
	is(is_locked("f") && is_locked("f"));
	must(close(second));
	is(!is_locked("f"));
	/* One that was there before the first lock. */
	fd = new_file_named("g");
	second = (int)must(open("g", O_RDWR));
	must(fcntl(fd, F_SETLK, &all));
	is(is_locked("g") && is_locked("g"));
	must(close(second));
	is(!is_locked("g"));
}

/* ---- The largest environment ------------------------------------------------------------- */

#define PIECE 65536u

/* Does a program start with so many bytes of environment? */
static bool starts_with(const char *path, size_t bytes)
{
	static char text[PIECE], last[PIECE], *env[128];
	unsigned n = 0;

	memset(text, 'x', sizeof(text) - 1);
	memset(last, 'x', sizeof(last));
	for (; bytes > PIECE; bytes -= PIECE)
		env[n++] = text;
	last[bytes - 1] = 0;
	env[n++] = last;
	env[n] = NULL;
	return status_of_exec(path, env) != E2BIG;
}

static size_t most_of(const char *path)
{
	size_t fits = 100000, not = 4000000;

	is(starts_with(path, fits) && !starts_with(path, not ));
	while (not -fits > 1) {
		size_t n = (fits + not ) / 2;

		if (starts_with(path, n))
			fits = n;
		else
			not = n;
	}
	return fits;
}

/* Whether a program takes an agent or not, it can be handed as much. */
static void largest_environment(void)
{
	const char *quiet = getenv("TRAPS_STATIC");

	if (!quiet)
		skip("TRAPS_STATIC names no program");
	copy_to(quiet, "quiet");
	copy_to("/bin/true", "takes");
	same(most_of("./quiet"), most_of("./takes"));
}

/* ---- Pages that somebody else fetches ------------------------------------------------------- */

#define PAGE 4096ul

struct fetcher {
	int faults, fd;
	char *page;
};

/* Before it brings the page it looks at the file that is being written, as who restores a memory from a file does. */
static void *fetch(void *arg)
{
	static char from[PAGE] __attribute__((aligned(PAGE)));
	const struct fetcher *f = arg;
	struct uffd_msg m;
	char c;
	struct uffdio_copy copy = {.dst = (uintptr_t)f->page, .src = (uintptr_t)from, .len = PAGE};
	int pid;

	memset(from, 'f', sizeof(from));
	same(read(f->faults, &m, sizeof(m)), sizeof(m));
	pid = (int)must(fork());
	if (pid == 0)
		_exit(pread(f->fd, from, PAGE, 0) != (ssize_t)PAGE);
	join(pid);
	same(pread(f->fd, &c, 1, 0), 1);
	must(ioctl(f->faults, UFFDIO_COPY, &copy));
	return NULL;
}

static void fetched_meanwhile(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register reg = {.range = {.len = PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
	struct fetcher f = {.faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC)};
	char text[PAGE];
	pthread_t t;

	if (f.faults < 0 || ioctl(f.faults, UFFDIO_API, &api) != 0)
		skip("no userfaultfd here");
	memset(text, 'a', sizeof(text));
	f.fd = new_file();
	same(write(f.fd, text, PAGE), PAGE);
	for (int vector = 0; vector < 2; vector++) {
		struct iovec v[2] = {{text, 2}, {NULL, 2}};

		f.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		is(f.page != MAP_FAILED);
		reg.range.start = (uintptr_t)f.page;
		must(ioctl(f.faults, UFFDIO_REGISTER, &reg));
		same(pthread_create(&t, NULL, fetch, &f), 0);
		v[1].iov_base = f.page;
		same(vector ? pwritev(f.fd, v, 2, 6) : pwrite(f.fd, f.page, 4, 10), 4);
		same(pthread_join(t, NULL), 0);
		must(munmap(f.page, PAGE));
	}
	same(pread(f.fd, text, 14, 0), 14);
	same(memcmp(text, "aaaaaaaaffffff", 14), 0);
}

/* ---- Memory that is locked --------------------------------------------------------------- */

static long status_kb(const char *what)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long kb = -1;

	is(f);
	while (kb < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, what, strlen(what)))
			sscanf(line + strlen(what), ": %ld", &kb);
	fclose(f);
	return kb;
}

static void all_locked(void)
{
	const size_t size = 64 * PAGE;
	unsigned char there[64];
	char *before = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *after;
	int fd = new_file();

	is(before != MAP_FAILED);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		skip("so much may not be locked");
	is(status_kb("VmLck") > (long)size / 1024);
	is(status_kb("RssShmem") < 65536); /* files in memory, of which the program has none */
	after = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	is(after != MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		must(mincore(i ? after : before, size, there));
		for (unsigned k = 0; k < 64; k++)
			is(there[k] & 1);
	}
	same(write(fd, "x", 1), 1);
	must(munlockall());
	same(status_kb("VmLck"), 0);
	fails(mlockall(0), EINVAL);
	fails(mlockall(64), EINVAL);
}

/* ---- A child that shares the memory ---------------------------------------------------------- */

static char first_stack[65536] __attribute__((aligned(16))), second_stack[65536] __attribute__((aligned(16)));
static volatile int enough, failed, rounds;

static int works_on(void *arg)
{
	for (; !enough && !failed; rounds++) {
		int fd = open("beside", O_CREAT | O_RDWR | O_CLOEXEC, 0600), other = fcntl(fd, F_DUPFD_CLOEXEC, 40);

		if (fd < 0 || other < 40 || pwrite(other, "x", 1, 0) != 1 || close(fd) != 0 || close(other) != 0)
			failed = errno;
	}
	return 0;
}

static int makes_thread(void *arg)
{
	return clone(works_on, second_stack + sizeof(second_stack),
		     CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL) < 0;
}

/* A vfork's child goes on with a second thread: the parent starts others meanwhile. */
static void outlived_by_a_thread(void)
{
	char *const args[] = {(char *)"true", NULL};
	int fd, other, child, seen;
	pid_t pid =
	    (int)must(clone(makes_thread, first_stack + sizeof(first_stack), CLONE_VM | CLONE_VFORK | SIGCHLD, NULL));

	for (int i = 0; i < 100; i++) {
		seen = rounds;
		fd = (int)must(open("mine", O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600));
		other = fcntl(fd, F_DUPFD_CLOEXEC, 30 + i);
		same(write(other, "mine", 4), 4);
		same(posix_spawn(&child, "/bin/true", NULL, NULL, args, environ), 0);
		join(child);
		same(pwrite(other, "mine", 4, 4), 4);
		must(close(fd));
		must(close(other));
		while (rounds == seen && !failed)
			sched_yield();
	}
	enough = 1;
	join(pid);
	same(failed, 0);
}

static int opens_and_ends(void *arg)
{
	int fd = open("mine", O_RDONLY);

	if (arg)
		syscall(SYS_exit_group, fd < 0);
	return fd < 0;
}

/* The parent of one that nobody waits for by the way keeps nothing of it. */
static void children_unwaited(void)
{
	long before = 0;

	put("mine", 0600, "x");
	for (int i = 0; i < 60; i++) {
		int pid = (int)must(clone(opens_and_ends, first_stack + sizeof(first_stack), CLONE_VM | SIGCHLD,
					  i % 2 ? &before : NULL));

		join(pid);
		if (i == 9)
			before = status_kb("VmSize");
	}
	is(status_kb("VmSize") - before < 1024);
}

/* ---- What statx tells of a mount ------------------------------------------------------------- */

static void told_of_mount(void)
{
	const unsigned mount_id = 0x1000, unique = 0x4000, mount_root = 0x2000;
	char up[4096] = ".";
	struct statx a, b;
	struct stat here, above;
	int fd = new_file();

	must(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &a));
	must(statx(AT_FDCWD, "f", AT_STATX_DONT_SYNC, mount_id, &b));
	same(a.stx_mask & mount_id, b.stx_mask & mount_id);
	same(a.stx_mnt_id, b.stx_mnt_id);
	same(a.stx_attributes_mask, b.stx_attributes_mask);
	same(a.stx_attributes & mount_root, 0);
	must(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS | unique, &b));
	is(!(b.stx_mask & unique) || b.stx_mnt_id != a.stx_mnt_id);
	fails(statx(fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, mount_id, &b), EINVAL);
	fails(statx(fd, "", AT_EMPTY_PATH, 1u << 31, &b), EINVAL);
	/* Where the mount begins. */
	do {
		must(stat(up, &here));
		strcat(up, "/..");
		must(stat(up, &above));
	} while (here.st_dev == above.st_dev && here.st_ino != above.st_ino);
	up[strlen(up) - 3] = 0;
	must(statx(AT_FDCWD, up, 0, STATX_TYPE, &b));
	same(b.stx_attributes & mount_root, b.stx_attributes_mask & mount_root);
}

const struct check sharing_traps[] = {{"many_groups", many_groups},
				      {"place_in_common", place_in_common},
				      {"place_apart", place_apart},
				      {"place_made_anew", place_made_anew},
				      {"sockets_by_entry", sockets_by_entry},
				      {"handles_by_entry", handles_by_entry},
				      {"mounts_by_entry", mounts_by_entry},
				      {"programs_by_entry", programs_by_entry},
				      {"locks_over_exec", locks_over_exec},
				      {"locked_and_forked", locked_and_forked},
				      {"largest_environment", largest_environment},
				      {"fetched_meanwhile", fetched_meanwhile},
				      {"all_locked", all_locked},
				      {"outlived_by_a_thread", outlived_by_a_thread},
				      {"children_unwaited", children_unwaited},
				      {"told_of_mount", told_of_mount},
				      {NULL, NULL}};
