/* What kinds of objects and maps are called: bpftool's words. Hosted. */
#include "world/names.h"

#include <linux/bpf.h>

#include "world/object.h"

static const char *const map_types[] = {
    [BPF_MAP_TYPE_HASH] = "hash",
    [BPF_MAP_TYPE_ARRAY] = "array",
    [BPF_MAP_TYPE_PROG_ARRAY] = "prog_array",
    [BPF_MAP_TYPE_PERF_EVENT_ARRAY] = "perf_event_array",
    [BPF_MAP_TYPE_PERCPU_HASH] = "percpu_hash",
    [BPF_MAP_TYPE_PERCPU_ARRAY] = "percpu_array",
    [BPF_MAP_TYPE_STACK_TRACE] = "stack_trace",
    [BPF_MAP_TYPE_CGROUP_ARRAY] = "cgroup_array",
    [BPF_MAP_TYPE_LRU_HASH] = "lru_hash",
    [BPF_MAP_TYPE_LRU_PERCPU_HASH] = "lru_percpu_hash",
    [BPF_MAP_TYPE_LPM_TRIE] = "lpm_trie",
    [BPF_MAP_TYPE_ARRAY_OF_MAPS] = "array_of_maps",
    [BPF_MAP_TYPE_HASH_OF_MAPS] = "hash_of_maps",
    [BPF_MAP_TYPE_QUEUE] = "queue",
    [BPF_MAP_TYPE_STACK] = "stack",
    [BPF_MAP_TYPE_RINGBUF] = "ringbuf",
    [BPF_MAP_TYPE_TASK_STORAGE] = "task_storage",
    [BPF_MAP_TYPE_BLOOM_FILTER] = "bloom_filter",
    [BPF_MAP_TYPE_USER_RINGBUF] = "user_ringbuf",
};

static const char *const kinds[] = {
    [OBJECT_PROG] = "program", [OBJECT_MAP] = "map",   [OBJECT_LINK] = "link",
    [OBJECT_BTF] = "btf",      [OBJECT_RING] = "ring",
};

const char *world_map_type(uint32_t type)
{
	return type < array_len(map_types) && map_types[type] ? map_types[type] : "?";
}

const char *world_kind(uint32_t kind)
{
	return kind < array_len(kinds) && kinds[kind] ? kinds[kind] : "?";
}
