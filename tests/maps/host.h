/* A host for programs in a test (helper.h), and programs made of instructions that name maps by their place in a list.
 */
#pragma once

#include "bpf/asm.h"
#include "bpf/interp.h"
#include "bpf/jit.h"
#include "bpf/verify.h"
#include "rig.h"

#define HOST_MAPS 16u

struct host {
	struct maps_run mr;
	struct run run;
	struct maps_task task, parent;
	char printed[256];
	uint32_t wakes, signals;
	uint64_t woken; /* the ring that was last */
	uint64_t override;
	int retval;
	uint64_t ips[4];
	uint32_t nips;
	bool unused;   /* every map: no loader holds it */
	uint64_t tail; /* entry of every program array's slots */
};

void host_init(struct host *h, struct task *t);

struct loaded {
	struct prog prog;
	struct jit_map jit;
	struct map_info info[HOST_MAPS], inner[HOST_MAPS];
	uint32_t nmaps;
};

/* Verifies and compiles; the log goes to standard output where the verifier refuses. 0 or -errno. */
int prog_load(struct rig *r, const struct bpf_insn *insns, uint32_t len, struct map *const *maps, uint32_t nmaps,
	      struct loaded *p);
void prog_unload(struct loaded *p);
/* Runs it compiled. */
uint64_t prog_run(struct host *h, const struct loaded *p, void *ctx);
/* Runs it in the checking interpreter; ends the test where a check trips. `access` as interp_env's. */
uint64_t prog_interp(struct host *h, const struct loaded *p, void *ctx, uint32_t len);
