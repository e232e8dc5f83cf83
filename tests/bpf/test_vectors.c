/*
 * Programs as data: name, text in hex, memory in hex ("-": none), R0. Both
 * ways of running must give it. The project's own file comes first; a folder
 * of others may be named by the environment variable BPF_VECTORS.
 *
 * usage: test_vectors OWN.tsv [FOLDER]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "both.h"

static int tests, failures;

static void report(const char *name, const char *why)
{
	tests++;
	if (why) {
		failures++;
		printf("not ok %d - %s: %s\n", tests, name, why);
	} else {
		printf("ok %d - %s\n", tests, name);
	}
}

static int nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hex in place; returns the bytes. */
static size_t unhex(char *text)
{
	size_t n = 0;

	for (; nibble(text[2 * n]) >= 0 && nibble(text[2 * n + 1]) >= 0; n++)
		text[n] = (char)(nibble(text[2 * n]) << 4 | nibble(text[2 * n + 1]));
	return n;
}

/* What a vector may call: a helper without effect. */
static uint64_t nothing(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	return 0;
}

static const run_fn helpers[] = {nothing, nothing, nothing, nothing, nothing, nothing};
static const struct run run = {.helpers = helpers, .nhelpers = array_len(helpers)};

static void execute(const char *name, char *text, char *mem, const char *r0)
{
	struct both b = {.run = &run};
	struct prog prog;
	char buf[256];
	struct log log = {.buf = buf, .size = sizeof(buf)};
	char *aligned;

	b.len = unhex(mem);
	b.mem = b.len ? mem : NULL;
	size_t n = unhex(text);
	aligned = aligned_alloc(8, n + 8);
	memcpy(aligned, text, n);
	if (prog_decode((void *)aligned, (uint32_t)(n / 8), &prog, &log) < 0) {
		report(name, buf);
		free(aligned);
		return;
	}
	b.prog = &prog;
	if (both_run(&b) < 0)
		report(name, b.why);
	else if (b.r0 != strtoull(r0, NULL, 0))
		snprintf(buf, sizeof(buf), "r0 is 0x%llx, not %s", (unsigned long long)b.r0, r0), report(name, buf);
	else
		report(name, NULL);
	prog_free(&prog);
	free(aligned);
}

static void refuse(const char *name, char *text)
{
	struct prog prog;
	size_t n = unhex(text);
	char *aligned;

	if (n == 0) {
		printf("# %s: no program in the file, skipped\n", name);
		return;
	}
	aligned = aligned_alloc(8, n + 8);
	memcpy(aligned, text, n);
	if (prog_decode((void *)aligned, (uint32_t)(n / 8), &prog, NULL) == 0) {
		report(name, "accepted");
		prog_free(&prog);
	} else {
		report(name, NULL);
	}
	free(aligned);
}

static int file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;

	if (!f)
		return -1;
	while (getline(&line, &cap, f) > 0) {
		char *field[4] = {0}, *at = line;

		line[strcspn(line, "\n")] = 0;
		if (line[0] == '#' || !line[0])
			continue;
		for (int k = 0; k < 4 && at; k++)
			field[k] = strsep(&at, "\t");
		if (field[3])
			execute(field[0], field[1], field[2], field[3]);
		else if (field[1])
			refuse(field[0], field[1]);
	}
	free(line);
	fclose(f);
	return 0;
}

int main(int argc, char **argv)
{
	char path[4096];

	for (int k = 1; k < argc; k++) {
		if (strstr(argv[k], ".tsv")) {
			if (file(argv[k]) < 0)
				report(argv[k], "cannot be read");
			continue;
		}
		snprintf(path, sizeof(path), "%s/execute.tsv", argv[k]);
		if (file(path) < 0)
			printf("# no vectors in %s\n", argv[k]);
		snprintf(path, sizeof(path), "%s/refuse.tsv", argv[k]);
		file(path);
	}
	printf("1..%d\n", tests);
	return failures != 0;
}
