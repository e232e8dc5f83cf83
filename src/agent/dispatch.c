/*
 * The table: a handler for each number. Without one, and on doubt, the call is
 * handed on: the thread goes to the program's own `syscall` instruction with
 * the registers that it had.
 */
#include "agent/dispatch.h"

#include "agent/stats.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "sites/table.h"

static agent_handler handlers[AGENT_NR];
agent_short agent_shorts[AGENT_NR];
uint8_t agent_tests_descriptor[AGENT_NR];
static bool by_descriptor[AGENT_NR];

_Static_assert(offsetof(struct agent_foreign, ours) == F_OURS, "entry.S");
_Static_assert(offsetof(struct agent_foreign, count) == F_COUNT, "entry.S");

/* What agent_watch was given; at first a word that never changes. */
static const uint32_t never;
const uint32_t *agent_watched = &never;
uint32_t agent_watched_seen;
static void (*on_change)(struct agent_thread *t);

void agent_watch(const uint32_t *word, void (*changed)(struct agent_thread *t))
{
	on_change = changed;
	store_release(&agent_watched, word);
}

void agent_seen(uint32_t value)
{
	store_release(&agent_watched_seen, value);
}

agent_handler agent_register(unsigned nr, agent_handler h)
{
	agent_handler old;

	if (nr >= AGENT_NR)
		return NULL;
	old = load_relaxed(&handlers[nr]);
	store_release(&handlers[nr], h);
	return old;
}

agent_handler agent_handler_of(unsigned nr)
{
	return nr < AGENT_NR ? load_relaxed(&handlers[nr]) : NULL;
}

bool dispatch_wanted(int nr)
{
	/* Where the number is unknown it is futex or a kill: see docs/agent.md. */
	return nr == SITE_NR_ANY || (nr >= 0 && nr < AGENT_NR && handlers[nr] != NULL);
}

agent_short agent_register_short(unsigned nr, agent_short f)
{
	agent_short old;

	if (nr >= AGENT_NR)
		return NULL;
	old = load_relaxed(&agent_shorts[nr]);
	store_release(&agent_shorts[nr], f);
	store_release(&agent_tests_descriptor[nr], f && by_descriptor[nr]);
	return old;
}

void agent_by_descriptor(unsigned nr)
{
	if (nr >= AGENT_NR)
		return;
	by_descriptor[nr] = true;
	store_release(&agent_tests_descriptor[nr], load_relaxed(&agent_shorts[nr]) != NULL);
}

static long ask(struct agent_thread *t, struct agent_regs *r, unsigned long nr)
{
	agent_handler h = load_relaxed(&handlers[nr]);

	return h ? h(t, r) : AGENT_HAND_ON;
}

cold static void count_handed(struct agent_thread *t, unsigned nr)
{
	stats_handed(nr, t->user && agent_hooks.why ? agent_hooks.why(t->user, nr) : STATS_WHY_AGENT);
}

/* What entry.S does itself where there is a short way, nothing has changed and nobody wants statistics. */
void agent_dispatch(struct agent_thread *t, struct agent_regs *r)
{
	unsigned long nr = (unsigned long)r->rax;
	agent_short f;
	long ret;

	r->resume = r->site;
	if (unlikely(nr >= AGENT_NR))
		return;
	t->calls[nr]++;
	if (unlikely(load_relaxed(agent_watched) != load_relaxed(&agent_watched_seen)) && on_change)
		on_change(t);
	f = load_relaxed(&agent_shorts[nr]);
	ret = f && t->user ? f(t->user, r) : ask(t, r, nr);
	if (ret == AGENT_HAND_ON) {
		r->resume = r->site;
		if (unlikely(stats_file))
			count_handed(t, (unsigned)nr);
	} else if (likely(ret != AGENT_ELSEWHERE)) {
		t->answered[nr]++;
		r->rax = ret;
		r->resume = r->site + SITE_SYSCALL;
	}
}

long agent_kernel(struct agent_thread *t, long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;

	/* Depth first: a signal after this is delivered, one before it is pending. */
	store_relaxed(&t->depth, 0);
	fence_death();
	if (unlikely(load_relaxed(&t->pending))) {
		uint64_t mask = t->saved_mask;

		store_relaxed(&t->pending, 0);
		sys_call4(SYS_rt_sigprocmask, 2, (long)&mask, 0, 8);
	}
	ret = sys_call6(nr, a, b, c, d, e, f);
	store_relaxed(&t->depth, 1);
	return ret;
}

long agent_pass(struct agent_thread *t, const struct agent_regs *r)
{
	return agent_kernel(t, r->rax, r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9);
}

long handle_pass(struct agent_thread *t, struct agent_regs *r)
{
	return AGENT_HAND_ON;
}
