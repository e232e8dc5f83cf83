/* bt-fuse exporter: becomes the program that serves the metrics, which has libraries of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "launch/run.h"

#define LISTEN "127.0.0.1:9464"

int cmd_exporter(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {{"listen", required_argument, NULL, 'l'}, {NULL, 0, NULL, 0}};
	static const char *const names[] = {"libexec/bt-fuse/bt-fuse-exporter", "src/exporter/bt-fuse-exporter", NULL};
	const char *listen = LISTEN;
	autofree char *program = NULL;
	int c;

	while ((c = args_next(argc, argv, ":", longs, err)) != -1) {
		if (c != 'l')
			return -EINVAL;
		listen = optarg;
	}
	if (optind != argc)
		return err_set(err, -EINVAL, "exporter: %s: takes no argument", argv[optind]);
	program = run_find(names);
	if (!program)
		return err_set(err, -ENOENT, "exporter: %s was not installed with this program", names[0]);
	execl(program, program, listen, (char *)NULL);
	return err_set(err, -errno, "exporter: %s: %s", program, strerror(errno));
}
