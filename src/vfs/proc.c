/* The process: stores attached, seats of its threads, who it is, where it is. */
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/stat.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "vfs/internal.h"

/* ---- Start and end ------------------------------------------------------------------ */

static void *map_zeros(size_t n)
{
	return sys_mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Where the kernel says that the process is: only what lies outside of the stores. */
static void find_cwd(struct vfs_place *p)
{
	long n = sys_call3(SYS_getcwd, (long)p->path, VFS_PATH, 0);

	p->store = -1;
	p->len = n > 1 && p->path[0] == '/' ? (uint32_t)n - 1 : 0;
}

static uint32_t find_umask(void)
{
	/* There is no call that only asks. The moment in between is before any other thread. */
	uint32_t mask = (uint32_t)sys_call3(SYS_umask, 022, 0, 0);

	sys_call3(SYS_umask, (long)mask, 0, 0);
	return mask;
}

static bool is_limited(void)
{
	struct rlimit r = {.rlim_cur = RLIM_INFINITY};

	sys_call3(SYS_getrlimit, RLIMIT_FSIZE, (long)&r, 0);
	return r.rlim_cur != RLIM_INFINITY;
}

HANDLER(call_limits)
{
	long ret = sys_call4(c->nr, c->a[0], c->a[1], c->a[2], c->a[3]);

	v->proc->limited = is_limited();
	return ret;
}

/*
 * The first one takes no memory that has to be got: what a program has inherited is found and made real with it
 * even if there is none.
 */
static struct vfs_proc first;
static uint32_t first_taken; /* atomic */

static struct vfs_proc *new_proc(void)
{
	return swap(&first_taken, 1) ? map_zeros(sizeof first) : &first;
}

static void drop_proc(struct vfs_proc *p)
{
	if (p != &first) {
		sys_munmap(p, sizeof *p);
		return;
	}
	__builtin_memset(p, 0, sizeof *p);
	store_release(&first_taken, 0);
}

int vfs_proc_start(const struct vfs_host *host, int placeholder, struct vfs_proc **out)
{
	struct vfs_proc *p = new_proc();

	if (sys_is_err(p))
		return (int)(long)p;
	p->host = *host;
	p->placeholder = placeholder;
	p->hidden = -1;
	fd_keep(p, placeholder);
	p->place.umask = find_umask();
	p->limited = is_limited();
	find_cwd(&p->place);
	*out = p;
	return 0;
}

/* A working directory inside: the path behind the mount point is walked once. */
static void enter_cwd(struct vfs_proc *p, unsigned store)
{
	struct vmount *m = &p->mount[store];
	struct vfs_place *at = &p->place;
	struct fs_walk w = {.start = FS_ROOT, .path = at->path + m->len, .len = at->len - m->len};
	struct task t;

	if (at->len < m->len || !mem_equal(at->path, m->path, m->len) ||
	    (at->len > m->len && at->path[m->len] != '/') || task_attach(&m->fs.pool, 0, &t) != 0)
		return;
	if (fs_walk(&t, NULL, &w) == 0) {
		at->store = (int)store;
		at->ino = w.ino;
	}
	task_detach(&t);
}

/*
 * After exec: what the old image had open is in the table. Ours is what still
 * holds its number with a placeholder; the kernel has closed the rest.
 */
static void take_over(struct vfs_proc *p, unsigned store)
{
	struct fs *fs = &p->mount[store].fs;
	struct task t;

	if (task_attach(&fs->pool, 0, &t) != 0)
		return;
	for (uint32_t h = 0; h < fs_handles(fs); h++) {
		int64_t ino = fs_handle(&t, h, NULL);
		fs_ino there;

		if (ino < 0)
			continue;
		if (fd_is_placeholder(p, (int)h)) {
			fd_own(p, h, (fs_ino)ino, store, false, false);
		} else if (fd_is_inode(&p->mount[store], h, &there) && there == ino) {
			fd_own(p, h, (fs_ino)ino, store, false, true);
		} else {
			fs_close(&t, h);
			continue;
		}
		fd_reach(p, h);
	}
	task_detach(&t);
}

uint64_t dev_of_statx(const struct statx *st)
{
	uint64_t major = st->stx_dev_major, minor = st->stx_dev_minor;

	return (major & 0xfff) << 8 | (major & ~0xfffull) << 32 | (minor & 0xff) | (minor & ~0xffull) << 12;
}

/* In another root or name space the path means something else. */
static bool is_there(struct vmount *m)
{
	struct statx st;

	if (sys_call6(SYS_statx, AT_FDCWD, (long)m->path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID, (long)&st, 0))
		return false;
	m->mnt_id = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
	m->attributes = st.stx_attributes_mask;
	return dev_of_statx(&st) == m->dev;
}

void vfs_hide(struct vfs_proc *p, int fd)
{
	p->hidden = fd;
	fd_keep(p, fd);
}

int vfs_attach(struct vfs_proc *p, int fd)
{
	struct vmount *m = &p->mount[p->nmounts];
	bool covered;
	int err, resumed;

	if (p->nmounts == VFS_MOUNTS)
		return -ENOSPC;
	resumed = fs_attach(fd, FS_ATTACH_EXEC, &m->fs);
	if (resumed < 0)
		return resumed;
	err = fs_mounted_at(&m->fs, m->path, &m->dev);
	if (err > 0 && !is_there(m))
		err = -ENOENT;
	covered = err > 0 && vfs_is_covered(m->path);
	if (covered && !resumed)
		err = -ENOENT;
	if (err < 0) {
		fs_detach(&m->fs);
		return err;
	}
	m->len = (uint32_t)err;
	fd_keep(p, fd);
	if (resumed)
		take_over(p, p->nmounts);
	p->nmounts++;
	enter_cwd(p, p->nmounts - 1);
	return covered;
}

bool vfs_ids_hold(const struct vfs_proc *p)
{
	bool hold = true;

	for (unsigned i = 0; hold && i < p->nmounts; i++)
		hold = fs_ids_hold(&p->mount[i].fs);
	return hold;
}

const struct fs *vfs_store(const struct vfs_proc *p, unsigned i)
{
	return &p->mount[i].fs;
}

void seats_leave(struct vfs_thread *v)
{
	seats_return(v);
	for (unsigned i = 0; i < VFS_MOUNTS; i++)
		if (v->seated & 1u << i)
			task_detach(&v->task[i]);
	v->seated = 0;
	seat_none(v);
}

static void leave(struct vfs_thread *v)
{
	seats_leave(v);
	cred_drop(v);
}

void vfs_proc_leave(struct vfs_thread *v)
{
	struct vfs_proc *p = v->proc;

	for (uint32_t fd = 0; fd < (uint32_t)fd_end(p); fd++) {
		int store = fd_store(p, fd);

		if (store < 0)
			continue;
		store_release(&p->fd[fd], 0);
		fd_close(v, store, fd);
	}
	/* Else it lies there until somebody finds us dead. Other threads may be on theirs still. */
	leave(v);
}

void vfs_proc_end(struct vfs_proc *p)
{
	for (unsigned i = 0; i < p->nmounts; i++)
		fs_detach(&p->mount[i].fs);
	fd_unpark(p);
	if (p->placeholder >= 0)
		sys_close(p->placeholder);
	drop_proc(p);
}

static void begin_thread(struct vfs_thread *v, struct vfs_proc *p)
{
	v->proc = p;
	v->place = &p->place;
	seat_none(v);
	v->sampler.seed = (uint32_t)metrics_ticks();
	metrics_rearm(&v->sampler);
}

int vfs_thread_start(struct vfs_proc *p, struct vfs_thread **out)
{
	struct vfs_thread *v = map_zeros(sizeof *v);

	if (sys_is_err(v))
		return (int)(long)v;
	begin_thread(v, p);
	fetch_add(&p->others, 1);
	*out = v;
	return 0;
}

struct vfs_proc *vfs_proc_of(const struct vfs_thread *v)
{
	return v->proc;
}

#define SPINS 100 /* most are held for less */

cold void local_wait(uint32_t *word)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t seen = LOCAL_FREE;

		cpu_relax();
		if (load_relaxed(word) == LOCAL_FREE && cas(word, &seen, LOCAL_LOCKED))
			return;
	}
	/* Others may be asleep too: whoever gets it wakes the next. */
	while (swap(word, LOCAL_AWAITED) != LOCAL_FREE)
		futex_wait_private(word, LOCAL_AWAITED);
}

static struct vfs_thread spare;
static uint32_t spare_lock;

struct vfs_thread *vfs_thread_borrow(struct vfs_proc *p)
{
	local_lock(&spare_lock);
	__builtin_memset(&spare, 0, offsetof(struct vfs_thread, cred_epochs));
	begin_thread(&spare, p);
	return &spare;
}

bool vfs_thread_return(struct vfs_thread *v)
{
	if (v != &spare)
		return false;
	leave(v);
	local_unlock(&spare_lock);
	return true;
}

void spare_forked(void)
{
	store_changed(&spare_lock, 0);
}

/* Is it the first thread of a child that shares the parent's memory? */
static bool in_states(const struct vfs_thread *v)
{
	return v == &((const struct vfs_states *)(const void *)v->proc)->thread;
}

void vfs_thread_end(struct vfs_thread *v)
{
	leave(v);
	if (in_states(v)) /* those of a child are the parent's to drop */
		return;
	fetch_add(&v->proc->others, (uint32_t)-1);
	sys_munmap(v, sizeof *v);
}

static int sit(struct vfs_proc *p, unsigned i, struct task *t)
{
	int err = task_attach(&p->mount[i].fs.pool, 0, t);

	if (err)
		return err;
	metrics_attach(t);
	t->clock = p->host.clock;
	t->invalidate = p->host.invalidate;
	t->arg = &p->mount[i].fs;
	return 0;
}

/* Before the second thread is made: what one opens the others may need, though all seats are taken then. */
static bool common_take(struct vfs_proc *p)
{
	unsigned i = 0;

	if (p->common_there)
		return true;
	while (i < p->nmounts && sit(p, i, &p->common[i]) == 0)
		i++;
	p->common_there = i == p->nmounts;
	while (i > 0 && !p->common_there)
		task_detach(&p->common[--i]);
	return p->common_there;
}

static struct task *common_lend(struct vfs_thread *v, unsigned i)
{
	struct vfs_proc *p = v->proc;

	if (!v->lent)
		local_lock(&p->common_lock);
	v->lent = true;
	v->used = &p->common[i];
	return v->used;
}

void seats_give_back(struct vfs_thread *v)
{
	v->used = NULL;
	v->lent = false;
	local_unlock(&v->proc->common_lock);
}

cold struct task *seat_take(struct vfs_thread *v, unsigned i)
{
	struct vfs_proc *p = v->proc;
	struct task *t = &v->task[i];

	if (i >= p->nmounts)
		return NULL;
	if (v->lent || sit(p, i, t) != 0) {
		if (p->common_there)
			return common_lend(v, i);
		v->why = HANDED_NO_SEAT;
		v->full = i;
		return NULL;
	}
	v->used = t;
	if (t->count)
		v->foreign.count = &t->count->handed[p->passive ? HANDED_PASSIVE : HANDED_ELSEWHERE];
	v->seated |= 1u << i;
	return t;
}

void seats_take(struct vfs_thread *v)
{
	for (unsigned i = 0; i < v->proc->nmounts; i++)
		(void)!seat(v, i);
}

/* A thread with a directory of its own, whose clones would share it: that we do not follow. */
void vfs_thread_clone(struct vfs_thread *v)
{
	if (v->place == &v->own_place || !common_take(v->proc))
		go_passive(v);
	seats_return(v);
}

/* ---- Who ----------------------------------------------------------------------------- */

static uint32_t caps_of(uint32_t effective)
{
	static const struct {
		uint8_t cap;
		uint32_t fs;
	} table[] = {
	    {CAP_CHOWN, FS_CAP_CHOWN},
	    {CAP_DAC_OVERRIDE, FS_CAP_DAC_OVERRIDE},
	    {CAP_DAC_READ_SEARCH, FS_CAP_DAC_READ_SEARCH},
	    {CAP_FOWNER, FS_CAP_FOWNER},
	    {CAP_FSETID, FS_CAP_FSETID},
	    {CAP_SYS_ADMIN, FS_CAP_SYS_ADMIN},
	    {CAP_MKNOD, FS_CAP_MKNOD},
	    {CAP_SYS_RESOURCE, FS_CAP_SYS_RESOURCE},
	};
	uint32_t caps = 0;

	for (size_t i = 0; i < array_len(table); i++)
		if (effective >> table[i].cap & 1)
			caps |= table[i].fs;
	return caps;
}

#define ALL_GROUPS (NGROUPS_MAX * sizeof(gid_t))

void cred_drop(struct vfs_thread *v)
{
	if (v->all_groups)
		sys_munmap(v->all_groups, ALL_GROUPS);
	v->all_groups = NULL;
}

/* How many groups the thread is in, and which. */
static long read_groups(struct vfs_thread *v, const gid_t **groups)
{
	long n = sys_call3(SYS_getgroups, GROUPS, (long)v->groups, 0);

	*groups = v->groups;
	if (n != -EINVAL)
		return n;
	if (!v->all_groups) {
		gid_t *p = map_zeros(ALL_GROUPS);

		if (sys_is_err(p))
			return 0;
		v->all_groups = p;
	}
	*groups = v->all_groups;
	return sys_call3(SYS_getgroups, NGROUPS_MAX, (long)v->all_groups, 0);
}

static void read_cred(struct vfs_thread *v)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};
	const gid_t *groups;
	long n = read_groups(v, &groups);

	sys_call3(SYS_capget, (long)&head, (long)data, 0);
	v->real_uid = (uid_t)sys_call3(SYS_getuid, 0, 0, 0);
	v->real_gid = (gid_t)sys_call3(SYS_getgid, 0, 0, 0);
	v->cred = (struct fs_cred){
	    .uid = (uid_t)sys_call3(SYS_setfsuid, -1, 0, 0), /* changes nothing, and says what it is */
	    .gid = (gid_t)sys_call3(SYS_setfsgid, -1, 0, 0),
	    .groups = groups,
	    .ngroups = n > 0 ? (uint32_t)n : 0,
	    .caps = caps_of(data[0].effective),
	};
}

cold const struct fs_cred *cred_read(struct vfs_thread *v)
{
	read_cred(v);
	v->cred_epoch = ++v->cred_epochs ? v->cred_epochs : ++v->cred_epochs;
	return &v->cred;
}

/* Any of the calls that change who the thread is: made, and then looked at anew. */
HANDLER(call_cred)
{
	long ret = sys_call4(c->nr, c->a[0], c->a[1], c->a[2], c->a[3]);

	cred_read(v);
	return ret;
}

/* ---- Where --------------------------------------------------------------------------- */

HANDLER(call_umask)
{
	struct vfs_place *p = v->place;
	long old;

	local_lock(&p->umask_lock);
	p->umask = (uint32_t)c->a[0] & 0777;
	old = sys_call3(SYS_umask, c->a[0], 0, 0);
	local_unlock(&p->umask_lock);
	return old;
}

/* Where the kernel went: the name may have led elsewhere by then. False: into no store, or not into this one. */
static bool went_to(const struct vmount *m, fs_ino *ino)
{
	struct statx st;

	if (sys_call6(SYS_statx, AT_FDCWD, (long)"", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, (long)&st, 0) ||
	    dev_of_statx(&st) != m->dev)
		return false;
	*ino = (fs_ino)st.stx_ino;
	return true;
}

/*
 * The kernel goes there as well, what is passed to it starts from the same place: nobody who shares the place goes
 * elsewhere in between.
 */
static long go(struct vfs_thread *v, const struct vfs_call *c, int store, fs_ino ino)
{
	struct vfs_place *p = v->place;
	long ret;

	local_lock(&p->lock);
	ret = sys_call3(c->nr, c->a[0], c->a[1], 0);
	if (ret >= 0) {
		if (store >= 0 && !went_to(&v->proc->mount[store], &ino))
			store = -1;
		if (store < 0)
			find_cwd(p);
		p->store = store;
		p->ino = ino;
	}
	local_unlock(&p->lock);
	return ret;
}

/* The kernel would give the name that it knew; ours may have been changed since. */
HANDLER(call_getcwd)
{
	struct vfs_place *p = v->place;
	struct task *t = p->store < 0 ? NULL : seat(v, (unsigned)p->store);
	size_t size = (size_t)c->a[1], n = 0;
	long err;

	if (!t || v->proc->passive)
		return VFS_PASS;
	err = path_of_dir(v, &v->proc->mount[p->store], t, p->ino, v->path[0]);
	if (err)
		return err;
	while (v->path[0][n++])
		;
	if (n > size)
		return -ERANGE;
	return user_copy((void *)c->a[0], v->path[0], n) ? -EFAULT : (long)n;
}

/* A directory and umask of the thread's own can be followed; other name spaces cannot. */
HANDLER(call_unshare)
{
	struct vfs_place *p = v->place;
	long ret;

	if (c->a[0] != CLONE_FS || v->proc->passive)
		return call_passive(v, c);
	if (p == &v->own_place)
		return sys_call3(SYS_unshare, c->a[0], 0, 0);
	place_hold(p);
	ret = sys_call3(SYS_unshare, c->a[0], 0, 0);
	if (!ret) {
		v->own_place = *p;
		place_forked(&v->own_place);
		v->place = &v->own_place;
	}
	place_let_go(p);
	return ret;
}

HANDLER(call_chdir)
{
	struct where w;
	long err = locate(v, AT_FDCWD, (const char *)c->a[0], 0, 0, &w);

	if (err && err != VFS_PASS)
		return err;
	return go(v, c, err ? -1 : (int)w.store, err ? 0 : w.w.ino);
}

HANDLER(call_fchdir)
{
	int store = fd_store(v->proc, (int)c->a[0]), err;
	int64_t ino = 0;

	if (store >= 0)
		ino = fd_inode(v, (int)c->a[0], NULL);
	err = fd_make_real(v, (int)c->a[0]);
	return err ? err : go(v, c, store, (fs_ino)ino);
}
