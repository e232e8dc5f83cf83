/* Offsets that entry.S and C share; agent.h asserts that they agree. */
#pragma once

#define T_SELF 0
#define T_DEPTH 8
#define T_PENDING 12
#define T_CHILD 16
#define T_PARENT 24
#define T_RESUME 32
#define T_USER 112
#define T_ENTRY 136
#define T_CALLS 152
#define T_ANSWERED (T_CALLS + 4 * AGENT_NR)

#define AGENT_NR 472 /* numbers below this can have a handler */

/* struct agent_foreign */
#define F_OURS 0
#define F_COUNT 8
#define FOREIGN_FDS 16384

#define R_RAX 0
#define R_RDI 8
#define R_RSI 16
#define R_RDX 24
#define R_R10 32
#define R_R8 40
#define R_R9 48
#define R_FLAGS 56
#define R_SITE 64
#define R_RESUME 72
#define R_MASK 80
#define R_RBP 88
#define R_SIZE 96

/* The 128 bytes below the stack pointer belong to the interrupted function. */
#define RED_ZONE 128
#define R_FRAME (R_SIZE + RED_ZONE)
