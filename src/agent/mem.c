/* What the compiler calls for copies and comparisons: hidden, the agent has no libc. */
#include "agent/mem.h"

#include "agent/user.h"

/* Words that may lie anywhere and be anything. */
typedef uint64_t word __attribute__((may_alias, aligned(1)));
typedef uint32_t half __attribute__((may_alias, aligned(1)));

#define REPEAT_FROM 512 /* from here on a string instruction is worth its start */

uint32_t agent_copy_mode;

/* Keeps the compiler from making a call of the function itself out of a loop. */
#define no_idiom() __asm__ volatile("" : : : "memory")

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (n >= REPEAT_FROM) {
		size_t words = n / 8;

		__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
		n %= 8;
	}
	if (n >= 8) {
		for (; n > 8; n -= 8, d += 8, s += 8) {
			*(word *)(void *)d = *(const word *)(const void *)s;
			no_idiom();
		}
		d += n;
		s += n;
		*(word *)(void *)(d - 8) = *(const word *)(const void *)(s - 8); /* some of it for the second time */
		return dst;
	}
	/* Two pieces that overlap. */
	if (n >= 4) {
		half a = *(const half *)(const void *)s, b = *(const half *)(const void *)(s + n - 4);

		*(half *)(void *)d = a;
		*(half *)(void *)(d + n - 4) = b;
	} else if (n > 0) {
		char a = s[0], b = s[n / 2], c = s[n - 1];

		d[0] = a;
		d[n / 2] = b;
		d[n - 1] = c;
	}
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	unsigned char *d = dst;
	const unsigned char *s = src;

	if ((uintptr_t)d - (uintptr_t)s >= n) {
		/* Forwards, each byte once: memcpy's last word would find what it has written itself. */
		__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
		return dst;
	}
	while (n-- > 0) {
		d[n] = s[n];
		no_idiom();
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	uint64_t all = 0x0101010101010101u * (unsigned char)c;
	char *d = dst;

	if (n >= REPEAT_FROM) {
		__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
		return dst;
	}
	for (; n >= 8; n -= 8, d += 8) {
		*(word *)(void *)d = all;
		no_idiom();
	}
	while (n-- > 0) {
		*d++ = (char)c;
		no_idiom();
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	while (n >= 8 && *(const word *)(const void *)x == *(const word *)(const void *)y) {
		x += 8;
		y += 8;
		n -= 8;
	}
	for (; n-- > 0; x++, y++) {
		if (*x != *y)
			return *x - *y;
		no_idiom();
	}
	return 0;
}

size_t mem_length(const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}

bool mem_prefix(const char *s, const char *prefix)
{
	while (*prefix != '\0') {
		if (*s++ != *prefix++)
			return false;
	}
	return true;
}
