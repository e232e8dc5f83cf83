/*
 * What a state's future depends on. While paths are walked, each instruction
 * leaves a note of what it did: which slots of its frame it read and surely
 * overwrote, and which numbers decided something ("need": an address, the
 * size that a helper got, a branch of which one side was not walked). Solved
 * backwards over the program's graph these notes say, at each pc, which
 * registers and slots are live, and whose numbers are relevant: may be needed
 * later, directly or through arithmetic, copies and comparisons.
 *
 * A state whose paths have all been walked has left all its notes. For a
 * later state at the same pc only what is live must agree with it, and of the
 * numbers only the relevant ones. Notes only grow, and the solution is kept up
 * by a worklist: the work is bounded by the number of bits.
 */
#pragma once

#include "bpf/vstate.h"

/* Registers as a mask (bit r), slots of one frame as a mask (bit k). */
struct vset {
	uint16_t regs;
	uint64_t slots;
};

int vflow_new(struct verifier *v) must_check;
void vflow_free(struct verifier *v);

/* At the start and the end of each instruction that is walked. -ENOMEM: a note was lost. */
void vflow_begin(struct verifier *v);
int vflow_end(struct verifier *v) must_check;

/* Notes of the current instruction. Slots are of frame `depth` of the current state. */
void vflow_read(struct verifier *v, uint32_t depth, uint64_t slots);
void vflow_write(struct verifier *v, uint32_t depth, uint64_t slots, uint64_t whole);
void vflow_need_reg(struct verifier *v, unsigned reg);
/* A condition said something of these too, because they hold the same number. */
void vflow_link(struct verifier *v, struct vset set);

/* Brings the solution up to date. */
void vflow_solve(struct verifier *v);
/* Before instruction `pc`, of its function's frame. Valid after vflow_solve(). */
struct vset vflow_live(const struct verifier *v, uint32_t pc);
struct vset vflow_relevant(const struct verifier *v, uint32_t pc);
bool vflow_visited(const struct verifier *v, uint32_t pc);
