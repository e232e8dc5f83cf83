/*
 * Two INIT flags are added to libfuse's answer where the kernel offers them:
 *
 * FUSE_HANDLE_KILLPRIV_V2. Without it the kernel asks for the attribute
 * security.capability before each single write(2), a whole round trip, since
 * only with this flag does it remember that a file has none (S_NOSEC; until
 * the file's attributes are read again). In return the daemon drops set-id
 * bits itself, when the request says so: in fields that libfuse hides.
 *
 * FUSE_PARALLEL_DIROPS. libfuse 3.14.0 lets one ask for it and then forgets to
 * tell the kernel, which keeps to one lookup at a time in a directory.
 */
#include "daemon/wire.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "daemon/herald.h"

#define WANTED (FUSE_HANDLE_KILLPRIV_V2 | FUSE_PARALLEL_DIROPS)

static __thread bool kill_suidgid;

bool wire_kill_suidgid(void)
{
	return kill_suidgid;
}

static bool wants_kill(const struct fuse_in_header *in, const void *body)
{
	switch (in->opcode) {
	case FUSE_WRITE:
		return ((const struct fuse_write_in *)body)->write_flags & FUSE_WRITE_KILL_SUIDGID;
	case FUSE_SETATTR:
		return ((const struct fuse_setattr_in *)body)->valid & FATTR_KILL_SUIDGID;
	case FUSE_OPEN:
		return ((const struct fuse_open_in *)body)->open_flags & FUSE_OPEN_KILL_SUIDGID;
	default:
		return false;
	}
}

ssize_t wire_read(struct wire *w, int fd, void *buf, size_t len)
{
	const struct fuse_in_header *in = buf;
	ssize_t n = read(fd, buf, len);

	if (n < (ssize_t)sizeof(*in))
		return n;
	kill_suidgid = wants_kill(in, in + 1);
	if (unlikely(in->opcode == FUSE_INIT)) {
		w->offered = ((const struct fuse_init_in *)(const void *)(in + 1))->flags;
		store_release(&w->init, in->unique);
	}
	return n;
}

static ssize_t answer_init(struct wire *w, int fd, struct iovec *iov, int count)
{
	ssize_t n;

	if (count > 1 && iov[1].iov_len >= sizeof(uint32_t) * 4)
		((struct fuse_init_out *)iov[1].iov_base)->flags |= w->offered & WANTED;
	n = writev(fd, iov, count);
	if (n >= 0) {
		store_release(&w->init, 0);
		w->ready(w->arg);
	}
	return n;
}

/* A notification for which the kernel takes locks that its own requests may hold: of an entry, or of pages. */
static bool waits(const struct fuse_out_header *out, const struct iovec *iov, int count)
{
	const struct fuse_notify_inval_inode_out *inode;

	if (likely(out->unique != 0) || count < 2)
		return false;
	inode = iov[1].iov_base;
	return out->error == FUSE_NOTIFY_INVAL_ENTRY || out->error == FUSE_NOTIFY_DELETE ||
	       (out->error == FUSE_NOTIFY_INVAL_INODE && inode->off >= 0);
}

static ssize_t write_waiting(struct wire *w, int fd, const struct iovec *iov, int count)
{
	ssize_t n = w->herald ? herald_writev(w->herald, iov, count) : -EPIPE;

	if (n == -EPIPE)
		return writev(fd, iov, count);
	if (n >= 0)
		return n;
	errno = (int)-n;
	return -1;
}

ssize_t wire_writev(struct wire *w, int fd, struct iovec *iov, int count)
{
	const struct fuse_out_header *out = iov[0].iov_base;

	if (unlikely(load_acquire(&w->init) && out->unique == load_acquire(&w->init) && out->error == 0))
		return answer_init(w, fd, iov, count);
	return unlikely(waits(out, iov, count)) ? write_waiting(w, fd, iov, count) : writev(fd, iov, count);
}
