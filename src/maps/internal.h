/*
 * What the files of maps/ share: locks on the fast path, copies for either
 * side, and the operations of each kind of map.
 */
#pragma once

#include <errno.h>

#include "base/mem.h"
#include "base/user.h"
#include "maps/map.h"

#define MAP_KEY_MAX 512u /* of hashes, as in the kernel (its stack of a program) */

/* Who calls: a system call (bad addresses are possible, per-CPU values come for all CPUs), or a program. */
struct side {
	bool user;
	bool zero;    /* no value is given: zeros */
	uint32_t cpu; /* of a program: whose value */
};

static inline int copy_in(struct side s, void *dst, const void *src, size_t n)
{
	if (s.user)
		return user_copy(dst, src, n) ? -EFAULT : 0;
	if (s.zero)
		mem_zero(dst, n);
	else
		mem_copy(dst, src, n);
	return 0;
}

static inline int copy_out(void *dst, const void *src, size_t n)
{
	return user_copy(dst, src, n) ? -EFAULT : 0;
}

/*
 * Lock words of maps. The same words and the same slot as lock_acquire's, so
 * that whoever finds the owner dead breaks them; but without the gate for
 * pool_freeze, and the release is a plain store where nobody is seen to sleep.
 * Who begins to sleep in just that moment wakes up by its own patience.
 */
static inline int fast_lock(struct task *t, uint64_t *word)
{
	struct task_slot *s = t->slot;
	uint32_t n = s->nheld;
	uint64_t w = load_relaxed(word);

	check(n < TASK_HELD);
	step(t);
	store_relaxed(&s->held[n], pool_off(t->pool, word));
	fence_death();
	store_relaxed(&s->nheld, n + 1);
	fence_death();
	if (likely(!(w & (LOCK_OWNER | LOCK_WAITERS))) && likely(cas(word, &w, w | t->id)))
		return 0;
	store_relaxed(&s->nheld, n);
	return lock_acquire_past_freeze(t, word);
}

/* -EAGAIN: somebody has it. */
static inline int fast_trylock(struct task *t, uint64_t *word)
{
	struct task_slot *s = t->slot;
	uint32_t n = s->nheld;
	uint64_t w = load_relaxed(word);

	if (w & LOCK_OWNER)
		return -EAGAIN;
	step(t);
	store_relaxed(&s->held[n], pool_off(t->pool, word));
	fence_death();
	store_relaxed(&s->nheld, n + 1);
	fence_death();
	if (cas(word, &w, (w & ~LOCK_WAITERS) | t->id))
		return 0;
	store_relaxed(&s->nheld, n);
	return -EAGAIN;
}

/* Releases `word`, which was taken last. */
static inline void fast_unlock(struct task *t, uint64_t *word, uint64_t changed)
{
	struct task_slot *s = t->slot;
	uint64_t w = load_relaxed(word);

	if (unlikely(w & LOCK_WAITERS)) {
		lock_release(t, changed);
		return;
	}
	step(t);
	store_release(word, (w & ~LOCK_OWNER) + changed);
	fence_death();
	store_release(&s->nheld, s->nheld - 1);
}

/* Bytes of one value as it lies in the map and in per-CPU buffers. */
static inline uint32_t value_room(const struct map *m)
{
	return round_up(m->value_len, 8);
}

static inline void *map_ptr(const struct map *m, uint64_t off)
{
	return (char *)(uintptr_t)m + off;
}

/* value.c: values with fields that only helpers touch (spin lock, timer), which copies leave alone. */
int value_in(struct side s, const struct map *m, void *dst, const void *src) must_check;
int value_out(const struct map *m, void *dst, const void *src) must_check;
/* Under the spin lock of the value, undone if the writer dies. */
int value_in_locked(struct task *t, const struct map *m, void *dst, const void *src) must_check;
int value_out_locked(struct task *t, const struct map *m, void *dst, const void *src) must_check;
/* The lock word behind the spin lock at this address. */
uint64_t *spin_word(const struct pool *p, const void *lock);
/* BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK: -EINVAL where they do not fit the map. */
int check_update_flags(const struct map *m, uint64_t flags) must_check;
/* BPF_F_RDONLY and its like exclude each other. */
bool check_access_flags(uint32_t flags);
#define MAP_ALLOC_MAX (0x400000u - 64) /* what the kernel can allocate for one value */

/*
 * The operations of a kind of map. `key` is in this process's own memory and
 * as long as the map's keys; `value` is the caller's.
 */
struct map_ops {
	/* The kernel's checks, and the layout: sets m->bytes and all offsets. */
	int (*plan)(const struct pool *p, const struct map_attr *a, struct map *m);
	/* Fills a map whose fixed part stands. NULL: zeros are right. */
	int (*fill)(struct task *t, struct map *m);
	/* For programs: the value of CPU `cpu`, or NULL. */
	void *(*find)(struct task *t, struct map *m, const void *key, uint32_t cpu);
	/* For system calls: 0, -ENOENT... */
	int (*read)(struct task *t, struct map *m, const void *key, void *value, uint64_t flags);
	int (*update)(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags, struct side s);
	int (*remove)(struct task *t, struct map *m, const void *key);
	int (*take)(struct task *t, struct map *m, const void *key, void *value, uint64_t flags);
	int (*next)(struct task *t, struct map *m, const void *key, void *next);
	int (*push)(struct task *t, struct map *m, const void *value, uint64_t flags, struct side s);
	int (*pop)(struct task *t, struct map *m, void *value, struct side s);
	int (*peek)(struct task *t, struct map *m, void *value, struct side s);
	/* Calls back for each element: how many were visited. */
	int64_t (*each)(struct task *t, struct map *m, uint32_t cpu,
			bool (*visit)(void *arg, const void *key, void *value), void *arg);
	/* Repairs what the dead left, then verifies. Nobody else is there. */
	int (*verify)(struct task *t, struct map *m);
};

/* Numbers of helpers that are ours alone: for keys of 4 bytes, and one on for 8. */
enum fast {
	FAST_LOOKUP = 224,
	FAST_LOOKUP_CPU = 226,
	FAST_UPDATE = 228,
	FAST_DELETE = 230,
};
void hash_describe(const struct map *m, struct map_info *info);

/* NULL: no such type here. */
const struct map_ops *map_ops(uint32_t type);

/* Task storage: a thread's value, made if it is not there; `value` NULL: zeros. */
int map_storage_make(struct task *t, struct map *m, uint32_t tid, const void *value) must_check;

extern const struct map_ops array_ops, percpu_array_ops, hash_ops, percpu_hash_ops, lru_hash_ops, lru_percpu_hash_ops,
    queue_ops, stack_ops, bloom_ops, ring_ops, user_ring_ops, fd_array_ops, array_of_maps_ops, hash_of_maps_ops,
    trie_ops, trace_ops, storage_ops;

/* Room for `n` things of `size` bytes behind what the map has so far, from a multiple of `align` on. */
static inline uint64_t plan_room(struct map *m, uint64_t n, uint64_t size, uint64_t align)
{
	uint64_t at = round_up(m->bytes, align);

	m->bytes = at + n * size;
	return at;
}
