/*
 * A policy: a subtree is read-only, by path. Opens for writing, and calls that
 * change names or attributes below `root` answer EROFS. Set `root` in .rodata;
 * by default /srv/readonly.
 */
#include "progs.h"

#define ROOM 256
#define O_ACCMODE 3
#define O_CREAT 0100
#define O_TRUNC 01000

const volatile char root[ROOM] = "/srv/readonly";

struct room {
	char path[ROOM];
};

static bool is_below(const char *path, long n)
{
	for (u32 i = 0; i < ROOM; i++) {
		if (!root[i])
			return path[i] == '/' || !path[i];
		if (i >= n || path[i] != root[i])
			return false;
	}
	return false;
}

static int deny(void *ctx, long dirfd, const void *upath)
{
	struct room r = {};
	long n = btfuse_path(r.path, ROOM, dirfd, upath);

	if (n > 0 && is_below(r.path, n))
		bpf_override_return(ctx, -EROFS);
	return 0;
}

SEC("tp/syscalls/sys_enter_openat")
int on_openat(struct trace_event_raw_sys_enter *ctx)
{
	u64 flags = ctx->args[2];

	if (!(flags & (O_ACCMODE | O_CREAT | O_TRUNC)))
		return 0;
	return deny(ctx, ctx->args[0], (const void *)ctx->args[1]);
}

SEC("tp/syscalls/sys_enter_open")
int on_open(struct trace_event_raw_sys_enter *ctx)
{
	if (!(ctx->args[1] & (O_ACCMODE | O_CREAT | O_TRUNC)))
		return 0;
	return deny(ctx, -100, (const void *)ctx->args[0]);
}

#define FIRST_PATH(call)                                                                                               \
	SEC("tp/syscalls/sys_enter_" #call)                                                                            \
	int on_##call(struct trace_event_raw_sys_enter *ctx)                                                           \
	{                                                                                                              \
		return deny(ctx, -100, (const void *)ctx->args[0]);                                                    \
	}
#define AT_PATH(call, dir)                                                                                             \
	SEC("tp/syscalls/sys_enter_" #call)                                                                            \
	int on_##call##_##dir(struct trace_event_raw_sys_enter *ctx)                                                   \
	{                                                                                                              \
		return deny(ctx, ctx->args[dir], (const void *)ctx->args[dir + 1]);                                    \
	}

FIRST_PATH(creat)
FIRST_PATH(truncate)
FIRST_PATH(unlink)
FIRST_PATH(mkdir)
FIRST_PATH(rmdir)
FIRST_PATH(chmod)
FIRST_PATH(chown)
FIRST_PATH(mknod)
FIRST_PATH(rename)
AT_PATH(unlinkat, 0)
AT_PATH(mkdirat, 0)
AT_PATH(mknodat, 0)
AT_PATH(fchmodat, 0)
AT_PATH(fchownat, 0)
AT_PATH(utimensat, 0)
AT_PATH(symlinkat, 1)
AT_PATH(linkat, 2)
AT_PATH(renameat, 0)
AT_PATH(renameat, 2)
AT_PATH(renameat2, 0)
AT_PATH(renameat2, 2)

SEC("tp/syscalls/sys_enter_rename")
int on_rename_to(struct trace_event_raw_sys_enter *ctx)
{
	return deny(ctx, -100, (const void *)ctx->args[1]);
}
