/*
 * A program as the runtime holds it: its text, cut into functions, and what
 * the text refers to. Made by prog_decode() (decode.c), annotated by the
 * verifier, read by interpreter, compiler and disassembler.
 *
 * A struct prog has one owner and is not changed once it is verified; any
 * number of threads may then read it.
 */
#pragma once

#include "base/compiler.h"
#include "bpf/insn.h"
#include "bpf/log.h"

/* What verifier and compiler must know of a map. Constant. */
struct map_info {
	uint32_t type; /* enum bpf_map_type */
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	uint32_t flags;	       /* BPF_F_* */
	bool frozen;	       /* no system call changes it any more */
	int32_t spin_lock_off; /* in the value; -1: none */
	int32_t timer_off;     /* in the value; -1: none */
	uint64_t off;	       /* of the map's object, from run.base */
	uint64_t value_off;    /* of the first value of an array, from run.base; 0: not addressable */
	uint32_t stride;       /* bytes from one value of an array to the next */
	uint64_t cpu_stride;   /* of a per-CPU array: bytes from a value to that of the next CPU */
	/* Numbers of helpers that do this for this very map, without looking what it is; 0: the usual ones. */
	uint8_t fast_lookup, fast_update, fast_delete;
	const void *rodata;	      /* frozen, read-only, one entry: its bytes, for the verifier; or NULL */
	const struct map_info *inner; /* of a map in map: what its maps look like */
	char name[16];
};

struct prog_func {
	uint32_t start, end; /* slots [start, end) */
	uint32_t stack;	     /* bytes of its frame: a multiple of 8 */
	uint32_t flags;	     /* enum prog_func_flags */
};

enum prog_func_flags {
	FUNC_CALLED = 1 << 0,	/* a local call leads here */
	FUNC_CALLBACK = 1 << 1, /* its address is taken */
};

enum prog_mark {
	MARK_HIGH = 1 << 0,   /* second slot of lddw */
	MARK_TARGET = 1 << 1, /* a jump leads here */
	MARK_BACK = 1 << 2,   /* a jump from behind leads here: head of a loop */
	MARK_DEAD = 1 << 3,   /* the verifier proved that it never runs */
};

struct prog {
	struct bpf_insn *insns; /* owned; `len` slots */
	uint32_t len;
	uint8_t *mark;		 /* owned; enum prog_mark per slot */
	struct prog_func *funcs; /* owned; by address, [0] is the entry */
	uint32_t nfuncs;
	/* Maps that the text refers to: lddw's imm is an index once they are resolved. Owned array. */
	const struct map_info **maps;
	uint32_t nmaps;
	/* By slot, from the verifier: 1 + index of the one map that a helper call there gets. Owned; NULL: unknown. */
	uint8_t *call_map;
};

/*
 * Takes a copy of `len` slots and validates what can be seen without running:
 * opcodes, reserved fields, register numbers, jump targets within a function,
 * whole lddw pairs, functions that do not fall off their end. On success *out
 * belongs to the caller: prog_free(). -EINVAL with the reason in the log,
 * -E2BIG, -ENOMEM.
 *
 * Frames are INSN_STACK bytes each until the verifier knows better.
 */
int prog_decode(const struct bpf_insn *insns, uint32_t len, struct prog *out, struct log *log) must_check;
void prog_free(struct prog *prog);

/* The index of the function that holds slot `pc`. */
uint32_t prog_func_of(const struct prog *prog, uint32_t pc);

/*
 * Replaces the map references of the text by indices into prog->maps, which
 * it fills. `find` yields the map that the reference `lddw` (by descriptor or
 * by index into bpf_attr.fd_array, as its src_reg says) means, or NULL.
 * -EBADF, -EINVAL, -E2BIG (over PROG_MAPS), with the reason in the log.
 */
int prog_resolve_maps(struct prog *prog, const struct map_info *(*find)(void *arg, const struct bpf_insn *lddw),
		      void *arg, struct log *log) must_check;
/* The image of a task that programs see (maps/helper.h): its bytes, and where its pointers to other tasks are. */
#define TASK_BYTES 80u
#define TASK_POINTERS 8u
#define TASK_POINTERS_END 32u

#define PROG_MAPS 64u
#define CALL_MAP_MIXED 255u /* several, or one that is not in the list */
