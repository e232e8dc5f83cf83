/* Creating and printing the counters of a run. */
#include "launch/stats.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/call_names.h"
#include "base/atomic.h"

struct stats_file *stats_create(char **path)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	void *p;
	int fd;

	if (asprintf(path, "%s/bt-fuse-stats.XXXXXX", dir != NULL ? dir : "/tmp") < 0) {
		*path = NULL;
		return NULL;
	}
	fd = mkostemp(*path, O_CLOEXEC);
	p = fd >= 0 && ftruncate(fd, sizeof(struct stats_file)) == 0
		? mmap(NULL, sizeof(struct stats_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
		: MAP_FAILED;
	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		return p;
	if (fd >= 0)
		unlink(*path);
	free(*path);
	*path = NULL;
	return NULL;
}

static uint64_t event(const struct stats_file *s, enum stats_event e)
{
	return load_relaxed(&s->events[e]);
}

static void print_calls(const struct stats_file *s, FILE *out)
{
	fprintf(out, "%-20s %12s %12s\n", "call", "seen", "answered");
	for (unsigned nr = 0; nr < STATS_NR; nr++) {
		if (s->calls[nr] == 0)
			continue;
		fprintf(out, "%-20s %12llu %12llu\n", call_name(nr), (unsigned long long)s->calls[nr],
			(unsigned long long)s->answered[nr]);
	}
}

void stats_print(const struct stats_file *s, bool calls, FILE *out)
{
	uint64_t seen = 0, answered = 0, started = event(s, STATS_STARTED);

	for (unsigned nr = 0; nr < STATS_NR; nr++) {
		seen += s->calls[nr];
		answered += s->answered[nr];
	}
	fprintf(out, "bt-fuse: %llu calls seen, %llu answered, %llu handed to the kernel\n", (unsigned long long)seen,
		(unsigned long long)answered, (unsigned long long)(seen - answered));
	fprintf(out, "bt-fuse: agent started %llu times, %llu us each on average; %llu processes forked\n",
		(unsigned long long)started,
		(unsigned long long)(event(s, STATS_START_NS) / (started != 0 ? started : 1) / 1000),
		(unsigned long long)event(s, STATS_FORKED));
	if (!calls)
		return;
	fprintf(out,
		"bt-fuse: execs with the agent %llu, static or foreign %llu, privileged %llu, unreadable %llu; stayed "
		"away %llu\n",
		(unsigned long long)event(s, STATS_EXEC), (unsigned long long)event(s, STATS_EXEC_STATIC),
		(unsigned long long)event(s, STATS_EXEC_SETUID), (unsigned long long)event(s, STATS_EXEC_UNREADABLE),
		(unsigned long long)event(s, STATS_PASSIVE));
	fprintf(out, "bt-fuse: objects known %llu, unknown %llu; sites patched %llu, with other bytes %llu\n",
		(unsigned long long)event(s, STATS_OBJECTS), (unsigned long long)event(s, STATS_OBJECTS_UNKNOWN),
		(unsigned long long)event(s, STATS_SITES), (unsigned long long)event(s, STATS_SITES_CHANGED));
	print_calls(s, out);
}
