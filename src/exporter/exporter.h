/*
 * The exporter: tells over HTTP what the counters of this user's mounts say.
 *
 *	/metrics	for Prometheus: its text format, or OpenMetrics where that is asked for
 *	/healthz	"ok"
 *	/		a page with live charts, which reads /metrics
 *
 * It only reads: the pools are mapped so that they cannot be written.
 */
#pragma once

#include <stdint.h>

#include "base/compiler.h"
#include "control/err.h"

struct exporter_config {
	const char *listen; /* "ADDRESS:PORT", "[ADDRESS]:PORT", or a port of 127.0.0.1; port 0: any */
	/* Called once when it listens, with its address as a URL. */
	void (*ready)(void *arg, const char *url);
	void *arg;
};

/* Serves until SIGTERM or SIGINT. 0, or -errno with a text. */
int exporter_serve(const struct exporter_config *c, struct err *err) must_check;
