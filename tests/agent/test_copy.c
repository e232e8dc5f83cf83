/*
 * The agent's copies (copy.S) by themselves: all ways of copying that this
 * processor has, sizes and positions around their borders, bad pointers at every
 * place, and the vector registers, which are the program's.
 */
#include <cpuid.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "agent/user.h"
#include "launch/copy_mode.h"

#define PAGE 4096u
#define ROOM (4 * PAGE)

uint32_t agent_copy_mode;

struct fixup {
	int32_t from, to, target;
};
extern const struct fixup fixups[] __asm__("__start_agent_fixup"), fixups_end[] __asm__("__stop_agent_fixup");

static int failures;

#define EXPECT(cond, ...)                                                                                              \
	do {                                                                                                           \
		if (!(cond) && failures++ < 20) {                                                                      \
			fprintf(stderr, "mode %u: %s: ", agent_copy_mode, #cond);                                      \
			fprintf(stderr, __VA_ARGS__);                                                                  \
			fputc('\n', stderr);                                                                           \
		}                                                                                                      \
	} while (0)

/* As signals.c does it. */
static void on_fault(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP];

	for (const struct fixup *f = fixups; f < fixups_end; f++) {
		if (rip >= (uint64_t)&f->from + (uint64_t)(int64_t)f->from &&
		    rip < (uint64_t)&f->to + (uint64_t)(int64_t)f->to) {
			regs[REG_RIP] = (greg_t)((uint64_t)&f->target + (uint64_t)(int64_t)f->target);
			return;
		}
	}
	signal(sig, SIG_DFL);
}

/* ROOM bytes that end where nothing is. */
static unsigned char *fenced(void)
{
	unsigned char *p = mmap(NULL, ROOM + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + ROOM, PAGE, PROT_NONE) != 0)
		exit(2);
	return p;
}

static unsigned char *from, *to, *want;

static void fill(void)
{
	for (unsigned i = 0; i < ROOM; i++)
		from[i] = (unsigned char)(i * 31 + i / 256);
	memset(to, 0xee, ROOM);
	memcpy(want, to, ROOM);
}

/* Copies n bytes of which `there` are; what is left is exact, what lies around untouched. */
static void try_copy(unsigned at_from, unsigned at_to, size_t n, size_t there)
{
	size_t left;

	memcpy(want + at_to, from + at_from, there);
	left = agent_copy(to + at_to, from + at_from, n);
	EXPECT(left == n - there, "%zu bytes left of %zu, %zu were there", left, n, there);
	EXPECT(memcmp(to, want, ROOM) == 0, "%zu bytes from %u to %u", n, at_from, at_to);
}

static const size_t sizes[] = {0,   1,	 2,   3,    4,	  7,	8,    9,    15,	  16,	17,   31,   32,	  33,  63,
			       64,  65,	 127, 128,  129,  144,	255,  256,  257,  300,	383,  384,  385,  511, 512,
			       513, 639, 700, 1023, 2047, 2048, 2049, 2175, 2176, 2177, 4095, 4096, 4097, 8191};

static void test_sizes(void)
{
	for (size_t i = 0; i < array_len(sizes); i++)
		for (unsigned a = 0; a < 34; a += 3)
			for (unsigned b = 0; b < 34; b += 5) {
				fill();
				try_copy(a, b, sizes[i], sizes[i]);
			}
}

/* A bad pointer behind each number of good bytes, on either side. */
static void test_faults(void)
{
	for (size_t i = 0; i < array_len(sizes) && sizes[i] <= 2177; i++) {
		size_t n = sizes[i], step = n < 700 ? 1 : 37;

		for (size_t there = 0; there < n; there += step) {
			fill();
			try_copy(ROOM - (unsigned)there, 5, n, there);
			fill();
			try_copy(5, ROOM - (unsigned)there, n, there);
		}
	}
	EXPECT(agent_zero(to + ROOM - 100, 150) == 50, "zeros up to a fault");
	EXPECT(agent_byte(to + ROOM) == -1 && agent_byte(from + 1) == from[1], "a byte");
}

/* The length of each string, from each place in a word, at the end of what is there. */
static void test_strings(void)
{
	char out[256];

	for (unsigned len = 0; len < 70; len++) {
		for (unsigned behind = 0; behind < 20; behind++) {
			char *s = (char *)from + ROOM - 1 - len - behind;

			memset(s, 'x', len);
			memset(s + len, 0, behind + 1);
			memset(out, 0x55, sizeof(out));
			EXPECT(agent_copy_string(out, s, sizeof(out)) == len && strcmp(out, s) == 0, "%u", len);
			EXPECT(agent_copy_string(out, s, len) == len, "no end within %u", len);
			memset(out, 0x55, sizeof(out));
			EXPECT(agent_copy_string(out, s, len + 1) == len && out[len] == 0 && out[len + 1] == 0x55,
			       "just enough room for %u", len);
		}
		memset(from + ROOM - 1 - len, 'x', len + 1);
		EXPECT(agent_copy_string(out, (char *)from + ROOM - 1 - len, sizeof(out)) == -EFAULT, "%u, no end",
		       len);
	}
}

/* ---- Vector registers ------------------------------------------------------------------ */

static bool has(uint32_t mode)
{
	uint32_t a, b, c, d;

	return mode == COPY_SSE || (__builtin_cpu_supports("avx") &&
				    (mode == COPY_AVX || (__get_cpuid_count(0xd, 1, &a, &b, &c, &d) && (a & 4))));
}

static uint32_t in_use(void)
{
	uint32_t a, d;

	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(1));
	return a & 4;
}

/* Copies n bytes with all 16 registers full, and says whether they are what they were. */
static bool kept(size_t n, bool wide)
{
	static unsigned char before[16 * 32], after[16 * 32];
	register unsigned char *b __asm__("rbx") = before, *a __asm__("r12") = after;

	for (size_t i = 0; i < sizeof(before); i++)
		before[i] = (unsigned char)(i * 7 + 3);
	memset(after, 0, sizeof(after));
	if (wide)
		__asm__ volatile(".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n vmovdqu 32*\\i(%0), %%ymm\\i\n .endr\n"
				 "call agent_copy\n"
				 ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n vmovdqu %%ymm\\i, 32*\\i(%1)\n .endr\n"
				 "vzeroupper"
				 :
				 : "r"(b), "r"(a), "D"(to), "S"(from), "d"(n)
				 : "memory", "rax", "rcx", "r8", "r9", "r10", "r11");
	else
		__asm__ volatile(".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movups 32*\\i(%0), %%xmm\\i\n .endr\n"
				 "call agent_copy\n"
				 ".irp i,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n movups %%xmm\\i, 32*\\i(%1)\n .endr\n"
				 :
				 : "r"(b), "r"(a), "D"(to), "S"(from), "d"(n)
				 : "memory", "rax", "rcx", "r8", "r9", "r10", "r11");
	for (size_t i = 0; i < 16; i++)
		if (memcmp(before + 32 * i, after + 32 * i, wide ? 32 : 16) != 0)
			return false;
	return true;
}

static void test_vectors(void)
{
	static const size_t some[] = {40, 256, 700, 2047, 2048, 4096};

	for (size_t i = 0; i < array_len(some); i++) {
		EXPECT(kept(some[i], false), "%zu bytes, 16 of each register", some[i]);
		if (!has(COPY_AVX))
			continue;
		EXPECT(kept(some[i], true), "%zu bytes, registers whole", some[i]);
		if (!has(COPY_AVX_CLEAN) || agent_copy_mode == COPY_AVX)
			continue;
		/* What was not in use is not in use afterwards. */
		__asm__ volatile("vzeroupper");
		if (in_use())
			continue;
		agent_copy(to, from, some[i]);
		EXPECT(!in_use(), "%zu bytes left upper halves in use", some[i]);
	}
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	sigaction(SIGSEGV, &sa, NULL);
	from = fenced();
	to = fenced();
	want = fenced();
	test_strings();
	for (uint32_t mode = COPY_SSE; mode <= COPY_AVX_CLEAN; mode++) {
		agent_copy_mode = mode;
		if (!has(mode))
			continue;
		test_sizes();
		test_faults();
		test_vectors();
		printf("mode %u: %d failures\n", mode, failures);
	}
	return failures != 0;
}
