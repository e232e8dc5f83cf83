/*
 * Maps. A map is a run of pages in the world (arena.h) that begins with a
 * struct map; its offset there is its name: programs hold `base + off`.
 *
 * Two sides, as in the kernel:
 *	system calls	the functions below, with the kernel's flags, checks and
 *			error codes. `key` and `value` are the caller's memory and
 *			may be bad addresses (base/user.h): -EFAULT.
 *	programs	helper.h. A lookup yields the address of the value in the
 *			world; that memory stays the value of some element of this
 *			map until the map is destroyed.
 *
 * Any number of threads of any processes may be in all of these for one map
 * at once, and any of them can be killed at any instruction: the operation
 * then has happened or has not, and nobody waits longer than some ms.
 * Not to be entered from a signal handler that interrupted one of them.
 *
 * What a map holds on to (programs, maps, rings: *references*) is counted by
 * the layer above; here it is a number that is not 0.
 */
#pragma once

#include <linux/bpf.h>

#include "bpf/prog.h"
#include "maps/arena.h"

/* The kernel's own, which never leave it but here and there do. */
#define MAP_ENOTSUPP 524

struct map_attr {
	uint32_t type; /* enum bpf_map_type */
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	uint32_t flags;	       /* BPF_F_* */
	int32_t spin_lock_off; /* in the value, from BTF; -1: none */
	int32_t timer_off;     /* likewise */
	uint64_t extra;	       /* bpf_attr.map_extra */
	char name[BPF_OBJ_NAME_LEN];
	uint64_t inner; /* *_OF_MAPS: offset of the map that its maps must look like */
	/* The loader may lock and see: -EPERM from some types otherwise. Here everything is the user's own. */
};

/* The fixed part, at the start of the run. Constant once made, but for the words that say so. */
struct map {
	uint64_t magic;
	uint32_t type, key_size, value_size, max_entries, flags;
	int32_t spin_lock_off, timer_off;
	uint32_t frozen; /* atomic: 1: no system call changes it any more */
	uint64_t extra;
	uint64_t bytes;	     /* of the run */
	uint32_t value_len;  /* bytes of a value here: value_size, or 8 for a reference */
	uint32_t stride;     /* bytes from one value to the next */
	uint32_t ncpus;	     /* of a per-CPU map; else 1 */
	uint64_t cpu_stride; /* bytes from a value to that of the next CPU */
	uint64_t values;     /* offset in the map of the first value */
	struct map_shape {
		uint32_t type, key_size, value_size, max_entries, flags;
		int32_t spin_lock_off, timer_off;
	} inner; /* of a map of maps */
	char name[BPF_OBJ_NAME_LEN];
	uint32_t nelems; /* hashes, tries: elements that there is room for */
	uint32_t elem_bytes;
	uint32_t nstripes, nheads;	/* powers of two */
	uint64_t stripes, heads, elems; /* offsets in the map */
	uint32_t value_at;		/* in an element */
	uint32_t key_room;
	uint64_t secret;
	uint64_t own[8]; /* of the map's type: constant too */
	/* Changing words of the types that have few. */
	uint64_t word cache_aligned; /* lock word */
	uint64_t var[7];
	uint64_t fresh cache_aligned; /* hashes: elements from here on were never used (a hint that only grows) */
	uint64_t committed;	      /* bytes of elements that have memory; only grows */
	uint64_t hand;		      /* LRU: where the search for a victim goes on */
};

#define MAP_MAGIC 0x3150414d2d465442ull /* "BTF-MAP1" */

/*
 * Makes a map; its run is in the task's hand afterwards (arena_own). All the
 * kernel's checks of BPF_MAP_CREATE that do not concern descriptors: -EINVAL,
 * -E2BIG, -ENOMEM, -EPERM.
 */
int map_create(struct task *t, const struct map_attr *attr, uint64_t *off) must_check;
/*
 * Destroying is arena_disown() and arena_put(); what it holds on to is given
 * up by the caller before, in turns: the next reference from slot *at on, 0 at
 * the end. Nobody can get at the map any more but programs that still run.
 */
uint64_t map_next_ref(const struct map *m, uint32_t *at);

/* The map at `off`, or NULL where there is none. */
struct map *map_at(const struct pool *p, uint64_t off);

static inline uint64_t map_off(const struct pool *p, const struct map *m)
{
	return pool_off(p, m);
}

/* For the verifier and the compiler. `inner` is filled for a map of maps (info->inner points to it). */
void map_describe(const struct pool *p, const struct map *m, struct map_info *info, struct map_info *inner);
/* Bytes that a system call reads or writes as this map's value: of per-CPU maps, all CPUs' (8-aligned). */
uint32_t map_value_bytes(const struct map *m);
/* Does the kind of map `m` fit where `shape` is asked for? (inner maps) */
bool map_fits(const struct map *m, const struct map_shape *shape);
/* Map types whose values are references. */
bool map_holds_refs(const struct map *m);
/*
 * Bytes that mmap of the map's descriptor may have from offset 0, and *off
 * where they begin in the map; 0: none. Of the rings the last max_entries
 * bytes are those before once more (ring.h).
 */
uint64_t map_mmap_bytes(const struct map *m, uint64_t *off);

/* --- the system calls' side --- */

/* BPF_MAP_LOOKUP_ELEM: `flags` of the call (0, BPF_F_LOCK). Reference types: see map_get_ref. */
int map_lookup(struct task *t, struct map *m, const void *key, void *value, uint64_t flags) must_check;
int map_update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags) must_check;
int map_delete(struct task *t, struct map *m, const void *key) must_check;
/* `key` NULL: the first. -ENOENT: there is none after it. */
int map_next_key(struct task *t, struct map *m, const void *key, void *next) must_check;
int map_lookup_and_delete(struct task *t, struct map *m, const void *key, void *value, uint64_t flags) must_check;
int map_freeze(struct task *t, struct map *m) must_check;
/*
 * BPF_MAP_*_BATCH on the caller's attr (a copy): attr->batch.count is set for
 * the caller to hand out. `write_count`: false where the kernel leaves the
 * user's attr alone.
 */
int map_batch(struct task *t, struct map *m, int cmd, union bpf_attr *attr, bool *write_count) must_check;

/*
 * Types that hold references: sets slot or key to `ref`; what was there comes
 * back in *old (0: nothing) for the caller to give up. `flags` as update.
 */
int map_put_ref(struct task *t, struct map *m, const void *key, uint64_t ref, uint64_t flags, uint64_t *old) must_check;
/* 0 with *ref, or -ENOENT. */
int map_get_ref(struct task *t, struct map *m, const void *key, uint64_t *ref) must_check;
int map_drop_ref(struct task *t, struct map *m, const void *key, uint64_t *old) must_check;
/* TASK_STORAGE (its key is a thread's number, not a descriptor): deletes what dead threads have. By a timer. */
void map_storage_sweep(struct task *t, struct map *m);
/* The reference in slot `index` of an array type, for running programs: 0: none. */
static inline uint64_t map_slot(const struct map *m, uint32_t index)
{
	if (unlikely(index >= m->max_entries))
		return 0;
	return load_acquire((const uint64_t *)(const void *)((const char *)m + m->values) + index);
}

/* Walks the map's structure, while nobody else uses it: 0 or -EUCLEAN. */
int map_check(struct task *t, struct map *m);
