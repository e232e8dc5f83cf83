/* bt-fuse prog: programs that are loaded, their text, and what they print. */
#include <Zydis/Zydis.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "bpf/disasm.h"
#include "cli/cmd.h"
#include "cli/json.h"
#include "cli/progrun.h"
#include "cli/show.h"
#include "world/trace.h"

/* CLOCK_BOOTTIME as seconds since the epoch. */
static time_t wall(int64_t boot_ns)
{
	struct timespec now, boot;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return now.tv_sec - boot.tv_sec + boot_ns / 1000000000;
}

static void print_ids(const struct prog_image *img, const char *before)
{
	for (uint32_t i = 0; i < img->nmaps; i++)
		printf("%s%u", i ? "," : before, img->map[i]);
}

static void print_json(const struct object *o, const struct prog_image *img)
{
	printf("{\"id\":%u,\"type\":\"%s\",", o->id, show_prog_type(o->type));
	show_text("name", o->name);
	printf(",\"tag\":\"");
	for (unsigned i = 0; i < 8; i++)
		printf("%02x", img->tag[i]);
	printf("\",\"gpl_compatible\":%s,\"loaded_at\":%lld,\"uid\":%u,\"bytes_xlated\":%u,\"jited\":true,\"bytes_"
	       "jited\":%u",
	       img->gpl ? "true" : "false", (long long)wall(o->made), (unsigned)getuid(), img->nslots * 8,
	       img->code_bytes);
	print_ids(img, ",\"map_ids\":[");
	if (img->nmaps)
		putchar(']');
	if (o->btf)
		printf(",\"btf_id\":%u", o->btf);
}

static void print_text(const struct object *o, const struct prog_image *img)
{
	time_t at = wall(o->made);
	char when[40];

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S%z", localtime(&at));
	printf("%u: %s  name %s  tag ", o->id, show_prog_type(o->type), o->name);
	for (unsigned i = 0; i < 8; i++)
		printf("%02x", img->tag[i]);
	printf("%s\n\tloaded_at %s  uid %u\n\txlated %uB  jited %uB", img->gpl ? "  gpl" : "", when, (unsigned)getuid(),
	       img->nslots * 8, img->code_bytes);
	print_ids(img, "  map_ids ");
	if (o->btf)
		printf("\n\tbtf_id %u", o->btf);
}

static void print(struct show *s, const struct object *o)
{
	const struct prog_image *img = object_image(&s->world, o);

	if (!img)
		return;
	if (s->json) {
		show_comma(s);
		print_json(o, img);
	} else {
		print_text(o, img);
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
		ret = show_find(s, OBJECT_PROG, argv, &o, err);
		if (ret == 0)
			print(s, &o);
	} else {
		for (uint32_t id = 0; object_next(&s->world, &s->task, id, OBJECT_PROG, &o) == 0; id = o.id)
			print(s, &o);
	}
	if (s->json)
		puts("]");
	return ret;
}

/* ---- dump ----------------------------------------------------------------------------- */

/* Maps are shown as bpftool shows them. */
static const struct map_info *by_id(void *arg, const struct bpf_insn *lddw)
{
	struct map_info *m = calloc(1, sizeof(*m));

	(void)arg;
	if (!m)
		return NULL;
	/* References into values were in bounds when it was loaded. */
	*m = (struct map_info){
	    .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = INT32_MAX, .max_entries = 1, .value_off = 8};
	snprintf(m->name, sizeof(m->name), "id:%d", lddw->imm);
	return m;
}

static void print_slot(struct show *s, const struct prog *p, uint32_t pc, const char *text)
{
	const uint8_t *raw = (const uint8_t *)&p->insns[pc];

	(void)raw;
	if (s->json) {
		show_comma(s);
		putchar('{');
		show_text("disasm", text);
		putchar('}');
	} else {
		printf("%4u: %s\n", pc, text);
	}
}

static int dump_xlated(struct show *s, const struct object *o, struct err *err)
{
	const struct prog_image *img = object_image(&s->world, o);
	char text[DISASM_MAX];
	struct prog prog;
	int ret;

	if (!img)
		return err_set(err, -EUCLEAN, "prog: id %u: damaged", o->id);
	ret = prog_decode((const struct bpf_insn *)(const void *)((const char *)img + img->text_at), img->nslots, &prog,
			  NULL);
	if (ret == 0)
		ret = prog_resolve_maps(&prog, by_id, NULL, NULL);
	if (ret) {
		prog_free(&prog);
		return err_set(err, ret, "prog: id %u: its text: %s", o->id, strerror(-ret));
	}
	for (uint32_t pc = 0; pc < prog.len;) {
		uint32_t n = disasm_insn(&prog, pc, text, sizeof(text));

		print_slot(s, &prog, pc, text);
		pc += max_of(n, 1u);
	}
	for (uint32_t i = 0; i < prog.nmaps; i++)
		free((void *)(uintptr_t)prog.maps[i]);
	prog_free(&prog);
	return 0;
}

static int dump_jited(struct show *s, const struct object *o, struct err *err)
{
	const struct prog_image *img = object_image(&s->world, o);
	const uint8_t *code;
	ZydisDisassembledInstruction in;

	if (!img)
		return err_set(err, -EUCLEAN, "prog: id %u: damaged", o->id);
	code = (const uint8_t *)img + img->code_at;
	if (!s->json)
		printf("bpf_prog_%s:\n", o->name);
	for (uint32_t at = 0; at < img->code_bytes; at += in.info.length) {
		if (!ZYAN_SUCCESS(
			ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, at, code + at, img->code_bytes - at, &in))) {
			in.info.length = 1;
			snprintf(in.text, sizeof(in.text), "(bad)");
		}
		if (s->json) {
			show_comma(s);
			printf("{\"pc\":\"0x%x\",", at);
			show_text("operation", in.text);
			putchar('}');
		} else {
			printf("%4x:\t%s\n", at, in.text);
		}
	}
	return 0;
}

static int dump(struct show *s, char **argv, struct err *err)
{
	bool jited = argv[0] && strcmp(argv[0], "jited") == 0;
	struct object o;
	int ret;

	if (!argv[0] || (!jited && strcmp(argv[0], "xlated") != 0))
		return err_set(err, -EINVAL, "prog: dump: xlated or jited is expected");
	ret = show_find(s, OBJECT_PROG, argv + 1, &o, err);
	if (ret)
		return ret;
	if (s->json)
		putchar('[');
	ret = jited ? dump_jited(s, &o, err) : dump_xlated(s, &o, err);
	if (s->json)
		puts("]");
	return ret;
}

/* ---- tracelog ------------------------------------------------------------------------- */

static void put_line(struct show *s, const char *line)
{
	if (s->json) {
		show_comma(s);
		json_text(line);
	} else {
		puts(line);
	}
	fflush(stdout);
}

static void print_line(struct show *s, const struct tracelog_line *l)
{
	char line[TRACE_TEXT + 128];

	snprintf(line, sizeof(line), "%16.16s-%-7u [%03u] ..... %5llu.%06llu: bpf_trace_printk: %.*s", l->comm, l->pid,
		 l->cpu, (unsigned long long)(l->when / 1000000000), (unsigned long long)(l->when / 1000 % 1000000),
		 (int)strcspn(l->text, "\n"), l->text);
	put_line(s, line);
}

static volatile sig_atomic_t interrupted;

static void interrupt(int sig)
{
	interrupted = 1;
}

/* The list in JSON has an end then. */
static void end_by_signal(void)
{
	const struct sigaction sa = {.sa_handler = interrupt};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

/* Until it is interrupted; with "-1" only what is there. */
static int tracelog(struct show *s, char **argv, struct err *err)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	bool once = argv[0] && strcmp(argv[0], "-1") == 0;
	uint64_t at = tracelog_start(&s->world, true);
	struct tracelog_line line;

	if (s->json) {
		end_by_signal();
		putchar('[');
	}
	while (!interrupted) {
		int ret = tracelog_read(&s->world, &at, &line);

		if (ret > 0)
			print_line(s, &line);
		else if (ret < 0)
			put_line(s, "CPU:0 [LOST EVENTS]");
		else if (once)
			break;
		else
			nanosleep(&pause, NULL);
	}
	if (s->json)
		puts("]");
	return 0;
}

/* ---- run -------------------------------------------------------------------------------- */

/* By a loader, whose server this process becomes: it joins the world anew. */
static int run_loaded(struct show *s, char **argv, struct err *err)
{
	struct object o;
	int ret = show_find(s, OBJECT_PROG, argv, &o, err);

	if (ret)
		return ret;
	show_end(s);
	return progrun_loaded(o.id, argv + 2, s->json, err);
}

static bool has(char **argv, const char *option)
{
	while (*argv && strcmp(*argv, option) != 0)
		argv++;
	return *argv != NULL;
}

int cmd_prog(int argc, char **argv, struct err *err)
{
	static const struct {
		const char *name;
		int (*run)(struct show *s, char **argv, struct err *err);
	} verbs[] = {{"list", list}, {"show", list}, {"dump", dump}, {"tracelog", tracelog}, {"run", run_loaded}};
	struct show s;
	int ret;

	if (argc > 1 && has(argv + 1, "run") && has(argv + 1, "--raw"))
		return progrun(argc, argv, err);
	ret = show_begin(&s, "prog", &argc, argv, err);
	if (ret)
		return ret;
	ret = 1;
	if (argc < 2)
		ret = list(&s, argv + argc, err);
	for (size_t i = 0; i < array_len(verbs) && ret == 1; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			ret = verbs[i].run(&s, argv + 2, err);
	if (ret == 1)
		ret = err_set(err, -EINVAL, "prog: %s: unknown; list, dump, tracelog and run are known", argv[1]);
	show_end(&s);
	return ret;
}
