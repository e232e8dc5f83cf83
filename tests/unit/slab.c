/* Slabs and blocks: what is handed out, what comes back, what is found wrong. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "unit.h"

#define CELLS (2ull << 60) /* tags of hand items */
#define BLOCKS (3ull << 60)

static struct task *t = &unit.t;

/* Out of the hand, as whoever links it would do. */
static void let_hang(void)
{
	txn_begin(t);
	must(txn_lock_own(t));
	hand_take(t, t->slot->nhand - 1);
	must(txn_commit_quiet(t));
}

static void into_hand(uint64_t item)
{
	txn_begin(t);
	must(txn_lock_own(t));
	hand_push(t, item);
	must(txn_commit_quiet(t));
}

static void free_cells(uint32_t i, uint32_t n)
{
	into_hand(CELLS | (uint64_t)n << 40 | i);
	must(slab_put(t, &unit.fs.cells, i, n));
}

static void whole(void)
{
	struct slab_fault s = {0};
	struct blocks_fault b = {0};

	assert_int_equal(slab_check(&unit.fs.cells, &s), 0);
	assert_int_equal(slab_check(&unit.fs.inodes, &s), 0);
	assert_int_equal(blocks_check(&unit.fs.blocks, &b), 0);
}

static void slab_rows(void **state)
{
	const struct slab *s = &unit.fs.cells;
	uint32_t at[9][20];
	uint64_t before = slab_used(s);

	(void)state;
	for (uint32_t n = 1; n <= 8; n++)
		for (int k = 0; k < 20; k++) {
			must(slab_take(t, s, n, CELLS, &at[n][k]));
			let_hang();
			assert_non_null(slab_at(s, at[n][k], n)); /* on one page */
			for (uint32_t j = 0; j < n; j++)
				assert_true(slab_in_use(s, at[n][k] + j));
			whole();
		}
	assert_int_equal(slab_used(s) - before, 20 * 36);
	for (uint32_t n = 8; n >= 1; n--)
		for (int k = 0; k < 20; k++) {
			free_cells(at[n][k], n);
			whole();
		}
	assert_int_equal(slab_used(s), before);
}

/* Every unit there is, by two tasks in different arenas; each once. */
static void slab_exhausts(void **state)
{
	const struct slab *s = &unit.fs.cells;
	uint32_t total = s->npages * SLAB_UNITS - 1, n = 0, i;
	unsigned char *seen = calloc(total + 1, 1);

	(void)state;
	while (slab_take(t, s, 1, CELLS, &i) == 0) {
		let_hang();
		assert_false(seen[i]);
		seen[i] = 1;
		n++;
		t->arena = n * 7 % 5;
	}
	assert_int_equal(n, total);
	assert_int_equal(slab_take(t, s, 1, CELLS, &i), -ENOSPC);
	whole();
	free_cells(total / 2, 1);
	t->arena = 15; /* steals from the arena that has it */
	must(slab_take(t, s, 1, CELLS, &i));
	let_hang();
	assert_int_equal(i, total / 2);
	assert_int_equal(slab_take(t, s, 2, CELLS, &i), -ENOSPC);
	for (i = 1; i <= total; i++)
		free_cells(i, 1);
	assert_int_equal(slab_used(s), 1);
	whole();
	free(seen);
}

static void slab_gives_memory_back(void **state)
{
	const struct slab *s = &unit.fs.cells;
	enum { N = 40 * SLAB_UNITS };
	static uint32_t at[N];
	struct fs_stats most, least;

	(void)state;
	for (int k = 0; k < N; k++) {
		must(slab_take(t, s, 1, CELLS, &at[k]));
		let_hang();
	}
	must(fs_statfs(t, &most));
	for (int k = 0; k < N; k++)
		free_cells(at[k], 1);
	assert_true(slab_trim(t, s) >= 30 * SLAB_UNITS * 64);
	must(fs_statfs(t, &least));
	assert_true(most.memory - least.memory >= 30 * SLAB_UNITS * 64);
	whole();
	must(slab_take(t, s, 1, CELLS, &at[0]));
	let_hang();
	free_cells(at[0], 1);
}

static void slab_finds_damage(void **state)
{
	struct slab_ctl *c = unit.fs.cells.ctl;
	struct slab_page *p = &unit.fs.cells.pages[0];
	struct slab_fault f;

	(void)state;
#define FOUND(word, value)                                                                                             \
	do {                                                                                                           \
		__typeof__(word) was = (word);                                                                         \
		(word) = (__typeof__(word))(value);                                                                    \
		assert_int_equal(slab_check(&unit.fs.cells, &f), -EUCLEAN);                                            \
		assert_non_null(f.what);                                                                               \
		(word) = was;                                                                                          \
		whole();                                                                                               \
	} while (0)
	FOUND(p->free, p->free ^ 8);
	FOUND(p->arena, 3);
	FOUND(p->arena, 77);
	FOUND(p->next, 1);
	FOUND(p->committed, 0);
	FOUND(c->frontier, 1u << 30);
	FOUND(c->arena[0].used, 5);
	FOUND(c->arena[0].empty, 1);
	FOUND(c->arena[0].partial, 0);
	FOUND(c->arena[4].partial, 1);
	FOUND(c->free, 1);
#undef FOUND
	assert_int_equal(slab_put(t, &unit.fs.cells, 5, 1), -EUCLEAN); /* freed twice */
}

/* ---- blocks ----------------------------------------------------------------------- */

static void free_blocks(uint32_t start, uint32_t n)
{
	into_hand(BLOCKS | (uint64_t)n << 40 | start);
	while (must(blocks_put(t, &unit.fs.blocks)) == 1)
		;
}

static uint32_t take_blocks(uint32_t want, uint32_t hint, uint32_t *len)
{
	uint32_t start;

	must(blocks_take(t, &unit.fs.blocks, want, hint, BLOCKS, &start, len));
	let_hang();
	return start;
}

static void blocks_runs(void **state)
{
	uint32_t len, more, a = take_blocks(100, 0, &len), b;

	(void)state;
	assert_int_equal(len, 100);
	b = take_blocks(50, a + 100, &more); /* goes on where the first one ended */
	assert_int_equal(b, a + 100);
	assert_int_equal(more, 50);
	free_blocks(a, 100);
	whole();
	assert_int_equal(take_blocks(60, 0, &len), a); /* used again before fresh ones */
	free_blocks(a, 60);
	free_blocks(b, 50);
	assert_int_equal(blocks_used(&unit.fs.blocks), 1);
	whole();
}

static void blocks_long_run(void **state)
{
	uint32_t start = 0, at = 0, len, sum = 0;

	(void)state;
	for (int k = 0; sum < 5 * CHUNK_BLOCKS; k++) {
		uint32_t got = take_blocks(4096, at, &len);

		if (k == 0)
			start = got;
		else if (sum >= CHUNK_BLOCKS)
			assert_int_equal(got, at); /* one after the other, over chunks too */
		at = got + len;
		sum += len;
	}
	assert_true(sum >= 5 * CHUNK_BLOCKS);
	free_blocks(start, sum); /* one item over several chunks */
	assert_int_equal(blocks_used(&unit.fs.blocks), 1);
	whole();
}

static void blocks_exhaust(void **state)
{
	const struct blocks *b = &unit.fs.blocks;
	unsigned char *seen = calloc(b->nblocks, 1);
	uint32_t start, len, sum = 0;

	(void)state;
	for (uint32_t want = 1; blocks_take(t, b, want, 0, BLOCKS, &start, &len) == 0; want = want % 300 + 7) {
		let_hang();
		for (uint32_t i = start; i < start + len; i++) {
			assert_true(i > 0 && i < b->nblocks && !seen[i]);
			seen[i] = 1;
		}
		sum += len;
		t->arena = sum % 3;
	}
	assert_int_equal(sum, b->nblocks - 1); /* to the last one */
	whole();
	free_blocks(77, 1);
	t->arena = 9;
	assert_int_equal(take_blocks(10, 0, &len), 77);
	assert_int_equal(len, 1);
	free_blocks(1, b->nblocks - 1);
	assert_int_equal(blocks_used(b), 1);
	whole();
	free(seen);
}

static void blocks_give_memory_back(void **state)
{
	struct fs_stats most, least;
	uint32_t len, start = take_blocks(400, 0, &len);

	(void)state;
	assert_int_equal(len, 400);
	must(fs_statfs(t, &most));
	free_blocks(start, len);
	assert_true(blocks_trim(t, &unit.fs.blocks, 0) >= 380 * 4096);
	must(fs_statfs(t, &least));
	assert_true(most.memory - least.memory >= 380 * 4096);
	assert_true(blocks_trim(t, &unit.fs.blocks, 0) == 0);
	start = take_blocks(400, 0, &len);
	free_blocks(start, len);
	assert_true(blocks_trim(t, &unit.fs.blocks, 1u << 20) <= 400 * 4096 - (1 << 20) + 65536);
	whole();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    UNIT(slab_rows),   UNIT(slab_exhausts),   UNIT(slab_gives_memory_back), UNIT(slab_finds_damage),
	    UNIT(blocks_runs), UNIT(blocks_long_run), UNIT(blocks_exhaust),	    UNIT(blocks_give_memory_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
