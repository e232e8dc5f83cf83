/*
 * How the agent copies long pieces: said by the launcher, since asking the
 * processor (cpuid) costs 4 us each time in a virtual machine, and every exec
 * would pay for it.
 */
#pragma once

enum copy_mode {
	COPY_SSE,	/* 16 bytes at a time */
	COPY_AVX,	/* 32; that the upper halves of the registers count as used afterwards costs nothing */
	COPY_AVX_CLEAN, /* 32 for long ones; upper halves that were unused are so afterwards */
};
