/* The kernel's own verifier and programs, where this user may load them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cases.h"

struct kernel {
	int map_fd[MAP_KINDS]; /* -1: this kernel or user has no such map */
};

/* false: programs cannot be loaded here. */
bool kernel_open(struct kernel *k);
void kernel_close(struct kernel *k);
/*
 * Loads as `type` (BPF_PROG_TYPE_*), references to case_maps translated.
 * A descriptor, or -errno; the end of the log in `log` (may be NULL).
 */
int kernel_load(const struct kernel *k, unsigned type, const struct bpf_insn *insns, uint32_t len, char *log,
		size_t size);
/* Runs a raw tracepoint program on a context; its result, 32 bits. 0 or -errno. */
int kernel_run(int prog, const void *ctx, uint32_t len, uint32_t *r0);
/* Every entry of an array map, in and out. */
int kernel_map_get(const struct kernel *k, enum case_map map, void *values);
int kernel_map_set(const struct kernel *k, enum case_map map, const void *values);
