/*
 * A channel a store and process, taken when it is first needed: most processes
 * never tell anything. A fork's child finds its parent's in the copied memory; that
 * it is not its own it sees by the seat. After an exec the channel of the old image
 * is still there, and given up when the new one takes its own.
 *
 * Which channel there is, is a word: nothing, being made (by which thread), or
 * ready. Whoever makes one may be killed alone (a vfork child's thread, exit(2)):
 * then somebody else begins anew.
 */
#include "agent/tell.h"

#include <errno.h>

#include "agent/control.h"
#include "base/futex.h"
#include "base/mem.h"
#include "control/ops.h"
#include "ring/channel.h"

#define SLICE_NS 5000000u
#define TRIES 3 /* with channels that the daemon has refused */

enum { NONE = 0, MAKING = 1, READY = 2 };

struct line {
	const struct fs *fs;
	uint32_t word; /* state, and the thread that makes it << 2. Atomic */
	struct ring ring;
	struct channel channel;
};

static struct line lines[TELL_STORES];

void tell_register(const struct fs *fs)
{
	for (unsigned i = 0; i < TELL_STORES; i++) {
		if (!lines[i].fs) {
			lines[i].fs = fs;
			return;
		}
	}
}

static struct line *line_of(const struct fs *fs)
{
	for (unsigned i = 0; i < TELL_STORES; i++) {
		if (lines[i].fs == fs)
			return &lines[i];
	}
	return NULL;
}

/* ---- Having a channel ---------------------------------------------------------------- */

static int call(struct line *l, uint32_t op, const struct stale_list *list, uint32_t n)
{
	struct request q;
	int err = channel_begin(&l->channel, (uint32_t)sys_gettid(), CHANNEL_FOREVER, &q);

	if (err)
		return err;
	q.op = op;
	if (list) {
		struct control_op_stale *req = q.buf;

		req->n = n;
		req->reserved = 0;
		mem_copy(&req->list, list, sizeof *list);
		q.len = sizeof *req;
	}
	err = channel_send(&l->channel, &q);
	if (!err)
		err = channel_wait(&l->channel, &q, CHANNEL_FOREVER);
	if (!err)
		err = q.result;
	channel_end(&l->channel, &q);
	return err;
}

static int make(struct line *l)
{
	struct pool *pool = (struct pool *)(uintptr_t)&l->fs->pool; /* what is written in it is shared anyway */
	const struct channel_options opt = {.eventfd = -1, .gone = channel_tid_gone};
	int err = ring_map(pool, fs_rings(l->fs), &l->ring);

	if (err)
		return err;
	channel_disown(&l->ring);
	err = channel_attach(&l->channel, &l->ring, &opt);
	if (err)
		return err;
	err = call(l, CONTROL_OP_HELLO, NULL, 0);
	if (err)
		channel_detach(&l->channel);
	return err;
}

static bool is_ours(const struct line *l)
{
	return l->channel.owner == ring_seat((struct pool *)(uintptr_t)&l->fs->pool, SEAT_LIVE);
}

/* Is the thread not in this process? In a fork's child its parent's threads are not. */
static bool has_gone(uint32_t tid)
{
	return sys_call3(SYS_tgkill, sys_getpid(), (long)tid, 0) == -ESRCH;
}

/* 0 with a channel; -errno. */
static int have_channel(struct line *l)
{
	for (;;) {
		uint32_t w = load_acquire(&l->word);
		int err;

		if (w == READY && is_ours(l))
			return 0;
		if ((w & 3) == MAKING && !has_gone(w >> 2)) {
			futex_wait(&l->word, w, SLICE_NS);
			continue;
		}
		if (!cas(&l->word, &w, (uint32_t)sys_gettid() << 2 | MAKING))
			continue;
		err = make(l);
		store_release(&l->word, err ? NONE : READY);
		futex_wake(&l->word, INT_MAX);
		return err;
	}
}

/* The daemon has refused it. Other threads see it go, and end what they have under way with an error. */
static void drop_channel(struct line *l)
{
	uint32_t w = READY;

	if (!cas(&l->word, &w, (uint32_t)sys_gettid() << 2 | MAKING))
		return;
	channel_detach(&l->channel);
	store_release(&l->word, NONE);
	futex_wake(&l->word, INT_MAX);
}

/* ---- Telling --------------------------------------------------------------------------- */

static int tell_once(struct line *l, const struct stale_list *list, uint32_t n)
{
	int err = have_channel(l);

	if (err)
		return err;
	err = call(l, CONTROL_OP_STALE, list, n);
	if (err == -ENOTCONN && channel_resume(&l->channel, -1) == 0)
		return -EAGAIN; /* another daemon: it may have been asked for the same things again */
	if (err == -EUCLEAN)
		drop_channel(l);
	return err;
}

void tell_stale(void *arg, const struct stale_list *list, uint32_t n)
{
	struct line *l = line_of(arg);
	int err = -EUSERS;

	for (int i = 0; l && i < TRIES;) {
		err = tell_once(l, list, n);
		if (err != -EAGAIN && err != -EUCLEAN)
			break;
		i += err == -EUCLEAN;
	}
	if (err && err != -ENOTCONN)
		control_stale(arg, list, n);
}
