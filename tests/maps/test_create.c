/*
 * Making maps with arguments at random: our verdict against the kernel's, or
 * (where it is not to be asked) against what it said elsewhere.
 *
 *	test_create EXPECTED [SEED]
 *	test_create --record EXPECTED
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "calls.h"

#define ROUNDS 4000u

static struct rig rig;

static const uint32_t types[] = {BPF_MAP_TYPE_UNSPEC,
				 BPF_MAP_TYPE_HASH,
				 BPF_MAP_TYPE_ARRAY,
				 BPF_MAP_TYPE_PROG_ARRAY,
				 BPF_MAP_TYPE_PERF_EVENT_ARRAY,
				 BPF_MAP_TYPE_PERCPU_HASH,
				 BPF_MAP_TYPE_PERCPU_ARRAY,
				 BPF_MAP_TYPE_STACK_TRACE,
				 BPF_MAP_TYPE_LRU_HASH,
				 BPF_MAP_TYPE_LRU_PERCPU_HASH,
				 BPF_MAP_TYPE_LPM_TRIE,
				 BPF_MAP_TYPE_QUEUE,
				 BPF_MAP_TYPE_STACK,
				 BPF_MAP_TYPE_RINGBUF,
				 BPF_MAP_TYPE_USER_RINGBUF,
				 BPF_MAP_TYPE_BLOOM_FILTER,
				 4711};
static const uint32_t sizes[] = {0, 1, 3, 4, 5, 8, 12, 16, 24, 260, 261, 264, 512, 1016, 1024};
static const uint32_t entries[] = {0, 1, 2, 3, 100, 1024, 4096, 5000, 8192, 12288};

static struct map_attr make(uint64_t *rng)
{
	struct map_attr a = {.type = types[prng(rng) % array_len(types)],
			     .key_size = sizes[prng(rng) % array_len(sizes)],
			     .value_size = sizes[prng(rng) % array_len(sizes)],
			     .max_entries = entries[prng(rng) % array_len(entries)],
			     .spin_lock_off = -1,
			     .timer_off = -1};

	/* Right sizes more often than chance would have it. */
	if (prng(rng) % 2)
		a.key_size = a.type >= BPF_MAP_TYPE_QUEUE && a.type != 4711 ? 0 : 4;
	if (prng(rng) % 4 == 0)
		a.value_size = 4;
	if (a.type == BPF_MAP_TYPE_RINGBUF || a.type == BPF_MAP_TYPE_USER_RINGBUF)
		a.value_size = prng(rng) % 4 ? 0 : a.value_size;
	if (a.type == BPF_MAP_TYPE_LPM_TRIE && prng(rng) % 2) {
		a.key_size = 8;
		a.flags = BPF_F_NO_PREALLOC;
	}
	while (prng(rng) % 3 == 0)
		a.flags |= 1u << prng(rng) % 13;
	/* Addresses are all that our stack traces have (docs/maps.md). */
	if (a.type == BPF_MAP_TYPE_STACK_TRACE)
		a.flags &= ~(uint32_t)BPF_F_STACK_BUILD_ID;
	if (prng(rng) % 8 == 0)
		a.extra = 1ull << prng(rng) % 8;
	return a;
}

static int ours(const struct map_attr *a)
{
	struct map *m;
	int err = rig_try_map(&rig, a, &m);

	if (err == 0)
		rig_unmap(&rig, m);
	return err;
}

static int kernels(const struct map_attr *a)
{
	int fd = kernel_map(a);

	if (fd >= 0)
		close(fd);
	return min_of(fd, 0);
}

int main(int argc, char **argv)
{
	bool record = argc > 2 && strcmp(argv[1], "--record") == 0,
	     ask = kernel_cpus() && !getenv("BTFUSE_TEST_NO_KERNEL");
	uint64_t seed = !record && argc > 2 ? strtoull(argv[2], NULL, 0) : 1, rng = seed, sum = 0, wanted = 0;
	const char *path = record ? argv[2] : argv[1];
	uint32_t made = 0, differ = 0;
	FILE *f;

	if (argc < 2 || (record && !ask))
		return 2;
	rig_open(&rig, 2);
	for (uint32_t n = 0; n < ROUNDS; n++) {
		struct map_attr a = make(&rng);
		int us = ours(&a), them = ask ? kernels(&a) : us;

		made += us == 0;
		sum = hash_bytes(sum, &us, sizeof(us));
		if (us != them && differ++ < 10)
			printf("# type %u key %u value %u entries %u flags %x extra %llx: %d, the kernel %d\n", a.type,
			       a.key_size, a.value_size, a.max_entries, a.flags, (unsigned long long)a.extra, us, them);
	}
	rig_close(&rig, 0);
	if (record) {
		f = fopen(path, "w");
		return !f || differ || fprintf(f, "%016llx\n", (unsigned long long)sum) < 0 || fclose(f) != 0;
	}
	if (!ask && seed == 1) {
		f = fopen(path, "r");
		differ += !f || fscanf(f, "%lx", &wanted) != 1 || wanted != sum;
	}
	printf("1..1\n%s 1 - %u maps asked for, %u made%s\n", differ || made < 200 ? "not ok" : "ok", ROUNDS, made,
	       ask ? "" : " # as recorded: the kernel is not to be asked here");
	return differ || made < 200;
}
