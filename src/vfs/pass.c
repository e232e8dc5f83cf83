/*
 * Calls that the kernel makes, and that only have to see the right descriptors;
 * and those after which nothing can be answered here any more.
 */
#include <linux/prctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "vfs/internal.h"

HANDLER(call_makes_fd)
{
	fd_unpark(v->proc);
	return call_first_fd(v, c);
}

HANDLER(call_first_fd)
{
	int err = fd_make_real(v, (int)c->a[0]);

	return err ? err : VFS_PASS;
}

HANDLER(call_hand_over)
{
	int err = fd_materialise(v, (int)c->a[0]);

	return err ? err : VFS_PASS;
}

HANDLER(call_fourth_fd)
{
	int err = fd_make_real(v, (int)c->a[3]);

	return err ? err : VFS_PASS;
}

HANDLER(call_kcmp)
{
	int err = c->a[2] == 0 /* KCMP_FILE */ ? fd_make_real(v, (int)c->a[3]) : 0;

	if (!err && c->a[2] == 0)
		err = fd_make_real(v, (int)c->a[4]);
	return err ? err : VFS_PASS;
}

HANDLER(call_two_fds)
{
	/* sendfile and tee have them first and second, the others first and third. */
	unsigned second = c->nr == SYS_sendfile || c->nr == SYS_tee ? 1 : 2;
	int err = fd_materialise(v, (int)c->a[0]);

	if (!err)
		err = fd_materialise(v, (int)c->a[second]);
	return err ? err : VFS_PASS;
}

/* A descriptor that is not ours may be one of a mount of ours all the same. */
static void mark_foreign(struct vfs_thread *v, long fd)
{
	for (unsigned i = 0; i < v->proc->nmounts; i++) {
		struct task *t;
		fs_ino ino;

		if (fd_is_inode(&v->proc->mount[i], fd, &ino) && (t = seat(v, i)))
			fs_mark_mapped(t, ino);
	}
}

/* Mapped by the kernel, through the mount: what is mapped and what is read there are the same pages. */
HANDLER(call_mmap)
{
	long fd = (int)c->a[4];
	bool shared = (c->a[3] & MAP_TYPE) != MAP_PRIVATE;
	int store = c->a[3] & MAP_ANONYMOUS ? -1 : fd_store(v->proc, fd), err;
	int64_t ino;

	if (store < 0) {
		if (shared && !(c->a[3] & MAP_ANONYMOUS))
			mark_foreign(v, fd);
		return VFS_PASS;
	}
	ino = fs_handle(seat(v, (unsigned)store), (uint32_t)fd, NULL);
	if (ino > 0 && shared)
		fs_mark_mapped(seat(v, (unsigned)store), (fs_ino)ino);
	err = fd_make_real(v, fd);
	return err ? err : VFS_PASS;
}

HANDLER(call_epoll_ctl)
{
	int err = fd_make_real(v, (int)c->a[2]);

	return err ? err : VFS_PASS;
}

/* Descriptors that travel: those in the control messages. */
static int materialise_rights(struct vfs_thread *v, const struct msghdr *m)
{
	struct cmsghdr head;
	size_t at = 0;

	while (at + sizeof head <= m->msg_controllen) {
		const char *p = (const char *)m->msg_control + at;

		if (user_copy(&head, p, sizeof head) || head.cmsg_len < sizeof head ||
		    head.cmsg_len > m->msg_controllen - at)
			return 0; /* the kernel says what is wrong with it */
		for (size_t k = sizeof head;
		     head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS && k + sizeof(int) <= head.cmsg_len;
		     k += sizeof(int)) {
			int fd, err;

			err = user_copy(&fd, p + k, sizeof fd) ? 0 : fd_materialise(v, fd);
			if (err)
				return err;
		}
		at += round_up(head.cmsg_len, sizeof(size_t));
	}
	return 0;
}

HANDLER(call_sendmsg)
{
	struct msghdr m;
	int err = user_copy(&m, (const void *)c->a[1], sizeof m) || !m.msg_control ? 0 : materialise_rights(v, &m);

	return err ? err : VFS_PASS;
}

HANDLER(call_sendmmsg)
{
	struct mmsghdr m;
	int err = 0;

	for (unsigned long k = 0; !err && k < (unsigned)c->a[2] && k < 1024; k++) {
		if (user_copy(&m, (const struct mmsghdr *)c->a[1] + k, sizeof m))
			break;
		err = m.msg_hdr.msg_control ? materialise_rights(v, &m.msg_hdr) : 0;
	}
	return err ? err : VFS_PASS;
}

void go_passive(struct vfs_thread *v)
{
	fd_unpark(v->proc);
	for (long fd = 0; fd < fd_end(v->proc); fd++)
		fd_materialise(v, fd);
	v->proc->passive = true;
}

HANDLER(call_passive)
{
	/* Asking whether a filter could be set is not setting one. */
	if (c->nr != SYS_seccomp || c->a[0] != 2 /* SECCOMP_GET_ACTION_AVAIL */)
		go_passive(v);
	return VFS_PASS;
}

HANDLER(call_prctl)
{
	if (c->a[0] == PR_SET_SECCOMP)
		go_passive(v);
	return VFS_PASS;
}
