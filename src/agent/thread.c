/*
 * The first thread's page is there from the start, without memory that has to be got.
 * The others lie in chunks of 64, mapped when they are first needed and never
 * unmapped. `refs` of a page is its lock: who turns it from 0 to 2 has the
 * page, and a thread gives its own up with the last instruction that it
 * executes.
 */
#include "agent/thread.h"

#include <errno.h>
#include <sched.h>
#include <linux/sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#include "agent/dispatch.h"
#include "agent/mem.h"
#include "agent/object.h"
#include "agent/signals.h"
#include "agent/stats.h"
#include "agent/user.h"
#include "base/atomic.h"
#include "base/sys.h"

#define CHUNK_PAGES 64u
#define CHUNKS 256u /* 16,384 threads */
#define MASK_ALL (~(uint64_t)0)

struct agent_hooks agent_hooks;

static struct {
	struct agent_thread *base; /* NULL: not mapped. Atomic. */
	uint32_t high;		   /* pages that were ever in use. Atomic, may exceed CHUNK_PAGES. */
} chunks[CHUNKS];

static struct agent_thread first_page;

static struct agent_thread *map_chunk(void)
{
	void *p = sys_mmap(NULL, CHUNK_PAGES * sizeof(struct agent_thread), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

static struct agent_thread *chunk_base(unsigned c)
{
	struct agent_thread *base = load_acquire(&chunks[c].base), *none = NULL;

	if (base != NULL)
		return base;
	base = map_chunk();
	if (base != NULL && !cas(&chunks[c].base, &none, base)) {
		sys_munmap(base, CHUNK_PAGES * sizeof(*base));
		base = none;
	}
	return base;
}

static unsigned chunk_high(unsigned c)
{
	return min_of(load_acquire(&chunks[c].high), CHUNK_PAGES);
}

static bool claim(struct agent_thread *t)
{
	uint32_t unused = 0;

	return load_relaxed(&t->refs) == 0 && cas(&t->refs, &unused, 2);
}

static struct agent_thread *take_page(unsigned c, struct agent_thread *base)
{
	unsigned n = chunk_high(c);

	for (unsigned i = 0; i < n; i++) {
		if (claim(&base[i]))
			return &base[i];
	}
	while (n < CHUNK_PAGES) {
		n = fetch_add(&chunks[c].high, 1);
		if (n < CHUNK_PAGES && claim(&base[n]))
			return &base[n];
	}
	return NULL;
}

static void clear_page(struct agent_thread *t)
{
	const size_t from = offsetof(struct agent_thread, refs) + sizeof(t->refs);

	memset(t, 0, offsetof(struct agent_thread, refs));
	memset((char *)t + from, 0, sizeof(*t) - from);
	t->self = t;
	t->entry = (uint64_t)agent_entry;
}

static struct agent_thread *page_alloc(void)
{
	for (unsigned c = 0; c < CHUNKS; c++) {
		struct agent_thread *base = chunk_base(c), *t;

		if (base == NULL)
			return NULL;
		t = take_page(c, base);
		if (t != NULL) {
			clear_page(t);
			return t;
		}
	}
	return NULL;
}

void thread_each(void (*f)(struct agent_thread *, void *), void *arg)
{
	if (load_acquire(&first_page.refs) != 0)
		f(&first_page, arg);
	for (unsigned c = 0; c < CHUNKS; c++) {
		struct agent_thread *base = load_acquire(&chunks[c].base);

		if (base == NULL)
			return;
		for (unsigned i = 0; i < chunk_high(c); i++) {
			if (load_acquire(&base[i].refs) != 0)
				f(&base[i], arg);
		}
	}
}

static void drop_other(struct agent_thread *t, void *keep)
{
	if (t != keep)
		store_release(&t->refs, 0);
}

void thread_start(void)
{
	struct agent_thread *t = &first_page;

	t->self = t;
	t->entry = (uint64_t)agent_entry;
	t->refs = 1;
	t->signals = signal_first_table();
	__asm__ volatile("wrgsbase %0" : : "r"(t));
}

static uint64_t set_mask(uint64_t mask)
{
	uint64_t old = 0;

	sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, (long)&old, sizeof(mask));
	return old;
}

/*
 * All signals blocked, the program's mask returned. One that came while the
 * agent ran has blocked them already; it is delivered when the clone is done.
 */
static uint64_t hold_signals(struct agent_thread *t)
{
	uint64_t old = set_mask(MASK_ALL);

	if (!t->pending)
		return old;
	t->pending = 0;
	return t->saved_mask;
}

static long begin(struct agent_thread *t, struct agent_regs *r, uint64_t flags)
{
	struct agent_thread *child = page_alloc();
	uint64_t mask;
	long rc = 0;

	if (child == NULL)
		return -EAGAIN;
	mask = hold_signals(t);
	child->parent = t;
	child->signals = signal_table_for(t, child, flags);
	child->hidden_mask = t->hidden_mask;
	child->clone_mask = t->clone_mask = mask;
	child->clone_resume = r->site + 2;
	child->clone_flags = flags;
	child->clone_nr = t->clone_nr = (uint32_t)r->rax;
	t->clone_resume = r->site + 2;
	t->child = child;
	if (child->signals == NULL)
		rc = -ENOMEM;
	else if (agent_hooks.before_clone != NULL)
		rc = agent_hooks.before_clone(t, child, flags);
	if (rc != 0) {
		store_release(&child->refs, 0);
		set_mask(mask);
		return rc;
	}
	r->resume = (uint64_t)agent_clone;
	return AGENT_ELSEWHERE;
}

static void drop_scratch(struct agent_thread *child)
{
	if (child->scratch != NULL)
		sys_munmap(child->scratch, child->scratch_size);
	signal_table_drop(child);
}

static void in_parent(struct agent_thread *t, long pid)
{
	struct agent_thread *child = t->child;
	uint64_t flags = child->clone_flags;

	t->child = NULL;
	if (agent_hooks.parent_cloned != NULL)
		agent_hooks.parent_cloned(t, child, flags, pid);
	if (pid < 0 || !(flags & CLONE_VM)) {
		/* No child, or one that has a copy: ours is not in use. */
		signal_table_drop(child);
		store_release(&child->refs, 0);
	} else if (flags & CLONE_VFORK) {
		/* It has let go of the memory: by exec, or it is dead. */
		stats_thread(child);
		drop_scratch(child);
		store_release(&child->refs, 0);
	} else {
		fetch_add(&child->refs, -1);
	}
}

static void in_child(struct agent_thread *t)
{
	uint64_t flags = t->clone_flags;

	t->tid = sys_gettid();
	if (!(flags & CLONE_VM)) {
		thread_each(drop_other, t);
		t->refs = 1;
		signal_forked(t);
		object_forked();
		stats_forked();
	}
	if (flags & CLONE_CLEAR_SIGHAND)
		signal_cleared(t);
	if (agent_hooks.child_cloned != NULL)
		agent_hooks.child_cloned(t, flags);
}

void agent_cloned(struct agent_thread *t, struct agent_regs *r)
{
	r->resume = r->site;
	if (r->rax == 0)
		in_child(t);
	else
		in_parent(t, r->rax);
	if (agent_hooks.clone_returns != NULL)
		agent_hooks.clone_returns(t, r, t->clone_nr);
	/* A signal from here on finds depth 1 and waits for agent_leave. */
	set_mask(t->clone_mask);
}

long handle_clone(struct agent_thread *t, struct agent_regs *r)
{
	return begin(t, r, (uint64_t)r->rdi);
}

long handle_fork(struct agent_thread *t, struct agent_regs *r)
{
	return begin(t, r, 0);
}

long handle_vfork(struct agent_thread *t, struct agent_regs *r)
{
	return begin(t, r, CLONE_VM | CLONE_VFORK);
}

long handle_clone3(struct agent_thread *t, struct agent_regs *r)
{
	uint64_t flags;

	/* The kernel reports what is wrong with them. */
	if ((size_t)r->rsi < CLONE_ARGS_SIZE_VER0 || copy_from_user(&flags, (void *)r->rdi, sizeof(flags)) != 0)
		return AGENT_HAND_ON;
	return begin(t, r, flags);
}

bool agent_quiet;

long handle_exit(struct agent_thread *t, struct agent_regs *r)
{
	if (agent_quiet)
		return AGENT_HAND_ON;
	set_mask(MASK_ALL);
	if (agent_hooks.before_exit != NULL)
		agent_hooks.before_exit(t, 0);
	stats_thread(t);
	signal_table_drop(t);
	agent_exit_thread(&t->refs, r->rdi);
}

long handle_exit_group(struct agent_thread *t, struct agent_regs *r)
{
	if (agent_quiet)
		return AGENT_HAND_ON;
	if (agent_hooks.before_exit != NULL)
		agent_hooks.before_exit(t, 1);
	stats_process();
	return AGENT_HAND_ON;
}
