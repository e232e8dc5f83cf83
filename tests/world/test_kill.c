/*
 * The table of objects, killed at every step: a child (a loader, as far as the
 * table can tell) does one operation and dies by SIGKILL at its n-th store to
 * the world, for each n. Afterwards, when its leavings were cleared up, the
 * operation has happened or not, nothing that was the child's own is left or
 * attached, no page is lost, and who looks at the version has been told.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "world/event.h"
#include "world/object.h"

static struct world w;
static struct task task;
static int tests, failures;
static uint32_t base_map, base_prog, other_prog, base_link; /* the parent's */

#define must(e)                                                                                                        \
	do {                                                                                                           \
		long must_ret = (e);                                                                                   \
		if (must_ret < 0) {                                                                                    \
			printf("Bail out! line %d: %s: %ld\n", __LINE__, #e, must_ret);                                \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

/* ---- Objects ------------------------------------------------------------------------ */

/* An object that cannot be entered gives its run back, as loaders do. */
static int enter(struct task *t, const struct object *o)
{
	int id = object_add(&w, t, o);

	if (id < 0 && o->off)
		(void)!arena_put(t, o->off);
	return id;
}

static int make_map(struct task *t)
{
	const struct map_attr a = {.type = BPF_MAP_TYPE_ARRAY,
				   .key_size = 4,
				   .value_size = 8,
				   .max_entries = 4,
				   .spin_lock_off = -1,
				   .timer_off = -1};
	struct object o = {.kind = OBJECT_MAP, .type = a.type, .name = "map"};
	int err = map_create(t, &a, &o.off);

	return err ? err : enter(t, &o);
}

/* A program that nobody runs: an image without code, which leads to the map. */
static int make_prog(struct task *t, uint32_t map)
{
	struct object o = {.kind = OBJECT_PROG, .type = BPF_PROG_TYPE_TRACEPOINT, .name = "prog"};
	struct prog_image *img;
	int err = arena_take(t, sizeof(*img), &o.off);

	if (!err)
		err = pool_commit(&w.arena.pool, o.off, sizeof(*img));
	if (err)
		return err;
	img = (struct prog_image *)(void *)(w.arena.pool.base + o.off);
	*img = (struct prog_image){
	    .magic = PROG_MAGIC, .text_at = sizeof(*img), .code_at = sizeof(*img), .nmaps = 1, .map = {map}};
	return enter(t, &o);
}

static int make_link(struct task *t, uint32_t prog)
{
	const struct object o = {
	    .kind = OBJECT_LINK, .type = 7, .name = "link", .prog = prog, .event = EVENT_SET | EVENT_ALL};

	return enter(t, &o);
}

/* ---- Operations ---------------------------------------------------------------------- */

static void op_load(struct task *t)
{
	int map = make_map(t), prog = map > 0 ? make_prog(t, (uint32_t)map) : map;

	must(prog);
	must(make_link(t, (uint32_t)prog));
}

/* All of a loader's life, one after the other. */
static void op_live(struct task *t)
{
	int map = make_map(t), prog, link;

	must(map);
	prog = make_prog(t, (uint32_t)map);
	must(prog);
	object_release(&w, t, (uint32_t)map); /* the program holds it */
	link = make_link(t, (uint32_t)prog);
	must(link);
	must(object_detach(&w, t, (uint32_t)link));
	object_release(&w, t, (uint32_t)link);
	object_release(&w, t, (uint32_t)prog);
}

static void op_detach(struct task *t)
{
	must(object_detach(&w, t, base_link));
}

static void op_set_prog(struct task *t)
{
	must(object_set_prog(&w, t, base_link, other_prog));
}

static void op_pin(struct task *t)
{
	must(pin_add(&w, t, "/sys/fs/bpf/pinned", base_map));
}

static void op_unpin(struct task *t)
{
	must(pin_remove(&w, t, "/sys/fs/bpf/pinned"));
}

/* A map of its own under a name: it outlives its loader if the name stands. */
static void op_pin_own(struct task *t)
{
	int map = make_map(t);

	must(map);
	must(pin_add(&w, t, "/sys/fs/bpf/pinned", (uint32_t)map));
}

/* The parent's program is given a map, which it holds from then on. */
static void op_bind(struct task *t)
{
	int map = make_map(t);

	must(map);
	must(object_bind(&w, t, base_prog, (uint32_t)map));
}

static void op_hold(struct task *t)
{
	must(object_hold(&w, t, base_link));
	must(object_inherit(&w, t, w.arena.pool.client));
	object_release(&w, t, base_link);
}

/* It clears up after another one. */
static void op_clear(struct task *t)
{
	world_clear_up(&w, t);
}

/* ---- What is there before each --------------------------------------------------------- */

static void pinned(void)
{
	must(pin_add(&w, &task, "/sys/fs/bpf/pinned", base_map));
}

static void in_child(void (*op)(struct task *t), uint32_t n);

static void one_died(void)
{
	in_child(op_load, UINT32_MAX);
}

struct scene {
	const char *name;
	void (*op)(struct task *t);
	void (*before)(void);
};

static const struct scene scenes[] = {
    {"a loader loads and attaches", op_load, NULL},
    {"a loader loads, attaches, detaches, lets go", op_live, NULL},
    {"detach", op_detach, NULL},
    {"another program for a link", op_set_prog, NULL},
    {"pin", op_pin, NULL},
    {"unpin", op_unpin, pinned},
    {"pin of a map of its own", op_pin_own, NULL},
    {"bind of a map of its own", op_bind, NULL},
    {"hold and let go", op_hold, NULL},
    {"clearing up after a loader", op_clear, one_died},
};

/* ---- Looking ----------------------------------------------------------------------------- */

struct seen {
	uint64_t links, pins; /* what is attached; what has a name or is bound to a program */
	uint32_t objects, version;
	uint64_t pages;
};

/* Every object has its run to itself, and every run that is taken is an object's. */
static bool whole(uint64_t *pages)
{
	const struct pool *p = &w.arena.pool;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < w.table->high; i++) {
		const struct object *o = &w.table->object[i];

		if (!o->id)
			continue;
		for (uint32_t k = 0; k < i; k++)
			if (w.table->object[k].id &&
			    (w.table->object[k].id == o->id || (o->off && w.table->object[k].off == o->off)))
				return false;
		if (o->off && !arena_size(p, o->off))
			return false;
		sum += o->off ? arena_size(p, o->off) / ARENA_PAGE : 0;
	}
	*pages = arena_ctl(p)->taken;
	return *pages == sum && arena_check(p) == 0;
}

static struct seen look(void)
{
	struct seen s = {.version = w.table->version};
	struct object o;
	struct pin p;
	uint32_t id = 0;

	while (object_next(&w, &task, id, 0, &o) == 0) {
		id = o.id;
		s.objects++;
		if (o.kind == OBJECT_LINK && o.event)
			s.links = hash_bytes(s.links, (const uint64_t[]){o.id, o.prog, o.event}, 24);
		if (o.kind == OBJECT_PROG)
			s.pins += object_image(&w, &o)->nmaps;
	}
	for (uint32_t i = 0; pin_nth(&w, &task, 0, i, &p); i++)
		s.pins = hash_bytes(s.pins, p.path, strlen(p.path));
	if (!whole(&s.pages)) {
		printf("Bail out! the table or the pages are damaged\n");
		exit(1);
	}
	return s;
}

/* ---- Dying ---------------------------------------------------------------------------------- */

static uint32_t left;

static void die(void *arg)
{
	if (left-- == 0)
		kill(getpid(), SIGKILL);
}

static bool died;

/* Does the operation as a client of its own, which dies at step `n` or afterwards without letting go of anything. */
static void in_child(void (*op)(struct task *t), uint32_t n)
{
	pid_t pid = fork();
	int status;

	must(pid);
	if (pid == 0) {
		struct task t;

		w.arena.pool.client = POOL_CLIENTS;
		must(client_attach(&w.arena.pool));
		must(task_attach(&w.arena.pool, 0, &t));
		left = n;
		w.arena.pool.step = die;
		op(&t);
		_exit(0);
	}
	must(waitpid(pid, &status, 0));
	died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	must(died || (WIFEXITED(status) && WEXITSTATUS(status) == 0) ? 0 : -1);
}

/* As the parent made it: its link on its program, which has one map; no name. */
static void put_right(void)
{
	uint32_t id;

	if (pin_find(&w, &task, "/sys/fs/bpf/pinned", &id) == 0)
		must(pin_remove(&w, &task, "/sys/fs/bpf/pinned"));
	object_release(&w, &task, base_link);
	object_release(&w, &task, base_prog);
	base_prog = (uint32_t)make_prog(&task, base_map);
	base_link = (uint32_t)make_link(&task, base_prog);
	world_clear_up(&w, &task);
}

static struct seen attempt(const struct scene *s, uint32_t n, struct seen *before)
{
	put_right();
	if (s->before)
		s->before();
	*before = look();
	in_child(s->op, n);
	world_clear_up(&w, &task);
	return look();
}

static void run(const struct scene *s)
{
	struct seen before, now, after;
	bool own = s->op == op_pin_own || s->op == op_bind, change, ok = true;
	uint32_t n = 0;

	after = attempt(s, UINT32_MAX, &before);
	change = after.links != before.links;
	for (died = true; died && ok && n < 5000; n++) {
		now = attempt(s, n, &before);
		if (s->before == one_died)
			before.links = now.links; /* the dead one's link has gone */
		ok = (now.links == before.links || (change && now.links != before.links)) &&
		     (now.pins == before.pins || now.pins == after.pins);
		ok = ok && (now.links == before.links || now.version != before.version);
		/* Nothing of the child's but what has a name, or is the parent's program's. */
		ok = ok && (s->before == one_died || now.objects == before.objects + (own && now.pins != before.pins));
		if (!ok)
			printf("# dead at step %u: %u objects of %u\n", n, now.objects, before.objects);
	}
	ok = ok && n > 5;
	failures += !ok;
	printf("%s %d - %s: %u steps\n", ok ? "ok" : "not ok", ++tests, s->name, n);
}

int main(void)
{
	int fd = memfd_create("bt-fuse-test-world", MFD_CLOEXEC);

	must(fd);
	must(world_format(fd, "/nowhere"));
	must(world_map(fd, &w));
	must(client_attach(&w.arena.pool));
	must(task_attach(&w.arena.pool, 0, &task));
	arena_join();
	base_map = (uint32_t)make_map(&task);
	base_prog = (uint32_t)make_prog(&task, base_map);
	other_prog = (uint32_t)make_prog(&task, base_map);
	base_link = (uint32_t)make_link(&task, base_prog);
	for (unsigned i = 0; i < array_len(scenes); i++)
		run(&scenes[i]);
	printf("1..%d\n", tests);
	return failures != 0;
}
