/*
 * Soundness of the number sets, by trying: random sets, random members, each
 * operation and condition on the members must stay within what the sets say.
 *
 * usage: test_bounds [SEED [ROUNDS]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "bpf/bounds.h"
#include "bpf/interp_alu.h"

static uint64_t state;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1dull;
}

/* Numbers near what matters: 0, the signs, the halves, small ones. */
static uint64_t number(void)
{
	static const uint64_t near[] = {0,
					1,
					31,
					32,
					63,
					64,
					0xff,
					0x7fffffff,
					0x80000000,
					0xffffffff,
					0x100000000,
					0x7fffffffffffffff,
					0x8000000000000000,
					0xffffffff80000000,
					UINT64_MAX};

	switch (rnd() % 4) {
	case 0:
		return rnd();
	case 1:
		return rnd() % 64;
	case 2:
		return rnd() >> (rnd() % 64);
	default:
		return near[rnd() % array_len(near)] + rnd() % 5 - 2;
	}
}

static bool member(const struct bounds *b, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	return v >= b->umin && v <= b->umax && (int64_t)v >= b->smin && (int64_t)v <= b->smax && low >= b->umin32 &&
	       low <= b->umax32 && (int32_t)low >= b->smin32 && (int32_t)low <= b->smax32 &&
	       (v & ~b->bits.mask) == b->bits.value;
}

/* A set around v: narrowed by true statements on it. */
static struct bounds around(uint64_t v)
{
	struct bounds b = bounds_unknown();

	for (unsigned n = (unsigned)(rnd() % 4); n > 0; n--) {
		static const unsigned ops[] = {BPF_JEQ, BPF_JGT, BPF_JSGT, BPF_JSET, BPF_JLE, BPF_JSLE};
		unsigned op = ops[rnd() % array_len(ops)];
		bool is32 = rnd() & 1;
		uint64_t w = rnd() & 1 ? number() : v + rnd() % 9 - 4;
		struct bounds c = bounds_const(w);

		if (!alu_cond(op, is32, v, w))
			op = bounds_inverse(op);
		if (!bounds_assume(op, is32, &b, &c)) {
			printf("not ok - a true condition (%x) was called impossible\n", op);
			exit(1);
		}
	}
	if (rnd() % 4 == 0) {
		b.bits.mask &= rnd() | rnd();
		b.bits.value = v & ~b.bits.mask;
		bounds_sync(&b);
	}
	return b;
}

static void fail(const char *what, unsigned code, uint64_t a, uint64_t b, uint64_t v, const struct bounds *s)
{
	printf("not ok - %s %02x of 0x%llx and 0x%llx: 0x%llx is not in u[%llx,%llx] s[%llx,%llx] u32[%x,%x] "
	       "s32[%x,%x] bits %llx/%llx\n",
	       what, code, (unsigned long long)a, (unsigned long long)b, (unsigned long long)v,
	       (unsigned long long)s->umin, (unsigned long long)s->umax, (unsigned long long)s->smin,
	       (unsigned long long)s->smax, s->umin32, s->umax32, (unsigned)s->smin32, (unsigned)s->smax32,
	       (unsigned long long)s->bits.value, (unsigned long long)s->bits.mask);
	exit(1);
}

static void alu_round(void)
{
	static const unsigned ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_OR,  BPF_AND,
				       BPF_LSH, BPF_RSH, BPF_MOD, BPF_XOR, BPF_MOV, BPF_ARSH};
	unsigned op = ops[rnd() % array_len(ops)], class = rnd() & 1 ? BPF_ALU64 : BPF_ALU;
	struct bpf_insn i = {.code = (uint8_t)(class | op | BPF_X)};
	uint64_t a = number(), b = number(), v;
	struct bounds x = around(a), y = around(b), r;

	if (op == BPF_DIV || op == BPF_MOD)
		i.off = rnd() & 1;
	if ((op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH) && rnd() & 1) {
		b &= 31;
		y = rnd() & 1 ? bounds_const(b) : bounds_range(b & 3, b | 3);
	}
	r = bounds_alu(&i, &x, &y);
	v = class == BPF_ALU64 ? alu64(op, i.off, a, b) : alu32(op, i.off, (uint32_t)a, (uint32_t)b);
	if (!member(&r, v))
		fail("alu", i.code, a, b, v, &r);
}

static void width_round(void)
{
	static const unsigned bits[] = {8, 16, 32};
	unsigned n = bits[rnd() % 3];
	struct bpf_insn i = {.code = (uint8_t)((rnd() & 1 ? BPF_ALU : BPF_ALU64) | BPF_END | (rnd() & 1 ? BPF_X : 0)),
			     .imm = n == 8 ? 64 : (int)n};
	uint64_t v = number();
	struct bounds x = around(v), r = bounds_sext(&x, n);

	if (!member(&r, alu_sext(v, n)))
		fail("sext", n, v, 0, alu_sext(v, n), &r);
	r = bounds_zext(&x, n);
	if (!member(&r, n == 32 ? (uint32_t)v : n == 16 ? (uint16_t)v : (uint8_t)v))
		fail("zext", n, v, 0, v, &r);
	if (insn_class(&i) == BPF_ALU64)
		i.code = BPF_ALU64 | BPF_END;
	r = bounds_alu(&i, &x, &x);
	if (!member(&r, alu_end(&i, v)))
		fail("end", i.code, v, 0, alu_end(&i, v), &r);
}

static void cond_round(void)
{
	unsigned op = (unsigned)(1 + rnd() % 13) << 4;
	bool is32 = rnd() & 1, holds;
	uint64_t a = number(), b = rnd() & 1 ? number() : a + rnd() % 3 - 1;
	struct bounds x = around(a), y = around(b);
	int taken;

	if (op == BPF_CALL || op == BPF_EXIT)
		return;
	holds = alu_cond(op, is32, a, b);
	taken = bounds_taken(op, is32, &x, &y);
	if (taken >= 0 && taken != holds)
		fail("taken", op, a, b, holds, &x);
	if (!bounds_assume(holds ? op : bounds_inverse(op), is32, &x, &y))
		fail("impossible", op, a, b, holds, &x);
	if (!member(&x, a))
		fail("left", op, a, b, a, &x);
	if (!member(&y, b))
		fail("right", op, a, b, b, &y);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1,
		 rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 300000;

	state = seed * 0x9e3779b97f4a7c15ull + 1;
	printf("# seed %llu\n", (unsigned long long)seed);
	for (uint64_t n = 0; n < rounds; n++) {
		alu_round();
		width_round();
		cond_round();
	}
	printf("ok 1 - every result lay within its set, %llu rounds\n1..1\n", (unsigned long long)rounds);
	return 0;
}
