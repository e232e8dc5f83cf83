/*
 * Every call that names a file, a descriptor of one, or changes what a thread
 * or process is: seen from the start, handed on until somebody registers an
 * answer. What is not here (futex, clocks, sigreturn)
 * stays unpatched.
 */
#include "agent/calls.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/prctl.h>
#include <sys/mman.h>

#include "agent/dispatch.h"
#include "agent/exec.h"
#include "agent/object.h"
#include "agent/signals.h"
#include "agent/thread.h"
#include "agent/user.h"
#include "base/sys.h"

static const uint16_t seen[] = {
    SYS_open,
    SYS_creat,
    SYS_openat,
    SYS_openat2,
    SYS_close,
    SYS_close_range,
    SYS_dup,
    SYS_dup2,
    SYS_dup3,
    SYS_fcntl,
    SYS_read,
    SYS_write,
    SYS_pread64,
    SYS_pwrite64,
    SYS_readv,
    SYS_writev,
    SYS_preadv,
    SYS_pwritev,
    SYS_preadv2,
    SYS_pwritev2,
    SYS_lseek,
    SYS_stat,
    SYS_lstat,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_access,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_getdents,
    SYS_getdents64,
    SYS_mremap,
    SYS_msync,
    SYS_mprotect,
    SYS_madvise,
    SYS_mlock,
    SYS_truncate,
    SYS_ftruncate,
    SYS_fallocate,
    SYS_fadvise64,
    SYS_readahead,
    SYS_sync_file_range,
    SYS_sendfile,
    SYS_copy_file_range,
    SYS_splice,
    SYS_tee,
    SYS_vmsplice,
    SYS_rename,
    SYS_renameat,
    SYS_renameat2,
    SYS_link,
    SYS_linkat,
    SYS_symlink,
    SYS_symlinkat,
    SYS_readlink,
    SYS_readlinkat,
    SYS_unlink,
    SYS_unlinkat,
    SYS_mkdir,
    SYS_mkdirat,
    SYS_rmdir,
    SYS_mknod,
    SYS_mknodat,
    SYS_chmod,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_chown,
    SYS_fchown,
    SYS_lchown,
    SYS_fchownat,
    SYS_umask,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
    SYS_utimensat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_getxattr,
    SYS_lgetxattr,
    SYS_fgetxattr,
    SYS_listxattr,
    SYS_llistxattr,
    SYS_flistxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
    SYS_fsync,
    SYS_fdatasync,
    SYS_syncfs,
    SYS_sync,
    SYS_flock,
    SYS_ioctl,
    SYS_chdir,
    SYS_fchdir,
    SYS_getcwd,
    SYS_chroot,
    SYS_pivot_root,
    SYS_mount,
    SYS_umount2,
    SYS_setns,
    SYS_unshare,
    SYS_inotify_add_watch,
    SYS_fanotify_mark,
    SYS_epoll_ctl,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_submit,
    SYS_statfs,
    SYS_fstatfs,
    SYS_ustat,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_sendmsg,
    SYS_sendmmsg,
    SYS_recvmsg,
    SYS_recvmmsg,
    SYS_pidfd_getfd,
    SYS_prctl,
    SYS_seccomp,
    SYS_setrlimit,
    SYS_prlimit64,
    SYS_acct,
    SYS_quotactl,
    SYS_uselib,
    SYS_bind,
    SYS_connect,
    SYS_memfd_create,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
    SYS_capset,
    SYS_kcmp,
    SYS_finit_module,
    SYS_kexec_file_load,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
};

/* A library is patched when the loader maps its code, before anything can run in it. */
static long handle_mmap(struct agent_thread *t, struct agent_regs *r)
{
	void *p;

	if ((r->rdx & (PROT_EXEC | PROT_WRITE)) != PROT_EXEC || (r->r10 & MAP_ANONYMOUS) || (int)r->r8 < 0)
		return AGENT_HAND_ON;
	p = sys_mmap((void *)r->rdi, (size_t)r->rsi, (int)r->rdx, (int)r->r10, (int)r->r8, r->r9);
	if (!sys_is_err(p) && object_mapped(p, (size_t)r->rsi, (int)r->r8, (uint64_t)r->r9) != 0 && agent_hooks.blind)
		agent_hooks.blind(t);
	return (long)p;
}

static long handle_munmap(struct agent_thread *t, struct agent_regs *r)
{
	object_unmapped((const void *)r->rdi, (size_t)r->rsi);
	return AGENT_HAND_ON;
}

/* The base of %gs is the agent's. As without one, it reads as 0; who needs it gets an error, not a crash. */
static long handle_arch_prctl(struct agent_thread *t, struct agent_regs *r)
{
	const uint64_t none = 0;

	if (r->rdi == ARCH_SET_GS)
		return -EPERM;
	if (r->rdi == ARCH_GET_GS)
		return copy_to_user((void *)r->rsi, &none, sizeof(none));
	return AGENT_HAND_ON;
}

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif

/*
 * Who has calls from outside of a range sent back as signals means the program's: it would get ours, and
 * miss those that are answered here. As in a kernel that has it not.
 */
static long handle_prctl(struct agent_thread *t, struct agent_regs *r)
{
	return r->rdi == PR_SET_SYSCALL_USER_DISPATCH && r->rsi == PR_SYS_DISPATCH_ON ? -EINVAL : AGENT_HAND_ON;
}

void calls_register(void)
{
	for (size_t i = 0; i < array_len(seen); i++)
		agent_register(seen[i], handle_pass);
	agent_register(SYS_mmap, handle_mmap);
	agent_register(SYS_munmap, handle_munmap);
	agent_register(SYS_arch_prctl, handle_arch_prctl);
	agent_register(SYS_prctl, handle_prctl);
	agent_register(SYS_clone, handle_clone);
	agent_register(SYS_clone3, handle_clone3);
	agent_register(SYS_fork, handle_fork);
	agent_register(SYS_vfork, handle_vfork);
	agent_register(SYS_exit, handle_exit);
	agent_register(SYS_exit_group, handle_exit_group);
	agent_register(SYS_execve, handle_execve);
	agent_register(SYS_execveat, handle_execveat);
	agent_register(SYS_rt_sigaction, handle_sigaction);
	agent_register(SYS_rt_sigprocmask, handle_sigprocmask);
}
