/*
 * The system calls' side: what bpf(2) checks before it comes to the kind of
 * map, in its order, and keys copied into this process.
 */
#include "maps/internal.h"

static int key_in(const struct map *m, const void *key, uint64_t *buf)
{
	if (m->key_size == 0)
		return key ? -EINVAL : 0;
	if (m->key_size > MAP_KEY_MAX)
		return -EINVAL;
	return user_copy(buf, key, m->key_size) ? -EFAULT : 0;
}

static int lock_flag_ok(const struct map *m, uint64_t flags)
{
	return (flags & BPF_F_LOCK) && m->spin_lock_off < 0 ? -EINVAL : 0;
}

static bool is_frozen(const struct map *m)
{
	return load_acquire(&m->frozen);
}

int map_lookup(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	const struct map_ops *ops = map_ops(m->type);
	const struct side s = {.user = true};
	uint64_t buf[MAP_KEY_MAX / 8];
	int err = flags & ~(uint64_t)BPF_F_LOCK ? -EINVAL : lock_flag_ok(m, flags);

	if (!err)
		err = key_in(m, key, buf);
	if (err)
		return err;
	if (ops->peek)
		return ops->peek(t, m, value, s);
	return ops->read ? ops->read(t, m, buf, value, flags) : -MAP_ENOTSUPP;
}

/* The kernel copies the value before it looks at anything else: a bad address is what a failed call says first. */
static int value_fault(const struct map *m, const void *value, int err)
{
	uint32_t left = map_value_bytes(m);
	const char *at = value;
	uint8_t buf[256];

	while (err && left) {
		uint32_t n = min_of(left, (uint32_t)sizeof buf);

		if (user_copy(buf, at, n))
			return -EFAULT;
		at += n;
		left -= n;
	}
	return err;
}

int map_update(struct task *t, struct map *m, const void *key, const void *value, uint64_t flags)
{
	const struct map_ops *ops = map_ops(m->type);
	const struct side s = {.user = true};
	uint64_t buf[MAP_KEY_MAX / 8];
	int err = is_frozen(m) ? -EPERM : lock_flag_ok(m, flags);

	if (!err)
		err = key_in(m, key, buf);
	if (err)
		return err;
	if (ops->push)
		err = ops->push(t, m, value, flags, s);
	else
		err = ops->update ? ops->update(t, m, buf, value, flags, s) : -EINVAL;
	return value_fault(m, value, err);
}

int map_delete(struct task *t, struct map *m, const void *key)
{
	const struct map_ops *ops = map_ops(m->type);
	uint64_t buf[MAP_KEY_MAX / 8];
	int err = is_frozen(m) ? -EPERM : key_in(m, key, buf);

	if (err)
		return err;
	return ops->remove ? ops->remove(t, m, buf) : -EINVAL;
}

int map_next_key(struct task *t, struct map *m, const void *key, void *next)
{
	const struct map_ops *ops = map_ops(m->type);
	uint64_t buf[MAP_KEY_MAX / 8], out[MAP_KEY_MAX / 8];
	int err = key ? key_in(m, key, buf) : 0;

	if (err)
		return err;
	if (!ops->next)
		return -MAP_ENOTSUPP;
	err = ops->next(t, m, key ? buf : NULL, out);
	return err ? err : copy_out(next, out, m->key_size);
}

int map_lookup_and_delete(struct task *t, struct map *m, const void *key, void *value, uint64_t flags)
{
	const struct map_ops *ops = map_ops(m->type);
	const struct side s = {.user = true};
	uint64_t buf[MAP_KEY_MAX / 8];
	int err = flags & ~(uint64_t)BPF_F_LOCK ? -EINVAL : is_frozen(m) ? -EPERM : 0;

	if (!err && flags && ops->pop)
		err = -EINVAL;
	if (!err)
		err = lock_flag_ok(m, flags);
	if (!err)
		err = key_in(m, key, buf);
	if (err)
		return err;
	if (ops->pop)
		return ops->pop(t, m, value, s);
	return ops->take ? ops->take(t, m, buf, value, flags) : -MAP_ENOTSUPP;
}

int map_freeze(struct task *t, struct map *m)
{
	uint32_t no = 0;

	if (m->timer_off >= 0)
		return -MAP_ENOTSUPP;
	return cas(&m->frozen, &no, 1) ? 0 : -EPERM;
}
