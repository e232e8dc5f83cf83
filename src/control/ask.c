/*
 * Asking daemons. Sockets are looked for in every directory in which this
 * user's daemons may have put them (rundir.h); one that nobody listens on was
 * left by a daemon that was killed.
 */
#include "control/ask.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"

#define PATIENCE_MS 5000u
#define LEAST_MS 30u

static bool same_user(int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

static int connect_in(const struct rundir *dir, const char *name, unsigned ms)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	autoclose int sock = -1;
	int n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s.sock", dir->path, name);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (!same_user(sock))
		return -EPERM;
	return steal_fd(&sock);
}

int ask_connect(const char *name)
{
	return ask_connect_within(name, PATIENCE_MS);
}

int ask_connect_within(const char *name, unsigned ms)
{
	struct rundir dir;
	int ret = -ENOENT;

	for (int i = 0; i < RUNDIR_CANDIDATES; i++) {
		if (!rundir_candidate(i, &dir) || !rundir_trusted(&dir))
			continue;
		ret = connect_in(&dir, name, ms);
		if (ret >= 0)
			break;
	}
	return ret;
}

static int send_request(int sock, enum control_verb verb)
{
	struct control_request req = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .verb = (uint16_t)verb};

	return send(sock, &req, sizeof(req), MSG_NOSIGNAL) == sizeof(req) ? 0 : -errno;
}

static int check_reply(const struct control_head *h, ssize_t got, size_t want, enum control_verb verb)
{
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (got == 0)
		return -ECONNRESET;
	if ((size_t)got < sizeof(*h) || h->magic != CONTROL_MAGIC || h->version != CONTROL_VERSION || h->verb != verb)
		return -EPROTO;
	if (h->error)
		return h->error;
	return (size_t)got == want ? 0 : -EPROTO;
}

int ask_info(int sock, struct control_info *info)
{
	int ret = send_request(sock, CONTROL_INFO);
	ssize_t got;

	if (ret < 0)
		return ret;
	got = recv(sock, info, sizeof(*info), 0);
	ret = check_reply(&info->head, got, sizeof(*info), CONTROL_INFO);
	if (ret < 0)
		return ret;
	info->name[sizeof(info->name) - 1] = '\0';
	info->mountpoint[sizeof(info->mountpoint) - 1] = '\0';
	info->options[sizeof(info->options) - 1] = '\0';
	return 0;
}

static int received_fd(struct msghdr *msg)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int ask_pool(int sock, struct control_attach *reply)
{
	struct iovec iov = {.iov_base = reply, .iov_len = sizeof(*reply)};
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
	autoclose int fd = -1;
	ssize_t got;
	int ret = send_request(sock, CONTROL_ATTACH);

	if (ret < 0)
		return ret;
	got = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	if (got > 0)
		fd = received_fd(&msg);
	ret = check_reply(&reply->head, got, sizeof(*reply), CONTROL_ATTACH);
	if (ret < 0)
		return ret;
	return fd < 0 ? -EPROTO : steal_fd(&fd);
}

struct round {
	int (*each)(void *arg, const struct control_info *info);
	void *arg;
	uint64_t until; /* ms of now_ms(); 0: each has PATIENCE_MS */
	unsigned silent;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Who comes after one that has used up the time has a moment yet: most answer in less. */
static unsigned patience(const struct round *r)
{
	uint64_t now = now_ms();

	if (!r->until)
		return PATIENCE_MS;
	return r->until > now + LEAST_MS ? (unsigned)(r->until - now) : LEAST_MS;
}

static int visit(struct round *r, const struct rundir *dir, const char *file)
{
	const char *suffix = strrchr(file, '.');
	struct control_info info;
	autoclose int sock = -1;
	char name[64];
	int ret;

	if (!suffix || strcmp(suffix, ".sock") != 0 || suffix - file > (long)CONTROL_NAME_MAX)
		return 0;
	snprintf(name, sizeof(name), "%.*s", (int)(suffix - file), file);
	if (!rundir_name_ok(name))
		return 0;
	sock = connect_in(dir, name, patience(r));
	ret = sock < 0 ? sock : ask_info(sock, &info);
	r->silent += ret == -ETIMEDOUT || ret == -EAGAIN;
	return ret < 0 ? 0 : r->each(r->arg, &info);
}

static int visit_all(struct round *r)
{
	struct rundir dir;
	struct dirent *d;
	int ret = 0;

	for (int i = 0; ret == 0 && i < RUNDIR_CANDIDATES; i++) {
		DIR *list;

		if (!rundir_candidate(i, &dir) || !rundir_trusted(&dir) || !(list = opendir(dir.path)))
			continue;
		while (ret == 0 && (d = readdir(list)))
			ret = visit(r, &dir, d->d_name);
		closedir(list);
	}
	return ret;
}

int ask_each(int (*each)(void *arg, const struct control_info *info), void *arg)
{
	struct round r = {.each = each, .arg = arg};

	return visit_all(&r);
}

int ask_each_within(unsigned ms, unsigned *silent, int (*each)(void *arg, const struct control_info *info), void *arg)
{
	struct round r = {.each = each, .arg = arg, .until = now_ms() + ms};
	int ret = visit_all(&r);

	*silent = r.silent;
	return ret;
}

struct search {
	const char *dir;
	struct control_info *out;
};

static int match(void *arg, const struct control_info *info)
{
	struct search *s = arg;

	if (strcmp(info->mountpoint, s->dir) != 0)
		return 0;
	*s->out = *info;
	return 1;
}

bool ask_find(const char *dir, struct control_info *info)
{
	struct search s = {.dir = dir, .out = info};

	return ask_each(match, &s) == 1;
}
