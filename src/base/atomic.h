/*
 * Memory orders, all of them: no other file names an __ATOMIC_ constant.
 *
 * Shared words are read and written through these macros even where a plain
 * access would do on x86: the compiler may not tear, repeat or invent the
 * access, and ThreadSanitizer can follow. On x86-64 every load is an acquire
 * and every store a release in hardware, so relaxed, acquire and release cost
 * the same: a plain mov. Only the read-modify-writes are locked instructions.
 */
#pragma once

#include <stdint.h>

#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
/* For what mostly is so already: a store copies the page in a forked child. */
#define store_changed(p, v) (load_relaxed(p) != (v) ? store_relaxed(p, v) : (void)0)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Read-modify-writes: full barriers on x86. `expected` is updated on failure. */
#define cas(p, expected, desired)                                                                                      \
	__atomic_compare_exchange_n((p), (expected), (desired), 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
#define swap(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)
#define fetch_xor(p, v) __atomic_fetch_xor((p), (v), __ATOMIC_SEQ_CST)

/* Orders earlier stores before later loads (a locked instruction). */
#define fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* Orders earlier loads before later loads and stores; free on x86. */
#define fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
/* Orders earlier loads and stores before later stores; free on x86. */
#define fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)

/*
 * Program order against death: a process killed between two stores has made
 * the first and not the second. A killed process loses no store that it has
 * retired (the memory is shared, not flushed), so only the compiler has to be
 * held back.
 */
#define fence_death() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#define cpu_relax() __builtin_ia32_pause()
