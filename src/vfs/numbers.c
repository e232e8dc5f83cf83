/*
 * Numbers (I6): a descriptor of ours is the lowest free number, as POSIX
 * has it, and the kernel holds the number with a placeholder, on which every call
 * fails; or with a real descriptor of the same file, see real.c.
 *
 * Getting and giving back a number costs no system call in the steady state: a
 * few placeholders whose numbers are free for the program stay open (parked),
 * and the lowest is used next. Before the kernel hands out a number by itself,
 * they are closed; after it has closed one, a lower number than the first
 * parked may be free, and it is asked (`hole`).
 *
 * The lock of the numbers is never held over a call of the kernel's that could wait for anything.
 */
#include <sys/socket.h>

#include "vfs/internal.h"

/*
 * Where descriptors of our own lie, if the limit allows it: above those that programs
 * count on, and no higher, since each fork and exec copies the kernel's table up to the last.
 */
#define HIDDEN_FROM 500

#define NAP_NS 1000000u

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

static int removed_dir(const char *in)
{
	char path[64];
	long pid = sys_getpid(), fd;
	uint32_t n = 0;

	for (; in[n]; n++)
		path[n] = in[n];
	mem_copy(path + n, "/.bt-fuse.", 10);
	n += 10;
	mem_decimal(path + n, (uint32_t)pid);
	sys_call3(SYS_rmdir, (long)path, 0, 0); /* of one that had our pid and was killed in between */
	if (sys_call3(SYS_mkdir, (long)path, 0500, 0) < 0)
		return -ENOENT;
	fd = sys_call4(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	sys_call3(SYS_rmdir, (long)path, 0, 0);
	sys_call3(SYS_fchmod, fd, 0, 0);
	return (int)fd;
}

/*
 * A directory that is removed: it can be neither read, written nor mapped, holds
 * nothing, is always ready, and its name in /proc opens to no more than that, and for root only.
 */
int vfs_placeholder(void)
{
	static const char *const places[] = {"/dev/shm", "/tmp", "/run", "/var/tmp"};
	int fd = -ENOENT;

	for (unsigned i = 0; i < array_len(places) && fd < 0; i++)
		fd = removed_dir(places[i]);
	if (fd < 0) /* else a socket that is not connected: not ready to be read, but as unusable */
		fd = (int)sys_call3(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? fd : hide(fd);
}

bool fd_is_placeholder(const struct vfs_proc *p, int fd)
{
	struct stat mine, there;

	return sys_call3(SYS_fstat, p->placeholder, (long)&mine, 0) == 0 &&
	       sys_call3(SYS_fstat, fd, (long)&there, 0) == 0 && mine.st_ino == there.st_ino &&
	       mine.st_dev == there.st_dev;
}

/* ---- Parked numbers. Under the lock. ------------------------------------------------- */

static bool park(struct vfs_proc *p, long fd)
{
	uint32_t at = p->nparked;

	if (at == PARKED || p->closing)
		return false;
	store_release(&p->fd[fd], FD_CAUGHT);
	while (at > 0 && p->parked[at - 1] > fd) {
		p->parked[at] = p->parked[at - 1];
		at--;
	}
	p->parked[at] = (uint16_t)fd;
	p->nparked++;
	return true;
}

static bool is_parked(const struct vfs_proc *p, long fd)
{
	for (uint32_t i = 0; i < p->nparked; i++)
		if (p->parked[i] == fd)
			return true;
	return false;
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

static void close_placeholder(struct vfs_proc *p, long fd)
{
	store_release(&p->fd[fd], 0);
	sys_close((int)fd);
}

static void unpark_all(struct vfs_proc *p)
{
	while (p->nparked)
		close_placeholder(p, take_parked(p));
}

void fd_unpark(struct vfs_proc *p)
{
	if (!load_relaxed(&p->nparked))
		return;
	numbers_lock(p);
	unpark_all(p);
	numbers_unlock(p);
}

/* ---- Taking and giving back ------------------------------------------------------------ */

/* Asks the kernel for its lowest free number. */
static long take_fresh(struct vfs_proc *p)
{
	long fd = sys_fcntl(p->placeholder, F_DUPFD, 0);

	if (fd < 0)
		return p->nparked ? take_parked(p) : fd;
	if (p->nparked && fd > p->parked[0]) {
		long low = take_parked(p);

		p->hole = false;
		if (fd >= (long)FS_HANDLES || !park(p, fd))
			sys_close((int)fd);
		return low;
	}
	return fd;
}

/* A number that the kernel holds for us, or -errno: it is taken, and nobody's yet. Gives up the lock. */
static long taken(struct vfs_thread *v, long fd)
{
	struct vfs_proc *p = v->proc;
	int stale = fd_store(p, fd); /* the program closed it where no hook saw it */

	if (unlikely(fd >= (long)FS_HANDLES)) {
		sys_close((int)fd);
		fd = VFS_PASS;
	}
	if (likely(fd >= 0)) {
		store_release(&p->fd[fd], FD_CAUGHT);
		fd_reach(p, fd);
	}
	numbers_unlock(p);
	if (unlikely(stale >= 0))
		fd_close(v, stale, fd);
	return fd;
}

long fd_take(struct vfs_thread *v)
{
	struct vfs_proc *p = v->proc;
	long fd;

	numbers_lock(p);
	if (unlikely(!p->nparked || p->hole))
		return taken(v, p->closing ? VFS_PASS : take_fresh(p));
	fd = take_parked(p);
	numbers_unlock(p);
	return fd;
}

long fd_take_like(struct vfs_thread *v, long from, long min, bool exec, bool *real)
{
	struct vfs_proc *p = v->proc;
	long fd = VFS_PASS;

	numbers_lock(p);
	*real = fd_is_real(p, from);
	if (likely(!p->closing)) {
		if (min == 0 && !*real) {
			fd = p->nparked && !p->hole ? take_parked(p) : take_fresh(p);
		} else {
			unpark_all(p);
			fd = sys_fcntl(*real ? (int)from : p->placeholder, exec ? F_DUPFD_CLOEXEC : F_DUPFD, min);
		}
	}
	return taken(v, fd);
}

/*
 * Is it the kernel's, and other threads may be using it? A call of theirs that was passed already must not meet a
 * placeholder, and what is closed there may take long.
 */
static bool is_in_use(const struct vfs_proc *p, long fd)
{
	return p->common_there && sys_fcntl((int)fd, F_GETFD, 0) >= 0;
}

long fd_take_over(struct vfs_proc *p, long from, long to, bool exec, struct fd_over *o)
{
	bool ours;
	long ret = VFS_PASS;

	if (to >= (long)FS_HANDLES)
		return VFS_PASS;
	numbers_lock(p);
	ours = is_parked(p, to) || fd_store(p, to) >= 0;
	*o = (struct fd_over){.there = fd_store(p, to), .real = fd_is_real(p, from)};
	if (unlikely(!ours && fd_is_hidden(p, to)))
		ret = -EBUSY;
	else if (likely(!p->closing) && (ours || !is_in_use(p, to)))
		ret = 0;
	if (ret == 0 && (!ours || o->real || fd_is_real(p, to)))
		ret = sys_call3(SYS_dup3, o->real ? from : p->placeholder, to, exec ? O_CLOEXEC : 0);
	if (ret >= 0) {
		store_release(&p->moves, p->moves + 1);
		unpark_one(p, to);
		store_release(&p->fd[to], FD_CAUGHT);
		fd_reach(p, to);
	}
	numbers_unlock(p);
	return ret;
}

bool fd_is_moving(struct vfs_thread *v, long fd)
{
	struct vfs_proc *p = v->proc;

	if (fd_is_hidden(p, fd))
		return !is_parked(p, fd) && !fd_is_kept(p, fd);
	return fd_store(p, fd) < 0 || fd_inode(v, fd, NULL) == -EBADF;
}

/* It may have been put off by others. */
void fd_let_move(int tries)
{
	static const struct timespec nap = {.tv_nsec = NAP_NS};

	if (tries < 10)
		sys_call3(SYS_sched_yield, 0, 0, 0);
	else
		sys_call3(SYS_nanosleep, (long)&nap, 0, 0);
}

long fd_give_up(struct vfs_proc *p, long fd)
{
	long ret = VFS_PASS;

	numbers_lock(p);
	if (unpark_one(p, fd))
		close_placeholder(p, fd);
	else if (fd_is_hidden(p, fd))
		ret = -EBUSY;
	numbers_unlock(p);
	return ret;
}

void fd_own(struct vfs_proc *p, long fd, fs_ino ino, unsigned store, bool exec, bool real)
{
	store_relaxed(&p->ino[fd], ino);
	store_release(&p->fd[fd], (uint8_t)(FD_OWNED | FD_CAUGHT | (exec ? FD_EXEC : 0) | (real ? FD_REAL : 0) |
					    store << FD_STORE));
}

/* Under the lock, which it gives up: nothing is open there any more. */
static void let_go(struct vfs_proc *p, long fd)
{
	bool real = fd_is_real(p, fd); /* since the caller looked: another thread forks */

	if (real || !park(p, fd))
		store_release(&p->fd[fd], 0);
	if (unlikely(real))
		p->hole = true;
	else if (!load_relaxed(&p->fd[fd]))
		sys_close((int)fd);
	numbers_unlock(p);
	if (unlikely(real))
		sys_close((int)fd);
}

void fd_give_back(struct vfs_proc *p, long fd)
{
	numbers_lock(p);
	let_go(p, fd);
}

void fd_closed(struct vfs_proc *p, struct task *t, long fd)
{
	numbers_lock(p);
	if (likely(fd_store(p, fd) >= 0 && !fs_handle_file(t, (uint32_t)fd)))
		let_go(p, fd);
	else
		numbers_unlock(p);
}

bool fd_to_kernel(struct vfs_proc *p, long fd)
{
	bool won;

	numbers_lock(p);
	won = fd_is_real(p, fd);
	if (won)
		store_release(&p->fd[fd], 0);
	p->hole = true;
	numbers_unlock(p);
	return won;
}

void fd_lose(struct vfs_proc *p, long fd)
{
	bool real = fd_is_real(p, fd);

	store_release(&p->fd[fd], 0);
	store_relaxed(&p->hole, true);
	if (!real)
		sys_close((int)fd);
}

/* ---- What is ours for good ---------------------------------------------------------- */

void fd_keep(struct vfs_proc *p, long fd)
{
	if ((unsigned long)fd < FS_HANDLES)
		store_release(&p->fd[fd], FD_CAUGHT);
}

void fd_keep_all(struct vfs_proc *p)
{
	fd_keep(p, p->placeholder);
	fd_keep(p, p->hidden);
	for (unsigned i = 0; i < p->nmounts; i++)
		fd_keep(p, p->mount[i].fs.pool.fd);
}

bool fd_is_kept(const struct vfs_proc *p, long fd)
{
	bool kept = fd == p->placeholder || fd == p->hidden;

	for (unsigned i = 0; i < p->nmounts; i++)
		kept |= fd == p->mount[i].fs.pool.fd;
	return kept;
}

/* ---- Standing still ------------------------------------------------------------------ */

#define EVERYBODY (1 << 30)

/*
 * The kernel is through a table of descriptors in less time, also where many others want the processor: who is not
 * waits for something else by then.
 */
#define NAPS 1000

cold void numbers_wait(struct vfs_proc *p, uint32_t seen)
{
	if (seen == NUMBERS_HELD)
		futex_wait(&p->fd_lock, NUMBERS_HELD, NAP_NS);
	else
		cpu_relax();
}

/*
 * What a thread of ours has for a moment only is not in our table: a close_range of another thread's would close it
 * and a fork copy it. So each waits for the other; not for ever, since an open waits for the daemon, and
 * a close for whatever it is that is closed.
 */
void fd_pass_begin(struct vfs_proc *p)
{
	uint32_t still;

	numbers_lock(p);
	for (int i = 0; i < NAPS && (still = p->still); i++) {
		numbers_unlock(p);
		futex_wait(&p->still, still, NAP_NS);
		numbers_lock(p);
	}
	p->passing++;
	numbers_unlock(p);
}

void fd_pass_end(struct vfs_proc *p)
{
	bool awaited;

	numbers_lock(p);
	store_release(&p->passing, p->passing - 1);
	awaited = p->still;
	numbers_unlock(p);
	if (unlikely(awaited))
		futex_wake(&p->passing, EVERYBODY);
}

static void stand_still(struct vfs_proc *p)
{
	uint32_t n;

	p->still++;
	numbers_unlock(p);
	for (int i = 0; i < NAPS && (n = load_acquire(&p->passing)); i++)
		futex_wait(&p->passing, n, NAP_NS);
}

static void go_on(struct vfs_proc *p)
{
	store_release(&p->still, p->still - 1);
	numbers_unlock(p);
	futex_wake(&p->still, EVERYBODY);
}

void numbers_hold(struct vfs_proc *p)
{
	numbers_lock(p);
	stand_still(p);
	numbers_lock(p);
	store_relaxed(&p->fd_lock, NUMBERS_HELD);
}

void numbers_let_go(struct vfs_proc *p)
{
	go_on(p);
	futex_wake(&p->fd_lock, EVERYBODY);
}

void numbers_close_begin(struct vfs_proc *p)
{
	numbers_lock(p);
	unpark_all(p);
	p->closing++;
	stand_still(p);
}

void numbers_close_end(struct vfs_proc *p)
{
	numbers_lock(p);
	p->closing--;
	p->hole = true;
	go_on(p);
}

void numbers_forked(struct vfs_proc *p)
{
	store_relaxed(&p->fd_lock, NUMBERS_FREE);
	p->closing = p->still = p->passing = 0;
}

void fd_drop_taken(struct vfs_proc *p)
{
	for (long fd = 0; fd < fd_end(p); fd++)
		if (fd_is_hidden(p, fd) && !is_parked(p, fd) && !fd_is_kept(p, fd))
			close_placeholder(p, fd);
}
