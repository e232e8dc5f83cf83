/*
 * A thread of the session works on one request at a time, from its read to its
 * answer, so what is known of it lies in the thread. Every request is timed: next
 * to its way through the kernel two looks at the clock are nothing. It is
 * counted before its answer is sent, so that who has the answer finds it counted.
 */
#include "daemon/tally.h"

#include <linux/fuse.h>
#include <time.h>

#include "base/atomic.h"
#include "metrics/count.h"

/* The request under way in this thread. */
static __thread struct {
	uint64_t unique, start;
	unsigned op;
	long bytes; /* of a write */
} now;

static const uint8_t ops[] = {
    [FUSE_LOOKUP] = OP_LOOKUP,
    [FUSE_FORGET] = OP_FORGET,
    [FUSE_BATCH_FORGET] = OP_FORGET,
    [FUSE_GETATTR] = OP_STAT,
    [FUSE_SETATTR] = OP_CHMOD,
    [FUSE_READLINK] = OP_READLINK,
    [FUSE_SYMLINK] = OP_SYMLINK,
    [FUSE_MKNOD] = OP_MKNOD,
    [FUSE_MKDIR] = OP_MKDIR,
    [FUSE_UNLINK] = OP_UNLINK,
    [FUSE_RMDIR] = OP_RMDIR,
    [FUSE_RENAME] = OP_RENAME,
    [FUSE_RENAME2] = OP_RENAME,
    [FUSE_LINK] = OP_LINK,
    [FUSE_OPEN] = OP_OPEN,
    [FUSE_CREATE] = OP_OPEN,
    [FUSE_OPENDIR] = OP_OPEN,
    [FUSE_READ] = OP_READ,
    [FUSE_WRITE] = OP_WRITE,
    [FUSE_STATFS] = OP_STATFS,
    [FUSE_RELEASE] = OP_CLOSE,
    [FUSE_RELEASEDIR] = OP_CLOSE,
    [FUSE_FSYNC] = OP_FSYNC,
    [FUSE_FSYNCDIR] = OP_FSYNC,
    [FUSE_SETXATTR] = OP_SETXATTR,
    [FUSE_GETXATTR] = OP_GETXATTR,
    [FUSE_LISTXATTR] = OP_LISTXATTR,
    [FUSE_REMOVEXATTR] = OP_REMOVEXATTR,
    [FUSE_READDIR] = OP_READDIR,
    [FUSE_READDIRPLUS] = OP_READDIR,
    [FUSE_ACCESS] = OP_ACCESS,
    [FUSE_GETLK] = OP_LOCK,
    [FUSE_SETLK] = OP_LOCK,
    [FUSE_SETLKW] = OP_LOCK,
    [FUSE_IOCTL] = OP_FD,
    [FUSE_FALLOCATE] = OP_FALLOCATE,
    [FUSE_LSEEK] = OP_SEEK,
    [FUSE_COPY_FILE_RANGE] = OP_COPY,
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* One request of FUSE stands for several calls. */
static unsigned setattr_op(const struct fuse_setattr_in *in)
{
	if (in->valid & FATTR_SIZE)
		return OP_TRUNCATE;
	if (in->valid & (FATTR_UID | FATTR_GID))
		return OP_CHOWN;
	return in->valid & (FATTR_ATIME | FATTR_MTIME) ? OP_UTIMENS : OP_CHMOD;
}

static unsigned op_of(const struct fuse_in_header *in)
{
	if (in->opcode == FUSE_SETATTR)
		return setattr_op((const struct fuse_setattr_in *)(const void *)(in + 1));
	return in->opcode < array_len(ops) ? ops[in->opcode] : OP_OTHER;
}

void tally_begin(struct task *t, const void *request)
{
	const struct fuse_in_header *in = request;

	now.op = op_of(in);
	now.bytes = 0;
	if (in->opcode == FUSE_WRITE)
		now.bytes = ((const struct fuse_write_in *)(const void *)(in + 1))->size;
	now.unique = in->unique;
	now.start = clock_ns(CLOCK_MONOTONIC);
	/* No answer comes after it. */
	if (now.op == OP_FORGET && t && t->count)
		metrics_op(t->count, METRICS_KERNEL, OP_FORGET, 0);
}

void tally_end(struct task *t, const void *answer)
{
	const struct fuse_out_header *out = answer;
	long ret = out->error;

	/* What has no number is a notification of ours. */
	if (!out->unique || out->unique != now.unique || !t || !t->count)
		return;
	now.unique = 0;
	if (ret == 0 && now.op == OP_READ)
		ret = (long)(out->len - sizeof *out);
	else if (ret == 0)
		ret = now.bytes;
	metrics_op(t->count, METRICS_KERNEL, now.op, ret);
	metrics_sample_ns(t, METRICS_KERNEL, now.op, clock_ns(CLOCK_MONOTONIC) - now.start);
}

void tally_forget(const struct pool *pool, unsigned what)
{
	fetch_add(&metrics_shared(pool)->invals[what], 1);
}

void tally_ring(const struct pool *pool)
{
	fetch_add(&metrics_shared(pool)->ring_requests, 1);
}

void tally_tick(const struct pool *pool)
{
	static uint64_t ns0, ticks0;
	uint64_t ns = clock_ns(CLOCK_MONOTONIC_RAW), ticks = metrics_ticks();

	if (!ns0) {
		ns0 = ns;
		ticks0 = ticks;
	} else if (ticks > ticks0) {
		/* Days of ns times 2^20 would not fit: the first hour measures it well enough. */
		if (ns - ns0 < 3600ull * 1000000000)
			store_relaxed(&metrics_shared(pool)->tick,
				      ((ns - ns0) << METRICS_TICK_SHIFT) / (ticks - ticks0));
	}
}
