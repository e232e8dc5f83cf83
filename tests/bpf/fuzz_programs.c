/*
 * Random programs through all of it. Whatever the verifier accepts
 *  - runs in the checking interpreter without tripping a check (soundness),
 *  - gives the same result and the same memory compiled, with and without
 *    the newer machine instructions (agreement),
 *  - keeps to what the verifier said of stack depth and dead code.
 * Each program runs on several random contexts. Prints the seed of what fails.
 *
 * usage: fuzz_programs [SEED [PROGRAMS]]; with PROGRAMS 1, shows the program
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/disasm.h"
#include "bpf/jit.h"
#include "bpf/verify.h"
#include "gen.h"
#include "world.h"

#define INPUTS 8
#define CTX_WORDS 12

static struct world *world, *other;
static char text[1 << 16];
static uint64_t skipped;

static const struct map_info *find_map(void *arg, const struct bpf_insn *lddw)
{
	return lddw->imm >= 0 && lddw->imm < MAP_KINDS ? &case_maps[lddw->imm] : NULL;
}

static int verify(const struct gen *g, struct prog *prog, struct log *log)
{
	const struct verify_opts opts = {
	    .type = &prog_type_raw_tracepoint, .log = log, .log_level = log ? 1 : 0, .budget = 50000};
	int r = prog_decode(g->insns, g->len, prog, log);

	if (r < 0)
		return r;
	r = prog_resolve_maps(prog, find_map, NULL, log);
	if (r == 0)
		r = verify_prog(prog, &opts, NULL);
	if (r < 0)
		prog_free(prog);
	return r;
}

static void show(const struct prog *p)
{
	char line[DISASM_MAX];

	for (uint32_t pc = 0; pc < p->len;) {
		uint32_t at = pc;

		pc += disasm_insn(p, pc, line, sizeof(line));
		printf("# %u: %s%s\n", at, line, p->mark[at] & MARK_DEAD ? "  (dead)" : "");
	}
}

static void fill_context(uint64_t *ctx, uint64_t *seed)
{
	static const uint64_t nice[] = {0, 1, UINT64_MAX, 31, 32, 47, 48, INT64_MAX, 1ull << 63, UINT32_MAX};

	for (unsigned k = 0; k < CTX_WORDS; k++)
		ctx[k] = gen_random(seed) % 3 ? nice[gen_random(seed) % array_len(nice)] : gen_random(seed);
}

/* Both worlds have the same addresses: one is copied over the other. */
static bool run_interp(const struct prog *p, uint64_t *ctx, uint64_t *r0, struct interp_fault *fault)
{
	const struct interp_mem region = {.start = (uintptr_t)ctx, .len = CTX_WORDS * 8};
	const struct interp_env env = {.mem = &region, .nmem = 1, .access = world_access, .arg = world};
	const uint64_t args[1] = {(uintptr_t)ctx};
	struct run run = *world_run(world);

	run.tail_left = INSN_TAIL_CALLS;
	return interp_run(p, &run, &env, args, 1, r0, fault) == 0;
}

static void keep_content(void)
{
	const void *from, *to;
	size_t len = world_content(world, &from);

	world_content(other, &to);
	memcpy((void *)(uintptr_t)to, from, len);
}

static bool same_content(void)
{
	const void *a, *b;
	size_t len = world_content(world, &a);

	world_content(other, &b);
	return memcmp(a, b, len) == 0;
}

/* The same with the interpreter's own stack elsewhere. */
static bool run_elsewhere(const struct prog *p, uint64_t *ctx, uint64_t *r0)
{
	volatile char shift[4096 + 128];
	struct interp_fault fault;

	shift[0] = shift[sizeof(shift) - 1] = 0;
	world_reset(world);
	return run_interp(p, ctx, r0, &fault) && shift[0] == 0;
}

static const char *try_compiled(run_fn entry, uint64_t *ctx, uint64_t expect)
{
	static char why[200];
	struct run run = *world_run(world);
	uint64_t got;

	world_reset(world);
	got = run_program(entry, ctx, &run);
	if (got != expect) {
		snprintf(why, sizeof(why), "compiled: 0x%llx, interpreted 0x%llx", (unsigned long long)got,
			 (unsigned long long)expect);
		return why;
	}
	return same_content() ? NULL : "compiled: maps differ";
}

static __attribute__((noinline)) const char *try_lower(run_fn entry, uint64_t *ctx, uint64_t expect)
{
	volatile char shift[4096 + 48];
	const char *differs;

	shift[0] = shift[sizeof(shift) - 1] = 0;
	differs = try_compiled(entry, ctx, expect);
	return shift[0] ? NULL : differs;
}

/*
 * The interpreter's stacks are alike in the lowest bits of their addresses: what
 * hangs on these differs from one place to the other of compiled code, too.
 */
static const char *try_both(run_fn entry, uint64_t *ctx, uint64_t expect)
{
	const char *differs = try_compiled(entry, ctx, expect);
	char first[200];

	if (!differs)
		return NULL;
	snprintf(first, sizeof(first), "%s", differs);
	differs = try_lower(entry, ctx, expect);
	if (differs && strcmp(first, differs) == 0)
		return differs;
	skipped++;
	return NULL;
}

static const char *try_input(const struct prog *p, const run_fn *entries, uint64_t *ctx)
{
	struct interp_fault fault;
	static char why[200];
	const char *differs;
	uint64_t expect, again;

	world_reset(world);
	if (!run_interp(p, ctx, &expect, &fault)) {
		snprintf(why, sizeof(why), "tripped at %u: %s (0x%llx)", fault.pc, fault.what,
			 (unsigned long long)fault.addr);
		return why;
	}
	keep_content();
	/* A program whose result is an address cannot be compared. */
	if (!run_elsewhere(p, ctx, &again) || again != expect || !same_content()) {
		skipped++;
		return NULL;
	}
	differs = try_both(entries[0], ctx, expect);
	return differs ? differs : try_both(entries[1], ctx, expect);
}

static const char *try_program(const struct prog *p, uint64_t seed)
{
	struct jit_code code[2];
	struct jit_map map[2];
	run_fn entries[2];
	const char *why = NULL;
	uint64_t ctx[CTX_WORDS];

	for (unsigned k = 0; k < 2; k++) {
		if (jit_compile(p, k ? JIT_PLAIN : 0, &code[k]) < 0 || jit_map(&code[k], &map[k]) < 0)
			return "does not compile";
		entries[k] = map[k].entry;
	}
	for (int n = 0; n < INPUTS && !why; n++) {
		fill_context(ctx, &seed);
		why = try_input(p, entries, ctx);
	}
	for (unsigned k = 0; k < 2; k++) {
		jit_unmap(&map[k]);
		jit_free(&code[k]);
	}
	return why;
}

/* Every fourth program gets some fields of some instructions at random. Calls are left: helpers here do little. */
static void mutate(struct gen *g)
{
	uint64_t seed = g->seed;

	for (uint64_t n = 1 + gen_random(&seed) % 3; n > 0; n--) {
		struct bpf_insn *i = &g->insns[gen_random(&seed) % g->len];
		uint64_t v = gen_random(&seed);

		if (i->code == INSN_CALL)
			continue;
		switch (v % 5) {
		case 0:
			i->code ^= (uint8_t)(1u << (v >> 8) % 8);
			break;
		case 1:
			i->dst_reg = (v >> 8) % 11 & 15;
			break;
		case 2:
			i->src_reg = (v >> 8) % 11 & 15;
			break;
		case 3:
			i->off = (int16_t)(i->off + (int)((v >> 8) % 17) - 8);
			break;
		default:
			i->imm = v & 1 << 16 ? (int32_t)(v >> 32) : i->imm + (int)((v >> 8) % 17) - 8;
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, accepted = 0;
	uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 0) : 1500;
	int failures = 0;

	world = world_new(0);
	other = world_new(0);
	printf("# seeds from %llu on\n", (unsigned long long)seed);
	for (uint64_t n = 0; n < count && failures < 5; n++) {
		static struct gen g;
		struct log log = {.buf = text, .size = sizeof(text)};
		struct prog prog;
		const char *why;

		g.seed = seed + n;
		gen_program(&g);
		if ((seed + n) % 4 == 0)
			mutate(&g);
		if (verify(&g, &prog, count == 1 ? &log : NULL) < 0) {
			if (count == 1)
				printf("refused:\n%s", text);
			continue;
		}
		accepted++;
		why = try_program(&prog, seed + n);
		if (why || count == 1)
			show(&prog);
		if (why) {
			failures++;
			printf("not ok - seed %llu: %s\n", (unsigned long long)(seed + n), why);
		}
		prog_free(&prog);
	}
	world_free(world);
	world_free(other);
	if (!failures)
		printf("ok 1 - %llu programs, %llu accepted, all sound and alike (%llu runs not compared: they "
		       "yield addresses)\n",
		       (unsigned long long)count, (unsigned long long)accepted, (unsigned long long)skipped);
	printf("1..1\n");
	return failures != 0;
}
