/* Program text in bpftool's words. */
#pragma once

#include <stddef.h>

#include "bpf/prog.h"

#define DISASM_MAX 128u /* bytes that hold any instruction */

/*
 * Writes the instruction at `pc` as `bpftool prog dump xlated` and the
 * kernel's verifier do, "(b7) r0 = 1", without the pc, NUL-terminated. A map
 * is shown by its name. Returns the slots it takes.
 */
uint32_t disasm_insn(const struct prog *prog, uint32_t pc, char *buf, size_t size);
