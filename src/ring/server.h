/*
 * The server's end of all channels.
 *
 *	while (running) {
 *		while (ring_server_poll(s) > 0)
 *			;
 *		if (ring_server_idle(s, &value))
 *			... sleep while *ring_server_word(s) == value, or until
 *			    the eventfd is readable; an io_uring loop does so
 *			    for this and all else that it waits for ...
 *		ring_server_awake(s);
 *	}
 *
 * or ring_server_wait for a thread that does nothing else. One thread polls;
 * answers may come from any thread, later, in any order.
 *
 * What a client writes is copied, checked, then used. A malformed entry ends
 * that channel: its owner gets -EUCLEAN from each call on it.
 */
#pragma once

#include "ring/ring.h"

/*
 * A request as the server took it: a copy, checked. The bytes at `in` and
 * `data` can be changed by the client at any time: copy what is to be checked.
 */
struct served {
	uint64_t id; /* differs from that of every other request under way */
	uint32_t channel;
	uint32_t slot;
	uint32_t op;
	uint32_t len;	   /* bytes at `in` */
	uint32_t data_len; /* bytes at `data`, for reading and for the answer */
	const void *in;
	void *data;
	uint64_t word; /* for server.c */
};

struct ring_server_stats {
	uint64_t served;    /* requests handed to the handler */
	uint64_t cancelled; /* given up before they were taken */
	uint64_t broken;    /* channels that had a malformed entry */
	uint64_t reset;	    /* channels taken back from who left or died */
	uint64_t slept;	    /* times that it announced to go to sleep */
	uint32_t depth;	    /* taken and not answered now */
	uint32_t depth_max;
	uint32_t channels; /* in use now */
};

struct ring_server;

/* *q is the callee's to copy. It answers it now or later, exactly once. */
typedef void ring_server_handler(struct ring_server *s, const struct served *q, void *arg);

/* In the process's own memory. Members are for server.c. */
struct ring_server {
	struct ring *ring;
	uint64_t seat;
	ring_server_handler *handler;
	void *arg;
	struct ring_server_stats stats; /* `depth` is atomic, the others are the polling thread's */
	int eventfd;
	uint32_t spin;
	struct {
		uint64_t head;	/* what is trusted; the one in shared memory is for a successor */
		uint32_t taken; /* not answered yet. Atomic */
		bool known;	/* counted in stats.channels */
	} channel[RING_CHANNELS];
};

/*
 * Takes the rings over. This process has a client seat in the pool. What a
 * dead predecessor had taken and not answered gets -ENOTCONN, what lies in the
 * rings will be served. `eventfd`: not owned; -1: sleeps on the word. -EBUSY:
 * another server lives.
 */
int ring_server_open(struct ring_server *s, struct ring *r, int eventfd, ring_server_handler *handler,
		     void *arg) must_check;
/* Nothing is taken any more; who waits gets -ENOTCONN at once. */
void ring_server_close(struct ring_server *s);

/*
 * Serves what there is, from each channel a few at most, so that all get
 * their turn. Returns how much it found to do: 0 if nothing.
 */
int ring_server_poll(struct ring_server *s);

/*
 * Answers: `len` bytes at `out` (at most RING_INLINE) and `data_len` bytes
 * that were put at q->data. From any thread. -ESTALE: has been answered.
 */
int ring_server_answer(struct ring_server *s, const struct served *q, int32_t result, const void *out, uint32_t len,
		       uint32_t data_len);

/*
 * Announces that the server goes to sleep. True: nothing is to be done, sleep
 * while the word has *value. False: poll again.
 */
bool ring_server_idle(struct ring_server *s, uint32_t *value);
static inline uint32_t *ring_server_word(const struct ring_server *s)
{
	return &s->ring->header->bell;
}
/* After ring_server_idle, however it went, before polling again: clients need not ring. */
void ring_server_awake(struct ring_server *s);
/* Spins a little, then sleeps on the word for at most `ns`. For a server without an eventfd. */
void ring_server_wait(struct ring_server *s, uint64_t ns);

/* Client `client` of the pool is gone: takes its channels back. If it lives, nothing happens. Returns how many. */
int ring_server_bury(struct ring_server *s, uint32_t client);
/* The same for whoever is gone: a system call a channel in use. For a timer. */
int ring_server_sweep(struct ring_server *s);
