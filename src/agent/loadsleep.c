/*
 * Sleeping on rings. The descriptor of a ring is the reading end of its FIFO
 * (wake.h). Before a call that waits for descriptors, each ring is looked at:
 * what is left in the FIFO is taken out; where there is data, a byte is put
 * in, so that the call returns at once; where there is none, who puts some
 * there will put the byte in.
 */
#include <errno.h>

#include "agent/load.h"
#include "world/wake.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "maps/perf.h"
#include "maps/ring.h"

static agent_handler below[AGENT_NR];

struct round {
	struct task *t;
};

static bool ready(struct task *t, const struct object *o)
{
	const struct pool *p = &agent_world()->arena.pool;
	struct map *m;

	if (o->kind == OBJECT_RING)
		return perf_ready(p, o->off);
	m = map_at(p, o->off);
	if (!m || o->type != BPF_MAP_TYPE_RINGBUF)
		return false;
	return ring_ready(m) || (ring_bury(t, m) && ring_ready(m));
}

static void drain(long fd)
{
	char buf[64];

	while (sys_call3(SYS_read, fd, (long)buf, sizeof(buf)) == sizeof(buf))
		;
}

static void prepare(void *arg, long fd, const struct load_fd *e)
{
	const struct round *r = arg;
	uint32_t *word;
	struct object o;

	if (!e->id || object_get(agent_world(), r->t, e->id, 0, &o) != 0)
		return;
	drain(fd);
	word = wake_word(agent_world(), o.off);
	store_release(word, wake_mark(o.off));
	fence_full();
	if (!ready(r->t, &o))
		return;
	store_release(word, 0);
	sys_call3(SYS_write, fd, (long)"", 1);
}

static long handle_wait(struct agent_thread *t, struct agent_regs *r)
{
	struct round round = {load_task(t)};

	if (round.t)
		load_each_ring(prepare, &round);
	return below[r->rax](t, r);
}

/* Nobody had looked at these calls: without a handler they are the kernel's. */
static long handle_pass_on(struct agent_thread *t, struct agent_regs *r)
{
	return AGENT_HAND_ON;
}

void load_register_sleep(void)
{
	static const uint16_t waits[] = {SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_poll,
					 SYS_ppoll,	 SYS_select,	  SYS_pselect6};

	for (unsigned i = 0; i < array_len(waits); i++) {
		agent_handler h = agent_register(waits[i], handle_wait);

		below[waits[i]] = h ? h : handle_pass_on;
	}
}
