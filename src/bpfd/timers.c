/*
 * The thread that fires timers. It has a task seat of its own, so that the
 * server can wait for a lock while a callback runs and the other way round;
 * code is mapped when a program's callback is called first.
 *
 * A callback has no system call under it: helpers that ask for the current
 * task tell of this process, as the kernel's tell of whatever was interrupted.
 */
#include "bpfd/timers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bpf/jit.h"
#include "maps/helper.h"
#include "maps/timer.h"
#include "world/object.h"
#include "world/trace.h"
#include "world/wake.h"

#define PROGRAMS 64u /* whose callbacks are kept mapped */

struct firing {
	struct timers *ts;
	struct task task;
	struct maps_run mr;
	struct run run;
	struct maps_task image;
	run_fn helpers[MAPS_HELPERS];
	struct {
		uint32_t id; /* 0: none */
		struct jit_map code;
	} prog[PROGRAMS];
};

static struct firing *of(struct maps_run *mr)
{
	return mr->arg;
}

/* ---- What helpers ask ------------------------------------------------------------- */

static uint64_t host_pid_tgid(struct maps_run *mr)
{
	return (uint64_t)getpid() << 32 | (uint32_t)gettid();
}

static uint64_t host_uid_gid(struct maps_run *mr)
{
	return (uint64_t)getgid() << 32 | getuid();
}

static void host_comm(struct maps_run *mr, char comm[16])
{
	prctl(PR_GET_NAME, comm);
}

static void *host_task(struct maps_run *mr)
{
	struct maps_task *i = &of(mr)->image;

	i->pid = gettid();
	i->tgid = getpid();
	host_comm(mr, i->comm);
	i->real_parent = i->parent = i->group_leader = i;
	return i;
}

static int host_ns(struct maps_run *mr, uint64_t *dev, uint64_t *ino)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) < 0)
		return -errno;
	*dev = st.st_dev;
	*ino = st.st_ino;
	return 0;
}

/* There is no program that it would be meant for. */
static int host_send_signal(struct maps_run *mr, uint32_t sig, bool thread)
{
	return -EPERM;
}

static void host_print(struct maps_run *mr, const char *text, uint32_t len)
{
	struct tracelog_line line = {.pid = (uint32_t)gettid(), .cpu = maps_cpu(&of(mr)->run)};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	line.when = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	host_comm(mr, line.comm);
	line.len = min_of(len, TRACE_TEXT - 1);
	memcpy(line.text, text, line.len);
	tracelog_write(of(mr)->ts->world, &line);
}

static void host_wake(struct maps_run *mr, uint64_t ring)
{
	world_wake(of(mr)->ts->world, ring);
}

/* Callbacks of timers have no context, so that programs cannot call what wants one. */
static int host_override(struct maps_run *mr, void *ctx, uint64_t value)
{
	return -EINVAL;
}

static int host_get_retval(struct maps_run *mr)
{
	return 0;
}

static int host_set_retval(struct maps_run *mr, int value)
{
	return -EINVAL;
}

static uint64_t host_cookie(struct maps_run *mr, void *ctx)
{
	return 0;
}

static int host_stack(struct maps_run *mr, void *ctx, uint64_t *ip, uint32_t max)
{
	return 0;
}

static uint64_t host_entry(struct maps_run *mr, uint64_t ref)
{
	return 0;
}

static uint64_t host_callback_ref(struct maps_run *mr, uint64_t fn)
{
	const struct firing *f = of(mr);

	for (uint32_t i = 0; i < PROGRAMS; i++) {
		uint64_t at = fn - (uint64_t)(uintptr_t)f->prog[i].code.base;

		if (f->prog[i].id && at < f->prog[i].code.len)
			return callback_ref(f->prog[i].id, at);
	}
	return 0;
}

static bool host_map_used(struct maps_run *mr, uint64_t map)
{
	return object_used(of(mr)->ts->world, mr->t, map);
}

static const struct maps_host host = {
    .pid_tgid = host_pid_tgid,
    .uid_gid = host_uid_gid,
    .comm = host_comm,
    .task = host_task,
    .ns = host_ns,
    .send_signal = host_send_signal,
    .print = host_print,
    .wake = host_wake,
    .override = host_override,
    .get_retval = host_get_retval,
    .set_retval = host_set_retval,
    .cookie = host_cookie,
    .stack = host_stack,
    .entry = host_entry,
    .callback_ref = host_callback_ref,
    .map_used = host_map_used,
};

/* What only a hooked call has (own.h). */
static uint64_t missing(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	return (uint64_t)(int64_t)-EINVAL;
}

/* ---- Firing ----------------------------------------------------------------------- */

static run_fn map_code(struct firing *f, uint32_t id, uint32_t slot)
{
	struct world *w = f->ts->world;
	const struct prog_image *img;
	struct jit_code code = {0};
	struct object o;

	if (object_get(w, &f->task, id, OBJECT_PROG, &o) != 0)
		return NULL;
	img = object_image(w, &o);
	if (!img)
		return NULL;
	code.text = (uint8_t *)(uintptr_t)img + img->code_at;
	code.size = img->code_bytes;
	jit_unmap(&f->prog[slot].code);
	f->prog[slot].id = 0;
	if (jit_map(&code, &f->prog[slot].code) != 0)
		return NULL;
	f->prog[slot].id = id;
	return f->prog[slot].code.entry;
}

/* The function, in this process. NULL: its program is gone. */
static run_fn function(struct firing *f, uint64_t callback)
{
	uint32_t id = callback_prog(callback), slot = id % PROGRAMS;
	run_fn entry = f->prog[slot].id == id ? f->prog[slot].code.entry : map_code(f, id, slot);
	uint64_t at = (uint32_t)callback;

	return entry && at < f->prog[slot].code.len ? (run_fn)((uintptr_t)entry + at) : NULL;
}

static void call(void *arg, const struct timer_due *due)
{
	struct firing *f = arg;
	run_fn fn = function(f, due->callback);

	if (!fn)
		return;
	f->mr.timer = due->entry;
	fn((uint64_t)(uintptr_t)(f->ts->world->arena.pool.base + due->map), (uint64_t)(uintptr_t)due->key,
	   (uint64_t)(uintptr_t)due->value, 0, 0, &f->run);
	f->mr.timer = 0;
}

static bool used(void *arg, uint64_t map)
{
	struct firing *f = arg;

	return object_used(f->ts->world, &f->task, map);
}

static uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void fire(struct firing *f)
{
	const struct timer_host h = {.used = used, .call = call, .arg = f};
	uint64_t now = clock_now();

	if (timers_next(f->task.pool) > now)
		return;
	run_enter(&f->task);
	f->run.tail_left = 33;
	maps_cpu(&f->run); /* before the timer's own lock: timers_fire */
	timers_fire(&f->task, now, &h);
	maps_run_end(&f->run);
	run_leave(&f->task);
}

static void prepare(struct firing *f)
{
	f->mr = (struct maps_run){.t = &f->task, .host = &host, .arg = f};
	maps_run_init(&f->run, &f->mr);
	for (unsigned i = 0; i < MAPS_HELPERS; i++)
		f->helpers[i] = maps_helpers[i] ? maps_helpers[i] : missing;
	f->run.helpers = f->helpers;
}

/* One server a process. */
static void *serve(void *arg)
{
	static struct firing f;
	struct timers *ts = arg;

	f = (struct firing){.ts = ts};
	if (task_attach(&ts->world->arena.pool, 0, &f.task) != 0)
		return NULL;
	prepare(&f);
	for (;;) {
		uint32_t bell = timers_bell(f.task.pool);

		if (load_acquire(&ts->stop))
			break;
		fire(&f);
		timers_sleep(&f.task, bell);
	}
	for (uint32_t i = 0; i < PROGRAMS; i++)
		jit_unmap(&f.prog[i].code);
	task_detach(&f.task);
	return NULL;
}

int timers_start(struct timers *ts, struct world *w)
{
	sigset_t all, before;
	int err;

	*ts = (struct timers){.world = w};
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&ts->thread, NULL, serve, ts);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	ts->ready = err == 0;
	return -err;
}

void timers_stop(struct timers *ts)
{
	if (!ts->ready)
		return;
	store_release(&ts->stop, 1);
	timers_ring(&ts->world->arena.pool);
	pthread_join(ts->thread, NULL);
	ts->ready = 0;
}
