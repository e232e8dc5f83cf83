/*
 * System calls past libc, from code of ours: no agent sees them. A process that
 * runs under one makes some of its calls so, and is then two: one that works in
 * the pool and one that comes through the kernel.
 *
 * While px_raw is set in a thread, the calls on paths below go this way. The
 * macros hide libc's functions of the same names.
 */
#pragma once

#include <errno.h>

#include "base/sys.h"

extern _Thread_local int px_raw;

/* In a page that belongs to no object: an agent looks through those for `syscall` instructions (posix.c). */
extern long (*px_instruction)(long nr, long a, long b, long c, long d, long e);

static inline long px_direct(long nr, long a, long b, long c, long d, long e)
{
	long ret = px_instruction(nr, a, b, c, d, e);

	if (ret >= 0 || ret < -4095)
		return ret;
	errno = (int)-ret;
	return -1;
}

#define RAW(type, call, nr, a, b, c, d, e)                                                                             \
	(px_raw ? (type)px_direct(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e)) : (type)(call))

#define mkdirat(d, p, m) RAW(int, mkdirat(d, p, m), SYS_mkdirat, d, p, m, 0, 0)
#define unlinkat(d, p, f) RAW(int, unlinkat(d, p, f), SYS_unlinkat, d, p, f, 0, 0)
#define mknodat(d, p, m, v) RAW(int, mknodat(d, p, m, v), SYS_mknodat, d, p, m, v, 0)
#define symlinkat(t, d, p) RAW(int, symlinkat(t, d, p), SYS_symlinkat, t, d, p, 0, 0)
#define linkat(d, p, e, q, f) RAW(int, linkat(d, p, e, q, f), SYS_linkat, d, p, e, q, f)
#define renameat2(d, p, e, q, f) RAW(int, renameat2(d, p, e, q, f), SYS_renameat2, d, p, e, q, f)
#define truncate(p, n) RAW(int, truncate(p, n), SYS_truncate, p, n, 0, 0, 0)
#define fchmodat(d, p, m, f) RAW(int, fchmodat(d, p, m, f), SYS_fchmodat, d, p, m, 0, 0)
#define fchownat(d, p, u, g, f) RAW(int, fchownat(d, p, u, g, f), SYS_fchownat, d, p, u, g, f)
#define statx(d, p, f, m, x) RAW(int, statx(d, p, f, m, x), SYS_statx, d, p, f, m, x)
#define px_syscall4(nr, a, b, c, d) RAW(long, syscall(nr, a, b, c, d), nr, a, b, c, d, 0)
#define px_xattr(how, nofollow, p, n, v, s, f)                                                                         \
	(px_raw ? px_direct(nofollow ? SYS_l##how : SYS_##how, (long)(p), (long)(n), (long)(v), (long)(s), (long)(f))  \
		: syscall(nofollow ? SYS_l##how : SYS_##how, p, n, v, s, f))
