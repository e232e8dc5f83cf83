/*
 * What the kernel is to forget goes to the daemon over its control socket, a
 * connection a process, made when it is first needed: only what the kernel has
 * looked at is ever told. Replies come one to each request, under a lock.
 */
#include "agent/control.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/mem.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "control/control.h"

#define HIDDEN_FROM 400 /* below the usual limit of 1,024, above what programs count on */

static struct {
	uint32_t lock;
	const struct fs *fs;
	int fd;
	int pid; /* who connected: a child of a fork connects anew */
} line = {.fd = -1};

static int connect_to(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = mem_length(path);
	int sock, high;

	if (n == 0 || n >= sizeof(addr.sun_path))
		return -ENOENT;
	memcpy(addr.sun_path, path, n + 1);
	sock = (int)sys_call3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return sock;
	high = sys_fcntl(sock, F_DUPFD_CLOEXEC, HIDDEN_FROM);
	if (high >= 0) {
		sys_close(sock);
		sock = high;
	}
	if (sys_call3(SYS_connect, sock, (long)&addr, sizeof(addr)) == 0)
		return sock;
	sys_close(sock);
	return -ENOTCONN;
}

static int connected(const struct fs *fs)
{
	int pid = sys_getpid();

	if (line.fd >= 0 && line.pid == pid && line.fs == fs)
		return line.fd;
	if (line.fd >= 0)
		sys_close(line.fd);
	line.fd = connect_to(fs_control_path(fs));
	line.pid = pid;
	line.fs = fs;
	return line.fd;
}

static void tell(const struct fs *fs, const struct stale_list *l, struct stale_item s)
{
	struct control_stale req = {
	    .head = {CONTROL_MAGIC, CONTROL_VERSION, CONTROL_STALE, 0}, .ino = s.ino, .marks = s.marks, .len = s.len};
	struct control_head reply;
	int sock = connected(fs);
	long n;

	memcpy(req.name, l->name[s.name % TASK_STALE_NAMES], s.len);
	if (sock < 0)
		return; /* no daemon: no mount either that could be wrong */
	n = sys_call6(SYS_sendto, sock, (long)&req, sizeof(req), MSG_NOSIGNAL, 0, 0);
	while (n == sizeof(req) || n == -EINTR) {
		n = sys_call6(SYS_recvfrom, sock, (long)&reply, sizeof(reply), 0, 0, 0);
		if (n == sizeof(reply))
			return;
	}
	sys_close(sock);
	line.fd = -1;
}

void control_stale(void *arg, const struct stale_list *list, uint32_t n)
{
	while (swap(&line.lock, 1))
		cpu_relax();
	for (uint32_t i = 0; i < n; i++)
		tell(arg, list, list->item[i]);
	store_release(&line.lock, 0);
}
