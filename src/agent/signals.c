/*
 * What the kernel knows of a signal: the program's flags and mask, with
 * agent_signal_entry for the handler. What the program set is in the table.
 * SA_RESETHAND is done here, since a signal that is put off is delivered
 * twice.
 *
 * Where a signal may find a thread, by depth and instruction:
 *
 *	depth 0			the program's code, or ours with nothing stored
 *				yet or everything restored: deliver
 *	agent_leave..tail	registers half restored: begin again at
 *				agent_leave, put off
 *	agent_tail		all restored but the depth: do it, deliver
 *	else, depth 1		put off
 */
#include "agent/signals.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "agent/mem.h"
#include "agent/thread.h"
#include "agent/user.h"
#include "base/atomic.h"
#include "base/sys.h"

#define BIT(sig) (1ull << ((sig)-1))
#define OURS (BIT(SIGSEGV) | BIT(SIGBUS))
/* Everything, but for the agent's own faults, which do not wait. */
#define MASK_DEFER (~(uint64_t)OURS)
#define SA_RESTORER_FLAG 0x04000000u

extern const char agent_leave[], agent_tail[], agent_final[];

/* entry.S: ranges and where to go on, relative to each word's own address. */
struct fixup {
	int32_t from, to, target;
};

extern const struct fixup fixups[] __asm__("__start_agent_fixup"), fixups_end[] __asm__("__stop_agent_fixup");

static struct sigtable first;

struct sigtable *signal_first_table(void)
{
	return &first;
}

static long kernel_action(int sig, const struct signal_action *act, struct signal_action *old)
{
	return sys_call4(SYS_rt_sigaction, sig, (long)act, (long)old, sizeof(act->mask));
}

static void lock_table(struct sigtable *s)
{
	uint32_t open = 0;

	while (!cas(&s->lock, &open, 1)) {
		open = 0;
		sys_call3(SYS_sched_yield, 0, 0, 0);
	}
}

static void unlock_table(struct sigtable *s)
{
	store_release(&s->lock, 0);
}

static bool is_code(uint64_t handler)
{
	return handler != (uint64_t)SIG_DFL && handler != (uint64_t)SIG_IGN;
}

/* What the kernel is told for what the program wants. */
static struct signal_action kernel_side(int sig, const struct signal_action *want)
{
	struct signal_action k = *want;

	if (is_code(want->handler)) {
		k.handler = (uint64_t)agent_signal_entry;
		k.flags = (want->flags | SA_SIGINFO) & ~(uint64_t)(unsigned)SA_RESETHAND;
		k.mask &= ~OURS;
	} else if (OURS & BIT(sig)) {
		k.handler = (uint64_t)agent_signal_entry;
		k.flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | SA_RESTORER_FLAG;
		k.restorer = (uint64_t)agent_restorer;
		k.mask = 0;
	}
	return k;
}

static int claim(struct sigtable *s, int sig)
{
	struct signal_action k, *a = &s->action[sig];
	long rc = kernel_action(sig, NULL, a);

	k = kernel_side(sig, a);
	return rc != 0 ? (int)rc : (int)kernel_action(sig, &k, NULL);
}

int signal_start(void)
{
	uint64_t ours = OURS, old = 0;
	int rc = claim(&first, SIGSEGV);

	if (rc == 0)
		rc = claim(&first, SIGBUS);
	if (rc == 0)
		sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&ours, (long)&old, sizeof(old));
	agent_self()->hidden_mask = old & OURS;
	return rc;
}

static struct sigtable *spare_table; /* of a child that is gone, for the next. Atomic */

struct sigtable *signal_table_for(struct agent_thread *parent, struct agent_thread *child, uint64_t flags)
{
	void *p;

	if ((flags & CLONE_SIGHAND) || !(flags & CLONE_VM))
		return parent->signals;
	p = swap(&spare_table, NULL);
	if (p == NULL)
		p = sys_mmap(NULL, sizeof(struct sigtable), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (sys_is_err(p))
		return NULL;
	memcpy(p, parent->signals, sizeof(struct sigtable));
	child->own_signals = p;
	child->own_signals->lock = 0;
	return p;
}

/* Of a child's table: its first thread may end before others. */
struct table_use {
	const struct agent_thread *owner;
	uint32_t others;
};

static void count_users(struct agent_thread *t, void *arg)
{
	struct table_use *u = arg;

	u->others += t != u->owner && t->signals == u->owner->own_signals;
}

void signal_table_drop(struct agent_thread *t)
{
	struct sigtable *left = t->own_signals;
	struct table_use u = {.owner = t};

	if (left != NULL)
		thread_each(count_users, &u);
	if (left != NULL && !u.others)
		left = swap(&spare_table, left);
	else
		left = NULL;
	if (left != NULL)
		sys_munmap(left, sizeof(struct sigtable));
	t->own_signals = NULL;
}

void signal_forked(struct agent_thread *t)
{
	/* Another thread of the parent may have held it. */
	store_changed(&t->signals->lock, 0);
}

void signal_cleared(struct agent_thread *t)
{
	for (int sig = 1; sig <= SIGNALS; sig++) {
		struct signal_action *a = &t->signals->action[sig];

		if (is_code(a->handler))
			memset(a, 0, sizeof(*a));
	}
	for (int sig = SIGBUS; sig <= SIGSEGV; sig += SIGSEGV - SIGBUS) {
		struct signal_action k = kernel_side(sig, &t->signals->action[sig]);

		kernel_action(sig, &k, NULL);
	}
}

void signal_before_exec(struct agent_thread *t)
{
	uint64_t hidden = t->hidden_mask;

	for (int sig = SIGBUS; sig <= SIGSEGV; sig += SIGSEGV - SIGBUS) {
		if (t->signals->action[sig].handler == (uint64_t)SIG_IGN)
			kernel_action(sig, &t->signals->action[sig], NULL);
	}
	if (hidden != 0)
		sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&hidden, 0, sizeof(hidden));
}

void signal_exec_failed(struct agent_thread *t)
{
	uint64_t ours = OURS;

	for (int sig = SIGBUS; sig <= SIGSEGV; sig += SIGSEGV - SIGBUS) {
		struct signal_action k = kernel_side(sig, &t->signals->action[sig]);

		if (t->signals->action[sig].handler == (uint64_t)SIG_IGN)
			kernel_action(sig, &k, NULL);
	}
	if (t->hidden_mask != 0)
		sys_call4(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&ours, 0, sizeof(ours));
}

static long exchange(struct sigtable *s, int sig, const struct signal_action *want, struct signal_action *old)
{
	struct signal_action before = s->action[sig], kold, k;
	long rc;

	if (want != NULL) {
		/* The table first: the handler may be called as soon as the kernel knows it. */
		if (is_code(want->handler) || (OURS & BIT(sig)))
			s->action[sig] = *want;
		k = kernel_side(sig, want);
	}
	rc = kernel_action(sig, want != NULL ? &k : NULL, &kold);
	if (rc != 0) {
		s->action[sig] = before;
		return rc;
	}
	*old = kold.handler == (uint64_t)agent_signal_entry ? before : kold;
	return 0;
}

long handle_sigaction(struct agent_thread *t, struct agent_regs *r)
{
	int sig = (int)r->rdi;
	struct signal_action want, old;
	long rc;

	if (r->r10 != sizeof(want.mask) || sig < 1 || sig > SIGNALS || sig == SIGKILL || sig == SIGSTOP)
		return AGENT_HAND_ON;
	if (r->rsi != 0 && copy_from_user(&want, (void *)r->rsi, sizeof(want)) != 0)
		return -EFAULT;
	lock_table(t->signals);
	rc = exchange(t->signals, sig, r->rsi != 0 ? &want : NULL, &old);
	unlock_table(t->signals);
	if (rc == 0 && r->rdx != 0 && copy_to_user((void *)r->rdx, &old, sizeof(old)) != 0)
		return -EFAULT;
	return rc;
}

/* What of ours the program will have blocked. */
static uint64_t next_hidden(int how, uint64_t hidden, uint64_t set)
{
	switch (how) {
	case SIG_BLOCK:
		return hidden | (set & OURS);
	case SIG_UNBLOCK:
		return hidden & ~set;
	case SIG_SETMASK:
		return set & OURS;
	default:
		return hidden;
	}
}

long handle_sigprocmask(struct agent_thread *t, struct agent_regs *r)
{
	int how = (int)r->rdi;
	uint64_t set = 0, next, old, hidden = t->hidden_mask;
	bool change = r->rsi != 0;
	long rc;

	if (r->r10 != sizeof(set))
		return AGENT_HAND_ON;
	if (change && copy_from_user(&set, (void *)r->rsi, sizeof(set)) != 0)
		return -EFAULT;
	if (!(set & OURS) && !hidden)
		return AGENT_HAND_ON;
	next = how == SIG_UNBLOCK ? set : set & ~OURS;
	/* Before the call: what it lets through is delivered in it. */
	if (change)
		t->hidden_mask = next_hidden(how, hidden, set);
	rc = agent_kernel(t, SYS_rt_sigprocmask, how, change ? (long)&next : 0, (long)&old, sizeof(old), 0, 0);
	if (rc != 0)
		return rc;
	old |= hidden;
	if (r->rdx != 0 && copy_to_user((void *)r->rdx, &old, sizeof(old)) != 0)
		return -EFAULT;
	return 0;
}

/* A fault in one of our copies: go on behind it. */
static bool fix_up(greg_t *regs)
{
	uint64_t rip = (uint64_t)regs[REG_RIP];

	for (const struct fixup *f = fixups; f < fixups_end; f++) {
		uint64_t from = (uint64_t)&f->from + (uint64_t)(int64_t)f->from;
		uint64_t to = (uint64_t)&f->to + (uint64_t)(int64_t)f->to;

		if (rip < from || rip >= to)
			continue;
		regs[REG_RIP] = (greg_t)((uint64_t)&f->target + (uint64_t)(int64_t)f->target);
		return true;
	}
	return false;
}

static uint64_t *mask_of(ucontext_t *uc)
{
	return (uint64_t *)(void *)&uc->uc_sigmask;
}

static void queue_again(int sig, const siginfo_t *info)
{
	sys_call4(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), sig, (long)info);
}

/* Pending again, and blocked until the handler has returned. */
static void put_back(int sig, const siginfo_t *info)
{
	uint64_t one = BIT(sig);

	sys_call4(SYS_rt_sigprocmask, SIG_BLOCK, (long)&one, 0, sizeof(one));
	queue_again(sig, info);
}

/*
 * Several may come before everything is blocked, one in the handler of the
 * other. The outermost finishes last, and its context has the true mask.
 */
static void put_off(struct agent_thread *t, int sig, const siginfo_t *info, ucontext_t *uc)
{
	uint64_t all = MASK_DEFER;

	sys_call4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof(all));
	queue_again(sig, info);
	t->saved_mask = *mask_of(uc);
	*mask_of(uc) = all;
	store_relaxed(&t->pending, 1);
}

/* The program's default for it, as if the agent were not there. */
static void by_default(int sig, const siginfo_t *info)
{
	struct signal_action dfl = {.handler = (uint64_t)SIG_DFL};

	kernel_action(sig, &dfl, NULL);
	/* A fault happens again on return, with the core of the right place. */
	if (info->si_code <= 0)
		queue_again(sig, info);
}

/* The handler to go on with. Does SA_RESETHAND. */
static uint64_t take_handler(struct sigtable *s, int sig, const siginfo_t *info)
{
	struct signal_action a = s->action[sig];
	struct signal_action reset = {.handler = (uint64_t)SIG_DFL}, k;

	if (!is_code(a.handler)) {
		if (a.handler == (uint64_t)SIG_DFL || info->si_code > 0)
			by_default(sig, info);
		return 0;
	}
	if (a.flags & (unsigned)SA_RESETHAND) {
		s->action[sig] = reset;
		k = kernel_side(sig, &reset);
		kernel_action(sig, &k, NULL);
	}
	return a.handler;
}

/* By what the thread did, not sent: can't be put off. */
static bool is_fault(int sig, const siginfo_t *info)
{
	return info->si_code > 0 &&
	       (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGTRAP);
}

/* Depth 1: true where the signal is dealt with. */
static bool interrupted_agent(struct agent_thread *t, int sig, siginfo_t *info, ucontext_t *uc)
{
	greg_t *regs = uc->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP];

	if (is_fault(sig, info)) {
		if ((OURS & BIT(sig)) && fix_up(regs))
			return true;
		/* A fault of the agent itself: the program's handler gets it, if it likes to go on. */
		store_relaxed(&t->depth, 0);
		return false;
	}
	if (rip == (uint64_t)agent_tail) {
		store_relaxed(&t->depth, 0);
		return false;
	}
	if (rip >= (uint64_t)agent_leave && rip < (uint64_t)agent_tail)
		regs[REG_RIP] = (greg_t)(uint64_t)agent_leave;
	put_off(t, sig, info, uc);
	return true;
}

uint64_t agent_signal(int sig, siginfo_t *info, void *context)
{
	struct agent_thread *t = agent_self();
	ucontext_t *uc = context;
	greg_t *regs = uc->uc_mcontext.gregs;
	uint64_t rip = (uint64_t)regs[REG_RIP];

	if (load_relaxed(&t->depth) != 0 && interrupted_agent(t, sig, info, uc))
		return 0;
	if (rip == (uint64_t)agent_tail || rip == (uint64_t)agent_final)
		regs[REG_RIP] = regs[REG_RCX]; /* what the jump would do */
	if ((t->hidden_mask & OURS & BIT(sig)) && !is_fault(sig, info)) {
		/* Sent while the program has it blocked: it stays pending in the kernel. */
		*mask_of(uc) |= BIT(sig);
		put_back(sig, info);
		return 0;
	}
	return take_handler(t->signals, sig, info);
}

void agent_open_mask(struct agent_thread *t, struct agent_regs *r)
{
	r->mask = t->saved_mask;
	store_relaxed(&t->pending, 0);
}
