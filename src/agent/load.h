/*
 * The loader's side: in a program under `bt-fuse load`, bpf(2), perf_event_open(2)
 * and what surrounds them are answered here, from the world in shared memory.
 * Descriptors are real ones that hold a number: of a ring its FIFO (wake.h),
 * which epoll knows; of all else an empty sealed file. What they stand for is
 * in a table of the process.
 */
#pragma once

#include "agent/world.h"
#include "base/user.h"
#include "world/object.h"

#define LOAD_FDS 4096u

enum load_kind {
	LOAD_NONE,
	LOAD_OBJECT, /* program, map, link, BTF */
	LOAD_POINT,  /* perf event of a tracepoint */
	LOAD_RING,   /* perf event for output of programs */
};

enum load_access {
	LOAD_READ = 1,
	LOAD_WRITE = 2,
};

/* What a descriptor stands for. Copies made by dup have the same ids. */
struct load_fd {
	uint8_t kind;	/* enum load_kind */
	uint8_t object; /* enum object_kind, 0: none yet */
	bool ring;	/* a FIFO: somebody may sleep on it */
	uint8_t denied; /* of a map: enum load_access that it was opened without */
	uint32_t id;	/* object; of a point: its link, of a ring: the ring (0: not mapped yet) */
	uint32_t event; /* of a point */
	uint32_t prog;	/* of a point: what runs when it is enabled */
};

/*
 * `config`: "<socket>,<btf>": where programs are verified, and the file that is
 * the kernel's BTF here. Registers everything. The world is mapped.
 */
void load_start(const char *config);
/* Is this process a loader? */
bool load_active(void);

/* The task of the calling thread; NULL: no seat. */
struct task *load_task(struct agent_thread *t);

/* ---- loadfd.c ---------------------------------------------------------------- */

/* What descriptor `fd` stands for. False: nothing of ours. */
bool load_look(long fd, struct load_fd *out);
void load_set(long fd, const struct load_fd *f);
/* The object behind `fd`, which must be of `kind` (0: any). -EBADF, -EINVAL. */
int load_object(struct task *t, long fd, unsigned kind, struct object *out) must_check;
/* The map behind `fd`, for `access`: -EPERM where it was opened without. */
int load_map(struct task *t, long fd, unsigned access, struct object *out) must_check;
/*
 * A descriptor for an object that this process holds. Gives up the hold where
 * it fails. The number or -errno.
 */
long load_new(struct task *t, const struct object *o) must_check;
/*
 * What BPF_F_RDONLY and BPF_F_WRONLY among `flags` leave out, enum load_access;
 * -EINVAL: both are there, or (`only`) something else is.
 */
int load_denied(unsigned flags, bool only);
/* As load_new; of a map, without `denied`. */
long load_new_limited(struct task *t, const struct object *o, unsigned denied) must_check;
/* A descriptor that holds a number. */
long load_number(const char *name);
void load_register_fds(void);
/* Each descriptor of ours with `ring`. */
void load_each_ring(void (*f)(void *arg, long fd, const struct load_fd *e), void *arg);

/* fork, as agent_hooks has it: the child holds what its parent holds. */
long load_before_clone(struct agent_thread *parent, uint64_t flags);
void load_parent_cloned(struct agent_thread *parent, uint64_t flags, long pid);
void load_child_cloned(struct agent_thread *child, uint64_t flags);

/* ---- The calls ---------------------------------------------------------------- */

/* loadcall.c: bpf(2). */
long load_bpf(struct agent_thread *t, int cmd, void *uattr, unsigned size);

typedef long (*load_cmd)(struct task *t, union bpf_attr *attr, void *uattr);

/* loadmap.c */
long load_map_create(struct task *t, union bpf_attr *attr, void *uattr);
long load_map_lookup(struct task *t, union bpf_attr *attr, void *uattr);
long load_map_update(struct task *t, union bpf_attr *attr, void *uattr);
long load_map_delete(struct task *t, union bpf_attr *attr, void *uattr);
long load_map_next_key(struct task *t, union bpf_attr *attr, void *uattr);
long load_map_take(struct task *t, union bpf_attr *attr, void *uattr);
long load_map_freeze(struct task *t, union bpf_attr *attr, void *uattr);
long load_map_batch(struct task *t, int cmd, union bpf_attr *attr, void *uattr);

/* loadprog.c: programs and BTF, the connection to the server */
long load_prog_load(struct task *t, union bpf_attr *attr, void *uattr);
long load_bind_map(struct task *t, union bpf_attr *attr, void *uattr);
long load_btf_load(struct task *t, union bpf_attr *attr, void *uattr);
long load_prog_run(struct agent_thread *a, struct task *t, union bpf_attr *attr, void *uattr);
void load_prog_start(const char *socket);
void load_prog_forked(void);

/* loadlink.c */
long load_link_create(struct task *t, union bpf_attr *attr, void *uattr);
long load_link_update(struct task *t, union bpf_attr *attr, void *uattr);
long load_link_detach(struct task *t, union bpf_attr *attr, void *uattr);
long load_raw_open(struct task *t, union bpf_attr *attr, void *uattr);
/* A link of `prog` at `event`, found by the perf event `fd` (-1: by none); its id or -errno. */
int load_attach(struct task *t, unsigned type, const struct object *prog, uint32_t event, uint64_t cookie,
		long fd) must_check;
/* The inode behind a number; 0: there is none. */
uint64_t load_inode(long fd);

/* loadinfo.c */
long load_info(struct task *t, union bpf_attr *attr, void *uattr);
long load_next_id(struct task *t, unsigned kind, union bpf_attr *attr, void *uattr);
long load_by_id(struct task *t, unsigned kind, union bpf_attr *attr, void *uattr);
long load_pin(struct task *t, union bpf_attr *attr, void *uattr);
long load_task_fd(struct task *t, union bpf_attr *attr, void *uattr);
long load_unpinned(struct task *t, union bpf_attr *attr, void *uattr);

/* loadperf.c: perf_event_open, ioctl */
void load_register_perf(void);
/* Is it a perf event of the kernel's? */
bool load_kernel_event(long fd);
/* loadring.c: mmap of what is ours. loadsleep.c: sleeping on rings */
void load_register_rings(void);
void load_register_sleep(void);
/* A descriptor for the output of programs; its ring is made when it is mapped. */
long load_ring_open(struct load_fd *f, unsigned long flags);
/* Opens a FIFO under `name`; its reader is its writer too, so that it never sees an end. */
long load_fifo(const char *path);
/* loadpath.c: tracefs, the kernel's BTF, bpffs */
void load_register_paths(const char *btf);
/* Below bpffs: an absolute path without links; NULL: not there. */
const char *load_pin_path(const char *path);

/* Writes `n` bytes to a field of the program's attr. */
static inline long load_put(void *uattr, size_t off, const void *v, size_t n)
{
	return user_copy((char *)uattr + off, v, n) ? -14 /* EFAULT */ : 0;
}
