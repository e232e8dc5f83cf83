/*
 * Asking daemons. Sockets are looked for in every directory in which this
 * user's daemons may have put them (rundir.h); one that nobody listens on was
 * left by a daemon that was killed.
 */
#include "control/ask.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"

#define PATIENCE_MS 5000u

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
	struct rundir dir;
	int ret = -ENOENT;

	for (int i = 0; i < RUNDIR_CANDIDATES; i++) {
		if (!rundir_candidate(i, &dir) || !rundir_trusted(&dir))
			continue;
		ret = connect_in(&dir, name, PATIENCE_MS);
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

static int receive_info(int sock, struct control_info *info)
{
	ssize_t got = recv(sock, info, sizeof(*info), 0);
	int ret = check_reply(&info->head, got, sizeof(*info), CONTROL_INFO);
	if (ret < 0)
		return ret;
	info->name[sizeof(info->name) - 1] = '\0';
	info->mountpoint[sizeof(info->mountpoint) - 1] = '\0';
	info->options[sizeof(info->options) - 1] = '\0';
	return 0;
}

int ask_info(int sock, struct control_info *info)
{
	int ret = send_request(sock, CONTROL_INFO);

	return ret < 0 ? ret : receive_info(sock, info);
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

/* ---- All of them ---------------------------------------------------------------------- */

struct asked {
	char name[CONTROL_NAME_MAX + 1];
	bool heard;
};

/* The daemons that are asked, all at once. */
struct round {
	struct asked *asked;
	struct pollfd *poll; /* of each; fd -1: nothing is to come */
	size_t n;
	ask_each_fn each;
	void *arg;
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Owns the socket then, also after an error. */
static int enter(struct round *r, const char *name, int sock)
{
	autoclose int owned = sock;
	struct asked *asked = reallocarray(r->asked, r->n + 1, sizeof(*asked));
	struct pollfd *polled = reallocarray(r->poll, r->n + 1, sizeof(*polled));

	r->asked = asked ? asked : r->asked;
	r->poll = polled ? polled : r->poll;
	if (!asked || !polled)
		return -ENOMEM;
	asked[r->n].heard = false;
	memcpy(asked[r->n].name, name, sizeof(asked->name));
	polled[r->n++] = (struct pollfd){.fd = steal_fd(&owned), .events = POLLIN};
	return 0;
}

/* Asks the daemon whose socket the file is. */
static int ask_file(struct round *r, const struct rundir *dir, const char *file, unsigned ms)
{
	const char *suffix = strrchr(file, '.');
	char name[CONTROL_NAME_MAX + 1] = "";
	autoclose int sock = -1;

	if (!suffix || strcmp(suffix, ".sock") != 0 || suffix - file > (long)CONTROL_NAME_MAX)
		return 0;
	memcpy(name, file, (size_t)(suffix - file));
	if (!rundir_name_ok(name))
		return 0;
	sock = connect_in(dir, name, ms);
	if (sock == -EAGAIN) /* it does not let in those that wait already */
		return enter(r, name, -1);
	return sock < 0 || send_request(sock, CONTROL_INFO) < 0 ? 0 : enter(r, name, steal_fd(&sock));
}

static int ask_all(struct round *r, unsigned ms)
{
	struct rundir dir;
	struct dirent *d;
	int ret = 0;

	for (int i = 0; ret == 0 && i < RUNDIR_CANDIDATES; i++) {
		DIR *list;

		if (!rundir_candidate(i, &dir) || !rundir_trusted(&dir) || !(list = opendir(dir.path)))
			continue;
		while (ret == 0 && (d = readdir(list)))
			ret = ask_file(r, &dir, d->d_name, ms);
		closedir(list);
	}
	return ret;
}

static int hear(struct round *r, size_t i)
{
	autoclose int sock = steal_fd(&r->poll[i].fd);
	struct control_info info;
	const struct ask_answer answer = {r->asked[i].name, sock, &info};

	r->asked[i].heard = true;
	return receive_info(sock, &info) < 0 ? 0 : r->each(r->arg, &answer);
}

/* In the order in which they answer. */
static int hear_all(struct round *r, unsigned ms)
{
	const uint64_t until = now_ms() + ms;
	size_t left = 0;
	int ret = 0;

	for (size_t i = 0; i < r->n; i++)
		left += r->poll[i].fd >= 0;
	for (uint64_t now = now_ms(); ret == 0 && left && now < until; now = now_ms()) {
		int ready = poll(r->poll, r->n, (int)(until - now));

		for (size_t i = 0; ret == 0 && ready > 0 && i < r->n; i++) {
			if (r->poll[i].fd < 0 || !r->poll[i].revents)
				continue;
			ret = hear(r, i);
			left--;
		}
	}
	return ret;
}

static int tell_silent(struct round *r)
{
	int ret = 0;

	for (size_t i = 0; ret == 0 && i < r->n; i++)
		if (!r->asked[i].heard)
			ret = r->each(r->arg, &(struct ask_answer){r->asked[i].name, -1, NULL});
	return ret;
}

int ask_each(unsigned ms, ask_each_fn each, void *arg)
{
	struct round r = {.each = each, .arg = arg};
	int ret = ask_all(&r, ms);

	if (ret == 0)
		ret = hear_all(&r, ms);
	if (ret == 0)
		ret = tell_silent(&r);
	for (size_t i = 0; i < r.n; i++)
		if (r.poll[i].fd >= 0)
			close(r.poll[i].fd);
	free(r.asked);
	free(r.poll);
	return ret;
}

struct search {
	const char *dir;
	struct control_info *out;
};

static int match(void *arg, const struct ask_answer *answer)
{
	struct search *s = arg;

	if (!answer->info || strcmp(answer->info->mountpoint, s->dir) != 0)
		return 0;
	*s->out = *answer->info;
	return 1;
}

bool ask_find(const char *dir, struct control_info *info)
{
	struct search s = {.dir = dir, .out = info};

	return ask_each(ASK_EACH_MS, match, &s) == 1;
}
