/*
 * The world's pages: see arena.h. One lock, and a table with a word at both
 * ends of each run, so that neighbours of a run that becomes free are found
 * and joined at once. Runs are few (a map each) and the search for a free one
 * goes from run to run, the lowest that fits: offsets stay small, which
 * compiled code can address.
 */
#include "maps/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>

#include "base/mem.h"
#include "base/sys.h"

#define SMALLEST (1ull << 20)
#define LARGEST (1ull << 40)

enum run_state {
	RUN_FREE = 1,
	RUN_TAKEN = 2,
	RUN_LIMBO = 3,
};

#define RUN_LEN ((1u << 30) - 1)

struct geometry {
	uint64_t size;
	struct pool_region region[POOL_REGIONS];
};

static void place(struct geometry *g, unsigned r, uint64_t len)
{
	g->region[r] = (struct pool_region){g->size, round_up(len, POOL_PAGE)};
	g->size += g->region[r].len;
}

static bool lay_out(uint64_t bytes, uint64_t objects, struct geometry *g)
{
	*g = (struct geometry){.size = round_up(sizeof(struct pool_header), POOL_PAGE)};
	if (bytes < SMALLEST || bytes > LARGEST || objects > LARGEST)
		return false;
	bytes = round_up(bytes, ARENA_PAGE);
	place(g, REGION_CLIENTS, POOL_CLIENTS * sizeof(struct client_slot));
	place(g, REGION_TASKS, POOL_TASKS * sizeof(struct task_slot));
	place(g, REGION_ARENA, sizeof(struct arena_ctl));
	place(g, REGION_RUNS, bytes / ARENA_PAGE * sizeof(uint32_t));
	place(g, REGION_OBJECTS, objects);
	place(g, REGION_PAGES, bytes);
	return true;
}

uint64_t arena_bytes(uint64_t bytes, uint64_t objects)
{
	struct geometry g;

	return lay_out(bytes, objects, &g) ? g.size : 0;
}

/* The last number in "0-3" or "0-1,4-7", plus one. */
static uint32_t parse_cpus(const char *s, long n)
{
	uint32_t v = 0;

	for (long i = 0; i < n; i++) {
		if (s[i] >= '0' && s[i] <= '9')
			v = v * 10 + (uint32_t)(s[i] - '0');
		else if (s[i] == '-' || s[i] == ',')
			v = 0;
	}
	return min_of(v + 1, ARENA_CPUS);
}

static uint32_t possible_cpus(void)
{
	char text[128];
	long fd = sys_call4(SYS_openat, AT_FDCWD, (long)"/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC, 0);
	long n;

	if (fd < 0)
		return 1;
	n = sys_call3(SYS_read, fd, (long)text, sizeof text);
	sys_close((int)fd);
	return n > 0 ? parse_cpus(text, n) : 1;
}

static uint32_t *runs(const struct pool *p)
{
	return (uint32_t *)(void *)(p->base + p->region[REGION_RUNS].off);
}

static uint32_t pages(const struct pool *p)
{
	return (uint32_t)(p->region[REGION_PAGES].len / ARENA_PAGE);
}

static uint64_t page_off(const struct pool *p, uint32_t page)
{
	return p->region[REGION_PAGES].off + (uint64_t)page * ARENA_PAGE;
}

/* The page at which `off` lies; none: past the last one. */
static uint32_t page_of(const struct pool *p, uint64_t off)
{
	uint64_t from = p->region[REGION_PAGES].off;

	if (off < from || (off - from) / ARENA_PAGE >= pages(p) || off % ARENA_PAGE)
		return UINT32_MAX;
	return (uint32_t)((off - from) / ARENA_PAGE);
}

static int fill(struct pool *p, uint32_t ncpus)
{
	uint32_t n = pages(p), word = (uint32_t)RUN_FREE << 30 | n;
	int err = pool_commit(p, p->region[REGION_ARENA].off, p->region[REGION_ARENA].len);

	if (!err)
		err = pool_commit(p, p->region[REGION_RUNS].off, sizeof(uint32_t));
	if (!err)
		err =
		    pool_commit(p, p->region[REGION_RUNS].off + (uint64_t)(n - 1) * sizeof(uint32_t), sizeof(uint32_t));
	if (!err)
		err = pool_commit(p, p->region[REGION_CLIENTS].off, p->region[REGION_CLIENTS].len);
	if (err)
		return err;
	arena_ctl(p)->ncpus = ncpus ? min_of(ncpus, ARENA_CPUS) : possible_cpus();
	arena_ctl(p)->epoch = 1;
	runs(p)[0] = runs(p)[n - 1] = word;
	store_release(&pool_header(p)->ready, 1);
	return 0;
}

int arena_format(int fd, const char *name, uint64_t bytes, uint64_t objects, uint32_t ncpus)
{
	struct geometry g;
	struct pool p;
	int err;

	if (!lay_out(bytes, objects, &g))
		return -EINVAL;
	err = pool_format(fd, g.size, name, g.region);
	if (!err)
		err = pool_map(fd, &p);
	if (err)
		return err;
	err = fill(&p, ncpus);
	sys_munmap(p.base, p.size);
	return err;
}

void arena_join(void)
{
	sys_call3(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0);
}

bool arena_ok(const struct pool *p)
{
	const struct pool_region *r = p->region;

	return load_acquire(&pool_header(p)->ready) && r[REGION_ARENA].len >= sizeof(struct arena_ctl) &&
	       r[REGION_PAGES].len >= SMALLEST && r[REGION_PAGES].len <= LARGEST &&
	       r[REGION_RUNS].len >= pages(p) * sizeof(uint32_t) && arena_ctl(p)->ncpus;
}

int arena_attach(int fd, struct arena *a)
{
	int err = pool_map(fd, &a->pool);

	if (err)
		return err;
	err = arena_ok(&a->pool) ? client_attach(&a->pool) : -EUCLEAN;
	if (err) {
		sys_munmap(a->pool.base, a->pool.size);
		return err;
	}
	arena_join();
	return 0;
}

void arena_detach(struct arena *a)
{
	client_detach(&a->pool);
	pool_unmap(&a->pool);
}

/* --- runs of pages --- */

/* The run that starts at `page`, or 0 where the table is damaged. */
static uint32_t run_at(const struct pool *p, uint32_t page, enum run_state *state)
{
	uint32_t w = load_relaxed(&runs(p)[page]), n = w & RUN_LEN;

	*state = (enum run_state)(w >> 30);
	return n <= pages(p) - page ? n : 0;
}

/* Names the run [page, page + n). Its table words may be the first touched on their page. */
static int run_set(struct task *t, uint32_t page, uint32_t n, enum run_state state)
{
	struct pool *p = t->pool;
	uint32_t *first = &runs(p)[page], *last = first + n - 1, w = (uint32_t)state << 30 | n;

	if (pool_commit(p, pool_off(p, first), sizeof *first) != 0 ||
	    pool_commit(p, pool_off(p, last), sizeof *last) != 0)
		return -ENOMEM;
	txn_set(t, first, w);
	if (last != first)
		txn_set(t, last, w);
	return 0;
}

static int find_free(const struct pool *p, uint32_t want, uint32_t *page, uint32_t *len)
{
	enum run_state state;

	for (uint32_t i = 0, n; i < pages(p); i += n) {
		n = run_at(p, i, &state);
		if (!n)
			return -EUCLEAN;
		if (state == RUN_FREE && n >= want) {
			*page = i;
			*len = n;
			return 0;
		}
	}
	return -ENOMEM;
}

static int take(struct task *t, uint32_t want, uint32_t *page)
{
	struct arena_ctl *ctl = arena_ctl(t->pool);
	uint32_t len = 0;
	int err;

	txn_begin(t);
	err = txn_lock(t, &ctl->lock);
	if (!err)
		err = find_free(t->pool, want, page, &len);
	/* The rest first: should it fail, the table is as it was. */
	if (!err && len > want)
		err = run_set(t, *page + want, len - want, RUN_FREE);
	if (!err)
		err = run_set(t, *page, want, RUN_TAKEN);
	if (err)
		return txn_abort(t, err);
	txn_set(t, &ctl->taken, ctl->taken + want);
	if (!hand_push(t, ARENA_ITEM << 60 | *page))
		return txn_abort(t, -ENOMEM);
	return txn_commit(t);
}

int arena_take(struct task *t, uint64_t bytes, uint64_t *off)
{
	uint64_t want = div_up(max_of(bytes, 1u), ARENA_PAGE);
	uint32_t page = 0;
	int err;

	if (want > pages(t->pool) || room_refused(t->pool))
		return -ENOMEM;
	arena_reap(t);
	err = take(t, (uint32_t)want, &page);
	if (!err)
		*off = page_off(t->pool, page);
	return err;
}

uint64_t arena_size(const struct pool *p, uint64_t off)
{
	uint32_t page = page_of(p, off);
	enum run_state state;
	uint32_t n = page < pages(p) ? run_at(p, page, &state) : 0;

	return n && state == RUN_TAKEN ? (uint64_t)n * ARENA_PAGE : 0;
}

uint64_t arena_base(const struct pool *p, uint64_t off)
{
	uint64_t from = p->region[REGION_PAGES].off;
	enum run_state state;

	for (uint32_t i = 0, n; off >= from && i < pages(p); i += n) {
		n = run_at(p, i, &state);
		if (!n)
			return 0;
		if (off < page_off(p, i) + (uint64_t)n * ARENA_PAGE)
			return state == RUN_TAKEN ? page_off(p, i) : 0;
	}
	return 0;
}

static int in_hand(const struct task *t, uint64_t off)
{
	uint64_t item = ARENA_ITEM << 60 | page_of(t->pool, off);

	for (uint32_t i = min_of(t->slot->nhand, TASK_HAND); i-- > 0;)
		if (t->slot->hand[i] == item)
			return (int)i;
	return -EUCLEAN;
}

int arena_own(struct task *t, uint64_t off)
{
	int i = in_hand(t, off);

	if (i < 0)
		return i;
	hand_take(t, (uint32_t)i);
	return 0;
}

void arena_disown(struct task *t, uint64_t off)
{
	hand_push(t, ARENA_ITEM << 60 | page_of(t->pool, off));
}

/* Joins [page, page + n) with its free neighbours and names the whole. */
static int set_free(struct task *t, uint32_t page, uint32_t n)
{
	struct pool *p = t->pool;
	enum run_state state;
	uint32_t k;

	if (page + n < pages(p)) {
		k = run_at(p, page + n, &state);
		if (!k)
			return -EUCLEAN;
		n += state == RUN_FREE ? k : 0;
	}
	if (page > 0) {
		uint32_t w = runs(p)[page - 1];

		k = w & RUN_LEN;
		if (!k || k > page)
			return -EUCLEAN;
		if (w >> 30 == RUN_FREE) {
			page -= k;
			n += k;
		}
	}
	return run_set(t, page, n, RUN_FREE);
}

static int zero(struct pool *p, uint32_t page, uint32_t n)
{
	uint64_t off = page_off(p, page), len = (uint64_t)n * ARENA_PAGE;

	if (pool_decommit(p, off, len) != 0)
		mem_zero(p->base + off, len);
	return 0;
}

/* --- limbo --- */

static int limbo_slot(const struct arena_ctl *ctl)
{
	for (uint32_t i = 0; i < ARENA_LIMBO; i++)
		if (!ctl->limbo[i].state)
			return (int)i;
	return -EAGAIN;
}

static int to_limbo(struct task *t, uint64_t off)
{
	struct arena_ctl *ctl = arena_ctl(t->pool);
	uint32_t page = page_of(t->pool, off), n = (uint32_t)(arena_size(t->pool, off) / ARENA_PAGE);
	int slot = 0, err;

	txn_begin(t);
	err = txn_lock(t, &ctl->lock);
	if (!err)
		err = n ? in_hand(t, off) : -EUCLEAN;
	if (err >= 0) {
		hand_take(t, (uint32_t)err);
		slot = limbo_slot(ctl);
		err = min_of(slot, 0);
	}
	if (!err)
		err = run_set(t, page, n, RUN_LIMBO);
	if (err)
		return txn_abort(t, err);
	txn_set(t, &ctl->limbo[slot].page, page);
	txn_set(t, &ctl->limbo[slot].stamp, load_relaxed(&ctl->epoch));
	txn_set(t, &ctl->limbo[slot].state, 1u);
	txn_set(t, &ctl->nlimbo, ctl->nlimbo + 1);
	return txn_commit(t);
}

/* The oldest stamp with which a live task runs programs; UINT64_MAX: nobody does. Buries the dead. */
static uint64_t oldest_run(struct task *t)
{
	uint64_t oldest = UINT64_MAX;

	for (uint32_t i = 0; i < task_slots_used(t->pool); i++) {
		struct task_slot *s = task_slot(t->pool, i);
		uint64_t run = load_acquire(&s->run), seat = load_acquire(&s->seat);

		if (!run || seat_state(seat) != SLOT_LIVE || seat_client(seat) >= POOL_CLIENTS)
			continue;
		if (seat_client(seat) != t->pool->client && client_bury(t, seat_client(seat)) > 0)
			continue;
		oldest = min_of(oldest, run);
	}
	return oldest;
}

static void free_limbo(struct task *t, struct arena_limbo *l)
{
	struct arena_ctl *ctl = arena_ctl(t->pool);
	enum run_state state;
	uint32_t n = l->page < pages(t->pool) ? run_at(t->pool, l->page, &state) : 0;
	int err;

	if (!n || state != RUN_LIMBO)
		return;
	zero(t->pool, l->page, n);
	err = set_free(t, l->page, n);
	if (err) {
		t->broken = 1;
		return;
	}
	txn_set(t, &ctl->taken, ctl->taken - n);
	txn_set(t, &l->state, 0u);
	txn_set(t, &ctl->nlimbo, ctl->nlimbo - 1);
	txn_settle(t);
}

void arena_reap(struct task *t)
{
	struct arena_ctl *ctl = arena_ctl(t->pool);
	uint64_t oldest;
	int err;

	if (likely(!load_relaxed(&ctl->nlimbo)))
		return;
	fetch_add(&ctl->epoch, 1);
	/*
	 * All programs' stores of their stamps are seen after this, or they will
	 * see what was unlinked before. Where the kernel has no such call (before
	 * 4.16) a locked instruction here and the time until the next reap must do.
	 */
	if (sys_call3(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) < 0)
		fence_full();
	oldest = oldest_run(t);
	txn_begin(t);
	err = txn_lock(t, &ctl->lock);
	for (uint32_t i = 0; i < ARENA_LIMBO && !err && !t->broken; i++)
		if (ctl->limbo[i].state && ctl->limbo[i].stamp < oldest)
			free_limbo(t, &ctl->limbo[i]);
	if (err || t->broken)
		txn_abort(t, err);
	else
		err = txn_commit(t);
}

int arena_put(struct task *t, uint64_t off)
{
	int err = to_limbo(t, off);

	if (err == -EAGAIN) {
		arena_reap(t);
		err = to_limbo(t, off);
	}
	if (!err)
		arena_reap(t);
	return err;
}

/* --- the dead --- */

static int clear_hand(struct task *heir, int (*foreign)(struct task *heir, uint64_t item))
{
	int err = 0;

	while (!err && heir->slot->nhand) {
		uint64_t item = heir->slot->hand[heir->slot->nhand - 1];

		if (item >> 60 == ARENA_ITEM)
			err = arena_put(heir, page_off(heir->pool, (uint32_t)item));
		else
			err = foreign ? foreign(heir, item) : -EUCLEAN;
	}
	return err;
}

static int clear_zombies(struct task *t, int (*foreign)(struct task *heir, uint64_t item))
{
	int err = 0;

	for (uint32_t i = 0; i < task_slots_used(t->pool) && !err; i++) {
		struct task heir;

		if (!task_inherit(t, i, &heir))
			continue;
		err = clear_hand(&heir, foreign);
		/* What could not be cleared is left to the next one. */
		if (heir.slot->nhand)
			store_release(&heir.slot->seat, seat_word(SLOT_ZOMBIE, 0));
		else
			task_detach(&heir);
	}
	return err == -EAGAIN ? 0 : err;
}

int arena_recover(struct task *t, int (*foreign)(struct task *heir, uint64_t item))
{
	struct pool *p = t->pool;
	int err = 0;

	for (uint32_t i = 0; i < POOL_CLIENTS && !err; i++) {
		if (i == p->client || load_acquire(&client_slot(p, i)->state) == SLOT_FREE || client_trylock(p, i) != 0)
			continue;
		/* Under its life lock it is proven dead, unless it is still to come. */
		if (load_acquire(&client_slot(p, i)->state) == SLOT_LIVE) {
			err = client_bury(t, i);
			err = err < 0 ? err : client_free(t, i);
		}
		client_unlock(p, i);
	}
	return err ? err : clear_zombies(t, foreign);
}

int arena_check(const struct pool *p)
{
	const struct arena_ctl *ctl = arena_ctl(p);
	enum run_state state, before = RUN_TAKEN;
	uint64_t taken = 0;
	uint32_t limbo = 0, entries = 0;

	for (uint32_t i = 0, n; i < pages(p); i += n, before = state) {
		n = run_at(p, i, &state);
		if (!n || runs(p)[i] != runs(p)[i + n - 1] || !state || (state == RUN_FREE && before == RUN_FREE))
			return -EUCLEAN;
		taken += state == RUN_FREE ? 0 : n;
		limbo += state == RUN_LIMBO;
	}
	for (uint32_t i = 0; i < ARENA_LIMBO; i++)
		entries += ctl->limbo[i].state;
	return taken == ctl->taken && limbo == entries && limbo == ctl->nlimbo ? 0 : -EUCLEAN;
}
