/*
 * One thread's event loop: descriptors, and what to do when they are readable.
 * Serves what goes on beside the kernel's requests.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

/* Embedded in what it belongs to; that stays where it is until loop_remove. */
struct loop_event {
	int fd; /* owned by whoever added it */
	void (*ready)(struct loop_event *ev);
};

struct loop {
	int epoll; /* -1: not open */
	bool ended;
};

int loop_open(struct loop *l) must_check;
void loop_close(struct loop *l);

/* 0 or -errno. */
int loop_add(struct loop *l, struct loop_event *ev) must_check;
/* Also from within `ready`, of itself or of another. */
void loop_remove(struct loop *l, struct loop_event *ev);

/* Calls `ready` until loop_end. 0 or -errno. */
int loop_run(struct loop *l);
/* From within `ready`. */
void loop_end(struct loop *l);
