/* base/user.h for tests: the first 64 KiB are where bad addresses lie. */
#include "base/user.h"

#include <string.h>

#include <stdbool.h>
#include <stdint.h>

static bool is_low(const void *p)
{
	return (uintptr_t)p < 65536;
}

size_t user_copy(void *dst, const void *src, size_t n)
{
	if (n && (is_low(dst) || is_low(src)))
		return n;
	memcpy(dst, src, n);
	return 0;
}

size_t user_zero(void *dst, size_t n)
{
	if (n && is_low(dst))
		return n;
	memset(dst, 0, n);
	return 0;
}

long user_copy_string(char *dst, const char *src, long n)
{
	if (is_low(src))
		return -1;
	for (long i = 0; i < n; i++) {
		dst[i] = src[i];
		if (!src[i])
			return i;
	}
	return n;
}
