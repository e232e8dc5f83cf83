/*
 * Clearing up after processes that died, and giving memory back.
 *
 * client_bury (shm/task.h) has done what others wait for: undone the dead
 * tasks' transactions and released their locks. What is left has time: the open
 * files of the dead client are closed, the hands of its tasks settled, its seat
 * freed. Whoever does that holds the dead client's life lock, so that only one
 * process does it, and another can go on if that one dies too.
 */
#include "fs/internal.h"
#include "fs/open.h"
#include "metrics/count.h"

/* Becomes each zombie task in turn and settles its hand. */
static void settle_zombies(struct task *t)
{
	for (uint32_t i = 0; i < task_slots_used(t->pool); i++) {
		struct task heir;

		if (seat_state(load_acquire(&task_slot(t->pool, i)->seat)) != SLOT_ZOMBIE || !task_inherit(t, i, &heir))
			continue;
		hand_settle(&heir);
		task_detach(&heir);
	}
}

/* Does client `i` stand in the table without a process behind it? */
static bool is_dead(struct pool *pool, uint32_t i)
{
	uint32_t state = load_acquire(&client_slot(pool, i)->state);

	return i != pool->client && (state == SLOT_LIVE || state == SLOT_EMBRYO) && !client_alive(pool, i);
}

static int clear_up(struct task *t, uint32_t i)
{
	struct pool *pool = t->pool;
	uint64_t kernel = i + 1;
	int err = 0;

	client_bury(t, i); /* before the life lock: with it the dead looks alive to other processes */
	if (client_trylock(pool, i) != 0)
		return 0;
	/* An embryo's child may have come just now: then the lock was not to be had. */
	if (load_acquire(&client_slot(pool, i)->state) != SLOT_FREE) {
		client_bury(t, i); /* again: it may have looked alive while somebody else tried the life lock */
		err = open_drop_all(t, i);
		cas(&pool_header(pool)->kernel_client, &kernel, 0);
		if (!err)
			err = client_free(t, i);
		fetch_add(&metrics_shared(pool)->deaths, 1);
	}
	client_unlock(pool, i);
	return err == 0;
}

int fs_reap_dead(struct task *t)
{
	int n = 0;

	for (uint32_t i = 0; i < POOL_CLIENTS; i++)
		if (is_dead(t->pool, i))
			n += clear_up(t, i);
	settle_zombies(t);
	return n;
}

/* Lets go what the kernel referred to. */
static void forget_one(struct task *t, struct inode *i)
{
	/* The root is marked without being counted, and so is a directory of which only names were asked. */
	if (load_relaxed(&i->kref) || load_relaxed(&i->marks) % MARK_COUNT || is_dir(load_relaxed(&i->mode)))
		fs_forget(t, inode_number(fs_of(t), i), UINT64_MAX);
}

int fs_forget_all(struct task *t)
{
	const struct fs *fs = fs_of(t);
	uint32_t pages = min_of(load_relaxed(&fs->inodes.ctl->frontier), fs->inodes.npages);

	for (uint32_t p = 0; p < pages; p++) {
		uint64_t used = ~load_relaxed(&fs->inodes.pages[p].free);

		for (; used; used &= used - 1) {
			struct inode *i = inode_at(fs, p * SLAB_UNITS + (uint32_t)__builtin_ctzll(used));

			if (i)
				forget_one(t, i);
		}
	}
	return 0;
}

int64_t fs_trim(struct task *t, uint64_t keep)
{
	const struct fs *fs = fs_of(t);
	int64_t blocks = blocks_trim(t, &fs->blocks, keep);
	int64_t cells = slab_trim(t, &fs->cells);
	int64_t inodes = slab_trim(t, &fs->inodes);

	if (blocks < 0 || cells < 0 || inodes < 0)
		return blocks < 0 ? blocks : cells < 0 ? cells : inodes;
	return blocks + cells + inodes;
}

static uint64_t pool_memory(const struct pool *pool)
{
	struct stat st = {0};

	sys_call3(SYS_fstat, pool->fd, (long)&st, 0);
	return (uint64_t)st.st_blocks * 512;
}

static void count_seats(const struct fs *fs, struct fs_stats *out)
{
	for (uint32_t i = 0; i < POOL_CLIENTS; i++) {
		if (load_relaxed(&client_slot(&fs->pool, i)->state) == SLOT_FREE)
			continue;
		out->clients++;
		out->opens += open_each(fs, i, NULL, NULL);
	}
	for (uint32_t i = 0; i < task_slots_used(&fs->pool); i++)
		out->tasks += seat_state(load_relaxed(&task_slot(&fs->pool, i)->seat)) == SLOT_LIVE;
}

/* Runs of free blocks, among the chunks that were ever used. */
static void count_runs(const struct blocks *b, struct fs_runs *out)
{
	uint32_t nchunks = min_of(load_relaxed(&b->ctl->frontier), b->nchunks);
	uint64_t len = 0;

	*out = (struct fs_runs){0};
	for (uint32_t i = 1; i < min_of((uint64_t)nchunks * CHUNK_BLOCKS, b->nblocks); i++) {
		if (i % 64 == 0 && load_relaxed(&b->chunks[i / CHUNK_BLOCKS].free[i / 64 % CHUNK_WORDS]) == 0) {
			len = 0; /* all in use */
			i += 63;
			continue;
		}
		len = block_in_use(b, i) ? 0 : len + 1;
		out->runs += len == 1;
		out->longest = max_of(out->longest, len);
	}
	out->untouched = b->nblocks - min_of((uint64_t)nchunks * CHUNK_BLOCKS, b->nblocks);
}

void fs_runs(const struct fs *fs, struct fs_runs *out)
{
	count_runs(&fs->blocks, out);
}

int fs_statfs(struct task *t, struct fs_stats *out)
{
	fs_stats(fs_of(t), out);
	return 0;
}

void fs_stats(const struct fs *fs, struct fs_stats *out)
{
	uint64_t units = (uint64_t)fs->inodes.npages * SLAB_UNITS - 1;

	*out = (struct fs_stats){
	    .blocks = fs->blocks.nblocks - 1,
	    .blocks_free = fs->blocks.nblocks - min_of(blocks_used(&fs->blocks), fs->blocks.nblocks),
	    .inodes = units,
	    .inodes_free = units + 1 - min_of(slab_used(&fs->inodes), units + 1),
	    .memory = pool_memory(&fs->pool),
	    .longest_wait = load_relaxed(&pool_header(&fs->pool)->longest_wait),
	    .rollbacks = load_relaxed(&pool_header(&fs->pool)->rollbacks),
	};
	for (unsigned k = 0; k < sizeof out->name - 1; k++)
		out->name[k] = pool_header(&fs->pool)->name[k];
	count_seats(fs, out);
}
