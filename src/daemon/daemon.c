/*
 * The life of a daemon, from top to bottom: lock the name, clear the mount
 * point, open the pool, attach, listen, mount, serve, and all of it backwards.
 *
 * Three sides: the session's threads answer the kernel; the loop's one thread
 * serves the rings, the control socket, deaths of clients, the clock and signals;
 * the teller's has the kernel forget. The thread that called is the session's.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/pools.h"
#include "daemon/herald.h"
#include "daemon/namelock.h"
#include "daemon/mountpoint.h"
#include "daemon/place.h"
#include "daemon/rings.h"
#include "daemon/server.h"
#include "daemon/session.h"
#include "daemon/tally.h"
#include "daemon/teller.h"
#include "loop/loop.h"

#define SECOND UINT64_C(1000000000)
#define TICK_NS SECOND	       /* for memory, and the dead while nobody else is there */
#define REAP_NS (SECOND / 10)  /* for the dead, while there are clients */
#define STOP_NS (SECOND / 100) /* between two tries to stop the session */
#define DESCRIPTORS 4096u      /* wanted: one a client, and one a connection */
#define KEEP_FREE (64u << 20)  /* bytes of free memory that are not given back */

struct daemon {
	const struct daemon_config *config;
	struct namelock lock;
	struct place place;
	struct fs fs;
	bool attached;
	bool keep_pool;	  /* its content is not to go with this daemon */
	struct task task; /* the loop thread's, once that runs; before and after, the main thread's */
	bool seated;
	struct session *session;
	struct teller *teller;
	struct loop *loop;
	struct server *server;
	struct rings *rings;
	struct loop_event signals, end;
	struct loop_timer clock;
	uint64_t trimmed; /* when memory was given back last */
	bool stopping;
	pthread_t thread;
	bool threaded;
	time_t started;
};

static int read_clock(int clock, struct timespec *ts)
{
	return clock_gettime(clock, ts) < 0 ? -errno : 0;
}

/* ---- The pool ------------------------------------------------------------ */

static int explain_attach(const struct daemon *d, int ret, struct err *err)
{
	struct pools_path path = pools_path(d->config->name);

	switch (ret) {
	case -EBUSY:
		return err_set(err, ret, "name %s: another daemon serves this pool; choose another with --name",
			       d->config->name);
	case -EUCLEAN:
		return err_set(err, ret, "%s: damaged, or of another version; remove it (its content is lost)", path.s);
	default:
		return err_set(err, ret, "%s: %s", d->place.memfd ? "memfd" : path.s, strerror(-ret));
	}
}

static int attach(struct daemon *d, struct err *err)
{
	int ret = fs_attach(d->place.fd, FS_ATTACH_KERNEL, &d->fs);

	if (ret < 0)
		return explain_attach(d, ret, err);
	d->place.fd = -1; /* the pool's now */
	d->attached = true;
	ret = task_attach(&d->fs.pool, 0, &d->task);
	if (ret < 0)
		return err_set(err, ret, "no seat in the pool: %s", strerror(-ret));
	d->task.clock = read_clock;
	d->seated = true;
	return 0;
}

/* A pool that was found is as large as it is. */
static int compare(const struct daemon_config *c, const struct fs_stats *s, struct err *err)
{
	uint64_t size = s->blocks * FS_BLOCK_SIZE;

	if (c->size && round_up(c->size, FS_BLOCK_SIZE) != size)
		return err_set(err, -EINVAL,
			       "size: a pool of %llu bytes was left under this name; omit --size, or remove %s",
			       (unsigned long long)size, pools_path(c->name).s);
	/* The format rounds up, by less than 64. */
	if (c->inodes && (c->inodes > s->inodes || s->inodes - c->inodes >= 64))
		return err_set(err, -EINVAL,
			       "inodes: a pool of %llu inodes was left under this name; omit --inodes, or remove %s",
			       (unsigned long long)s->inodes, pools_path(c->name).s);
	return 0;
}

static int take_over(struct daemon *d, struct err *err)
{
	struct fs_stats stats;
	int ret = fs_statfs(&d->task, &stats);

	if (ret < 0)
		return err_set(err, ret, "%s: %s", pools_path(d->config->name).s, strerror(-ret));
	ret = compare(d->config, &stats, err);
	if (ret < 0)
		return ret;
	fs_reap_dead(&d->task);
	ret = fs_forget_all(&d->task);
	if (ret < 0)
		return err_set(err, ret, "%s: %s; check it: bt-fuse fsck --name %s", pools_path(d->config->name).s,
			       strerror(-ret), d->config->name);
	d->config->note(d->config->arg, "took over the pool of a daemon that was killed");
	return 0;
}

static int open_pool(struct daemon *d, struct err *err)
{
	int ret = place_open(d->config, &d->place, err);

	if (ret < 0)
		return ret;
	/* Whatever goes wrong from here on, content that was found stays. */
	d->keep_pool = d->place.found;
	ret = attach(d, err);
	if (ret == 0 && d->place.found)
		ret = take_over(d, err);
	return ret;
}

/* ---- The loop's side ------------------------------------------------------ */

static void on_signal(struct loop_event *ev)
{
	struct daemon *d = (struct daemon *)((char *)ev - offsetof(struct daemon, signals));
	struct signalfd_siginfo info;

	if (read(ev->fd, &info, sizeof(info)) != sizeof(info))
		return;
	d->stopping = true;
	teller_stop(d->teller);
	session_stop(d->session);
	loop_set_timer(d->loop, &d->clock, STOP_NS);
}

static bool has_clients(const struct daemon *d)
{
	struct fs_stats s;

	return fs_statfs((struct task *)(uintptr_t)&d->task, &s) == 0 && s.clients > 1;
}

/* A telling of nothing: the teller tidies up after each. */
static void tidy(struct daemon *d)
{
	struct telling *t = session_untidy(d->session) ? calloc(1, sizeof(*t)) : NULL;

	if (t)
		teller_tell(d->teller, t);
}

static void on_tick(struct loop_timer *t)
{
	struct daemon *d = (struct daemon *)((char *)t - offsetof(struct daemon, clock));

	if (d->stopping) {
		session_stop(d->session);
		loop_set_timer(d->loop, t, STOP_NS);
		return;
	}
	tally_tick(&d->fs.pool);
	fs_reap_dead(&d->task);
	if (loop_now() - d->trimmed >= TICK_NS) {
		d->trimmed = loop_now();
		rings_sweep(d->rings);
		fs_trim(&d->task, KEEP_FREE);
		tidy(d);
	}
	loop_set_timer(d->loop, t, has_clients(d) ? REAP_NS : TICK_NS);
}

static void on_client_died(void *arg)
{
	fs_reap_dead(&((struct daemon *)arg)->task);
}

static void on_end(struct loop_event *ev)
{
	loop_end(((struct daemon *)((char *)ev - offsetof(struct daemon, end)))->loop);
}

static int give_info(void *arg, struct control_info *info)
{
	struct daemon *d = arg;
	struct fs_stats s;
	int ret = fs_statfs(&d->task, &s);

	if (ret < 0)
		return ret;
	info->size = s.blocks * FS_BLOCK_SIZE;
	info->used = (s.blocks - s.blocks_free) * FS_BLOCK_SIZE;
	info->inodes = s.inodes;
	info->inodes_used = s.inodes - s.inodes_free;
	info->memory = s.memory;
	info->rollbacks = s.rollbacks;
	info->longest_wait = s.longest_wait;
	info->started = (uint64_t)d->started;
	info->clients = s.clients;
	info->tasks = s.tasks;
	info->in_memfd = d->place.memfd;
	snprintf(info->name, sizeof(info->name), "%s", d->config->name);
	snprintf(info->mountpoint, sizeof(info->mountpoint), "%s", d->config->mountpoint);
	snprintf(info->options, sizeof(info->options), "%s", d->config->options);
	return 0;
}

static int give_attach(void *arg, struct control_attach *reply)
{
	struct daemon *d = arg;

	fs_reap_dead(&d->task); /* there has to be a seat */
	reply->pool_size = d->fs.pool.size;
	reply->st_dev = session_dev(d->session);
	return 0;
}

struct told {
	struct telling telling; /* first */
	int sock;
};

static void answer_told(struct telling *t)
{
	server_told(((struct told *)t)->sock);
	free(t);
}

static int make_forget(void *arg, const struct control_stale *s, int sock)
{
	struct daemon *d = arg;
	struct told *t = calloc(1, sizeof(*t));

	if (!t) {
		close(sock);
		return -ENOMEM;
	}
	t->sock = sock;
	t->telling.done = answer_told;
	t->telling.n = 1;
	t->telling.list.item[0] =
	    (struct stale_item){.ino = s->ino, .marks = (uint16_t)s->marks, .len = (uint8_t)s->len};
	memcpy(t->telling.list.name[0], s->name, s->len);
	teller_tell(d->teller, &t->telling);
	return 0;
}

/* What the dead have left to be told. Nobody waits for it. */
static void forget_for_dead(void *arg, const struct stale_list *l, uint32_t n)
{
	struct daemon *d = arg;
	struct telling *t = calloc(1, sizeof(*t));

	if (!t)
		return;
	t->n = n;
	t->list = *l;
	teller_tell(d->teller, t);
}

static int add_event(struct daemon *d, struct loop_event *ev, int fd, void (*ready)(struct loop_event *))
{
	ev->fd = fd;
	ev->ready = ready;
	return fd < 0 ? -errno : loop_add(d->loop, ev);
}

static int open_loop(struct daemon *d)
{
	sigset_t set;
	int ret = loop_open(getenv("BTFUSE_NO_URING") ? LOOP_EPOLL : LOOP_BEST, &d->loop);

	if (ret < 0)
		return ret;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	ret = add_event(d, &d->signals, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), on_signal);
	if (ret == 0)
		ret = add_event(d, &d->end, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_end);
	if (ret < 0)
		return ret;
	d->clock.fired = on_tick;
	loop_set_timer(d->loop, &d->clock, TICK_NS);
	return 0;
}

static int open_side(struct daemon *d, const struct rundir *dir, struct err *err)
{
	struct server_config sc = {.dir = dir,
				   .name = d->config->name,
				   .pool = d->fs.pool.fd,
				   .info = give_info,
				   .attach = give_attach,
				   .stale = make_forget,
				   .arg = d};
	int ret = open_loop(d);

	if (ret < 0)
		return err_set(err, ret, "event loop: %s", strerror(-ret));
	sc.loop = d->loop;
	return server_open(&sc, &d->server, err);
}

static void *run_loop(void *arg)
{
	loop_run(((struct daemon *)arg)->loop);
	return NULL;
}

static void end_loop(struct daemon *d)
{
	uint64_t one = 1;

	if (!d->threaded)
		return;
	while (write(d->end.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	pthread_join(d->thread, NULL);
	d->threaded = false;
}

static int open_rings(struct daemon *d, struct err *err)
{
	const struct rings_config rc = {
	    .loop = d->loop, .fs = &d->fs, .task = &d->task, .session = d->session, .died = on_client_died, .arg = d};
	struct rings_config c = rc;
	int ret = teller_open(d->session, &d->fs.pool, &d->teller);

	if (ret < 0)
		return err_set(err, ret, "thread: %s", strerror(-ret));
	session_set_teller(d->session, d->teller);
	c.teller = d->teller;
	return rings_open(&c, &d->rings, err);
}

/* ---- Both ------------------------------------------------------------------ */

static int serve(struct daemon *d, struct err *err)
{
	const struct daemon_config *c = d->config;
	struct session_config sc = {.pool = &d->fs.pool,
				    .mountpoint = c->mountpoint,
				    .source = c->name,
				    .options = c->options,
				    .flags = (c->flags & DAEMON_NOATIME) ? SESSION_NOATIME : 0,
				    .ready = c->ready,
				    .arg = c->arg};
	int ret;

	tally_tick(&d->fs.pool);
	ret = session_open(&sc, &d->session, err);
	if (ret == 0)
		ret = open_rings(d, err);
	if (ret < 0)
		return ret;
	d->task.invalidate = forget_for_dead;
	d->task.arg = d;
	tally_tick(&d->fs.pool);
	fs_set_mounted(&d->fs, c->mountpoint, session_dev(d->session), server_path(d->server));
	ret = -pthread_create(&d->thread, NULL, run_loop, d);
	if (ret < 0)
		return err_set(err, ret, "thread: %s", strerror(-ret));
	d->threaded = true;
	ret = session_run(d->session);
	end_loop(d);
	/* Neither unmounted nor told to end: the connection broke, and the content is still wanted. */
	d->keep_pool = !d->stopping && (ret < 0 || session_mounted(d->session));
	if (ret < 0)
		return err_set(err, ret, "%s: the connection to the kernel broke: %s", c->mountpoint, strerror(-ret));
	return 0;
}

static void close_event(const struct loop_event *ev)
{
	if (ev->fd >= 0)
		close(ev->fd);
}

/* In the order that lets a next daemon of this name, which waits for the lock, find nothing half gone. */
static void end(struct daemon *d)
{
	end_loop(d);
	if (d->teller)
		teller_stop(d->teller);
	rings_close(d->rings);
	server_close(d->server);
	close_event(&d->signals);
	close_event(&d->end);
	loop_close(d->loop);
	session_close(d->session);
	teller_close(d->teller);
	if (d->seated)
		task_detach(&d->task);
	if (d->attached)
		fs_detach(&d->fs);
	else if (d->place.fd >= 0)
		close(d->place.fd);
	if (d->lock.fd >= 0 && !d->keep_pool && !d->place.memfd)
		place_remove(d->config);
	namelock_release(&d->lock);
}

int daemon_herald(int fuse, int sock)
{
	return herald_main(fuse, sock);
}

static void want_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur >= DESCRIPTORS)
		return;
	l.rlim_cur = min_of(l.rlim_max, DESCRIPTORS);
	setrlimit(RLIMIT_NOFILE, &l);
}

int daemon_serve(const struct daemon_config *config, struct err *err)
{
	struct daemon d __attribute__((cleanup(end))) = {
	    .config = config,
	    .lock.fd = -1,
	    .place.fd = -1,
	    .keep_pool = true,
	    .signals.fd = -1,
	    .end.fd = -1,
	    .started = time(NULL),
	};
	struct rundir dir;
	int ret = mountpoint_prepare(config->mountpoint, err);

	want_descriptors();
	if (ret == 0)
		ret = rundir_make(&dir, err);
	if (ret == 0)
		ret = namelock_take(&d.lock, &dir, config->name, err);
	if (ret == 0)
		ret = open_pool(&d, err);
	if (ret == 0)
		ret = open_side(&d, &dir, err);
	if (ret == 0)
		ret = serve(&d, err);
	return ret;
}
