/*
 * What a loader maps: values of arrays, rings. All of it lies in the world's
 * file, so it is mapped from there. The ring of a perf event is made when it is
 * mapped: only then its size is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/mman.h>

#include "agent/load.h"
#include "agent/mem.h"
#include "world/wake.h"
#include "base/atomic.h"
#include "base/sys.h"
#include "maps/perf.h"

#define PAGE 4096u

static agent_handler below_mmap;

static long map_world(const struct agent_regs *r, void *at, uint64_t len, uint64_t off, int flags)
{
	return (long)sys_mmap(at, len, (int)r->rdx, (int)r->r10 | flags, agent_world()->arena.pool.fd, (int64_t)off);
}

/* ---- Perf events ------------------------------------------------------------------------- */

/* Until there is a ring that gives it its name. */
static void early_path(uint32_t number, char path[WAKE_PATH])
{
	wake_path(agent_world(), (uint64_t)sys_getpid() << 32 | number << 1 | 1, path);
}

long load_ring_open(struct load_fd *f, unsigned long flags)
{
	static uint32_t numbers;
	char path[WAKE_PATH];
	long fd;

	f->event = fetch_add(&numbers, 1);
	f->ring = true;
	early_path(f->event, path);
	fd = load_fifo(path);
	if (fd >= (long)LOAD_FDS) {
		sys_close((int)fd);
		fd = -EMFILE;
	}
	if (fd < 0)
		return fd;
	if (!(flags & PERF_FLAG_FD_CLOEXEC))
		sys_fcntl((int)fd, F_SETFD, 0);
	load_set(fd, f);
	return fd;
}

static int make_ring(struct task *t, long fd, struct load_fd *f, uint64_t bytes, uint64_t *off)
{
	struct object o = {.kind = OBJECT_RING};
	char early[WAKE_PATH], path[WAKE_PATH];
	int id, err = perf_create(t, bytes, &o.off);

	if (err)
		return err;
	id = object_add(agent_world(), t, &o);
	if (id < 0) {
		(void)!arena_put(t, o.off);
		return id;
	}
	early_path(f->event, early);
	wake_path(agent_world(), o.off, path);
	sys_call3(SYS_rename, (long)early, (long)path, 0);
	f->id = (uint32_t)id;
	load_set(fd, f);
	*off = o.off;
	return 0;
}

static long map_perf(struct task *t, const struct agent_regs *r, struct load_fd *f)
{
	uint64_t len = (uint64_t)r->rsi, off;
	struct object o;
	int err;

	if (r->r9 || len <= PAGE || len % PAGE)
		return -EINVAL;
	if (f->id) {
		err = object_get(agent_world(), t, f->id, OBJECT_RING, &o);
		off = o.off;
		if (!err && arena_size(&agent_world()->arena.pool, off) < len)
			err = -EINVAL;
	} else {
		err = make_ring(t, (int)r->r8, f, len - PAGE, &off);
	}
	return err ? err : map_world(r, (void *)r->rdi, len, off, 0);
}

/* ---- Maps ---------------------------------------------------------------------------------- */

/* The kernel's rules: one side may write positions, and only its own. */
static bool may_write(const struct map *m, uint64_t at, uint64_t len)
{
	if (m->type == BPF_MAP_TYPE_RINGBUF)
		return at == 0 && len == PAGE;
	if (m->type == BPF_MAP_TYPE_USER_RINGBUF)
		return at != 0;
	return !(m->flags & BPF_F_RDONLY_PROG) || !m->frozen;
}

/* The data of a ring appears twice in a row: [0, once) of the file's, and then its last `again` bytes once more. */
static long map_twice(const struct agent_regs *r, uint64_t off, uint64_t at, uint64_t len, uint64_t once,
		      uint64_t again)
{
	uint64_t first = at < once ? min_of(len, once - at) : 0;
	char *p =
	    sys_mmap((void *)r->rdi, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | ((int)r->r10 & MAP_FIXED), -1, 0);
	long ret = 0;

	if (sys_is_err(p))
		return (long)p;
	if (first)
		ret = map_world(r, p, first, off + at, MAP_FIXED);
	if (ret >= 0 && first < len)
		ret = map_world(r, p + first, len - first, off + at + first - again, MAP_FIXED);
	if (ret >= 0)
		return (long)p;
	sys_munmap(p, len);
	return ret;
}

/* The map lies in the run at `run` of the file. */
static long map_map(const struct map *m, uint64_t run, const struct agent_regs *r)
{
	uint64_t off, bytes = map_mmap_bytes(m, &off);
	uint64_t len = round_up((uint64_t)r->rsi, PAGE), at = (uint64_t)r->r9;
	bool twice = m->type == BPF_MAP_TYPE_RINGBUF || m->type == BPF_MAP_TYPE_USER_RINGBUF;

	if (!bytes)
		return -ENODEV;
	if ((r->rdx & PROT_EXEC) || !(r->r10 & MAP_SHARED) || at % PAGE || at > bytes || len > bytes - at || !len)
		return -EINVAL;
	if ((r->rdx & PROT_WRITE) && !may_write(m, at, len))
		return -EPERM;
	if (twice)
		return map_twice(r, run + off, at, len, bytes - m->max_entries, m->max_entries);
	return map_world(r, (void *)r->rdi, len, run + off + at, 0);
}

static long handle_mmap(struct agent_thread *t, struct agent_regs *r)
{
	struct task *task;
	struct object o;
	struct load_fd f;
	const struct map *m;

	if ((r->r10 & MAP_ANONYMOUS) || !load_look((int)r->r8, &f))
		return below_mmap(t, r);
	task = load_task(t);
	if (!task)
		return -ENODEV;
	if (f.kind == LOAD_RING)
		return map_perf(task, r, &f);
	if (load_object(task, (int)r->r8, OBJECT_MAP, &o) != 0)
		return -ENODEV;
	if (f.denied) /* the kernel takes a shared mapping that can't be written for a private one */
		return (f.denied & LOAD_READ) || (r->rdx & PROT_WRITE) ? -EACCES : -EINVAL;
	m = map_at(&agent_world()->arena.pool, o.off);
	return m ? map_map(m, o.off, r) : -ENODEV;
}

void load_register_rings(void)
{
	below_mmap = agent_register(SYS_mmap, handle_mmap);
}
