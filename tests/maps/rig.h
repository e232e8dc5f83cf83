/* A world in a memfd for tests, with one task; ends the test where anything fails that must not. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "maps/helper.h"

struct rig {
	int fd;
	struct arena a;
	struct task t;
};

#define RIG_BYTES (256ull << 20)

/* `ncpus` 0: the machine's. */
void rig_open(struct rig *r, uint32_t ncpus);
/* Checks the arena, too: what it has taken must be `taken` pages (UINT64_MAX: any). */
void rig_close(struct rig *r, uint64_t taken);
/* A map that must be made, owned by nobody but this test. */
struct map *rig_map(struct rig *r, const struct map_attr *a);
/* Makes it or returns the error. */
int rig_try_map(struct rig *r, const struct map_attr *a, struct map **m);
void rig_unmap(struct rig *r, struct map *m);

#define must(x)                                                                                                        \
	do {                                                                                                           \
		long long must_r = (long long)(x);                                                                     \
		if (must_r < 0) {                                                                                      \
			printf("Bail out! %s:%d: %s: %lld\n", __FILE__, __LINE__, #x, must_r);                         \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)
