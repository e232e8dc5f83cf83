/*
 * System calls without libc: no errno, no cancellation, no TLS, callable from
 * any thread, a signal handler, a vfork child, or before libc is initialised.
 * Each returns what the kernel returns: a result, or -errno (-4095 to -1).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

struct timespec;
struct flock;

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long sys_call4(long nr, long a, long b, long c, long d)
{
	long ret;
	register long r10 __asm__("r10") = d;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return ret;
}

static inline long sys_call3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static inline void *sys_mmap(void *addr, size_t len, int prot, int flags, int fd, int64_t off)
{
	return (void *)sys_call6(SYS_mmap, (long)addr, (long)len, prot, flags, fd, off);
}

/* True where a pointer from sys_mmap is a -errno. */
static inline int sys_is_err(const void *p)
{
	return (unsigned long)p >= -4095UL;
}

static inline int sys_munmap(void *addr, size_t len)
{
	return (int)sys_call3(SYS_munmap, (long)addr, (long)len, 0);
}

static inline int sys_madvise(void *addr, size_t len, int advice)
{
	return (int)sys_call3(SYS_madvise, (long)addr, (long)len, advice);
}

/* A filter on system calls may end the program for one that it does not know (prctl(2), PR_GET_SECCOMP). */
static inline int sys_is_filtered(void)
{
	return sys_call3(SYS_prctl, 21, 0, 0) != 0;
}

static inline int sys_mprotect(void *addr, size_t len, int prot)
{
	return (int)sys_call3(SYS_mprotect, (long)addr, (long)len, prot);
}

static inline int sys_close(int fd)
{
	return (int)sys_call3(SYS_close, fd, 0, 0);
}

static inline int sys_ftruncate(int fd, int64_t size)
{
	return (int)sys_call3(SYS_ftruncate, fd, size, 0);
}

static inline int sys_fallocate(int fd, int mode, int64_t off, int64_t len)
{
	return (int)sys_call4(SYS_fallocate, fd, mode, off, len);
}

static inline int sys_fcntl(int fd, int cmd, long arg)
{
	return (int)sys_call3(SYS_fcntl, fd, cmd, arg);
}

static inline int sys_getpid(void)
{
	return (int)sys_call3(SYS_getpid, 0, 0, 0);
}

static inline int sys_gettid(void)
{
	return (int)sys_call3(SYS_gettid, 0, 0, 0);
}

static inline int sys_clock_gettime(int clock, struct timespec *ts)
{
	return (int)sys_call3(SYS_clock_gettime, clock, (long)ts, 0);
}
