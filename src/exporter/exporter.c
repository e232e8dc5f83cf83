/*
 * HTTP by libmicrohttpd, whose one thread serves all connections in turn: a look
 * at the mounts takes milliseconds. This thread waits for a signal meanwhile.
 */
#include "exporter/exporter.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "exporter/accept.h"
#include "exporter/address.h"
#include "exporter/families.h"
#include "exporter/page.h"

#define CONNECTIONS 64u
#define TIMEOUT 10u /* seconds that a connection may be idle */

static const char plain[] = "text/plain; charset=utf-8";

static enum MHD_Result send_response(struct MHD_Connection *c, unsigned status, const char *type,
				     struct MHD_Response *r)
{
	enum MHD_Result ret;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	/* The page has everything in it, and asks nobody but its own server. */
	MHD_add_response_header(r, "Content-Security-Policy",
				"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
				"connect-src 'self'; img-src data:; frame-ancestors 'none'");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	ret = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ret;
}

/* `s` is constant. */
static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status, const char *type, const char *s, size_t len)
{
	return send_response(c, status, type,
			     MHD_create_response_from_buffer(len, (void *)(uintptr_t)s, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result send_line(struct MHD_Connection *c, unsigned status, const char *s)
{
	return send_text(c, status, plain, s, strlen(s));
}

static enum MHD_Result send_metrics(struct MHD_Connection *c)
{
	const char *accept = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
	struct text t = {.open_metrics = accept_open_metrics(accept)};
	struct watch w;
	int ret = watch_take(&w);

	if (ret == 0)
		families_write(&t, &w);
	watch_free(&w);
	if (ret < 0 || t.failed) {
		free(t.s);
		return send_line(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "the mounts could not be looked at\n");
	}
	return send_response(c, MHD_HTTP_OK,
			     t.open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
					    : "text/plain; version=0.0.4; charset=utf-8",
			     MHD_create_response_from_buffer(t.len, t.s, MHD_RESPMEM_MUST_FREE));
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url, const char *method,
			      const char *version, const char *data, size_t *size, void **state)
{
	static int seen;

	/* The first call comes before the body, if there is one; it is not wanted. */
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_line(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, "/metrics") == 0)
		return send_metrics(c);
	if (strcmp(url, "/healthz") == 0)
		return send_line(c, MHD_HTTP_OK, "ok\n");
	if (strcmp(url, "/") == 0)
		return send_text(c, MHD_HTTP_OK, "text/html; charset=utf-8", page_html,
				 (size_t)(page_html_end - page_html));
	return send_line(c, MHD_HTTP_NOT_FOUND, "not here: / is a page, /metrics the metrics\n");
}

static void keep_quiet(void *arg, const char *fmt, va_list ap)
{
}

static struct MHD_Daemon *start(int sock)
{
	const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_USE_ERROR_LOG;

	return MHD_start_daemon(flags, 0, NULL, NULL, answer, NULL, MHD_OPTION_EXTERNAL_LOGGER, keep_quiet, NULL,
				MHD_OPTION_LISTEN_SOCKET, sock, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
				MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT, MHD_OPTION_END);
}

static void wait_for_end(const sigset_t *set)
{
	int sig;

	while (sigwait(set, &sig) != 0)
		;
}

int exporter_serve(const struct exporter_config *c, struct err *err)
{
	char url[ADDRESS_URL];
	autoclose int sock = address_listen(c->listen, url, err);
	struct MHD_Daemon *d;
	sigset_t set;

	if (sock < 0)
		return steal_fd(&sock);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL); /* inherited by the server's thread */
	signal(SIGPIPE, SIG_IGN);
	d = start(sock);
	if (!d)
		return err_set(err, -EIO, "%s: the HTTP server does not start", c->listen);
	steal_fd(&sock); /* the server's */
	c->ready(c->arg, url);
	wait_for_end(&set);
	MHD_stop_daemon(d);
	return 0;
}
