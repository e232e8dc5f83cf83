/*
 * Values: bytes that programs and system calls copy in and out. Two kinds of
 * fields are not the copier's: a spin lock and a timer keep what they have,
 * and read as zeros.
 *
 * A spin lock's word in the value stays 0. Behind it stands one of the world's
 * lock words, found by the value's place: it knows its owner, so that a lock
 * whose holder was killed is free again. Two values may share one; a program
 * holds one spin lock at a time, so that is no more than waiting.
 */
#include "maps/internal.h"

#define SPIN_BYTES 4u
#define TIMER_BYTES 16u

uint64_t *spin_word(const struct pool *p, const void *lock)
{
	uint64_t at = pool_off(p, lock) / 4;

	return &arena_ctl(p)->spin[(at * 0x9e3779b97f4a7c15u) >> 32 & (ARENA_SPINS - 1)].word;
}

int check_update_flags(const struct map *m, uint64_t flags)
{
	if ((flags & ~(uint64_t)BPF_F_LOCK) > BPF_EXIST)
		return -EINVAL;
	if ((flags & BPF_F_LOCK) && m->spin_lock_off < 0)
		return -EINVAL;
	return 0;
}

bool check_access_flags(uint32_t flags)
{
	const uint32_t sys = BPF_F_RDONLY | BPF_F_WRONLY, prog = BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG;

	return (flags & sys) == sys || (flags & prog) == prog;
}

/* The bytes [from, to) of the value that are the copier's, from `at` on: false at the end. */
static bool next_piece(const struct map *m, uint32_t *from, uint32_t *to)
{
	uint32_t at = *to;

	for (int k = 0; k < 2; k++) {
		if (m->spin_lock_off >= 0 && at == (uint32_t)m->spin_lock_off)
			at += SPIN_BYTES;
		if (m->timer_off >= 0 && at == (uint32_t)m->timer_off)
			at += TIMER_BYTES;
	}
	*from = at;
	*to = m->value_size;
	if (m->spin_lock_off >= 0 && at < (uint32_t)m->spin_lock_off)
		*to = min_of(*to, (uint32_t)m->spin_lock_off);
	if (m->timer_off >= 0 && at < (uint32_t)m->timer_off)
		*to = min_of(*to, (uint32_t)m->timer_off);
	return at < m->value_size;
}

static bool is_plain(const struct map *m)
{
	return m->spin_lock_off < 0 && m->timer_off < 0;
}

int value_in(struct side s, const struct map *m, void *dst, const void *src)
{
	uint32_t from, to = 0;
	int err = 0;

	if (likely(is_plain(m)))
		return copy_in(s, dst, src, m->value_len);
	while (!err && next_piece(m, &from, &to))
		err = copy_in(s, (char *)dst + from, (const char *)src + from, to - from);
	return err;
}

int value_out(const struct map *m, void *dst, const void *src)
{
	uint32_t from, to = 0;
	int err;

	if (likely(is_plain(m)))
		return copy_out(dst, src, m->value_len);
	err = user_zero(dst, m->value_size) ? -EFAULT : 0;
	while (!err && next_piece(m, &from, &to))
		err = copy_out((char *)dst + from, (const char *)src + from, to - from);
	return err;
}

/* A word of 1 to 8 bytes at a time through the undo log; a value too large for it is copied as it is. */
static int bytes_in_undoable(struct task *t, char *dst, const char *src, uint32_t n)
{
	while (n > 0) {
		uint32_t room = txn_room(t) * 8;
		uint8_t buf[64];
		uint32_t k = min_of(n, (uint32_t)sizeof buf);

		if (user_copy(buf, src, k))
			return -EFAULT;
		if (room < sizeof buf * 8)
			mem_copy(dst, buf, k);
		else
			for (uint32_t i = 0; i < k; i++)
				txn_set(t, (uint8_t *)dst + i, buf[i]);
		dst += k;
		src += k;
		n -= k;
	}
	return 0;
}

int value_in_locked(struct task *t, const struct map *m, void *dst, const void *src)
{
	uint32_t from, to = 0;
	int err;

	txn_begin(t);
	err = txn_lock(t, spin_word(t->pool, (char *)dst + m->spin_lock_off));
	while (!err && next_piece(m, &from, &to))
		err = bytes_in_undoable(t, (char *)dst + from, (const char *)src + from, to - from);
	return err ? txn_abort(t, err) : txn_commit(t);
}

int value_out_locked(struct task *t, const struct map *m, void *dst, const void *src)
{
	uint64_t *word = spin_word(t->pool, (const char *)src + m->spin_lock_off);
	int err = fast_lock(t, word);

	if (err)
		return err;
	err = value_out(m, dst, src);
	fast_unlock(t, word, 0);
	return err;
}
