/*
 * The list is a block of memory that is never changed once it is published. A
 * thread that runs programs says so in its task slot (run_enter) before it
 * takes the list, and looks at the version once more afterwards: so a list can
 * be freed, with the code of programs that are gone, when a membarrier has
 * passed after it was replaced and no thread of the process is running.
 */
#include "agent/chain.h"

#include <asm/ptrace.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <time.h>

#include "agent/dispatch.h"
#include "agent/mem.h"
#include "agent/thread.h"
#include "agent/world.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "world/event.h"
#include "world/object.h"

#define LINKS 1024u	 /* more are not run */
#define LOOK_EVERY 4096u /* calls with programs between two looks whether loaders live */

struct entry {
	run_fn run;
	uint64_t cookie;
	uint32_t raw;
	uint32_t link; /* id */
};

/* Which entries run at one side of one call: [from, from + n). */
struct span {
	uint16_t from, n;
};

struct list {
	struct list *next; /* replaced lists that may still be in use */
	size_t size;
	uint32_t version;
	uint32_t nentries;
	struct span span[2][AGENT_NR]; /* enter, exit */
	struct entry entry[];
};

static struct {
	const uint32_t *version;
	uint32_t lock;
	struct list *now; /* atomic; NULL: nothing was attached yet */
	struct list *old;
	agent_handler below[AGENT_NR]; /* where programs are in front: what answered before. Atomic. */
	agent_short below_short[AGENT_NR];
} chain;

static void lock(void)
{
	while (swap(&chain.lock, 1))
		cpu_relax();
}

static void unlock(void)
{
	store_release(&chain.lock, 0);
}

/* ---- Making the list ------------------------------------------------------------ */

struct links {
	uint32_t n;
	struct object o[LINKS];
};

/* All links in the order in which they were attached. */
static void collect(struct world_thread *w, struct links *l)
{
	struct object o;
	uint32_t id = 0;

	l->n = 0;
	while (l->n < LINKS && object_next(agent_world(), &w->task, id, OBJECT_LINK, &o) == 0) {
		id = o.id;
		if ((o.event & EVENT_SET) && o.prog)
			l->o[l->n++] = o;
	}
}

static uint32_t count(const struct links *l, uint32_t nr, bool exit)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++)
		n += event_covers(l->o[i].event, nr, exit);
	return n;
}

static uint32_t add_span(struct world_thread *w, const struct links *l, struct list *list, uint32_t nr, bool exit,
			 uint32_t at)
{
	struct span *s = &list->span[exit][nr];

	s->from = (uint16_t)at;
	for (uint32_t i = 0; i < l->n; i++) {
		const struct object *o = &l->o[i];
		run_fn run = event_covers(o->event, nr, exit) ? agent_code(w, o->prog) : NULL;

		if (run)
			list->entry[at++] = (struct entry){run, o->cookie, !!(o->event & EVENT_RAW), o->id};
	}
	s->n = (uint16_t)(at - s->from);
	return at;
}

/* Numbers that no link names have the same programs: those of all calls. */
static bool is_named(const struct links *l, uint32_t nr)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (event_call(l->o[i].event) == nr)
			return true;
	return false;
}

static void fill(struct world_thread *w, const struct links *l, struct list *list)
{
	uint32_t at = 0;
	bool first = true;
	struct span common[2] = {{0, 0}, {0, 0}};

	for (uint32_t nr = 0; nr < AGENT_NR; nr++) {
		bool named = is_named(l, nr);

		for (unsigned exit = 0; exit < 2; exit++) {
			if (!named && !first)
				list->span[exit][nr] = common[exit];
			else
				at = add_span(w, l, list, nr, exit, at);
			if (!named && first)
				common[exit] = list->span[exit][nr];
		}
		first &= named;
	}
	list->nentries = at;
}

static size_t list_bytes(const struct links *l)
{
	size_t n = 0;

	for (uint32_t nr = 0; nr < AGENT_NR; nr++)
		if (is_named(l, nr))
			n += count(l, nr, false) + count(l, nr, true);
	n += count(l, EVENT_ALL - 1, false) + count(l, EVENT_ALL - 1, true);
	return sizeof(struct list) + min_of(n, 0xffffu) * sizeof(struct entry);
}

static void *map_pages(size_t n)
{
	void *p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

static struct list *make(struct world_thread *w, uint32_t version)
{
	struct links *l = map_pages(sizeof *l);
	struct list *list = NULL;

	if (!l)
		return NULL;
	collect(w, l);
	list = map_pages(list_bytes(l));
	if (list) {
		list->size = list_bytes(l);
		list->version = version;
		fill(w, l, list);
	}
	sys_munmap(l, sizeof *l);
	return list;
}

/* ---- Letting the old ones go ------------------------------------------------------- */

static void see_running(struct agent_thread *t, void *arg)
{
	const struct world_thread *w = load_relaxed(&t->world);

	if (w && w->task.slot && load_acquire(&w->task.slot->run))
		*(bool *)arg = true;
}

static void free_old(struct world_thread *w)
{
	bool running = false;

	if (sys_call3(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) != 0)
		return;
	thread_each(see_running, &running);
	if (running)
		return; /* the next change will find a better moment */
	while (chain.old) {
		struct list *l = chain.old;

		chain.old = l->next;
		sys_munmap(l, l->size);
	}
	agent_code_sweep(w);
}

/* ---- In front of the handlers --------------------------------------------------------- */

static long handle_chain(struct agent_thread *t, struct agent_regs *r);

/* A number that nobody had looked at until now: its sites are patched. */
static void come_before(uint32_t nr)
{
	agent_handler h = agent_handler_of(nr);

	if (h == handle_chain)
		return;
	/* Before others see the new one, which asks for it. */
	store_release(&chain.below[nr], h ? h : handle_pass);
	agent_register(nr, handle_chain);
	chain.below_short[nr] = agent_register_short(nr, NULL);
	if (!h)
		agent_patch_number(nr);
}

static void go_away(uint32_t nr)
{
	agent_handler h = load_relaxed(&chain.below[nr]);

	if (!h || agent_register(nr, h) == h)
		return;
	agent_register_short(nr, chain.below_short[nr]);
}

/* Made once, stays caught: a frame that returns through a signal's end is no call that anybody may change. */
static bool is_untouchable(uint32_t nr)
{
	return nr == SYS_rt_sigreturn;
}

static void apply(const struct list *list)
{
	for (uint32_t nr = 0; nr < AGENT_NR; nr++) {
		if (is_untouchable(nr))
			continue;
		if (list->span[0][nr].n || list->span[1][nr].n)
			come_before(nr);
		else
			go_away(nr);
	}
}

static void refresh(struct agent_thread *t)
{
	uint32_t version = load_acquire(chain.version);
	struct world_thread *w = agent_world_thread(t);
	struct list *list;

	if (!w) {
		agent_seen(version);
		return;
	}
	lock();
	if (!chain.now || chain.now->version != version) {
		list = make(w, version);
		if (list) {
			list->next = NULL;
			if (chain.now) {
				chain.now->next = chain.old;
				chain.old = chain.now;
			}
			store_release(&chain.now, list);
			apply(list);
			free_old(w);
		}
		agent_seen(version);
	}
	unlock();
}

void chain_start(const uint32_t *version)
{
	chain.version = version;
	agent_watch(version, refresh);
}

void chain_forked(void)
{
	store_changed(&chain.lock, 0);
}

/* ---- Running ------------------------------------------------------------------------ */

/* As the kernel lays them out: what perf shows as format of these tracepoints. */
struct trace_sys_enter {
	uint64_t common;
	int64_t id;
	uint64_t args[6];
};

struct trace_sys_exit {
	uint64_t common;
	int64_t id;
	int64_t ret;
};

static void fill_regs(struct pt_regs *p, const struct hook_call *c)
{
	const struct agent_regs *r = c->regs;

	*p = (struct pt_regs){
	    .rdi = (unsigned long)r->rdi,
	    .rsi = (unsigned long)r->rsi,
	    .rdx = (unsigned long)r->rdx,
	    .r10 = (unsigned long)r->r10,
	    .r8 = (unsigned long)r->r8,
	    .r9 = (unsigned long)r->r9,
	    .rax = (unsigned long)(c->exit ? c->ret : -ENOSYS),
	    .orig_rax = c->nr,
	    .rbp = r->rbp,
	    .rip = r->site + 2,
	    .cs = 0x33,
	    .ss = 0x2b,
	    .eflags = 0x246,
	    .rsp = (uintptr_t)r + R_FRAME,
	};
}

static __attribute__((noinline)) void run_raw(struct world_thread *w, struct hook_call *c, const struct entry *e)
{
	struct pt_regs regs;
	uint64_t ctx[12] = {(uintptr_t)&regs, c->exit ? (uint64_t)c->ret : c->nr};

	fill_regs(&regs, c);
	run_program(e->run, ctx, &w->run);
}

static void run_enter_point(struct world_thread *w, struct hook_call *c, const struct entry *e)
{
	const struct agent_regs *r = c->regs;
	struct trace_sys_enter ctx = {
	    0,
	    c->nr,
	    {(uint64_t)r->rdi, (uint64_t)r->rsi, (uint64_t)r->rdx, (uint64_t)r->r10, (uint64_t)r->r8, (uint64_t)r->r9}};

	run_program(e->run, &ctx, &w->run);
}

static void run_exit_point(struct world_thread *w, struct hook_call *c, const struct entry *e)
{
	struct trace_sys_exit ctx = {0, c->nr, c->ret};

	run_program(e->run, &ctx, &w->run);
}

static void run_one(struct world_thread *w, struct hook_call *c, const struct entry *e)
{
	c->cookie = e->cookie;
	if (unlikely(e->raw))
		run_raw(w, c, e);
	else if (c->exit)
		run_exit_point(w, c, e);
	else
		run_enter_point(w, c, e);
}

/* Loaders that were killed are missed by nobody but those who look. */
static __attribute__((noinline)) void look_around(struct world_thread *w)
{
	world_clear_up(agent_world(), &w->task);
}

/* What is attached to this side of the call, as it is now. */
static void run_side(struct world_thread *w, struct hook_call *c)
{
	const struct list *l;
	const struct entry *e;
	uint32_t n;

	run_enter(&w->task);
	l = load_acquire(&chain.now);
	while (unlikely(l->version != load_relaxed(chain.version))) {
		uint32_t before = l->version;

		run_leave(&w->task);
		refresh(c->thread);
		run_enter(&w->task);
		l = load_acquire(&chain.now);
		if (l->version == before)
			break; /* no memory for a new list: the old one stands */
	}
	c->version = l->version;
	c->exits = l->span[1][c->nr].n != 0;
	e = &l->entry[l->span[c->exit][c->nr].from];
	n = l->span[c->exit][c->nr].n;
	if (n) {
		w->call = c;
		world_add(&w->count->runs[c->exit], n);
		for (; n > 0; n--, e++)
			run_one(w, c, e);
		maps_run_end(&w->run);
	}
	run_leave(&w->task);
}

/* Who leaves does not come back with a result, and one who stays against its will would run into nothing. */
static bool must_happen(uint32_t nr)
{
	return nr == SYS_exit || nr == SYS_exit_group;
}

/* What programs want of the call, before it is made. */
static __attribute__((noinline)) void count_effects(struct world_count *count, const struct hook_call *c)
{
	uint64_t *n = count->effects;

	world_add(&n[EFFECT_DELAY], c->delay != 0);
	if (c->overridden && !must_happen(c->nr)) {
		world_add(&n[EFFECT_OVERRIDE], 1);
		return;
	}
	world_add(&n[EFFECT_ARGUMENTS], c->changed != 0);
	world_add(&n[EFFECT_KERNEL], c->kernel);
}

/* A list that was replaced is freed when nobody runs. */
static bool wants_exit(struct world_thread *w, uint32_t nr)
{
	bool wants;

	run_enter(&w->task);
	wants = load_acquire(&chain.now)->span[1][nr].n != 0;
	run_leave(&w->task);
	return wants;
}

/* With other arguments: the program's registers stay as they are, so its own instruction can't make it. */
static long make_changed(struct hook_call *c, agent_handler below)
{
	struct agent_regs regs = *c->regs;
	long *args[] = {&regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9};
	long ret = AGENT_HAND_ON;

	for (unsigned i = 0; i < 6; i++)
		if (c->changed >> i & 1)
			*args[i] = c->argument[i];
	if (!c->kernel)
		ret = below(c->thread, &regs);
	c->way = c->kernel ? WAY_FORCED : ret == AGENT_HAND_ON ? WAY_PASSED : WAY_HERE;
	return ret == AGENT_HAND_ON ? agent_pass(c->thread, &regs) : ret;
}

static long make_call(struct hook_call *c)
{
	agent_handler below = load_relaxed(&chain.below[c->nr]);
	long ret;

	if (unlikely(c->changed))
		return make_changed(c, below);
	ret = c->kernel ? AGENT_HAND_ON : below(c->thread, c->regs);
	c->way = c->kernel		? WAY_FORCED
		 : below == handle_pass ? WAY_KERNEL
		 : ret == AGENT_HAND_ON ? WAY_PASSED
					: WAY_HERE;
	return ret;
}

/* As the program's own sleep: signals are delivered meanwhile, and end it. */
static __attribute__((noinline)) void wait_for(struct agent_thread *t, uint64_t ns)
{
	const struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

	agent_kernel(t, SYS_nanosleep, (long)&ts, 0, 0, 0, 0, 0);
}

/* The call has its result: programs at its exit see it, and may replace it. */
static void after(struct world_thread *w, struct hook_call *c)
{
	c->exit = true;
	c->overridden = false;
	run_side(w, c);
	world_add(&w->count->effects[EFFECT_OVERRIDE], c->overridden);
}

static long handle_chain(struct agent_thread *t, struct agent_regs *r)
{
	struct hook_call c;
	struct world_thread *w = agent_world_thread(t);

	__builtin_memset(&c, 0, offsetof(struct hook_call, argument));
	c.thread = t;
	c.regs = r;
	c.nr = (uint32_t)r->rax;
	if (unlikely(!w || !load_relaxed(&chain.now)))
		return chain.below[c.nr](t, r);
	if (unlikely(++w->turns % LOOK_EVERY == 0))
		look_around(w);
	run_side(w, &c);
	if (unlikely(c.overridden | c.kernel | c.changed | !!c.delay))
		count_effects(w->count, &c);
	if (unlikely(c.delay))
		wait_for(t, c.delay);
	if (unlikely(c.overridden) && !must_happen(c.nr))
		return c.ret;
	c.ret = make_call(&c);
	if (c.ret == AGENT_ELSEWHERE)
		return c.ret;
	w = agent_world_thread(t);
	if (unlikely(!w)) /* the process has left */
		return c.ret;
	/* What was attached meanwhile sees the exit; else it is known from the entry. */
	if (unlikely(c.version != load_relaxed(chain.version)))
		c.exits = wants_exit(w, c.nr);
	if (likely(!c.exits))
		return c.ret;
	if (c.ret == AGENT_HAND_ON)
		c.ret = agent_pass(t, r);
	w = agent_world_thread(t);
	if (w)
		after(w, &c);
	return c.ret;
}

/* ---- Calls that return elsewhere ------------------------------------------------------ */

/* The thread's seat, if there are programs at the exit of `nr`; else NULL. */
static struct world_thread *watched_exit(struct agent_thread *t, uint32_t nr)
{
	struct world_thread *w = chain.version && load_relaxed(&chain.now) ? agent_world_thread(t) : NULL;

	return w && wants_exit(w, nr) ? w : NULL;
}

/* In a child too, as in the kernel; that it is the child, its 0 says: no program changes that. */
void chain_cloned(struct agent_thread *t, struct agent_regs *r, uint32_t nr)
{
	struct hook_call c = {.thread = t, .regs = r, .nr = nr, .ret = r->rax, .way = WAY_KERNEL};
	struct world_thread *w = watched_exit(t, nr);

	if (!w)
		return;
	after(w, &c);
	if (r->rax != 0)
		r->rax = c.ret;
}

/*
 * The exec that made this program has returned 0 into it. Which of the two calls
 * it was nobody here knows: it is execve for the programs.
 */
void chain_started(struct agent_thread *t)
{
	struct agent_regs regs = {.rax = SYS_execve};
	struct hook_call c = {.thread = t, .regs = &regs, .nr = SYS_execve, .way = WAY_KERNEL};
	struct world_thread *w;

	if (!chain.version || load_acquire(chain.version) == 0)
		return;
	refresh(t);
	w = watched_exit(t, SYS_execve);
	if (w)
		after(w, &c);
}
