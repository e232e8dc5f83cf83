/* What kinds of objects and maps are called. "?" where there is no name. */
#pragma once

#include <stdint.h>

/* Of a map (enum bpf_map_type), as bpftool has it. */
const char *world_map_type(uint32_t type);
/* Of an object (enum object_kind). */
const char *world_kind(uint32_t kind);
