/*
 * What a helper takes and gives: the words of the verifier, of the checking
 * interpreter (which holds helpers' arguments against the same table), and of
 * the disassembler. The numbers are the kernel's (enum bpf_func_id).
 */
#pragma once

#include <stdint.h>

#include "base/compiler.h"

enum arg_type {
	ARG_NONE = 0,	   /* the helper takes fewer */
	ARG_ANY,	   /* a scalar, or anything that is initialised */
	ARG_CTX,	   /* the context as the program got it */
	ARG_MAP,	   /* a map, of the types that the helper serves */
	ARG_KEY,	   /* readable memory of the map's key size */
	ARG_VALUE,	   /* readable memory of the map's value size */
	ARG_VALUE_OUT,	   /* writable memory of the map's value size, need not be initialised */
	ARG_MEM,	   /* readable memory; its size is the next argument */
	ARG_MEM_OUT,	   /* writable memory, need not be initialised; its size is the next argument */
	ARG_SIZE,	   /* bytes of the argument before, at least 1 */
	ARG_SIZE_OR_ZERO,  /* bytes of the argument before */
	ARG_CONST_SIZE,	   /* a known number: bytes of what is returned */
	ARG_LONG_OUT,	   /* writable, 8 bytes, need not be initialised */
	ARG_STR,	   /* a NUL-terminated constant in a frozen read-only map */
	ARG_LOCK,	   /* the spin lock in a map's value */
	ARG_TIMER,	   /* the timer in a map's value */
	ARG_RECORD,	   /* what a reserving helper returned; given up here */
	ARG_CALLBACK,	   /* a function of the program */
	ARG_STACK_OR_NULL, /* an address on the program's stack, or 0 */
	ARG_ZERO,	   /* the constant 0 */
	ARG_TASK,	   /* what get_current_task_btf returned, or a task that hangs on it */
	ARG_DYNPTR,	   /* a dynptr: on the stack, or what a callback got */
	ARG_DYNPTR_NEW,	   /* 16 bytes of stack, which will be one */
	ARG_DYNPTR_RING,   /* one of ringbuf_reserve_dynptr, given up here */
};
#define ARG_OR_NULL 0x80 /* with a pointer kind: 0 is allowed too */

enum ret_type {
	RET_SCALAR = 0,
	RET_VOID,
	RET_VALUE_OR_NULL,  /* a value of the map of argument 1 */
	RET_RECORD_OR_NULL, /* memory of argument 2 (ARG_CONST_SIZE) bytes, to be given up */
	RET_MEM_OR_NULL,    /* memory of argument 3 (ARG_CONST_SIZE) bytes behind the dynptr of argument 1 */
	RET_TASK,	    /* the image of a task: prog.h */
};

enum proto_flags {
	PROTO_RANGE = 1 << 0, /* returns at most the bytes of its ARG_MEM_OUT, or a negative error */
	PROTO_LOCK = 1 << 1,
	PROTO_UNLOCK = 1 << 2,
	PROTO_TAIL_CALL = 1 << 3,
	PROTO_LOOP = 1 << 4,	  /* calls argument 2, a function of (index, argument 3) */
	PROTO_EACH = 1 << 5,	  /* calls argument 2, a function of (map, key, value, argument 3) */
	PROTO_TIMER = 1 << 6,	  /* calls argument 2 later, a function of (map, key, value) */
	PROTO_DRAIN = 1 << 7,	  /* calls argument 2, a function of (dynptr, argument 3) */
	PROTO_DYN_LOCAL = 1 << 8, /* makes a dynptr of argument 1, memory in a map's value */
	PROTO_DYN_RING = 1 << 9,  /* makes one that must be given up */
};

#define PROTO_ARGS 5
/* Map types that a helper's ARG_MAP may have: a bit a type, 0: any. */
#define MAPS_OF(type) (1ull << (type))

struct proto {
	uint8_t known;		 /* 0: an empty entry of the table */
	uint8_t ret;		 /* enum ret_type */
	uint8_t arg[PROTO_ARGS]; /* enum arg_type */
	uint16_t flags;		 /* enum proto_flags */
	uint64_t maps;
};

/* The prototype of a helper that programs may call, or NULL. */
const struct proto *proto_of(uint32_t helper);
/* "map_lookup_elem"; NULL where Linux knows no such number. */
const char *proto_name(uint32_t helper);
