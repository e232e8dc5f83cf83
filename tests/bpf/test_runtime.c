/*
 * What the tables do not reach: tail calls, how instructions are shown, what
 * a log looks like, the map of a compiled program.
 */
#include <stdio.h>
#include <string.h>

#include "asm.h"
#include "bpf/disasm.h"
#include "bpf/interp.h"
#include "bpf/jit.h"
#include "bpf/verify.h"
#include "cases.h"
#include "world.h"

static int tests, failures;

static void report(bool ok, const char *name)
{
	failures += !ok;
	printf("%s %d - %s\n", ok ? "ok" : "not ok", ++tests, name);
}

/* --- tail calls --- */

static struct prog targets[2];
static struct jit_map target_maps[2];

static uint64_t jit_tail(struct run *run, uint64_t map, uint32_t index)
{
	return index < 2 ? (uintptr_t)target_maps[index].entry : 0;
}

static const struct prog *interp_tail(void *arg, uint64_t map, uint32_t index)
{
	return index < 2 ? &targets[index] : NULL;
}

static bool load(const struct bpf_insn *insns, uint32_t len, struct prog *prog, struct jit_map *map)
{
	struct jit_code code;

	if (case_verify(insns, len, prog, NULL, 0) < 0 || jit_compile(prog, 0, &code) < 0 || jit_map(&code, map) < 0)
		return false;
	jit_free(&code);
	return true;
}

static bool run_both(struct world *w, const struct prog *p, const struct jit_map *map, uint64_t *jit, uint64_t *interp)
{
	uint8_t ctx[2048] = {0};
	const struct interp_mem region = {.start = (uintptr_t)ctx, .len = sizeof(ctx)};
	const struct interp_env env = {
	    .mem = &region, .nmem = 1, .access = world_access, .tail = interp_tail, .arg = w};
	const uint64_t args[1] = {region.start};
	struct interp_fault fault;
	struct run run = *world_run(w);

	world_reset(w);
	run.tail = jit_tail;
	*jit = run_program(map->entry, ctx, &run);
	world_reset(w);
	run.tail_left = INSN_TAIL_CALLS;
	return interp_run(p, &run, &env, args, 1, interp, &fault) == 0;
}

static void unload(struct prog *prog, struct jit_map *map)
{
	jit_unmap(map);
	prog_free(prog);
}

/* Loads a program, demands a result of both ways to run it, and lets it go. */
static void expect(struct world *w, const struct bpf_insn *insns, uint32_t len, uint64_t result, const char *name)
{
	uint64_t jit = 0, interp = 0;
	struct jit_map map;
	struct prog p;

	if (!load(insns, len, &p, &map)) {
		report(false, name);
		return;
	}
	report(run_both(w, &p, &map, &jit, &interp) && jit == result && interp == result, name);
	unload(&p, &map);
}

#define TAIL(index) LD_MAP(2, MAP_PROGS), MOV_K(3, index), CALL(tail_call)

static void test_tail(struct world *w)
{
	/* [0] counts in global data and calls itself; [1] returns 7 and spoils all registers. */
	static const struct bpf_insn again[] = {MOV_X(6, 1),
						LD_VALUE(7, MAP_DATA, 0),
						LDX(DW, 8, 7, 0),
						ADD_K(8, 1),
						STX(DW, 7, 8, 0),
						MOV_X(1, 6),
						TAIL(0),
						MOV_X(0, 8),
						EXIT()};
	static const struct bpf_insn seven[] = {MOV_K(6, 0), MOV_K(7, 0), MOV_K(8, 0),
						MOV_K(9, 0), MOV_K(0, 7), EXIT()};
	static const struct bpf_insn to_seven[] = {ST(DW, 10, -8, 1), TAIL(1), MOV_K(0, 1), EXIT()};
	static const struct bpf_insn to_none[] = {TAIL(3), MOV_K(0, 1), EXIT()};
	static const struct bpf_insn from_func[] = {MOV_K(6, 30), CALL_LOCAL(2), ADD_X(0, 6), EXIT(),
						    TAIL(1),	  MOV_K(0, 1),	 EXIT()};
	uint64_t jit = 0, interp = 0;

	if (!load(again, array_len(again), &targets[0], &target_maps[0]) ||
	    !load(seven, array_len(seven), &targets[1], &target_maps[1])) {
		report(false, "targets of tail calls load");
		return;
	}
	expect(w, to_seven, array_len(to_seven), 7, "a tail call does not come back");
	expect(w, to_none, array_len(to_none), 1, "a tail call to nowhere falls through");
	expect(w, from_func, array_len(from_func), 37,
	       "a tail call out of a function returns to the function's caller");
	report(run_both(w, &targets[0], &target_maps[0], &jit, &interp) && jit == 34 && interp == 34,
	       "33 tail calls in a row, and no more");
	unload(&targets[0], &target_maps[0]);
	unload(&targets[1], &target_maps[1]);
}

/* --- text --- */

static void test_disasm(void)
{
	static const struct {
		struct bpf_insn insns[2];
		const char *text;
	} lines[] = {
	    {{MOV_K(0, -1)}, "(b7) r0 = -1"},
	    {{ALU32_X(ADD, 1, 2)}, "(0c) w1 += w2"},
	    {{INSN(BPF_ALU64 | BPF_DIV | BPF_X, 1, 2, 1, 0)}, "(3f) r1 s/= r2"},
	    {{INSN(BPF_ALU | BPF_MOD | BPF_K, 1, 0, 1, 3)}, "(94) w1 s%= 3"},
	    {{MOVSX(8, 1, 2)}, "(bf) r1 = (s8)r2"},
	    {{INSN(BPF_ALU64 | BPF_NEG, 1, 0, 0, 0)}, "(87) r1 = -r1"},
	    {{INSN(BPF_ALU | BPF_END | BPF_TO_BE, 1, 0, 0, 16)}, "(dc) r1 = be16 r1"},
	    {{INSN(BPF_ALU64 | BPF_END, 1, 0, 0, 32)}, "(d7) r1 = bswap32 r1"},
	    {{LDX(W, 1, 2, -4)}, "(61) r1 = *(u32 *)(r2 -4)"},
	    {{LDXS(H, 1, 2, 4)}, "(89) r1 = *(s16 *)(r2 +4)"},
	    {{STX(B, 10, 1, -1)}, "(73) *(u8 *)(r10 -1) = r1"},
	    {{ST(DW, 10, -8, 5)}, "(7a) *(u64 *)(r10 -8) = 5"},
	    {{ATOMIC_OP(DW, BPF_ADD, 1, 2, 8)}, "(db) lock *(u64 *)(r1 +8) += r2"},
	    {{ATOMIC_OP(W, BPF_XOR | BPF_FETCH, 1, 2, 8)}, "(c3) w2 = atomic_fetch_xor((u32 *)(r1 +8), w2)"},
	    {{ATOMIC_OP(DW, BPF_CMPXCHG, 1, 2, 8)}, "(db) r0 = atomic64_cmpxchg((u64 *)(r1 +8), r0, r2)"},
	    {{ATOMIC_OP(DW, BPF_XCHG, 1, 2, 8)}, "(db) r2 = atomic64_xchg((u64 *)(r1 +8), r2)"},
	    {{LDDW(1, 0x123456789abull)}, "(18) r1 = 0x123456789ab"},
	    {{LD_FUNC(2, 5)}, "(18) r2 = subprog[+5]"},
	    {{J_K(JSGT, 1, -1, 3)}, "(65) if r1 s> 0xffffffff goto pc+3"},
	    {{J32_X(JSET, 1, 2, -3)}, "(4e) if w1 & w2 goto pc-3"},
	    {{GOTO(7)}, "(05) goto pc+7"},
	    {{GOTOL(-7)}, "(06) gotol pc-7"},
	    {{CALL(map_lookup_elem)}, "(85) call bpf_map_lookup_elem#1"},
	    {{CALL_LOCAL(3)}, "(85) call pc+3"},
	    {{EXIT()}, "(95) exit"},
	};
	bool ok = true;

	for (size_t k = 0; k < array_len(lines); k++) {
		struct bpf_insn insns[2] = {lines[k].insns[0], lines[k].insns[1]};
		struct prog p = {.insns = insns, .len = 2};
		char text[DISASM_MAX];

		disasm_insn(&p, 0, text, sizeof(text));
		if (strcmp(text, lines[k].text) != 0) {
			printf("# \"%s\", not \"%s\"\n", text, lines[k].text);
			ok = false;
		}
	}
	report(ok, "instructions in bpftool's words");
}

static void test_log(void)
{
	static const struct bpf_insn insns[] = {MOV_K(0, 0), LDX(W, 2, 1, 16), J_K(JGT, 2, 3, 1),
						EXIT(),	     LDX(DW, 0, 2, 0), EXIT()};
	static const char wanted[] = "0: R1=ctx() R10=fp0\n"
				     "0: (b7) r0 = 0                              ; R0=0\n"
				     "1: (61) r2 = *(u32 *)(r1 +16)               ; "
				     "R2=scalar(smin=0,smax=4294967295,umax=0xffffffff,var_off=(0x0; 0xffffffff))\n"
				     "2: (25) if r2 > 0x3 goto pc+1               ; "
				     "R2=scalar(smin=0,smax=3,umax=3,var_off=(0x0; 0x3))\n"
				     "\nfrom 2 to 4: R0=0 "
				     "R1=ctx() R2=scalar(smin=4,smax=4294967295,umin=4,umax=0xffffffff,"
				     "var_off=(0x0; 0xffffffff)) R10=fp0\n"
				     "4: (79) r0 = *(u64 *)(r2 +0)               \nR2 invalid mem access 'scalar'\n"
				     "processed 5 insns (limit 1000000) max_states_per_insn 0 total_states 0 "
				     "peak_states 0\n";
	char text[4096], small[64];
	struct log log = {.buf = text, .size = sizeof(text)}, tail = {.buf = small, .size = sizeof(small)};
	struct prog p;

	case_verify(insns, array_len(insns), &p, &log, 1);
	report(strcmp(text, wanted) == 0, "the log shows the path that fails, and why");
	if (strcmp(text, wanted) != 0)
		printf("%s---\n%s", text, wanted);
	case_verify(insns, array_len(insns), &p, &tail, 1);
	report(log_full(&tail) && tail.used == strlen(wanted) &&
		   strcmp(small + strlen(small) - 14, "peak_states 0\n") == 0,
	       "a small buffer keeps the end of the log");
}

/* Code is never writable where it can run. */
static void test_protection(void)
{
	static const struct bpf_insn insns[] = {MOV_K(0, 0), EXIT()};
	char line[256], perms[8] = "";
	struct jit_map map;
	struct prog p;
	FILE *f;

	if (!load(insns, array_len(insns), &p, &map)) {
		report(false, "pages of code are executable and not writable");
		return;
	}
	f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) == 3 && (uintptr_t)map.base >= from &&
		    (uintptr_t)map.base < to)
			break;
	}
	if (f)
		fclose(f);
	report(strcmp(perms, "r-xp") == 0, "pages of code are executable and not writable");
	jit_unmap(&map);
	prog_free(&p);
}

int main(void)
{
	struct world *w = world_new(0);

	test_tail(w);
	test_disasm();
	test_log();
	test_protection();
	world_free(w);
	printf("1..%d\n", tests);
	return failures != 0;
}
