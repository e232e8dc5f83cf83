/*
 * worker DIR: does what bench/run tells it, in DIR, and leaves there what it has
 * made. One of them runs on each peer, so that the driver can have them do a round
 * each in turn.
 *
 * A request is a line of words with tabs between them, the answer a line with a
 * number: nanoseconds, whatever was asked. At the end of the input it ends. An
 * error ends it with a message.
 *
 *	op NAME COUNT                       an operation of ops.h, a call's share
 *	together KIND WORKERS CALL COUNT    jobs.h, job_together
 *	fill COUNT
 *	many SIZE CALL COUNT
 *	deep DEPTH COUNT
 *	tree NAME COUNT BYTES
 *	spawn DIR WORD...
 *
 * worker --list: the names of the operations of ops.h.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../ops.h"
#include "jobs.h"

#define WORDS_MAX 64

static const char *directory;
static int directory_fd;

double job_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* `count` calls in a batch; no more than the operation has by itself, which may have prepared no more. */
static double one_op(struct place *p, const char *name, unsigned count)
{
	if (!*p->root) {
		ops_name(p, directory);
		ops_prepare(p);
	}
	for (const struct operation *op = operations; op->name; op++) {
		struct operation copy = *op;

		if (strcmp(op->name, name) != 0)
			continue;
		if (count && count < op->batch)
			copy.batch = count;
		return ops_batch(&copy, p);
	}
	errx(1, "no operation %s", name);
}

static unsigned number(const char *s)
{
	char *end;
	unsigned long n = strtoul(s, &end, 10);

	if (!*s || *end || n > 100000000)
		errx(1, "not a number: %s", s);
	return (unsigned)n;
}

static double answer(struct place *p, char **word, int n)
{
	if (n == 3 && strcmp(word[0], "op") == 0)
		return one_op(p, word[1], number(word[2]));
	if (n == 5 && strcmp(word[0], "together") == 0)
		return job_together(directory_fd, word[1], (int)number(word[2]), word[3], number(word[4]));
	if (n == 2 && strcmp(word[0], "fill") == 0)
		return job_fill(directory_fd, number(word[1]));
	if (n == 4 && strcmp(word[0], "many") == 0)
		return job_many(directory_fd, number(word[1]), word[2], number(word[3]));
	if (n == 3 && strcmp(word[0], "deep") == 0)
		return job_deep(directory_fd, number(word[1]), number(word[2]));
	if (n == 4 && strcmp(word[0], "tree") == 0)
		return job_tree(directory_fd, word[1], number(word[2]), number(word[3]));
	if (n >= 3 && strcmp(word[0], "spawn") == 0)
		return job_spawn(word[1], word + 2);
	errx(1, "no request: %s with %d words", word[0], n - 1);
}

int main(int argc, char **argv)
{
	static char line[16384];
	static struct place place;
	char *word[WORDS_MAX + 1];

	if (argc != 2)
		errx(2, "usage: worker DIR | --list");
	if (strcmp(argv[1], "--list") == 0) {
		for (const struct operation *op = operations; op->name; op++)
			puts(op->name);
		return 0;
	}
	directory = argv[1];
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY);
	if (directory_fd < 0)
		err(1, "%s", directory);
	printf("0\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		int n = 0;

		line[strcspn(line, "\n")] = '\0';
		for (char *s = strtok(line, "\t"); s && n < WORDS_MAX; s = strtok(NULL, "\t"))
			word[n++] = s;
		word[n] = NULL;
		if (n == 0)
			continue;
		printf("%.2f\n", answer(&place, word, n));
		fflush(stdout);
	}
	return 0;
}
