/* Where to listen: see address.h. */
#include "exporter/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"

#define BACKLOG 64

/* Splits at the last colon; what has none is a port. */
static bool split(const char *where, char *host, size_t size, const char **port)
{
	const char *colon = strrchr(where, ':');
	size_t len = colon ? (size_t)(colon - where) : 0;

	*port = colon ? colon + 1 : where;
	if (len > 1 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	if (len >= size || !**port || strspn(*port, "0123456789") != strlen(*port) || strtoul(*port, NULL, 10) > 65535)
		return false;
	memcpy(host, where, len);
	host[len] = '\0';
	if (!len)
		snprintf(host, size, "127.0.0.1");
	return true;
}

static int describe(int sock, char *url)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	char host[INET6_ADDRSTRLEN + 20], port[8];

	if (getsockname(sock, (struct sockaddr *)&a, &len) < 0)
		return -errno;
	if (getnameinfo((struct sockaddr *)&a, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -EINVAL;
	snprintf(url, ADDRESS_URL, strchr(host, ':') ? "http://[%.50s]:%s/" : "http://%.50s:%s/", host, port);
	return 0;
}

int address_listen(const char *where, char *url, struct err *err)
{
	const struct addrinfo want = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *a = NULL;
	autoclose int sock = -1;
	const char *port;
	char host[64];
	int on = 1, ret;

	if (!split(where, host, sizeof(host), &port) || getaddrinfo(host, port, &want, &a) != 0)
		return err_set(err, -EINVAL, "%s: not an address to listen on; say ADDRESS:PORT, as 127.0.0.1:9464",
			       where);
	sock = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock >= 0)
		setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ret = sock < 0 || bind(sock, a->ai_addr, a->ai_addrlen) < 0 || listen(sock, BACKLOG) < 0 ? -errno : 0;
	freeaddrinfo(a);
	if (ret == 0)
		ret = describe(sock, url);
	return ret < 0 ? err_set(err, ret, "%s: %s", where, strerror(-ret)) : steal_fd(&sock);
}
