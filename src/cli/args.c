/* Command lines. */
#include "cli/args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NEAR_MAX 24 /* bytes in a word that can be a slip */

/* Levenshtein's distance. */
static int distance(const char *a, const char *b)
{
	int row[NEAR_MAX + 1];
	size_t n = strlen(b);

	if (strlen(a) > NEAR_MAX || n > NEAR_MAX)
		return NEAR_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = (int)j;
	for (size_t i = 0; a[i]; i++) {
		int diagonal = row[0];

		row[0] = (int)i + 1;
		for (size_t j = 1; j <= n; j++) {
			int best = diagonal + (a[i] != b[j - 1]);

			diagonal = row[j];
			best = min_of(best, row[j] + 1);
			row[j] = min_of(best, row[j - 1] + 1);
		}
	}
	return row[n];
}

const char *args_near(const char *word, const char *const *words)
{
	const char *best = NULL;
	int least = strlen(word) < 4 ? 2 : 3;

	for (; *words; words++) {
		int d = distance(word, *words);

		if (d < least) {
			least = d;
			best = *words;
		}
	}
	return best;
}

static void unknown_long(const char *word, const struct option *longs, struct err *err)
{
	const char *names[32] = {NULL};
	const char *near;
	char plain[64] = "";

	memcpy(plain, word + 2, min_of(strcspn(word + 2, "="), sizeof(plain) - 1));
	for (int i = 0; longs[i].name && i < 31; i++)
		names[i] = longs[i].name;
	near = args_near(plain, names);
	if (near)
		err_set(err, -EINVAL, "--%s: unknown option; did you mean --%s?", plain, near);
	else
		err_set(err, -EINVAL, "--%s: unknown option; see --help", plain);
}

int args_next(int argc, char **argv, const char *shorts, const struct option *longs, struct err *err)
{
	int before = optind, c;
	const char *word;

	opterr = 0;
	c = getopt_long(argc, argv, shorts, longs, NULL);
	if (c != '?' && c != ':')
		return c;
	word = argv[max_of(optind - 1, before)];
	if (c == ':')
		err_set(err, -EINVAL, "%s: needs a value; see --help", word);
	else if (strncmp(word, "--", 2) == 0 && (!optopt || optopt > 255))
		unknown_long(word, longs, err);
	else
		err_set(err, -EINVAL, "-%c: unknown option; see --help", optopt);
	return '?';
}

static uint64_t memory_percent(uint64_t percent)
{
	uint64_t pages = (uint64_t)sysconf(_SC_PHYS_PAGES), page = (uint64_t)sysconf(_SC_PAGESIZE);

	return pages * percent / 100 * page;
}

/* The power of two that a suffix stands for; -1: none. */
static int suffix_bits(const char *s)
{
	static const char letters[] = "kmgt";
	const char *at;

	if (!*s)
		return 0;
	at = strchr(letters, *s | 32);
	return at && !s[1] ? 10 * (int)(at - letters + 1) : -1;
}

int args_size(const char *s, uint64_t *out, struct err *err)
{
	char *end;
	uint64_t n;
	int bits;

	errno = 0;
	n = strtoull(s, &end, 10);
	if (*s < '0' || *s > '9' || errno)
		return err_set(err, -EINVAL, "size %s: not a size; write 512M, 10G or 50%%", s);
	if (!strcmp(end, "%") && n > 0 && n <= 100) {
		*out = memory_percent(n);
		return 0;
	}
	bits = suffix_bits(end);
	if (bits < 0 || n == 0 || n > UINT64_MAX >> bits >> 1)
		return err_set(err, -EINVAL, "size %s: not a size; write 512M, 10G or 50%%", s);
	*out = n << bits;
	return 0;
}

int args_number(const char *what, const char *s, int base, uint64_t max, uint64_t *out, struct err *err)
{
	char *end;

	errno = 0;
	*out = strtoull(s, &end, base);
	if (*s < '0' || *s > '9' || *end || errno || *out > max)
		return err_set(err, -EINVAL, "%s %s: not a%s number up to %llu", what, s, base == 8 ? "n octal" : "",
			       (unsigned long long)max);
	return 0;
}
