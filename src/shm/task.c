/*
 * Seats and burials: see task.h.
 *
 * A client slot goes FREE -> LIVE by the process that got its life lock, and
 * back to FREE by that process, or by whoever got the life lock after its
 * death and has released all that it held. A task slot goes FREE -> LIVE by
 * compare-and-swap, LIVE -> FREE by its task, LIVE -> ZOMBIE (or FREE) by who
 * buries it under the client's reaper lock, ZOMBIE -> LIVE by an heir.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

#include "base/futex.h"
#include "base/sys.h"
#include "shm/txn.h"

#define EMBRYO_GRACE_NS 10000000000u

static uint64_t boot_ns(void)
{
	struct timespec now = {0};

	sys_clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int life_lock(struct pool *pool, uint32_t i, int cmd, short type, struct flock *fl)
{
	*fl = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = TASK_LIFE + i, .l_len = 1};
	return sys_fcntl(pool->fd, cmd, (long)fl);
}

/*
 * Is there a process, and not only what is left of one until somebody waits for it?
 * kill(2) can't tell; but that has no memory: ESRCH, whoever asks, of process_vm_readv(2).
 */
static bool process_runs(uint32_t pid)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {NULL, 1};

	return sys_call6(SYS_process_vm_readv, (long)pid, (long)&here, 1, (long)&there, 1, 0) != -ESRCH;
}

/* Who came to its seat after `than` had been made has not made it. */
static bool younger(const struct client_slot *c, const struct client_slot *than)
{
	return load_relaxed(&c->started) > load_relaxed(&than->started);
}

/*
 * A child may outlive its guardian and still be on its way to its seat. Its pid
 * tells, once the guardian has written it down; a guardian that died before that
 * leaves the child some seconds.
 */
static bool embryo_alive(struct pool *pool, const struct client_slot *c)
{
	uint32_t guardian = load_relaxed(&c->guardian), pid = load_relaxed(&c->pid);

	if (pid)
		return process_runs(pid);
	if (guardian < POOL_CLIENTS && !younger(client_slot(pool, guardian), c) && client_alive(pool, guardian))
		return true;
	return boot_ns() - load_relaxed(&c->started) < EMBRYO_GRACE_NS;
}

bool client_alive(struct pool *pool, uint32_t i)
{
	struct client_slot *c = client_slot(pool, i);
	struct flock fl;

	if (i == pool->client)
		return true;
	/* Its guardian is no embryo: only who has come can fork. */
	if (load_acquire(&c->state) == SLOT_EMBRYO && load_relaxed(&c->guardian) != i)
		return embryo_alive(pool, c);
	/* Where the kernel gives no answer, nobody is declared dead. */
	return life_lock(pool, i, F_GETLK, F_WRLCK, &fl) != 0 || fl.l_type != F_UNLCK;
}

/* Threads of one process do not exclude each other by record locks: this does. */
static bool local_trylock(struct pool *pool)
{
	uint32_t free = 0;

	return cas(&pool->local_lock, &free, 1);
}

static void local_lock(struct pool *pool)
{
	while (!local_trylock(pool))
		futex_wait(&pool->local_lock, 1, 1000000);
}

static void local_unlock(struct pool *pool)
{
	store_release(&pool->local_lock, 0);
	futex_wake(&pool->local_lock, 1);
}

int client_trylock(struct pool *pool, uint32_t i)
{
	struct flock fl;
	int err = local_trylock(pool) ? 0 : -EAGAIN;

	if (err)
		return err;
	err = life_lock(pool, i, F_SETLK, F_WRLCK, &fl);
	if (err)
		local_unlock(pool);
	return err;
}

void client_unlock(struct pool *pool, uint32_t i)
{
	struct flock fl;

	life_lock(pool, i, F_SETLK, F_UNLCK, &fl);
	local_unlock(pool);
}

static bool client_claim(struct pool *pool, uint32_t i)
{
	struct client_slot *c = client_slot(pool, i);
	struct flock fl;

	if (load_acquire(&c->state) != SLOT_FREE || life_lock(pool, i, F_SETLK, F_WRLCK, &fl) != 0)
		return false;
	if (load_acquire(&c->state) != SLOT_FREE) {
		life_lock(pool, i, F_SETLK, F_UNLCK, &fl);
		return false;
	}
	c->pid = (uint32_t)sys_getpid();
	c->started = boot_ns();
	fence_death();
	store_release(&c->state, SLOT_LIVE);
	return true;
}

void client_detach(struct pool *pool)
{
	struct client_slot *c = client_slot(pool, pool->client);
	struct flock fl;

	store_release(&c->state, SLOT_FREE);
	life_lock(pool, pool->client, F_SETLK, F_UNLCK, &fl);
	pool->client = POOL_CLIENTS;
}

static bool make_one(struct pool *pool, uint32_t i)
{
	struct client_slot *c = client_slot(pool, i);
	bool made = false;
	struct flock fl;

	if (load_acquire(&c->state) != SLOT_FREE || life_lock(pool, i, F_SETLK, F_WRLCK, &fl) != 0)
		return false;
	if (load_acquire(&c->state) == SLOT_FREE) {
		c->guardian = pool->client;
		c->pid = 0;
		c->handles = 0;
		c->started = boot_ns();
		fence_death();
		store_release(&c->state, SLOT_EMBRYO);
		made = true;
	}
	life_lock(pool, i, F_SETLK, F_UNLCK, &fl);
	return made;
}

int client_make(struct pool *pool, uint32_t *i)
{
	int err = -EUSERS;

	local_lock(pool);
	for (uint32_t k = 0; k < POOL_CLIENTS && err; k++) {
		if (k != pool->client && make_one(pool, k)) {
			*i = k;
			err = 0;
		}
	}
	local_unlock(pool);
	return err;
}

void client_give_up(struct pool *pool, uint32_t i)
{
	store_release(&client_slot(pool, i)->state, SLOT_FREE);
}

int client_take(struct pool *pool, uint32_t i)
{
	struct client_slot *c = client_slot(pool, i);
	struct flock fl;

	/* Waits for one who takes us for dead, and is about to see that we are not. */
	if (life_lock(pool, i, F_SETLKW, F_WRLCK, &fl) != 0)
		return -EUCLEAN;
	if (load_acquire(&c->state) != SLOT_EMBRYO) {
		life_lock(pool, i, F_SETLK, F_UNLCK, &fl);
		return -EUCLEAN;
	}
	pool->local_lock = 0; /* as fork copied it: the thread that held it is not here */
	pool->client = i;
	c->pid = (uint32_t)sys_getpid();
	fence_death();
	store_release(&c->state, SLOT_LIVE);
	return 0;
}

static void task_fill(struct task *t, struct pool *pool, unsigned flags, uint32_t i)
{
	*t = (struct task){
	    .pool = pool,
	    .slot = task_slot(pool, i),
	    .id = i + 1,
	    .flags = flags,
	    .arena = i,
	};
}

/* Raised before the slot is taken: a slot in use is always below it. */
static void raise_high(struct pool *pool, uint32_t n)
{
	uint32_t *high = &pool_header(pool)->tasks_high;
	uint32_t old = load_relaxed(high);

	while (old < n && !cas(high, &old, n))
		;
}

/* A free slot holds nothing; one that does was damaged, and stays unused. */
static bool slot_clean(const struct task_slot *s)
{
	return !load_relaxed(&s->nheld) && !load_relaxed(&s->nundo) && !load_relaxed(&s->nhand) &&
	       !load_relaxed(&s->nstale);
}

/*
 * A client's seats are counted before one is taken and after it is left: whoever
 * dies in between has counted too many, and 0 says that there is none to look for.
 */
static void count_seats(struct pool *pool, uint32_t client, uint32_t n)
{
	if (client < POOL_CLIENTS)
		fetch_add(&client_slot(pool, client)->tasks, n);
}

/* 1: slot `i` is ours. 0: it is somebody's. */
static int take_seat(struct pool *pool, unsigned flags, uint32_t i, struct task *t)
{
	struct task_slot *s = task_slot(pool, i);
	uint64_t seat = load_acquire(&s->seat);

	if (seat_state(seat) != SLOT_FREE || !slot_clean(s))
		return 0;
	if (i >= load_relaxed(&pool_header(pool)->tasks_high)) {
		if (pool_commit(pool, pool_off(pool, s), sizeof *s) != 0)
			return -ENOSPC;
		raise_high(pool, i + 1);
	}
	if (!cas(&s->seat, &seat, seat_word(SLOT_LIVE, pool->client)))
		return 0;
	task_fill(t, pool, flags, i);
	store_relaxed(&s->run, 0);
	s->tid = (uint32_t)sys_gettid();
	return 1;
}

static int take_free_seat(struct pool *pool, unsigned flags, struct task *t)
{
	/* The last ones are the daemon's: who fills all others does not keep it from serving the kernel. */
	uint32_t end = flags & TASK_KERNEL ? POOL_TASKS : POOL_TASKS - POOL_TASKS_KEPT;
	/* To look at a slot is a page fault in a process that has just begun. */
	uint32_t hint = load_relaxed(&pool_header(pool)->tasks_hint);
	int rc = hint < min_of(end, task_slots_used(pool)) ? take_seat(pool, flags, hint, t) : 0;

	for (uint32_t i = 0; i < end && rc == 0; i++)
		rc = take_seat(pool, flags, i, t);
	return rc < 0 ? rc : rc ? 0 : -EUSERS;
}

int task_attach(struct pool *pool, unsigned flags, struct task *t)
{
	int err;

	count_seats(pool, pool->client, 1);
	err = take_free_seat(pool, flags, t);
	if (err)
		count_seats(pool, pool->client, -1u);
	return err;
}

void task_detach(struct task *t)
{
	uint32_t client = seat_client(load_relaxed(&t->slot->seat));

	check(t->slot->nheld == 0 && t->slot->nundo == 0 && t->slot->nhand == 0 && t->slot->nstale == 0);
	store_release(&t->slot->seat, seat_word(SLOT_FREE, 0));
	store_relaxed(&pool_header(t->pool)->tasks_hint, t->id - 1);
	count_seats(t->pool, client, -1u);
	t->slot = NULL;
}

int task_inherit(struct task *t, uint32_t i, struct task *heir)
{
	struct task_slot *s = task_slot(t->pool, i);
	uint64_t seat = load_acquire(&s->seat);

	/* What a kernel has to be told is left to who can do that: the daemon. */
	if (seat_state(seat) != SLOT_ZOMBIE || (s->nstale && !t->invalidate) || s->nheld || s->nundo ||
	    s->nhand > TASK_HAND || s->nstale > TASK_STALE)
		return 0;
	count_seats(t->pool, t->pool->client, 1);
	if (!cas(&s->seat, &seat, seat_word(SLOT_LIVE, t->pool->client))) {
		count_seats(t->pool, t->pool->client, -1u);
		return 0;
	}
	task_fill(heir, t->pool, t->flags, i);
	heir->clock = t->clock;
	heir->invalidate = t->invalidate;
	heir->arg = t->arg;
	return 1;
}

/* Rolls back one dead task. Everything here may be done twice: the one who does it may die too. */
static void task_bury(struct pool *pool, struct task_slot *s, uint32_t id, uint64_t seat)
{
	uint32_t n = min_of(load_acquire(&s->nheld), TASK_HELD);

	if (s->nundo)
		fetch_add(&pool_header(pool)->rollbacks, 1);
	txn_undo(pool, s);
	while (n > 0) {
		uint64_t off = s->held[--n];

		if (off >= 64 && off % 8 == 0 && off < pool->size)
			lock_break((uint64_t *)(void *)(pool->base + off), id);
		step_in(pool);
	}
	store_relaxed(&s->nheld, 0);
	fence_death();
	step_in(pool);
	cas(&s->seat, &seat, s->nhand || s->nstale ? seat_word(SLOT_ZOMBIE, 0) : seat_word(SLOT_FREE, 0));
}

static void bury_tasks_of(struct pool *pool, uint32_t c)
{
	for (uint32_t i = 0; i < task_slots_used(pool); i++) {
		struct task_slot *s = task_slot(pool, i);
		uint64_t seat = load_acquire(&s->seat);

		if (seat == seat_word(SLOT_LIVE, c))
			task_bury(pool, s, i + 1, seat);
	}
}

/* A slot that has just become ours: there is none, unless somebody left without it. */
static void bury_left(struct pool *pool)
{
	uint32_t *n = &client_slot(pool, pool->client)->tasks;

	if (!load_relaxed(n))
		return;
	bury_tasks_of(pool, pool->client);
	store_relaxed(n, 0);
}

int client_attach(struct pool *pool)
{
	int err = -EUSERS;

	local_lock(pool);
	for (uint32_t i = 0; i < POOL_CLIENTS && err; i++) {
		if (client_claim(pool, i)) {
			pool->client = i;
			bury_left(pool);
			err = 0;
		}
	}
	local_unlock(pool);
	return err;
}

/*
 * Do we hold its life lock? A dead process may have had our pid, and one of another pid name space may have it.
 * F_GETLK does not tell of a process's own locks; what asks for an open file description is told of all.
 */
static bool is_mine(struct pool *pool, uint32_t i)
{
	struct flock fl;

	return life_lock(pool, i, F_OFD_GETLK, F_WRLCK, &fl) == 0 && fl.l_type != F_UNLCK && fl.l_pid == sys_getpid();
}

int client_resume(struct pool *pool)
{
	uint32_t pid = (uint32_t)sys_getpid();

	for (uint32_t i = 0; i < POOL_CLIENTS; i++) {
		struct client_slot *c = client_slot(pool, i);

		if (load_acquire(&c->state) != SLOT_LIVE || load_relaxed(&c->pid) != pid || !is_mine(pool, i))
			continue;
		pool->client = i;
		bury_left(pool);
		c->started = boot_ns(); /* what threads of the last image were about to fork has no guardian */
		return 0;
	}
	return -ENOENT;
}

int client_bury(struct task *t, uint32_t c)
{
	struct pool *pool = t->pool;
	struct client_slot *slot = client_slot(pool, c);
	int err;

	/* Who died while burying is buried first, and so on: as deep as there is room for locks. */
	if (client_alive(pool, c) || t->slot->nheld >= TASK_HELD - 1)
		return 0;
	err = lock_acquire_past_freeze(t, &slot->reaper);
	if (err)
		return err;
	/* Under the reaper lock a dead client's seat is not freed, so that nobody new can come to sit in it. */
	if (load_acquire(&slot->state) != SLOT_LIVE || client_alive(pool, c)) {
		lock_release(t, 0);
		return 0;
	}
	bury_tasks_of(pool, c);
	lock_release(t, 0);
	return 1;
}

int client_free(struct task *t, uint32_t c)
{
	struct client_slot *slot = client_slot(t->pool, c);
	int err = lock_acquire_past_freeze(t, &slot->reaper);

	if (err)
		return err;
	store_relaxed(&slot->tasks, 0); /* its seats are buried: who comes next need not look for them */
	store_release(&slot->state, SLOT_FREE);
	lock_release(t, 0);
	return 0;
}
