/* `bt-fuse prog run --raw`: one program on its own, for conformance suites. */
#pragma once

#include "control/err.h"

/*
 * argv[0] is "run". The program's instructions come in hex on standard input;
 * memory, whose address is R1 and length R2, in hex as argument. Prints R0 in
 * hex. Nothing is verified.
 */
int progrun(int argc, char **argv, struct err *err);
