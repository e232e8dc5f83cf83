/*
 * Formatted text for programs: bpf_snprintf, bpf_trace_printk and
 * bpf_trace_vprintk. The conversions are the kernel's: %d %i %u %x %X with l
 * or ll, %c, %s, %p and its kinds, with flags and a width.
 */
#include "maps/help.h"

#define ARGS_MAX 12u
#define TEXT_MAX 1024u

/* Where text goes: what does not fit is counted and not stored. */
struct out {
	char *buf;
	uint32_t size, len;
};

static void put(struct out *o, char c)
{
	if (o->len < o->size)
		o->buf[o->len] = c;
	o->len++;
}

struct spec {
	bool zero, left, plus, space, upper;
	uint32_t width, longs;
	char conv;
};

static void pad(struct out *o, char c, uint32_t n)
{
	while (n--)
		put(o, c);
}

static void put_padded(struct out *o, const struct spec *s, const char *text, uint32_t n, char sign)
{
	uint32_t total = n + (sign != 0), fill = s->width > total ? s->width - total : 0;

	if (!s->left && !s->zero)
		pad(o, ' ', fill);
	if (sign)
		put(o, sign);
	if (!s->left && s->zero)
		pad(o, '0', fill);
	while (n--)
		put(o, *text++);
	if (s->left)
		pad(o, ' ', fill);
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, uint32_t base, char sign)
{
	const char *digits = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char buf[24];
	uint32_t at = sizeof buf;

	do {
		buf[--at] = digits[v % base];
		v /= base;
	} while (v);
	put_padded(o, s, buf + at, (uint32_t)sizeof buf - at, sign);
}

static void put_signed(struct out *o, const struct spec *s, uint64_t arg)
{
	int64_t v = s->longs ? (int64_t)arg : (int32_t)arg;
	char sign = v < 0 ? '-' : s->plus ? '+' : s->space ? ' ' : 0;

	put_number(o, s, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, sign);
}

/* A string of the program's: an address that may be bad is an empty string. */
static void put_string(struct out *o, const struct spec *s, uint64_t arg)
{
	char buf[512];
	struct spec plain = *s;
	long n = user_copy_string(buf, ptr(arg), sizeof buf);

	plain.zero = false;
	n = n < 0 ? 0 : min_of(n, (long)sizeof buf - 1);
	put_padded(o, &plain, buf, (uint32_t)n, 0);
}

static void put_ip4(struct out *o, uint64_t arg, bool dots_padded)
{
	struct spec s = {.zero = dots_padded, .width = dots_padded ? 3 : 0};
	uint8_t ip[4] = {0};

	if (user_copy(ip, ptr(arg), sizeof ip))
		return;
	for (int i = 0; i < 4; i++) {
		if (i)
			put(o, '.');
		put_number(o, &s, ip[i], 10, 0);
	}
}

static void put_ip6(struct out *o, uint64_t arg, bool colons)
{
	struct spec s = {.zero = true, .width = 2};
	uint8_t ip[16] = {0};

	if (user_copy(ip, ptr(arg), sizeof ip))
		return;
	for (int i = 0; i < 16; i++) {
		if (i && i % 2 == 0 && colons)
			put(o, ':');
		put_number(o, &s, ip[i], 16, 0);
	}
}

static void put_address(struct out *o, const struct spec *s, uint64_t arg)
{
	struct spec p = {.zero = true, .width = 16};

	(void)s;
	put_number(o, &p, arg, 16, 0);
}

/* Behind "%p": how many bytes of the format belong to it; -EINVAL. */
static int put_pointer(struct out *o, const struct spec *s, const char *f, uint64_t arg)
{
	if ((f[0] == 'i' || f[0] == 'I') && (f[1] == '4' || f[1] == '6')) {
		if (f[1] == '4')
			put_ip4(o, arg, f[0] == 'i');
		else
			put_ip6(o, arg, f[0] == 'I');
		return 2;
	}
	if (f[0] == 'k' || f[0] == 'u') {
		if (f[1] != 's')
			return -EINVAL;
		put_string(o, s, arg);
		return 2;
	}
	put_address(o, s, arg);
	return f[0] == 'K' || f[0] == 'x' || f[0] == 's' || f[0] == 'S' || f[0] == 'B';
}

static const char *parse_flags(const char *f, struct spec *s)
{
	for (;; f++) {
		if (*f == '0')
			s->zero = true;
		else if (*f == '-')
			s->left = true;
		else if (*f == '+')
			s->plus = true;
		else if (*f == ' ')
			s->space = true;
		else
			break;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		s->width = min_of(s->width * 10 + (uint32_t)(*f - '0'), TEXT_MAX);
	while (*f == 'l' && s->longs < 2) {
		s->longs++;
		f++;
	}
	return f;
}

/* One conversion behind its %; the bytes of the format that it takes, or -EINVAL. */
static int convert(struct out *o, const char *from, uint64_t arg)
{
	struct spec s = {0};
	const char *f = parse_flags(from, &s);
	uint64_t v = s.longs ? arg : (uint32_t)arg;
	int more = 0;

	s.upper = *f == 'X';
	s.zero = s.zero && !s.left;
	switch (*f) {
	case 'd':
	case 'i':
		put_signed(o, &s, arg);
		break;
	case 'u':
		put_number(o, &s, v, 10, 0);
		break;
	case 'x':
	case 'X':
		put_number(o, &s, v, 16, 0);
		break;
	case 'c':
		s.zero = false;
		put_padded(o, &s, (const char[]){(char)arg}, s.longs ? 0 : 1, 0);
		break;
	case 's':
		put_string(o, &s, arg);
		break;
	case 'p':
		more = put_pointer(o, &s, f + 1, arg);
		break;
	default:
		return -EINVAL;
	}
	if (s.longs && (*f == 's' || *f == 'p' || *f == 'c'))
		return -EINVAL;
	return more < 0 ? more : (int)(f + 1 - from) + more;
}

static bool is_printable(char c)
{
	return (c >= ' ' && c <= '~') || (c >= '\t' && c <= '\r');
}

static int format(struct out *o, const char *f, const uint64_t *args, uint32_t nargs)
{
	uint32_t used = 0;

	while (*f) {
		int n;

		if (!is_printable(*f))
			return -EINVAL;
		if (*f != '%') {
			put(o, *f++);
			continue;
		}
		f++;
		if (*f == '%') {
			put(o, *f++);
			continue;
		}
		if (used == nargs)
			return -EINVAL;
		n = convert(o, f, args[used++]);
		if (n < 0)
			return n;
		f += n;
	}
	return 0;
}

uint64_t help_snprintf(uint64_t str, uint64_t size, uint64_t fmt, uint64_t data, uint64_t len, struct run *run)
{
	struct out o = {ptr(str), (uint32_t)size, 0};
	int err;

	if (len % 8 || len > ARGS_MAX * 8 || (len && !data))
		return num(-EINVAL);
	err = format(&o, ptr(fmt), ptr(data), (uint32_t)len / 8);
	if (o.size)
		o.buf[min_of(o.len, o.size - 1)] = 0;
	return err ? num(err) : o.len + 1;
}

static uint64_t print(struct run *run, const char *fmt, uint32_t size, const uint64_t *args, uint32_t nargs)
{
	struct maps_run *mr = owner_of(run);
	char text[TEXT_MAX];
	struct out o = {text, sizeof text, 0};
	uint32_t end = 0;
	int err;

	while (end < size && fmt[end])
		end++;
	if (end == size)
		return num(-EINVAL);
	err = format(&o, fmt, args, nargs);
	if (err)
		return num(err);
	mr->host->print(mr, text, min_of(o.len, (uint32_t)sizeof text));
	return o.len;
}

uint64_t help_trace_printk(uint64_t fmt, uint64_t size, uint64_t a, uint64_t b, uint64_t c, struct run *run)
{
	const uint64_t args[3] = {a, b, c};

	return print(run, ptr(fmt), (uint32_t)size, args, 3);
}

uint64_t help_trace_vprintk(uint64_t fmt, uint64_t size, uint64_t data, uint64_t len, uint64_t e5, struct run *run)
{
	if (len % 8 || len > ARGS_MAX * 8 || (len && !data))
		return num(-EINVAL);
	return print(run, ptr(fmt), (uint32_t)size, ptr(data), (uint32_t)len / 8);
}
