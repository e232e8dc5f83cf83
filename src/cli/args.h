/* Command lines: options, near misses, quantities. */
#pragma once

#include <getopt.h>
#include <stdint.h>

#include "base/compiler.h"
#include "control/err.h"

/*
 * getopt_long(3) that fills *err instead of printing. Returns an option's
 * character, -1 at the end, or '?' with the text.
 */
int args_next(int argc, char **argv, const char *shorts, const struct option *longs, struct err *err);

/* The one of `words` (NULL at the end) that `word` is likely to be a slip of; NULL: none. */
const char *args_near(const char *word, const char *const *words);

/* "512M", "10G", "50%" (of this machine's memory), bytes. 0 or -errno with a text. */
int args_size(const char *s, uint64_t *out, struct err *err) must_check;

/* A number from 0 to `max`, in the given base; `what` names it in the text. */
int args_number(const char *what, const char *s, int base, uint64_t max, uint64_t *out, struct err *err) must_check;
