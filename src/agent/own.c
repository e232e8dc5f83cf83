/*
 * Our own helpers (include/btfuse/helpers.h): where a call's path or descriptor
 * leads, who answers the call, and another path in its place.
 */
#include "bpf/own.h"

#include <errno.h>
#include <fcntl.h>

#include "agent/mem.h"
#include "agent/user.h"
#include "agent/world.h"
#include "base/sys.h"
#include "vfs/vfs.h"

#define OWN(name) static uint64_t name(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run *run)

static struct world_thread *thread(const struct run *run)
{
	return ((const struct maps_run *)run->owner)->arg;
}

static uint64_t num(long v)
{
	return (uint64_t)v;
}

/* ---- Paths ------------------------------------------------------------------------------- */

/* Takes "//", "." and ".." out of an absolute path, in place. Its length. */
static size_t tidy(char *s)
{
	size_t out = 0, in = 0;

	while (s[in]) {
		size_t n = 0;

		while (s[in] == '/')
			in++;
		while (s[in + n] && s[in + n] != '/')
			n++;
		if (n == 0 || (n == 1 && s[in] == '.')) {
			in += n;
			continue;
		}
		if (n == 2 && s[in] == '.' && s[in + 1] == '.') {
			while (out > 0 && s[--out] != '/')
				;
			in += n;
			continue;
		}
		s[out++] = '/';
		for (size_t i = 0; i < n; i++)
			s[out++] = s[in++];
	}
	if (out == 0)
		s[out++] = '/';
	s[out] = '\0';
	return out;
}

static long fd_path(struct world_thread *w, long fd, char *out)
{
	char link[32] = "/proc/self/fd/";
	long len = vfs_fd_path(w->call->thread->user, fd, out);

	if (len != -ENOENT)
		return len;
	if (fd < 0)
		return -EBADF;
	mem_decimal(link + mem_length(link), (unsigned)fd);
	len = sys_call4(SYS_readlinkat, AT_FDCWD, (long)link, (long)out, VFS_PATH - 1);
	if (len < 0)
		return len == -ENOENT ? -EBADF : len;
	out[len] = '\0';
	return len;
}

/* Where a relative path begins. */
static long base_of(struct world_thread *w, long dirfd, char *out)
{
	long n;

	if ((int)dirfd != AT_FDCWD)
		return fd_path(w, (int)dirfd, out);
	n = sys_call3(SYS_getcwd, (long)out, VFS_PATH, 0);
	return n > 0 ? n - 1 : n;
}

static long path_of(struct world_thread *w, long dirfd, const char *upath, char *out)
{
	long n = 0, len;
	char first;

	if (copy_from_user(&first, upath, 1) != 0)
		return -EFAULT;
	if (first != '/') {
		n = base_of(w, dirfd, out);
		if (n < 0)
			return n;
		if (n + 1 >= (long)VFS_PATH)
			return -ENAMETOOLONG;
		out[n++] = '/';
	}
	len = strncpy_from_user(out + n, upath, VFS_PATH - n);
	if (len < 0)
		return len;
	return (long)tidy(out);
}

static uint64_t give(char *to, uint64_t size, const char *path, long len)
{
	if (len < 0)
		return num(len);
	if ((uint64_t)len >= size)
		return num(-ENAMETOOLONG);
	memcpy(to, path, (size_t)len + 1);
	return num(len + 1);
}

OWN(own_path)
{
	struct world_thread *w = thread(run);

	return give((char *)(uintptr_t)a, b, w->path[0], path_of(w, (long)c, (const char *)(uintptr_t)d, w->path[0]));
}

OWN(own_fd_path)
{
	struct world_thread *w = thread(run);

	return give((char *)(uintptr_t)a, b, w->path[0], fd_path(w, (int)c, w->path[0]));
}

OWN(own_mount)
{
	struct world_thread *w = thread(run);
	long len = path_of(w, (long)a, (const char *)(uintptr_t)b, w->path[0]);

	return num(len < 0 ? len : vfs_path_mount(w->call->thread->user, w->path[0]));
}

OWN(own_fd_mount)
{
	return num(vfs_fd_mount(thread(run)->call->thread->user, (int)a));
}

/* ---- The call ----------------------------------------------------------------------------- */

OWN(own_to_kernel)
{
	struct hook_call *call = thread(run)->call;

	if (call->exit)
		return num(-EINVAL);
	call->kernel = true;
	return 0;
}

OWN(own_way)
{
	return thread(run)->call->way;
}

OWN(own_set_path)
{
	struct world_thread *w = thread(run);
	struct hook_call *call = w->call;
	uint32_t n = (uint32_t)b;
	/* Of calls with two paths, both: even and odd arguments, or the first and the others. */
	char *to = w->set_path[n > 1];

	if (call->exit || n > 5 || d == 0 || d > sizeof(w->set_path[0]))
		return num(-EINVAL);
	memcpy(to, (const char *)(uintptr_t)c, (size_t)d);
	to[d - 1] = '\0';
	call->changed |= (uint8_t)(1u << n);
	call->argument[n] = (long)to;
	return 0;
}

OWN(own_delay)
{
	struct hook_call *call = thread(run)->call;

	call->delay += call->exit ? 0 : a;
	return call->exit ? num(-EINVAL) : 0;
}

/* Backs up to the last star only: what an earlier one could take, the last one can take too. */
static bool matches(const char *s, size_t n, const char *glob, size_t m)
{
	size_t i = 0, p = 0, star = m, mark = 0;

	while (i < n && s[i]) {
		if (p < m && glob[p] == '*') {
			star = p++;
			mark = i;
		} else if (p < m && glob[p] && (glob[p] == '?' || glob[p] == s[i])) {
			p++;
			i++;
		} else if (star < m) {
			p = star + 1;
			i = ++mark;
		} else {
			return false;
		}
	}
	while (p < m && glob[p] == '*')
		p++;
	return p == m || !glob[p];
}

OWN(own_match)
{
	return matches((const char *)(uintptr_t)a, (uint32_t)b, (const char *)(uintptr_t)c, (uint32_t)d);
}

void agent_own_start(void)
{
	agent_helpers[OWN_MATCH] = own_match;
	agent_helpers[OWN_DELAY] = own_delay;
	agent_helpers[OWN_PATH] = own_path;
	agent_helpers[OWN_FD_PATH] = own_fd_path;
	agent_helpers[OWN_MOUNT] = own_mount;
	agent_helpers[OWN_FD_MOUNT] = own_fd_mount;
	agent_helpers[OWN_TO_KERNEL] = own_to_kernel;
	agent_helpers[OWN_WAY] = own_way;
	agent_helpers[OWN_SET_PATH] = own_set_path;
}
