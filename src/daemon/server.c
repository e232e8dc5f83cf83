/*
 * Clients are served by the loop and never waited for: a request is one
 * message, a reply is sent at once or the client is dropped. Only processes of
 * the daemon's own user are let in: they could ptrace it as well.
 */
#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"

#define CLIENTS_MAX 512

struct client {
	struct loop_event event;
	struct server *server;
};

struct server {
	struct server_config config;
	struct loop_event listening;
	struct client *client[CLIENTS_MAX];
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static void drop(struct client *c)
{
	struct server *s = c->server;

	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (s->client[i] == c)
			s->client[i] = NULL;
	}
	loop_remove(s->config.loop, &c->event);
	close(c->event.fd);
	free(c);
}

static struct control_head head(enum control_verb verb, int error)
{
	return (struct control_head){.magic = CONTROL_MAGIC,
				     .version = CONTROL_VERSION,
				     .verb = (uint16_t)verb,
				     .error = error,
				     .pid = (uint32_t)getpid()};
}

/* Sends a reply, with descriptor `fd` unless it is -1. */
static int reply(int sock, void *data, size_t len, int fd)
{
	struct iovec iov = {.iov_base = data, .iov_len = len};
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = {0};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)(void *)space;

		msg.msg_control = space;
		msg.msg_controllen = sizeof(space);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len ? 0 : -EIO;
}

static int answer_info(struct client *c)
{
	const struct server_config *config = &c->server->config;
	struct control_info info = {0};
	int ret = config->info(config->arg, &info);

	info.head = head(CONTROL_INFO, ret);
	return reply(c->event.fd, &info, sizeof(info), -1);
}

static int answer_attach(struct client *c)
{
	const struct server_config *config = &c->server->config;
	struct control_attach r = {0};
	int ret = config->attach(config->arg, &r);

	r.head = head(CONTROL_ATTACH, ret);
	return reply(c->event.fd, &r, sizeof(r), ret < 0 ? -1 : config->pool);
}

static int answer_stale(struct client *c, const struct control_stale *s)
{
	const struct server_config *config = &c->server->config;
	int sock;

	if (s->len >= sizeof(s->name) || s->reserved)
		return -EPROTO;
	sock = fcntl(c->event.fd, F_DUPFD_CLOEXEC, 0);
	return sock < 0 ? -errno : config->stale(config->arg, s, sock);
}

void server_told(int sock)
{
	struct control_head h = head(CONTROL_STALE, 0);

	(void)reply(sock, &h, sizeof(h), -1);
	close(sock);
}

/* 0, or -errno where the client is to be dropped. */
static int serve(struct client *c)
{
	union {
		struct control_request head;
		struct control_stale stale;
	} req;
	ssize_t n = recv(c->event.fd, &req, sizeof(req), MSG_DONTWAIT | MSG_TRUNC);
	ssize_t want = sizeof(req.head);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n >= want && req.head.verb == CONTROL_STALE)
		want = sizeof(req.stale);
	if (n != want || req.head.magic != CONTROL_MAGIC || req.head.version != CONTROL_VERSION || req.head.reserved)
		return -EPROTO;
	switch (req.head.verb) {
	case CONTROL_INFO:
		return answer_info(c);
	case CONTROL_ATTACH:
		return answer_attach(c);
	case CONTROL_STALE:
		return answer_stale(c, &req.stale);
	default:
		return -EPROTO;
	}
}

static void on_request(struct loop_event *ev)
{
	struct client *c = (struct client *)ev; /* its first member */

	if (serve(c) < 0)
		drop(c);
}

static bool same_user(int sock)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

/* Gives the socket a client, which owns it then. */
static int enter(struct server *s, int sock)
{
	autofree struct client *c = calloc(1, sizeof(*c));
	int i = 0;

	while (i < CLIENTS_MAX && s->client[i])
		i++;
	if (!c || i == CLIENTS_MAX)
		return -EUSERS;
	c->server = s;
	c->event = (struct loop_event){.fd = sock, .ready = on_request};
	if (loop_add(s->config.loop, &c->event) < 0)
		return -EUSERS;
	s->client[i] = steal(&c);
	return 0;
}

static void on_connection(struct loop_event *ev)
{
	struct server *s = (struct server *)((char *)ev - offsetof(struct server, listening));
	autoclose int sock = accept4(ev->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (sock >= 0 && same_user(sock) && enter(s, sock) == 0)
		steal_fd(&sock);
}

static int listen_at(struct server *s, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	autoclose int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(addr.sun_path, s->path, sizeof(addr.sun_path));
	unlink(s->path);
	if (sock < 0 || bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(s->path, 0600) < 0 ||
	    listen(sock, CLIENTS_MAX) < 0)
		return err_set(err, -errno, "%s: %s", s->path, strerror(errno));
	s->listening = (struct loop_event){.fd = steal_fd(&sock), .ready = on_connection};
	return loop_add(s->config.loop, &s->listening);
}

int server_open(const struct server_config *config, struct server **out, struct err *err)
{
	struct server *s = calloc(1, sizeof(*s));
	int ret, n;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	s->config = *config;
	s->listening.fd = -1;
	*out = s; /* the caller closes it, whatever comes */
	n = snprintf(s->path, sizeof(s->path), "%s/%s.sock", config->dir->path, config->name);
	if (n < 0 || (size_t)n >= sizeof(s->path))
		return err_set(err, -ENAMETOOLONG, "%s/%s.sock: too long for a socket; choose a shorter --name",
			       config->dir->path, config->name);
	ret = listen_at(s, err);
	return ret;
}

const char *server_path(const struct server *s)
{
	return s->path;
}

void server_close(struct server *s)
{
	if (!s)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++) {
		if (s->client[i])
			drop(s->client[i]);
	}
	if (s->listening.fd >= 0) {
		close(s->listening.fd);
		unlink(s->path);
	}
	free(s);
}
