/*
 * The store: a POSIX file system whose whole state lies in a shared region.
 *
 * One implementation, several ways in: the daemon answers the kernel's FUSE
 * requests with it, other processes of the same user call it directly. It
 * knows neither FUSE nor hooks. Freestanding: no libc, no malloc, no errno.
 *
 * Who may call: every call takes a `struct task`, a thread's seat in the pool
 * (shm/task.h). A task is used by one thread at a time and by no signal
 * handler that interrupts a call on it. Different tasks, in one process or in
 * several, may call anything at once.
 *
 * Errors: 0 or a positive value, or -errno with the meaning that the man page
 * of the corresponding system call gives it. Beyond those: -EUCLEAN where the
 * pool is damaged (run `bt-fuse fsck`), -EROFS where it is attached read-only.
 *
 * Permissions: a call that takes a `cred` checks them as Linux does (mode
 * bits, ACLs, sticky directories, capabilities) and does what depends on the
 * caller (setgid inheritance needs none of it). With cred == NULL the caller
 * has checked already, as the kernel has with default_permissions; new inodes
 * then need `owner`, see struct fs_new.
 *
 * Visibility: when a call has returned, every other task sees its effect at
 * its next call. A call that was killed in between has happened wholly or not
 * at all. What moves bytes (fs_write, punching and zeroing a range, copying) is
 * cut into steps of at most 1 MiB: size, mapping and times are those before or
 * after a step, bytes that were being overwritten in place may be partly new.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "ds/blocks.h"
#include "ds/slab.h"
#include "shm/pool.h"
#include "shm/task.h"

#define FS_ROOT 1u	 /* inode number of the root; 0 is never an inode */
#define FS_NAME_MAX 255u /* bytes in a name */
#define FS_SYMLINK_MAX 4095u
#define FS_XATTR_NAME_MAX 255u
#define FS_XATTR_SIZE_MAX 65536u
#define FS_SIZE_MAX ((int64_t)1 << 43) /* 8 TiB: largest file */
#define FS_BLOCK_SIZE 4096u

typedef uint32_t fs_ino;

/* Capabilities that decide a permission (capabilities(7)), as seen by cred. */
enum fs_cap {
	FS_CAP_CHOWN = 1 << 0,
	FS_CAP_DAC_OVERRIDE = 1 << 1,
	FS_CAP_DAC_READ_SEARCH = 1 << 2,
	FS_CAP_FOWNER = 1 << 3,
	FS_CAP_FSETID = 1 << 4,
	FS_CAP_SYS_ADMIN = 1 << 5,
	FS_CAP_MKNOD = 1 << 6,
	FS_CAP_SYS_RESOURCE = 1 << 7,
	FS_CAP_ALL = (1 << 8) - 1,
};

/* Who calls. Owned by the caller, read during the call only. */
struct fs_cred {
	uid_t uid; /* fsuid */
	gid_t gid; /* fsgid */
	const gid_t *groups;
	uint32_t ngroups;
	uint32_t caps; /* enum fs_cap */
};

struct fs_attr {
	fs_ino ino;
	uint64_t gen;  /* tells two inodes apart that had the same number */
	uint32_t mode; /* type and permissions, as st_mode */
	uint32_t nlink;
	uid_t uid;
	gid_t gid;
	uint32_t rdev; /* as dev_t in the kernel's 32-bit encoding, new_encode_dev() */
	uint64_t size;
	uint64_t blocks; /* of 512 bytes, as st_blocks */
	struct timespec atime, mtime, ctime, btime;
};

/* What fs_setattr sets. */
enum fs_set {
	FS_SET_MODE = 1 << 0, /* permission bits of attr->mode; the type stays */
	FS_SET_UID = 1 << 1,
	FS_SET_GID = 1 << 2,
	FS_SET_SIZE = 1 << 3,
	FS_SET_ATIME = 1 << 4,
	FS_SET_MTIME = 1 << 5,
	FS_SET_ATIME_NOW = 1 << 6,
	FS_SET_MTIME_NOW = 1 << 7,
	FS_SET_CTIME = 1 << 8,	 /* attr->ctime instead of now (the kernel's own, writeback) */
	FS_SET_OPEN = 1 << 9,	 /* FS_SET_SIZE through a descriptor open for writing: no W check */
	FS_SET_NOBODY = 1 << 12, /* chown(2) to nobody in particular: what else it does */
	/* What is said of a caller that has been checked already (cred == NULL): */
	FS_SET_NO_SETID = 1 << 10, /* set-id bits go as a write takes them from who lacks CAP_FSETID */
	FS_SET_STRANGER = 1 << 11, /* it is not in the file's group and lacks CAP_FSETID */
};

/* What a new inode is to be. */
struct fs_new {
	uint32_t mode;	/* type and permissions */
	uint32_t umask; /* taken off mode unless the directory's default ACL decides; 0: already off */
	uint32_t rdev;
	uid_t uid;	    /* owner where cred is NULL */
	gid_t gid;	    /* group where cred is NULL; a setgid directory's group wins */
	const char *target; /* symlink: what it points to */
	size_t target_len;
	bool nameless; /* fs_tmpfile: it never gets a name (O_EXCL) */
};

/* A name of one component: neither empty nor with '/' or NUL in it. */
struct fs_name {
	const char *s;
	size_t len;
	uint64_t key; /* its hash in the store, once something has asked for it; 0 */
	/*
	 * Generation of the directory that it is meant to be in: where a path has led to may be gone, and its number
	 * used again, which is -ESTALE then. 0: any, the caller holds the directory.
	 */
	uint64_t dir_gen;
};

/* "." or ".." */
static inline bool fs_is_dots(struct fs_name n)
{
	return n.len > 0 && n.len <= 2 && n.s[0] == '.' && n.s[n.len - 1] == '.';
}

/* ---- The file system in this process ----------------------------------- */

struct fs_format {
	uint64_t size;	    /* bytes of data */
	uint64_t inodes;    /* inodes at most, rounded up to a multiple of 64 less one */
	const char *name;   /* for status, at most 63 bytes */
	uint64_t rings;	    /* bytes of a region for the daemon's rings, which reads as zeros; 0: none */
	uint32_t root_mode; /* permission bits of the root */
	uid_t root_uid;
	gid_t root_gid;
};

/*
 * Bytes of address space (and of file length, not of memory) that a pool of
 * this format takes. 0 where the format is out of bounds: fewer than 16 blocks
 * or inodes, more than 2^31 blocks or 2^26 inodes.
 */
uint64_t fs_format_bytes(const struct fs_format *f);

/*
 * Makes a file system in `fd`, an empty file or memfd that this grows to
 * fs_format_bytes(). -EINVAL, -ENOSPC (no memory for the first pages), or what
 * ftruncate and mmap say. Nothing stays attached.
 */
int fs_format(int fd, const struct fs_format *f) must_check;

/* The file system as this process sees it. Members are for fs/; `pool` also for task_attach(). */
struct fs {
	struct pool pool;
	struct slab inodes;
	struct slab cells;
	struct slab files;
	struct blocks blocks;
};

enum fs_attach_flags {
	FS_ATTACH_KERNEL = 1 << 0, /* the daemon: there is at most one (-EBUSY) */
	FS_ATTACH_EXEC = 1 << 1,   /* after an exec: goes on in the process's seat, which kept its life lock */
};

/*
 * Attaches this process: maps the pool of `fd`, takes a client seat and clears
 * up after the dead. 0; 1: FS_ATTACH_EXEC found the seat of before, and has not looked for the dead. A process attaches
 * a pool once, and must from then on open and close no other descriptor of the same file (fcntl(2): closing any of them
 * drops the record locks that prove its life). *fs is filled in, owns `fd` from then on, and must not move; fs_detach()
 * releases it, after the process's tasks have left. -EUCLEAN: not a pool, or of another version. -EUSERS: all client
 * seats are taken.
 */
int fs_attach(int fd, unsigned flags, struct fs *fs) must_check;
/* The region for the daemon's rings. */
const struct pool_region *fs_rings(const struct fs *fs);
void fs_detach(struct fs *fs);

#define FS_MOUNT_PATH 1024u /* bytes of a mount point's path, its end included */

/* For the daemon: where the file system is mounted, and its control socket. Paths that do not fit leave it unknown. */
void fs_set_mounted(struct fs *fs, const char *path, uint64_t st_dev, const char *control);
/* Do ids of this process mean the same there? Not in another user name space. */
bool fs_ids_hold(const struct fs *fs);
/* Where it is: the path into `path` (FS_MOUNT_PATH bytes), its length returned; -ENOENT. */
int fs_mounted_at(const struct fs *fs, char *path, uint64_t *st_dev);
/* Does the kernel open files without telling the daemon? Which sets it at the start of a session. */
void fs_set_unseen(struct task *t, bool unseen);
bool fs_opens_unseen(const struct task *t);
/* Path of the control socket, in the pool: at most 107 bytes and an end. "" where there is none. */
const char *fs_control_path(const struct fs *fs);

/*
 * A name in the root that leads to inode N whatever links it has, for
 * descriptors that have to be opened again through the mount: the daemon
 * answers it to its own user. It is in no listing.
 */
#define FS_BY_NUMBER ".bt-fuse-inode-"
/*
 * Behind that name: absent until it is created (O_CREAT), which opens a regular file N without asking its permissions,
 * as a file that has just been made is opened. The daemon creates it for its own user, and never keeps it.
 */
#define FS_BY_CREATION "+"

/* task_attach() and task_detach() of shm/task.h give a thread its seat. */

/*
 * For the daemon, at start: everything that an earlier kernel session referred
 * to is let go (its mount is dead), unlinked inodes are freed. O(inodes).
 */
int fs_forget_all(struct task *t);

/* One more kernel reference to an inode that is named by number (FS_BY_NUMBER); fills *out. -ESTALE. */
int fs_hold(struct task *t, fs_ino ino, struct fs_attr *out);

/* Rolls back and releases what dead clients held. Returns how many there were. */
int fs_reap_dead(struct task *t);

/*
 * Gives free memory back to the system, but for `keep` bytes. Called by the
 * daemon's timer. Returns the bytes given back.
 */
int64_t fs_trim(struct task *t, uint64_t keep);

struct fs_stats {
	uint64_t blocks, blocks_free; /* of FS_BLOCK_SIZE */
	uint64_t inodes, inodes_free;
	uint64_t memory;       /* bytes of memory behind the pool, as fstat's st_blocks says */
	uint32_t clients;      /* processes attached */
	uint32_t tasks;	       /* threads attached */
	uint32_t opens;	       /* open files held by clients */
	uint32_t longest_wait; /* for a lock whose owner turned out to be dead, us */
	uint64_t rollbacks;    /* transactions rolled back since format */
	char name[64];
};
int fs_statfs(struct task *t, struct fs_stats *out);

/*
 * For who only looks on: maps the pool so that it cannot be written, and takes
 * no seat. Nothing but the two calls below, metrics/sum.h and what reads shm/
 * without a task may be called on it; pool_unmap() ends it. Errors as fs_attach.
 */
int fs_look(int fd, struct fs *fs) must_check;
void fs_stats(const struct fs *fs, struct fs_stats *out);

/* How the free blocks lie. */
struct fs_runs {
	uint64_t runs, longest; /* of free blocks in a row, where blocks were ever in use; the longest, in blocks */
	uint64_t untouched;	/* blocks that were never in use */
};
/* O(blocks ever used), some 0.1 ms a GiB. */
void fs_runs(const struct fs *fs, struct fs_runs *out);

/* ---- Names ------------------------------------------------------------- */

/*
 * All of these fill *out (unless NULL) with the inode that the name leads to.
 * With a task of the daemon (TASK_KERNEL) the answer is also given a kernel
 * reference and marked as cached by the kernel, before it is read: see
 * fs_forget. `dir` must be an inode that the caller holds (a reference, an
 * open file) or got from a lookup; -ESTALE where it is gone, -ENOENT where it
 * is a removed directory.
 */
int fs_lookup(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, struct fs_attr *out);

/* Every type of inode: S_IFREG, S_IFDIR, S_IFLNK (new->target), fifo, socket, devices. -EEXIST. */
int fs_make(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, const struct fs_new *new,
	    struct fs_attr *out);
/*
 * open(2) of a new file: makes a regular file and opens it as fs_open does, by
 * who need not be allowed to do that. -EEXIST.
 */
int fs_create(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name, const struct fs_new *new,
	      int flags, uint32_t handle, fs_ino *ino);
/* An unlinked regular file in the file system of `dir` (O_TMPFILE); fs_link gives it a name. Comes open, see fs_open.
 */
int fs_tmpfile(struct task *t, const struct fs_cred *cred, fs_ino dir, const struct fs_new *new, uint32_t handle,
	       struct fs_attr *out);
int fs_link(struct task *t, const struct fs_cred *cred, fs_ino ino, fs_ino dir, struct fs_name name,
	    struct fs_attr *out);
/*
 * These three, -EREMCHG: a client's name of what is watched (fs_watch) is the kernel's to take, which makes events of
 * it.
 */
int fs_unlink(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name);
int fs_rmdir(struct task *t, const struct fs_cred *cred, fs_ino dir, struct fs_name name);
/* flags: RENAME_NOREPLACE, RENAME_EXCHANGE of rename(2); -EINVAL for others. */
int fs_rename(struct task *t, const struct fs_cred *cred, fs_ino olddir, struct fs_name oldname, fs_ino newdir,
	      struct fs_name newname, unsigned flags);

/* Directory entries in a stable order. An entry that stays during a listing is seen exactly once. */
struct fs_dirent {
	fs_ino ino;
	uint32_t mode;	 /* type bits of st_mode */
	uint64_t cookie; /* where to go on after this entry; > 0, < 2^63 */
	uint8_t len;
	char name[FS_NAME_MAX + 1]; /* NUL-terminated */
};
/*
 * Up to `n` entries after `cookie` (0: from the start; "." and ".." come
 * first). Returns how many, 0 at the end.
 */
int fs_readdir(struct task *t, fs_ino dir, uint64_t cookie, struct fs_dirent *out, int n);

/* The name of a directory's own entry and its parent, for getcwd and status. -ENOENT: removed. */
int fs_dirname(struct task *t, fs_ino dir, fs_ino *parent, struct fs_dirent *out);

/*
 * A name that leads to `ino`, and its directory, somewhere below `top`: one after the other, `most` entries at most.
 * -ENOENT: not found.
 */
int fs_find_name(struct task *t, fs_ino ino, fs_ino top, uint32_t most, fs_ino *dir, struct fs_dirent *out) must_check;

/* ---- Paths ------------------------------------------------------------- */

enum fs_walk_flags {
	FS_WALK_NOFOLLOW = 1 << 0, /* a symlink at the end is itself the answer */
	FS_WALK_PARENT = 1 << 1,   /* only up to the last component: `dir` and `last` are the answer */
	FS_WALK_CAREFUL = 1 << 2,  /* FS_WALK_OUT at a symlink that fs.protected_symlinks may forbid to follow */
};

#define FS_WALK_VIA 8u
/* The path leaves the store: "..", or a symlink to an absolute path; or symlinks made it longer than 4,095 bytes. */
#define FS_WALK_OUT 1

/* A directory that a walk went through, and its count of changes at that time. */
struct fs_via {
	fs_ino dir;
	uint64_t changes;
};

struct fs_walk {
	/* In. */
	fs_ino start;	  /* where a relative path starts: slashes at its front are passed over */
	const char *path; /* need not be NUL-terminated */
	size_t len;
	unsigned flags; /* enum fs_walk_flags */
	/* In and out, 0 at first: a walk goes on where another has led to (`start`). */
	unsigned links; /* symlinks followed */
	uint32_t nvia;	/* directories gone through; FS_WALK_VIA + 1: too many to remember */
	struct fs_via via[FS_WALK_VIA];
	uint64_t gen; /* generation of `start`, then of `ino`: for struct task's `life`. 0: it is not known */
	/* Out. */
	fs_ino dir;	     /* where the last component was looked up */
	struct fs_name last; /* in `path`, or in `link` */
	bool slash;	     /* slashes follow it: it must be a directory */
	fs_ino ino;	     /* what it leads to; 0: there is no such name (only with -ENOENT), or FS_WALK_PARENT */
	uint64_t entry;	     /* for fs_opened_by: which entry of `dir` led there. 0: none */
	/* Room for symlinks on the way: 2 * (FS_SYMLINK_MAX + 1) bytes, the caller's, or NULL: -ELOOP at the first. */
	char *link;
};

/*
 * Walks a path as path_resolution(7) describes, checking search permission of
 * `cred` on the way. 0; FS_WALK_OUT, with `path` then what is left of it, up to a
 * NUL if it had one; -ENOENT (with dir and last set if only the
 * last component is missing), -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG ...
 * -ESTALE: a directory on the way was removed meanwhile; the path is to be walked again.
 *
 * The answer of a walk without symlinks stays true as long as none of the
 * directories in `via` counts further: fs_walk_holds(). Entries that come do
 * not count, only such as go or change, and changed permissions. With
 * FS_WALK_PARENT, `dir` itself is not in `via`: that it may be searched is for
 * the call that works in it to check again.
 */
int fs_walk(struct task *t, const struct fs_cred *cred, struct fs_walk *w);
bool fs_walk_holds(struct task *t, const struct fs_via *via, uint32_t n);

/* ---- Inodes ------------------------------------------------------------ */

int fs_getattr(struct task *t, fs_ino ino, struct fs_attr *out);
/* The same for a direct client, as stat(2) has it, without st_dev; st_rdev as in fs_attr. */
int fs_stat(struct task *t, fs_ino ino, struct stat *out);
/* Type and permissions as they are just now; 0: there is no such inode. */
uint32_t fs_mode(struct task *t, fs_ino ino);
/* set: enum fs_set. Set-id bits, ACL and ctime follow as in Linux. */
int fs_setattr(struct task *t, const struct fs_cred *cred, fs_ino ino, unsigned set, const struct fs_attr *in,
	       struct fs_attr *out);
/* mask: R_OK, W_OK, X_OK of access(2), judged by cred. */
int fs_access(struct task *t, const struct fs_cred *cred, fs_ino ino, int mask);
/* The target, not NUL-terminated; returns its length, cut to `size`. */
int fs_readlink(struct task *t, fs_ino ino, char *buf, size_t size);

/*
 * Kernel references (FUSE's lookup count): the daemon lets go of `n`. The
 * inode is freed with the last one if it has no link and is not open.
 */
void fs_forget(struct task *t, fs_ino ino, uint64_t n);

/* ---- Open files -------------------------------------------------------- */

#define FS_HANDLES 16384u /* handles a client has */

/*
 * Opens for a direct client: checks permissions for `flags` (O_ACCMODE,
 * O_TRUNC, O_NOATIME, O_DIRECTORY, O_DIRECT of open(2)), truncates, and holds the inode
 * until fs_close or the death of the client. `handle` is a free number below
 * FS_HANDLES of the caller's choice, unique in the client; -EBADF if not.
 * The daemon does not use these: a kernel reference holds its open files.
 */
int fs_open(struct task *t, const struct fs_cred *cred, fs_ino ino, int flags, uint32_t handle);
int fs_close(struct task *t, uint32_t handle);
/* A second handle of the same open file, as dup(2): offset and flags are shared. -EBADF: `from` is free or `to` is not.
 */
int fs_dup(struct task *t, uint32_t from, uint32_t to);

/* The inode behind a handle (*flags, unless NULL: those of the open file), or -EBADF. Takes no lock. */
int64_t fs_handle(struct task *t, uint32_t handle, uint32_t *flags);
/* Replaces the flags in `mask` of the open file (O_APPEND, O_NOATIME ...). */
int fs_set_flags(struct task *t, uint32_t handle, uint32_t mask, uint32_t flags);

/* read(2), write(2), lseek(2) at the open file's own offset; -EBADF where it is not open for that. */
int64_t fs_read_next(struct task *t, uint32_t handle, void *buf, size_t len);
int64_t fs_write_next(struct task *t, const struct fs_cred *cred, uint32_t handle, const void *buf, size_t len);
/* And of vectors; `flags`: FS_IO_APPEND for this write, whatever the open file's flags are. */
int64_t fs_readv_next(struct task *t, uint32_t handle, const struct iovec *v, uint32_t n);
int64_t fs_writev_next(struct task *t, const struct fs_cred *cred, uint32_t handle, const struct iovec *v, uint32_t n,
		       unsigned flags);
int64_t fs_seek_to(struct task *t, uint32_t handle, int64_t off, int whence);

/*
 * Gives the offset of an open file to the kernel, which has the same file open
 * as `fd`: that is moved to it, unless it was given before. From then on all
 * calls that would use it are -EREMOTE, through whatever handle;
 * fs_offset_given() tells why. Returns the offset at which it was given.
 */
int64_t fs_give_offset(struct task *t, uint32_t handle, int fd);
bool fs_offset_given(struct task *t, uint32_t handle);
/* By which entry a handle just made was opened: `dir` and `entry` of its walk. */
void fs_opened_by(struct task *t, uint32_t handle, fs_ino dir, uint64_t entry);
/* That entry, with its directory, as long as it leads to the open file: -ENOENT once it is moved or removed. */
int fs_opened_name(struct task *t, uint32_t handle, fs_ino *dir, struct fs_dirent *out) must_check;
/* Number of the open file behind a handle, the same for all that share it. 0: none. */
uint32_t fs_handle_file(struct task *t, uint32_t handle);

/*
 * fork. The parent prepares a seat that holds all its open files, for a child
 * that does not exist yet: they stay open whatever parent and child do. The
 * child takes the seat (before it uses the pool; its threads' tasks are new
 * ones). A seat whose child never came is given up by the parent, or by whoever
 * clears up after it. -EUSERS, -ENOSPC.
 */
int fs_fork_prepare(struct task *t, uint32_t *seat) must_check;
void fs_fork_abandon(struct task *t, uint32_t seat);
/* In the parent: the process that is to take the seat, so that its death before that is noticed. */
void fs_fork_child_is(struct task *t, uint32_t seat, int pid);
/* In the child, whose `fs` is the parent's as fork copied it. */
int fs_fork_child(struct fs *fs, uint32_t seat) must_check;
/* One more than the highest handle of this client. */
uint32_t fs_handles(const struct fs *fs);

/* ---- Data -------------------------------------------------------------- */

enum fs_io_flags {
	FS_IO_APPEND = 1 << 0,	/* write at the end, whatever `off` says */
	FS_IO_NOATIME = 1 << 1, /* read: leave atime alone */
};

/*
 * Up to `len` bytes at `off`; returns how many, 0 at or after the end. One
 * read sees each write wholly or not at all. Updates atime as relatime does.
 */
int64_t fs_read(struct task *t, fs_ino ino, void *buf, size_t len, int64_t off, unsigned flags);
/*
 * Writes `len` bytes at `off`; returns how many (fewer than asked only when
 * space ran out on the way), *end (unless NULL) the offset after the last of
 * them. -EFBIG beyond FS_SIZE_MAX, -ENOSPC, -EISDIR.
 */
int64_t fs_write(struct task *t, const struct fs_cred *cred, fs_ino ino, const void *buf, size_t len, int64_t off,
		 unsigned flags, int64_t *end);
/*
 * The same with the buffers of `v`, one after the other, as one read or write.
 * A bad pointer behind the first bytes that went well makes it shorter.
 */
int64_t fs_readv(struct task *t, fs_ino ino, const struct iovec *v, uint32_t n, int64_t off, unsigned flags);
int64_t fs_writev(struct task *t, const struct fs_cred *cred, fs_ino ino, const struct iovec *v, uint32_t n,
		  int64_t off, unsigned flags, int64_t *end);
/* mode: FALLOC_FL_KEEP_SIZE, PUNCH_HOLE | KEEP_SIZE, ZERO_RANGE [| KEEP_SIZE]; -EOPNOTSUPP for others. */
int fs_fallocate(struct task *t, const struct fs_cred *cred, fs_ino ino, int mode, int64_t off, int64_t len);
/* whence: SEEK_DATA or SEEK_HOLE. The offset found, or -ENXIO. */
int64_t fs_seek(struct task *t, fs_ino ino, int64_t off, int whence);
/* Copies inside the store; returns how many bytes. Overlap within one inode is -EINVAL. */
int64_t fs_copy_range(struct task *t, const struct fs_cred *cred, fs_ino in, int64_t in_off, fs_ino out,
		      int64_t out_off, uint64_t len);

/* ---- Extended attributes and ACLs --------------------------------------- */

/*
 * Names are full ("user.x", "trusted.x", "security.x",
 * "system.posix_acl_access", "system.posix_acl_default"), NUL-terminated;
 * others are -EOPNOTSUPP. size == 0 asks for the size only (-ERANGE if the
 * buffer is too small). Access ACLs and mode bits are kept in step.
 */
int fs_getxattr(struct task *t, const struct fs_cred *cred, fs_ino ino, const char *name, void *value, size_t size);
/*
 * flags: XATTR_CREATE, XATTR_REPLACE; FS_XATTR_STRANGER where cred is NULL, as
 * FS_SET_STRANGER. An ACL of no bytes is its removal.
 */
#define FS_XATTR_STRANGER (1 << 16)
int fs_setxattr(struct task *t, const struct fs_cred *cred, fs_ino ino, const char *name, const void *value,
		size_t size, int flags);
int fs_listxattr(struct task *t, const struct fs_cred *cred, fs_ino ino, char *list, size_t size);
int fs_removexattr(struct task *t, const struct fs_cred *cred, fs_ino ino, const char *name);

/* ---- What the kernel may hold (architecture: two ways in, one truth) ------ */

/*
 * What a kernel cache may hold of an inode. The daemon's calls set the marks
 * before they read what they answer. A direct client's call that changes a
 * marked thing has task->invalidate see to it that the kernel forgets, after it
 * has released its locks and before it returns. The mark goes when that is done
 * (fs_marks_drop, fs_names_end): then changes cost nothing until the kernel asks
 * again. A client that dies in between leaves a note, and fs_reap_dead of a task
 * with `invalidate` does it for the dead.
 */
enum fs_mark {
	FS_MARK_ATTR = 1 << 0,	  /* attributes, ACLs */
	FS_MARK_DATA = 1 << 1,	  /* pages */
	FS_MARK_NAMES = 1 << 2,	  /* in a struct stale_item: a name in a directory. No mark of an inode */
	FS_MARK_MAPPED = 1 << 3,  /* may be mapped shared and writable through the mount: its pages are the truth */
	FS_MARK_GONE = 1 << 4,	  /* in a struct stale_item: the inode has no name any more, and the kernel keeps it */
	FS_MARK_SIZED = 1 << 5,	  /* may be mapped in another way: the kernel has to know its size */
	FS_MARK_WATCHED = 1 << 6, /* somebody waits for events, which the kernel makes of what it does itself */
	FS_MARK_OWNER = 1 << 7,	  /* in a struct stale_item: the kernel judges by the owner it knows, without asking */
	/* The kernel appends where it believes the end to be: what changes the size has to go through it. */
	FS_MARK_APPENDED = 1 << 8, /* it has it open for appending */
	FS_MARK_APPENDER = 1 << 9, /* the same, and nobody hears of the end of that: until it forgets the inode */
	FS_MARK_RUN = 1 << 10,	   /* it has executed it: whether that is over it has to be asked before writing */
};

/*
 * For who makes a kernel forget. The marks of an inode: read them, have the
 * kernel drop what they say, take away those that were not set again meanwhile.
 */
uint32_t fs_marks(struct task *t, fs_ino ino);
void fs_marks_drop(struct task *t, fs_ino ino, uint32_t seen, unsigned marks);
/*
 * The names of a directory that changed, or were called absent: `begun` is
 * called under its lock, so that struct task's `absent` is not under way; then
 * have the kernel drop the name that changed and all that were called absent,
 * and end. False: it is no directory.
 */
bool fs_names_begin(struct task *t, fs_ino dir, void (*begun)(void *arg), void *arg, uint64_t *seen);
void fs_names_end(struct task *t, fs_ino dir, uint64_t seen);
/* Returns when all that it was told of the inode before has been done, and it has asked for its attributes anew. */
void fs_settle(struct task *t, fs_ino ino);
/* Does the kernel refer to it? */
bool fs_is_held(struct task *t, fs_ino ino);

/*
 * A client that has the kernel map a file shared and writable marks it before:
 * from then on what is written there is in the kernel's pages first, and all
 * reading and writing has to go through the kernel until it forgets the inode.
 */
int fs_mark_mapped(struct task *t, fs_ino ino);
/* The same for a mapping that nothing is written to: what changes the size has to go through the kernel. */
int fs_mark_sized(struct task *t, fs_ino ino);
/* FS_MARK_APPENDED or _APPENDER, before the kernel appends; and taking the first one away. */
int fs_mark_appended(struct task *t, fs_ino ino, unsigned mark);
void fs_unmark_appended(struct task *t, fs_ino ino);
/*
 * The kernel is about to execute the file: from now on who opens it for writing, or truncates it, does so through the
 * kernel, which knows how long it runs. -ETXTBSY: somebody has it open for writing.
 */
int fs_mark_run(struct task *t, fs_ino ino);
/*
 * Somebody watches the inode (inotify): all that is done to it has to go through
 * the kernel, and of a directory, all that is done to what has a name in it. The
 * mark of a directory goes when the kernel forgets it, which it does not while it
 * watches; that of a file with the next fs_is_watched() after that.
 */
int fs_watch(struct task *t, fs_ino ino);
/* Marks FS_MARK_MAPPED, _SIZED, _WATCHED, _APPENDED, _APPENDER and _RUN of the inode. */
unsigned fs_kernel_marks(struct task *t, fs_ino ino);
/* `dir`: where a name of it was found, 0: not known. */
bool fs_is_watched(struct task *t, fs_ino dir, fs_ino ino);

/* Marks pages as held: the daemon, before it reads or writes them for the kernel. */
int fs_mark_data(struct task *t, fs_ino ino);

/* ---- Checking ------------------------------------------------------------ */

/* Called for each thing that is wrong; `what` is a whole sentence, in which `at` is the place. */
typedef void (*fs_complaint)(void *arg, const char *what, uint64_t at);

/*
 * Walks the whole pool and verifies every invariant, while all others wait.
 * Returns the number of complaints, or -errno.
 */
int64_t fs_check(struct task *t, fs_complaint complain, void *arg);
