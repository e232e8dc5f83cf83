/* Both formats have a row for each thing found; its state says what it is. */
#include "cli/report.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/json.h"

#define ROW "%-24s %-6s %8s %9s %9s %9s %12s %8s %6s  %s\n"

/* 5 digits at most: "1023M", "12.3G". Four texts may be in use at once. */
static const char *human(uint64_t bytes)
{
	static const char unit[] = "BKMGTPE";
	static char text[4][16];
	static unsigned turn;
	char *out = text[turn++ % 4];
	double n = (double)bytes;
	int u = 0;

	for (; n >= 1024 && u < 6; u++)
		n /= 1024;
	snprintf(out, sizeof(text[0]), u && n < 100 ? "%.1f%c" : "%.0f%c", n, unit[u]);
	return out;
}

static void json_string(const char *key, const char *s)
{
	printf("\"%s\": ", key);
	json_text(s);
}

/* The beginning of a row, up to the state's own members. */
static void json_row(struct report *r, const char *state, const char *name)
{
	printf("%s\n  {\"state\": \"%s\", ", r->rows++ ? "," : "", state);
	json_string("name", name);
}

static void json_dir(const char *dir)
{
	printf(", ");
	json_string("dir", dir);
}

static void json_number(const char *key, uint64_t n)
{
	printf(", \"%s\": %" PRIu64, key, n);
}

static void table_row(struct report *r)
{
	if (r->rows++ == 0)
		printf(ROW, "NAME", "STATE", "PID", "SIZE", "USED", "MEMORY", "INODES", "CLIENTS", "TASKS", "DIR");
}

void report_begin(struct report *r)
{
	r->rows = 0;
	if (r->format == REPORT_JSON)
		printf("[");
}

static void json_mount(struct report *r, const struct control_info *i)
{
	json_row(r, "live", i->name);
	json_dir(i->mountpoint);
	printf(", ");
	json_string("options", i->options);
	json_number("pid", i->head.pid);
	json_number("started", i->started);
	json_number("size", i->size);
	json_number("used", i->used);
	json_number("memory", i->memory);
	json_number("inodes", i->inodes);
	json_number("inodes_used", i->inodes_used);
	json_number("clients", i->clients);
	json_number("tasks", i->tasks);
	json_number("rollbacks", i->rollbacks);
	json_number("longest_wait_us", i->longest_wait);
	printf(", \"survives_daemon\": %s}", i->in_memfd ? "false" : "true");
}

void report_mount(struct report *r, const struct control_info *i)
{
	char pid[16], inodes[32], clients[16], tasks[16];

	if (r->format == REPORT_JSON) {
		json_mount(r, i);
		return;
	}
	table_row(r);
	snprintf(pid, sizeof(pid), "%u", i->head.pid);
	snprintf(inodes, sizeof(inodes), "%" PRIu64, i->inodes_used);
	snprintf(clients, sizeof(clients), "%u", i->clients);
	snprintf(tasks, sizeof(tasks), "%u", i->tasks);
	printf(ROW, i->name, "live", pid, human(i->size), human(i->used), human(i->memory), inodes, clients, tasks,
	       i->mountpoint);
}

void report_pool(struct report *r, const struct pools_found *f, uint32_t holder)
{
	char pid[16];

	if (r->format == REPORT_JSON) {
		json_row(r, holder ? "held" : "left", f->name);
		printf(", ");
		json_string("file", pools_path(f->name).s);
		json_number("memory", f->memory);
		if (holder)
			json_number("pid", holder);
		printf("}");
		return;
	}
	table_row(r);
	snprintf(pid, sizeof(pid), "%u", holder);
	printf(ROW, f->name, holder ? "held" : "left", holder ? pid : "-", "-", "-", human(f->memory), "-", "-", "-",
	       pools_path(f->name).s);
}

void report_dead(struct report *r, const struct mounts_entry *m)
{
	if (r->format == REPORT_JSON) {
		json_row(r, "dead", m->source);
		json_dir(m->dir);
		printf("}");
		return;
	}
	table_row(r);
	printf(ROW, m->source, "dead", "-", "-", "-", "-", "-", "-", "-", m->dir);
}

void report_end(struct report *r)
{
	if (r->format == REPORT_JSON)
		printf("%s]\n", r->rows ? "\n" : "");
	else if (r->rows == 0)
		printf("nothing is mounted\n");
}
