/*
 * Calls that the kernel makes, and that only have to see the right descriptors;
 * and those after which nothing can be answered here any more.
 */
#include <linux/fanotify.h>
#include <linux/prctl.h>
#include <linux/stat.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vfs/internal.h"

/* And takes none. */
HANDLER(call_only_makes_fd)
{
	fd_unpark(v->proc);
	return VFS_PASS;
}

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

/* Sockets' own: of the program's numbers they are the kernel's, and of a file of ours it has a placeholder. */
HANDLER(call_socket)
{
	return fd_passed(v->proc, (int)c->a[0]);
}

/* Whoever waits for a number that is closed hears so from the kernel, which must not find it parked. */
HANDLER(call_poll)
{
	struct pollfd p;

	for (uint32_t i = 0; load_relaxed(&v->proc->nparked) && i < (uint32_t)c->a[1]; i++) {
		if (user_copy(&p, (const struct pollfd *)c->a[0] + i, sizeof p))
			break;
		if (fd_is_hidden(v->proc, p.fd))
			fd_unpark(v->proc);
	}
	return VFS_PASS;
}

static bool waits_for_hidden(const struct vfs_proc *p, const unsigned long *set, long n)
{
	unsigned long bits;

	for (long fd = 0; set && fd < n && fd < (long)FS_HANDLES; fd += 64) {
		if (user_copy(&bits, set + fd / 64, sizeof bits))
			break;
		for (; bits; bits &= bits - 1) {
			long at = fd + __builtin_ctzl(bits);

			if (at < n && fd_is_hidden(p, at))
				return true;
		}
	}
	return false;
}

HANDLER(call_select)
{
	bool hidden = false;

	for (unsigned i = 1; load_relaxed(&v->proc->nparked) && !hidden && i <= 3; i++)
		hidden = waits_for_hidden(v->proc, (const unsigned long *)c->a[i], (int)c->a[0]);
	if (hidden)
		fd_unpark(v->proc);
	return VFS_PASS;
}

HANDLER(call_path)
{
	path_reveal(v, (const char *)c->a[0]);
	return VFS_PASS;
}

HANDLER(call_second_path)
{
	path_reveal(v, (const char *)c->a[1]);
	return VFS_PASS;
}

HANDLER(call_path_at)
{
	path_reveal(v, (const char *)c->a[1]);
	return call_first_fd(v, c);
}

HANDLER(call_makes_fd_at)
{
	path_reveal(v, (const char *)c->a[1]);
	return call_makes_fd(v, c);
}

/* A socket's name may be a path, which need not be ended. */
static void reveal_socket(struct vfs_thread *v, const struct sockaddr_un *name, size_t size)
{
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	struct sockaddr_un un;

	size = min_of(size, sizeof un);
	if (!name || size <= head || user_copy(&un, name, size) || un.sun_family != AF_UNIX)
		return;
	mem_copy(v->path[1], un.sun_path, size - head);
	v->path[1][size - head] = 0;
	path_reveal(v, v->path[1]);
}

HANDLER(call_sockaddr)
{
	reveal_socket(v, (const struct sockaddr_un *)c->a[1], (unsigned)c->a[2]);
	return call_socket(v, c);
}

HANDLER(call_sendto)
{
	reveal_socket(v, (const struct sockaddr_un *)c->a[4], (unsigned)c->a[5]);
	return call_socket(v, c);
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

HANDLER(call_fsconfig)
{
	int err = fd_make_real(v, (int)c->a[4]);

	return err ? err : VFS_PASS;
}

/* The descriptor that lies `at` bytes into what the program hands the kernel. */
static int make_real_there(struct vfs_thread *v, long arg, size_t at)
{
	int fd;

	/* Where nothing is to be read the kernel says so, and what is no descriptor is its to refuse too. */
	return user_copy(&fd, (const char *)arg + at, sizeof fd) || fd_store(v->proc, fd) < 0 ? 0 : fd_make_real(v, fd);
}

HANDLER(call_landlock_rule)
{
	int err = c->a[1] == 1 /* LANDLOCK_RULE_PATH_BENEATH */ ? make_real_there(v, c->a[2], sizeof(uint64_t)) : 0;

	return err ? err : VFS_PASS;
}

/* What an ioctl names beside its first descriptor: a loop device its file, a clone its source. */
int ioctl_makes_real(struct vfs_thread *v, unsigned cmd, long arg)
{
	uint16_t n;
	int err = 0;

	switch (cmd) {
	case 0x4c0a:	 /* LOOP_CONFIGURE */
	case 0x4020940d: /* FICLONERANGE */
	case 0x4010e501: /* FUSE_DEV_IOC_BACKING_OPEN */
		return make_real_there(v, arg, 0);
	case 0xc0189436: /* FIDEDUPERANGE: each place that may become the same */
		if (user_copy(&n, (const char *)arg + 16, sizeof n))
			return 0;
		for (size_t i = 0; !err && i < n; i++)
			err = make_real_there(v, arg, 24 + 32 * i);
		return err;
	}
	/* The argument itself (LOOP_SET_FD, FICLONE); where it is a number of another kind, nothing is lost. */
	return arg == (int)arg && fd_store(v->proc, arg) >= 0 ? fd_make_real(v, arg) : 0;
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

/* What a mapping of an inode means for those who work in the pool. */
static void mark_mapping(struct task *t, fs_ino ino, bool written)
{
	if (written)
		fs_mark_mapped(t, ino);
	else
		fs_mark_sized(t, ino);
}

/*
 * A fault, or a lock from the end, goes by the size that the kernel knows. It asks for it now, whatever it
 * thinks to know: somebody may have changed it and be about to tell. From now on
 * who changes it goes through the kernel. It throws away an answer that was
 * overtaken by a write: then again, as long as it believes another size.
 */
void ask_size(long fd)
{
	struct statx told, held;

	for (int i = 0; i < 10; i++) {
		if (sys_call6(SYS_statx, fd, (long)"", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE, (long)&told,
			      0) ||
		    sys_call6(SYS_statx, fd, (long)"", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, (long)&held,
			      0) ||
		    told.stx_size == held.stx_size)
			break;
	}
}

/* A descriptor that is not ours may be one of a mount of ours all the same. */
static void mark_foreign(struct vfs_thread *v, long fd, bool shared)
{
	for (unsigned i = 0; i < v->proc->nmounts; i++) {
		struct task *t;
		fs_ino ino;

		if (!fd_is_inode(&v->proc->mount[i], fd, &ino) || !(t = seat(v, i)))
			continue;
		mark_mapping(t, ino, shared && (sys_fcntl((int)fd, F_GETFL, 0) & O_ACCMODE) == O_RDWR);
	}
}

/* Mapped by the kernel, through the mount: what is mapped and what is read there are the same pages. */
HANDLER(call_mmap)
{
	long fd = (int)c->a[4];
	bool shared = (c->a[3] & MAP_TYPE) != MAP_PRIVATE;
	int store = c->a[3] & MAP_ANONYMOUS ? -1 : fd_store(v->proc, fd), err;
	uint32_t flags = 0;
	struct task *t;
	int64_t ino;

	if (c->a[3] & MAP_ANONYMOUS)
		return VFS_PASS;
	if (store < 0) {
		if (!fd_is_hidden(v->proc, fd))
			mark_foreign(v, fd, shared);
		return fd_passed(v->proc, fd);
	}
	ino = fd_inode(v, fd, &flags);
	err = fd_make_real(v, fd);
	if (err)
		return err;
	/* Not before the kernel has it open: a mark goes when it forgets an inode. */
	t = fd_seat(v, fd);
	if (ino > 0 && t)
		mark_mapping(t, (fs_ino)ino, shared && (flags & O_ACCMODE) == O_RDWR);
	ask_size(fd);
	return VFS_PASS;
}

/* What is watched, by whatever path, is marked before the kernel watches it. */
static void watch(struct vfs_thread *v, int dir, const char *path, int flags)
{
	struct where w;
	struct statx st;
	long err = locate(v, dir, path, how(flags), 0, &w);

	if (!err)
		fs_watch(w.t, w.w.ino);
	if (err != VFS_PASS || sys_call6(SYS_statx, dir, (long)path, flags, STATX_INO, (long)&st, 0))
		return;
	for (unsigned i = 0; i < v->proc->nmounts; i++) {
		struct task *t = dev_of_statx(&st) == v->proc->mount[i].dev ? seat(v, i) : NULL;

		if (t)
			fs_watch(t, (fs_ino)st.stx_ino);
	}
}

HANDLER(call_inotify)
{
	watch(v, AT_FDCWD, (const char *)c->a[1], c->a[2] & 0x02000000 /* IN_DONT_FOLLOW */ ? AT_SYMLINK_NOFOLLOW : 0);
	return VFS_PASS;
}

/* Marks of whole mounts say nothing of an inode: what is answered here makes no events for them. */
HANDLER(call_fanotify)
{
	if (c->a[4] && !(c->a[1] & (FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM)))
		watch(v, (int)c->a[3], (const char *)c->a[4], c->a[1] & FAN_MARK_DONT_FOLLOW ? AT_SYMLINK_NOFOLLOW : 0);
	return call_fourth_fd(v, c);
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

static int reveal_message(struct vfs_thread *v, const struct msghdr *m)
{
	reveal_socket(v, m->msg_name, m->msg_namelen);
	return m->msg_control ? materialise_rights(v, m) : 0;
}

HANDLER(call_sendmsg)
{
	struct msghdr m;
	int err = user_copy(&m, (const void *)c->a[1], sizeof m) ? 0 : reveal_message(v, &m);

	return err ? err : call_socket(v, c);
}

HANDLER(call_sendmmsg)
{
	struct mmsghdr m;
	int err = 0;

	for (unsigned long k = 0; !err && k < (unsigned)c->a[2] && k < 1024; k++) {
		if (user_copy(&m, (const struct mmsghdr *)c->a[1] + k, sizeof m))
			break;
		err = reveal_message(v, &m.msg_hdr);
	}
	return err ? err : call_socket(v, c);
}

void go_passive(struct vfs_thread *v)
{
	fd_unpark(v->proc);
	for (long fd = 0; fd < fd_end(v->proc); fd++)
		fd_materialise(v, fd);
	v->proc->passive = true;
	if (v->used && v->used->count)
		v->foreign.count = &v->used->count->handed[HANDED_PASSIVE];
}

void vfs_pass_all(struct vfs_thread *v)
{
	go_passive(v);
	seats_return(v);
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

/* ---- mlockall ---------------------------------------------------------------------- */

/* A line of /proc/self/maps as it is read: "from-to rwxp ...". */
struct map_line {
	uint64_t bound[2];
	char perms[4];
	uint32_t field, at; /* where in it: bounds are 0 and 1, perms 2, the rest 3 */
};

/* As mlock(2) brings it in. Our own pools are address space, of which most has no memory. */
static void populate(const struct map_line *l)
{
	uint64_t from = l->bound[0], size = l->bound[1] - from;
	bool copied = l->perms[1] == 'w' && l->perms[3] == 'p';

	if (from < POOL_PLACE || from >= POOL_PLACE_END)
		sys_call3(SYS_madvise, (long)from, (long)size, copied ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

static void take_char(struct map_line *l, char c)
{
	if (c == '\n') {
		populate(l);
		*l = (struct map_line){.field = 0};
	} else if (l->field < 3 && (c == '-' || c == ' ') && (l->field < 2 || l->at == sizeof l->perms)) {
		l->field++;
	} else if (l->field < 2) {
		l->bound[l->field] = l->bound[l->field] << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	} else if (l->field == 2 && l->at < sizeof l->perms) {
		l->perms[l->at++] = c;
	}
}

static void populate_all(struct vfs_thread *v)
{
	long fd = sys_call4(SYS_openat, AT_FDCWD, (long)"/proc/self/maps", O_RDONLY | O_CLOEXEC, 0), n;
	struct map_line l = {.field = 0};

	while (fd >= 0 && (n = sys_call3(SYS_read, fd, (long)v->path[0], VFS_PATH)) > 0)
		for (long i = 0; i < n; i++)
			take_char(&l, v->path[0][i]);
	if (fd >= 0)
		sys_close((int)fd);
}

/* All that the program has is locked, and brought in; of ours only what is in use. */
HANDLER(call_lock_all)
{
	long flags = (int)c->a[0], err;

	if ((flags & ~(long)(MCL_CURRENT | MCL_FUTURE)) || !(flags & MCL_CURRENT))
		return VFS_PASS;
	err = sys_call3(SYS_mlockall, MCL_CURRENT | MCL_ONFAULT, 0, 0);
	if (!err && (flags & MCL_FUTURE))
		err = sys_call3(SYS_mlockall, MCL_FUTURE, 0, 0);
	if (!err)
		populate_all(v);
	return err;
}

/* What is mounted on a directory of a store hides what the store has there. */
static void hides(struct vfs_thread *v, int dir, const char *path)
{
	struct where w;

	if (locate(v, dir, path, LOCATE_EMPTY, 0, &w) == 0)
		go_passive(v);
}

HANDLER(call_mount)
{
	path_reveal(v, (const char *)c->a[0]);
	hides(v, AT_FDCWD, (const char *)c->a[1]);
	return VFS_PASS;
}

HANDLER(call_move_mount)
{
	path_reveal(v, (const char *)c->a[1]);
	hides(v, (int)c->a[2], (const char *)c->a[3]);
	return call_two_fds(v, c);
}
