/* bt-fuse-exporter ADDRESS:PORT, which `bt-fuse exporter` becomes. */
#include <stdio.h>

#include "exporter/exporter.h"

static void say(void *arg, const char *url)
{
	printf("listening on %s\n", url);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct exporter_config config = {.listen = argc == 2 ? argv[1] : "", .ready = say};
	struct err err = {""};

	if (exporter_serve(&config, &err) == 0)
		return 0;
	fprintf(stderr, "bt-fuse: exporter: %s\n", err.text);
	return 1;
}
