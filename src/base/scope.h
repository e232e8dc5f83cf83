/*
 * Release by scope. A variable marked with one of these is released when it
 * goes out of scope; steal() hands it on and disarms the release:
 *
 *	autofree char *s = strdup(x);
 *	...
 *	out->s = steal(&s);
 *
 * Hosted programs only (daemon, cli, tests): free() is libc's.
 */
#pragma once

#include <stdlib.h>

#include "base/sys.h"

static inline void scope_free(void *pp)
{
	free(*(void **)pp);
}

static inline void scope_close(const int *fd)
{
	if (*fd >= 0)
		sys_close(*fd);
}

#define autofree __attribute__((cleanup(scope_free)))
#define autoclose __attribute__((cleanup(scope_close)))

/* Yields the pointer and leaves NULL behind. */
#define steal(pp)                                                                                                      \
	__extension__({                                                                                                \
		__typeof__(*(pp)) scope_stolen = *(pp);                                                                \
		*(pp) = NULL;                                                                                          \
		scope_stolen;                                                                                          \
	})

/* Yields the descriptor and leaves -1 behind. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}
