/* Division and remainder in machine code. For jit_x86.c. */
#pragma once

#include "bpf/insn.h"
#include "bpf/x86.h"

/*
 * dst = dst / src or dst % src as the instruction says; `src` is a machine
 * register, or -1 where the divisor is i->imm. Uses r9, r10, r11.
 */
void jit_div(struct x86 *x, const struct bpf_insn *i, unsigned dst, int src, bool bmi2);
