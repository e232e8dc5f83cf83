/* Printing objects: see show.h. */
#include "cli/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"

static const char *const prog_types[] = {
    [BPF_PROG_TYPE_SOCKET_FILTER] = "socket_filter",
    [BPF_PROG_TYPE_KPROBE] = "kprobe",
    [BPF_PROG_TYPE_TRACEPOINT] = "tracepoint",
    [BPF_PROG_TYPE_RAW_TRACEPOINT] = "raw_tracepoint",
};

const char *show_prog_type(uint32_t type)
{
	return type < array_len(prog_types) && prog_types[type] ? prog_types[type] : "?";
}

static void take_options(struct show *s, int *argc, char **argv)
{
	int n = 0;

	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0)
			s->json = true;
		else
			argv[n++] = argv[i];
	}
	argv[n] = NULL;
	*argc = n;
}

int show_begin(struct show *s, const char *verb, int *argc, char **argv, struct err *err)
{
	int ret;

	*s = (struct show){.verb = verb};
	take_options(s, argc, argv);
	ret = world_join(&s->world, &s->task);
	if (ret)
		return err_set(err, ret, "%s: %s: %s", verb, world_path().s, strerror(-ret));
	s->joined = true;
	world_clear_up(&s->world, &s->task);
	return 0;
}

void show_end(struct show *s)
{
	if (s->joined)
		world_leave(&s->world, &s->task);
	s->joined = false;
}

static int find_name(struct show *s, unsigned kind, const char *name, struct object *out, struct err *err)
{
	struct object o;
	unsigned n = 0;

	for (uint32_t id = 0; object_next(&s->world, &s->task, id, kind, &o) == 0; id = o.id) {
		if (strncmp(o.name, name, sizeof(o.name)) == 0) {
			*out = o;
			n++;
		}
	}
	if (n == 1)
		return 0;
	return err_set(err, n ? -EINVAL : -ENOENT,
		       n ? "%s: several are called %s; give an id" : "%s: nothing is called %s", s->verb, name);
}

int show_find(struct show *s, unsigned kind, char **argv, struct object *out, struct err *err)
{
	uint32_t id = 0;
	int ret = -EINVAL;

	if (!argv[0] || !argv[1])
		return err_set(err, -EINVAL, "%s: say which: id ID, name NAME or pinned PATH", s->verb);
	if (strcmp(argv[0], "name") == 0)
		return find_name(s, kind, argv[1], out, err);
	if (strcmp(argv[0], "id") == 0) {
		id = (uint32_t)strtoul(argv[1], NULL, 0);
		ret = 0;
	} else if (strcmp(argv[0], "pinned") == 0) {
		const char *path = strncmp(argv[1], "/sys/fs/bpf/", 12) == 0 ? argv[1] + 12 : argv[1];

		ret = pin_find(&s->world, &s->task, path, &id);
	}
	if (ret == 0)
		ret = object_get(&s->world, &s->task, id, kind, out);
	return ret ? err_set(err, ret, "%s: %s %s: %s", s->verb, argv[0], argv[1], strerror(-ret)) : 0;
}

void show_text(const char *key, const char *value)
{
	printf("\"%s\":", key);
	json_text(value);
}

void show_number(const char *key, uint64_t value)
{
	printf("\"%s\":%" PRIu64, key, value);
}

void show_hex(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	for (size_t i = 0; i < n; i++)
		printf("%02x%s", p[i], i + 1 == n ? "" : (i + 1) % 16 ? " " : "\n");
}

void show_hex_json(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	putchar('[');
	for (size_t i = 0; i < n; i++)
		printf("%s\"0x%02x\"", i ? "," : "", p[i]);
	putchar(']');
}

void show_comma(struct show *s)
{
	if (s->rows++)
		putchar(',');
}

void show_pins(struct show *s, uint32_t id)
{
	struct pin p;

	for (uint32_t i = 0; pin_nth(&s->world, &s->task, id, i, &p); i++) {
		if (s->json)
			printf("%s\"/sys/fs/bpf/%s\"", i ? "," : ",\"pinned\":[", p.path);
		else
			printf("\n\tpinned /sys/fs/bpf/%s", p.path);
		if (s->json && !pin_nth(&s->world, &s->task, id, i + 1, &p))
			putchar(']');
	}
}

static void comm_of(uint32_t pid, char *comm, size_t size)
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	f = fopen(path, "re");
	snprintf(comm, size, "?");
	if (f && fgets(comm, (int)size, f))
		comm[strcspn(comm, "\n")] = 0;
	if (f)
		fclose(f);
}

void show_holders(struct show *s, const struct object *o)
{
	unsigned n = 0;
	char comm[32];

	for (uint32_t c = 0; c < POOL_CLIENTS; c++) {
		uint32_t pid = client_slot(&s->world.arena.pool, c)->pid;

		if (!(o->holders[c / 64] >> c % 64 & 1))
			continue;
		comm_of(pid, comm, sizeof(comm));
		if (s->json) {
			printf("%s{", n++ ? "," : ",\"pids\":[");
			show_number("pid", pid);
			putchar(',');
			show_text("comm", comm);
			putchar('}');
		} else {
			printf("%s%s(%u)", n++ ? "," : "\n\tpids ", comm, pid);
		}
	}
	if (n && s->json)
		putchar(']');
}
