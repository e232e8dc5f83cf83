/* Counting calls: the kinds of them, and what is not on the way of every call. */
#include "vfs/internal.h"

const uint8_t count_ops[COUNT_NR] = {
    [SYS_read] = OP_READ,
    [SYS_pread64] = OP_READ,
    [SYS_readv] = OP_READ,
    [SYS_preadv] = OP_READ,
    [SYS_preadv2] = OP_READ,
    [SYS_write] = OP_WRITE,
    [SYS_pwrite64] = OP_WRITE,
    [SYS_writev] = OP_WRITE,
    [SYS_pwritev] = OP_WRITE,
    [SYS_pwritev2] = OP_WRITE,
    [SYS_open] = OP_OPEN,
    [SYS_openat] = OP_OPEN,
    [SYS_openat2] = OP_OPEN,
    [SYS_creat] = OP_OPEN,
    [SYS_close] = OP_CLOSE,
    [SYS_close_range] = OP_CLOSE,
    [SYS_stat] = OP_STAT,
    [SYS_lstat] = OP_STAT,
    [SYS_fstat] = OP_STAT,
    [SYS_newfstatat] = OP_STAT,
    [SYS_statx] = OP_STAT,
    [SYS_access] = OP_ACCESS,
    [SYS_faccessat] = OP_ACCESS,
    [SYS_faccessat2] = OP_ACCESS,
    [SYS_getdents] = OP_READDIR,
    [SYS_getdents64] = OP_READDIR,
    [SYS_readlink] = OP_READLINK,
    [SYS_readlinkat] = OP_READLINK,
    [SYS_statfs] = OP_STATFS,
    [SYS_fstatfs] = OP_STATFS,
    [SYS_mkdir] = OP_MKDIR,
    [SYS_mkdirat] = OP_MKDIR,
    [SYS_mknod] = OP_MKNOD,
    [SYS_mknodat] = OP_MKNOD,
    [SYS_symlink] = OP_SYMLINK,
    [SYS_symlinkat] = OP_SYMLINK,
    [SYS_link] = OP_LINK,
    [SYS_linkat] = OP_LINK,
    [SYS_unlink] = OP_UNLINK,
    [SYS_unlinkat] = OP_UNLINK,
    [SYS_rmdir] = OP_RMDIR,
    [SYS_rename] = OP_RENAME,
    [SYS_renameat] = OP_RENAME,
    [SYS_renameat2] = OP_RENAME,
    [SYS_chmod] = OP_CHMOD,
    [SYS_fchmod] = OP_CHMOD,
    [SYS_fchmodat] = OP_CHMOD,
    [452 /* fchmodat2 */] = OP_CHMOD,
    [SYS_chown] = OP_CHOWN,
    [SYS_lchown] = OP_CHOWN,
    [SYS_fchown] = OP_CHOWN,
    [SYS_fchownat] = OP_CHOWN,
    [SYS_utime] = OP_UTIMENS,
    [SYS_utimes] = OP_UTIMENS,
    [SYS_futimesat] = OP_UTIMENS,
    [SYS_utimensat] = OP_UTIMENS,
    [SYS_truncate] = OP_TRUNCATE,
    [SYS_ftruncate] = OP_TRUNCATE,
    [SYS_fallocate] = OP_FALLOCATE,
    [SYS_fsync] = OP_FSYNC,
    [SYS_fdatasync] = OP_FSYNC,
    [SYS_syncfs] = OP_FSYNC,
    [SYS_sync_file_range] = OP_FSYNC,
    [SYS_msync] = OP_FSYNC,
    [SYS_lseek] = OP_SEEK,
    [SYS_getxattr] = OP_GETXATTR,
    [SYS_lgetxattr] = OP_GETXATTR,
    [SYS_fgetxattr] = OP_GETXATTR,
    [SYS_setxattr] = OP_SETXATTR,
    [SYS_lsetxattr] = OP_SETXATTR,
    [SYS_fsetxattr] = OP_SETXATTR,
    [SYS_listxattr] = OP_LISTXATTR,
    [SYS_llistxattr] = OP_LISTXATTR,
    [SYS_flistxattr] = OP_LISTXATTR,
    [SYS_removexattr] = OP_REMOVEXATTR,
    [SYS_lremovexattr] = OP_REMOVEXATTR,
    [SYS_fremovexattr] = OP_REMOVEXATTR,
    [SYS_copy_file_range] = OP_COPY,
    [SYS_sendfile] = OP_COPY,
    [SYS_splice] = OP_COPY,
    [SYS_mmap] = OP_MMAP,
    [SYS_munmap] = OP_MMAP,
    [SYS_mremap] = OP_MMAP,
    [SYS_flock] = OP_LOCK,
    [SYS_dup] = OP_FD,
    [SYS_dup2] = OP_FD,
    [SYS_dup3] = OP_FD,
    [SYS_fcntl] = OP_FD,
    [SYS_ioctl] = OP_FD,
    [SYS_chdir] = OP_CWD,
    [SYS_fchdir] = OP_CWD,
    [SYS_getcwd] = OP_CWD,
};

void count_real(struct vfs_thread *v)
{
	v->why = HANDED_REAL;
	if (v->used && v->used->count)
		metrics_add(&v->used->count->real_fds, 1);
}

unsigned vfs_why(const struct vfs_thread *v)
{
	return v->proc->passive ? HANDED_PASSIVE : v->why;
}

void count_passed(struct vfs_thread *v)
{
	unsigned why = vfs_why(v);

	if (why == HANDED_NO_SEAT && v->full < v->proc->nmounts)
		metrics_no_seat(&v->proc->mount[v->full].fs.pool);
	else if (v->used && v->used->count)
		metrics_add(&v->used->count->handed[why], 1);
	if (v->used)
		v->used->told = 0;
}

void count_told(struct vfs_thread *v, long nr, long ret)
{
	v->used->told = 0;
	if (v->used->count)
		metrics_op(v->used->count, METRICS_RING, count_ops[nr], ret);
}

void count_time(struct vfs_thread *v, long nr, long ret, uint64_t start)
{
	metrics_rearm(&v->sampler);
	if (ret != VFS_PASS && v->used)
		metrics_sample(v->used, v->used->told ? METRICS_RING : METRICS_PROCESS, count_ops[nr],
			       metrics_ticks() - start);
}
