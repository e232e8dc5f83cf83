/* Counting bits where the processor may not (x86-64 without popcnt) and libgcc is not there. */
#pragma once

#include <stdint.h>

static inline uint32_t bits_count(uint64_t w)
{
	w -= w >> 1 & 0x5555555555555555u;
	w = (w & 0x3333333333333333u) + (w >> 2 & 0x3333333333333333u);
	w = (w + (w >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (uint32_t)(w * 0x0101010101010101u >> 56);
}
