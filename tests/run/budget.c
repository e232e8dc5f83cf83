/*
 * budget [-v] DIR FILE: how many instructions the calls of a hooked program take,
 * from libc's function to its return, counted by single steps: the same whatever
 * else the machine does; the least of several calls. FILE has a line an operation: its name and how many it
 * may take. Ends with 1 where one takes more, 2 on any other failure. DIR lies
 * on a mount; the program must run under `bt-fuse run`.
 *
 * A repeated string instruction steps once an iteration: it is counted as one
 * instruction, its iterations are shown beside it.
 *
 * -v: also each address in the agent that was executed, and how often.
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/sys.h"

#define PAGE 4096
#define WARM 3	/* calls before those that are counted */
#define TIMES 5 /* the least of so many: each eighth create fills a pocket, a tree turns now and then */

static char page[PAGE];
static int file; /* "data" of DIR, open; the child's */

/* ---- What is counted: `n` goes up from call to call ----------------------------------- */

static long do_nothing(int n)
{
	return 0;
}

static long do_stat(int n)
{
	struct stat st;

	return stat("data", &st);
}

static long do_stat_deep(int n)
{
	struct stat st;

	return stat("a/b/c/file", &st);
}

static long do_absent(int n)
{
	struct stat st;

	return stat("none", &st) == -1 ? 0 : -1;
}

static long do_fstat(int n)
{
	struct stat st;

	return fstat(file, &st);
}

static long do_access(int n)
{
	return access("data", R_OK);
}

static long do_readlink(int n)
{
	return readlink("link", page, sizeof(page)) == 4 ? 0 : -1;
}

static long do_open(int n)
{
	int fd = open("data", O_RDONLY);

	return fd < 0 ? fd : close(fd);
}

static long do_read_byte(int n)
{
	return lseek(file, n, SEEK_SET) == n && read(file, page, 1) == 1 ? 0 : -1;
}

static long do_pread(int n)
{
	return pread(file, page, PAGE, 0) == PAGE ? 0 : -1;
}

static long do_pwrite(int n)
{
	return pwrite(file, page, PAGE, 0) == PAGE ? 0 : -1;
}

static const char *fresh(int n)
{
	static char names[16][3];

	names[n][0] = 'n';
	names[n][1] = (char)('a' + n);
	return names[n];
}

static long do_create(int n)
{
	int fd = open(fresh(n), O_CREAT | O_EXCL | O_WRONLY, 0600);

	return fd < 0 ? fd : close(fd);
}

static long do_unlink(int n)
{
	return unlink(fresh(n));
}

static long do_mkdir(int n)
{
	return mkdir(fresh(n), 0700);
}

static long do_rmdir(int n)
{
	return rmdir(fresh(n));
}

static long do_link(int n)
{
	return link("data", fresh(n));
}

static long do_symlink(int n)
{
	return symlink("data", fresh(n));
}

static long do_rename(int n)
{
	return n & 1 ? rename("moved", "mover") : rename("mover", "moved");
}

static long do_chmod(int n)
{
	return chmod("data", n & 1 ? 0600 : 0640);
}

static long do_utimens(int n)
{
	return utimensat(AT_FDCWD, "data", NULL, 0);
}

/* By a descriptor that is none of the mount's, and a call that has to look further. */
static long do_other(int n)
{
	char c;

	return pread(1000, &c, 1, 0) == -1 ? 0 : -1;
}

static long do_close_other(int n)
{
	return close(-1) == -1 ? 0 : -1;
}

static const struct operation {
	const char *name;
	long (*call)(int n);
	long (*prepare)(int n), (*tidy)(int n); /* around each call, not counted */
} operations[] = {
    {"nothing", do_nothing, NULL, NULL},      {"stat", do_stat, NULL, NULL},
    {"stat-deep", do_stat_deep, NULL, NULL},  {"stat-absent", do_absent, NULL, NULL},
    {"fstat", do_fstat, NULL, NULL},	      {"access", do_access, NULL, NULL},
    {"readlink", do_readlink, NULL, NULL},    {"open-close", do_open, NULL, NULL},
    {"lseek-read", do_read_byte, NULL, NULL}, {"pread-4k", do_pread, NULL, NULL},
    {"pwrite-4k", do_pwrite, NULL, NULL},     {"create-close", do_create, NULL, do_unlink},
    {"unlink", do_unlink, do_create, NULL},   {"mkdir", do_mkdir, NULL, do_rmdir},
    {"rmdir", do_rmdir, do_mkdir, NULL},      {"link", do_link, NULL, do_unlink},
    {"symlink", do_symlink, NULL, do_unlink}, {"rename", do_rename, NULL, NULL},
    {"chmod", do_chmod, NULL, NULL},	      {"utimens", do_utimens, NULL, NULL},
    {"not-ours", do_other, NULL, NULL},	      {"close-not-ours", do_close_other, NULL, NULL},
};

/* ---- The child: calls it, and stops around the call that is counted ---------------------- */

static void must(long ret, const char *what)
{
	if (ret < 0)
		err(2, "%s", what);
}

static void stop(void)
{
	sys_call3(SYS_kill, sys_getpid(), SIGSTOP, 0);
}

static void child(const struct operation *op)
{
	must(file = open("data", O_RDWR), "data");
	must(sys_call3(SYS_ptrace, PTRACE_TRACEME, 0, 0), "ptrace");
	for (int n = 0; n < WARM + TIMES; n++) {
		long ret;

		if (op->prepare)
			must(op->prepare(n), op->name);
		if (n >= WARM)
			stop();
		ret = op->call(n);
		if (n >= WARM)
			stop();
		must(ret, op->name);
		if (op->tidy)
			must(op->tidy(n), op->name);
	}
	_exit(0);
}

/* ---- The parent: steps ------------------------------------------------------------------- */

#define AGENT_MAX (1u << 20) /* bytes of the agent's code that are looked at */

static bool verbose;
static unsigned executed[AGENT_MAX];

struct count {
	unsigned instructions, repeats;
};

static unsigned long agent_base(pid_t pid)
{
	char path[64], line[512];
	unsigned long base = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "r");
	while (f && !base && fgets(line, sizeof(line), f))
		if (strstr(line, "libbtfuse-agent"))
			base = strtoul(line, NULL, 16);
	if (f)
		fclose(f);
	return base;
}

static int next_stop(pid_t pid, bool step)
{
	int status;

	must(ptrace(step ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, NULL, NULL), "ptrace");
	must(waitpid(pid, &status, 0), "wait");
	return status;
}

static void count_call(pid_t pid, struct count *c)
{
	unsigned long base = agent_base(pid), last = 0;
	struct user_regs_struct r;

	if (!base)
		errx(2, "there is no agent: use bt-fuse run");
	*c = (struct count){0};
	if (verbose)
		memset(executed, 0, sizeof(executed)); /* of the last one */
	for (;;) {
		int status = next_stop(pid, true);

		if (!WIFSTOPPED(status))
			errx(2, "the child ended in the middle");
		if (WSTOPSIG(status) == SIGSTOP)
			return;
		must(ptrace(PTRACE_GETREGS, pid, NULL, &r), "registers");
		if (r.rip == last) {
			c->repeats++;
			continue;
		}
		last = r.rip;
		c->instructions++;
		if (r.rip - base < AGENT_MAX)
			executed[r.rip - base]++;
	}
}

static void count(const struct operation *op, struct count *c)
{
	pid_t pid = fork();
	int status;

	must(pid, "fork");
	if (pid == 0)
		child(op);
	must(waitpid(pid, &status, 0), "wait");
	if (!WIFSTOPPED(status))
		errx(2, "%s: the child does not stop", op->name);
	for (int k = 0; k < TIMES; k++) {
		struct count once;

		count_call(pid, &once);
		if (k == 0 || once.instructions < c->instructions)
			*c = once;
		status = next_stop(pid, false);
		if (k < TIMES - 1 && !WIFSTOPPED(status))
			errx(2, "%s: the child does not stop again", op->name);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(2, "%s: failed", op->name);
}

/* ---- Budgets ------------------------------------------------------------------------------- */

static unsigned budget_of(const char *file_name, const char *name)
{
	FILE *f = fopen(file_name, "r");
	char line[256], key[64];
	unsigned n, found = 0;

	if (!f)
		err(2, "%s", file_name);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %u", key, &n) == 2 && strcmp(key, name) == 0)
			found = n;
	fclose(f);
	if (!found)
		errx(2, "%s: no budget for %s", file_name, name);
	return found;
}

static void prepare(void)
{
	must(file = open("data", O_CREAT | O_RDWR, 0600), "data");
	must(pwrite(file, page, PAGE, 0), "data");
	must(close(file), "data"); /* what is open for writing in a fork, the kernel hears of from then on */
	must(mkdir("a", 0700), "a");
	must(mkdir("a/b", 0700), "a/b");
	must(mkdir("a/b/c", 0700), "a/b/c");
	must(close(open("a/b/c/file", O_CREAT | O_WRONLY, 0600)), "a/b/c/file");
	must(close(open("mover", O_CREAT | O_WRONLY, 0600)), "mover");
	must(symlink("data", "link"), "link");
}

int main(int argc, char **argv)
{
	unsigned nothing = 0, over = 0;
	struct count c;

	verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
	argv += verbose;
	argc -= verbose;
	if (argc < 3)
		errx(2, "usage: budget [-v] DIR FILE [OPERATION]");
	must(chdir(argv[1]), argv[1]);
	prepare();
	for (size_t i = 0; i < array_len(operations); i++) {
		const struct operation *op = &operations[i];
		unsigned most;

		if (i && argc > 3 && strcmp(argv[3], op->name) != 0)
			continue;
		count(op, &c);
		if (i == 0)
			nothing = c.instructions;
		c.instructions -= nothing;
		most = i ? budget_of(argv[2], op->name) : 1;
		printf("%-14s %6u of %6u, %u iterations of string instructions%s\n", op->name, c.instructions, most,
		       c.repeats, c.instructions > most ? "  TOO MANY" : "");
		over += c.instructions > most;
		for (unsigned a = 0; verbose && i && a < AGENT_MAX; a++)
			if (executed[a])
				printf("  %#x %u\n", a, executed[a]);
	}
	return over != 0;
}
