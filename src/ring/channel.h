/*
 * The client's end of a channel: requests to the server, and their answers.
 *
 *	struct request q;
 *
 *	err = channel_begin(c, who, timeout, &q);
 *	if (err)
 *		return err;
 *	... fill q.buf, q.op, q.len ...
 *	err = channel_send(c, &q);
 *	if (!err)
 *		err = channel_wait(c, &q, timeout);
 *	... if !err: q.result, q.reply_len bytes in q.buf ...
 *	channel_end(c, &q);
 *
 * or channel_call, which is all of it. A request is the caller's from begin to
 * end; several may be under way, and are answered in any order.
 *
 * Any thread may do so at the same time, also a signal handler that interrupts
 * another one here, and a vfork child; none waits for what another of them
 * does, unless all slots are in use. A forked child has no part in its
 * parent's channel: it attaches its own.
 *
 * `who` names the caller, not 0: if it was killed while the process lives on
 * (a vfork child, a thread that left by exit(2)), channel_reclaim, or `gone`
 * below, gets its slots back. A thread's id will do, see channel_tid_gone.
 *
 * All of these may return
 *	-ENOTCONN	the server is gone, or another one took over: ask it
 *			for a new eventfd and channel_resume, or detach.
 *	-EUCLEAN	the channel is damaged, or the server refused an entry
 *			of it: detach, and attach another.
 */
#pragma once

#include "ring/ring.h"

#define CHANNEL_FOREVER UINT64_MAX
#define CHANNEL_SPIN 400u /* looks; one is about 40 cycles, so some 6 us: what a wake-up costs at best */

struct channel_options {
	int eventfd;   /* the server's, where it has one; not owned. Else -1 */
	uint32_t spin; /* looks before sleeping, at most; 0: CHANNEL_SPIN */
	/*
	 * Is `who` dead? Asked about the owners of slots by who finds none
	 * free. Only a sure yes is true. May be NULL.
	 */
	bool (*gone)(void *arg, uint32_t who);
	void *arg;
};

/* In the process's own memory; stays where it is. Members are for channel.c. */
struct channel {
	struct ring *ring;
	struct ring_channel *shared;
	uint32_t index;
	uint64_t owner;	 /* our seat in the channel */
	uint64_t server; /* the server's seat that we know. Atomic */
	uint64_t ready;	 /* bit a slot: its inline page has memory. Atomic */
	uint32_t hint;	 /* slot freed last. Atomic, and only a hint */
	uint32_t spin;	 /* looks that paid lately. Atomic, and only a hint */
	struct channel_options opt;
};

struct request {
	/* Constant after begin. */
	void *buf;  /* RING_INLINE bytes: the request, then its answer */
	void *data; /* this slot's share of the data area, `room` bytes: see channel_data */
	uint32_t room;
	/* By the caller before send. */
	uint32_t op;
	uint32_t len;	   /* bytes in buf */
	uint32_t data_len; /* bytes of data, to be read or to be filled */
	/* After a wait that returned 0. */
	int32_t result;
	uint32_t reply_len;  /* bytes in buf, at most RING_INLINE */
	uint32_t reply_data; /* bytes of data, at most data_len */
	/* For channel.c. */
	uint32_t slot;
	uint64_t word;
	bool sent;
};

/* Takes a channel for this process, which has a client seat. -EUSERS: none free; -ENOSPC; -ENOTCONN. */
int channel_attach(struct channel *c, struct ring *r, const struct channel_options *opt) must_check;
/* The same channel with the server that has taken over. -ENOTCONN: there is none. */
int channel_resume(struct channel *c, int eventfd) must_check;
/*
 * After an exec, before the first attach: the channels of this process's former
 * image are given up. Also else: none of this seat may be in use.
 */
void channel_disown(struct ring *r);
/* No thread is in a call on *c, and none has a request. */
void channel_detach(struct channel *c);

/*
 * Takes a slot, and waits for one at most `timeout` ns. -ETIMEDOUT; -ENOSPC:
 * no memory for the slot.
 */
int channel_begin(struct channel *c, uint32_t who, uint64_t timeout, struct request *q) must_check;
/* Memory for `len` bytes of q->data. -ENOSPC; -EMSGSIZE: more than q->room. */
int channel_data(struct channel *c, struct request *q, uint32_t len) must_check;
/* Submits. Never waits. -EMSGSIZE: len or data_len are too large. After an error: channel_end. */
int channel_send(struct channel *c, struct request *q) must_check;
/* 1: the answer is there, channel_wait will not wait. 0: not yet. */
int channel_poll(const struct channel *c, const struct request *q);
/*
 * Waits for this request's answer, at most `timeout` ns. -ETIMEDOUT: it may be
 * waited for again.
 */
int channel_wait(struct channel *c, struct request *q, uint64_t timeout) must_check;
/*
 * Gives the slot back. Where there is no answer yet, the request is given up:
 * the server drops it, or its answer if it is at it.
 */
void channel_end(struct channel *c, struct request *q);

/*
 * One request, one answer: `in` of `len` bytes; up to `room` bytes of the
 * answer go to `out`. Returns its full length with *result, or an error.
 */
struct call {
	uint32_t who;
	uint32_t op;
	const void *in;
	uint32_t len;
	void *out;
	uint32_t room;
	uint64_t timeout; /* of each wait: for a slot, for the answer */
	int32_t result;
};
int channel_call(struct channel *c, struct call *call) must_check;

/* Gives up all that `who`, which runs no more, has under way. Returns how many slots. */
int channel_reclaim(struct channel *c, uint32_t who);

/* For `gone`, where `who` is a thread id of this process or of its vfork child, in one pid namespace. */
bool channel_tid_gone(void *arg, uint32_t who);
