/*
 * Arithmetic and conditions of the instruction set as plain functions: the
 * interpreter executes with them, the verifier folds constants with them, so
 * that both mean the same by an operation.
 */
#pragma once

#include "bpf/insn.h"

/* `op`: BPF_ADD to BPF_ARSH but BPF_NEG; off == 1: signed division. */
uint64_t alu64(unsigned op, int off, uint64_t dst, uint64_t src);
uint32_t alu32(unsigned op, int off, uint32_t dst, uint32_t src);
/* BPF_END of either class. */
uint64_t alu_end(const struct bpf_insn *i, uint64_t v);
/* The low `bits` (8, 16, 32) of v, sign extended to 64. */
uint64_t alu_sext(uint64_t v, unsigned bits);
/* BPF_JEQ to BPF_JSLE on 64 bits, or on the low 32. */
bool alu_cond(unsigned op, bool is32, uint64_t a, uint64_t b);
