/*
 * The executor that makes system calls, below a directory made with mkdtemp.
 * Directories are named after the process that made them, so that the next
 * run can remove what a crashed one left.
 */
#include "posix_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "raw.h"

#define PREFIX "bt-fuse-model."

_Thread_local int px_raw;
long (*px_instruction)(long nr, long a, long b, long c, long d, long e);

static void make_instruction(void)
{
	static const unsigned char code[] = {
	    0x48, 0x89, 0xf8, /* mov %rdi,%rax */
	    0x48, 0x89, 0xf7, /* mov %rsi,%rdi */
	    0x48, 0x89, 0xd6, /* mov %rdx,%rsi */
	    0x48, 0x89, 0xca, /* mov %rcx,%rdx */
	    0x4d, 0x89, 0xc2, /* mov %r8,%r10 */
	    0x4d, 0x89, 0xc8, /* mov %r9,%r8 */
	    0x0f, 0x05,	      /* syscall */
	    0xc3,	      /* ret */
	};
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		abort();
	memcpy(page, code, sizeof(code));
	if (mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0)
		abort();
	memcpy(&px_instruction, &page, sizeof(page)); /* ISO C knows no such cast */
}

static px_fn *const table[OP_KINDS] = {
    [OP_STAT] = px_stat,	   [OP_FSTAT] = px_fstat,
    [OP_ACCESS] = px_access,	   [OP_MKDIR] = px_mkdir,
    [OP_RMDIR] = px_rmdir,	   [OP_MKNOD] = px_mknod,
    [OP_SYMLINK] = px_symlink,	   [OP_READLINK] = px_readlink,
    [OP_LINK] = px_link,	   [OP_LINKFD] = px_linkfd,
    [OP_UNLINK] = px_unlink,	   [OP_RENAME] = px_rename,
    [OP_OPEN] = px_open,	   [OP_TMPFILE] = px_tmpfile,
    [OP_CLOSE] = px_close,	   [OP_DUP] = px_dup,
    [OP_SETFL] = px_setfl,	   [OP_READ] = px_read,
    [OP_WRITE] = px_write,	   [OP_LSEEK] = px_lseek,
    [OP_TRUNCATE] = px_truncate,   [OP_FTRUNCATE] = px_ftruncate,
    [OP_FALLOCATE] = px_fallocate, [OP_COPY_RANGE] = px_copy_range,
    [OP_CHMOD] = px_chmod,	   [OP_FCHMOD] = px_fchmod,
    [OP_CHOWN] = px_chown,	   [OP_FCHOWN] = px_fchown,
    [OP_UTIMENS] = px_utimens,	   [OP_FUTIMENS] = px_futimens,
    [OP_SETXATTR] = px_setxattr,   [OP_GETXATTR] = px_getxattr,
    [OP_LISTXATTR] = px_listxattr, [OP_REMOVEXATTR] = px_removexattr,
    [OP_READDIR] = px_readdir,	   [OP_STATFS] = px_statfs,
    [OP_FSYNC] = px_fsync,	   [OP_CONTENT] = px_content,
};

int px_at(const struct exec *e, const struct op *o)
{
	return o->at == OP_ROOT ? e->root : px_fd(e, o->at);
}

int px_fd(const struct exec *e, int slot)
{
	return slot >= 0 && slot < OP_SLOTS ? e->file[slot] : -1;
}

int64_t px_ret(int64_t ret)
{
	return ret < 0 ? -errno : ret;
}

static struct timespec to_timespec(struct statx_timestamp t)
{
	return (struct timespec){.tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec};
}

int px_attr(int at, const char *path, int flags, struct fs_attr *a)
{
	struct statx x;

	if (statx(at, path, flags, STATX_BASIC_STATS | STATX_BTIME, &x) < 0)
		return -errno;
	*a = (struct fs_attr){
	    .ino = (fs_ino)(x.stx_ino ^ (x.stx_ino >> 32)),
	    .mode = x.stx_mode,
	    .nlink = x.stx_nlink,
	    .uid = x.stx_uid,
	    .gid = x.stx_gid,
	    .rdev = (x.stx_rdev_minor & 0xff) | x.stx_rdev_major << 8 | (x.stx_rdev_minor & ~0xffu) << 12,
	    .size = x.stx_size,
	    .blocks = x.stx_blocks,
	    .atime = to_timespec(x.stx_atime),
	    .mtime = to_timespec(x.stx_mtime),
	    .ctime = to_timespec(x.stx_ctime),
	    .btime = to_timespec(x.stx_btime),
	};
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (remove(path) < 0 && errno != ENOENT)
		perror(path);
	return 0;
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

/* Removes the directories of processes that are gone. */
static void remove_stale(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[4096];

	while (d && (e = readdir(d))) {
		int pid = strncmp(e->d_name, PREFIX, strlen(PREFIX)) ? 0 : atoi(e->d_name + strlen(PREFIX));

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
			remove_tree(path);
	}
	if (d)
		closedir(d);
}

static struct exec_fs *instance(const struct exec_params *p)
{
	const char *dir = p->dir ? p->dir : "/dev/shm";
	struct exec_fs *fs = calloc(1, sizeof(*fs));
	static int swept;

	if (!swept++)
		remove_stale(dir);
	if (asprintf(&fs->dir, "%s/" PREFIX "%d.XXXXXX", dir, (int)getpid()) < 0 || !mkdtemp(fs->dir)) {
		fprintf(stderr, "model: cannot make a directory in %s: %s\n", dir, strerror(errno));
		free(fs->dir);
		free(fs);
		return NULL;
	}
	fs->fd = open(fs->dir, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	fs->multiuser = p->multiuser;
	fchmod(fs->fd, 0777);
	return fs;
}

static void instance_close(struct exec_fs *fs)
{
	close(fs->fd);
	remove_tree(fs->dir);
	free(fs->dir);
	free(fs);
}

static struct exec *session(struct exec_fs *fs, const char *sub)
{
	struct exec *e = calloc(1, sizeof(*e));

	e->fs = fs;
	for (int i = 0; i < OP_SLOTS; i++)
		e->file[i] = -1;
	unshare(CLONE_FS); /* an umask of this thread's own */
	e->mask = 0;
	umask(0);
	if (sub)
		mkdirat(fs->fd, sub, fs->multiuser ? 0777 : 0755);
	e->root = openat(fs->fd, sub ? sub : ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	e->raw_root = -1;
	if (fs->mixed) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", fs->dir, sub ? sub : ".");
		e->raw_root =
		    (int)px_instruction(SYS_openat, AT_FDCWD, (long)path, O_DIRECTORY | O_RDONLY | O_CLOEXEC, 0, 0);
	}
	if (e->root < 0 || (fs->mixed && e->raw_root < 0))
		perror("model: session directory");
	return e;
}

static void session_end(struct exec *e)
{
	cred_switch(0);
	for (int i = 0; i < OP_SLOTS; i++)
		if (e->file[i] >= 0)
			close(e->file[i]);
	close(e->root);
	if (e->raw_root >= 0)
		close(e->raw_root);
	free(e);
}

static void probe_path(struct exec *e, const struct op *o, struct result *r, const char *what, const char *path)
{
	struct probe *p = &r->probe[r->nprobe++];

	p->what = what;
	p->err = px_attr(px_at(e, o), path, AT_SYMLINK_NOFOLLOW, &p->attr);
}

static void probe_parent(struct exec *e, const struct op *o, struct result *r)
{
	const char *slash = strrchr(o->path, '/');
	char *dir = strdup(o->path);

	if (slash)
		dir[slash - o->path] = 0;
	probe_path(e, o, r, "parent", slash ? dir : ".");
	free(dir);
}

/* The same observations as vfs.c makes. */
static void probe_all(struct exec *e, const struct op *o, struct result *r)
{
	bool target = o->kind == OP_SYMLINK;
	bool name = o->kind >= OP_SETXATTR && o->kind <= OP_REMOVEXATTR;

	cred_switch(0);
	if (o->path) {
		probe_path(e, o, r, "path", o->path);
		probe_parent(e, o, r);
	}
	if (o->path2 && !target && !name)
		probe_path(e, o, r, "path2", o->path2);
	if (o->fd >= 0) {
		struct probe *p = &r->probe[r->nprobe++];

		p->what = "fd";
		p->err = px_attr(px_fd(e, o->fd), "", AT_EMPTY_PATH, &p->attr);
	}
}

/* Operations whose only descriptor is the directory that the path starts at. */
static bool by_path(const struct op *o)
{
	return o->at == OP_ROOT &&
	       (o->kind == OP_STAT || (o->kind >= OP_ACCESS && o->kind <= OP_LINK) || o->kind == OP_UNLINK ||
		o->kind == OP_RENAME || o->kind == OP_TRUNCATE || o->kind == OP_CHMOD || o->kind == OP_CHOWN ||
		o->kind == OP_UTIMENS || (o->kind >= OP_SETXATTR && o->kind <= OP_REMOVEXATTR));
}

/* Every other one goes past the agent; what it did is looked at the other way. */
static bool goes_past(struct exec *e, const struct op *o)
{
	return e->raw_root >= 0 && e->runs++ % 2 && by_path(o);
}

static int turn(struct exec *e, int raw)
{
	int was = e->root;

	px_raw = raw;
	if (raw)
		e->root = e->raw_root;
	return was;
}

static void run(struct exec *e, const struct op *o, bool probe, struct result *r)
{
	bool past = goes_past(e, o);
	int root;

	cred_switch(o->who);
	if (e->mask != (int)o->umask) {
		e->mask = (int)o->umask;
		umask(o->umask);
	}
	root = turn(e, past);
	r->ret = table[o->kind](e, o, r);
	e->root = root;
	px_raw = 0;
	if (!probe)
		return;
	root = turn(e, e->raw_root >= 0 && !past && o->at == OP_ROOT && o->fd < 0);
	probe_all(e, o, r);
	e->root = root;
	px_raw = 0;
}

static struct exec_fs *instance_mixed(const struct exec_params *p)
{
	struct exec_fs *fs = instance(p);

	if (fs)
		fs->mixed = true;
	if (!px_instruction)
		make_instruction();
	return fs;
}

/* For a process under an agent: half of what it does by path goes through the kernel. */
const struct exec_kind exec_mixed = {
    .name = "mixed",
    .open = instance_mixed,
    .close = instance_close,
    .session = session,
    .end = session_end,
    .run = run,
};

const struct exec_kind exec_posix = {
    .name = "posix",
    .open = instance,
    .close = instance_close,
    .session = session,
    .end = session_end,
    .run = run,
};
