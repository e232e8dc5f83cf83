/* The differential runner: see both.h. */
#include "both.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/interp.h"

static int run_interp(struct both *b, uint8_t *mem)
{
	const struct interp_mem region = {.start = (uintptr_t)mem, .len = b->len, .writable = true};
	const struct interp_env env = {.mem = &region, .nmem = 1};
	const uint64_t args[2] = {b->mem ? (uintptr_t)mem : 0, b->len};
	struct interp_fault fault;
	struct run run = *b->run;

	run.tail_left = INSN_TAIL_CALLS;
	if (interp_run(b->prog, &run, &env, args, 2, &b->r0, &fault) == 0)
		return 0;
	snprintf(b->why, sizeof(b->why), "interpreter, slot %u: %s (0x%llx)", fault.pc, fault.what,
		 (unsigned long long)fault.addr);
	return -1;
}

static int run_jit(struct both *b, unsigned flags, uint8_t *mem, uint64_t *r0)
{
	struct jit_code code;
	struct jit_map map;
	struct run run = *b->run;

	if (jit_compile(b->prog, flags, &code) < 0)
		return -1;
	if (jit_map(&code, &map) < 0) {
		jit_free(&code);
		return -1;
	}
	run.tail_left = INSN_TAIL_CALLS;
	*r0 = map.entry(b->mem ? (uintptr_t)mem : 0, b->len, 0, 0, 0, &run);
	jit_unmap(&map);
	jit_free(&code);
	return 0;
}

/* All runs use the memory at one address, so that pointers in results agree. */
static int against_jit(struct both *b, unsigned flags, uint8_t *mem, const uint8_t *after)
{
	uint64_t r0 = 0;

	if (b->len)
		memcpy(mem, b->mem, b->len);
	if (run_jit(b, flags, mem, &r0) < 0) {
		snprintf(b->why, sizeof(b->why), "compiler failed");
		return -1;
	}
	if (r0 != b->r0) {
		snprintf(b->why, sizeof(b->why), "compiled%s: 0x%llx, interpreted: 0x%llx", flags ? " (plain)" : "",
			 (unsigned long long)r0, (unsigned long long)b->r0);
		return -1;
	}
	if (b->len && memcmp(mem, after, b->len) != 0) {
		snprintf(b->why, sizeof(b->why), "compiled%s: memory differs", flags ? " (plain)" : "");
		return -1;
	}
	return 0;
}

int both_run(struct both *b)
{
	uint8_t *mem = calloc(1, b->len + 1), *after = calloc(1, b->len + 1);
	int r;

	if (b->len)
		memcpy(mem, b->mem, b->len);
	r = run_interp(b, mem);
	if (r == 0) {
		memcpy(after, mem, b->len);
		r = against_jit(b, 0, mem, after);
	}
	if (r == 0)
		r = against_jit(b, JIT_PLAIN, mem, after);
	if (r == 0 && b->len)
		memcpy(b->mem, after, b->len);
	free(mem);
	free(after);
	return r;
}
