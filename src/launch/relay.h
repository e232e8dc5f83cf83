/*
 * A program that runs as our child, and is to hear the signals that we get as if it stood in our place: what somebody
 * sends us is passed on, what the whole process group gets (a terminal's Ctrl-C, kill(2) of 0 or of the group) it has
 * had already.
 */
#pragma once

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

struct relay {
	pid_t program;
	pid_t witness;	/* 0: there is none */
	uint64_t heard; /* by witnesses that were dismissed, and not yet by us: a bit a signal */
	sigset_t mask;	/* as it was */
	struct sigaction child;
};

/* Forks. 0 in the child, which is as we were; its pid, or -errno. One at a time, and no threads. */
pid_t relay_fork(struct relay *r);

/* Waits for its end, passing on. Its wait status; that of an exit with 126 where it is lost. */
int relay_wait(struct relay *r);
