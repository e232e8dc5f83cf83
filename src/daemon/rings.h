/*
 * The daemon's end of the rings: hooked processes ask it for what only it can do
 * (control/ops.h). Served from the daemon's loop, which also hears when one dies.
 */
#pragma once

#include "control/err.h"
#include "daemon/teller.h"
#include "loop/loop.h"
#include "ring/server.h"

struct rings;

struct rings_config {
	struct loop *loop;
	struct fs *fs;
	struct task *task; /* the loop thread's */
	struct session *session;
	struct teller *teller;
	/* A client has died: from the loop's thread. */
	void (*died)(void *arg);
	void *arg;
};

/* Bytes of the pool that rings take. */
uint64_t rings_bytes(void);
/*
 * Takes the pool's rings over, which are laid out where they are new. From here on
 * clients are served, as soon as the loop runs. 0, or -errno with a text.
 */
int rings_open(const struct rings_config *config, struct rings **out, struct err *err) must_check;
/* For a timer: channels of clients that were not heard to die. */
void rings_sweep(struct rings *r);
/* What was taken and not answered is answered no more. The loop does not run, and the teller has ended. NULL is fine.
 */
void rings_close(struct rings *r);

/* How the loop hears of requests: "futex" or "eventfd". */
const char *rings_mode(const struct rings *r);
