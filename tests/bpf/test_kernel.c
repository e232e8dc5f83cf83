/*
 * Against the kernel of this machine, where it lets us:
 *  - the verdict on each case is the same, but where the case says why not;
 *  - random programs that both accept give the same result there, and leave
 *    the same map contents;
 *  - how often the verdicts on random programs agree is printed.
 *
 * usage: test_kernel [SEED [PROGRAMS]]
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bpf/disasm.h"
#include "bpf/interp.h"
#include "bpf/jit.h"
#include "bpf/verify.h"
#include "gen.h"
#include "kernel.h"
#include "world.h"

#define CTX_WORDS 12
#define INPUTS 4
/*
 * The kernel has its memory at other addresses: what depends on them can't be compared.
 * It shows by other places, whose words are as far apart as they can be, signed and not,
 * and which differ in each byte.
 */
static const uintptr_t places[] = {0x200000001358, 0x21007ffe56a8, 0x2200800019f0, 0x2300fffe5c78};

static struct kernel kernel;
static struct world *world, *elsewhere[array_len(places)];
static char text[1 << 20];
static int failures;
static uint64_t both_accept, both_refuse, only_we, only_kernel, compared;

static void one_case(const struct vcase *c)
{
	struct prog prog;
	int we = case_verify(c->insns, c->len, &prog, NULL, 0);
	int it = kernel_load(&kernel, BPF_PROG_TYPE_TRACEPOINT, c->insns, c->len, text, sizeof(text));

	if (we == 0)
		prog_free(&prog);
	if (it >= 0)
		close(it);
	if ((we == 0) == (it >= 0))
		return;
	if (c->kernel) {
		printf("# %s: we %s, the kernel does not: %s\n", c->name, we ? "refuse" : "accept", c->kernel);
		return;
	}
	failures++;
	printf("not ok - case \"%s\": we %d, the kernel %d: %s\n", c->name, we, it,
	       strlen(text) > 300 ? text + strlen(text) - 300 : text);
}

static const struct map_info *find_map(void *arg, const struct bpf_insn *lddw)
{
	return lddw->imm >= 0 && lddw->imm < MAP_KINDS ? &case_maps[lddw->imm] : NULL;
}

static int verify(const struct gen *g, struct prog *prog)
{
	const struct verify_opts opts = {.type = &prog_type_raw_tracepoint};
	int r = prog_decode(g->insns, g->len, prog, NULL);

	if (r == 0)
		r = prog_resolve_maps(prog, find_map, NULL, NULL);
	if (r == 0)
		r = verify_prog(prog, &opts, NULL);
	return r;
}

static void show(const struct prog *p)
{
	char line[DISASM_MAX];

	for (uint32_t pc = 0; pc < p->len;) {
		uint32_t at = pc;

		pc += disasm_insn(p, pc, line, sizeof(line));
		printf("# %u: %s\n", at, line);
	}
}

static long run_in(struct world *w, const struct prog *p, uint64_t *ctx, uint64_t *result)
{
	struct interp_mem region = {.start = (uintptr_t)ctx, .len = CTX_WORDS * 8};
	struct interp_env env = {.mem = &region, .nmem = 1, .access = world_access, .arg = w};
	struct interp_fault fault;
	struct run run = *world_run(w);
	const uint64_t args[1] = {region.start};

	world_reset(w);
	return interp_run(p, &run, &env, args, 1, result, &fault);
}

/* The same with another stack. */
__attribute__((noinline)) static long run_lower(struct world *w, const struct prog *p, uint64_t *ctx, uint64_t *result)
{
	volatile char room[0x6a8];
	long ret;

	room[0] = 0;
	ret = run_in(w, p, ctx, result);
	room[1] = room[0]; /* it lies there till now */
	return ret;
}

static bool yields_address(const struct prog *p, uint64_t *ctx)
{
	uint64_t moved[CTX_WORDS + 1], a = 0, b = 0;
	const void *x, *y;
	size_t len;

	memcpy(moved + 1, ctx, CTX_WORDS * 8);
	if (run_in(world, p, ctx, &a) < 0)
		return true;
	len = world_content(world, &x);
	for (unsigned k = 0; k < array_len(places); k++) {
		if (run_lower(elsewhere[k], p, moved + 1, &b) < 0)
			return true;
		world_content(elsewhere[k], &y);
		if (a != b || memcmp(x, y, len) != 0)
			return true;
	}
	return false;
}

/* Same start, same end? */
static const char *same_run(const struct prog *p, run_fn entry, int fd, uint64_t *ctx)
{
	static uint8_t there[2][1024], zeros[1024];
	static char why[200];
	struct run run = *world_run(world);
	size_t len[2];
	void *here[2] = {world_values(world, MAP_ARRAY, &len[0]), world_values(world, MAP_DATA, &len[1])};
	uint32_t it = 0, we;

	if (yields_address(p, ctx))
		return NULL;
	world_reset(world);
	kernel_map_set(&kernel, MAP_ARRAY, zeros);
	kernel_map_set(&kernel, MAP_DATA, zeros);
	we = (uint32_t)run_program(entry, ctx, &run);
	if (kernel_run(fd, ctx, CTX_WORDS * 8, &it) < 0)
		return NULL;
	kernel_map_get(&kernel, MAP_ARRAY, there[0]);
	kernel_map_get(&kernel, MAP_DATA, there[1]);
	compared++;
	if (we != it) {
		snprintf(why, sizeof(why), "result 0x%x, the kernel's 0x%x", we, it);
		return why;
	}
	return memcmp(here[0], there[0], len[0]) || memcmp(here[1], there[1], len[1]) ? "maps differ" : NULL;
}

static void compare_runs(struct prog *p, int fd, uint64_t seed)
{
	struct jit_code code;
	struct jit_map map;
	const char *why = NULL;

	if (jit_compile(p, 0, &code) < 0 || jit_map(&code, &map) < 0)
		return;
	for (int n = 0; n < INPUTS && !why; n++) {
		uint64_t ctx[CTX_WORDS], at = seed;

		for (unsigned k = 0; k < CTX_WORDS; k++)
			ctx[k] = gen_random(&at) >> (gen_random(&at) % 64);
		why = same_run(p, map.entry, fd, ctx);
	}
	if (why) {
		failures++;
		printf("not ok - seed %llu: %s\n", (unsigned long long)seed, why);
		show(p);
	}
	jit_unmap(&map);
	jit_free(&code);
}

static void one_program(uint64_t seed)
{
	static struct gen g;
	struct prog prog = {0};
	int we, it;

	g.seed = seed;
	g.flags = GEN_LOCAL;
	gen_program(&g);
	we = verify(&g, &prog);
	text[0] = 0;
	it = kernel_load(&kernel, BPF_PROG_TYPE_RAW_TRACEPOINT, g.insns, g.len, text, sizeof(text));
	both_accept += we == 0 && it >= 0;
	both_refuse += we < 0 && it < 0;
	only_we += we == 0 && it < 0;
	only_kernel += we < 0 && it >= 0;
	if ((we == 0) != (it >= 0) && getenv("BPF_SHOW")) {
		char *end = strstr(text, "\nprocessed");

		if (end)
			*end = 0;
		printf("# seed %llu: we %d, kernel %d: %s\n", (unsigned long long)seed, we, it,
		       end && strrchr(text, '\n') ? strrchr(text, '\n') + 1 : "");
	}
	if (we == 0 && it >= 0)
		compare_runs(&prog, it, seed);
	if (prog.insns)
		prog_free(&prog);
	if (it >= 0)
		close(it);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1, count = argc > 2 ? strtoull(argv[2], NULL, 0) : 500;
	struct utsname uts;

	if (!kernel_open(&kernel)) {
		printf("1..0 # SKIP programs cannot be loaded into the kernel here\n");
		return 0;
	}
	uname(&uts);
	printf("# Linux %s, seeds from %llu on\n", uts.release, (unsigned long long)seed);
	world = world_new(0);
	for (unsigned k = 0; k < array_len(places); k++)
		elsewhere[k] = world_new(places[k]);
	for (uint32_t k = 0; k < nvcases; k++)
		one_case(&vcases[k]);
	for (uint64_t n = 0; n < count && failures < 5; n++)
		one_program(seed + n);
	printf("# random programs: both accept %llu, both refuse %llu, only we accept %llu, only the kernel %llu; "
	       "%llu runs compared\n",
	       (unsigned long long)both_accept, (unsigned long long)both_refuse, (unsigned long long)only_we,
	       (unsigned long long)only_kernel, (unsigned long long)compared);
	if (!failures)
		printf("ok 1 - agrees with the kernel\n");
	printf("1..1\n");
	world_free(world);
	for (unsigned k = 0; k < array_len(places); k++)
		world_free(elsewhere[k]);
	kernel_close(&kernel);
	return failures != 0;
}
