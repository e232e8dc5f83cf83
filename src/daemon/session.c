/*
 * The session: mounting, what is agreed with the kernel, the threads.
 *
 * What the kernel may keep, it keeps for ever: entries, absent entries,
 * attributes, symlinks, pages. The store knows what the kernel holds and has it
 * dropped when somebody else changes it (fs.h, enum fs_mark).
 */
#include "daemon/session.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "control/capture.h"
#include "control/mounts.h"
#include "daemon/ops.h"
#include "daemon/tally.h"

/* What libfuse said last, while the one thread there is was mounting. */
static char said[256];

static void keep_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	vsnprintf(said, sizeof(said), fmt, ap);
}

static void drop_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
}

/*
 * AUTO_INVAL_DATA would have the kernel drop a file's pages after each of its
 * own writes, as it sees an mtime that it does not know. The writeback cache
 * would let the kernel decide times and sizes that others decide too.
 */
static void op_init(void *arg, struct fuse_conn_info *conn)
{
	const unsigned want = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_DONT_MASK | FUSE_CAP_POSIX_ACL |
			      FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS |
			      FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_EXPLICIT_INVAL_DATA | FUSE_CAP_ATOMIC_O_TRUNC |
			      FUSE_CAP_IOCTL_DIR;
	struct session *s = arg;

	s->zero_open = (s->flags & SESSION_NOATIME) && (conn->capable & FUSE_CAP_NO_OPEN_SUPPORT);
	fs_set_unseen(ops_task(s), s->zero_open);
	conn->want = want & conn->capable;
	/* An open that nobody hears of can truncate nothing: the kernel sends a setattr then. */
	if (s->zero_open)
		conn->want &= ~(unsigned)FUSE_CAP_ATOMIC_O_TRUNC;
	conn->max_write = OPS_BUFFER;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
}

static ssize_t io_read(int fd, void *buf, size_t len, void *arg)
{
	struct session *s = arg;
	ssize_t n = wire_read(&s->wire, fd, buf, len);

	if (n > 0)
		tally_begin(ops_task(s), buf);
	return n;
}

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *arg)
{
	struct session *s = arg;

	tally_end(ops_task(s), iov[0].iov_base);
	return wire_writev(&s->wire, fd, iov, count);
}

static int make(const struct session_config *c, struct session *s, struct err *err)
{
	struct fuse_lowlevel_ops ops = {.init = op_init};
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	char opts[1024];
	int n;

	n = snprintf(opts, sizeof(opts), "default_permissions,subtype=bt-fuse,fsname=%s%s%s", c->source,
		     *c->options ? "," : "", c->options);
	if (n < 0 || (size_t)n >= sizeof(opts))
		return err_set(err, -E2BIG, "mount options: too long");
	names_fill(&ops);
	inodes_fill(&ops);
	data_fill(&ops);
	listing_fill(&ops);
	fuse_opt_add_arg(&args, "bt-fuse");
	fuse_opt_add_arg(&args, "-o");
	fuse_opt_add_arg(&args, opts);
	s->fuse = fuse_session_new(&args, &ops, sizeof(ops), s);
	fuse_opt_free_args(&args);
	return s->fuse ? 0 : err_set(err, -EINVAL, "mount options: %s", *said ? said : "refused by libfuse");
}

static void remember_mount(struct session *s)
{
	struct mounts_entry m;

	if (!mounts_find(s->mountpoint, &m))
		return;
	s->mount_id = m.id;
	s->dev = m.dev;
}

static int do_mount(struct session *s, struct err *err)
{
	const struct fuse_custom_io io = {.read = io_read, .writev = io_writev};
	struct capture capture;
	char helper[256];
	int ret;

	capture_begin(&capture);
	ret = fuse_session_mount(s->fuse, s->mountpoint);
	capture_end(&capture, helper, sizeof(helper));
	if (ret < 0) {
		size_t skip = strncmp(helper, "fusermount3: ", 13) == 0 ? 13 : 0;

		return err_set(err, -EPERM, "%s: %s", s->mountpoint,
			       *helper ? helper + skip : (*said ? said : "the mount was refused"));
	}
	ret = fuse_session_custom_io(s->fuse, &io, fuse_session_fd(s->fuse));
	if (ret < 0)
		return err_set(err, ret, "libfuse: %s", strerror(-ret));
	remember_mount(s);
	/* Without one, all works but for a daemon that is killed at a bad moment. */
	if (herald_start(&s->herald, fuse_session_fd(s->fuse)) == 0)
		s->wire.herald = &s->herald;
	(void)!herald_start(&s->looker, fuse_session_fd(s->fuse));
	return 0;
}

static void close_session(struct session **s)
{
	session_close(*s);
}

static void wake(int sig)
{
}

int session_open(const struct session_config *c, struct session **out, struct err *err)
{
	const struct sigaction act = {.sa_handler = wake}; /* no SA_RESTART: it ends libfuse's sem_wait */
	size_t len = strlen(c->mountpoint) + 1;
	struct session *s __attribute__((cleanup(close_session))) = calloc(1, sizeof(*s) + len);
	int ret;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(s->mountpoint, c->mountpoint, len);
	pthread_mutex_init(&s->appending, NULL);
	s->runner = pthread_self();
	sigaction(SIGUSR1, &act, NULL);
	s->herald.sock = s->looker.sock = -1;
	s->pool = c->pool;
	s->flags = c->flags;
	ret = absent_open(&s->absent);
	if (ret == 0)
		ret = numbers_open(&s->numbers);
	if (ret < 0)
		return err_set(err, ret, "out of memory");
	s->wire.ready = c->ready;
	s->wire.arg = c->arg;
	ret = ops_prepare();
	if (ret < 0)
		return err_set(err, ret, "thread keys: %s", strerror(-ret));
	fuse_set_log_func(keep_log);
	ret = make(c, s, err);
	if (ret == 0)
		ret = do_mount(s, err);
	fuse_set_log_func(drop_log);
	if (ret < 0)
		return ret;
	*out = steal(&s);
	return 0;
}

int session_run(struct session *s)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int ret;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, 1);
	fuse_loop_cfg_set_max_threads(config, (unsigned)max_of(8, min_of(2 * cpus, 32)));
	ret = fuse_session_loop_mt(s->fuse, config);
	fuse_loop_cfg_destroy(config);
	return ret;
}

void session_stop(struct session *s)
{
	fuse_session_exit(s->fuse);
	pthread_kill(s->runner, SIGUSR1);
}

bool session_mounted(const struct session *s)
{
	struct mounts_entry m;

	return mounts_find(s->mountpoint, &m) && m.id == s->mount_id;
}

uint64_t session_dev(const struct session *s)
{
	return s->dev;
}

void session_close(struct session *s)
{
	struct err err;

	if (!s)
		return;
	herald_stop(&s->looker);
	herald_stop(&s->herald);
	if (s->fuse) {
		fuse_session_unmount(s->fuse);
		fuse_session_destroy(s->fuse);
	}
	/* libfuse takes an aborted connection for an unmounted one. */
	if (s->mount_id && session_mounted(s))
		mounts_unmount(s->mountpoint, MOUNTS_LAZY, &err);
	absent_close(s->absent);
	numbers_close(s->numbers);
	free(s);
}
