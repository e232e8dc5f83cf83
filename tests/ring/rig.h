/* What the tests of the ring share: a pool that holds nothing but rings. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/channel.h"
#include "ring/server.h"

struct rig {
	int fd;
	struct pool pool;
	struct ring ring;
};

/* Also in the middle of a forked child: says what was false, and ends the process. */
#define must(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                                     \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* A new pool, with a seat for this process. */
void rig_make(struct rig *rig, const struct ring_geometry *geo);
/* In a forked child: a mapping and a seat of its own. */
void rig_join(struct rig *rig, int fd);
void rig_drop(struct rig *rig);

/* A server that answers with the request's bytes, each one plus 1, result = op. */
void rig_echo(struct ring_server *s, const struct served *q, void *arg);
/* Runs it until killed. ready: written to when it serves. */
_Noreturn void rig_serve(int fd, int eventfd, int ready);
/* The same in a process of its own; returns when it serves. */
pid_t rig_server(int fd, int eventfd);
void rig_kill(pid_t pid);

/* One echo, verified. 0 or the error. */
int rig_echo_call(struct channel *c, uint32_t who, uint32_t op, uint32_t len, uint64_t timeout);

uint64_t rig_random(uint64_t *state);
