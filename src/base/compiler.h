/* Compiler vocabulary that every layer shares. Freestanding. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define must_check __attribute__((warn_unused_result))
#define cold __attribute__((cold, noinline))
#define cache_aligned __attribute__((aligned(64)))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

/*
 * Functions that read shared memory without a lock and throw away what a
 * writer tore (a seqlock reader) are races by the letter of C11. They are
 * marked so that ThreadSanitizer reports only the ones that are not meant.
 */
#define racy_read __attribute__((no_sanitize("thread")))

#define array_len(a) (sizeof(a) / sizeof((a)[0]))
#define min_of(a, b) ((a) < (b) ? (a) : (b))
#define max_of(a, b) ((a) > (b) ? (a) : (b))
#define round_up(x, to) (((x) + (to)-1) / (to) * (to))
#define div_up(x, by) (((x) + (by)-1) / (by))

/*
 * A bad caller, never bad data (that is -EUCLEAN). Compiled out of release
 * builds: the agent must not end its host.
 */
#ifdef BTFUSE_CHECKS
#define check(cond)                                                                                                    \
	do {                                                                                                           \
		if (unlikely(!(cond)))                                                                                 \
			__builtin_trap();                                                                              \
	} while (0)
#else
#define check(cond) ((void)sizeof(cond))
#endif
