/*
 * The user-space VFS: what a kernel knows of a process (descriptors, working
 * directory, umask, credentials) for the part of its files that lies in stores
 * it has attached. It is given the process's system calls, and answers those
 * that concern a store from shared memory; all others it passes.
 *
 * It knows nothing of hooks. Freestanding: the agent gives it calls that it
 * caught, tests give it calls directly. Whatever it does not do itself it
 * passes, after it has put real descriptors of the mount in the place of those
 * that the call names (I7): a passed call is always right, only slower.
 */
#pragma once

#include "fs/fs.h"

#define VFS_MOUNTS 16u
#define VFS_PATH 4096u /* PATH_MAX */

/* Not a result of any system call: the kernel is to do the call. */
#define VFS_PASS ((long)INT64_MIN)

struct vfs_proc;
struct vfs_thread;

/* A system call as the program makes it: number, and arguments in order. */
struct vfs_call {
	long nr;
	long a[6];
};

/*
 * What the surroundings do for the VFS. A call of it is not interrupted by code that calls it again in the same
 * thread, a signal's handler say: it has noted down what it is about in the thread, and system calls that it makes
 * itself change what it knows of the process together with what the kernel does.
 */
struct vfs_host {
	/* Seconds and nanoseconds, see struct task. NULL: a system call. */
	int (*clock)(int clock, struct timespec *ts);
	/* Tells the daemon of `fs` what the kernel must forget; returns when it has. NULL: nobody caches. */
	void (*invalidate)(void *fs, const struct stale_list *list, uint32_t n);
};

/*
 * A process's state: descriptors, directory, umask. Mapped by this; one a
 * process, and one for a child that shares memory but not descriptors.
 * -ENOMEM, or what the kernel says. `placeholder`: see vfs_placeholder; becomes ours.
 */
int vfs_proc_start(const struct vfs_host *host, int placeholder, struct vfs_proc **out) must_check;

/*
 * Descriptor that others are made of to hold the numbers of ours: one for all
 * processes of a run, so that each knows it again. `fd` of its own, hidden;
 * -errno.
 */
int vfs_placeholder(void);

/* Is something mounted below `path`, a mount point? Paths that lead there are the kernel's. */
bool vfs_is_covered(const char *path);

/* The store of the i-th mount that was attached. */
const struct fs *vfs_store(const struct vfs_proc *p, unsigned i);

/*
 * Adds the store behind `fd`, a descriptor of the pool that is the VFS's own
 * from now on and that the program never sees. 1: something is mounted below it, and after an exec it may have left
 * open files: they are to be given to the kernel (vfs_pass_all). -ENOENT where it is not mounted (fs_mounted_at), or
 * something below it; -ENOSPC: there are VFS_MOUNTS already.
 */
int vfs_attach(struct vfs_proc *p, int fd) must_check;

/* Are ids of the process those of its stores? If not, the kernel knows what they are there: vfs_pass_all(). */
bool vfs_ids_hold(const struct vfs_proc *p);

/* One more descriptor that is not the program's: of the layer above. */
void vfs_hide(struct vfs_proc *p, int fd);

/* A thread of the process. Mapped by this; ended by its end. */
int vfs_thread_start(struct vfs_proc *p, struct vfs_thread **out) must_check;
struct vfs_proc *vfs_proc_of(const struct vfs_thread *v);
void vfs_thread_end(struct vfs_thread *v);
/*
 * What a thread makes a call with for which there is no memory: one for all, which others wait
 * for until it is given back. What a thread has of its own (see unshare) is not in it; no fork. False: `v` is another.
 */
struct vfs_thread *vfs_thread_borrow(struct vfs_proc *p);
bool vfs_thread_return(struct vfs_thread *v);
/* The process is about to end: closes what it has open. Its other threads may still run. */
void vfs_proc_leave(struct vfs_thread *v);
/* Lets the process go: everything it has open is closed. */
void vfs_proc_end(struct vfs_proc *p);

/*
 * After one of these two, of the first thread of a child that shares memory and that the parent did not stand still
 * for: what it had of its own.
 */
void vfs_child_end(struct vfs_thread *v);

/*
 * fork. Before it, in the parent; vm: the child will share memory with it (and
 * not its descriptors), and gets a process state of its own. *child: what
 * vfs_fork_child gets, first of all in the child, which returns the thread that
 * it goes on as. NULL: it goes on without us.
 */
int vfs_fork_prepare(struct vfs_thread *v, bool vm, struct vfs_thread **child) must_check;
/* pid: what the clone returned. gone: a child that shares the memory has let go of it by now. */
void vfs_fork_done(struct vfs_thread *v, long pid, bool gone);
/* waiting: the parent, if it stands still until the child has let go of the memory; else NULL. */
struct vfs_thread *vfs_fork_child(struct vfs_thread *child, struct vfs_thread *waiting);

/* Before exec. `carries`: the new program will have us too; otherwise it gets real descriptors. */
void vfs_exec_prepare(struct vfs_thread *v, bool carries);
void vfs_exec_failed(struct vfs_thread *v);

/* Before a thread is cloned that shares everything. */
void vfs_thread_clone(struct vfs_thread *v);
/* From here on paths or ids mean something else: everything is the kernel's. */
void vfs_pass_all(struct vfs_thread *v);

/* Answers the call, -errno or a value as the kernel would, or VFS_PASS. */
long vfs_call(struct vfs_thread *v, const struct vfs_call *c);

/* Why the thread's last call that was passed was: enum metrics_handed. */
unsigned vfs_why(const struct vfs_thread *v);

/*
 * Makes a call of getdents or getdents64, and where that lists the process's own /proc/self/fd takes the numbers out of
 * it that are `hidden`.
 */
long vfs_list_hiding(const struct vfs_call *c, bool (*hidden)(const void *arg, long fd), const void *arg);

/* Has number `nr` a handler? */
bool vfs_knows(long nr);

/*
 * How a vfs_thread begins. A call of those that vfs_by_descriptor knows, with a
 * first argument below VFS_FDS where bit 0 of ours[it] is not set, would be passed:
 * it may be made without asking, and *count goes up by one.
 */
struct vfs_foreign {
	const uint8_t *ours;
	uint64_t *count;
};
#define VFS_FDS 16384u
bool vfs_by_descriptor(long nr);
/* vfs_call for a number that it knows and, by descriptor, after that look. */
long vfs_call_known(struct vfs_thread *v, const struct vfs_call *c);

/*
 * For who looks at calls (eBPF programs), in the thread that makes one. `v` may
 * be NULL: -ENOENT. Index of the mount on which an absolute path lies, or the
 * file of a descriptor; -ENOENT: on none.
 */
int vfs_path_mount(const struct vfs_thread *v, const char *path);
int vfs_fd_mount(const struct vfs_thread *v, long fd);
/* A path of what `fd` has open, VFS_PATH bytes of room; its length. -ENOENT: it is none of ours. */
long vfs_fd_path(struct vfs_thread *v, long fd, char *out);
