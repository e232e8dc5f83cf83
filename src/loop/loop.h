/*
 * One thread's event loop: descriptors, timers, and words in memory, and what
 * to do about them. On io_uring, where the kernel lets us, else on epoll.
 *
 * What is added lies in its owner's memory and stays there until it is
 * removed; callbacks may remove and free any of it, also what they belong to.
 * Nothing is called but from loop_run, in its thread.
 */
#pragma once

#include <stdint.h>

#include "base/compiler.h"

/* Readable, hung up or in error: called again until it is not any more (level-triggered, as poll is). */
struct loop_event {
	int fd; /* owned by whoever added it; removed before it is closed */
	void (*ready)(struct loop_event *ev);
	uint32_t id; /* for loop.c */
};

/* Called once, not before `at` (loop_now), then it is off until set again. */
struct loop_timer {
	void (*fired)(struct loop_timer *t);
	uint64_t at;		 /* for loop.c, as the rest */
	struct loop_timer *next; /* the one that is due after it */
};

/*
 * Called once, when *word is not `value` any more, or was woken by futex(2):
 * then it is off until set again. The word may be shared between processes.
 */
struct loop_word {
	void (*changed)(struct loop_word *w);
	uint32_t *word;
	uint32_t id; /* for loop.c */
};

enum loop_kind {
	LOOP_BEST = 0,	/* io_uring, or else epoll */
	LOOP_EPOLL = 1, /* for tests, and where io_uring is not wanted */
};

struct loop;

/* -errno. */
int loop_open(enum loop_kind kind, struct loop **out) must_check;
/* All that was added is forgotten. NULL is fine. */
void loop_close(struct loop *l);

int loop_add(struct loop *l, struct loop_event *ev) must_check;
/* The loop holds no reference to the descriptor afterwards. */
void loop_remove(struct loop *l, struct loop_event *ev);

/* Fires after `ns`; again: moves it. */
void loop_set_timer(struct loop *l, struct loop_timer *t, uint64_t ns);
void loop_clear_timer(struct loop *l, struct loop_timer *t);
/* CLOCK_MONOTONIC, ns. */
uint64_t loop_now(void);

/* Can it wait for words? io_uring of Linux 6.7 and later; else use an eventfd. */
bool loop_has_words(const struct loop *l);
/*
 * -EOPNOTSUPP: it cannot; -EBUSY: is set already, with the value of that time.
 * Where each change that matters is followed by a wake, that is as good.
 */
int loop_set_word(struct loop *l, struct loop_word *w, uint32_t value) must_check;
void loop_clear_word(struct loop *l, struct loop_word *w);

/* "io_uring" or "epoll". */
const char *loop_name(const struct loop *l);

/*
 * What is called before each sleep, for sources that have to be looked at
 * once more: true if it found something to do, so that the loop does not
 * sleep now but only looks what else there is. NULL: none.
 */
void loop_before_sleep(struct loop *l, bool (*look)(void *arg), void *arg);

/* Until loop_end. 0 or -errno. */
int loop_run(struct loop *l);
/* From within a callback. */
void loop_end(struct loop *l);
