/*
 * The scanner is started as vfork would, on this thread's stack: in between
 * nothing of the program runs here, and the child goes straight to execve. It is
 * no child of the program's in its own eyes: it sends no SIGCHLD, and wait() does
 * not find it (clone(2), __WCLONE).
 */
#include "agent/unknown.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <signal.h>
#include <sys/stat.h>

#include "agent/mem.h"
#include "base/sys.h"

#define SMALL (256u << 10) /* bytes of code that are looked through here: 40 us */
#define SEEN_MAX (64 << 10)
#define FILTERED 2 /* PR_GET_SECCOMP */

static char table[256], scanner[264], seen[264];
static uint32_t usual_filters;

static void join(char *to, const char *with)
{
	size_t n = mem_length(table);

	memcpy(to, table, n);
	memcpy(to + n, with, mem_length(with) + 1);
}

void unknown_filters(uint32_t n)
{
	usual_filters = n;
}

void unknown_start(const char *path)
{
	size_t n = mem_length(path);

	if (n >= sizeof(table))
		return;
	memcpy(table, path, n + 1);
	join(scanner, ".scan");
	join(seen, ".seen");
}

/* Bytes of `w` that are 0x05: the high bit of each, perhaps also of one above such a byte. */
static uint64_t fives(uint64_t w)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t x = w ^ (ones * 5);

	return (x - ones) & ~x & (ones << 7);
}

static bool has_syscall(const struct segment *text)
{
	const uint8_t *p = text->base, *end = p + text->len;

	for (p++; p + 8 <= end; p += 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		if (!fives(w))
			continue;
		for (int k = 0; k < 8; k++) {
			if (p[k] == 0x05 && p[k - 1] == 0x0f)
				return true;
		}
	}
	for (; p < end; p++) {
		if (p[0] == 0x05 && p[-1] == 0x0f)
			return true;
	}
	return false;
}

/* A line for each; the launcher reads them and begins anew. What is lost is noted next time. */
static void note_seen(const char *path)
{
	char line[512];
	long n = (long)mem_length(path);
	struct stat st;
	int fd;

	if (n < (long)sizeof(line))
		memcpy(line, path, (size_t)n);
	if (n > 6 && memcmp(path, "/proc/", 6) == 0)
		n = sys_call4(SYS_readlinkat, AT_FDCWD, (long)path, (long)line, sizeof(line) - 1);
	if (n <= 0 || n >= (long)sizeof(line) || line[0] != '/')
		return;
	line[n] = '\n';
	fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)seen, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (sys_call3(SYS_fstat, fd, (long)&st, 0) == 0 && st.st_size < SEEN_MAX)
		sys_call3(SYS_write, fd, (long)line, (long)n + 1);
	sys_close(fd);
}

void unknown_add(struct unknown *u, const struct segment *text, const char *path)
{
	if (text->len > 0 && text->len <= SMALL && !has_syscall(text)) {
		if (!u->again)
			note_seen(path);
	} else if (u->n < UNKNOWN_MAX) {
		u->path[u->n++] = path;
	} else {
		u->more = true;
	}
}

/* ---- The scanner --------------------------------------------------------------------- */

/* Filters on system calls that are in force here, as /proc/self/status has it (Linux 5.9); 0 also where it doesn't. */
static uint32_t filters(void)
{
	static const char key[] = "\nSeccomp_filters:\t";
	char buf[256];
	uint32_t at = 0, n = 0;
	int fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)"/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
	long got;

	while (fd >= 0 && (got = sys_call3(SYS_read, fd, (long)buf, sizeof(buf))) > 0) {
		for (long i = 0; i < got; i++) {
			if (key[at] == '\0' && buf[i] >= '0' && buf[i] <= '9')
				n = n * 10 + (uint32_t)(buf[i] - '0');
			else if (key[at] == '\0')
				at = 0;
			else
				at = buf[i] == key[at] ? at + 1 : buf[i] == key[0];
		}
	}
	if (fd >= 0)
		sys_close(fd);
	return n;
}

/*
 * May this process start another program? A filter of the program's own may end it for this. Those that were there
 * before all of them run with the launcher as well, which starts programs.
 */
static bool may_spawn(void)
{
	return sys_call3(SYS_prctl, PR_GET_SECCOMP, 0, 0) != FILTERED || (usual_filters && filters() == usual_filters);
}

static int spawn(const char *path, const char *const *argv)
{
	static const char *const envp[] = {NULL};
	register long r8 __asm__("r8") = 0;
	register long r10 __asm__("r10") = 0;
	register const char *r12 __asm__("r12") = path;
	register const char *const *r13 __asm__("r13") = argv;
	register const char *const *r14 __asm__("r14") = envp;
	long ret;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "mov %[execve], %%eax\n\t"
			 "mov %%r12, %%rdi\n\t"
			 "mov %%r13, %%rsi\n\t"
			 "mov %%r14, %%rdx\n\t"
			 "syscall\n\t"
			 "mov $127, %%edi\n\t"
			 "mov %[exit], %%eax\n\t"
			 "syscall\n"
			 "1:"
			 : "=a"(ret)
			 : "0"((long)SYS_clone), "D"((long)(CLONE_VM | CLONE_VFORK)), "S"(0L), "d"(0L), "r"(r10),
			   "r"(r8), "r"(r12), "r"(r13), "r"(r14), [execve] "i"(SYS_execve), [exit] "i"(SYS_exit)
			 : "rcx", "r11", "memory");
	return (int)ret;
}

int unknown_scan(const struct unknown *u)
{
	const char *argv[UNKNOWN_MAX + 5] = {"bt-fuse-sites", "-q", "-o", table};
	uint64_t all = ~UINT64_C(0), old;
	int pid, status = -1;
	long ended;

	if (u->n == 0)
		return 0;
	if (table[0] == '\0' || !may_spawn())
		return -EPERM;
	memcpy(argv + 4, u->path, u->n * sizeof(*argv));
	if (sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&old, sizeof(all)) != 0)
		return -EPERM;
	pid = spawn(scanner, argv);
	do
		ended = pid > 0 ? sys_call4(SYS_wait4, pid, (long)&status, __WALL, 0) : pid;
	while (ended == -EINTR);
	sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, sizeof(all));
	return ended > 0 && status == 0 ? 1 : -ENOEXEC;
}
