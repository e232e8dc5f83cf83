/*
 * bt-fuse-sites: finds the sites of ELF files and remembers them.
 *
 *	bt-fuse-sites [-q] -o TABLE FILE...	adds the files to a table file; -q: and says nothing
 *	bt-fuse-sites -l FILE...	lists the sites of the files
 *
 * A FILE that is no x86-64 ELF image is passed over. One without a build id is known by its code.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/scope.h"
#include "sites/store.h"

static void list(const char *path, const struct scan_result *r)
{
	static const char *const kinds[] = {"none", "near", "pad", "moved"};

	printf("%s: %u sites, build id ", path, r->count);
	for (uint32_t i = 0; i < r->id_len; i++)
		printf("%02x", r->id[i]);
	putchar('\n');
	for (uint32_t i = 0; i < r->count; i++) {
		const struct site *s = &r->sites[i];

		printf("%8x %4d %-5s %2u+%u%s ", s->off, s->nr, kinds[s->kind], s->before, s->after,
		       s->rip ? " rip" : "");
		for (uint32_t k = 0; s->kind != SITE_NONE && k < site_window(s); k++)
			printf(" %02x", s->window[k]);
		putchar('\n');
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: bt-fuse-sites [-q] -o TABLE FILE... | -l FILE...\n");
	return 2;
}

int main(int argc, char **argv)
{
	autofree struct scan_result *scans = calloc((size_t)argc, sizeof(*scans));
	bool quiet = argc > 1 && strcmp(argv[1], "-q") == 0, only_list;
	int first, n = 0, rc = 0;

	argc -= quiet;
	argv += quiet;
	only_list = argc > 2 && strcmp(argv[1], "-l") == 0;
	first = only_list ? 2 : 3;
	/* Started by an agent: standard error is its program's. */
	if (quiet && !freopen("/dev/null", "we", stderr))
		return 1;

	if (scans == NULL || argc <= first || (!only_list && strcmp(argv[1], "-o") != 0))
		return usage();
	for (int i = first; i < argc; i++) {
		rc = scan_file(argv[i], &scans[n]);
		if (rc != 0) {
			fprintf(stderr, "bt-fuse-sites: %s: %s\n", argv[i], strerror(-rc));
			continue;
		}
		if (only_list)
			list(argv[i], &scans[n]);
		n++;
	}
	rc = only_list ? 0 : store_add(argv[2], scans, (unsigned)n);
	if (rc != 0)
		fprintf(stderr, "bt-fuse-sites: write %s: %s\n", argv[2], strerror(-rc));
	for (int i = 0; i < n; i++)
		free(scans[i].sites);
	return rc != 0;
}
