/* From instructions to a program in the world. Hosted; any thread with a task of its own. */
#pragma once

#include "bpf/insn.h"
#include "bpf/log.h"
#include "world/object.h"

struct load_request {
	const struct bpf_insn *insns; /* map references by object id */
	uint32_t nslots;
	uint32_t prog_type; /* enum bpf_prog_type */
	uint32_t expected_attach;
	uint32_t gpl;
	uint32_t btf;
	uint32_t log_level;
	const char *name; /* at most 15 bytes */
};

/*
 * Decodes, verifies, compiles and enters it into the world, held by this
 * process. The id, or the kernel's -errno for it with the reason in the log.
 */
int load_program(struct world *w, struct task *t, const struct load_request *r, struct log *log) must_check;
