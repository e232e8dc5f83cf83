/* An open of one path is sent to another: `from` and `to` in .rodata. */
#include "progs.h"

#define ROOM 256

const volatile char from[ROOM] = "/etc/motd";
const volatile char to[ROOM] = "/etc/issue";

struct room {
	char path[ROOM];
};

static bool is_from(const char *path)
{
	for (u32 i = 0; i < ROOM; i++) {
		if (path[i] != from[i])
			return false;
		if (!path[i])
			return true;
	}
	return false;
}

static int send(void *ctx, long dirfd, const void *upath, u32 arg)
{
	struct room r = {};

	if (btfuse_path(r.path, ROOM, dirfd, upath) <= 0 || !is_from(r.path))
		return 0;
	for (u32 i = 0; i < ROOM; i++)
		r.path[i] = to[i];
	btfuse_set_path(ctx, arg, r.path, ROOM);
	return 0;
}

SEC("tp/syscalls/sys_enter_openat")
int on_openat(struct trace_event_raw_sys_enter *ctx)
{
	return send(ctx, ctx->args[0], (const void *)ctx->args[1], 1);
}

SEC("tp/syscalls/sys_enter_open")
int on_open(struct trace_event_raw_sys_enter *ctx)
{
	return send(ctx, -100, (const void *)ctx->args[0], 0);
}
