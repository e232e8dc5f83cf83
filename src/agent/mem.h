/* Memory and strings of the agent. Freestanding, no fault is handled here: see user.h. */
#pragma once

#include "base/compiler.h"
#include "base/decimal.h"

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t mem_length(const char *s);
/* Does `s` begin with `prefix`? */
bool mem_prefix(const char *s, const char *prefix);
