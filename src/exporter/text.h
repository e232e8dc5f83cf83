/*
 * Writing the exposition formats: Prometheus' text format 0.0.4 and OpenMetrics
 * 1.0.0, which differ in how a counter's family is called, in units and in the
 * end. A family is announced once, then its samples follow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct text {
	char *s; /* owned; NUL-terminated */
	size_t len, room;
	bool open_metrics;
	bool failed; /* out of memory: the text is not whole */
	const char *family;
};

enum text_type {
	TEXT_COUNTER,
	TEXT_GAUGE,
	TEXT_HISTOGRAM,
	TEXT_INFO,
};

struct text_family {
	const char *name; /* without _total or _info; ends with its unit */
	enum text_type type;
	const char *unit; /* NULL: none */
	const char *help; /* one line */
};

void text_begin(struct text *t, const struct text_family *f);
/* `labels`: pairs of name and value, NULL at the end; values are escaped here. */
void text_count(struct text *t, const char *const *labels, uint64_t value);
/* With a suffix after the family's name. */
void text_value(struct text *t, const char *suffix, const char *const *labels, double value);
/* The last line, where the format has one. */
void text_end(struct text *t);
