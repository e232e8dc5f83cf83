/* A fuzz target, as drive.c and libFuzzer run it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TARGET_INPUT 65536u

/* Tries one input. Always 0: what is wrong ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Makes up a random one, of at most TARGET_INPUT bytes; `roll` throws a number below its argument. Its size. */
size_t target_make_up(uint8_t *input, uint64_t (*roll)(uint64_t n));
/* Tries the `k`-th of the named finds; their names, NULL behind the last. */
const char *target_find(unsigned k);
const char *target_find_name(unsigned k);
