/* bt-fuse link: what is attached where. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/show.h"
#include "world/event.h"

static void place_of(const struct object *o, char *name, uint32_t size)
{
	if (o->event)
		event_name(o->event, name, size);
	else
		snprintf(name, size, "(detached)");
}

static void print(struct show *s, const struct object *o)
{
	const char *type = o->type == BPF_LINK_TYPE_RAW_TRACEPOINT ? "raw_tracepoint" : "perf_event";
	const char *word = o->type == BPF_LINK_TYPE_RAW_TRACEPOINT ? "tp" : "tracepoint";
	char name[64];

	place_of(o, name, sizeof(name));
	if (s->json) {
		show_comma(s);
		printf("{\"id\":%u,\"type\":\"%s\",\"prog_id\":%u,", o->id, type, o->prog);
		show_text(s->json && o->type == BPF_LINK_TYPE_RAW_TRACEPOINT ? "tp_name" : "tracepoint", name);
		if (o->cookie) {
			putchar(',');
			show_number("bpf_cookie", o->cookie);
		}
	} else {
		printf("%u: %s  prog %u\n\t%s '%s'", o->id, type, o->prog, word, name);
		if (o->cookie)
			printf("  bpf_cookie %llu", (unsigned long long)o->cookie);
	}
	show_pins(s, o->id);
	show_holders(s, o);
	printf(s->json ? "}" : "\n");
}

static int list(struct show *s, char **argv, struct err *err)
{
	struct object o;
	int ret = 0;

	if (s->json)
		putchar('[');
	if (argv[0]) {
		ret = show_find(s, OBJECT_LINK, argv, &o, err);
		if (ret == 0)
			print(s, &o);
	} else {
		for (uint32_t id = 0; object_next(&s->world, &s->task, id, OBJECT_LINK, &o) == 0; id = o.id)
			print(s, &o);
	}
	if (s->json)
		puts("]");
	return ret;
}

static int detach(struct show *s, char **argv, struct err *err)
{
	struct object o;
	int ret = show_find(s, OBJECT_LINK, argv, &o, err);

	if (ret)
		return ret;
	ret = object_detach(&s->world, &s->task, o.id);
	if (s->json && ret == 0)
		puts("null");
	return ret ? err_set(err, ret, "link: id %u: %s", o.id, strerror(-ret)) : 0;
}

int cmd_link(int argc, char **argv, struct err *err)
{
	struct show s;
	int ret = show_begin(&s, "link", &argc, argv, err);

	if (ret)
		return ret;
	if (argc < 2 || strcmp(argv[1], "list") == 0 || strcmp(argv[1], "show") == 0)
		ret = list(&s, argc < 2 ? argv + argc : argv + 2, err);
	else if (strcmp(argv[1], "detach") == 0)
		ret = detach(&s, argv + 2, err);
	else
		ret = err_set(err, -EINVAL, "link: %s: unknown; list and detach are known", argv[1]);
	show_end(&s);
	return ret;
}
