/* What the files of vfs/ share. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/decimal.h"
#include "base/futex.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/user.h"
#include "metrics/count.h"
#include "vfs/vfs.h"

#define PATHS 128u     /* remembered paths a thread */
#define PATH_KEPT 104u /* bytes of a path that is remembered */
#define PARKED 8u
#define GROUPS 64u /* that a thread has room for */
#define BATCH 24
#define LOCKED 32u
#define VECTOR 1024u /* UIO_MAXIOV */

/* A store that is attached, and where it is mounted. */
struct vmount {
	struct fs fs;
	uint64_t dev; /* st_dev of the mount */
	uint64_t mnt_id;
	uint64_t attributes; /* that statx(2) tells of */
	uint32_t len;	     /* of the path */
	char path[FS_MOUNT_PATH];
	uint32_t statfs_known;
	struct statfs statfs; /* what the kernel says of the mount */
};

/*
 * What a descriptor is to us. FD_CAUGHT alone: something of ours is open there, which the
 * program does not know of: a parked placeholder, one that is taken and not yet given to the program, or what we keep
 * for good.
 */
enum fd_flags {
	FD_CAUGHT = 1 << 0, /* calls with it are looked at: struct vfs_foreign */
	FD_EXEC = 1 << 1,   /* closed at exec */
	FD_STORE = 2,	    /* shift: index of the mount, VFS_MOUNTS of them */
	FD_REAL = 1 << 6,   /* the kernel has a descriptor of the same file, not a placeholder */
	FD_OWNED = 1 << 7,  /* an open file of a store: handle of the same number */
};

_Static_assert(VFS_MOUNTS << FD_STORE <= FD_REAL && (VFS_MOUNTS & (VFS_MOUNTS - 1)) == 0, "room for the mount's index");

/* What CLONE_FS shares: the working directory, in a store or outside of all of them, and the umask. */
struct vfs_place {
	uint32_t lock;	     /* of the directory: while the kernel goes there, which may take long */
	uint32_t umask_lock; /* likewise, and that does not. Whoever takes both takes this one last */
	uint32_t umask;
	int store; /* index, -1: outside */
	fs_ino ino;
	uint32_t len; /* outside: its path, 0: not known */
	char path[VFS_PATH];
};

struct vfs_proc {
	struct vfs_host host;
	struct vmount mount[VFS_MOUNTS];
	uint32_t nmounts;
	bool limited; /* RLIMIT_FSIZE is set: what could grow a file is the kernel's, with its signal */
	bool passive; /* something is going on that we cannot follow: all goes to the kernel */

	struct vfs_place place; /* of all threads that have none of their own */

	/* Files that it has asked for record locks: closing any descriptor of one drops them. Under fd_lock to add. */
	uint32_t nlocked; /* more than LOCKED: any file may be one */
	fs_ino locked[LOCKED];

	/* Descriptors. `fd` is read without the lock. */
	uint32_t fd_lock; /* enum numbers */
	int hidden;	  /* of the layer above: no number of the program's; -1: none */
	int placeholder;  /* a hidden descriptor to make others of */
	uint32_t nparked; /* placeholders that are free to be used, in order of their numbers */
	uint16_t parked[PARKED];
	uint32_t end;		  /* numbers from here on were never ours, but for those that are kept for good */
	uint32_t moves;		  /* counts what was put in the place of something else: dup2 */
	uint32_t closing;	  /* close_ranges that the kernel is at: no number becomes ours meanwhile */
	uint32_t still;		  /* those, and forks: for them it is waited for. A futex */
	uint32_t passing;	  /* threads that have descriptors for a moment: see fd_pass_begin(). A futex */
	bool hole;		  /* the kernel may have a lower free number than the first parked */
	uint32_t others;	  /* threads, but for the first of a child that shares memory. Atomic */
	struct vfs_states *spare; /* a child's that is gone, for the next: see fork.c. Atomic */
	/* Seats for all threads that get none of their own, one after the other: taken before the second thread is
	 * made. */
	uint32_t common_lock;
	bool common_there;
	struct task common[VFS_MOUNTS];
	/* To the end of the struct, by number: see `end`. */
	uint8_t fd[FS_HANDLES] __attribute__((aligned(8)));
	fs_ino ino[FS_HANDLES]; /* of those that are ours */
};

/* Seats made for a child that is about to be. */
struct vfs_brood {
	struct vfs_states *states; /* the child's own, where it shares memory; NULL: it gets a copy of ours */
	bool pending;
	uint32_t holds; /* 1: the numbers of this thread's process, until the child has its copies. Atomic */
	uint32_t seat[VFS_MOUNTS];
};

/* A path that led somewhere. */
struct known_path {
	uint64_t key; /* where it starts and how it was walked */
	uint32_t epoch;
	fs_ino ino;
	uint64_t gen;
	fs_ino dir; /* of the last component */
	uint64_t entry;
	uint32_t nvia;
	struct fs_via via[FS_WALK_VIA];
	char path[PATH_KEPT];
};

struct vfs_thread {
	struct vfs_foreign foreign;
	uint64_t uncounted; /* what foreign.count is at while there is no seat */
	struct vfs_proc *proc;
	struct task task[VFS_MOUNTS];
	uint32_t seated;   /* a bit a mount */
	bool lent;	   /* it has the process's common seats, until its call ends: seats_return() */
	uint32_t why;	   /* enum metrics_handed: of the call under way, should it be passed */
	uint32_t full;	   /* the mount with no seat left, where that is why */
	int refused;	   /* 0, or why owner() or grower() could not have the kernel take it: see passed() */
	struct task *used; /* the seat that was used last, which its call is counted for. NULL: none yet */
	struct metrics_sampler sampler;
	struct vfs_brood brood;
	struct vfs_place *place;
	struct vfs_place own_place; /* after unshare(CLONE_FS) */

	/* Who it is: a thread's own matter in Linux; libc makes the calls that change it in each of them. */
	uint32_t cred_epoch; /* one of them; 0: not read yet */
	struct fs_cred cred;
	uid_t real_uid;
	gid_t real_gid;
	gid_t groups[GROUPS];
	gid_t *all_groups; /* where it is in more: NGROUPS_MAX of them, mapped at need */

	/* From here on nothing has to be 0 when a thread begins. */
	uint32_t cred_epochs; /* counts changes, so that what is known of a path is known for one */
	char path[2][VFS_PATH];
	char link[2][2 * (FS_SYMLINK_MAX + 1)]; /* symlinks on the way of each: a name found may lie there */
	struct fs_dirent batch[BATCH];
	struct known_path known[PATHS];
	/* Memory only where they are used. */
	struct iovec vec[VECTOR];
	char value[FS_XATTR_SIZE_MAX];
	char real[VFS_PATH]; /* real.c's own: it is needed in the middle of anything */
};

/* Of a child that shares the memory, but not the descriptors. */
struct vfs_states {
	struct vfs_proc proc;
	struct vfs_thread thread;
};

/* ---- proc.c ----------------------------------------------------------------- */

/* In a fork's child: another thread may have had what vfs_thread_borrow gives. */
void spare_forked(void);

/* The thread's seat in mount `i`, taken at the first need. NULL: none is to be had. */
struct task *seat_take(struct vfs_thread *v, unsigned i);
static inline struct task *seat(struct vfs_thread *v, unsigned i)
{
	if (unlikely(!(v->seated & 1u << i)))
		return seat_take(v, i);
	v->used = &v->task[i];
	return v->used;
}
/*
 * Its seats in all mounts. Who is going to hold the numbers does so before: who has the common seats may be waiting
 * for the numbers.
 */
void seats_take(struct vfs_thread *v);
void seats_give_back(struct vfs_thread *v);
/* A call of the VFS's own interface ends. */
static inline void seats_return(struct vfs_thread *v)
{
	if (unlikely(v->lent))
		seats_give_back(v);
}
/* It has left its seats, or has none yet. */
static inline void seat_none(struct vfs_thread *v)
{
	v->used = NULL;
	v->foreign = (struct vfs_foreign){v->proc->fd, &v->uncounted};
}
void seats_leave(struct vfs_thread *v);
/* What was mapped for the thread goes. */
void cred_drop(struct vfs_thread *v);
const struct fs_cred *cred_read(struct vfs_thread *v);
static inline const struct fs_cred *cred(struct vfs_thread *v)
{
	return likely(v->cred_epoch) ? &v->cred : cred_read(v);
}
/* Are the real user and group the effective ones? */
static inline bool same_ids(struct vfs_thread *v)
{
	return cred(v)->uid == v->real_uid && cred(v)->gid == v->real_gid;
}
struct statx;
/* As the kernel unfolds it into st_dev. */
uint64_t dev_of_statx(const struct statx *st);

/* ---- Locks of the process's threads ------------------------------------------------ */

/* May be held while the kernel is at something: who waits for one sleeps. In a fork's child all are set free. */
enum local_lock {
	LOCAL_FREE,
	LOCAL_LOCKED,
	LOCAL_AWAITED, /* and somebody may be asleep: a futex */
};

void local_wait(uint32_t *word);
static inline void local_lock(uint32_t *word)
{
	uint32_t seen = LOCAL_FREE;

	if (unlikely(!cas(word, &seen, LOCAL_LOCKED)))
		local_wait(word);
}
static inline void local_unlock(uint32_t *word)
{
	if (unlikely(swap(word, LOCAL_FREE) == LOCAL_AWAITED))
		futex_wake_private(word, 1);
}
/* Directory and umask stand still. */
static inline void place_hold(struct vfs_place *p)
{
	local_lock(&p->lock);
	local_lock(&p->umask_lock);
}
static inline void place_let_go(struct vfs_place *p)
{
	local_unlock(&p->umask_lock);
	local_unlock(&p->lock);
}
static inline void place_forked(struct vfs_place *p)
{
	p->lock = p->umask_lock = LOCAL_FREE;
}

/* ---- Numbers ------------------------------------------------------------------- */

/* Values of fd_lock. */
enum numbers {
	NUMBERS_FREE,
	NUMBERS_LOCKED,
	NUMBERS_HELD, /* they stand still for longer, see numbers_hold(). A futex then */
};

void numbers_wait(struct vfs_proc *p, uint32_t seen);
/* Between these two other threads neither get nor give back numbers: while a fork copies them. */
void numbers_hold(struct vfs_proc *p);
void numbers_let_go(struct vfs_proc *p);

/* What numbers are ours, parked, real: only under this does it change together with what the kernel has there. */
static inline void numbers_lock(struct vfs_proc *p)
{
	uint32_t seen = NUMBERS_FREE;

	while (unlikely(!cas(&p->fd_lock, &seen, NUMBERS_LOCKED))) {
		numbers_wait(p, seen);
		seen = NUMBERS_FREE;
	}
}
static inline void numbers_unlock(struct vfs_proc *p)
{
	store_release(&p->fd_lock, NUMBERS_FREE);
}

/* ---- path.c ----------------------------------------------------------------- */

/* Where a path of the program leads. */
struct where {
	struct task *t;
	struct vmount *m;
	unsigned store;
	const struct fs_via *via; /* the way: w.nvia directories */
	struct fs_walk w;
};

enum locate_flags {
	LOCATE_NOFOLLOW = 1 << 0,
	LOCATE_PARENT = 1 << 1,
	LOCATE_EMPTY = 1 << 2, /* AT_EMPTY_PATH: an empty path is the directory itself */
	/* What was remembered may have changed: the caller asks located_still() when it has its answer. */
	LOCATE_LATER = 1 << 3,
	LOCATE_ENTRY =
	    1 << 4, /* an entry of /proc/self/fd is itself what is asked for: the kernel need not know its file */
};

/*
 * Walks `path` (the program's memory) from `dir`. `room`: which of the thread's
 * two path buffers. 0 and *w; -errno (with w->w as fs_walk leaves it where
 * -ENOENT); VFS_PASS: not in a store, or out of it: `dir` is a real descriptor then.
 */
long locate(struct vfs_thread *v, int dir, const char *path, unsigned flags, unsigned room, struct where *w);

/* Did the path lead there all the time? False where too many directories are on the way to know. */
static inline bool located_still(const struct where *w)
{
	return fs_walk_holds(w->t, w->via, w->w.nvia);
}

/*
 * What a path has led to may be gone when a call comes to it, and its number be another
 * file's: a call of the store between these two fails with -ESTALE then. walk_again(): the path
 * is to be walked once more, a hundred times at most (`n`, 0 at first).
 */
static inline void begin_meant(const struct where *w)
{
	w->t->life = w->w.gen;
}

static inline long end_meant(const struct where *w, long ret)
{
	w->t->life = 0;
	return ret;
}

static inline bool walk_again(long ret, unsigned *n)
{
	return unlikely(ret == -ESTALE) && (*n)++ < 100;
}

/* The kernel is to do a call with a path from `dir`: a real directory then. VFS_PASS, or -errno. */
long call_pass_from(struct vfs_thread *v, int dir);

/* The kernel is to walk `path` (the program's memory): descriptors of ours that it names become real. */
void path_reveal(struct vfs_thread *v, const char *path);

/* The descriptor of this process that a path of the kernel's names (/proc/self/fd/N and the like), -1: it is none.
 * *rest: what follows it. */
long named_fd(const char *path, const char **rest);
/* What follows this process's /proc/self/fd, by whatever of its own names, in `path`. NULL: that is not where it
 * begins.
 */
const char *below_own_fds(const char *path);

/* ---- fd.c ---------------------------------------------------------------------- */

/* Is `fd` an open file of a store? Its mount's index, or -1. */
static inline int fd_store(const struct vfs_proc *p, long fd)
{
	uint8_t f;

	if ((unsigned long)fd >= FS_HANDLES)
		return -1;
	f = load_relaxed(&p->fd[fd]);
	return f & FD_OWNED ? (int)(f >> FD_STORE & (VFS_MOUNTS - 1)) : -1;
}

/*
 * The seat for what `fd` has open. NULL: nothing of a store (another thread may have closed it since the caller
 * looked), or there is no seat.
 */
static inline struct task *fd_seat(struct vfs_thread *v, long fd)
{
	int store = fd_store(v->proc, fd);

	return store < 0 ? NULL : seat(v, (unsigned)store);
}

/* Of an open file: its inode, -errno where it is none. */
static inline int64_t fd_inode(struct vfs_thread *v, long fd, uint32_t *flags)
{
	struct task *t = fd_seat(v, fd);

	return t ? fs_handle(t, (uint32_t)fd, flags) : -EBADF;
}

/* The open file of `fd` in `store` (-1: there is none) is let go of; the number is the caller's matter. */
static inline void fd_close(struct vfs_thread *v, int store, long fd)
{
	struct task *t = store < 0 ? NULL : seat(v, (unsigned)store);

	if (t)
		fs_close(t, (uint32_t)fd);
}

/* Has the program no such descriptor, though something of ours is open there? */
static inline bool fd_is_hidden(const struct vfs_proc *p, long fd)
{
	return (unsigned long)fd < FS_HANDLES && load_relaxed(&p->fd[fd]) == FD_CAUGHT;
}

/* A call with a descriptor that is no open file of a store. */
static inline long fd_passed(const struct vfs_proc *p, long fd)
{
	return unlikely(fd_is_hidden(p, fd)) ? -EBADF : VFS_PASS;
}

/* Numbers from here on were never ours. */
static inline long fd_end(const struct vfs_proc *p)
{
	return load_relaxed(&p->end);
}

static inline void fd_reach(struct vfs_proc *p, long fd)
{
	if (unlikely(fd >= p->end))
		store_relaxed(&p->end, (uint32_t)fd + 1);
}

static inline bool fd_is_real(const struct vfs_proc *p, long fd)
{
	return load_relaxed(&p->fd[fd]) & FD_REAL;
}

/* May the process hold record locks of a file? */
static inline bool ino_locked(const struct vfs_proc *p, fs_ino ino)
{
	uint32_t n = load_acquire(&p->nlocked);

	for (uint32_t i = 0; i < min_of(n, LOCKED); i++)
		if (load_relaxed(&p->locked[i]) == ino)
			return true;
	return unlikely(n > LOCKED);
}

/* Of the one behind a descriptor of ours? */
static inline bool fd_locked(const struct vfs_proc *p, long fd)
{
	return ino_locked(p, load_relaxed(&p->ino[fd]));
}

/* ---- numbers.c ----------------------------------------------------------------------- */

/* The lowest free descriptor number, held by a placeholder; not yet ours. VFS_PASS: it can't be ours. */
long fd_take(struct vfs_thread *v);
/* For a second descriptor of `from`, from `min` on. *real: held by one of its real descriptor. */
long fd_take_like(struct vfs_thread *v, long from, long min, bool exec, bool *real);
/*
 * Number `to` for one: taken, as by fd_take(). -EBUSY, as dup2(2) has it: another thread is about to have it; VFS_PASS:
 * it can't be ours.
 */
struct fd_over {
	int there; /* the store of what was open there, or -1 */
	bool real; /* held by a second real descriptor, not a placeholder */
};
long fd_take_over(struct vfs_proc *p, long from, long to, bool exec, struct fd_over *o);
/* After -EBADF: is it only that another thread is replacing what is open there? */
bool fd_is_moving(struct vfs_thread *v, long fd);
/* Waits a moment for it; `tries`: it did so often before. */
void fd_let_move(int tries);
/* The kernel is to have a number that is not the program's: VFS_PASS, or -errno. */
long fd_give_up(struct vfs_proc *p, long fd);
/* It becomes ours. real: the kernel has the same file there. */
void fd_own(struct vfs_proc *p, long fd, fs_ino ino, unsigned store, bool exec, bool real);
/* A number that was taken and not used. */
void fd_give_back(struct vfs_proc *p, long fd);
/* One whose open file was closed: it is free, unless another thread is replacing what was there, or has. */
void fd_closed(struct vfs_proc *p, struct task *t, long fd);
/* A real one is the kernel's alone, which is to close it. False: another thread was faster. */
bool fd_to_kernel(struct vfs_proc *p, long fd);
/* It has no open file behind it: the number is free again, whoever held it. */
void fd_lose(struct vfs_proc *p, long fd);
/* The kernel is about to hand out numbers by itself. */
void fd_unpark(struct vfs_proc *p);
/* The program is not to see `fd`, which is ours for good. */
void fd_keep(struct vfs_proc *p, long fd);
bool fd_is_kept(const struct vfs_proc *p, long fd);
/* As a copy of another process's state needs it. */
void fd_keep_all(struct vfs_proc *p);
/* Has the kernel one of our placeholders there? */
bool fd_is_placeholder(const struct vfs_proc *p, int fd);

/* Before and after the kernel closes what is not ours, which it may take long for: no number becomes ours meanwhile. */
void numbers_close_begin(struct vfs_proc *p);
void numbers_close_end(struct vfs_proc *p);
/*
 * Between these two the thread has descriptors, of whatever number, that no close_range of another thread's is to
 * close and no fork to copy. It has its seats by then.
 */
void fd_pass_begin(struct vfs_proc *p);
void fd_pass_end(struct vfs_proc *p);

/* In a fork's child: what other threads of the parent were at, they are not here. */
void numbers_forked(struct vfs_proc *p);
/* And what they had taken is nobody's. */
void fd_drop_taken(struct vfs_proc *p);

/* ---- procfd.c ------------------------------------------------------------------------- */

/* getdents and getdents64 of a directory of the kernel's: without what is hidden, where it is /proc/self/fd. */
long list_foreign(struct vfs_thread *v, const struct vfs_call *c);
/*
 * What readlink(2) of `path`, which locate() has passed with LOCATE_ENTRY, says where that is an entry of
 * /proc/self/fd that is ours. VFS_PASS: it is none.
 */
long readlink_entry(struct vfs_thread *v, int dir, char *path, char *buf, size_t size);
/* The path of a directory of a store, through the mount, into `out` (VFS_PATH). -ENOENT: removed. */
long path_of_dir(struct vfs_thread *v, const struct vmount *m, struct task *t, fs_ino ino, char *out);
/* Any path that leads to the inode through the mount. */
long path_of_ino(struct vfs_thread *v, const struct vmount *m, struct task *t, fs_ino ino, char *out);

/* ---- real.c ------------------------------------------------------------------------- */

/*
 * The kernel is to know the file behind `fd`: a real descriptor in its place, if it is ours. It stays ours. -EBADF
 * also where it is hidden.
 */
int fd_make_real(struct vfs_thread *v, long fd);
/* The kernel is to read or write at its offset: real, and from now on the kernel's, as all that share it. */
int fd_materialise(struct vfs_thread *v, long fd);
/* Others have handed over what they share with us (-EREMOTE): we follow. */
void fd_follow(struct vfs_thread *v);
/* `to` is of the same open file as `fd`, which has become real since: so it does. */
void fd_share_real(struct vfs_thread *v, long fd, long to);
/* The lowest free number, from the kernel, with a real descriptor of an inode, still to be made ours; -errno. */
long fd_open_real(struct vfs_thread *v, unsigned store, fs_ino ino, int flags);
/* As closing any descriptor of the file does. */
void drop_locks(struct vfs_thread *v, long fd);
/* Is `fd`, in the kernel, a file of this mount? */
bool fd_is_inode(const struct vmount *m, long fd, fs_ino *ino);

/* ---- lock.c ------------------------------------------------------------------------- */

/* Before a record lock is taken on `fd`, which becomes real. */
int lock_begins(struct vfs_thread *v, long fd);
/* Likewise, where `fd` is none of ours, and the lock is at `lock` in the program's memory. */
void lock_begins_elsewhere(struct vfs_thread *v, long fd, const void *lock);
/* Opens the file that `w` led to, of which locks are held. */
long lock_open(struct vfs_thread *v, struct where *w, int flags);

/* ---- pass.c ------------------------------------------------------------------------- */

/* The kernel is to know how large the file behind `fd` is. */
void ask_size(long fd);
/* The kernel is to know what ioctl `cmd` names besides the descriptor that it is made of. */
int ioctl_makes_real(struct vfs_thread *v, unsigned cmd, long arg);

/* Everything that is ours becomes real, and nothing new becomes ours. */
void go_passive(struct vfs_thread *v);

/* ---- file.c ------------------------------------------------------------------------ */

/* The seat for a descriptor of ours, NULL where it is not, or has to be the kernel's from now on. */
struct task *owner(struct vfs_thread *v, long fd);
/* The same for a call that may make the file larger. */
struct task *grower(struct vfs_thread *v, long fd);
/* After NULL of these: the kernel takes the call, unless it could not be given the file (the daemon is gone). */
static inline long passed(const struct vfs_thread *v)
{
	return v->refused ? v->refused : VFS_PASS;
}

static inline size_t io_len(long n)
{
	return (size_t)n > 0x7ffff000 ? 0x7ffff000 : (size_t)n; /* MAX_RW_COUNT */
}

/* ---- attr.c ------------------------------------------------------------------------ */

/* AT_EMPTY_PATH with an empty path, as glibc's fstat has it. */
bool empty_path(const char *path, int flags);
/* The LOCATE_* of the AT_* flags. */
static inline unsigned how(int flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? LOCATE_NOFOLLOW : 0) | (flags & AT_EMPTY_PATH ? LOCATE_EMPTY : 0);
}

/* ---- count.c ------------------------------------------------------------------- */

/* What kind of operation call `nr` is (enum metrics_op). */
extern const uint8_t count_ops[];
#define COUNT_NR 472u

/* A descriptor of ours has become a real one. */
void count_real(struct vfs_thread *v);
/* A call was passed. */
void count_passed(struct vfs_thread *v);
/* A call was answered for which the daemon had to have the kernel forget something. */
void count_told(struct vfs_thread *v, long nr, long ret);
/* The one that was begun `start` ticks of the clock ago is to be timed. Before it is counted. */
void count_time(struct vfs_thread *v, long nr, long ret, uint64_t start);

/* A call was answered, or passed. */
static inline void count_call(struct vfs_thread *v, long nr, long ret)
{
	if (unlikely(ret == VFS_PASS))
		count_passed(v);
	else if (unlikely(!v->used))
		return;
	else if (unlikely(v->used->told))
		count_told(v, nr, ret);
	else if (likely(v->used->count))
		metrics_op(v->used->count, METRICS_PROCESS, count_ops[nr], ret);
}

/* ---- handlers: calls.c has the table -------------------------------------------- */

typedef long (*vfs_handler)(struct vfs_thread *v, const struct vfs_call *c);

#define HANDLER(name) long name(struct vfs_thread *v, const struct vfs_call *c)
HANDLER(call_open);
HANDLER(call_openat);
HANDLER(call_creat);
HANDLER(call_only_makes_fd);
HANDLER(call_close);
HANDLER(call_read);
HANDLER(call_write);
HANDLER(call_pread);
HANDLER(call_pwrite);
HANDLER(call_readv);
HANDLER(call_writev);
HANDLER(call_preadv);
HANDLER(call_pwritev);
HANDLER(call_preadv2);
HANDLER(call_pwritev2);
HANDLER(call_getdents);
HANDLER(call_openat2);
HANDLER(call_copy_file_range);
HANDLER(call_sendfile);
HANDLER(call_utime);
HANDLER(call_utimes);
HANDLER(call_futimesat);
HANDLER(call_statfs);
HANDLER(call_getxattr);
HANDLER(call_lgetxattr);
HANDLER(call_fgetxattr);
HANDLER(call_setxattr);
HANDLER(call_lsetxattr);
HANDLER(call_fsetxattr);
HANDLER(call_listxattr);
HANDLER(call_llistxattr);
HANDLER(call_flistxattr);
HANDLER(call_removexattr);
HANDLER(call_lremovexattr);
HANDLER(call_fremovexattr);
HANDLER(call_prctl);
HANDLER(call_sync_range);
HANDLER(call_sendmmsg);
HANDLER(call_fourth_fd);
HANDLER(call_kcmp);
HANDLER(call_fsconfig);
HANDLER(call_mount);
HANDLER(call_move_mount);
HANDLER(call_landlock_rule);
HANDLER(call_inotify);
HANDLER(call_fanotify);
HANDLER(call_hand_over);
HANDLER(call_unshare);
HANDLER(call_lseek);
HANDLER(call_getdents64);
HANDLER(call_ftruncate);
HANDLER(call_truncate);
HANDLER(call_fallocate);
HANDLER(call_fsync);
HANDLER(call_fadvise);
HANDLER(call_ioctl);
HANDLER(call_fcntl);
HANDLER(call_dup);
HANDLER(call_dup2);
HANDLER(call_dup3);
HANDLER(call_makes_fd);
HANDLER(call_first_fd);
HANDLER(call_two_fds);
HANDLER(call_path);
HANDLER(call_lock_all);
HANDLER(call_path_at);
HANDLER(call_second_path);
HANDLER(call_makes_fd_at);
HANDLER(call_sockaddr);
HANDLER(call_sendto);
HANDLER(call_mmap);
HANDLER(call_epoll_ctl);
HANDLER(call_socket);
HANDLER(call_poll);
HANDLER(call_select);
HANDLER(call_sendmsg);
HANDLER(call_close_range);
HANDLER(call_passive);
HANDLER(call_limits);
HANDLER(call_fstat);
HANDLER(call_stat);
HANDLER(call_lstat);
HANDLER(call_newfstatat);
HANDLER(call_statx);
HANDLER(call_access);
HANDLER(call_faccessat);
HANDLER(call_faccessat2);
HANDLER(call_readlink);
HANDLER(call_readlinkat);
HANDLER(call_chmod);
HANDLER(call_fchmod);
HANDLER(call_fchmodat);
HANDLER(call_chown);
HANDLER(call_lchown);
HANDLER(call_fchown);
HANDLER(call_fchownat);
HANDLER(call_utimensat);
HANDLER(call_fstatfs);
HANDLER(call_mkdir);
HANDLER(call_mkdirat);
HANDLER(call_mknod);
HANDLER(call_mknodat);
HANDLER(call_symlink);
HANDLER(call_symlinkat);
HANDLER(call_unlink);
HANDLER(call_unlinkat);
HANDLER(call_rmdir);
HANDLER(call_link);
HANDLER(call_linkat);
HANDLER(call_rename);
HANDLER(call_renameat);
HANDLER(call_renameat2);
HANDLER(call_umask);
HANDLER(call_chdir);
HANDLER(call_fchdir);
HANDLER(call_getcwd);
HANDLER(call_cred);
