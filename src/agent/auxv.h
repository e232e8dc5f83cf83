/* Reading the auxiliary vector. */
#pragma once

#include <elf.h>

static inline unsigned long aux(const unsigned long *auxv, unsigned long type)
{
	for (; auxv[0] != AT_NULL; auxv += 2) {
		if (auxv[0] == type)
			return auxv[1];
	}
	return 0;
}
