/*
 * Operations and their text form: `kind key=value ...`, where keys with their
 * default value are left out. The text is what a failing run prints and what
 * traces/ keeps.
 */
#include "op.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[OP_KINDS] = {
    "stat",	 "fstat",	"access",  "mkdir",  "rmdir",	 "mknod",     "symlink",   "readlink",
    "link",	 "linkfd",	"unlink",  "rename", "open",	 "tmpfile",   "close",	   "dup",
    "setfl",	 "read",	"write",   "lseek",  "truncate", "ftruncate", "fallocate", "copyrange",
    "chmod",	 "fchmod",	"chown",   "fchown", "utimens",	 "futimens",  "setxattr",  "getxattr",
    "listxattr", "removexattr", "readdir", "statfs", "fsync",	 "content",
};

const char *op_name(enum op_kind kind)
{
	return names[kind];
}

struct op op_make(enum op_kind kind)
{
	return (struct op){.kind = kind, .at = OP_ROOT, .fd = -1, .fd2 = -1, .uid = -1, .gid = -1};
}

void op_free(struct op *o)
{
	free(o->path);
	free(o->path2);
	free(o->value);
	o->path = o->path2 = NULL;
	o->value = NULL;
}

struct op op_copy(const struct op *o)
{
	struct op c = *o;

	c.path = o->path ? strdup(o->path) : NULL;
	c.path2 = o->path2 ? strdup(o->path2) : NULL;
	c.value = NULL;
	if (o->value) {
		c.value = malloc(o->value_len + 1);
		memcpy(c.value, o->value, o->value_len);
	}
	return c;
}

void op_list_add(struct op_list *l, struct op o)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->v = realloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n++] = o;
}

void op_list_free(struct op_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		op_free(&l->v[i]);
	free(l->v);
	*l = (struct op_list){0};
}

void op_fill(unsigned char *buf, size_t len, int64_t fill)
{
	uint64_t x = (uint64_t)fill * 0x9e3779b97f4a7c15u + 1;

	for (size_t i = 0; i < len; i++) {
		if (i % 8 == 0)
			x = x * 6364136223846793005u + 1442695040888963407u;
		buf[i] = (unsigned char)(x >> (8 * (i % 7 + 1)));
	}
}

static void print_bytes(FILE *f, const unsigned char *s, size_t n)
{
	fputc('"', f);
	for (size_t i = 0; i < n; i++) {
		if (isalnum(s[i]) || (s[i] && strchr("/._-", s[i])))
			fputc(s[i], f);
		else
			fprintf(f, "\\x%02x", s[i]);
	}
	fputc('"', f);
}

static void print_string(FILE *f, const char *key, const char *s)
{
	if (!s)
		return;
	fprintf(f, " %s=", key);
	print_bytes(f, (const unsigned char *)s, strlen(s));
}

static void print_time(FILE *f, const char *key, struct timespec t)
{
	if (t.tv_sec || t.tv_nsec)
		fprintf(f, " %s=%lld.%ld", key, (long long)t.tv_sec, t.tv_nsec);
}

/* The numbers of an operation under their keys, for printing and parsing. */
#define FOR_EACH_NUMBER(X)                                                                                             \
	X(who)                                                                                                         \
	X(at)                                                                                                          \
	X(fd)                                                                                                          \
	X(fd2)                                                                                                         \
	X(flags)                                                                                                       \
	X(umask)                                                                                                       \
	X(mode)                                                                                                        \
	X(uid)                                                                                                         \
	X(gid)                                                                                                         \
	X(off)                                                                                                         \
	X(off2)                                                                                                        \
	X(len)                                                                                                         \
	X(fill)

static int is_octal(const char *key)
{
	return !strcmp(key, "mode") || !strcmp(key, "umask") || !strcmp(key, "flags");
}

void op_print(FILE *f, const struct op *o)
{
	const struct op d = op_make(o->kind);

	fprintf(f, "%s", names[o->kind]);
	print_string(f, "path", o->path);
	print_string(f, "path2", o->path2);
#define PRINT(key)                                                                                                     \
	if (o->key != d.key)                                                                                           \
		fprintf(f, is_octal(#key) ? " " #key "=0%llo" : " " #key "=%lld", (long long)o->key);
	FOR_EACH_NUMBER(PRINT)
#undef PRINT
	print_time(f, "atime", o->atime);
	print_time(f, "mtime", o->mtime);
	if (o->value) {
		fprintf(f, " value=");
		print_bytes(f, o->value, o->value_len);
	}
	fputc('\n', f);
}

/* Reads a quoted string in place; returns its bytes (malloc, with a NUL behind) and moves *s after it. */
static unsigned char *parse_bytes(char **s, size_t *len)
{
	unsigned char *out = malloc(strlen(*s) + 1);
	char *p = *s + 1;

	for (*len = 0; *p && *p != '"'; (*len)++) {
		if (p[0] == '\\' && p[1] == 'x') {
			char hex[3] = {p[2], p[3], 0};

			out[*len] = (unsigned char)strtoul(hex, NULL, 16);
			p += 4;
		} else {
			out[*len] = (unsigned char)*p++;
		}
	}
	out[*len] = 0;
	*s = *p ? p + 1 : p;
	return out;
}

static int parse_number(struct op *o, const char *key, char *s, char **end)
{
#define PARSE(k)                                                                                                       \
	if (!strcmp(key, #k)) {                                                                                        \
		o->k = (__typeof__(o->k))strtoll(s, end, 0);                                                           \
		return 0;                                                                                              \
	}
	FOR_EACH_NUMBER(PARSE)
#undef PARSE
	return -1;
}

static struct timespec parse_time(char *s, char **end)
{
	struct timespec t = {.tv_sec = strtoll(s, end, 10)};

	t.tv_nsec = strtol(*end + 1, end, 10);
	return t;
}

/* One `key=value`; *s moves behind it. */
static int parse_field(struct op *o, char **s)
{
	char *key = *s, *eq = strchr(key, '=');
	size_t len;

	if (!eq)
		return -1;
	*eq = 0;
	*s = eq + 1;
	if (!strcmp(key, "path"))
		o->path = (char *)parse_bytes(s, &len);
	else if (!strcmp(key, "path2"))
		o->path2 = (char *)parse_bytes(s, &len);
	else if (!strcmp(key, "value"))
		o->value = parse_bytes(s, &o->value_len);
	else if (!strcmp(key, "atime"))
		o->atime = parse_time(*s, s);
	else if (!strcmp(key, "mtime"))
		o->mtime = parse_time(*s, s);
	else
		return parse_number(o, key, *s, s);
	return 0;
}

static int parse_line(char *s, struct op *o)
{
	size_t n = strcspn(s, " \n");
	int kind = 0;

	while (kind < OP_KINDS && (strlen(names[kind]) != n || strncmp(s, names[kind], n) != 0))
		kind++;
	if (kind == OP_KINDS)
		return -1;
	*o = op_make((enum op_kind)kind);
	for (s += n; *s == ' ';) {
		s++;
		if (parse_field(o, &s) < 0)
			return -1;
	}
	return 1;
}

int op_parse(FILE *f, struct op *o)
{
	char *line = NULL;
	size_t cap = 0;
	int ret = 0;

	while (getline(&line, &cap, f) > 0) {
		if (!strncmp(line, "# end", 5))
			break;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		ret = parse_line(line, o);
		break;
	}
	free(line);
	return ret;
}
