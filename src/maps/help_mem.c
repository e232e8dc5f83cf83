/*
 * Helpers that read and write memory which may not be there, and that take
 * text apart. What a failed read was to fill is zeros, as in the kernel.
 */
#include "maps/help.h"

static uint64_t fail(void *dst, uint32_t size, int err)
{
	mem_zero(dst, size);
	return num(err);
}

uint64_t help_probe_read(uint64_t dst, uint64_t size, uint64_t src, uint64_t d, uint64_t e5, struct run *run)
{
	if (unlikely(user_copy(ptr(dst), ptr(src), (uint32_t)size)))
		return fail(ptr(dst), (uint32_t)size, -EFAULT);
	return 0;
}

uint64_t help_copy_from_user(uint64_t dst, uint64_t size, uint64_t src, uint64_t d, uint64_t e5, struct run *run)
{
	return help_probe_read(dst, size, src, 0, 0, run);
}

uint64_t help_probe_read_str(uint64_t dst, uint64_t size, uint64_t src, uint64_t d, uint64_t e5, struct run *run)
{
	uint32_t room = (uint32_t)size;
	long n;

	if (!room)
		return 0;
	n = user_copy_string(ptr(dst), ptr(src), room);
	if (n < 0)
		return fail(ptr(dst), room, -EFAULT);
	if (n < room)
		return (uint64_t)n + 1;
	((char *)ptr(dst))[room - 1] = 0;
	return room;
}

uint64_t help_probe_write_user(uint64_t dst, uint64_t src, uint64_t size, uint64_t d, uint64_t e5, struct run *run)
{
	return user_copy(ptr(dst), ptr(src), (uint32_t)size) ? num(-EFAULT) : 0;
}

uint64_t help_strncmp(uint64_t a, uint64_t size, uint64_t b, uint64_t d, uint64_t e5, struct run *run)
{
	const unsigned char *x = ptr(a), *y = ptr(b);

	for (uint32_t i = 0; i < (uint32_t)size; i++) {
		if (x[i] != y[i])
			return num(x[i] < y[i] ? -1 : 1);
		if (!x[i])
			break;
	}
	return 0;
}

/* --- numbers --- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == '\xa0';
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

struct text {
	const char *s;
	uint32_t at, len;
};

static char peek(const struct text *t, uint32_t i)
{
	return t->at + i < t->len ? t->s[t->at + i] : 0;
}

/* A prefix 0x or 0 decides where `base` is 0; 0x may stand before base 16. */
static uint32_t take_base(struct text *t, uint32_t base)
{
	bool hex = peek(t, 0) == '0' && (peek(t, 1) | 32) == 'x' && digit_of(peek(t, 2)) < 16;

	if (base == 0)
		base = hex ? 16 : peek(t, 0) == '0' ? 8 : 10;
	if (base == 16 && peek(t, 0) == '0' && (peek(t, 1) | 32) == 'x')
		t->at += 2;
	return base;
}

static int take_digits(struct text *t, uint32_t base, uint64_t *v)
{
	bool over = false;
	uint32_t from = t->at;

	for (*v = 0; digit_of(peek(t, 0)) < (int)base && t->at < t->len; t->at++)
		over |= __builtin_mul_overflow(*v, base, v) ||
			__builtin_add_overflow(*v, (uint64_t)digit_of(peek(t, 0)), v);
	return over ? -ERANGE : t->at == from ? -EINVAL : 0;
}

/* How many bytes the number takes, or -errno. The kernel looks at 64 bytes behind sign and spaces. */
static int64_t parse(const char *s, uint32_t len, uint64_t flags, uint64_t *v, bool *negative)
{
	struct text t = {s, 0, len};
	uint32_t base = (uint32_t)flags;
	int err;

	if (!len || (flags & ~0x1full) || (base && base != 8 && base != 10 && base != 16))
		return -EINVAL;
	while (t.at < len && is_space(s[t.at]))
		t.at++;
	*negative = peek(&t, 0) == '-';
	t.at += *negative;
	if (t.at == len)
		return -EINVAL;
	t.len = min_of(len, t.at + 63);
	err = take_digits(&t, take_base(&t, base), v);
	return err ? err : (int64_t)t.at;
}

uint64_t help_strtol(uint64_t s, uint64_t len, uint64_t flags, uint64_t res, uint64_t e5, struct run *run)
{
	bool negative = false;
	uint64_t v = 0;
	int64_t n = parse(ptr(s), (uint32_t)len, flags, &v, &negative);
	int64_t *out = ptr(res);

	*out = 0;
	if (n < 0)
		return num(n);
	if (v > (uint64_t)INT64_MAX + negative)
		return num(-ERANGE);
	*out = (int64_t)(negative ? 0 - v : v);
	return num(n);
}

uint64_t help_strtoul(uint64_t s, uint64_t len, uint64_t flags, uint64_t res, uint64_t e5, struct run *run)
{
	bool negative = false;
	uint64_t v = 0;
	int64_t n = parse(ptr(s), (uint32_t)len, flags, &v, &negative);
	uint64_t *out = ptr(res);

	*out = 0;
	if (n < 0)
		return num(n);
	if (negative)
		return num(-EINVAL);
	*out = v;
	return num(n);
}
