/* The table of calls. What has no line here names no file, or is passed as it is. */
#include "vfs/internal.h"

/* Numbers that this machine's headers may not have yet. */
enum newer {
	NR_quotactl_fd = 443,
	NR_cachestat = 451,
	NR_fchmodat2 = 452,
	NR_setxattrat = 463,
	NR_getxattrat,
	NR_listxattrat,
	NR_removexattrat,
	NR_open_tree_attr,
	NR_file_getattr,
	NR_file_setattr,
};

static const vfs_handler handlers[] = {
    [SYS_open] = call_open,
    [SYS_openat] = call_openat,
    [SYS_creat] = call_creat,
    [SYS_close] = call_close,
    [SYS_read] = call_read,
    [SYS_write] = call_write,
    [SYS_pread64] = call_pread,
    [SYS_pwrite64] = call_pwrite,
    [SYS_readv] = call_readv,
    [SYS_writev] = call_writev,
    [SYS_preadv] = call_preadv,
    [SYS_pwritev] = call_pwritev,
    [SYS_preadv2] = call_preadv2,
    [SYS_pwritev2] = call_pwritev2,
    [SYS_lseek] = call_lseek,
    [SYS_getdents64] = call_getdents64,
    [SYS_getdents] = call_getdents,
    [SYS_openat2] = call_openat2,
    [SYS_copy_file_range] = call_copy_file_range,
    [SYS_sendfile] = call_sendfile,
    [SYS_sync_file_range] = call_sync_range,
    [SYS_ftruncate] = call_ftruncate,
    [SYS_truncate] = call_truncate,
    [SYS_fallocate] = call_fallocate,
    [SYS_fsync] = call_fsync,
    [SYS_fdatasync] = call_fsync,
    [SYS_syncfs] = call_fsync,
    [SYS_fadvise64] = call_fadvise,
    [SYS_readahead] = call_fadvise,
    [SYS_ioctl] = call_ioctl,
    [SYS_fcntl] = call_fcntl,
    [SYS_dup] = call_dup,
    [SYS_dup2] = call_dup2,
    [SYS_dup3] = call_dup3,
    [SYS_fstat] = call_fstat,
    [SYS_stat] = call_stat,
    [SYS_lstat] = call_lstat,
    [SYS_newfstatat] = call_newfstatat,
    [SYS_statx] = call_statx,
    [SYS_access] = call_access,
    [SYS_faccessat] = call_faccessat,
    [SYS_faccessat2] = call_faccessat2,
    [SYS_readlink] = call_readlink,
    [SYS_readlinkat] = call_readlinkat,
    [SYS_chmod] = call_chmod,
    [SYS_fchmod] = call_fchmod,
    [SYS_fchmodat] = call_fchmodat,
    [SYS_chown] = call_chown,
    [SYS_lchown] = call_lchown,
    [SYS_fchown] = call_fchown,
    [SYS_fchownat] = call_fchownat,
    [SYS_utimensat] = call_utimensat,
    [SYS_utime] = call_utime,
    [SYS_utimes] = call_utimes,
    [SYS_futimesat] = call_futimesat,
    [SYS_statfs] = call_statfs,
    [SYS_fstatfs] = call_fstatfs,
    [SYS_mkdir] = call_mkdir,
    [SYS_mkdirat] = call_mkdirat,
    [SYS_mknod] = call_mknod,
    [SYS_mknodat] = call_mknodat,
    [SYS_symlink] = call_symlink,
    [SYS_symlinkat] = call_symlinkat,
    [SYS_unlink] = call_unlink,
    [SYS_unlinkat] = call_unlinkat,
    [SYS_rmdir] = call_rmdir,
    [SYS_link] = call_link,
    [SYS_linkat] = call_linkat,
    [SYS_rename] = call_rename,
    [SYS_renameat] = call_renameat,
    [SYS_renameat2] = call_renameat2,
    [SYS_umask] = call_umask,
    [SYS_chdir] = call_chdir,
    [SYS_getcwd] = call_getcwd,
    [SYS_fchdir] = call_fchdir,

    /* Who the process is. */
    [SYS_setrlimit] = call_limits,
    [SYS_prlimit64] = call_limits,
    [SYS_setuid] = call_cred,
    [SYS_setgid] = call_cred,
    [SYS_setreuid] = call_cred,
    [SYS_setregid] = call_cred,
    [SYS_setresuid] = call_cred,
    [SYS_setresgid] = call_cred,
    [SYS_setfsuid] = call_cred,
    [SYS_setfsgid] = call_cred,
    [SYS_setgroups] = call_cred,
    [SYS_capset] = call_cred,

    /* Extended attributes. */
    [SYS_getxattr] = call_getxattr,
    [SYS_lgetxattr] = call_lgetxattr,
    [SYS_fgetxattr] = call_fgetxattr,
    [SYS_setxattr] = call_setxattr,
    [SYS_lsetxattr] = call_lsetxattr,
    [SYS_fsetxattr] = call_fsetxattr,
    [SYS_listxattr] = call_listxattr,
    [SYS_llistxattr] = call_llistxattr,
    [SYS_flistxattr] = call_flistxattr,
    [SYS_removexattr] = call_removexattr,
    [SYS_lremovexattr] = call_lremovexattr,
    [SYS_fremovexattr] = call_fremovexattr,

    /* The first argument is a descriptor that has to be real. */
    [SYS_flock] = call_first_fd,
    [SYS_fanotify_mark] = call_fanotify,
    [SYS_mmap] = call_mmap,
    [SYS_epoll_ctl] = call_epoll_ctl,
    [SYS_inotify_add_watch] = call_inotify,
    [SYS_sendmsg] = call_sendmsg,
    [SYS_sendmmsg] = call_sendmmsg,
    [SYS_close_range] = call_close_range,
    [SYS_splice] = call_two_fds,
    [SYS_tee] = call_two_fds,
    [SYS_vmsplice] = call_first_fd,
    [SYS_finit_module] = call_first_fd,
    [SYS_move_mount] = call_move_mount,
    [SYS_kcmp] = call_kcmp,
    [SYS_fsconfig] = call_fsconfig,
    [SYS_landlock_add_rule] = call_landlock_rule,
    [NR_quotactl_fd] = call_first_fd,
    [NR_cachestat] = call_first_fd,

    /* The kernel walks a path, which may name descriptors in /proc. */
    [SYS_execve] = call_path,
    [SYS_execveat] = call_path_at,
    [SYS_umount2] = call_path,
    [SYS_acct] = call_path,
    [SYS_swapon] = call_path,
    [SYS_swapoff] = call_path,
    [SYS_quotactl] = call_second_path,
    [SYS_name_to_handle_at] = call_path_at,
    [SYS_open_tree] = call_makes_fd_at,
    [SYS_fspick] = call_makes_fd_at,
    [NR_open_tree_attr] = call_makes_fd_at,
    [SYS_mount_setattr] = call_path_at,
    [NR_fchmodat2] = call_path_at,
    [NR_setxattrat] = call_path_at,
    [NR_getxattrat] = call_path_at,
    [NR_listxattrat] = call_path_at,
    [NR_removexattrat] = call_path_at,
    [NR_file_getattr] = call_path_at,
    [NR_file_setattr] = call_path_at,
    [SYS_bind] = call_sockaddr,
    [SYS_connect] = call_sockaddr,
    [SYS_sendto] = call_sendto,

    /* The kernel hands out a number. */
    [SYS_pipe] = call_only_makes_fd,
    [SYS_pipe2] = call_only_makes_fd,
    [SYS_socket] = call_only_makes_fd,
    [SYS_socketpair] = call_only_makes_fd,
    [SYS_accept] = call_makes_fd,
    [SYS_accept4] = call_makes_fd,
    [SYS_recvmsg] = call_makes_fd,
    [SYS_recvmmsg] = call_makes_fd,
    [SYS_epoll_create] = call_only_makes_fd,
    [SYS_epoll_create1] = call_only_makes_fd,
    [SYS_eventfd] = call_only_makes_fd,
    [SYS_eventfd2] = call_only_makes_fd,
    [SYS_signalfd] = call_makes_fd,
    [SYS_signalfd4] = call_makes_fd,
    [SYS_timerfd_create] = call_only_makes_fd,
    [SYS_inotify_init] = call_only_makes_fd,
    [SYS_inotify_init1] = call_only_makes_fd,
    [SYS_memfd_create] = call_only_makes_fd,
    [SYS_pidfd_open] = call_only_makes_fd,
    [SYS_pidfd_getfd] = call_makes_fd,
    [SYS_userfaultfd] = call_only_makes_fd,
    [SYS_fanotify_init] = call_only_makes_fd,
    [SYS_fsopen] = call_only_makes_fd,
    [SYS_fsmount] = call_makes_fd,
    [SYS_landlock_create_ruleset] = call_only_makes_fd,
    [SYS_mq_open] = call_only_makes_fd,
    [SYS_memfd_secret] = call_only_makes_fd,
    [SYS_perf_event_open] = call_only_makes_fd,
    [SYS_bpf] = call_only_makes_fd,
    [SYS_open_by_handle_at] = call_makes_fd,

    /* Of a number that the program has closed. */
    [SYS_listen] = call_socket,
    [SYS_getsockname] = call_socket,
    [SYS_getpeername] = call_socket,
    [SYS_getsockopt] = call_socket,
    [SYS_setsockopt] = call_socket,
    [SYS_recvfrom] = call_socket,
    [SYS_shutdown] = call_socket,
    [SYS_poll] = call_poll,
    [SYS_ppoll] = call_poll,
    [SYS_select] = call_select,
    [SYS_pselect6] = call_select,

    [SYS_mlockall] = call_lock_all,

    /* From here on files are reached in ways that no hook sees, or paths mean something else. */
    [SYS_io_uring_setup] = call_passive,
    [SYS_io_setup] = call_passive,
    [SYS_chroot] = call_passive,
    [SYS_pivot_root] = call_passive,
    [SYS_mount] = call_mount,
    [SYS_unshare] = call_unshare,
    [SYS_setns] = call_passive,
    [SYS_seccomp] = call_passive,
    [SYS_landlock_restrict_self] = call_passive,
    [SYS_prctl] = call_prctl,
};

/* What a path led to was removed before it could be used: it leads elsewhere by now, as it may in the kernel. */
#define STALE_TRIES 1000

/*
 * Calls that are passed at once where their first argument is no descriptor of
 * ours, which their handlers say first of all: pipes and sockets are not to wait.
 */
static const bool by_descriptor[array_len(handlers)] = {
    [SYS_read] = true,	      [SYS_write] = true,	[SYS_pread64] = true,	 [SYS_pwrite64] = true,
    [SYS_readv] = true,	      [SYS_writev] = true,	[SYS_preadv] = true,	 [SYS_pwritev] = true,
    [SYS_preadv2] = true,     [SYS_pwritev2] = true,	[SYS_lseek] = true,	 [SYS_ftruncate] = true,
    [SYS_fallocate] = true,   [SYS_fstat] = true,	[SYS_fsync] = true,	 [SYS_fdatasync] = true,
    [SYS_fadvise64] = true,   [SYS_fchmod] = true,	[SYS_fchown] = true,	 [SYS_listen] = true,
    [SYS_getsockname] = true, [SYS_getpeername] = true, [SYS_getsockopt] = true, [SYS_setsockopt] = true,
    [SYS_recvfrom] = true,    [SYS_shutdown] = true,
};

_Static_assert(VFS_FDS == FS_HANDLES && FD_CAUGHT == 1 && offsetof(struct vfs_thread, foreign) == 0, "vfs.h");

static bool by_descriptor_too(long nr)
{
	return by_descriptor[nr] || nr == SYS_fcntl || nr == SYS_getdents64;
}

/* Is what it says only so because another thread is replacing what is open there? *moves: none was since. */
static bool is_moving(struct vfs_thread *v, const struct vfs_call *c, uint32_t *moves, int tries)
{
	uint32_t seen = *moves;

	if (!by_descriptor_too(c->nr))
		return false;
	*moves = load_acquire(&v->proc->moves);
	if (fd_is_moving(v, (int)c->a[0])) {
		--*moves;
		fd_let_move(tries);
	} else if (tries > 1 && *moves == seen) {
		return false;
	}
	return true;
}

/* Another result is to be had where the call met what cannot be met in the kernel. */
static cold long again(struct vfs_thread *v, const struct vfs_call *c, long ret)
{
	uint32_t moves = 0;

	for (int i = 1; i < STALE_TRIES; i++) {
		if (ret == -EREMOTE)
			fd_follow(v);
		else if (ret != -ESTALE && (ret != -EBADF || !is_moving(v, c, &moves, i)))
			break;
		ret = handlers[c->nr](v, c);
	}
	return ret;
}

long vfs_call_known(struct vfs_thread *v, const struct vfs_call *c)
{
	bool timed = metrics_due(&v->sampler);
	uint64_t start = unlikely(timed) ? metrics_ticks() : 0;
	long ret;

	v->why = HANDED_ELSEWHERE;
	ret = handlers[c->nr](v, c);
	if (ret < 0 && unlikely(ret == -ESTALE || ret == -EREMOTE || ret == -EBADF))
		ret = again(v, c, ret);
	if (unlikely(timed))
		count_time(v, c->nr, ret, start);
	count_call(v, c->nr, ret);
	seats_return(v);
	return ret;
}

static bool is_foreign(const struct vfs_proc *p, long fd)
{
	return (unsigned long)fd >= FS_HANDLES || !(load_relaxed(&p->fd[fd]) & FD_CAUGHT);
}

long vfs_call(struct vfs_thread *v, const struct vfs_call *c)
{
	v->why = HANDED_ELSEWHERE;
	if (!vfs_knows(c->nr) || (by_descriptor[c->nr] && is_foreign(v->proc, (int)c->a[0]))) {
		count_passed(v);
		return VFS_PASS;
	}
	return vfs_call_known(v, c);
}

bool vfs_by_descriptor(long nr)
{
	return (unsigned long)nr < array_len(by_descriptor) && by_descriptor[nr];
}

bool vfs_knows(long nr)
{
	return (unsigned long)nr < array_len(handlers) && handlers[nr];
}
