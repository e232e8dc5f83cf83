/*
 * Batches: the kernel's loops over the single operations; hashes go chain by
 * chain, so that a position (the number of a chain) stays good while elements
 * come and go.
 */
#include "maps/hash.h"

static bool is_hash(const struct map *m)
{
	switch (m->type) {
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return true;
	default:
		return false;
	}
}

static bool is_array(const struct map *m)
{
	return m->type == BPF_MAP_TYPE_ARRAY || m->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static bool is_trie(const struct map *m)
{
	return m->type == BPF_MAP_TYPE_LPM_TRIE;
}

static char *user(uint64_t addr)
{
	return (char *)(uintptr_t)addr;
}

static int check_flags(const struct map *m, const union bpf_attr *attr)
{
	uint64_t flags = attr->batch.elem_flags;

	if ((flags & ~(uint64_t)BPF_F_LOCK) || (flags && m->spin_lock_off < 0))
		return -EINVAL;
	return 0;
}

/* Updates or deletes one after the other until one fails; how many went well is told in any case. */
static int change_each(struct task *t, struct map *m, int cmd, union bpf_attr *attr, bool *write_count)
{
	uint32_t n = attr->batch.count, bytes = map_value_bytes(m), k;
	int err = check_flags(m, attr);

	if (err || !n)
		return err;
	for (k = 0; k < n; k++) {
		const char *key = user(attr->batch.keys) + (uint64_t)k * m->key_size;

		if (cmd == BPF_MAP_DELETE_BATCH)
			err = map_delete(t, m, key);
		else
			err = map_update(t, m, key, user(attr->batch.values) + (uint64_t)k * bytes,
					 attr->batch.elem_flags);
		if (err)
			break;
	}
	attr->batch.count = k;
	*write_count = true;
	return err;
}

/* Goes from key to key. The position is the last key that was given out. */
static int look_each(struct task *t, struct map *m, union bpf_attr *attr, bool *write_count)
{
	uint64_t prev[MAP_KEY_MAX / 8], next[MAP_KEY_MAX / 8];
	uint32_t n = attr->batch.count, bytes = map_value_bytes(m), k = 0;
	bool have = attr->batch.in_batch != 0;
	int err = check_flags(m, attr);

	if (err || !n)
		return err;
	attr->batch.count = 0;
	*write_count = true;
	if (have && user_copy(prev, user(attr->batch.in_batch), m->key_size))
		return -EFAULT;
	while (k < n) {
		err = map_ops(m->type)->next(t, m, have ? prev : NULL, next);
		if (err)
			break;
		err = map_ops(m->type)->read(t, m, next, user(attr->batch.values) + (uint64_t)k * bytes,
					     attr->batch.elem_flags);
		if (!err && user_copy(user(attr->batch.keys) + (uint64_t)k * m->key_size, next, m->key_size))
			err = -EFAULT;
		if (err && err != -ENOENT)
			return err;
		k += err == 0;
		err = 0;
		mem_copy(prev, next, m->key_size);
		have = true;
	}
	attr->batch.count = k;
	if (k && user_copy(user(attr->batch.out_batch), prev, m->key_size))
		return -EFAULT;
	return err;
}

/* Chain by chain, whole chains only. */
static int look_chains(struct task *t, struct map *m, union bpf_attr *attr, bool remove, bool *write_count)
{
	uint32_t n = attr->batch.count, bytes = map_value_bytes(m), at = 0, total = 0;
	int err = check_flags(m, attr);

	if (!err && attr->batch.flags)
		err = -EINVAL;
	if (err || !n)
		return err;
	attr->batch.count = 0;
	*write_count = true;
	if (attr->batch.in_batch && user_copy(&at, user(attr->batch.in_batch), sizeof at))
		return -EFAULT;
	for (; at < m->nheads && !err; at++) {
		int64_t got = hash_chain_out(t, m, at, user(attr->batch.keys) + (uint64_t)total * m->key_size,
					     user(attr->batch.values) + (uint64_t)total * bytes, n - total,
					     attr->batch.elem_flags, remove);

		if (got == -ENOSPC)
			break;
		if (got < 0)
			return (int)got;
		total += (uint32_t)got;
	}
	if (at >= m->nheads)
		err = -ENOENT;
	else if (total == 0)
		err = -ENOSPC;
	if (user_copy(user(attr->batch.out_batch), &at, sizeof at))
		return -EFAULT;
	attr->batch.count = total;
	return err;
}

int map_batch(struct task *t, struct map *m, int cmd, union bpf_attr *attr, bool *write_count)
{
	bool look = cmd == BPF_MAP_LOOKUP_BATCH || cmd == BPF_MAP_LOOKUP_AND_DELETE_BATCH;

	*write_count = false;
	if (cmd != BPF_MAP_LOOKUP_BATCH && load_acquire(&m->frozen))
		return -EPERM;
	if (look && is_hash(m))
		return look_chains(t, m, attr, cmd != BPF_MAP_LOOKUP_BATCH, write_count);
	if (cmd == BPF_MAP_LOOKUP_BATCH && (is_array(m) || is_trie(m)))
		return look_each(t, m, attr, write_count);
	if ((cmd == BPF_MAP_UPDATE_BATCH && (is_hash(m) || is_array(m) || is_trie(m))) ||
	    (cmd == BPF_MAP_DELETE_BATCH && (is_hash(m) || is_trie(m))))
		return change_each(t, m, cmd, attr, write_count);
	return -MAP_ENOTSUPP;
}
