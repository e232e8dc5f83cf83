/* Numbers as text. Freestanding. */
#pragma once

#include <stdint.h>

/* Writes `n` in decimal and a NUL, at most 11 bytes; returns where the NUL is. */
static inline char *mem_decimal(char *to, uint32_t n)
{
	char digit[10];
	int k = 0;

	do
		digit[k++] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	while (k > 0)
		*to++ = digit[--k];
	*to = '\0';
	return to;
}
