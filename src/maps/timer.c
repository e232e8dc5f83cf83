/* Timers: see timer.h. Each entry has a lock word; each operation changes it by one last store, to `state`. */
#include "maps/timer.h"

#include <time.h>

#include "base/futex.h"
#include "base/sys.h"
#include "maps/hash.h"

enum timer_state {
	TIMER_FREE = 0,
	TIMER_IDLE,
	TIMER_ARMED,
};

/* BPF_F_TIMER_ABS and BPF_F_TIMER_CPU_PIN, which are younger than some headers. */
#define TIMER_ABS 1u
#define TIMER_CPU_PIN 2u

#define TIMER_AGAIN 1000000u /* ns until one that cannot be fired now is tried again */

#define FROM_REF(ref) ((uint32_t)(ref)-1)

static struct arena_timer *entry_at(const struct pool *p, uint64_t ref)
{
	return ref && ref <= ARENA_TIMERS ? &arena_ctl(p)->timer[FROM_REF(ref)] : NULL;
}

static uint64_t ref_of(const struct pool *p, const struct arena_timer *e)
{
	return (uint64_t)(e - arena_ctl(p)->timer) + 1;
}

/* The timer that the entry belongs to, if it still does: where its map was may be another by now. */
static racy_read uint64_t *field_of(const struct pool *p, const struct arena_timer *e)
{
	const struct map *m = map_at(p, e->map);
	uint64_t *field = (void *)(p->base + e->field);

	if (!m || m->timer_off < 0 || e->field < e->map || e->field - e->map > m->bytes - 16)
		return NULL;
	return load_relaxed(field) == ref_of(p, e) ? field : NULL;
}

/* Takes an entry that is free, or that nobody names any more; its lock is held then. */
static struct arena_timer *entry_take(struct task *t)
{
	struct arena_ctl *ctl = arena_ctl(t->pool);

	for (uint32_t i = 0; i < ARENA_TIMERS; i++) {
		struct arena_timer *e = &ctl->timer[i];

		if (fast_trylock(t, &e->word) != 0)
			continue;
		if (e->state == TIMER_FREE || !field_of(t->pool, e))
			return e;
		fast_unlock(t, &e->word, 0);
	}
	return NULL;
}

int timer_init(struct task *t, struct map *m, void *at, uint64_t clock, bool used)
{
	uint64_t none = 0, *field = at;
	struct arena_timer *e;
	int err = 0;

	if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME)
		return -EINVAL;
	if (load_relaxed(field))
		return -EBUSY;
	if (!used)
		return -EPERM;
	e = entry_take(t);
	if (!e)
		return -ENOMEM;
	e->map = map_off(t->pool, m);
	e->field = pool_off(t->pool, at);
	e->clock = (uint32_t)clock;
	e->callback = 0;
	e->cancellers = 0;
	fence_death();
	if (!cas(field, &none, ref_of(t->pool, e)))
		err = -EBUSY;
	store_relaxed(&e->state, err ? TIMER_FREE : TIMER_IDLE);
	fast_unlock(t, &e->word, LOCK_VERSION);
	return err;
}

/* The entry of the timer at `at`, locked. */
static int open_entry(struct task *t, void *at, struct arena_timer **e)
{
	int err;

	*e = entry_at(t->pool, load_relaxed((uint64_t *)at));
	if (!*e)
		return -EINVAL;
	err = fast_lock(t, &(*e)->word);
	if (!err && (*e)->field != pool_off(t->pool, at)) {
		fast_unlock(t, &(*e)->word, 0);
		err = -EINVAL;
	}
	return err;
}

uint64_t timer_map(struct task *t, void *at)
{
	const struct arena_timer *e = entry_at(t->pool, load_relaxed((uint64_t *)at));

	return e && e->field == pool_off(t->pool, at) ? e->map : 0;
}

int timer_set_callback(struct task *t, void *at, uint64_t callback)
{
	struct arena_timer *e;
	int err = open_entry(t, at, &e);

	if (err)
		return err;
	store_relaxed(&e->callback, callback);
	fast_unlock(t, &e->word, LOCK_VERSION);
	return 0;
}

static uint64_t now_of(struct task *t, int clock)
{
	struct timespec ts = {0};

	if (!t->clock || t->clock(clock, &ts) != 0)
		sys_clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

int timer_start(struct task *t, void *at, uint64_t ns, uint64_t flags)
{
	uint64_t now = now_of(t, CLOCK_MONOTONIC), its;
	struct arena_timer *e;
	int err = flags & ~(uint64_t)(TIMER_ABS | TIMER_CPU_PIN) ? -EINVAL : open_entry(t, at, &e);

	if (err)
		return err;
	if (e->callback) {
		its = now_of(t, (int)e->clock);
		if (flags & TIMER_ABS)
			ns = ns > its ? ns - its : 0;
		e->expires = now + ns;
		fence_death();
		store_relaxed(&e->state, TIMER_ARMED);
		its = e->expires;
	} else {
		err = -EINVAL;
	}
	fast_unlock(t, &e->word, LOCK_VERSION);
	/* Pairs with the fence of timers_sleep: it sees the timer, or we see until when it sleeps. */
	fence_full();
	if (!err && its < load_relaxed(&arena_ctl(t->pool)->timer_until))
		timers_ring(t->pool);
	return err;
}

/* Waits for the end of a callback that another one runs. `self`: the entry of the callback that waits, if any. */
static int wait_end(struct task *t, struct arena_timer *e, struct arena_timer *self)
{
	int err = 0;

	if (!(load_acquire(&e->running) & LOCK_OWNER))
		return 0;
	if (self) {
		fetch_add(&e->cancellers, 1);
		fence_full();
		err = load_relaxed(&self->cancellers) ? -EDEADLK : 0;
	}
	if (!err) {
		err = fast_lock(t, &e->running);
		if (!err)
			fast_unlock(t, &e->running, 0);
	}
	if (self)
		fetch_add(&e->cancellers, -1u);
	return err;
}

int timer_cancel(struct task *t, void *at, uint64_t self)
{
	struct arena_timer *e, *own = entry_at(t->pool, self);
	int r = open_entry(t, at, &e), err;

	if (r)
		return r;
	if (e == own) {
		fast_unlock(t, &e->word, 0);
		return -EDEADLK;
	}
	r = e->state == TIMER_ARMED;
	store_relaxed(&e->callback, 0);
	store_relaxed(&e->state, TIMER_IDLE);
	fast_unlock(t, &e->word, LOCK_VERSION);
	err = wait_end(t, e, own);
	return err ? err : r;
}

/* Key and value around the field. */
static void locate(const struct pool *p, const struct arena_timer *e, struct timer_due *due)
{
	struct map *m = map_at(p, e->map);
	char *value = p->base + e->field - m->timer_off;

	*due = (struct timer_due){.entry = ref_of(p, e), .map = e->map, .value = value, .callback = e->callback};
	if (m->type == BPF_MAP_TYPE_ARRAY) {
		due->index = (uint32_t)(((uint64_t)(value - (char *)m) - m->values) / m->stride);
		due->key = &due->index;
	} else {
		due->key = ((struct elem *)(void *)(value - m->value_at))->key;
	}
}

static bool is_due(const struct arena_timer *e, uint64_t now)
{
	return load_relaxed(&e->state) == TIMER_ARMED && load_relaxed(&e->expires) <= now;
}

/* Takes one that is due: it is idle then. */
static bool take_due(struct task *t, struct arena_timer *e, uint64_t now, const struct timer_host *host,
		     struct timer_due *due)
{
	bool fires = false, mine;

	if (fast_trylock(t, &e->word) != 0)
		return false;
	if (is_due(e, now)) {
		mine = field_of(t->pool, e) != NULL;
		fires = mine && host->used(host->arg, e->map);
		if (fires)
			locate(t->pool, e, due);
		store_relaxed(&e->state, mine ? TIMER_IDLE : TIMER_FREE);
	}
	fast_unlock(t, &e->word, LOCK_VERSION);
	return fires;
}

uint32_t timers_fire(struct task *t, uint64_t now, const struct timer_host *host)
{
	struct timer_due due;
	uint32_t n = 0;

	for (uint32_t i = 0; i < ARENA_TIMERS; i++) {
		struct arena_timer *e = &arena_ctl(t->pool)->timer[i];

		/* Where its last callback still runs elsewhere, this one has to wait. */
		if (!is_due(e, now) || fast_trylock(t, &e->running) != 0)
			continue;
		if (take_due(t, e, now, host, &due)) {
			host->call(host->arg, &due);
			n++;
		}
		fast_unlock(t, &e->running, 0);
	}
	return n;
}

uint64_t timers_next(const struct pool *p)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < ARENA_TIMERS; i++) {
		const struct arena_timer *e = &arena_ctl(p)->timer[i];

		if (load_relaxed(&e->state) == TIMER_ARMED)
			next = min_of(next, load_relaxed(&e->expires));
	}
	return next;
}

uint32_t timers_bell(const struct pool *p)
{
	return load_acquire(&arena_ctl(p)->timer_bell);
}

void timers_ring(const struct pool *p)
{
	fetch_add(&arena_ctl(p)->timer_bell, 1);
	futex_wake(&arena_ctl(p)->timer_bell, INT32_MAX);
}

void timers_sleep(struct task *t, uint32_t bell)
{
	struct arena_ctl *ctl = arena_ctl(t->pool);
	uint64_t next = timers_next(t->pool), now = now_of(t, CLOCK_MONOTONIC), ns;

	store_relaxed(&ctl->timer_until, next);
	fence_full();
	if (timers_next(t->pool) < next)
		return;
	/* One that is due already runs elsewhere, or its lock's owner is dead: soon again. An hour: who knows. */
	ns = next <= now ? TIMER_AGAIN : min_of(next - now, 3600ull * 1000000000u);
	futex_wait(&ctl->timer_bell, bell, ns);
}

uint64_t timers_callback(const struct pool *p, uint64_t map, uint32_t *at)
{
	while (*at < ARENA_TIMERS) {
		const struct arena_timer *e = &arena_ctl(p)->timer[(*at)++];
		uint64_t callback = load_relaxed(&e->callback);

		if (load_relaxed(&e->state) != TIMER_FREE && e->map == map && callback)
			return callback;
	}
	return 0;
}
