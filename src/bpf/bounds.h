/*
 * What is known of a number: its bits (tnum) and its range as unsigned and as
 * signed, in 64 bits and of the low 32 bits. Six views of one set; each
 * operation gives a set that contains all results, in every view.
 *
 * bounds_sync() carries what one view knows over to the others. It tells when
 * they contradict each other: then the number does not exist, and the path
 * that leads here is never taken.
 */
#pragma once

#include "bpf/insn.h"
#include "bpf/tnum.h"

struct bounds {
	struct tnum bits;
	uint64_t umin, umax;
	int64_t smin, smax;
	uint32_t umin32, umax32;
	int32_t smin32, smax32;
};

struct bounds bounds_const(uint64_t v);
struct bounds bounds_unknown(void);
/* Unsigned min to max. */
struct bounds bounds_range(uint64_t min, uint64_t max);
struct bounds bounds_signed(int64_t min, int64_t max);
static inline bool bounds_is_const(const struct bounds *b)
{
	return b->bits.mask == 0;
}

/* False where the views contradict each other. */
bool bounds_sync(struct bounds *b);
/* Is every number of `in` one of `b`, in each view? */
bool bounds_contain(const struct bounds *b, const struct bounds *in);
/* Numbers of both. False: there is none. */
bool bounds_intersect(struct bounds *b, const struct bounds *with);

/* The instruction's arithmetic: a = a op b. BPF_NEG and BPF_END ignore b. */
struct bounds bounds_alu(const struct bpf_insn *i, const struct bounds *a, const struct bounds *b);
/* The low 32 bits, zero extended. */
struct bounds bounds_zext32(const struct bounds *b);
/* The low `bits` (8, 16, 32), sign extended to 64. */
struct bounds bounds_sext(const struct bounds *b, unsigned bits);
/* The low `bits`, zero extended. */
struct bounds bounds_zext(const struct bounds *b, unsigned bits);

/* Is the branch always taken (1), never (0), or can't one know (-1)? */
int bounds_taken(unsigned op, bool is32, const struct bounds *a, const struct bounds *b);
/*
 * Narrows both operands to where `op` holds. False: it never does.
 * bounds_inverse() gives the operation for the other way.
 */
bool bounds_assume(unsigned op, bool is32, struct bounds *a, struct bounds *b);
/* BPF_JSET has no inverse among the codes: this one stands for "no bit in common". */
#define BOUNDS_JNSET 0xf0u
unsigned bounds_inverse(unsigned op);
