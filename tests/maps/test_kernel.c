/*
 * Maps against the kernel's: the same random calls put to both, every result
 * and every byte that comes back compared. Where bpf(2) is not to be had, the
 * results are held against what the kernel said elsewhere (kernel.expected): a
 * digest for each kind of map.
 *
 *	test_kernel EXPECTED [SEED [CALLS]]	compares
 *	test_kernel --record EXPECTED		writes that file, from the kernel's answers
 */
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "calls.h"

#define CPUS 2u /* of recorded answers */
#define SEED 1u
#define CALLS 3000u

static struct rig rig;
static struct call call;
static struct answer ours, theirs;

static uint32_t value_bytes(const struct kind *k, uint32_t ncpus)
{
	switch (k->attr.type) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return round_up(k->attr.value_size, 8) * ncpus;
	default:
		return k->attr.value_size;
	}
}

static uint64_t digest(uint64_t sum, const struct answer *a)
{
	sum = hash_bytes(sum, &a->err, sizeof(a->err));
	sum = hash_bytes(sum, &a->count, sizeof(a->count));
	return hash_bytes(sum, a->data, a->bytes);
}

static bool same(const struct answer *a, const struct answer *b)
{
	return a->err == b->err && a->count == b->count && a->bytes == b->bytes &&
	       memcmp(a->data, b->data, a->bytes) == 0;
}

struct result {
	bool ok;
	uint64_t ours, kernel;
};

/* `fd` -1: the kernel is not asked. */
static struct result sequence(const struct kind *k, int fd, uint32_t ncpus, uint64_t seed, uint32_t calls)
{
	uint32_t bytes = value_bytes(k, ncpus);
	struct result r = {true, 0, 0};
	struct map *m = rig_map(&rig, &k->attr);
	uint64_t rng = seed * 77 + 5;

	for (uint32_t n = 0; n < calls && r.ok; n++) {
		call_make(k, bytes, &rng, &call);
		our_call(&rig.t, m, k, bytes, &call, &ours);
		r.ours = digest(r.ours, &ours);
		if (fd < 0)
			continue;
		kernel_call(fd, k, bytes, &call, &theirs);
		r.kernel = digest(r.kernel, &theirs);
		r.ok = same(&ours, &theirs);
		if (!r.ok) {
			printf("# call %u of seed %llu; ours, the kernel's:\n", n, (unsigned long long)seed);
			call_print(k, &call, &ours);
			call_print(k, &call, &theirs);
		}
	}
	if (map_check(&rig.t, m) != 0) {
		printf("# the map is damaged\n");
		r.ok = false;
	}
	rig_unmap(&rig, m);
	return r;
}

static bool expected(const char *path, const char *name, uint64_t *sum)
{
	FILE *f = fopen(path, "r");
	char line[256], kind[200];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx %199[^\n]", sum, kind) == 2)
			found = strcmp(kind, name) == 0;
	if (f)
		fclose(f);
	return found;
}

static int open_kernel(const struct kind *k)
{
	int fd = kernel_map(&k->attr);

	return fd < 0 ? -1 : fd;
}

static int record(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f || kernel_cpus() != CPUS)
		return 1;
	rig_open(&rig, CPUS);
	for (unsigned n = 0; n < nkinds; n++) {
		int fd = open_kernel(&kinds[n]);
		struct result r = sequence(&kinds[n], fd, CPUS, SEED, CALLS);

		if (!r.ok || fd < 0)
			return 1;
		fprintf(f, "%016lx %s\n", r.kernel, kinds[n].name);
		close(fd);
	}
	rig_close(&rig, 0);
	return fclose(f) != 0;
}

static bool one(const struct kind *k, const char *path, uint32_t cpus, uint64_t seed, uint32_t calls)
{
	int fd = cpus ? open_kernel(k) : -1;
	struct result r = sequence(k, fd, cpus ? cpus : CPUS, seed, calls);
	uint64_t sum = 0;

	if (fd >= 0)
		close(fd);
	if (fd < 0 && seed == SEED && calls == CALLS)
		r.ok = r.ok && expected(path, k->name, &sum) && sum == r.ours;
	return r.ok;
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : SEED;
	uint32_t calls = argc > 3 ? (uint32_t)atoi(argv[3]) : CALLS, cpus = kernel_cpus();
	int failures = 0;

	call.value = calloc(1, CALL_BYTES);
	ours.data = calloc(1, CALL_BYTES);
	theirs.data = calloc(1, CALL_BYTES);
	if (argc < 2 || !call.value || !ours.data || !theirs.data)
		return 2;
	if (strcmp(argv[1], "--record") == 0)
		return argc > 2 ? record(argv[2]) : 2;
	if (getenv("BTFUSE_TEST_NO_KERNEL"))
		cpus = 0;
	rig_open(&rig, cpus ? cpus : CPUS);
	printf("1..%u\n", nkinds);
	for (unsigned n = 0; n < nkinds; n++) {
		bool ok = one(&kinds[n], argv[1], cpus, seed, calls);

		failures += !ok;
		printf("%s %u - %s%s\n", ok ? "ok" : "not ok", n + 1, kinds[n].name,
		       cpus ? "" : " # as recorded: the kernel is not to be asked here");
	}
	rig_close(&rig, 0);
	return failures != 0;
}
