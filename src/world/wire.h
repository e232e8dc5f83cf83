/*
 * What a loader's agent asks of the process that verifies and compiles for it
 * (src/bpfd): one request, one answer, over a stream socket in the runtime
 * directory. Both ends are of one machine and user, so structs travel as they
 * lie in memory.
 */
#pragma once

#include <stdint.h>

#define WIRE_MAGIC 0x46504242u /* "BBPF" */
#define WIRE_SLOTS 1000000u    /* instructions, as in the kernel */
#define WIRE_LOG (1u << 24)

/* BPF_PROG_LOAD. The instructions follow; map references in them are object ids. */
struct wire_load {
	uint32_t magic;
	uint32_t client; /* seat of the asker: holds the new program */
	uint32_t prog_type, expected_attach;
	uint32_t nslots;
	uint32_t log_level;
	uint32_t log_size; /* bytes of log that are wanted; 0: none */
	uint32_t gpl;
	uint32_t btf; /* id, 0: none */
	char name[16];
};

/* The log follows, `log_len` bytes with its NUL. */
struct wire_loaded {
	int32_t error; /* 0 or -errno */
	uint32_t id;   /* of the program */
	uint32_t log_len;
	uint32_t log_full; /* it did not fit */
};
