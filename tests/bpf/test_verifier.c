/*
 * Verdicts of the verifier, case by case; what it accepts also runs the same
 * in the interpreter and compiled, on an empty context.
 *
 * usage: test_verifier [NAME]: with a name, that case alone, with its log
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

static char text[1 << 20];

static const char *tail(void)
{
	size_t n = strlen(text);

	return n > 400 ? text + n - 400 : text;
}

static bool run_case(const struct vcase *c, bool show)
{
	struct log log = {.buf = text, .size = sizeof(text)};
	struct prog prog;
	int r;

	text[0] = 0;
	r = case_verify(c->insns, c->len, &prog, &log, show ? 3 : 1);

	if (r == 0)
		prog_free(&prog);
	if (show)
		printf("%s", text);
	if (r != c->err) {
		printf("# verdict %d, not %d; log ends: %s\n", r, c->err, tail());
		return false;
	}
	if (c->says && !strstr(text, c->says)) {
		printf("# the log does not say \"%s\" but: %s\n", c->says, tail());
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	int failures = 0;
	uint32_t n = 0;

	for (uint32_t k = 0; k < nvcases; k++) {
		if (argc > 1 && strcmp(argv[1], vcases[k].name) != 0)
			continue;
		bool ok = run_case(&vcases[k], argc > 1);

		failures += !ok;
		printf("%s %u - %s%s\n", ok ? "ok" : "not ok", ++n,
		       vcases[k].err ? "refuses: " : "accepts: ", vcases[k].name);
	}
	printf("1..%u\n", n);
	return failures != 0;
}
