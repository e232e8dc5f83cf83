/* The exposition formats: see text.h. */
#include "exporter/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static bool reserve(struct text *t, size_t n)
{
	size_t room = t->room ? t->room : 65536;
	char *more;

	while (room < t->len + n + 1)
		room *= 2;
	if (room == t->room)
		return true;
	more = realloc(t->s, room);
	if (!more) {
		t->failed = true;
		return false;
	}
	t->s = more;
	t->room = room;
	return true;
}

static void put(struct text *t, const char *s, size_t n)
{
	if (!reserve(t, n))
		return;
	memcpy(t->s + t->len, s, n);
	t->len += n;
	t->s[t->len] = '\0';
}

static void puts_to(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

/* A label's value. A path may have bytes that are no UTF-8: for one of them Prometheus takes nothing of the scrape. */
static void put_escaped(struct text *t, const char *s)
{
	for (size_t n; *s; s += n ? n : 1) {
		n = utf8_length(s);
		if (!n)
			puts_to(t, "\ufffd");
		else if (*s == '\n')
			puts_to(t, "\\n");
		else if (*s == '\\' || *s == '"')
			put(t, (char[]){'\\', *s}, 2);
		else
			put(t, s, n);
	}
}

static void put_labels(struct text *t, const char *const *labels)
{
	if (!labels || !labels[0])
		return;
	for (int i = 0; labels[i]; i += 2) {
		puts_to(t, i ? "," : "{");
		puts_to(t, labels[i]);
		puts_to(t, "=\"");
		put_escaped(t, labels[i + 1]);
		puts_to(t, "\"");
	}
	puts_to(t, "}");
}

static const char *suffix_of(enum text_type type)
{
	return type == TEXT_COUNTER ? "_total" : type == TEXT_INFO ? "_info" : "";
}

void text_begin(struct text *t, const struct text_family *f)
{
	static const char *const types[] = {"counter", "gauge", "histogram", "info"};
	/* Before OpenMetrics the family had its samples' name, and there was no "info". */
	const char *suffix = t->open_metrics ? "" : suffix_of(f->type);
	const char *type = !t->open_metrics && f->type == TEXT_INFO ? "gauge" : types[f->type];
	const char *lines[][3] = {{"# TYPE ", type, NULL}, {"# UNIT ", f->unit, NULL}, {"# HELP ", f->help, NULL}};

	t->family = f->name;
	for (size_t i = 0; i < array_len(lines); i++) {
		if (!lines[i][1] || (i == 1 && !t->open_metrics))
			continue;
		puts_to(t, lines[i][0]);
		puts_to(t, f->name);
		puts_to(t, suffix);
		puts_to(t, " ");
		puts_to(t, lines[i][1]);
		puts_to(t, "\n");
	}
}

static void put_sample(struct text *t, const char *suffix, const char *const *labels, const char *number)
{
	puts_to(t, t->family);
	puts_to(t, suffix);
	put_labels(t, labels);
	puts_to(t, " ");
	puts_to(t, number);
	puts_to(t, "\n");
}

void text_count(struct text *t, const char *const *labels, uint64_t value)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, value);
	put_sample(t, "_total", labels, number);
}

void text_value(struct text *t, const char *suffix, const char *const *labels, double value)
{
	char number[40];

	/* Whole numbers up to 2^53 as such, exactly. */
	if (value == floor(value) && fabs(value) < 9007199254740992.0)
		snprintf(number, sizeof(number), "%.0f", value);
	else
		snprintf(number, sizeof(number), "%.17g", value);
	put_sample(t, suffix, labels, number);
}

void text_end(struct text *t)
{
	if (t->open_metrics)
		puts_to(t, "# EOF\n");
}
