/*
 * One message, one answer. The process is the program itself, executed anew, so
 * that it has neither the pool nor any other descriptor of the daemon's. Two
 * threads: one does what it is told, the other waits for the daemon's end.
 */
#include "daemon/herald.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/fuse.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/scope.h"

#define REQUEST_ROOM ((1u << 20) + 65536u) /* what the kernel may send: its writes, and some */
#define GRACE_MS 20

enum kind { WRITE = 1, LOOK = 2, SETTLE = 3 };

struct message {
	uint32_t kind;
	char data[PATH_MAX + 64];
};

#define MESSAGE(n) (offsetof(struct message, data) + (n))

/* ---- The daemon's side ------------------------------------------------------------------- */

static void become(int fuse, int sock)
{
	char self[] = "bt-fuse", verb[] = "herald", a[12], b[12];
	char *argv[] = {self, verb, a, b, NULL};

	syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC);
	snprintf(a, sizeof(a), "%d", fcntl(fuse, F_DUPFD, 3));
	snprintf(b, sizeof(b), "%d", fcntl(sock, F_DUPFD, 3));
	execv("/proc/self/exe", argv);
	_exit(127);
}

/* Until it is the program anew, it looks like the daemon to who looks for that. */
static void wait_for_exec(int up[2])
{
	char c;

	close(up[1]);
	while (read(up[0], &c, 1) < 0 && errno == EINTR)
		;
	close(up[0]);
}

int herald_start(struct herald *h, int fuse)
{
	int pair[2], up[2];

	h->sock = -1;
	pthread_mutex_init(&h->mutex, NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	if (pipe2(up, O_CLOEXEC) < 0) {
		close(pair[0]);
		close(pair[1]);
		return -EMFILE;
	}
	h->pid = fork();
	if (h->pid == 0) {
		close(pair[0]);
		become(fuse, pair[1]);
	}
	close(pair[1]);
	wait_for_exec(up);
	if (h->pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	h->sock = pair[0];
	return 0;
}

static int ask(struct herald *h, const struct message *m, size_t len)
{
	int32_t ret = -EPIPE;
	ssize_t n;

	pthread_mutex_lock(&h->mutex);
	if (h->sock >= 0 && send(h->sock, m, len, MSG_NOSIGNAL) == (ssize_t)len) {
		do
			n = recv(h->sock, &ret, sizeof(ret), 0);
		while (n < 0 && errno == EINTR);
		if (n != sizeof(ret))
			ret = -EPIPE;
	}
	pthread_mutex_unlock(&h->mutex);
	return ret;
}

ssize_t herald_writev(struct herald *h, const struct iovec *iov, int count)
{
	struct message m = {.kind = WRITE};
	size_t n = 0;

	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > sizeof(m.data) - n)
			return -EMSGSIZE;
		memcpy(m.data + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	return ask(h, &m, MESSAGE(n));
}

static int ask_path(struct herald *h, enum kind kind, const char *path)
{
	struct message m = {.kind = kind};
	size_t n = strlen(path) + 1;

	if (n > sizeof(m.data))
		return -ENAMETOOLONG;
	memcpy(m.data, path, n);
	return ask(h, &m, MESSAGE(n));
}

int herald_look(struct herald *h, const char *path)
{
	return ask_path(h, LOOK, path);
}

int herald_settle(struct herald *h, const char *path)
{
	return ask_path(h, SETTLE, path);
}

bool herald_is(const struct herald *h, pid_t pid)
{
	return h->sock >= 0 && pid == h->pid;
}

void herald_stop(struct herald *h)
{
	if (h->sock < 0)
		return;
	close(h->sock);
	h->sock = -1;
	while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* ---- The herald's -------------------------------------------------------------------------- */

static struct {
	int fuse, sock;
	uint32_t busy; /* atomic */
} me;

/* O_NOATIME, or opening it would count as reading; it may be a stranger's. */
static int open_quietly(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME);

	return fd < 0 && errno == EPERM ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : fd;
}

static int look(const struct message *m)
{
	int fd = m->kind == LOOK ? open(m->data, O_PATH | O_NOFOLLOW | O_CLOEXEC) : open_quietly(m->data);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (m->kind == LOOK)
		fstat(fd, &st);
	if (m->kind == SETTLE) {
		lseek(fd, 0, SEEK_END);
		lseek(fd, 0, SEEK_DATA); /* ENXIO where there is none */
	}
	close(fd);
	return 0;
}

static int do_one(const struct message *m, size_t len)
{
	if (m->kind != WRITE)
		return look(m);
	return write(me.fuse, m->data, len - MESSAGE(0)) < 0 ? -errno : (int)(len - MESSAGE(0));
}

static void refuse(const struct fuse_in_header *in)
{
	const struct fuse_out_header out = {.len = sizeof(out), .error = -ENOTCONN, .unique = in->unique};

	if (in->opcode == FUSE_FORGET || in->opcode == FUSE_BATCH_FORGET || in->opcode == FUSE_INTERRUPT)
		return;
	(void)!write(me.fuse, &out, sizeof(out)); /* it may have been given up meanwhile */
}

/* The daemon is gone. Who has the lock that the other thread waits for may wait for an answer. */
static void *outlive(void *arg)
{
	struct pollfd daemon = {.fd = me.sock}, kernel = {.fd = me.fuse, .events = POLLIN};
	void *buf = arg;

	while (poll(&daemon, 1, -1) != 1)
		;
	fcntl(me.fuse, F_SETFL, O_NONBLOCK);
	while (load_acquire(&me.busy)) {
		ssize_t n;

		if (poll(&kernel, 1, GRACE_MS) != 1)
			continue;
		n = read(me.fuse, buf, REQUEST_ROOM);
		if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOENT)
			break; /* unmounted */
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			refuse(buf);
	}
	_exit(0);
}

static void serve(void)
{
	struct message m;
	ssize_t n;

	while ((n = recv(me.sock, &m, sizeof(m), 0)) >= (ssize_t)MESSAGE(0) || (n < 0 && errno == EINTR)) {
		int32_t ret;

		if (n < 0)
			continue;
		store_release(&me.busy, 1);
		ret = do_one(&m, (size_t)n);
		store_release(&me.busy, 0);
		if (send(me.sock, &ret, sizeof(ret), MSG_NOSIGNAL) != sizeof(ret))
			break;
	}
}

/* Started before the daemon lets go of what mount was started with: a pipe there would wait for us. */
static void let_go_of_output(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

int herald_main(int fuse, int sock)
{
	uint32_t clone = (uint32_t)fuse;
	void *buf = malloc(REQUEST_ROOM);
	pthread_t thread;

	let_go_of_output();
	me.sock = sock;
	me.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (!buf || me.fuse < 0 || ioctl(me.fuse, FUSE_DEV_IOC_CLONE, &clone) < 0)
		return -1;
	close(fuse);
	if (pthread_create(&thread, NULL, outlive, buf) != 0)
		return -1;
	serve();
	/* The other one sees the end as well; whoever comes first. */
	_exit(0);
}
