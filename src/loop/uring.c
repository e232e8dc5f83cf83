/*
 * The io_uring engine. A descriptor is a poll operation, armed again after
 * each call: the kernel looks at the descriptor when it is armed, so that one
 * which is still readable comes again at once (a multishot poll would be told
 * about changes only, and a handler that leaves something unread would wait
 * for ever). Arming costs no system call: it goes down with the next wait.
 *
 * A word is a futex wait (Linux 6.7), which completes at once if the word has
 * another value.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>

#include "loop/internal.h"

/* liburing 2.3 is older than these. */
#define OP_FUTEX_WAIT 51
#define FUTEX2_WORD_32 0x02u /* FUTEX2_SIZE_U32, shared between processes */

#define ENTRIES 64
#define KEY_NONE 0u /* nobody waits for this completion */

static int open_uring(struct loop *l)
{
	struct io_uring_probe *probe;
	int err = io_uring_queue_init(ENTRIES, &l->uring, IORING_SETUP_CLAMP);

	if (err)
		return err;
	/* Waiting with a timeout is then part of the wait (Linux 5.11), not an operation of its own. */
	if (!(l->uring.features & IORING_FEAT_EXT_ARG)) {
		io_uring_queue_exit(&l->uring);
		return -ENOSYS;
	}
	probe = io_uring_get_probe_ring(&l->uring);
	l->words = probe && io_uring_opcode_supported(probe, OP_FUTEX_WAIT);
	io_uring_free_probe(probe);
	return 0;
}

static void close_uring(struct loop *l)
{
	io_uring_queue_exit(&l->uring);
}

/* A full queue is handed to the kernel. */
static struct io_uring_sqe *entry(struct loop *l)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->uring);

	if (!sqe && io_uring_submit(&l->uring) >= 0)
		sqe = io_uring_get_sqe(&l->uring);
	return sqe;
}

static int add(struct loop *l, uint32_t id, int fd)
{
	struct io_uring_sqe *sqe = entry(l);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_poll_add(sqe, fd, POLLIN);
	io_uring_sqe_set_data64(sqe, loop_key(l, id));
	return 0;
}

/* Submitted now: until it is cancelled, the operation holds the file open, or the word's page. */
static void cancel(struct loop *l, uint32_t id)
{
	struct io_uring_sqe *sqe = entry(l);

	if (!sqe)
		return;
	io_uring_prep_cancel64(sqe, loop_key(l, id), 0);
	io_uring_sqe_set_data64(sqe, KEY_NONE);
	io_uring_submit(&l->uring);
}

static void remove_fd(struct loop *l, uint32_t id, int fd)
{
	cancel(l, id);
}

static int add_word(struct loop *l, uint32_t id, uint32_t *word, uint32_t value)
{
	struct io_uring_sqe *sqe = entry(l);

	if (!sqe)
		return -EBUSY;
	memset(sqe, 0, sizeof *sqe);
	sqe->opcode = OP_FUTEX_WAIT;
	sqe->fd = FUTEX2_WORD_32;
	sqe->addr = (uint64_t)(uintptr_t)word;
	sqe->off = value;
	sqe->addr3 = FUTEX_BITSET_MATCH_ANY; /* the mask */
	io_uring_sqe_set_data64(sqe, loop_key(l, id));
	return 0;
}

static void dispatch(struct loop *l, uint64_t key)
{
	struct watch *w = loop_watch(l, key);
	bool event = w && w->kind == WATCH_EVENT;

	loop_dispatch(l, key);
	/* Unless the handler has removed it. */
	w = event ? loop_watch(l, key) : NULL;
	if (w)
		add(l, (uint32_t)key, ((struct loop_event *)w->owner)->fd);
}

static int wait_uring(struct loop *l, uint64_t ns)
{
	struct __kernel_timespec ts = {.tv_sec = (long long)(ns / 1000000000u),
				       .tv_nsec = (long long)(ns % 1000000000u)};
	struct io_uring_cqe *cqe;
	int err =
	    io_uring_submit_and_wait_timeout(&l->uring, &cqe, ns ? 1 : 0, ns && ns != UINT64_MAX ? &ts : NULL, NULL);

	if (err < 0 && err != -ETIME && err != -EINTR && err != -EAGAIN && err != -EBUSY)
		return err;
	/* Only what is there now: what a handler arms again may be complete at once. */
	for (unsigned n = io_uring_cq_ready(&l->uring); n && !l->ended; n--) {
		uint64_t key;

		if (io_uring_peek_cqe(&l->uring, &cqe) != 0)
			break;
		key = io_uring_cqe_get_data64(cqe);
		io_uring_cqe_seen(&l->uring, cqe);
		dispatch(l, key);
	}
	return 0;
}

const struct loop_engine loop_uring = {
    .name = "io_uring",
    .open = open_uring,
    .close = close_uring,
    .add = add,
    .remove = remove_fd,
    .add_word = add_word,
    .remove_word = cancel,
    .wait = wait_uring,
};
