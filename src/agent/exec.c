/*
 * Whom the agent goes along with: programs of this architecture whose
 * interpreter is glibc's loader, and scripts whose interpreter is one. What
 * is static gets its environment untouched, so does what changes privileges
 * (the loader would drop the agent, but not the variable that configures it).
 *
 * The call itself is made with the depth at 0 (agent_kernel): an exec that
 * succeeds must leave no signal put off, since the new program would inherit
 * a mask that nobody opens.
 */
#include "agent/exec.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "agent/mem.h"
#include "agent/signals.h"
#include "agent/stats.h"
#include "agent/user.h"
#include "base/sys.h"

#define PRELOAD "LD_PRELOAD="
#define CONFIG "BTFUSE_AGENT="
#define PAD "BTFUSE_PAD="
#define LOADER "/lib64/ld-linux-x86-64.so.2"
#define HEAD 256u /* of a file: ELF header and what we need of the program headers; #! line */
#define SCRIPT_DEPTH 5
#define ENV_MAX (1 << 20) /* entries; the kernel allows no more bytes than a quarter of the stack */
#define ENV_ON_STACK 128

static struct {
	char preload[512]; /* "LD_PRELOAD=<agent>" */
	char config[640];  /* "BTFUSE_AGENT=..." */
	size_t agent_len;  /* of <agent> */
	bool ready;
} carry;

/* --- in: taking it out of the environment --- */

/* "<agent>:<rest>" becomes "<rest>", in place: the string has room. */
static void keep_rest(char *value, const char *rest)
{
	size_t n = mem_length(rest);

	memmove(value, rest, n + 1);
}

static bool remember_agent(const char *value, size_t len)
{
	const size_t head = sizeof(PRELOAD) - 1;

	if (head + len + 1 > sizeof(carry.preload))
		return false;
	memcpy(carry.preload, PRELOAD, head);
	memcpy(carry.preload + head, value, len);
	carry.preload[head + len] = '\0';
	carry.agent_len = len;
	return true;
}

static size_t first_path(const char *value)
{
	size_t n = 0;

	while (value[n] != '\0' && value[n] != ':' && value[n] != ' ')
		n++;
	return n;
}

static void blank(char *s)
{
	memset(s, 0, mem_length(s));
}

/* The agent is the first in the list, more than once where runs are nested. True: nothing else was. */
static bool take_preload(char *entry)
{
	char *value = entry + sizeof(PRELOAD) - 1;
	const char *agent = carry.preload + sizeof(PRELOAD) - 1;
	size_t n = first_path(value);

	if (!remember_agent(value, n))
		return false;
	while (first_path(value) == n && memcmp(value, agent, n) == 0) {
		if (value[n] == '\0')
			return true;
		keep_rest(value, value + n + 1);
	}
	return false;
}

/* The first one counts: what an outer run adds comes last. */
static void take_config(const char *entry)
{
	size_t n = mem_length(entry) + 1;

	if (carry.ready || n > sizeof(carry.config))
		return;
	memcpy(carry.config, entry, n);
	carry.ready = true;
}

/*
 * Removes the entries from the end of the vector. The auxiliary vector stays
 * where libc has it; two slots (one entry of it) that come free in front of it
 * are filled with a copy of its first entry, so that who walks from the
 * environment to it finds it too.
 */
static void close_gap(char **end, char **old_end)
{
	unsigned long *auxv = (unsigned long *)(void *)(old_end + 1);
	unsigned long *p = auxv;

	*end = NULL;
	while ((char **)(void *)(p - 2) > end) {
		p -= 2;
		p[0] = auxv[0];
		p[1] = auxv[1];
	}
	if ((char **)(void *)p != end + 1)
		end[1] = NULL;
}

const char *env_take(char **envp, const unsigned long **auxv)
{
	char **out = envp, **in = envp;

	for (; *in != NULL; in++) {
		bool drop = mem_prefix(*in, PAD);

		if (mem_prefix(*in, PRELOAD) && carry.agent_len == 0) {
			drop = take_preload(*in);
		} else if (mem_prefix(*in, CONFIG)) {
			take_config(*in);
			drop = true;
		}
		if (drop)
			blank(*in);
		else
			*out++ = *in;
	}
	*auxv = (const unsigned long *)(void *)(in + 1);
	close_gap(out, in);
	carry.ready = carry.ready && carry.agent_len != 0;
	return carry.ready ? carry.config + sizeof(CONFIG) - 1 : NULL;
}

/* --- out: whom does it go along with? --- */

enum kind { TAKES_AGENT, STATIC, PRIVILEGED, UNREADABLE };

static bool changes_privileges(int fd)
{
	struct stat st;

	if (sys_call3(SYS_fstat, fd, (long)&st, 0) != 0)
		return true;
	if (((st.st_mode & S_ISUID) && st.st_uid != (uid_t)sys_call3(SYS_geteuid, 0, 0, 0)) ||
	    ((st.st_mode & S_ISGID) && st.st_gid != (gid_t)sys_call3(SYS_getegid, 0, 0, 0)))
		return true;
	return sys_call4(SYS_fgetxattr, fd, (long)"security.capability", 0, 0) > 0;
}

static bool has_loader(int fd, const uint8_t *head, long n)
{
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)(const void *)head;
	char interp[sizeof(LOADER)];

	if (n < (long)sizeof(*eh) || eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64 ||
	    eh->e_phentsize != sizeof(Elf64_Phdr))
		return false;
	for (unsigned i = 0; i < min_of(eh->e_phnum, 16u); i++) {
		Elf64_Phdr ph;

		if (sys_call4(SYS_pread64, fd, (long)&ph, sizeof(ph), (long)(eh->e_phoff + i * sizeof(ph))) !=
		    sizeof(ph))
			return false;
		if (ph.p_type != PT_INTERP)
			continue;
		return ph.p_filesz == sizeof(interp) &&
		       sys_call4(SYS_pread64, fd, (long)interp, sizeof(interp), (long)ph.p_offset) == sizeof(interp) &&
		       memcmp(interp, LOADER, sizeof(interp)) == 0;
	}
	return false;
}

/* The interpreter of a `#!` line, cut off in place; NULL: none. */
static const char *interpreter(char *head, long n)
{
	long from = 2, to;

	while (from < n && (head[from] == ' ' || head[from] == '\t'))
		from++;
	to = from;
	while (to < n && head[to] != ' ' && head[to] != '\t' && head[to] != '\n' && head[to] != '\0')
		to++;
	if (to == from || to == n)
		return NULL;
	head[to] = '\0';
	return head + from;
}

static enum kind classify(int dir, const char *path, int flags)
{
	char head[HEAD];

	for (int depth = 0; depth < SCRIPT_DEPTH; depth++) {
		long fd = sys_call4(SYS_openat, dir, (long)path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags,
				    0);
		bool loader, privileged;
		long n;

		if (fd < 0)
			return UNREADABLE;
		n = sys_call4(SYS_pread64, fd, (long)head, sizeof(head), 0);
		loader = n >= 4 && memcmp(head, ELFMAG, SELFMAG) == 0 && has_loader((int)fd, (uint8_t *)head, n);
		privileged = loader && changes_privileges((int)fd);
		sys_close((int)fd);
		if (loader)
			return privileged ? PRIVILEGED : TAKES_AGENT;
		if (n < 4 || head[0] != '#' || head[1] != '!')
			return STATIC;
		path = interpreter(head, n);
		if (path == NULL)
			return STATIC;
		dir = AT_FDCWD, flags = 0;
	}
	return STATIC;
}

/* --- out: the new environment --- */

/* Entries of the program's vector, -EFAULT, -E2BIG. *preload: index of its LD_PRELOAD or -1. */
static long scan_env(char *const *envp, long *preload)
{
	*preload = -1;
	for (long n = 0; n < ENV_MAX; n++) {
		char head[sizeof(PRELOAD)];
		const char *entry;

		if (copy_from_user(&entry, envp + n, sizeof(entry)) != 0)
			return -EFAULT;
		if (entry == NULL)
			return n;
		if (agent_copy_string(head, entry, sizeof(PRELOAD) - 1) == sizeof(PRELOAD) - 1 &&
		    memcmp(head, PRELOAD, sizeof(PRELOAD) - 1) == 0)
			*preload = n;
	}
	return -E2BIG;
}

/* "LD_PRELOAD=<agent>:<theirs>" into `out`, or -1 where it does not fit. */
static long join_preload(char *out, long size, const char *theirs)
{
	long n = (long)mem_length(carry.preload);
	long rest;

	if (n + 2 > size)
		return -1;
	memcpy(out, carry.preload, (size_t)n);
	out[n] = ':';
	rest = strncpy_from_user(out + n + 1, theirs + sizeof(PRELOAD) - 1, size - n - 1);
	return rest < 0 ? -1 : n + 1 + rest;
}

/* A vector with ours added: `room` entries at `out`, which hold the n of theirs and three more. */
static int build_env(char **out, char *const *envp, long n, long preload, char *joined, long joined_size)
{
	static char pad[] = PAD;

	if (copy_from_user(out, envp, (size_t)n * sizeof(*out)) != 0)
		return -EFAULT;
	if (preload >= 0) {
		if (join_preload(joined, joined_size, out[preload]) < 0)
			return -E2BIG;
		out[preload] = joined;
		out[n++] = pad;
	} else {
		out[n++] = carry.preload;
	}
	out[n++] = carry.config;
	out[n] = NULL;
	return 0;
}

static void count(enum kind k)
{
	static const enum stats_event events[] = {STATS_EXEC, STATS_EXEC_STATIC, STATS_EXEC_SETUID,
						  STATS_EXEC_UNREADABLE};

	stats_event(events[k]);
}

struct exec_call {
	long nr;
	int dir;
	const char *path;
	char *const *argv;
	char *const *envp;
	int flags;
};

static long make(struct agent_thread *t, const struct exec_call *x, char *const *envp)
{
	long ret;

	if (agent_hooks.before_exec != NULL)
		agent_hooks.before_exec(t);
	stats_process();
	signal_before_exec(t);
	if (x->nr == SYS_execve)
		ret = agent_kernel(t, SYS_execve, (long)x->path, (long)x->argv, (long)envp, 0, 0, 0);
	else
		ret = agent_kernel(t, SYS_execveat, x->dir, (long)x->path, (long)x->argv, (long)envp, x->flags, 0);
	signal_exec_failed(t);
	if (agent_hooks.exec_failed != NULL)
		agent_hooks.exec_failed(t);
	return ret;
}

/* In a child that shares memory with its parent, a mapping outlives the exec: the parent drops it. */
static char **map_vector(struct agent_thread *t, long n, size_t *size)
{
	void *p;

	*size = round_up((size_t)n * sizeof(char *), 4096u);
	p = sys_mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_is_err(p))
		return NULL;
	t->scratch = p;
	t->scratch_size = *size;
	return p;
}

static __attribute__((noinline)) long make_small(struct agent_thread *t, const struct exec_call *x, long n,
						 long preload)
{
	char *vector[ENV_ON_STACK + 3], joined[1024];

	if (build_env(vector, x->envp, n, preload, joined, sizeof(joined)) != 0)
		return make(t, x, x->envp);
	return make(t, x, vector);
}

static __attribute__((noinline)) long make_large(struct agent_thread *t, const struct exec_call *x, long n,
						 long preload)
{
	char joined[1024];
	size_t size;
	char **vector = map_vector(t, n + 3, &size);
	bool ok = vector != NULL && build_env(vector, x->envp, n, preload, joined, sizeof(joined)) == 0;
	long ret = make(t, x, ok ? vector : x->envp);

	if (vector != NULL)
		sys_munmap(vector, size);
	t->scratch = NULL;
	return ret;
}

/* An open descriptor as a path. */
static void fd_path(char *out, int fd)
{
	char digits[12];
	int n = 0;

	memcpy(out, "/proc/self/fd/", 14);
	out += 14;
	do {
		digits[n++] = (char)('0' + fd % 10);
		fd /= 10;
	} while (fd > 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
}

/* What is wrong with the path, the kernel reports when the exec is made. */
static enum kind classify_call(const struct exec_call *x)
{
	char first, path[32];

	if (!carry.ready || copy_from_user(&first, x->path, 1) != 0)
		return UNREADABLE;
	if (first != '\0' || !(x->flags & AT_EMPTY_PATH) || x->dir < 0)
		return classify(x->dir, x->path, x->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
	fd_path(path, x->dir);
	return classify(AT_FDCWD, path, 0);
}

static long exec(struct agent_thread *t, const struct exec_call *x)
{
	long preload = -1, n = x->envp == NULL ? 0 : scan_env(x->envp, &preload);
	enum kind k = n < 0 ? UNREADABLE : classify_call(x);

	count(k);
	if (k != TAKES_AGENT)
		return make(t, x, x->envp);
	return n <= ENV_ON_STACK ? make_small(t, x, n, preload) : make_large(t, x, n, preload);
}

long handle_execve(struct agent_thread *t, struct agent_regs *r)
{
	const struct exec_call x = {.nr = SYS_execve,
				    .dir = AT_FDCWD,
				    .path = (const char *)r->rdi,
				    .argv = (char *const *)r->rsi,
				    .envp = (char *const *)r->rdx};

	return exec(t, &x);
}

long handle_execveat(struct agent_thread *t, struct agent_regs *r)
{
	const struct exec_call x = {.nr = SYS_execveat,
				    .dir = (int)r->rdi,
				    .path = (const char *)r->rsi,
				    .argv = (char *const *)r->rdx,
				    .envp = (char *const *)r->r10,
				    .flags = (int)r->r8};

	return exec(t, &x);
}
