/* Arguments of random operations. */
#include "gen.h"

#include <stdlib.h>
#include <string.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/stat.h>

#include "base/compiler.h"

static void long_name(char *to, size_t len, char c)
{
	memset(to, c, len);
	to[len] = 0;
}

/* One name. Mostly one of four, so that operations meet. */
static void name(struct gen *g, char *to)
{
	static const char *const odd[] = {
	    "with space", "\xff\xfe\x01", "new\nline", "-",
	    "...",	  "\xc3\xa4",	  "12345678",  "123456789012345678901234567890123"};
	unsigned n = (unsigned)prng_below(&g->r, 100);

	if (n < 92) {
		sprintf(to, "%c", "abcd"[prng_below(&g->r, 4)]);
	} else if (n < 97) {
		strcpy(to, odd[prng_below(&g->r, array_len(odd))]);
	} else if (n < 99) {
		long_name(to, 255 - prng_below(&g->r, 2), "xy"[prng_below(&g->r, 2)]);
	} else {
		long_name(to, 256, 'z');
	}
}

static char *join(struct gen *g, const char *prefix, unsigned levels)
{
	char buf[8 * 300], *p = stpcpy(buf, prefix);

	for (unsigned i = 0; i < levels; i++) {
		if (i)
			*p++ = '/';
		name(g, p);
		p += strlen(p);
	}
	/* A prefix must not turn 255 bytes into too many, nor 256 into something else. */
	if (*prefix && strlen(buf) > 200)
		buf[200] = 0;
	return strdup(buf);
}

char *gen_path(struct gen *g)
{
	unsigned n = (unsigned)prng_below(&g->r, 100);

	if (n < 2 && !*g->prefix)
		return strdup(n == 0 ? "" : "a/b/c/d/a");
	return join(g, g->prefix, n < 45 ? 1 : n < 85 ? 2 : 3);
}

/* Relative, and never upwards: a link must not lead out of the session's directory. */
char *gen_target(struct gen *g)
{
	unsigned n = (unsigned)prng_below(&g->r, 100);
	char *s;

	if (n < 80 || *g->prefix)
		return join(g, g->prefix, n < 50 ? 1 : 2);
	if (n < 82)
		return strdup("");
	s = malloc(4200);
	long_name(s, (size_t[]){59, 60, 127, 128, 255, 4095, 4096, 1000}[prng_below(&g->r, 8)], 'l');
	return s;
}

/* Steps at which something changes: inline data, pages, blocks of the read path, huge pages. */
static int64_t boundary(struct gen *g)
{
	static const int64_t at[] = {0,	    1,	    60,	    127,    128,     129,     255,     256,
				     511,   512,    4095,   4096,   4097,    8192,    12288,   16384,
				     65536, 131071, 131072, 131073, 1 << 20, 2 << 20, 4 << 20, (4 << 20) + 1};
	int64_t max = g->near, v;

	do
		v = at[prng_below(&g->r, array_len(at))];
	while (v > max);
	return v;
}

int64_t gen_offset(struct gen *g)
{
	unsigned n = (unsigned)prng_below(&g->r, 100);

	if (n < 50)
		return boundary(g);
	if (n < 85)
		return (int64_t)prng_below(&g->r, 20000);
	if (n < 94)
		return (int64_t)(prng_below(&g->r, 64) * 4096);
	if (n < 95)
		return -(int64_t)prng_below(&g->r, 5000);
	if (n < 97)
		return (int64_t)1 << (31 + prng_below(&g->r, 12));
	return g->far - (int64_t)(prng_below(&g->r, 3) * 4096) - (int64_t)prng_below(&g->r, 2) +
	       (int64_t)(prng_chance(&g->r, 20) * 4096);
}

int64_t gen_length(struct gen *g)
{
	unsigned n = (unsigned)prng_below(&g->r, 100);

	if (n < 35)
		return (int64_t)prng_below(&g->r, 300);
	if (n < 60)
		return (int64_t)prng_below(&g->r, 10000);
	if (n < 75)
		return (int64_t)(prng_below(&g->r, 40) * 4096);
	return boundary(g);
}

uint32_t gen_mode(struct gen *g)
{
	static const uint32_t modes[] = {0644, 0600, 0755, 0777, 0700, 0666, 0444, 0, 0070, 0007, 0070, 0711};
	uint32_t mode = modes[prng_below(&g->r, array_len(modes))];

	if (prng_chance(&g->r, 25))
		mode |= (uint32_t)(prng_below(&g->r, 8) << 9);
	if (prng_chance(&g->r, 10))
		mode = (uint32_t)prng_below(&g->r, 010000);
	return mode;
}

struct timespec gen_time(struct gen *g)
{
	static const int64_t sec[] = {
	    0,		1,	    -1,		  1000000000,  2147483647, 2147483648, -2147483648LL, -2147483649LL,
	    4294967296, 8589934592, 253402300800, -62135596800};
	static const long nsec[] = {0, 1, 999999999, 123456789};
	struct timespec t = {.tv_sec = sec[prng_below(&g->r, array_len(sec))],
			     .tv_nsec = nsec[prng_below(&g->r, array_len(nsec))]};
	unsigned n = (unsigned)prng_below(&g->r, 100);

	if (n < 25)
		t.tv_nsec = UTIME_NOW;
	else if (n < 45)
		t.tv_nsec = UTIME_OMIT;
	else if (n < 47)
		t.tv_nsec = n == 46 ? 1000000000 : -1;
	return t;
}

char *gen_xattr_name(struct gen *g)
{
	static const char *const names[] = {"user.a",
					    "user.b",
					    "user.a",
					    "trusted.t",
					    "security.s",
					    "user.",
					    "nonsense.x",
					    "",
					    "system.posix_acl_access",
					    "system.posix_acl_default",
					    "system.posix_acl_access",
					    "system.posix_acl_default",
					    "user.name with space",
					    "system.other",
					    "trusted."};
	char *s;

	if (!prng_chance(&g->r, 4))
		return strdup(names[prng_below(&g->r, array_len(names))]);
	s = malloc(300);
	long_name(s, 255 + prng_below(&g->r, 2), 'n');
	memcpy(s, "user.", 5);
	return s;
}

struct acl_buf {
	struct posix_acl_xattr_header h;
	struct posix_acl_xattr_entry e[16];
};

static void acl_entry(struct acl_buf *a, int *n, int tag, uint64_t perm, uint32_t id)
{
	a->e[(*n)++] = (struct posix_acl_xattr_entry){.e_tag = (uint16_t)tag, .e_perm = (uint16_t)perm, .e_id = id};
}

static uint64_t perm(struct gen *g)
{
	return prng_chance(&g->r, 1) ? 8 : prng_below(&g->r, 8);
}

/* Mostly valid lists, of the users and groups of cred.c. */
static void acl_value(struct gen *g, struct op *o)
{
	struct acl_buf a = {.h.a_version = POSIX_ACL_XATTR_VERSION - prng_chance(&g->r, 1)};
	uint64_t named = prng_below(&g->r, 4);
	int n = 0;

	acl_entry(&a, &n, ACL_USER_OBJ, perm(g), 0);
	if (named & 1)
		acl_entry(&a, &n, ACL_USER, perm(g), 1001 + (uint32_t)prng_below(&g->r, 3));
	acl_entry(&a, &n, ACL_GROUP_OBJ, perm(g), 0);
	if (named & 2)
		acl_entry(&a, &n, ACL_GROUP, perm(g), 2000 + (uint32_t)prng_below(&g->r, 4));
	if (named ? !prng_chance(&g->r, 3) : prng_chance(&g->r, 30))
		acl_entry(&a, &n, ACL_MASK, perm(g), 0);
	if (!prng_chance(&g->r, 2))
		acl_entry(&a, &n, ACL_OTHER, perm(g), 0);
	o->value_len = sizeof(a.h) + (size_t)n * sizeof(a.e[0]);
	if (prng_chance(&g->r, 4))
		o->value_len = (size_t[]){0, 3, 4, 11}[prng_below(&g->r, 4)];
	o->value = malloc(sizeof(a));
	memcpy(o->value, &a, sizeof(a));
}

void gen_xattr_value(struct gen *g, struct op *o)
{
	static const size_t sizes[] = {0, 1, 5, 30, 31, 100, 128, 255, 256, 1000, 4000, 4096, 5000, 65536, 65537};
	uint64_t pick = prng_below(&g->r, 100);

	if (!strncmp(o->path2, "system.", 7)) {
		acl_value(g, o);
		return;
	}
	o->value_len = sizes[prng_below(&g->r, pick < 75 ? 8 : array_len(sizes))];
	o->value = malloc(o->value_len + 1);
	op_fill(o->value, o->value_len, (int64_t)prng_below(&g->r, 1000));
}
