/*
 * Whom the agent goes along with: launch/target.h. What does not take it gets
 * its environment untouched.
 *
 * The call itself is made with the depth at 0 (agent_kernel): an exec that
 * succeeds must leave no signal put off, since the new program would inherit
 * a mask that nobody opens.
 */
#include "agent/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "agent/mem.h"
#include "agent/signals.h"
#include "agent/stats.h"
#include "agent/user.h"
#include "base/sys.h"
#include "launch/target.h"

#define PRELOAD "LD_PRELOAD="
#define CONFIG "BTFUSE_AGENT="
#define PAD "BTFUSE_PAD="
#define ENV_MAX (1 << 20) /* entries; the kernel allows no more bytes than a quarter of the stack */
#define ENV_ON_STACK 128

static struct {
	char preload[512]; /* "LD_PRELOAD=<agent>" */
	char config[640];  /* "BTFUSE_AGENT=..." */
	size_t agent_len;  /* of <agent> */
	uid_t uid;	   /* who the program was started as */
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
	carry.uid = (uid_t)sys_call3(SYS_geteuid, 0, 0, 0);
	return carry.ready ? carry.config + sizeof(CONFIG) - 1 : NULL;
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

static void count(enum target k)
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

static long make(struct agent_thread *t, const struct exec_call *x, char *const *envp, bool carries)
{
	long ret;

	if (agent_hooks.before_exec != NULL)
		agent_hooks.before_exec(t, carries);
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
		return make(t, x, x->envp, false);
	return make(t, x, vector, true);
}

static __attribute__((noinline)) long make_large(struct agent_thread *t, const struct exec_call *x, long n,
						 long preload)
{
	char joined[1024];
	size_t size;
	char **vector = map_vector(t, n + 3, &size);
	bool ok = vector != NULL && build_env(vector, x->envp, n, preload, joined, sizeof(joined)) == 0;
	long ret = make(t, x, ok ? vector : x->envp, ok);

	if (vector != NULL)
		sys_munmap(vector, size);
	t->scratch = NULL;
	return ret;
}

/* An open descriptor as a path. */
static void fd_path(char *out, int fd)
{
	memcpy(out, "/proc/self/fd/", 14);
	mem_decimal(out + 14, (unsigned)fd);
}

/* The pools are their user's alone: a program that runs as somebody else gets none, and neither do those it starts. */
static bool is_somebody_else(void)
{
	return (uid_t)sys_call3(SYS_getuid, 0, 0, 0) != carry.uid ||
	       (uid_t)sys_call3(SYS_geteuid, 0, 0, 0) != carry.uid;
}

/* What is wrong with the path, the kernel reports when the exec is made. */
static enum target classify_call(const struct exec_call *x)
{
	char first, path[32];

	if (!carry.ready || copy_from_user(&first, x->path, 1) != 0)
		return TARGET_UNREADABLE;
	if (first != '\0' || !(x->flags & AT_EMPTY_PATH) || x->dir < 0)
		return target_classify(x->dir, x->path, x->flags & AT_SYMLINK_NOFOLLOW ? O_NOFOLLOW : 0);
	fd_path(path, x->dir);
	return target_classify(AT_FDCWD, path, 0);
}

/* Will the exec fail before anything is made ready for it, as those of a search in PATH do? */
static bool fails_at_once(const struct exec_call *x)
{
	return !(x->flags & AT_EMPTY_PATH) && sys_call4(SYS_faccessat2, x->dir, (long)x->path, 1 /* X_OK */,
							AT_EACCESS | (x->flags & AT_SYMLINK_NOFOLLOW)) == -ENOENT;
}

/* In another root or name space it may not be: the loader would complain to the program's standard error. */
static bool agent_is_there(void)
{
	return sys_call4(SYS_faccessat, AT_FDCWD, (long)(carry.preload + sizeof(PRELOAD) - 1), 4 /* R_OK */, 0) == 0;
}

uint64_t agent_room;

/*
 * The limit of address space counts what the agent maps as well: where that leaves the program less than
 * half, it goes without, and gets real descriptors now.
 */
static bool has_room(void)
{
	struct rlimit r = {.rlim_cur = RLIM_INFINITY};

	return sys_call4(SYS_prlimit64, 0, RLIMIT_AS, 0, (long)&r) != 0 || r.rlim_cur / 2 >= agent_room;
}

static long exec(struct agent_thread *t, const struct exec_call *x)
{
	long preload = -1, n = x->envp == NULL ? 0 : scan_env(x->envp, &preload);
	enum target k = n < 0 ? TARGET_UNREADABLE : classify_call(x);
	long ret;

	if (k == TARGET_TAKES_AGENT && is_somebody_else())
		k = TARGET_PRIVILEGED;
	if (k == TARGET_UNREADABLE && fails_at_once(x))
		return -ENOENT;
	count(k);
	if (k != TARGET_TAKES_AGENT || agent_quiet || !agent_is_there() || !has_room())
		return make(t, x, x->envp, false);
	ret = n <= ENV_ON_STACK ? make_small(t, x, n, preload) : make_large(t, x, n, preload);
	/* What the agent needs itself may be just too much. */
	return ret == -E2BIG ? make(t, x, x->envp, false) : ret;
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
