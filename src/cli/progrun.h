/* `bt-fuse prog run`: one program on its own. With --raw for conformance suites, else one that is loaded. */
#pragma once

#include "control/err.h"

/*
 * argv: "prog", options, "run". The program's instructions come in hex on standard input;
 * memory, whose address is R1 and length R2, in hex as argument. Prints R0 in
 * hex. Nothing is verified.
 */
int progrun(int argc, char **argv, struct err *err);

/*
 * Runs the loaded program `id` with BPF_PROG_TEST_RUN, as the kernel does: that
 * is for raw tracepoints. argv: "ctx_in FILE" (its arguments, 8 bytes each), or
 * nothing. The caller has left the world.
 */
int progrun_loaded(uint32_t id, char **argv, bool json, struct err *err);
