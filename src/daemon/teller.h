/*
 * A thread that has the kernel forget. An entry or a page is invalidated under a
 * lock of the kernel's, which it may hold while it waits for an answer from the
 * session: so neither the session's threads nor the loop's ever wait for it.
 */
#pragma once

#include "daemon/session.h"

struct teller;

/* What is to be told, and what to do then. */
struct telling {
	struct telling *next; /* for teller.c */
	uint32_t n;	      /* items */
	int err;	      /* when it is done: 0, or -ENOTCONN where the teller has ended */
	struct stale_list list;
	/* From the teller's thread, or teller_tell; frees it. NULL: only free. */
	void (*done)(struct telling *t);
};

int teller_open(struct session *s, struct pool *pool, struct teller **out) must_check;
/* Takes *t over, which was allocated by malloc or is the first member of such. Any thread. */
void teller_tell(struct teller *w, struct telling *t);
/*
 * Returns when all is told; nothing is told from then on. While the session still answers, for what the kernel is being
 * told may wait for that; or when its connection is gone.
 */
void teller_stop(struct teller *w);
/* Nobody calls teller_tell any more. NULL is fine. */
void teller_close(struct teller *w);
