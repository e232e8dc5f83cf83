/*
 * What a program notices of the agent: nothing. Run with the tests' agent by
 * the launcher; each test is named on the command line, all of them run
 * without one.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <linux/sched.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/compiler.h"
#include "tests/agent/sample.h"
#include "tests/agent/test_calls.h"

extern char **environ;

static int failures;

#define EXPECT(cond)                                                                                                   \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __func__, __LINE__, #cond, errno);                   \
			failures++;                                                                                    \
		}                                                                                                      \
	} while (0)

static long call(long what, long a, long b, long c, long d, long e)
{
	return syscall(TEST_NR, what, a, b, c, d, e);
}

/* --- registers --- */

static void fill(struct regs *r)
{
	memset(r, 0, sizeof(*r));
	for (int i = 0; i < 16; i++)
		r->r[i] = 0x1000000000000001ull * (unsigned)(i + 1);
	r->r[RAX] = TEST_NR;
	r->r[RDI] = TEST_ANSWER;
	r->r[RSI] = 0x123456789abcdef;
}

static void expect_kept(const char *name, const struct regs *before, const struct regs *after)
{
	static const int kept[] = {RBX, RDX, RSI, RDI, RBP, R8, R9, R10, R12, R13, R14, R15};

	for (size_t i = 0; i < array_len(kept); i++) {
		if (before->r[kept[i]] == after->r[kept[i]])
			continue;
		fprintf(stderr, "%s: register %d: %lx became %lx\n", name, kept[i], before->r[kept[i]],
			after->r[kept[i]]);
		failures++;
	}
	EXPECT(after->red[0] == 0x11111111 && after->red[1] == 0x22222222 && after->red[2] == 0x33333333);
}

#define STATUS_FLAGS 0x8d5u /* OF SF ZF AF PF CF */

static void try_site(const char *name, void (*f)(struct regs *), long what, uint64_t flags, long expected)
{
	struct regs before, after;

	fill(&before);
	before.r[RBX] = TEST_NR; /* pad loads it */
	before.r[RDI] = (uint64_t)what;
	before.flags = flags;
	after = before;
	if (f == near_rip)
		before.r[RSI] = 0x5eed5eed5eed5eed;
	f(&after);
	expect_kept(name, &before, &after);
	if (f != moved)
		EXPECT((after.flags & STATUS_FLAGS) == (flags & STATUS_FLAGS));
	if ((long)after.r[RAX] != expected) {
		fprintf(stderr, "%s: call %ld gives %lx, not %lx\n", name, what, after.r[RAX], expected);
		failures++;
	}
}

static void test_registers(void)
{
	static const uint64_t flags[] = {0x202, 0x202 | STATUS_FLAGS, 0xa02, 0x203, 0x242, 0x282, 0x206, 0x212};

	for (size_t i = 0; i < array_len(flags); i++) {
		for (long what = TEST_ANSWER; what <= TEST_HAND_ON; what++) {
			long want = what == TEST_HAND_ON ? -ENOSYS : 0x123456789abcdef;
			long rip = what == TEST_HAND_ON ? -ENOSYS : 0x5eed5eed5eed5eed;

			try_site("near_mov", near_mov, what, flags[i], want);
			try_site("near_neighbour", near_neighbour, what, flags[i], want);
			try_site("near_rip", near_rip, what, flags[i], rip);
			try_site("pad", pad, what, flags[i], want);
			try_site("moved", moved, what, flags[i], want);
		}
	}
}

/* The sites are patched, each in its way; the signal frame's return is not. */
static void test_patched(void)
{
	EXPECT(sample_sites.near_mov[-5] == 0xe9 && sample_sites.near_mov[0] == 0x0f);
	EXPECT(sample_sites.near_neighbour[-8] == 0xe9 && sample_sites.near_neighbour[0] == 0x0f);
	EXPECT(sample_sites.near_rip[-7] == 0xe9 && sample_sites.near_rip[0] == 0x0f);
	EXPECT(sample_sites.pad[-2] == 0xeb && sample_sites.pad[0] == 0x0f);
	EXPECT(sample_sites.moved[0] == 0xe9);
	EXPECT(sample_sites.sigreturn[-7] == 0x48 && sample_sites.sigreturn[0] == 0x0f &&
	       sample_sites.sigreturn[1] == 0x05);
	EXPECT(call(TEST_DEPTH, 0, 0, 0, 0, 0) == 1);
}

/* Vector registers: set all, call, compare. */
__attribute__((target("avx512f"))) static void vectors512(void)
{
	static uint8_t in[32][64], out[32][64];

	for (int i = 0; i < 32; i++)
		memset(in[i], i + 1, 64);
#define PUT(n) "vmovdqu64 " #n "*64(%0), %%zmm" #n "\n"
#define GET(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%1)\n"
#define EACH(m)                                                                                                        \
	m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15) m(16) m(17) m(18) m(19)  \
	    m(20) m(21) m(22) m(23) m(24) m(25) m(26) m(27) m(28) m(29) m(30) m(31)
	struct regs r;
	fill(&r);
	__asm__ volatile(EACH(PUT) "mov %2, %%rdi\n call *%3\n" EACH(GET)
			 :
			 : "b"(in), "r"((void *)out) /* callee-saved: near_mov keeps them */, "r"(&r), "r"(near_mov)
			 : "rdi", "rsi", "rdx", "rcx", "rax", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0", "xmm1",
			   "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
			   "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
			   "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31");
	EXPECT(memcmp(in, out, sizeof(in)) == 0);
}

static void test_vectors(void)
{
	if (__builtin_cpu_supports("avx512f"))
		vectors512();
}

/* --- results --- */

static void test_errno(void)
{
	char buf[8];

	errno = 0;
	EXPECT(open("/does/not/exist", O_RDONLY) == -1 && errno == ENOENT);
	EXPECT(read(-1, buf, 1) == -1 && errno == EBADF);
	EXPECT(close(-1) == -1 && errno == EBADF);
	EXPECT(mkdir("/proc/x", 0700) == -1 && errno == ENOENT);
	EXPECT(syscall(SYS_openat, AT_FDCWD, (char *)8, O_RDONLY) == -1 && errno == EFAULT);
	EXPECT(syscall(TEST_NR, TEST_HAND_ON) == -1 && errno == ENOSYS);
	EXPECT(syscall(-1L) == -1 && errno == ENOSYS);
	EXPECT(syscall(100000L) == -1 && errno == ENOSYS);
	EXPECT(getpid() == syscall(SYS_getpid));
}

static void test_copies(void)
{
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(p + 8192, 4096, PROT_NONE);
	memset(p, 'x', 8192);
	for (long n = 0; n <= 256; n++) {
		EXPECT(call(TEST_FROM_USER, (long)p + 8192 - n, n, 0, 0, 0) == 0);
		EXPECT(call(TEST_FROM_USER, (long)p + 8192 - n, n + 1, 0, 0, 0) == -1 && errno == EFAULT);
		EXPECT(call(TEST_TO_USER, (long)p + 8192 - n, n, 0, 0, 0) == 0);
		EXPECT(n == 0 || (uint8_t)p[8191] == (uint8_t)(n - 1));
		EXPECT(n == 256 || (call(TEST_TO_USER, (long)p + 8192 - n, n + 1, 0, 0, 0) == -1 && errno == EFAULT));
	}
	EXPECT(call(TEST_FROM_USER, 0x7fffffffffff0000, 8, 0, 0, 0) == -1 && errno == EFAULT);
	EXPECT(call(TEST_FROM_USER, (long)0x8000000000000000, 8, 0, 0, 0) == -1 && errno == EFAULT);
	strcpy(p + 8192 - 4, "abc");
	EXPECT(call(TEST_STRING, (long)p + 8192 - 4, 200, 0, 0, 0) == 3);
	EXPECT(call(TEST_STRING, (long)p + 8192 - 4, 3, 0, 0, 0) == -1 && errno == ENAMETOOLONG);
	p[8191] = 'd';
	EXPECT(call(TEST_STRING, (long)p + 8192 - 4, 200, 0, 0, 0) == -1 && errno == EFAULT);
	munmap(p, 3 * 4096);
}

/* The same while the program blocks what the agent relies on. */
static void test_copies_blocked(void)
{
	sigset_t all, old, seen;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	EXPECT(call(TEST_FROM_USER, 8, 8, 0, 0, 0) == -1 && errno == EFAULT);
	pthread_sigmask(SIG_SETMASK, NULL, &seen);
	EXPECT(sigismember(&seen, SIGSEGV) && sigismember(&seen, SIGBUS) && sigismember(&seen, SIGTERM));
	sigemptyset(&all);
	sigaddset(&all, SIGSEGV);
	pthread_sigmask(SIG_UNBLOCK, &all, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &seen);
	EXPECT(!sigismember(&seen, SIGSEGV) && sigismember(&seen, SIGBUS));
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_sigmask(SIG_SETMASK, NULL, &seen);
	EXPECT(!sigismember(&seen, SIGSEGV) && !sigismember(&seen, SIGBUS) && !sigismember(&seen, SIGTERM));
}

/* --- signals --- */

static volatile sig_atomic_t got, got_signo;
static volatile long got_addr;
static sigjmp_buf jump;

static void count_signal(int sig)
{
	int saved = errno;
	int fd = open("/dev/null", O_WRONLY);

	got++;
	got_signo = sig;
	if (write(fd, "x", 1) != 1 || close(fd) != 0)
		abort();
	if (call(TEST_ANSWER, 77, 0, 0, 0, 0) != 77)
		abort();
	errno = saved;
}

static void timer(long us)
{
	struct itimerval it = {{0, us}, {0, us}};

	setitimer(ITIMER_REAL, &it, NULL);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A timer against calls that stay in the agent, are handed on, or go through the kernel. */
static void test_signals(void)
{
	struct sigaction sa = {.sa_handler = count_signal};
	double end = seconds() + 2;
	struct regs r;
	long n = 0;

	sigaction(SIGALRM, &sa, NULL);
	got = 0;
	timer(1000);
	while (seconds() < end) {
		EXPECT(call(TEST_SPIN, 3000, 0, 0, 0, 0) == 3000);
		EXPECT(call(TEST_KERNEL, SYS_getppid, 0, 0, 0, 0) == getppid());
		fill(&r);
		near_mov(&r);
		EXPECT(r.r[RAX] == 0x123456789abcdef);
		EXPECT(close(-1) == -1 && errno == EBADF);
		n++;
	}
	timer(0);
	EXPECT(got > 20); /* a loaded machine; that none is lost, test_queued shows */
	EXPECT(n > 100);
}

static void leave(int sig)
{
	got++;
	siglongjmp(jump, sig);
}

static void test_siglongjmp(void)
{
	struct sigaction sa = {.sa_handler = leave};
	double end = seconds() + 1;
	volatile long rounds = 0;
	sigset_t mask;

	sigaction(SIGALRM, &sa, NULL);
	got = 0;
	timer(1000);
	while (seconds() < end) {
		if (sigsetjmp(jump, 1) != 0)
			rounds++;
		for (int i = 0; i < 50; i++) {
			call(TEST_SPIN, 1000, 0, 0, 0, 0);
			call(TEST_KERNEL, SYS_getppid, 0, 0, 0, 0);
		}
	}
	timer(0);
	EXPECT(got > 20); /* a loaded machine; that none is lost, test_queued shows */
	EXPECT(rounds > 20);
	EXPECT(call(TEST_DEPTH, 0, 0, 0, 0, 0) == 1);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	EXPECT(!sigismember(&mask, SIGALRM) && !sigismember(&mask, SIGTERM));
}

/* On another stack, as sa_flags ask; the agent must not leave it. */
static void on_stack(int sig)
{
	char here;

	got_addr = (long)&here;
	call(TEST_SPIN, 200000, 0, 0, 0, 0);
	got++;
}

static void test_altstack(void)
{
	size_t size = 64 * 1024;
	char *stack = malloc(size);
	stack_t ss = {.ss_sp = stack, .ss_size = size}, off = {.ss_flags = SS_DISABLE};
	struct sigaction sa = {.sa_handler = on_stack, .sa_flags = SA_ONSTACK | SA_NODEFER};

	sigaltstack(&ss, NULL);
	sigaction(SIGALRM, &sa, NULL);
	got = 0;
	timer(3000);
	while (got < 100)
		call(TEST_SPIN, 20000, 0, 0, 0, 0);
	timer(0);
	EXPECT(got_addr > (long)stack && got_addr < (long)(stack + size));
	sigaltstack(&off, NULL);
	free(stack);
}

static void segv(int sig, siginfo_t *info, void *context)
{
	got_signo = sig;
	got_addr = (long)info->si_addr;
	siglongjmp(jump, 1);
}

static void test_segv_handler(void)
{
	struct sigaction sa = {.sa_sigaction = segv, .sa_flags = SA_SIGINFO}, old, back;

	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGUSR1);
	sigaddset(&sa.sa_mask, SIGBUS);
	EXPECT(sigaction(SIGSEGV, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
	EXPECT(sigaction(SIGSEGV, &sa, &old) == 0 && old.sa_handler == SIG_DFL);
	EXPECT(sigaction(SIGSEGV, NULL, &back) == 0);
	EXPECT(back.sa_sigaction == segv && (back.sa_flags & SA_SIGINFO) && sigismember(&back.sa_mask, SIGBUS));
	for (int i = 0; i < 100; i++) {
		got_addr = 0;
		if (sigsetjmp(jump, 1) == 0)
			*(volatile int *)(0x1000L + i) = 1;
		EXPECT(got_addr == 0x1000 + i && got_signo == SIGSEGV);
		EXPECT(call(TEST_FROM_USER, 8, 8, 0, 0, 0) == -1 && errno == EFAULT);
	}
	sa.sa_handler = SIG_DFL;
	sigaction(SIGSEGV, &sa, &old);
	EXPECT(old.sa_sigaction == segv);
}

static int status_of(void (*f)(void))
{
	struct rlimit none = {0, 0};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		f();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return status;
}

static void die_by_fault(void)
{
	*(volatile int *)8 = 1;
}

static void die_by_kill(void)
{
	kill(getpid(), SIGSEGV);
}

static void die_by_raise(void)
{
	raise(SIGBUS);
}

static void die_ignoring(void)
{
	signal(SIGSEGV, SIG_IGN);
	kill(getpid(), SIGSEGV);
	*(volatile int *)8 = 1;
}

static void live_ignoring(void)
{
	signal(SIGSEGV, SIG_IGN);
	kill(getpid(), SIGSEGV);
	_exit(7);
}

static void die_at_second(void)
{
	struct sigaction sa = {.sa_handler = count_signal, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	if (got != 1)
		_exit(1);
	raise(SIGUSR1);
}

static void blocked_pending(void)
{
	sigset_t one, pending;

	sigemptyset(&one);
	sigaddset(&one, SIGSEGV);
	sigprocmask(SIG_BLOCK, &one, NULL);
	kill(getpid(), SIGSEGV);
	sigpending(&pending);
	if (!sigismember(&pending, SIGSEGV))
		_exit(3);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
}

static void test_default_actions(void)
{
	got = 0;
	EXPECT(WTERMSIG(status_of(die_by_fault)) == SIGSEGV);
	EXPECT(WTERMSIG(status_of(die_by_kill)) == SIGSEGV);
	EXPECT(WTERMSIG(status_of(die_by_raise)) == SIGBUS);
	EXPECT(WTERMSIG(status_of(die_ignoring)) == SIGSEGV);
	EXPECT(WEXITSTATUS(status_of(live_ignoring)) == 7);
	EXPECT(WTERMSIG(status_of(die_at_second)) == SIGUSR1);
	EXPECT(status_of(blocked_pending) == SIGSEGV);
	EXPECT(WTERMSIG(status_of(abort)) == SIGABRT);
}

/* Queued values survive being put off. */
static volatile int values;

static void take_value(int sig, siginfo_t *info, void *context)
{
	values += info->si_value.sival_int;
	if (info->si_pid != getpid())
		abort();
}

static void *send_values(void *to)
{
	for (int i = 1; i <= 1000; i++) {
		union sigval v = {.sival_int = i};

		while (pthread_sigqueue(*(pthread_t *)to, SIGRTMIN, v) != 0)
			sched_yield();
	}
	return NULL;
}

static void test_queued(void)
{
	struct sigaction sa = {.sa_sigaction = take_value, .sa_flags = SA_SIGINFO};
	pthread_t self = pthread_self(), t;

	sigaction(SIGRTMIN, &sa, NULL);
	values = 0;
	pthread_create(&t, NULL, send_values, &self);
	for (int i = 0; i < 100000 && values < 500500; i++)
		call(TEST_SPIN, 500, 0, 0, 0, 0);
	pthread_join(t, NULL);
	EXPECT(values == 500500);
}

/* --- threads and processes --- */

static void *thread_calls(void *arg)
{
	long self = call(TEST_SELF, 0, 0, 0, 0, 0);

	for (long i = 0; i < 2000; i++) {
		if (call(TEST_ANSWER, i, 0, 0, 0, 0) != i || call(TEST_SELF, 0, 0, 0, 0, 0) != self)
			__atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
	}
	return (void *)self;
}

static void test_threads(void)
{
	pthread_t t[32];
	void *page[32];

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < array_len(t); i++)
			EXPECT(pthread_create(&t[i], NULL, thread_calls, NULL) == 0);
		for (size_t i = 0; i < array_len(t); i++)
			pthread_join(t[i], &page[i]);
	}
	EXPECT((long)page[0] != call(TEST_SELF, 0, 0, 0, 0, 0));
}

static void *fork_in_thread(void *arg)
{
	for (int i = 0; i < 50; i++) {
		pid_t pid = fork();
		int status = -1;

		if (pid == 0)
			_exit(call(TEST_ANSWER, 5, 0, 0, 0, 0) == 5 ? 9 : 1);
		waitpid(pid, &status, 0);
		if (WEXITSTATUS(status) != 9)
			__atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void test_fork(void)
{
	pthread_t t[4];

	for (size_t i = 0; i < array_len(t); i++)
		pthread_create(&t[i], NULL, fork_in_thread, NULL);
	fork_in_thread(NULL);
	for (size_t i = 0; i < array_len(t); i++)
		pthread_join(t[i], NULL);
}

static void test_vfork(void)
{
	struct sigaction sa = {.sa_handler = count_signal}, now;
	long self = call(TEST_SELF, 0, 0, 0, 0, 0);

	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < 50; i++) {
		int status = -1;
		pid_t pid = vfork();

		if (pid == 0) {
			/* The child's own page, and its own handlers. */
			if (call(TEST_SELF, 0, 0, 0, 0, 0) == self)
				_exit(1);
			signal(SIGUSR1, SIG_DFL);
			_exit(call(TEST_ANSWER, 5, 0, 0, 0, 0) == 5 ? 9 : 2);
		}
		waitpid(pid, &status, 0);
		EXPECT(WEXITSTATUS(status) == 9);
		EXPECT(call(TEST_SELF, 0, 0, 0, 0, 0) == self);
		sigaction(SIGUSR1, NULL, &now);
		EXPECT(now.sa_handler == count_signal);
	}
	got = 0;
	raise(SIGUSR1);
	EXPECT(got == 1);
}

static int clone_child(void *arg)
{
	return call(TEST_ANSWER, 5, 0, 0, 0, 0) == 5 ? 9 : 1;
}

static void test_clone(void)
{
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const int flags[] = {0, CLONE_VM, CLONE_VM | CLONE_VFORK, CLONE_FILES, CLONE_FS | CLONE_VM};
	struct clone_args args = {.exit_signal = SIGCHLD};
	int status;
	pid_t pid;

	for (size_t i = 0; i < array_len(flags); i++) {
		pid = clone(clone_child, stack + 65536, flags[i] | SIGCHLD, NULL);
		EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9);
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(clone_child(NULL));
	EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9);
	args.flags = CLONE_CLEAR_SIGHAND;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(call(TEST_FROM_USER, 8, 8, 0, 0, 0) == -1 && errno == EFAULT ? 9 : 1);
	EXPECT(pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 9);
	EXPECT(syscall(SYS_clone3, (void *)8, 88) == -1 && errno == EFAULT);
	EXPECT(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0) == -1 && errno == EINVAL);
	munmap(stack, 65536);
}

static void test_spawn(void)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)"exit 6", NULL};
	posix_spawnattr_t attr;
	sigset_t all;
	char line[64] = "";
	int status;
	pid_t pid;
	FILE *p;

	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	for (int i = 0; i < 20; i++) {
		EXPECT(posix_spawn(&pid, "/bin/sh", NULL, &attr, argv, environ) == 0);
		EXPECT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 6);
	}
	EXPECT(posix_spawn(&pid, "/does/not/exist", NULL, NULL, argv, environ) == ENOENT);
	EXPECT(WEXITSTATUS(system("exit 4")) == 4);
	p = popen("echo from the pipe", "r");
	EXPECT(p != NULL && fgets(line, sizeof(line), p) != NULL && strcmp(line, "from the pipe\n") == 0);
	EXPECT(pclose(p) == 0);
}

static void close_pipe(void *arg)
{
	int *fds = arg;

	close(fds[0]);
	close(fds[1]);
}

static void *cancelled(void *arg)
{
	int fds[2];
	char c;

	pthread_setcanceltype(*(int *)arg, NULL);
	if (pipe(fds) != 0)
		return NULL;
	pthread_cleanup_push(close_pipe, fds);
	for (;;) {
		if (*(int *)arg == PTHREAD_CANCEL_ASYNCHRONOUS)
			call(TEST_SPIN, 300, 0, 0, 0, 0);
		else if (read(fds[0], &c, 1) < 0)
			break;
	}
	pthread_cleanup_pop(1);
	return NULL;
}

static void test_cancel(void)
{
	static int types[] = {PTHREAD_CANCEL_DEFERRED, PTHREAD_CANCEL_ASYNCHRONOUS};

	for (int i = 0; i < 200; i++) {
		pthread_t t;
		void *ret;

		pthread_create(&t, NULL, cancelled, &types[i % 2]);
		usleep(200 + 37 * (unsigned)i % 500);
		EXPECT(pthread_cancel(t) == 0);
		pthread_join(t, &ret);
		EXPECT(ret == PTHREAD_CANCELED);
	}
}

/* --- exec --- */

static int run_env(char *const *envp, const char *script, char *out, size_t size)
{
	char *const argv[] = {(char *)"sh", (char *)"-c", (char *)(uintptr_t)script, NULL};
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	if (pipe(fds) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		execve("/bin/sh", argv, envp);
		_exit(127);
	}
	close(fds[1]);
	for (; size > 1 && (n = read(fds[0], out, size - 1)) > 0; size -= (size_t)n)
		out += n;
	*out = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void test_exec_env(void)
{
	char *empty[] = {NULL}, *own[] = {(char *)"A=1", (char *)"LD_PRELOAD=libm.so.6", (char *)"B=2", NULL};
	char *many[1000], entry[] = "X=1", out[256];

	EXPECT(getenv("LD_PRELOAD") == NULL && getenv("BTFUSE_AGENT") == NULL);
	EXPECT(run_env(empty, "echo [$LD_PRELOAD$BTFUSE_AGENT$BTFUSE_PAD]; grep -c agent /proc/self/maps", out,
		       sizeof(out)) == 0);
	EXPECT(strncmp(out, "[]\n", 3) == 0 && atoi(out + 3) > 0);
	EXPECT(run_env(own, "echo $A$B[$LD_PRELOAD][$BTFUSE_AGENT$BTFUSE_PAD]; grep -c agent /proc/self/maps", out,
		       sizeof(out)) == 0);
	EXPECT(strncmp(out, "12[libm.so.6][]\n", 16) == 0 && atoi(out + 16) > 0);
	for (size_t i = 0; i < array_len(many) - 1; i++)
		many[i] = entry;
	many[array_len(many) - 1] = NULL;
	EXPECT(run_env(many, "echo [$LD_PRELOAD$BTFUSE_AGENT]; grep -c agent /proc/self/maps", out, sizeof(out)) == 0);
	EXPECT(strncmp(out, "[]\n", 3) == 0 && atoi(out + 3) > 0);
}

static void test_exec_fails(void)
{
	char *argv[] = {(char *)"x", NULL};

	signal(SIGSEGV, SIG_IGN);
	for (int i = 0; i < 100; i++) {
		EXPECT(execve("/does/not/exist", argv, environ) == -1 && errno == ENOENT);
		EXPECT(execve("/etc/passwd", argv, environ) == -1 && errno == EACCES);
		EXPECT(execve("/bin/sh", argv, (char **)8) == -1 && errno == EFAULT);
		EXPECT(execve((char *)8, argv, environ) == -1 && errno == EFAULT);
		EXPECT(execve("/bin/sh", (char **)8, environ) == -1 && errno == EFAULT);
	}
	EXPECT(call(TEST_FROM_USER, 8, 8, 0, 0, 0) == -1 && errno == EFAULT);
	signal(SIGSEGV, SIG_DFL);
}

static void test_fexecve(void)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)"grep -q agent /proc/self/maps", NULL};
	int status, fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	pid_t pid = fork();

	if (pid == 0) {
		fexecve(fd, argv, environ);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	EXPECT(WEXITSTATUS(status) == 0);
	close(fd);
}

/* --- the rest --- */

static void close_all(void)
{
	for (int fd = 0; fd < 1024; fd++)
		close(fd);
	syscall(SYS_close_range, 0, ~0u, 0);
	if (open("/dev/null", O_RDWR) != 0 || call(TEST_ANSWER, 1, 0, 0, 0, 0) != 1)
		_exit(1);
	execl("/bin/sh", "sh", "-c", "exit 0", NULL);
}

static void test_close_all(void)
{
	EXPECT(WEXITSTATUS(status_of(close_all)) == 0);
}

/* The auxiliary vector is found from the environment's end, and by libc. */
static void test_auxv(void)
{
	char **p = environ;
	unsigned long *a;
	int pages = 0;

	while (*p != NULL)
		p++;
	for (a = (unsigned long *)(p + 1); a[0] != 0; a += 2)
		pages += a[0] == 6 && a[1] == 4096;
	EXPECT(pages == 1);
}

static volatile int stop_calling;
static int niceness; /* the test may run at any */

static void *call_while_patched(void *arg)
{
	long n = 0;

	while (!stop_calling) {
		if (getsid(0) <= 0 || getpgid(0) <= 0 || getpriority(PRIO_PROCESS, 0) != niceness || alarm(0) != 0)
			__atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
		n++;
	}
	return (void *)n;
}

/* Calls that become interesting while other threads make them. */
static void test_patch_later(void)
{
	static const int later[] = {SYS_getsid, SYS_getpgid, SYS_getpriority, SYS_alarm};
	pthread_t t[3];

	stop_calling = 0;
	niceness = getpriority(PRIO_PROCESS, 0);
	for (size_t i = 0; i < array_len(t); i++)
		pthread_create(&t[i], NULL, call_while_patched, NULL);
	for (size_t i = 0; i < array_len(later); i++) {
		usleep(10000);
		EXPECT(call(TEST_PATCH, later[i], 0, 0, 0, 0) >= 1);
		usleep(10000);
		EXPECT(call(TEST_PATCH, later[i], 0, 0, 0, 0) == 0);
	}
	stop_calling = 1;
	for (size_t i = 0; i < array_len(t); i++)
		pthread_join(t[i], NULL);
	EXPECT(getsid(0) == syscall(SYS_getsid, 0));
}

static const struct {
	const char *name;
	void (*f)(void);
} tests[] = {
    {"patched", test_patched},
    {"registers", test_registers},
    {"vectors", test_vectors},
    {"errno", test_errno},
    {"copies", test_copies},
    {"copies_blocked", test_copies_blocked},
    {"signals", test_signals},
    {"siglongjmp", test_siglongjmp},
    {"altstack", test_altstack},
    {"segv_handler", test_segv_handler},
    {"default_actions", test_default_actions},
    {"queued", test_queued},
    {"threads", test_threads},
    {"fork", test_fork},
    {"vfork", test_vfork},
    {"clone", test_clone},
    {"spawn", test_spawn},
    {"cancel", test_cancel},
    {"exec_env", test_exec_env},
    {"exec_fails", test_exec_fails},
    {"fexecve", test_fexecve},
    {"close_all", test_close_all},
    {"auxv", test_auxv},
    {"patch_later", test_patch_later},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < array_len(tests); i++) {
		int before = failures;

		if (argc > 1 && strcmp(argv[1], tests[i].name) != 0)
			continue;
		tests[i].f();
		printf("%s %s\n", failures == before ? "ok  " : "FAIL", tests[i].name);
		fflush(stdout);
	}
	return failures != 0;
}
