/*
 * The runtime in numbers: a call of an empty program, loading a program of a
 * thousand instructions, compute-bound code against clang -O2 of the same C.
 * Each number is the best of several rounds.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "asm.h"
#include "bpf/interp.h"
#include "bpf/jit.h"
#include "bpf/verify.h"
#include "cases.h"
#include "kernels.list.h"
#include "world.h"

#define ROUNDS 15

struct area;
#define KERNEL(name) unsigned long long native_##name(struct area *a)
#define DECLARE(name)                                                                                                  \
	KERNEL(name);                                                                                                  \
	extern const struct bpf_insn bpf_##name[], bpf_##name##_end[];
KERNELS(DECLARE)

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int compile(const struct bpf_insn *insns, uint32_t len, struct jit_map *map)
{
	struct jit_code code;
	struct prog prog;
	int r = prog_decode(insns, len, &prog, NULL);

	if (r == 0)
		r = jit_compile(&prog, 0, &code);
	if (r == 0)
		r = jit_map(&code, map);
	if (r == 0) {
		jit_free(&code);
		prog_free(&prog);
	}
	return r;
}

/* --- calls --- */

static const struct map_info *find_map(void *arg, const struct bpf_insn *lddw)
{
	return &case_maps[lddw->imm];
}

static void bench_empty(void)
{
	static const struct bpf_insn empty[] = {MOV_K(0, 0), EXIT()};
	static struct run run;
	double best = 1e9;
	struct jit_map map;

	if (compile(empty, 2, &map) < 0)
		return;
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t start = now();

		for (int k = 0; k < 1000000; k++)
			run_program(map.entry, &run, &run);
		best = fmin(best, (double)(now() - start) / 1e6);
	}
	printf("call of an empty program            %8.2f ns\n", best);
	jit_unmap(&map);
}

/* A loop of a thousand lookups in an array; less what the loop costs without them. */
static double time_lookups(const struct bpf_insn *insns, uint32_t len, struct world *w)
{
	const struct verify_opts opts = {.type = &prog_type_tracepoint};
	struct run run = *world_run(w);
	double best = 1e9;
	struct jit_code code;
	struct jit_map map;
	struct prog prog;

	if (prog_decode(insns, len, &prog, NULL) < 0 || prog_resolve_maps(&prog, find_map, NULL, NULL) < 0 ||
	    verify_prog(&prog, &opts, NULL) < 0 || jit_compile(&prog, 0, &code) < 0 || jit_map(&code, &map) < 0)
		return -1;
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t start = now();

		for (int k = 0; k < 100; k++)
			run_program(map.entry, w, &run);
		best = fmin(best, (double)(now() - start) / 1e5);
	}
	jit_unmap(&map);
	jit_free(&code);
	prog_free(&prog);
	return best;
}

static void bench_array(void)
{
	static const struct bpf_insn with[] = {MOV_K(6, 0),	     MOV_X(7, 6),
					       ALU64_K(AND, 7, 15),  STX(W, 10, 7, -4),
					       MOV_X(2, 10),	     ADD_K(2, -4),
					       LD_MAP(1, MAP_ARRAY), CALL(map_lookup_elem),
					       J_K(JEQ, 0, 0, 1),    STX(DW, 0, 6, 0),
					       ADD_K(6, 1),	     J_K(JLT, 6, 1000, -12),
					       MOV_K(0, 0),	     EXIT()};
	static const struct bpf_insn without[] = {MOV_K(6, 0),	     MOV_X(7, 6), ALU64_K(AND, 7, 15),
						  STX(W, 10, 7, -4), ADD_K(6, 1), J_K(JLT, 6, 1000, -5),
						  MOV_K(0, 0),	     EXIT()};
	struct world *w = world_new(0);

	printf("lookup in an array, and a store       %6.2f ns\n",
	       time_lookups(with, array_len(with), w) - time_lookups(without, array_len(without), w));
	world_free(w);
}

/* --- compute --- */

struct kernel {
	const char *name;
	unsigned long long (*native)(struct area *a);
	const struct bpf_insn *insns, *end;
};

static double time_native(const struct kernel *k, struct area *a, uint64_t *result)
{
	double best = 1e12;

	for (int r = 0; r < ROUNDS; r++) {
		uint64_t start = now();

		for (int n = 0; n < 20; n++)
			*result = k->native(a);
		best = fmin(best, (double)(now() - start) / 20);
	}
	return best;
}

static double time_jit(run_fn entry, struct area *a, uint64_t *result)
{
	static struct run run;
	double best = 1e12;

	for (int r = 0; r < ROUNDS; r++) {
		uint64_t start = now();

		for (int n = 0; n < 20; n++)
			*result = run_program(entry, a, &run);
		best = fmin(best, (double)(now() - start) / 20);
	}
	return best;
}

static void bench_compute(void)
{
#define ENTRY(name) {#name, native_##name, bpf_##name, bpf_##name##_end},
	static const struct kernel kernels[] = {KERNELS(ENTRY)};
	size_t size = 8 + 4096 + 4096 + 4096;
	uint64_t *area = aligned_alloc(64, round_up(size, 64));
	double logs = 0;

	for (size_t k = 0; k < size / 8; k++)
		area[k] = k * 0x9e3779b97f4a7c15ull >> (k * 7 % 61);
	printf("compute-bound code                    native     eBPF   ratio\n");
	for (size_t k = 0; k < array_len(kernels); k++) {
		uint64_t expect = 0, got = 1;
		struct jit_map map;
		double native, jit;

		if (compile(kernels[k].insns, (uint32_t)(kernels[k].end - kernels[k].insns), &map) < 0)
			continue;
		native = time_native(&kernels[k], (struct area *)area, &expect);
		jit = time_jit(map.entry, (struct area *)area, &got);
		printf("  %-30s %8.0f %8.0f ns  %5.2f%s\n", kernels[k].name, native, jit, jit / native,
		       expect == got ? "" : "  WRONG");
		logs += log(jit / native);
		jit_unmap(&map);
	}
	printf("compute-bound code against clang -O2, geometric mean  %5.2f times   goal 1.5\n",
	       exp(logs / (double)array_len(kernels)));
	free(area);
}

/* --- loading --- */

/* A thousand instructions as tracing programs have them: reads of the context, tests, lookups, updates. */
static uint32_t big_program(struct bpf_insn *out, uint32_t want)
{
	static const struct bpf_insn block[] = {
	    LDX(DW, 7, 6, 16),
	    ALU64_K(AND, 7, 0xffff),
	    J_K(JGT, 7, 1000, 18),
	    STX(DW, 10, 7, -8),
	    MOV_X(2, 10),
	    ADD_K(2, -8),
	    LD_MAP(1, MAP_HASH),
	    CALL(map_lookup_elem),
	    J_K(JEQ, 0, 0, 11),
	    LDX(DW, 3, 0, 8),
	    ADD_X(3, 7),
	    J_K(JLT, 3, 64, 1),
	    ALU64_K(AND, 3, 31),
	    STX(DW, 0, 3, 8),
	    LDX(W, 4, 0, 16),
	    J_K(JGT, 4, 39, 4),
	    ADD_X(0, 4),
	    MOV_K(5, 1),
	    ATOMIC_OP(DW, BPF_ADD, 10, 5, -8),
	    STX(B, 0, 5, 0),
	    MOV_X(8, 7),
	};
	uint32_t n = 0;

	out[n++] = (struct bpf_insn)MOV_X(6, 1);
	out[n++] = (struct bpf_insn)MOV_K(8, 0);
	while (n + array_len(block) + 2 <= want) {
		memcpy(out + n, block, sizeof(block));
		n += array_len(block);
	}
	out[n++] = (struct bpf_insn)MOV_X(0, 8);
	out[n++] = (struct bpf_insn)EXIT();
	return n;
}

static void bench_load(void)
{
	static struct bpf_insn insns[1024];
	const struct verify_opts opts = {.type = &prog_type_tracepoint};
	uint32_t len = big_program(insns, 1000);
	double all = 1e12, decode = 1e12, verify = 1e12, compile_ = 1e12;
	struct verify_stats stats = {0};

	for (int r = 0; r < ROUNDS; r++) {
		struct jit_code code;
		struct jit_map map;
		struct prog prog;
		uint64_t t[4];

		t[0] = now();
		if (prog_decode(insns, len, &prog, NULL) < 0 || prog_resolve_maps(&prog, find_map, NULL, NULL) < 0)
			return;
		t[1] = now();
		if (verify_prog(&prog, &opts, &stats) < 0) {
			printf("the program is refused\n");
			return;
		}
		t[2] = now();
		if (jit_compile(&prog, 0, &code) < 0 || jit_map(&code, &map) < 0)
			return;
		t[3] = now();
		decode = fmin(decode, (double)(t[1] - t[0]));
		verify = fmin(verify, (double)(t[2] - t[1]));
		compile_ = fmin(compile_, (double)(t[3] - t[2]));
		all = fmin(all, (double)(t[3] - t[0]));
		jit_unmap(&map);
		jit_free(&code);
		prog_free(&prog);
	}
	printf("load, verify and compile %4u slots  %8.3f ms   goal 2 (decode %.3f, verify %.3f with %u steps, compile "
	       "%.3f)\n",
	       len, all / 1e6, decode / 1e6, verify / 1e6, stats.insns, compile_ / 1e6);
}

int main(void)
{
	bench_empty();
	bench_array();
	bench_load();
	bench_compute();
	return 0;
}
