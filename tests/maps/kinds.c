/* The maps that are held against the kernel's. */
#include "calls.h"

#define BIT(op) (1u << CALL_##op)
#define BASIC (BIT(LOOKUP) | BIT(UPDATE) | BIT(DELETE) | BIT(TAKE) | BIT(DUMP))
#define ATTR(t, k, v, n, ...)                                                                                          \
	{                                                                                                              \
		.type = BPF_MAP_TYPE_##t, .key_size = k, .value_size = v, .max_entries = n, .spin_lock_off = -1,       \
		.timer_off = -1, ##__VA_ARGS__                                                                         \
	}

const struct kind kinds[] = {
    {"array", ATTR(ARRAY, 4, 8, 20), BASIC | BIT(NEXT), 24, 0},
    {"array of odd size, to be frozen", ATTR(ARRAY, 4, 13, 5), BASIC | BIT(NEXT) | BIT(FREEZE), 6, 0},
    {"mmapable array", ATTR(ARRAY, 4, 100, 7, .flags = BPF_F_MMAPABLE), BASIC | BIT(NEXT), 9, 0},
    {"percpu array", ATTR(PERCPU_ARRAY, 4, 12, 20), BASIC | BIT(NEXT), 24, 0},
    {"hash", ATTR(HASH, 4, 8, 16), BASIC, 24, 0},
    {"hash of one", ATTR(HASH, 4, 4, 1), BASIC, 3, 0},
    {"hash of large values", ATTR(HASH, 16, 300, 40), BASIC, 60, 0},
    {"hash, not preallocated", ATTR(HASH, 5, 20, 100, .flags = BPF_F_NO_PREALLOC), BASIC, 130, 0},
    {"hash, to be frozen", ATTR(HASH, 8, 8, 30), BASIC | BIT(FREEZE), 40, 0},
    {"percpu hash", ATTR(PERCPU_HASH, 4, 8, 30), BASIC, 40, 0},
    {"percpu hash, not preallocated", ATTR(PERCPU_HASH, 8, 20, 30, .flags = BPF_F_NO_PREALLOC), BASIC, 40, 0},
    {"lru hash", ATTR(LRU_HASH, 4, 8, 4096), BASIC, 60, 0},
    {"lru percpu hash", ATTR(LRU_PERCPU_HASH, 4, 8, 4096), BASIC, 60, 0},
};
const unsigned nkinds = array_len(kinds);
