/* The functions of sample.S, and where their syscall instructions are. */
#pragma once

#include <stdint.h>

enum reg { RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8, R9, R10, R11, R12, R13, R14, R15, REGS };

struct regs {
	uint64_t r[16]; /* by enum reg */
	uint64_t flags;
	uint64_t red[3]; /* what was found in the red zone afterwards */
};

void near_mov(struct regs *r);
void near_neighbour(struct regs *r);
void near_rip(struct regs *r);
void pad(struct regs *r);
void moved(struct regs *r);

/* Addresses of the instructions. */
extern const struct {
	const uint8_t *near_mov, *near_neighbour, *near_rip, *pad, *moved, *sigreturn;
} sample_sites;
