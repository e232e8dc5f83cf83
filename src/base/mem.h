/* Copying bytes that another task may be changing at the same time. Freestanding. */
#pragma once

#include "base/compiler.h"

/*
 * memcpy out of (or into) shared memory under a version: what was torn is
 * thrown away afterwards. ThreadSanitizer would follow memcpy, not this loop.
 */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define MEM_UNDER_TSAN
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define MEM_UNDER_TSAN
#endif

#ifdef MEM_UNDER_TSAN
racy_read __attribute__((noinline, unused)) static void mem_copy(void *dst, const void *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)dst)[i] = ((const volatile char *)src)[i];
}
racy_read __attribute__((noinline, unused)) static void mem_zero(void *dst, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)dst)[i] = 0;
}
racy_read __attribute__((noinline, unused)) static bool mem_equal(const void *a, const void *b, size_t n)
{
	size_t i = 0;

	while (i < n && ((const volatile char *)a)[i] == ((const volatile char *)b)[i])
		i++;
	return i == n;
}
#else
static inline void mem_copy(void *dst, const void *src, size_t n)
{
	__builtin_memcpy(dst, src, n);
}
static inline void mem_zero(void *dst, size_t n)
{
	__builtin_memset(dst, 0, n);
}
static inline bool mem_equal8(const void *a, const void *b)
{
	uint64_t v, w;

	__builtin_memcpy(&v, a, sizeof v);
	__builtin_memcpy(&w, b, sizeof w);
	return v == w;
}
static inline bool mem_equal4(const void *a, const void *b)
{
	uint32_t v, w;

	__builtin_memcpy(&v, a, sizeof v);
	__builtin_memcpy(&w, b, sizeof w);
	return v == w;
}
/* Most are names and short paths, for which a call takes longer. The last words may overlap those before. */
static inline bool mem_equal(const void *a, const void *b, size_t n)
{
	const char *x = (const char *)a, *y = (const char *)b;

	if (n >= 8) {
		for (size_t i = 0; i < n - 8; i += 8)
			if (!mem_equal8(x + i, y + i))
				return false;
		return mem_equal8(x + n - 8, y + n - 8);
	}
	if (n >= 4)
		return mem_equal4(x, y) && mem_equal4(x + n - 4, y + n - 4);
	return (n < 1 || x[0] == y[0]) && (n < 2 || x[1] == y[1]) && (n < 3 || x[2] == y[2]);
}
#endif
