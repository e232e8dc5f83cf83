/*
 * The trace log: what programs print (bpf_trace_printk), a ring of bytes that
 * writers never wait on; a reader that is slower loses lines. Entries are
 * records of 8 bytes' alignment: see trace.c.
 */
#pragma once

#include "world/world.h"

#define TRACE_TEXT 512u

struct tracelog_line {
	uint64_t when; /* CLOCK_MONOTONIC, ns */
	uint32_t pid, cpu;
	char comm[16];
	uint32_t len;
	char text[TRACE_TEXT]; /* NUL-terminated */
};

void tracelog_write(struct world *w, const struct tracelog_line *line);
/* Where a reader begins that wants what comes from now on; or the oldest that is there (`all`). */
uint64_t tracelog_start(const struct world *w, bool all);
/* The line at *at, which moves on. 1; 0: nothing yet; -EAGAIN: lines were lost, *at is where it goes on. */
int tracelog_read(const struct world *w, uint64_t *at, struct tracelog_line *out);
