/*
 * A small world for programs to run in: memory for the maps of cases.h, and
 * plain helpers over it. One thread; deterministic.
 */
#pragma once

#include "bpf/interp.h"
#include "cases.h"

struct world;

/* Its memory begins at `at`, a multiple of 8; 0: anywhere. */
struct world *world_new(uintptr_t at);
void world_free(struct world *w);
/* All maps and records as at the start. */
void world_reset(struct world *w);
const struct run *world_run(const struct world *w);
/* May the program touch these bytes? For interp_env.access; arg is the world. */
bool world_access(void *arg, uint64_t addr, uint64_t len, bool write);
/* Content that programs leave behind: values of MAP_ARRAY and MAP_DATA, and the hash. */
size_t world_content(const struct world *w, const void **data);
/* Bytes of an array map's values: to compare, and to fill. */
void *world_values(const struct world *w, enum case_map map, size_t *len);
