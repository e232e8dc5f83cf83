/*
 * Bytes that a caller named and that may not be there. In a program with the
 * agent a bad pointer is to give -EFAULT, as in the kernel, and not to end the
 * program: the agent brings a copy that survives it. Everywhere else these are
 * plain copies (base/user.c).
 */
#pragma once

#include <stddef.h>

/* Returns how many bytes at the end were not copied: 0 where all went well. */
size_t user_copy(void *dst, const void *src, size_t n);
/* Likewise for zeros. */
size_t user_zero(void *dst, size_t n);
/* One byte; -1: a bad pointer. */
int user_byte(const void *src);
/* Copies a string with its end. Its length; n: it does not fit into n bytes; -1: a bad pointer. */
long user_copy_string(char *dst, const char *src, long n);
