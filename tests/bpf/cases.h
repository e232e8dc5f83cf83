/*
 * Programs with a verdict each: what the verifier must accept, and what it
 * must refuse and why. Shared by the tests of the verifier and by the one
 * that asks the kernel.
 */
#pragma once

#include "bpf/prog.h"

enum case_map {
	MAP_ARRAY = 0, /* u32 to 48 bytes, 16 entries */
	MAP_HASH,      /* u64 to 48 bytes */
	MAP_RINGBUF,
	MAP_PROGS,
	MAP_DATA,   /* one entry of 64 bytes: global data */
	MAP_RODATA, /* one entry of 16 bytes, frozen: "text", 0, ..., 7 as 32 bits at 8 */
	MAP_LOCKED, /* u32 to 16 bytes, a spin lock at 4 */
	MAP_PERF,
	MAP_STACKS,
	MAP_NESTED, /* array of hashes of MAP_HASH's kind */
	MAP_KINDS,
};

extern const struct map_info case_maps[MAP_KINDS];
extern const uint8_t case_rodata[16];

struct vcase {
	const char *name;
	int err;	    /* 0: accepted */
	const char *says;   /* part of the log, or NULL */
	const char *kernel; /* why the kernel's verdict is another one, or NULL: the same */
	const struct bpf_insn *insns;
	uint32_t len;
};

extern const struct vcase vcases[];
extern const uint32_t nvcases;

/* Decodes, resolves and verifies as a tracepoint. */
int case_verify(const struct bpf_insn *insns, uint32_t len, struct prog *prog, struct log *log, unsigned level);
