/*
 * Stack traces by a hash of their addresses: a bucket has one trace. Written
 * under the bucket's own lock word, the number of addresses last: a bucket
 * whose writer died is empty.
 */
#include "maps/trace.h"

#include "maps/jhash.h"

#define TRACE_FLAGS (BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_STACK_BUILD_ID)

struct bucket {
	uint64_t word;
	uint32_t hash;
	uint32_t nr; /* addresses; 0: empty */
	uint64_t ip[];
};

static int plan(const struct pool *p, const struct map_attr *a, struct map *m)
{
	uint32_t n = 1;

	if ((a->flags & ~(uint32_t)TRACE_FLAGS) || check_access_flags(a->flags) || !a->max_entries ||
	    a->key_size != 4 || a->value_size < 8 || a->value_size % 8)
		return -EINVAL;
	/* Addresses are all there is: no build ids without a walk through the caller's files. */
	if (a->flags & BPF_F_STACK_BUILD_ID)
		return -EOPNOTSUPP;
	if (a->value_size / 8 > TRACE_MAX)
		return -EINVAL;
	if (a->max_entries > 1u << 31)
		return -E2BIG;
	while (n < a->max_entries)
		n *= 2;
	m->nelems = n;
	m->stride = (uint32_t)sizeof(struct bucket) + a->value_size;
	m->values = plan_room(m, n, m->stride, 64);
	return 0;
}

static struct bucket *bucket_at(const struct map *m, uint32_t i)
{
	return map_ptr(m, m->values + (uint64_t)i * m->stride);
}

static bool is_same(const struct bucket *b, const uint64_t *ip, uint32_t nr, uint32_t hash, uint64_t flags)
{
	if (b->hash != hash)
		return false;
	return (flags & BPF_F_FAST_STACK_CMP) || (b->nr == nr && mem_equal(b->ip, ip, nr * sizeof *ip));
}

int64_t trace_put(struct task *t, struct map *m, const uint64_t *ip, uint32_t nr, uint64_t flags)
{
	uint32_t hash, id;
	struct bucket *b;
	int err;

	nr = min_of(nr, m->value_size / 8);
	hash = jhash_words(ip, nr * 2, 0);
	id = hash & (m->nelems - 1);
	b = bucket_at(m, id);
	err = fast_lock(t, &b->word);
	if (err)
		return err;
	if (b->nr && is_same(b, ip, nr, hash, flags)) {
		fast_unlock(t, &b->word, 0);
		return id;
	}
	if (b->nr && !(flags & BPF_F_REUSE_STACKID)) {
		fast_unlock(t, &b->word, 0);
		return -EEXIST;
	}
	store_relaxed(&b->nr, 0);
	fence_death();
	step(t);
	mem_copy(b->ip, ip, nr * sizeof *ip);
	b->hash = hash;
	fence_death();
	step(t);
	store_relaxed(&b->nr, nr);
	fast_unlock(t, &b->word, LOCK_VERSION);
	return id;
}

static uint32_t id_of(const void *key)
{
	return *(const uint32_t *)key;
}

static int read_value(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	uint32_t id = id_of(key), nr;
	struct bucket *b;
	uint64_t seq;
	int err;

	if (id >= m->nelems)
		return -ENOENT;
	b = bucket_at(m, id);
	do {
		err = seq_begin(t, &b->word, &seq);
		if (err)
			return err;
		nr = min_of(load_relaxed(&b->nr), m->value_size / 8);
		if (!nr)
			return -ENOENT;
		err = copy_out(value, b->ip, nr * 8);
		if (!err && user_zero((char *)value + nr * 8, m->value_size - nr * 8))
			err = -EFAULT;
	} while (!seq_valid(&b->word, seq));
	return err;
}

static int no_update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags, struct side s)
{
	return -EINVAL;
}

static int remove_key(struct task *t, struct map *m, const void *key)
{
	uint32_t id = id_of(key);
	struct bucket *b = bucket_at(m, id);
	int err;

	if (id >= m->nelems)
		return -E2BIG;
	err = fast_lock(t, &b->word);
	if (err)
		return err;
	err = b->nr ? 0 : -ENOENT;
	store_relaxed(&b->nr, 0);
	fast_unlock(t, &b->word, LOCK_VERSION);
	return err;
}

static int take(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	int err = read_value(t, m, key, value, flags), gone;

	if (err == -ENOENT)
		return err;
	gone = remove_key(t, m, key);
	return err ? err : gone;
}

static int next_key(struct task *t, struct map *m, const void *key, void *next)
{
	uint32_t id = 0;

	if (key) {
		id = id_of(key);
		id = id >= m->nelems || !load_relaxed(&bucket_at(m, id)->nr) ? 0 : id + 1;
	}
	while (id < m->nelems && !load_relaxed(&bucket_at(m, id)->nr))
		id++;
	if (id >= m->nelems)
		return -ENOENT;
	mem_copy(next, &id, sizeof id);
	return 0;
}

const struct map_ops trace_ops = {
    .plan = plan, .read = read_value, .update = no_update, .take = take, .remove = remove_key, .next = next_key};
