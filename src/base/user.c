/* Plain copies, for programs whose pointers are their own: see user.h. */
#include "base/user.h"

#include "base/mem.h"

size_t user_copy(void *dst, const void *src, size_t n)
{
	mem_copy(dst, src, n);
	return 0;
}

int user_byte(const void *src)
{
	return *(const unsigned char *)src;
}

size_t user_zero(void *dst, size_t n)
{
	mem_zero(dst, n);
	return 0;
}

long user_copy_string(char *dst, const char *src, long n)
{
	for (long i = 0; i < n; i++) {
		dst[i] = src[i];
		if (!src[i])
			return i;
	}
	return n;
}
