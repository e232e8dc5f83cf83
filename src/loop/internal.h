/*
 * The loop's two engines. A *watch* is what the engine waits for, an entry in
 * a table that grows: completions name its index and generation, not its
 * owner's memory, which may be gone by then.
 */
#pragma once

#include <liburing.h>

#include "loop/loop.h"

enum watch_kind {
	WATCH_FREE = 0,
	WATCH_EVENT,
	WATCH_WORD,
};

struct watch {
	enum watch_kind kind;
	uint32_t gen; /* how often it was taken */
	void *owner;  /* struct loop_event or struct loop_word */
};

struct loop_engine {
	const char *name;
	int (*open)(struct loop *l);
	void (*close)(struct loop *l);
	int (*add)(struct loop *l, uint32_t id, int fd);
	void (*remove)(struct loop *l, uint32_t id, int fd);
	/* NULL: cannot. */
	int (*add_word)(struct loop *l, uint32_t id, uint32_t *word, uint32_t value);
	void (*remove_word)(struct loop *l, uint32_t id);
	/* Sleeps at most `ns` (UINT64_MAX: for ever) and calls loop_dispatch for what has happened. 0 or -errno. */
	int (*wait)(struct loop *l, uint64_t ns);
};

extern const struct loop_engine loop_uring;
extern const struct loop_engine loop_epoll;

struct loop {
	const struct loop_engine *engine;
	struct watch *watch;
	uint32_t nwatch;
	struct loop_timer *timers; /* in the order of their time */
	bool (*look)(void *arg);
	void *arg;
	bool ended;
	bool words; /* the kernel can wait for them */
	int epoll;
	struct io_uring uring;
};

static inline uint64_t loop_key(const struct loop *l, uint32_t id)
{
	return (uint64_t)l->watch[id].gen << 32 | id;
}

/* Is this key's watch still what it was? */
static inline struct watch *loop_watch(struct loop *l, uint64_t key)
{
	uint32_t id = (uint32_t)key;

	return id < l->nwatch && l->watch[id].kind != WATCH_FREE && l->watch[id].gen == key >> 32 ? &l->watch[id]
												  : NULL;
}

/* What the key names has happened. */
void loop_dispatch(struct loop *l, uint64_t key);
