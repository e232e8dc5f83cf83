/* The least that starts a program with the agent: launcher [-s|-v] COMMAND [ARGUMENT...] */
#include <stdio.h>
#include <string.h>

#include "launch/run.h"

int main(int argc, char **argv)
{
	struct run_options o = {0};

	argv++;
	while (*argv != NULL && (strcmp(*argv, "-s") == 0 || strcmp(*argv, "-v") == 0)) {
		o.stats = true;
		o.verbose |= (*argv)[1] == 'v';
		argv++;
	}
	if (*argv == NULL) {
		fprintf(stderr, "usage: launcher [-s|-v] COMMAND [ARGUMENT...]\n");
		return 2;
	}
	return run_exec(&o, argv);
}
