/* The maps that are held against the kernel's. */
#include "calls.h"

#define BIT(op) (1u << CALL_##op)
#define BASIC (BIT(LOOKUP) | BIT(UPDATE) | BIT(DELETE) | BIT(TAKE) | BIT(DUMP))
#define BARE (BIT(LOOKUP) | BIT(UPDATE) | BIT(DELETE) | BIT(TAKE) | BIT(NEXT))
#define BATCH (BIT(BATCH_LOOKUP) | BIT(BATCH_UPDATE) | BIT(BATCH_DELETE) | BIT(BATCH_TAKE))
#define ATTR(t, k, v, n) ATTR_WITH(t, k, v, n, .flags = 0)
#define ATTR_WITH(t, k, v, n, ...)                                                                                     \
	{                                                                                                              \
		.type = BPF_MAP_TYPE_##t, .key_size = k, .value_size = v, .max_entries = n, .spin_lock_off = -1,       \
		.timer_off = -1, __VA_ARGS__                                                                           \
	}

const struct kind kinds[] = {
    {"array", ATTR(ARRAY, 4, 8, 20), BASIC | BIT(NEXT) | BATCH, 24, 0},
    {"array of odd size, to be frozen", ATTR(ARRAY, 4, 13, 5), BASIC | BIT(NEXT) | BIT(FREEZE) | BATCH, 6, 0},
    {"mmapable array", ATTR_WITH(ARRAY, 4, 100, 7, .flags = BPF_F_MMAPABLE), BASIC | BIT(NEXT) | BATCH, 9, 0},
    {"percpu array", ATTR(PERCPU_ARRAY, 4, 12, 20), BASIC | BIT(NEXT) | BATCH, 24, 0},
    {"hash", ATTR(HASH, 4, 8, 16), BASIC | BATCH, 24, 0},
    {"hash of one", ATTR(HASH, 4, 4, 1), BASIC | BATCH, 3, 0},
    {"hash of large values", ATTR(HASH, 16, 300, 40), BASIC | BATCH, 60, 0},
    {"hash, not preallocated", ATTR_WITH(HASH, 5, 20, 60, .flags = BPF_F_NO_PREALLOC), BASIC | BATCH, 80, 0},
    {"hash, to be frozen", ATTR(HASH, 8, 8, 30), BASIC | BIT(FREEZE) | BATCH, 40, 0},
    {"percpu hash", ATTR(PERCPU_HASH, 4, 8, 30), BASIC | BATCH, 40, 0},
    {"percpu hash, not preallocated", ATTR_WITH(PERCPU_HASH, 8, 20, 30, .flags = BPF_F_NO_PREALLOC), BASIC | BATCH, 40,
     0},
    {"lru hash", ATTR(LRU_HASH, 4, 8, 4096), BASIC | BATCH, 60, 0},
    {"queue", ATTR(QUEUE, 0, 12, 5), BARE, 1, 0},
    {"stack", ATTR(STACK, 0, 8, 6), BARE, 1, 0},
    {"bloom filter", ATTR_WITH(BLOOM_FILTER, 0, 8, 40, .flags = BPF_F_ZERO_SEED), BARE, 200, KIND_MEMBER},
    {"bloom filter of odd size", ATTR_WITH(BLOOM_FILTER, 0, 15, 100, .flags = BPF_F_ZERO_SEED, .extra = 3), BARE, 250,
     KIND_MEMBER},
    {"ring buffer", ATTR(RINGBUF, 0, 0, 8192), BARE, 1, 0},
    {"user ring buffer", ATTR(USER_RINGBUF, 0, 0, 4096), BARE, 1, 0},
    {"lpm trie of 32 bits", ATTR_WITH(LPM_TRIE, 8, 8, 30, .flags = BPF_F_NO_PREALLOC), BASIC | BIT(NEXT) | BATCH, 1,
     KIND_LPM},
    {"lpm trie of 128 bits", ATTR_WITH(LPM_TRIE, 20, 30, 60, .flags = BPF_F_NO_PREALLOC), BASIC | BIT(NEXT) | BATCH, 1,
     KIND_LPM},
    {"lpm trie of 8 bits", ATTR_WITH(LPM_TRIE, 5, 1, 100, .flags = BPF_F_NO_PREALLOC), BASIC | BIT(NEXT) | BATCH, 1,
     KIND_LPM},
    {"stack traces", ATTR(STACK_TRACE, 4, 80, 16), BARE, 20, 0},
    {"lru percpu hash", ATTR(LRU_PERCPU_HASH, 4, 8, 4096), BASIC | BATCH, 60, 0},
};
const unsigned nkinds = array_len(kinds);
