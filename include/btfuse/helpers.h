/*
 * Helpers that only bt-fuse has. A program that calls them is refused by the
 * kernel ("invalid func"); all else in it is ordinary.
 */
#ifndef BTFUSE_HELPERS_H
#define BTFUSE_HELPERS_H

/*
 * The absolute path that a path argument of this call means, or that of a
 * descriptor: links at its end and "." and ".." are resolved as text; the file
 * need not exist. `dirfd`: where a relative one begins (AT_FDCWD: -100).
 * The length with its NUL, -ENAMETOOLONG where `size` is too small, -EFAULT,
 * -EBADF.
 */
static long (*btfuse_path)(char *buf, unsigned int size, long dirfd, const void *upath) = (void *)240;
static long (*btfuse_fd_path)(char *buf, unsigned int size, long fd) = (void *)241;
/*
 * Number of the mount of bt-fuse (of this process, from 0) on which a path or
 * a descriptor of this call lies; -ENOENT: on none.
 */
static long (*btfuse_mount)(long dirfd, const void *upath) = (void *)242;
static long (*btfuse_fd_mount)(long fd) = (void *)243;
/* At the entry: the kernel is to do this call, whatever is mounted. 0, or -EINVAL at the exit. */
static long (*btfuse_to_kernel)(void *ctx) = (void *)244;
/* At the exit: who answered it, enum btfuse_way. At the entry BTFUSE_UNDECIDED. */
static long (*btfuse_way)(void *ctx) = (void *)245;

enum btfuse_way {
	BTFUSE_UNDECIDED,
	BTFUSE_HERE,   /* answered in the process */
	BTFUSE_KERNEL, /* no call of this number is answered in the process */
	BTFUSE_PASSED, /* this one was not: its file lies on no mount, or its kind is the kernel's */
	BTFUSE_FORCED, /* a program wanted the kernel */
};

/*
 * At the entry: replaces argument `n` (0 to 5) of the call. The new value is
 * what the call is made with; the program's register keeps the old one.
 * -EINVAL. For paths: btfuse_set_path puts a string where the call will read it.
 */
static long (*btfuse_set_path)(void *ctx, unsigned int n, const char *path, unsigned int size) = (void *)246;

/* At the entry: the call, or the answer in its place, comes so many nanoseconds later. 0, or -EINVAL at the exit. */
static long (*btfuse_delay)(unsigned long long ns) = (void *)247;

/* Does a text match a shell pattern of '*' and '?' ('*' crosses '/')? Both end with a NUL, or with their size. 1 or 0.
 */
static long (*btfuse_match)(const char *s, unsigned int size, const char *glob, unsigned int glob_size) = (void *)248;

#endif
