/*
 * One call on a map, and two who answer it: the kernel's bpf(2), and ours.
 * A sequence is made from a seed and a kind of map alone.
 */
#pragma once

#include "rig.h"

enum call_op {
	CALL_LOOKUP,
	CALL_UPDATE,
	CALL_DELETE,
	CALL_TAKE,
	CALL_NEXT, /* kinds whose order is a matter of contract */
	CALL_DUMP, /* all keys and values, sorted by key */
	CALL_BATCH_LOOKUP,
	CALL_BATCH_UPDATE,
	CALL_BATCH_DELETE,
	CALL_BATCH_TAKE,
	CALL_FREEZE,
	CALL_OPS,
};

#define CALL_ITEMS 64u		  /* of a batch */
#define CALL_BYTES (256u * 1024u) /* of what comes back */

struct call {
	enum call_op op;
	uint64_t flags;
	bool no_key;	/* a null pointer */
	bool bad_key;	/* an address that is not there */
	bool bad_value; /* likewise */
	uint32_t count; /* of a batch */
	uint8_t key[CALL_ITEMS * 64];
	uint8_t *value; /* CALL_BYTES */
};

struct answer {
	int err;
	uint32_t count; /* of a batch */
	uint32_t bytes;
	uint8_t *data; /* CALL_BYTES */
};

/* Of a kind: which calls make sense to compare, a bit an op. */
struct kind {
	const char *name;
	struct map_attr attr;
	uint32_t ops;
	uint32_t keys;	/* random keys lie below */
	uint32_t setup; /* enum kind_setup */
};

enum kind_setup {
	KIND_LPM = 1 << 0,    /* keys are prefixes */
	KIND_MEMBER = 1 << 1, /* values are small numbers, looked up as members */
};

extern const struct kind kinds[];
extern const unsigned nkinds;

uint32_t prng(uint64_t *state);
void call_make(const struct kind *k, uint32_t value_bytes, uint64_t *rng, struct call *c);
void call_print(const struct kind *k, const struct call *c, const struct answer *a);

/* The kernel: a descriptor, or -errno; the number of CPUs that its per-CPU maps have, 0: it is not to be asked. */
int kernel_map(const struct map_attr *a);
uint32_t kernel_cpus(void);
void kernel_call(int fd, const struct kind *k, uint32_t value_bytes, const struct call *c, struct answer *a);
void our_call(struct task *t, struct map *m, const struct kind *k, uint32_t value_bytes, const struct call *c,
	      struct answer *a);
