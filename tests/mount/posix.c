/*
 * posix [-v] DIR [NAME...]: what Linux promises of a file system, as some
 * hundred small named checks in DIR. Run on tmpfs, it proves that the
 * expectations are Linux's; run on the mount, that bt-fuse keeps them.
 * Exit status 0 if all passed; the last line counts.
 *
 * This file: the frame in which the checks run. The checks are in posix_*.c.
 */
#include "posix.h"

#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "base/compiler.h"

#define EXIT_SKIP 77
#define LIMIT_SECONDS 120
#define FUSE_MAGIC 0x65735546

_Noreturn void fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	va_list args;

	va_start(args, fmt);
	printf("     %s:%d: ", base ? base + 1 : file, line);
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(1);
}

_Noreturn void skip(const char *why)
{
	printf("     skipped: %s\n", why);
	fflush(stdout);
	_exit(EXIT_SKIP);
}

long expect_value(long ret, const char *file, int line, const char *text)
{
	if (ret < 0)
		fail(file, line, "%s: %s", text, strerror(errno));
	return ret;
}

void expect_error(long ret, int error, const char *file, int line, const char *text)
{
	if (ret >= 0)
		fail(file, line, "%s: succeeded, not %s", text, strerror(error));
	if (errno != error)
		fail(file, line, "%s: %s, not %s", text, strerror(errno), strerror(error));
}

/* In octal too: modes are compared with it. */
void expect_same(long long got, long long want, const char *file, int line, const char *text)
{
	if (got != want)
		fail(file, line, "%s is %lld (0%llo), not %lld (0%llo)", text, got, (unsigned long long)got, want,
		     (unsigned long long)want);
}

void put(const char *path, mode_t mode, const char *text)
{
	int fd = (int)must(open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600));

	same(write(fd, text, strlen(text)), strlen(text));
	must(fchmod(fd, mode));
	must(close(fd));
}

void holds(const char *path, const char *text)
{
	int fd = (int)must(open(path, O_RDONLY));

	fd_holds(fd, text, strlen(text));
	must(close(fd));
}

void fd_holds(int fd, const void *want, size_t len)
{
	char *got = malloc(len + 1);

	is(got);
	same(stat_fd(fd).st_size, len);
	same(pread(fd, got, len + 1, 0), len);
	is(memcmp(got, want, len) == 0);
	free(got);
}

int new_file_named(const char *name)
{
	return (int)must(open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
}

int new_file(void)
{
	return new_file_named("f");
}

void zeros_at(int fd, off_t off, size_t len)
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

void bytes_at(int fd, off_t off, const char *text)
{
	char buf[64];
	size_t len = strlen(text);

	same(pread(fd, buf, len, off), len);
	is(memcmp(buf, text, len) == 0);
}

void make_dir(const char *path, mode_t mode)
{
	must(mkdir(path, 0700));
	must(chmod(path, mode));
}

struct stat stat_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		fail(__FILE__, __LINE__, "stat of %s: %s", path, strerror(errno));
	return st;
}

struct stat stat_fd(int fd)
{
	struct stat st;

	must(fstat(fd, &st));
	return st;
}

mode_t mode_of(const char *path)
{
	return stat_of(path).st_mode & 07777;
}

bool exists(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0)
		return true;
	if (errno != ENOENT)
		fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	return false;
}

int count_names(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	is(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* The coarse clock moves every 1 to 10 ms, by how the kernel was configured. */
void tick(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 15000000}, NULL);
}

bool on_fuse(void)
{
	struct statfs fs;

	must(statfs(".", &fs));
	return fs.f_type == FUSE_MAGIC;
}

void need_root(void)
{
	if (geteuid() != 0)
		skip("needs root");
}

int status_of(pid_t pid)
{
	int status;

	same(waitpid(pid, &status, 0), pid);
	is(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void join(pid_t pid)
{
	int status;

	same(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail(__FILE__, __LINE__, "a child died: %s", strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		_exit(WEXITSTATUS(status)); /* it has said why */
}

int user_begin(uid_t uid, gid_t gid)
{
	pid_t pid;

	need_root();
	fflush(stdout);
	pid = (pid_t)must(fork());
	if (pid > 0) {
		join(pid);
		return 0;
	}
	must(setgroups(0, NULL));
	must(setresgid(gid, gid, gid));
	must(setresuid(uid, uid, uid));
	return 1;
}

int user_end(void)
{
	_exit(0);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

/* Also what a check has left behind without any permission. */
static void remove_tree(const char *path)
{
	if (nftw(path, remove_one, 64, FTW_DEPTH | FTW_PHYS) < 0)
		fprintf(stderr, "posix: %s stays behind: %s\n", path, strerror(errno));
}

static _Noreturn void run_child(const struct check *c, const char *dir)
{
	/* Its own children die with it, however it ends. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(LIMIT_SECONDS);
	umask(0);
	if (chdir(dir) < 0 || chmod(".", 0755) < 0)
		fail(__FILE__, __LINE__, "%s: %s", dir, strerror(errno));
	c->run();
	fflush(stdout);
	_exit(0);
}

enum outcome { PASSED, FAILED, SKIPPED };

static enum outcome run_check(const struct check *c, const char *parent)
{
	char dir[4096];
	int status;
	pid_t pid;

	snprintf(dir, sizeof(dir), "%s/%s.XXXXXX", parent, c->name);
	if (!mkdtemp(dir)) {
		printf("     %s: %s\n", dir, strerror(errno));
		return FAILED;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		run_child(c, dir);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return FAILED;
	kill(-pid, SIGKILL);
	remove_tree(dir);
	if (WIFSIGNALED(status)) {
		printf("     killed: %s\n", strsignal(WTERMSIG(status)));
		return FAILED;
	}
	if (WEXITSTATUS(status) == EXIT_SKIP)
		return SKIPPED;
	return WEXITSTATUS(status) == 0 ? PASSED : FAILED;
}

/* True where no names were given or this one was. */
static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	static const char *const words[] = {"ok", "FAIL", "skip"};
	int count[3] = {0};
	bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;

	argv += verbose;
	if (!argv[1]) {
		fprintf(stderr, "usage: posix [-v] DIR [NAME...]\n");
		return 2;
	}
	for (size_t i = 0; check_tables[i]; i++) {
		for (const struct check *c = check_tables[i]; c->name; c++) {
			enum outcome o;

			if (!wanted(c->name, argv + 2))
				continue;
			o = run_check(c, argv[1]);
			count[o]++;
			if (verbose || o != PASSED)
				printf("%-4s %s\n", words[o], c->name);
		}
	}
	printf("posix: %d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
	return count[FAILED] || !count[PASSED] ? 1 : 0;
}
