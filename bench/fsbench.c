/*
 * fsbench [-n ROUNDS] [--only NAME,...] [--json FILE] [LABEL=]DIR...: what the calls of
 * a file system cost, side by side for several directories.
 *
 * Each operation is timed in batches of some milliseconds, on one directory
 * after the other (A B C, A B C, ...), so that whatever disturbs the machine
 * meets all of them alike. Shown is the median of the rounds for one call, its
 * spread (half the distance of the quartiles), and the ratio to the first
 * directory. One thread: what is asked is latency.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"

#define DIRS_MAX 8
#define ROUNDS_MAX 1000

/* ---- Measuring ---------------------------------------------------------------- */

struct result {
	double median, spread; /* nanoseconds a call */
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct result summary(double *times, int n)
{
	qsort(times, (size_t)n, sizeof(*times), compare);
	return (struct result){times[n / 2], (times[n * 3 / 4] - times[n / 4]) / 2};
}

static void measure(const struct operation *op, struct place *places, int n, int rounds, struct result *out)
{
	static double times[DIRS_MAX][ROUNDS_MAX];

	for (int k = 0; k < n; k++)
		ops_batch(op, &places[k]); /* to get warm */
	for (int r = 0; r < rounds; r++)
		for (int k = 0; k < n; k++)
			times[k][r] = ops_batch(op, &places[k]);
	for (int k = 0; k < n; k++)
		out[k] = summary(times[k], rounds);
}

/* ---- Showing ------------------------------------------------------------------- */

/* In the unit that suits: 123 ns, 1.23 us, 1.23 ms. */
static const char *human(double ns)
{
	static char text[4][16];
	static unsigned which;
	char *s = text[which++ & 3];

	if (ns < 1000)
		snprintf(s, sizeof(text[0]), "%.0f ns", ns);
	else if (ns < 1e6)
		snprintf(s, sizeof(text[0]), "%.2f us", ns / 1e3);
	else
		snprintf(s, sizeof(text[0]), "%.2f ms", ns / 1e6);
	return s;
}

static void show_head(const struct place *places, int n)
{
	printf("%-20s", "");
	for (int k = 0; k < n; k++)
		printf("%-*s", k ? 28 : 18, places[k].label);
	printf("\n");
}

static void show_row(const struct operation *op, const struct result *res, int n)
{
	printf("%-20s", op->name);
	for (int k = 0; k < n; k++) {
		printf("%-9s +-%2.0f%%  ", human(res[k].median), 100 * res[k].spread / res[k].median);
		if (k)
			printf("%7.2fx  ", res[k].median / res[0].median);
	}
	printf("\n");
	fflush(stdout);
}

/* Labels are paths; what JSON does not take literally is written as an escape. */
static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\' || (unsigned char)*s < ' ')
			fprintf(f, "\\u%04x", (unsigned char)*s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static void json_row(FILE *f, const struct operation *op, const struct place *places, const struct result *res, int n)
{
	static bool any;

	fprintf(f, "%s\n {\"operation\": \"%s\", \"ns\": {", any ? "," : "", op->name);
	for (int k = 0; k < n; k++) {
		fprintf(f, k ? ", " : "");
		json_string(f, places[k].label);
		fprintf(f, ": {\"median\": %.1f, \"spread\": %.1f}", res[k].median, res[k].spread);
	}
	fprintf(f, "}}");
	any = true;
}

/* ---- Command line ----------------------------------------------------------------- */

struct options {
	int rounds;
	const char *only; /* comma-separated beginnings of names, or NULL: all */
	FILE *json;
};

static bool wanted(const struct operation *op, const char *only)
{
	while (only && *only) {
		size_t len = strcspn(only, ",");

		if (len && strncmp(op->name, only, len) == 0)
			return true;
		only += len + (only[len] == ',');
		if (!*only)
			return false;
	}
	return true;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
	    {"only", required_argument, NULL, 'o'}, {"json", required_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "n:", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->rounds = atoi(optarg);
			break;
		case 'o':
			o->only = optarg;
			break;
		case 'j':
			o->json = fopen(optarg, "w");
			if (!o->json)
				err(1, "%s", optarg);
			break;
		default:
			exit(2);
		}
	}
	if (o->rounds < 1 || o->rounds > ROUNDS_MAX)
		errx(2, "-n: from 1 to %d rounds", ROUNDS_MAX);
	if (optind == argc || argc - optind > DIRS_MAX)
		errx(2, "usage: fsbench [-n ROUNDS] [--only NAME,...] [--json FILE] DIR... (up to %d)", DIRS_MAX);
}

int main(int argc, char **argv)
{
	static struct place places[DIRS_MAX];
	struct options o = {.rounds = 21};
	struct result res[DIRS_MAX];
	int n;

	parse(argc, argv, &o);
	n = argc - optind;
	for (int k = 0; k < n; k++)
		ops_name(&places[k], argv[optind + k]);
	for (int k = 0; k < n; k++)
		ops_prepare(&places[k]);
	show_head(places, n);
	if (o.json)
		fprintf(o.json, "[");
	for (size_t i = 0; operations[i].name; i++) {
		if (!wanted(&operations[i], o.only))
			continue;
		measure(&operations[i], places, n, o.rounds, res);
		show_row(&operations[i], res, n);
		if (o.json)
			json_row(o.json, &operations[i], places, res, n);
	}
	if (o.json && (fprintf(o.json, "\n]\n") < 0 || fclose(o.json) != 0))
		err(1, "--json");
	for (int k = 0; k < n; k++)
		ops_remove(&places[k]);
	return 0;
}
