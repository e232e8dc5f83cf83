/*
 * Descriptors (I6): a descriptor of ours is the lowest free number, as POSIX
 * has it, and the kernel holds the number with a placeholder: a write-only
 * descriptor of a sealed memfd, on which every call fails.
 *
 * Getting and giving back a number costs no system call in the steady state: a
 * few placeholders whose numbers are free for the program stay open (parked),
 * and the lowest is used next. Before the kernel hands out a number by itself,
 * they are closed; after it has closed one, a lower number than the first
 * parked may be free, and it is asked (`hole`).
 */
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "vfs/internal.h"

#define HIDDEN_FROM 8192 /* where descriptors of our own lie, if the limit allows it */

/* Kept over exec: the next image of the process uses it again. */
static int hide(int fd)
{
	for (int from = HIDDEN_FROM; from >= 64; from /= 2) {
		int high = sys_fcntl(fd, F_DUPFD, from);

		if (high >= 0) {
			sys_close(fd);
			return high;
		}
	}
	return fd;
}

static void fd_path(char *out, int fd)
{
	static const char dir[] = "/proc/self/fd/";
	char digits[12];
	int n = 0;

	mem_copy(out, dir, sizeof dir - 1);
	out += sizeof dir - 1;
	do {
		digits[n++] = (char)('0' + fd % 10);
	} while ((fd /= 10));
	while (n)
		*out++ = digits[--n];
	*out = 0;
}

/* Write-only and sealed against writing: read gives -EBADF, write -EPERM, mmap -EACCES. */
int vfs_placeholder(void)
{
	char path[32];
	int fd,
	    sealed = (int)sys_call3(SYS_memfd_create, (long)"bt-fuse: open file", MFD_CLOEXEC | MFD_ALLOW_SEALING, 0);

	if (sealed < 0)
		return sealed;
	sys_fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	fd_path(path, sealed);
	fd = (int)sys_call4(SYS_openat, AT_FDCWD, (long)path, O_WRONLY | O_CLOEXEC, 0);
	if (fd < 0) /* no /proc: it reads as an empty file then */
		return hide(sealed);
	sys_close(sealed);
	return hide(fd);
}

bool fd_is_placeholder(const struct vfs_proc *p, int fd)
{
	struct stat mine, there;

	return sys_call3(SYS_fstat, p->placeholder, (long)&mine, 0) == 0 &&
	       sys_call3(SYS_fstat, fd, (long)&there, 0) == 0 && mine.st_ino == there.st_ino &&
	       mine.st_dev == there.st_dev;
}

/* ---- Parked numbers. Under fd_lock. ---------------------------------------------- */

static bool park(struct vfs_proc *p, long fd)
{
	uint32_t at = p->nparked;

	if (at == PARKED)
		return false;
	while (at > 0 && p->parked[at - 1] > fd) {
		p->parked[at] = p->parked[at - 1];
		at--;
	}
	p->parked[at] = (uint16_t)fd;
	p->nparked++;
	return true;
}

static bool unpark_one(struct vfs_proc *p, long fd)
{
	for (uint32_t i = 0; i < p->nparked; i++) {
		if (p->parked[i] != fd)
			continue;
		for (p->nparked--; i < p->nparked; i++)
			p->parked[i] = p->parked[i + 1];
		return true;
	}
	return false;
}

static long take_parked(struct vfs_proc *p)
{
	long fd = p->parked[0];

	unpark_one(p, fd);
	return fd;
}

/* Asks the kernel for its lowest free number. */
static long take_fresh(struct vfs_proc *p)
{
	long fd = sys_fcntl(p->placeholder, F_DUPFD, 0);

	if (fd < 0)
		return p->nparked ? take_parked(p) : fd;
	if (p->nparked && fd > p->parked[0]) {
		long low = take_parked(p);

		p->hole = false;
		if (!park(p, fd))
			sys_close((int)fd);
		return low;
	}
	return fd;
}

long fd_take(struct vfs_thread *v)
{
	struct vfs_proc *p = v->proc;
	long fd;

	local_lock(&p->fd_lock);
	fd = p->nparked && !p->hole ? take_parked(p) : take_fresh(p);
	if (fd >= (long)FS_HANDLES) {
		sys_close((int)fd);
		fd = -EMFILE;
	}
	local_unlock(&p->fd_lock);
	return fd;
}

void fd_own(struct vfs_proc *p, long fd, unsigned store, bool exec)
{
	store_release(&p->fd[fd], (uint8_t)(FD_OWNED | (exec ? FD_EXEC : 0) | store << FD_STORE));
}

void fd_give_back(struct vfs_proc *p, long fd)
{
	local_lock(&p->fd_lock);
	store_release(&p->fd[fd], 0);
	if (!park(p, fd))
		sys_close((int)fd);
	local_unlock(&p->fd_lock);
}

void fd_unpark(struct vfs_proc *p)
{
	if (!load_relaxed(&p->nparked))
		return;
	local_lock(&p->fd_lock);
	while (p->nparked)
		sys_close((int)take_parked(p));
	local_unlock(&p->fd_lock);
}

/* A number that the program does not have, though the kernel has something there. */
static bool is_hidden(const struct vfs_proc *p, long fd)
{
	bool hidden = fd == p->placeholder;

	for (unsigned i = 0; i < p->nmounts; i++)
		hidden |= fd == p->mount[i].fs.pool.fd;
	for (uint32_t i = 0; i < p->nparked; i++)
		hidden |= fd == p->parked[i];
	return hidden;
}

/* ---- Materialising ----------------------------------------------------------------- */

static uint32_t add(char *out, uint32_t at, const char *s, uint32_t n)
{
	if (at + n < VFS_PATH)
		mem_copy(out + at, s, n);
	return at + n;
}

static uint32_t add_number(char *out, uint32_t at, uint32_t n)
{
	char digits[12];
	uint32_t k = sizeof digits;

	do {
		digits[--k] = (char)('0' + n % 10);
	} while ((n /= 10));
	return add(out, at, digits + k, (uint32_t)sizeof digits - k);
}

/* A directory has one path: put together from its end. */
long path_of_dir(struct vfs_thread *v, const struct vmount *m, struct task *t, fs_ino ino, char *out)
{
	uint32_t at = VFS_PATH - 1;
	fs_ino parent;

	out[at] = 0;
	for (; ino != FS_ROOT; ino = parent) {
		struct fs_dirent *d = &v->batch[0];
		int err = fs_dirname(t, ino, &parent, d);

		if (err)
			return err;
		if (at < m->len + d->len + 2u)
			return -ENAMETOOLONG;
		at -= d->len;
		mem_copy(out + at, d->name, d->len);
		out[--at] = '/';
	}
	mem_copy(out, m->path, m->len);
	__builtin_memmove(out + m->len, out + at, VFS_PATH - at);
	return 0;
}

/* Any path that leads to the inode through the mount. */
static long path_of(struct vfs_thread *v, const struct vmount *m, struct task *t, fs_ino ino, char *out)
{
	struct fs_attr a;
	uint32_t at;
	int err = fs_getattr(t, ino, &a);

	if (err)
		return err;
	if (S_ISDIR(a.mode))
		return path_of_dir(v, m, t, ino, out);
	at = add(out, 0, m->path, m->len);
	at = add(out, at, "/" FS_BY_NUMBER, sizeof FS_BY_NUMBER);
	at = add_number(out, at, ino);
	add(out, at, "", 1);
	return at < VFS_PATH ? 0 : -ENAMETOOLONG;
}

static long open_real(struct vfs_thread *v, long fd, uint32_t *flags)
{
	struct vfs_proc *p = v->proc;
	unsigned store = (unsigned)fd_store(p, fd);
	struct task *t = seat(v, store);
	int64_t ino = t ? fs_handle(t, (uint32_t)fd, flags) : -EMFILE;
	int64_t pos;
	long real, err;

	if (ino < 0)
		return ino;
	err = path_of(v, &p->mount[store], t, (fs_ino)ino, v->path[1]);
	if (err)
		return err;
	real = kernel_call(v, SYS_openat, AT_FDCWD, (long)v->path[1], (long)(*flags & ~(uint32_t)O_NOFOLLOW), 0);
	pos = real >= 0 ? fs_seek_to(t, (uint32_t)fd, 0, SEEK_CUR) : 0;
	if (real >= 0 && pos > 0)
		sys_call3(SYS_lseek, real, pos, SEEK_SET);
	return real;
}

/*
 * A process that holds record locks must not close any other descriptor of the
 * file: that drops them (fcntl(2)). So the real one has to come out of open at
 * the right number by itself: all lower ones are filled meanwhile.
 */
#define FILL 64

struct filler {
	int fd[FILL];
	int n;
};

static void fill_below(const struct vfs_proc *p, long fd, struct filler *f)
{
	for (f->n = 0; f->n < FILL; f->n++) {
		int got = sys_fcntl(p->placeholder, F_DUPFD, 0);

		if (got > fd)
			sys_close(got);
		if (got < 0 || got > fd)
			break;
		f->fd[f->n] = got;
	}
	sys_close((int)fd); /* a placeholder, which locks nothing */
}

static void put_in_place(long real, long fd, bool exec)
{
	if (real == fd) {
		sys_fcntl((int)fd, F_SETFD, exec ? FD_CLOEXEC : 0);
		return;
	}
	sys_call3(SYS_dup3, real, fd, exec ? O_CLOEXEC : 0);
	sys_close((int)real);
}

int fd_materialise(struct vfs_thread *v, long fd)
{
	struct vfs_proc *p = v->proc;
	int store = fd_store(p, fd);
	struct filler f = {.n = 0};
	uint32_t flags = 0;
	long real;

	if (store < 0)
		return 0;
	fd_unpark(p);
	if (unlikely(load_relaxed(&p->locks)))
		fill_below(p, fd, &f);
	real = open_real(v, fd, &flags);
	if (real >= 0)
		put_in_place(real, fd, load_relaxed(&p->fd[fd]) & FD_EXEC);
	else if (load_relaxed(&p->locks))
		sys_call3(SYS_dup3, p->placeholder, fd, 0);
	while (f.n)
		sys_close(f.fd[--f.n]);
	if (real < 0)
		return (int)real;
	store_release(&p->fd[fd], 0);
	fs_close(seat(v, (unsigned)store), (uint32_t)fd);
	count_real(v);
	return 0;
}

/* ---- close, dup, fcntl --------------------------------------------------------------- */

HANDLER(call_close)
{
	struct vfs_proc *p = v->proc;
	long fd = (int)c->a[0];
	int store = fd_store(p, fd);

	if (store < 0) {
		if (is_hidden(p, fd))
			return -EBADF;
		store_relaxed(&p->hole, true);
		return VFS_PASS;
	}
	if (unlikely(load_relaxed(&p->locks))) {
		int err = fd_materialise(v, fd);

		return err ? err : VFS_PASS; /* drops its locks on the file, as it should */
	}
	fs_close(seat(v, (unsigned)store), (uint32_t)fd);
	fd_give_back(p, fd);
	return 0;
}

/* A second descriptor of an open file of ours, at number `to`, which a placeholder holds already. */
static long share(struct vfs_thread *v, long from, long to, bool exec)
{
	unsigned store = (unsigned)fd_store(v->proc, from);
	struct task *t = seat(v, store);
	int err = t ? fs_dup(t, (uint32_t)from, (uint32_t)to) : -EMFILE;

	if (err) {
		fd_give_back(v->proc, to);
		return err;
	}
	fd_own(v->proc, to, store, exec);
	return to;
}

HANDLER(call_dup)
{
	long fd;

	if (fd_store(v->proc, (int)c->a[0]) < 0)
		return call_makes_fd(v, c);
	fd = fd_take(v);
	return fd < 0 ? fd : share(v, (int)c->a[0], fd, false);
}

/* Our own, to a certain number: whatever is there gives way. */
static long dup_to(struct vfs_thread *v, long from, long to, bool exec)
{
	struct vfs_proc *p = v->proc;
	int there = fd_store(p, to);
	bool parked;
	long err;

	if ((unsigned long)to >= FS_HANDLES || (there < 0 && to == p->placeholder))
		return -EBADF;
	local_lock(&p->fd_lock);
	parked = unpark_one(p, to);
	local_unlock(&p->fd_lock);
	if (there >= 0) {
		fs_close(seat(v, (unsigned)there), (uint32_t)to);
		store_release(&p->fd[to], 0);
	} else if (!parked) {
		err = sys_call3(SYS_dup3, p->placeholder, to, 0);
		if (err < 0)
			return err;
	}
	return share(v, from, to, exec);
}

static long dup_any(struct vfs_thread *v, const struct vfs_call *c, bool exec)
{
	struct vfs_proc *p = v->proc;
	long from = (int)c->a[0], to = (int)c->a[1];
	int there = fd_store(p, to);

	if (fd_store(p, from) >= 0)
		return dup_to(v, from, to, exec);
	if (is_hidden(p, from))
		return -EBADF;
	/* The kernel replaces what is there, a placeholder too. */
	local_lock(&p->fd_lock);
	unpark_one(p, to);
	local_unlock(&p->fd_lock);
	if (there >= 0) {
		long ret = kernel_call(v, c->nr, from, to, c->a[2], 0);

		if (ret >= 0) {
			store_release(&p->fd[to], 0);
			fs_close(seat(v, (unsigned)there), (uint32_t)to);
		}
		return ret;
	}
	return VFS_PASS;
}

HANDLER(call_dup2)
{
	long fd = (int)c->a[0];

	if (fd == (int)c->a[1])
		return fd_store(v->proc, fd) >= 0 ? fd : VFS_PASS;
	return dup_any(v, c, false);
}

HANDLER(call_dup3)
{
	if (fd_store(v->proc, (int)c->a[0]) < 0)
		return dup_any(v, c, false);
	if ((int)c->a[0] == (int)c->a[1] || ((int)c->a[2] & ~O_CLOEXEC))
		return -EINVAL;
	return dup_any(v, c, (int)c->a[2] & O_CLOEXEC);
}

/* F_DUPFD: the lowest number from `min` on. The kernel finds it. */
static long dup_from(struct vfs_thread *v, long fd, long min, bool exec)
{
	struct vfs_proc *p = v->proc;
	long to;

	if (min == 0) {
		to = fd_take(v);
		return to < 0 ? to : share(v, fd, to, exec);
	}
	fd_unpark(p);
	to = sys_fcntl(p->placeholder, F_DUPFD, min);
	if (to >= (long)FS_HANDLES) {
		sys_close((int)to);
		return -EMFILE;
	}
	return to < 0 ? to : share(v, fd, to, exec);
}

#define STATUS_FLAGS (O_APPEND | O_NONBLOCK | O_NOATIME)

static long get_flags(struct vfs_thread *v, unsigned store, long fd)
{
	uint32_t flags = 0;
	int64_t ino = fs_handle(seat(v, store), (uint32_t)fd, &flags);

	/* As the kernel shows it on 64 bits: O_LARGEFILE is always there. */
	return ino < 0 ? (long)ino : (long)((flags & ~(uint32_t)O_CLOEXEC) | 0100000);
}

HANDLER(call_fcntl)
{
	struct vfs_proc *p = v->proc;
	long fd = (int)c->a[0];
	int store = fd_store(p, fd), cmd = (int)c->a[1], err;

	if (store < 0) {
		if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
			return call_makes_fd(v, c);
		return is_hidden(p, fd) ? -EBADF : VFS_PASS;
	}
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_from(v, fd, (int)c->a[2], cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return load_relaxed(&p->fd[fd]) & FD_EXEC ? FD_CLOEXEC : 0;
	case F_SETFD:
		fd_own(p, fd, (unsigned)store, c->a[2] & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return get_flags(v, (unsigned)store, fd);
	case F_SETFL:
		if (c->a[2] & (O_DIRECT | O_ASYNC))
			break;
		return fs_set_flags(seat(v, (unsigned)store), (uint32_t)fd, STATUS_FLAGS, (uint32_t)c->a[2]);
	}
	if (cmd == F_SETLK || cmd == F_SETLKW)
		store_relaxed(&p->locks, true);
	err = fd_materialise(v, fd);
	return err ? err : VFS_PASS;
}

HANDLER(call_ioctl)
{
	struct vfs_proc *p = v->proc;
	long fd = (int)c->a[0];
	int store = fd_store(p, fd), err;

	if (store < 0)
		return VFS_PASS;
	switch ((unsigned)c->a[1]) {
	case 0x5401: /* TCGETS: isatty() asks each stream */
		return -ENOTTY;
	case 0x5450: /* FIONCLEX */
	case 0x5451: /* FIOCLEX */
		fd_own(p, fd, (unsigned)store, (unsigned)c->a[1] == 0x5451);
		return 0;
	}
	err = fd_materialise(v, fd);
	return err ? err : VFS_PASS;
}

/* ---- Calls that only have to see the right descriptors ---------------------------------- */

HANDLER(call_makes_fd)
{
	fd_unpark(v->proc);
	return call_first_fd(v, c);
}

HANDLER(call_first_fd)
{
	int err = fd_materialise(v, (int)c->a[0]);

	return err ? err : VFS_PASS;
}

HANDLER(call_two_fds)
{
	/* copy_file_range and splice have them first and third, the others first and second. */
	unsigned second = c->nr == SYS_copy_file_range || c->nr == SYS_splice ? 2 : 1;
	int err = fd_materialise(v, (int)c->a[0]);

	if (!err)
		err = fd_materialise(v, (int)c->a[second]);
	return err ? err : VFS_PASS;
}

/* Mapped by the kernel, through the mount: what is mapped and what is read there are the same pages. */
HANDLER(call_mmap)
{
	long fd = (int)c->a[4];
	int store = c->a[3] & MAP_ANONYMOUS ? -1 : fd_store(v->proc, fd), err;
	int64_t ino;

	if (store < 0)
		return VFS_PASS;
	ino = fs_handle(seat(v, (unsigned)store), (uint32_t)fd, NULL);
	if (ino > 0 && (c->a[3] & MAP_TYPE) != MAP_PRIVATE)
		fs_mark_mapped(seat(v, (unsigned)store), (fs_ino)ino);
	err = fd_materialise(v, fd);
	return err ? err : VFS_PASS;
}

HANDLER(call_epoll_ctl)
{
	int err = fd_materialise(v, (int)c->a[2]);

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

void go_passive(struct vfs_thread *v)
{
	fd_unpark(v->proc);
	for (long fd = 0; fd < (long)FS_HANDLES; fd++)
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

/* Ours are closed here, the rest by the kernel around what is hidden from the program. */
static long close_span(struct vfs_thread *v, long from, long to, long flags)
{
	return from > to ? 0 : kernel_call(v, SYS_close_range, from, to, flags, 0);
}

static bool is_kept(const struct vfs_proc *p, long fd)
{
	bool kept = fd == p->placeholder;

	for (unsigned i = 0; i < p->nmounts; i++)
		kept |= fd == p->mount[i].fs.pool.fd;
	return kept;
}

HANDLER(call_close_range)
{
	struct vfs_proc *p = v->proc;
	unsigned long first = (unsigned)c->a[0], last = (unsigned)c->a[1];
	unsigned flags = (unsigned)c->a[2];
	long from = (long)first, err = 0;

	if (first > last || (flags & ~6u))
		return -EINVAL;
	fd_unpark(p);
	for (unsigned long fd = first; fd <= last && fd < FS_HANDLES; fd++) {
		int store = fd_store(p, (long)fd);

		if (store >= 0 && (flags & 4u /* CLOSE_RANGE_CLOEXEC */)) {
			fd_own(p, (long)fd, (unsigned)store, true);
		} else if (store >= 0) {
			store_release(&p->fd[fd], 0);
			fs_close(seat(v, (unsigned)store), (uint32_t)fd);
		}
		if (is_kept(p, (long)fd)) {
			err = close_span(v, from, (long)fd - 1, flags);
			from = (long)fd + 1;
		}
	}
	p->hole = true;
	return err < 0 ? err : close_span(v, from, (long)last, flags);
}
