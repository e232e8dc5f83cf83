/*
 * The verifier's own structures. A state is what is known at one point of one
 * path: registers and stack of each open call. Private to the verifier.
 *
 * Words: a slot here is 8 bytes of stack; slot k of a frame lies at
 * [fp - 8(k+1), fp - 8k). "Need" and "relevant": see vflow.h.
 */
#pragma once

#include <errno.h>

#include "bpf/bounds.h"
#include "bpf/proto.h"
#include "bpf/verify.h"

enum vkind {
	V_NONE = 0, /* not written */
	V_SCALAR,
	V_CTX,
	V_STACK,
	V_MAP,
	V_VALUE,  /* in a map's value */
	V_KEY,	  /* in a map's key: readable */
	V_RECORD, /* memory of a reserving helper */
	V_FUNC,	  /* a function of the program */
	V_TASK,	  /* the image of a task: readable */
	V_DYNPTR, /* a dynptr that a callback got: for helpers only; in a slot: one on the stack (vdynptr.c) */
	V_MEM,	  /* memory behind a dynptr */
};

struct vreg {
	uint8_t kind; /* enum vkind */
	uint8_t maybe_null;
	uint8_t frame; /* V_STACK: whose */
	int32_t off;   /* pointers: the known part of the offset */
	uint32_t id;   /* scalars of one value, pointers of one lookup share it; 0: none */
	uint32_t ref;  /* V_RECORD, V_DYNPTR: the reference */
	uint32_t dyn;  /* V_MEM: id of the dynptr */
	uint32_t size; /* V_RECORD, V_MEM: bytes. V_FUNC: its first slot of program text. V_DYNPTR: enum vdyn */
	const struct map_info *map;
	struct bounds b; /* scalars: the value. Pointers: the unknown part of the offset */
};

enum vdyn {
	DYN_LOCAL = 1, /* of memory in a map's value */
	DYN_RING,      /* of a record, which must be given up */
};

enum vbyte {
	BYTE_NONE = 0, /* not written */
	BYTE_MISC,
	BYTE_ZERO,
	BYTE_SPILL,  /* of the slot's register, from the slot's lowest byte on */
	BYTE_DYNPTR, /* half of a dynptr: all 8 bytes */
};

struct vslot {
	struct vreg reg;
	uint8_t byte[8]; /* enum vbyte, by address */
};

enum vcall {
	CALL_PLAIN = 0,
	CALL_LOOP,  /* by a helper, again and again: returns 0 or 1 */
	CALL_ASYNC, /* by a timer: its own entry */
};

#define VSLOTS (INSN_STACK / 8)

struct vframe {
	struct vreg reg[INSN_REGS];
	uint32_t func;	    /* index */
	uint32_t callsite;  /* pc in the caller */
	uint32_t how;	    /* enum vcall */
	uint32_t loop;	    /* number of the callback-calling helper call that runs; 0: none */
	uint32_t turn;	    /* CALL_LOOP: number of this turn of the helper's loop */
	uint32_t nslots;    /* in use: the others were not written */
	struct vslot *slot; /* owned, room for `nslots` */
};

#define VREFS 16

struct vref {
	uint32_t id;
	uint32_t pc; /* where it was taken */
};

struct vstate {
	uint32_t depth; /* of the current frame */
	uint32_t nrefs;
	struct vframe *frame[INSN_FRAMES]; /* owned up to depth */
	struct vref ref[VREFS];
	const struct map_info *lock_map; /* of the spin lock that is held, or NULL */
	uint32_t lock_id;
	uint32_t again; /* just came back from a callback to the call that makes it */
};

/* A state that was remembered at a pc. */
struct vseen {
	struct vstate st;
	struct vseen *next;   /* at the same pc */
	struct vseen *parent; /* remembered last on the way here */
	uint32_t branches;    /* paths from here that are not at their end; 0: finished */
	uint32_t seq;
	uint32_t waits; /* finished only when the state with this number is; 0: none */
	uint32_t hits, misses;
	bool evicted; /* not in a list any more */
};

/* A branch that is still to be walked. */
struct vpath {
	struct vstate st;
	struct vpath *next;
	struct vseen *parent;
	uint32_t pc, from;
	size_t log_used;
};

struct vflow;

struct verifier {
	struct prog *prog;
	const struct verify_opts *opts;
	struct log *log;
	bool in_line; /* an instruction was printed, its line is not at its end */
	uint32_t level;
	struct vstate st; /* current */
	uint32_t pc;
	uint32_t next; /* pc that follows; set by each instruction */
	struct vpath *paths;
	uint32_t npaths;
	struct vseen **seen; /* by pc */
	uint32_t *nseen;     /* by pc */
	struct vseen *parent;
	struct vflow *flow;
	uint32_t ids, seqs, loops, turns; /* last numbers given */
	uint32_t jumps, jumps_at_last, insns_at_last;
	uint32_t live_states;
	struct verify_stats stats;
	uint32_t *depth; /* by function: bytes of stack used */
};

static inline struct vframe *vtop(struct verifier *v)
{
	return v->st.frame[v->st.depth];
}

static inline struct vreg *vregs(struct verifier *v)
{
	return vtop(v)->reg;
}

static inline bool vreg_is_const(const struct vreg *r)
{
	return r->kind == V_SCALAR && bounds_is_const(&r->b);
}

static inline bool vreg_is_zero(const struct vreg *r)
{
	return vreg_is_const(r) && r->b.umax == 0;
}

static inline struct vreg vreg_scalar(struct bounds b)
{
	return (struct vreg){.kind = V_SCALAR, .b = b};
}

static inline struct vreg vreg_pointer(enum vkind kind)
{
	return (struct vreg){.kind = (uint8_t)kind, .b = bounds_const(0)};
}

/* --- vstate.c: copies and slots --- */

int vstate_copy(struct vstate *to, const struct vstate *from) must_check;
void vstate_free(struct vstate *st);
struct vframe *vframe_new(uint32_t func, uint32_t callsite, enum vcall how);
void vframe_free(struct vframe *f);
/* Makes room for slot k. */
int vframe_grow(struct vframe *f, uint32_t k) must_check;
/* Calls fn for each register and each spilled one, of all frames. */
void vstate_each(struct vstate *st, void (*fn)(struct vreg *r, void *arg), void *arg);

/* --- vprint.c: the log --- */

const char *vkind_name(const struct vreg *r);
/* One register, as the kernel's log shows it. */
void vprint_reg(struct verifier *v, const struct vreg *r);
/* All of the current frame. */
void vprint_state(struct verifier *v);
/* What changed against `before` (of the current frame). */
void vprint_changes(struct verifier *v, const struct vreg *before);
/* Ends a line that shows an instruction. */
void vprint_break(struct verifier *v);
/* A line for the user; evaluates to err. */
#define vfail(v, err, ...) (vprint_break(v), log_printf((v)->log, __VA_ARGS__), (err))

/* --- vmem.c: memory --- */

enum vaccess {
	ACCESS_READ = 1,
	ACCESS_WRITE = 2,
	ACCESS_ATOMIC = ACCESS_READ | ACCESS_WRITE,
};

/* `size` bytes at register + off. A load sets the register `dst` (-1: none), a store takes `value`. */
int vmem_load(struct verifier *v, unsigned reg, int off, unsigned size, bool sign, unsigned dst) must_check;
int vmem_store(struct verifier *v, unsigned reg, int off, unsigned size, const struct vreg *value,
	       int value_reg) must_check;
int vmem_atomic(struct verifier *v, const struct bpf_insn *i) must_check;
/* Memory that a helper reads or writes: `size` bytes from register `reg` on. */
int vmem_helper(struct verifier *v, unsigned reg, uint32_t size, enum vaccess access, bool must_be_init) must_check;

/* --- vstack.c: the bytes [lo, hi) of r->frame, from its frame pointer --- */

int vstack_load(struct verifier *v, unsigned reg, const struct vreg *r, int64_t lo, int64_t hi, unsigned size,
		struct vreg *out) must_check;
int vstack_store(struct verifier *v, unsigned reg, const struct vreg *r, int64_t lo, int64_t hi, unsigned size,
		 const struct vreg *value) must_check;
int vstack_helper(struct verifier *v, unsigned reg, const struct vreg *r, int64_t lo, int64_t hi, enum vaccess access,
		  bool must_be_init) must_check;

/* --- vargs.c: arguments of helpers --- */

/* What is collected while the arguments of one helper call are checked. */
struct vhelper {
	const struct proto *proto;
	uint32_t helper;
	const struct map_info *map;
	uint32_t const_size;  /* ARG_CONST_SIZE */
	uint64_t max_size;    /* of an ARG_MEM_OUT */
	uint32_t func;	      /* ARG_CALLBACK: its first slot */
	uint32_t released;    /* reference */
	uint32_t dyn;	      /* ARG_DYNPTR: its id; 0: a callback's */
	struct vreg made;     /* ARG_DYNPTR_NEW: where; kind V_NONE: none */
	struct vreg given_up; /* ARG_DYNPTR_RING: where */
};
/* Holds R1 to R5 against c->proto and fills the rest of *c. */
int vargs_check(struct verifier *v, struct vhelper *c) must_check;

/* --- vdynptr.c --- */

int vdynptr_arg(struct verifier *v, unsigned reg, unsigned type, struct vhelper *c) must_check;
/* After the helper: what was made is there, what was given up is not. */
void vdynptr_make(struct verifier *v, const struct vhelper *c, uint32_t id, uint32_t ref);
void vdynptr_give_up(struct verifier *v, const struct vhelper *c);
/* Bytes [lo, hi) of the frame are stored to: dynptrs there end; -EINVAL where one has a record. */
int vdynptr_overwrite(struct verifier *v, struct vframe *f, int64_t lo, int64_t hi) must_check;
/* A helper may write [lo, hi): no dynptr may be there. */
int vdynptr_untouched(struct verifier *v, const struct vframe *f, int64_t lo, int64_t hi) must_check;

/* --- valu.c, vbranch.c, vcall.c --- */

int valu(struct verifier *v, const struct bpf_insn *i) must_check;
int vlddw(struct verifier *v, const struct bpf_insn *i) must_check;
int vbranch(struct verifier *v, const struct bpf_insn *i) must_check;
int vcall_local(struct verifier *v, const struct bpf_insn *i) must_check;
int vcall_helper(struct verifier *v, const struct bpf_insn *i) must_check;
/* 1: this path is at its end. */
int vcall_exit(struct verifier *v) must_check;

/* Register `reg` of the current frame must have been written. */
int vneed_init(struct verifier *v, unsigned reg) must_check;

/* --- vcover.c --- */

/* Does `old` cover `now`, both at v->pc? Strictly: as if everything were live and relevant. */
bool vcover_state(struct verifier *v, const struct vstate *old, const struct vstate *now, bool strict);
/* After a callback: forgets numbers in the callers' stacks that change with each turn and decide nothing. */
void vcover_widen(struct verifier *v);

/* --- vprune.c --- */

/* Remembers the current state for later at `pc`; the caller goes on with its own. */
int vpush(struct verifier *v, uint32_t pc) must_check;
/* The same with another state, which it takes over. */
int vpush_state(struct verifier *v, struct vstate *st, uint32_t pc) must_check;
/* 1: the current state at v->pc needs no walk. */
int vprune(struct verifier *v) must_check;
/* The current path is at its end. */
void vpath_end(struct verifier *v);
void vprune_free(struct verifier *v);
