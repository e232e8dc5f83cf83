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

static const char *const whys[STATS_WHYS] = {"agent", "elsewhere", "descriptor", "outside", "passive", "no-seat"};

static uint64_t handed(const struct stats_file *s, unsigned why)
{
	uint64_t n = 0;

	for (unsigned nr = 0; nr < STATS_NR; nr++)
		n += s->handed[why][nr];
	return n;
}

/* Only the reasons that there were. */
static void print_whys(const struct stats_file *s, FILE *out)
{
	const char *before = "";

	fputs("bt-fuse: handed over: ", out);
	for (unsigned why = 0; why < STATS_WHYS; why++) {
		uint64_t n = handed(s, why);

		if (n == 0)
			continue;
		fprintf(out, "%s%s %llu", before, whys[why], (unsigned long long)n);
		before = ", ";
	}
	fputs(*before ? "\n" : "nothing\n", out);
}

static void print_call(const struct stats_file *s, unsigned nr, FILE *out)
{
	const char *before = "  ";

	fprintf(out, "%-20s %12llu %12llu", call_name(nr), (unsigned long long)s->calls[nr],
		(unsigned long long)s->answered[nr]);
	for (unsigned why = 0; why < STATS_WHYS; why++) {
		if (s->handed[why][nr] == 0)
			continue;
		fprintf(out, "%s%s %llu", before, whys[why], (unsigned long long)s->handed[why][nr]);
		before = ", ";
	}
	fputc('\n', out);
}

static void print_calls(const struct stats_file *s, FILE *out)
{
	fprintf(out, "%-20s %12s %12s  %s\n", "call", "seen", "answered", "handed to the kernel, by reason");
	for (unsigned nr = 0; nr < STATS_NR; nr++) {
		uint64_t n = s->calls[nr];

		for (unsigned why = 0; why < STATS_WHYS; why++)
			n |= s->handed[why][nr];
		if (n != 0)
			print_call(s, nr, out);
	}
}

/* One that was killed has not told what it did; its calls that were handed over are in the sums. */
static void print_process(const struct stats_process *p, FILE *out)
{
	fprintf(out, "%-10u %-16.16s %12llu %12llu %12llu", p->pid, p->name, (unsigned long long)p->seen,
		(unsigned long long)p->answered, (unsigned long long)(p->seen - p->answered));
	if (p->end != 0)
		fprintf(out, " %10.3f\n", (double)(p->end - p->start) / 1e9);
	else
		fprintf(out, " %10s\n", "killed");
}

void stats_print_processes(const struct stats_file *s, FILE *out)
{
	uint64_t n = s->processes < STATS_PROCESSES ? s->processes : STATS_PROCESSES;

	fprintf(out, "%-10s %-16s %12s %12s %12s %10s\n", "process", "program", "seen", "answered", "handed over",
		"seconds");
	for (uint64_t i = 0; i < n; i++)
		if (s->process[i].pid != 0)
			print_process(&s->process[i], out);
	if (s->processes > n)
		fprintf(out, "bt-fuse: and %llu more\n", (unsigned long long)(s->processes - n));
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
	print_whys(s, out);
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
