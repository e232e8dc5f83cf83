/* bt-fuse map: maps and their elements, in bytes, as bpftool writes them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "cli/cmd.h"
#include "cli/show.h"
#include "world/names.h"

#define BYTES_MAX 65536u

struct target {
	struct object o;
	struct map *m;
	uint32_t value_bytes;
	unsigned char *key, *value, *next;
};

static void free_target(struct target *t)
{
	free(t->key);
	free(t->value);
	free(t->next);
}
#define autotarget __attribute__((cleanup(free_target)))

static int find(struct show *s, char **argv, struct target *t, struct err *err)
{
	int ret = show_find(s, OBJECT_MAP, argv, &t->o, err);

	if (ret)
		return ret;
	t->m = map_at(&s->world.arena.pool, t->o.off);
	if (!t->m)
		return err_set(err, -EUCLEAN, "map: id %u: damaged", t->o.id);
	t->value_bytes = map_value_bytes(t->m);
	t->key = calloc(1, t->m->key_size + 8u);
	t->next = calloc(1, t->m->key_size + 8u);
	t->value = calloc(1, t->value_bytes + 8u);
	return t->key && t->next && t->value ? 0 : err_set(err, -ENOMEM, "map: no memory");
}

static void print(struct show *s, const struct object *o)
{
	const struct map *m = map_at(&s->world.arena.pool, o->off);

	if (!m)
		return;
	if (s->json) {
		show_comma(s);
		printf("{\"id\":%u,\"type\":\"%s\",", o->id, world_map_type(o->type));
		show_text("name", o->name);
		printf(",\"flags\":%u,\"bytes_key\":%u,\"bytes_value\":%u,\"max_entries\":%u,\"bytes_memlock\":%llu,"
		       "\"frozen\":%u",
		       m->flags, m->key_size, m->value_size, m->max_entries, (unsigned long long)m->bytes, m->frozen);
		if (o->btf)
			printf(",\"btf_id\":%u", o->btf);
	} else {
		printf("%u: %s  name %s  flags 0x%x\n\tkey %uB  value %uB  max_entries %u  memlock %lluB", o->id,
		       world_map_type(o->type), o->name, m->flags, m->key_size, m->value_size, m->max_entries,
		       (unsigned long long)m->bytes);
		if (o->btf || m->frozen)
			printf("\n\t");
		if (o->btf)
			printf("btf_id %u  ", o->btf);
		if (m->frozen)
			printf("frozen");
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
		ret = show_find(s, OBJECT_MAP, argv, &o, err);
		if (ret == 0)
			print(s, &o);
	} else {
		for (uint32_t id = 0; object_next(&s->world, &s->task, id, OBJECT_MAP, &o) == 0; id = o.id)
			print(s, &o);
	}
	if (s->json)
		puts("]");
	return ret;
}

/* ---- Elements --------------------------------------------------------------------------- */

static bool is_percpu(const struct map *m)
{
	return m->type == BPF_MAP_TYPE_PERCPU_ARRAY || m->type == BPF_MAP_TYPE_PERCPU_HASH ||
	       m->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

static uint32_t cpus(const struct target *t)
{
	return is_percpu(t->m) ? t->value_bytes / round_up(t->m->value_size, 8u) : 0;
}

static void print_json(struct show *s, const struct target *t)
{
	show_comma(s);
	printf("{\"key\":");
	show_hex_json(t->key, t->m->key_size);
	if (!cpus(t)) {
		printf(",\"value\":");
		show_hex_json(t->value, t->m->value_size);
	}
	for (uint32_t c = 0; c < cpus(t); c++) {
		printf("%s{\"cpu\":%u,\"value\":", c ? "," : ",\"values\":[", c);
		show_hex_json(t->value + c * round_up(t->m->value_size, 8u), t->m->value_size);
		printf("}%s", c + 1 == cpus(t) ? "]" : "");
	}
	putchar('}');
}

static void print_element(struct show *s, const struct target *t)
{
	bool wide = t->m->key_size > 16 || t->m->value_size > 16 || cpus(t);

	if (s->json) {
		print_json(s, t);
		return;
	}
	printf("key:%c", wide ? '\n' : ' ');
	show_hex(t->key, t->m->key_size);
	printf("%s", wide ? "\n" : "  ");
	if (!cpus(t)) {
		printf("value:%c", wide ? '\n' : ' ');
		show_hex(t->value, t->m->value_size);
		putchar('\n');
	}
	for (uint32_t c = 0; c < cpus(t); c++) {
		printf("value (CPU %02u):%c", c, t->m->value_size > 16 ? '\n' : ' ');
		show_hex(t->value + c * round_up(t->m->value_size, 8u), t->m->value_size);
		putchar('\n');
	}
}

/* What maps of programs and maps hold is shown by its id. */
static int get(struct show *s, struct target *t)
{
	struct object o;
	uint64_t ref;
	uint32_t id;
	int ret;

	if (!map_holds_refs(t->m))
		return map_lookup(&s->task, t->m, t->key, t->value, 0);
	ret = map_get_ref(&s->task, t->m, t->key, &ref);
	if (ret)
		return ret;
	id = (uint32_t)ref;
	if (t->m->type != BPF_MAP_TYPE_PROG_ARRAY)
		id = object_at(&s->world, &s->task, ref, &o) == 0 ? o.id : 0;
	memcpy(t->value, &id, sizeof(id));
	return 0;
}

static int dump(struct show *s, char **argv, struct err *err)
{
	autotarget struct target t = {0};
	unsigned n = 0;
	int ret = find(s, argv, &t, err);

	if (ret)
		return ret;
	if (s->json)
		putchar('[');
	for (const void *at = NULL; map_next_key(&s->task, t.m, at, t.next) == 0; at = t.key) {
		memcpy(t.key, t.next, t.m->key_size);
		if (get(s, &t) != 0)
			continue;
		print_element(s, &t);
		n++;
	}
	if (s->json)
		puts("]");
	else
		printf("Found %u element%s\n", n, n == 1 ? "" : "s");
	return 0;
}

/* "0x1 2 3" or, behind "hex", "01 02 03": as many bytes as are needed. The word behind them, or NULL with a text. */
static char **take_bytes(char **argv, unsigned char *out, uint32_t n, const char *what, struct err *err)
{
	int base = 0;

	if (*argv && strcmp(*argv, "hex") == 0) {
		base = 16;
		argv++;
	}
	for (uint32_t i = 0; i < n; i++, argv++) {
		char *end = NULL;
		unsigned long v = *argv ? strtoul(*argv, &end, base) : 0;

		if (!*argv || *end || end == *argv || v > 255) {
			err_set(err, -EINVAL, "map: %s: %u bytes are wanted, each 0 to 255", what, n);
			return NULL;
		}
		out[i] = (unsigned char)v;
	}
	return argv;
}

static char **take_word(char **argv, const char *word, struct err *err)
{
	if (*argv && strcmp(*argv, word) == 0)
		return argv + 1;
	err_set(err, -EINVAL, "map: '%s' is expected, not '%s'", word, *argv ? *argv : "");
	return NULL;
}

static int take_key(struct target *t, char ***argv, struct err *err)
{
	char **at = take_word(*argv, "key", err);

	at = at ? take_bytes(at, t->key, t->m->key_size, "key", err) : NULL;
	*argv = at;
	return at ? 0 : -EINVAL;
}

static int lookup(struct show *s, char **argv, struct err *err)
{
	autotarget struct target t = {0};
	char **rest = argv + 2;
	int ret = find(s, argv, &t, err);

	if (!ret)
		ret = take_key(&t, &rest, err);
	if (ret)
		return ret;
	ret = get(s, &t);
	if (ret)
		return err_set(err, ret, "map: lookup: %s", strerror(-ret));
	print_element(s, &t);
	if (s->json)
		putchar('\n');
	return 0;
}

static int change(struct show *s, struct target *t, char **argv, struct err *err)
{
	uint64_t flags = BPF_ANY;
	uint32_t each = t->m->value_size;
	char **at = take_word(argv, "value", err);

	at = at ? take_bytes(at, t->value, each, "value", err) : NULL;
	if (!at)
		return -EINVAL;
	for (uint32_t c = 1; c < cpus(t); c++)
		memcpy(t->value + c * round_up(each, 8u), t->value, each);
	if (*at && strcmp(*at, "exist") == 0)
		flags = BPF_EXIST;
	else if (*at && strcmp(*at, "noexist") == 0)
		flags = BPF_NOEXIST;
	else if (*at && strcmp(*at, "any") != 0)
		return err_set(err, -EINVAL, "map: %s: any, exist or noexist is expected", *at);
	return map_update(&s->task, t->m, t->key, t->value, flags);
}

/* Who waits for JSON gets some where there is nothing to say. */
static int done(const struct show *s)
{
	if (s->json)
		puts("null");
	return 0;
}

static int update(struct show *s, char **argv, struct err *err)
{
	autotarget struct target t = {0};
	char **rest = argv + 2;
	int ret = find(s, argv, &t, err);

	if (!ret)
		ret = take_key(&t, &rest, err);
	if (ret)
		return ret;
	if (map_holds_refs(t.m))
		return err_set(err, -EOPNOTSUPP, "map: its values are descriptors, which only a loader has");
	ret = change(s, &t, rest, err);
	if (ret && !err->text[0])
		return err_set(err, ret, "map: update: %s", strerror(-ret));
	return ret ? ret : done(s);
}

static int delete (struct show *s, char **argv, struct err *err)
{
	autotarget struct target t = {0};
	char **rest = argv + 2;
	uint64_t old;
	int ret = find(s, argv, &t, err);

	if (!ret)
		ret = take_key(&t, &rest, err);
	if (ret)
		return ret;
	ret = map_holds_refs(t.m) ? map_drop_ref(&s->task, t.m, t.key, &old) : map_delete(&s->task, t.m, t.key);
	return ret ? err_set(err, ret, "map: delete: %s", strerror(-ret)) : done(s);
}

int cmd_map(int argc, char **argv, struct err *err)
{
	static const struct {
		const char *name;
		int (*run)(struct show *s, char **argv, struct err *err);
	} verbs[] = {{"list", list},	 {"show", list},     {"dump", dump},
		     {"lookup", lookup}, {"update", update}, {"delete", delete}};
	struct show s;
	int ret = show_begin(&s, "map", &argc, argv, err);

	if (ret)
		return ret;
	ret = 1;
	err->text[0] = 0;
	if (argc < 2)
		ret = list(&s, argv + argc, err);
	for (size_t i = 0; i < array_len(verbs) && ret == 1; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			ret = verbs[i].run(&s, argv + 2, err);
	if (ret == 1)
		ret =
		    err_set(err, -EINVAL, "map: %s: unknown; list, dump, lookup, update and delete are known", argv[1]);
	show_end(&s);
	return ret;
}
