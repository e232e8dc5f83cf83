/* A dynptr as it lies on a program's stack, where only helpers look into it. */
#pragma once

#include "maps/help.h"

#define DYNPTR_SAMPLE 0x80000000u
#define DYNPTR_MAX 0xffffffu /* bytes, as in the kernel */

/* As large as the kernel's struct bpf_dynptr, which is opaque. */
struct dynptr {
	uint64_t data; /* address; of a user ring's sample, of the ring's map; 0: it is none */
	uint32_t size; /* and DYNPTR_SAMPLE: a sample, which may go around the end of the ring */
	uint32_t at;   /* of a sample: place in the data */
};

_Static_assert(sizeof(struct dynptr) == sizeof(struct bpf_dynptr), "it stands for one");
