/*
 * The least that starts a program with the agent:
 *
 *	launcher [-s|-v] [-a AGENT] [-t TABLE] [-o OBJECT] COMMAND [ARGUMENT...]
 */
#include <stdio.h>
#include <unistd.h>

#include "launch/run.h"

int main(int argc, char **argv)
{
	const char *objects[2] = {NULL, NULL};
	struct run_options o = {.objects = objects};
	int c;

	while ((c = getopt(argc, argv, "+sva:t:o:")) != -1) {
		switch (c) {
		case 'v':
			o.verbose = true;
			o.stats = true;
			break;
		case 's':
			o.stats = true;
			break;
		case 'a':
			o.agent = optarg;
			break;
		case 't':
			o.table = optarg;
			break;
		case 'o':
			objects[0] = optarg;
			break;
		default:
			return 2;
		}
	}
	if (argv[optind] == NULL) {
		fprintf(stderr, "usage: launcher [-s|-v] [-a AGENT] [-t TABLE] [-o OBJECT] COMMAND [ARGUMENT...]\n");
		return 2;
	}
	return run_exec(&o, argv + optind);
}
