/*
 * The world in this process. The client seat belongs to the memory (a vfork
 * child uses its parent's), a task seat to a thread. A child after fork finds
 * the mapping and its parent's state in its memory, and forgets the seats.
 */
#include "agent/world.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>

#include "agent/chain.h"
#include "agent/mem.h"
#include "agent/thread.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "world/object.h"
#include "world/used.h"

#define CROWDED (POOL_CLIENTS / 2)

static struct world world; /* `table` is atomic: NULL until it is mapped, then constant */
static int world_fd;
static const struct world_table *watched; /* NULL: there is no world */

static struct {
	uint32_t lock;
	uint32_t seated; /* this process has its client seat */
	uint32_t lone;	 /* no seat is to be had: leave it at that */
} process;

/* Programs' code by slot of the program in the table: pages of their own, read and execute. */
static struct code {
	uint32_t id; /* atomic: 0: none */
	uint32_t len;
	run_fn entry;
} * codes;

bool agent_world_fd(long fd)
{
	return watched && fd == world_fd;
}

int agent_world_start(int fd)
{
	int err = world_watch(fd, &watched);

	if (err)
		return err;
	world_fd = fd;
	agent_env_start();
	return 0;
}

void agent_world_hook(void)
{
	chain_start(&watched->version);
}

void agent_world_take(uint32_t client)
{
	if (!agent_world() || client_take(&world.arena.pool, client) != 0)
		return;
	arena_join();
	process.seated = 1;
}

static void lock(void)
{
	while (swap(&process.lock, 1))
		cpu_relax();
}

static void unlock(void)
{
	store_release(&process.lock, 0);
}

static cold bool map_world(void)
{
	struct world fresh;

	lock();
	if (!world.table && watched && world_map(world_fd, &fresh) == 0) {
		agent_env_helpers();
		world.arena = fresh.arena;
		store_release(&world.table, fresh.table);
	}
	unlock();
	return world.table != NULL;
}

struct world *agent_world(void)
{
	return load_acquire(&world.table) || map_world() ? &world : NULL;
}

static void *map_pages(size_t n)
{
	void *p = sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return sys_is_err(p) ? NULL : p;
}

/* After exec the seat of the old image is still ours. */
static bool take_client(void)
{
	struct pool *p = &world.arena.pool;
	bool ok;

	lock();
	if (!process.seated && !process.lone) {
		if (client_resume(p) == 0 || client_attach(p) == 0) {
			arena_join();
			process.seated = 1;
		} else {
			process.lone = 1;
		}
	}
	ok = process.seated;
	unlock();
	return ok;
}

cold struct world_thread *agent_world_seat(struct agent_thread *t)
{
	struct world_thread *w;

	if (!agent_world() || !take_client())
		return NULL;
	w = map_pages(sizeof *w);
	if (!w)
		return NULL;
	if (task_attach(&world.arena.pool, 0, &w->task) != 0) {
		sys_munmap(w, sizeof *w);
		return NULL;
	}
	w->count = world_count_of(&world, &w->task);
	if (!w->count)
		w->count = &w->uncounted;
	w->maps.t = &w->task;
	w->maps.host = &agent_env;
	w->maps.arg = w;
	maps_run_init(&w->run, &w->maps);
	w->run.helpers = agent_helpers;
	w->run.nhelpers = MAPS_HELPERS;
	t->world = w;
	/* Processes that ended with several threads, or were killed, left their seats. */
	if (world.arena.pool.client >= CROWDED)
		world_clear_up(&world, &w->task);
	return w;
}

/* ---- Code ---------------------------------------------------------------------- */

static struct code *codes_table(void)
{
	if (!load_acquire(&codes)) {
		struct code *fresh = map_pages(WORLD_OBJECTS * sizeof *fresh), *none = NULL;

		if (fresh && !cas(&codes, &none, fresh))
			sys_munmap(fresh, WORLD_OBJECTS * sizeof *fresh);
	}
	return load_acquire(&codes);
}

/* A copy: shared memory file systems are often mounted noexec, and what others write later is not to run here. */
static run_fn place(const struct prog_image *img, uint32_t *len)
{
	size_t n = round_up(max_of(img->code_bytes, 1u), 4096u);
	char *p = map_pages(n);

	if (!p)
		return NULL;
	memcpy(p, (const char *)img + img->code_at, img->code_bytes);
	if (sys_mprotect(p, n, PROT_READ | PROT_EXEC) != 0) {
		sys_munmap(p, n);
		return NULL;
	}
	*len = (uint32_t)n;
	return (run_fn)(uintptr_t)p;
}

static run_fn load(struct world_thread *w, struct code *table, uint32_t id)
{
	const struct prog_image *img;
	struct code *free = NULL;
	struct object o;
	run_fn entry = NULL;

	if (object_get(&world, &w->task, id, OBJECT_PROG, &o) != 0)
		return NULL;
	img = object_image(&world, &o);
	lock();
	for (uint32_t i = 0; i < WORLD_OBJECTS; i++) {
		if (table[i].id == id)
			entry = table[i].entry;
		if (!table[i].id) {
			free = &table[i];
			break;
		}
	}
	if (!entry && free && img) {
		entry = place(img, &free->len);
		free->entry = entry;
		if (entry)
			store_release(&free->id, id);
	}
	unlock();
	return entry;
}

run_fn agent_code(struct world_thread *w, uint32_t id)
{
	struct code *table = codes_table();

	if (!table || !id)
		return NULL;
	for (uint32_t i = 0; i < WORLD_OBJECTS; i++) {
		uint32_t k = load_acquire(&table[i].id);

		if (k == id)
			return table[i].entry;
		if (!k)
			break;
	}
	return load(w, table, id);
}

uint64_t agent_callback_ref(uint64_t fn)
{
	struct code *table = load_acquire(&codes);

	for (uint32_t i = 0; table && i < WORLD_OBJECTS; i++) {
		uint32_t id = load_acquire(&table[i].id);
		uint64_t at = fn - (uint64_t)(uintptr_t)table[i].entry;

		if (!id)
			break;
		if (at < table[i].len)
			return callback_ref(id, at);
	}
	return 0;
}

/* Entries stay in a row from the first: the last takes the place of one that goes. */
void agent_code_sweep(struct world_thread *w)
{
	struct code *table = load_acquire(&codes);
	uint32_t n = 0;

	if (!table)
		return;
	lock();
	while (n < WORLD_OBJECTS && table[n].id)
		n++;
	for (uint32_t i = 0; i < n;) {
		struct object o;

		if (object_get(&world, &w->task, table[i].id, OBJECT_PROG, &o) == 0) {
			i++;
			continue;
		}
		sys_munmap((void *)(uintptr_t)table[i].entry, table[i].len);
		table[i] = table[--n];
		table[n] = (struct code){0};
	}
	unlock();
}

/* ---- Threads and processes --------------------------------------------------------- */

static void drop_seat(struct agent_thread *t)
{
	struct world_thread *w = t->world;

	if (!w)
		return;
	t->world = NULL;
	task_detach(&w->task);
	sys_munmap(w, sizeof *w);
}

void agent_world_cloned(struct agent_thread *child, uint64_t flags)
{
	child->world = NULL;
	if (flags & CLONE_VM)
		return;
	/* What the memory holds of seats is the parent's. Its other threads are not here. */
	store_changed(&process.lock, 0);
	store_changed(&process.seated, 0);
	store_changed(&process.lone, 0);
	if (world.table) {
		store_changed(&world.arena.pool.local_lock, 0);
		store_changed(&world.arena.pool.client, POOL_CLIENTS);
	}
	agent_env_forget();
	chain_forked();
}

void agent_world_exec(struct agent_thread *t, bool carries)
{
	if (!watched)
		return;
	drop_seat(t);
	if (!carries)
		sys_fcntl(world_fd, F_SETFD, FD_CLOEXEC);
}

void agent_world_exec_failed(struct agent_thread *t)
{
	if (watched)
		sys_fcntl(world_fd, F_SETFD, 0);
}

static void count(struct agent_thread *t, void *arg)
{
	++*(uint32_t *)arg;
}

static bool is_alone(const struct agent_thread *t)
{
	uint32_t n = 0;

	if ((t->clone_flags & CLONE_VM) && !(t->clone_flags & CLONE_THREAD))
		return false; /* the memory is its parent's, and so is the seat */
	thread_each(count, &n);
	return n == 1;
}

/* Nothing of this process looks at the world any more: nobody else runs, and the exit is all that is to come. */
static void let_go(void)
{
	static const uint32_t nothing;
	char path[sizeof(watched->wake)];
	size_t n = mem_length(watched->wake), tail = sizeof(".wake") - 1;

	if (n <= tail)
		return;
	memcpy(path, watched->wake, n - tail);
	path[n - tail] = '\0';
	agent_watch(&nothing, NULL);
	if (world.table)
		world_unmap(&world);
	else
		sys_close(world_fd);
	world_unwatch(watched);
	watched = NULL;
	world_remove_unused(path);
}

/*
 * Of a process with more threads, which may be running programs, the kernel gives up the life lock at the end, and the
 * share in the file.
 */
void agent_world_exit(struct agent_thread *t, int whole)
{
	struct world_thread *w = t->world;

	if (w)
		world_thread_ended(&world, &w->task, (uint32_t)(t->tid ? t->tid : sys_gettid()));
	if (w && whole && process.seated && is_alone(t)) {
		object_drop_client(&world, &w->task, world.arena.pool.client);
		object_collect(&world, &w->task);
		drop_seat(t);
		client_detach(&world.arena.pool);
		process.seated = 0;
		process.lone = 1;
	} else {
		drop_seat(t);
	}
	if (whole && watched && is_alone(t))
		let_go();
}
