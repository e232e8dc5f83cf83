/*
 * Runs a fuzz target without libFuzzer: the named finds, the files that are
 * given, then random inputs for some seconds. A child does the work; the input it died of stays
 * in shared memory, is written to a file and told about.
 *
 *	drive [--seconds N | --inputs N] [--seed S] [FILE...]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/rig.h"
#include "target.h"

#define PATIENCE 5 /* seconds that one input may take */

static struct shared {
	size_t size;
	uint8_t input[TARGET_INPUT];
	char name[512];
	unsigned long runs;
} * now;

static uint64_t dice;

static uint64_t roll(uint64_t n)
{
	return (rig_random(&dice) >> 11) % n;
}

static void run_input(void)
{
	alarm(PATIENCE);
	LLVMFuzzerTestOneInput(now->input, now->size);
	now->runs++;
}

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f)
		rig_fail(__FILE__, __LINE__, path, 0);
	snprintf(now->name, sizeof now->name, "%s", path);
	now->size = fread(now->input, 1, sizeof now->input, f);
	fclose(f);
	run_input();
}

static void child(char **files, int n, double seconds, unsigned long inputs)
{
	uint64_t until;

	for (unsigned k = 0; target_find_name(k); k++) {
		snprintf(now->name, sizeof now->name, "%s", target_find_name(k));
		alarm(PATIENCE);
		target_find(k);
	}
	for (int i = 0; i < n; i++)
		run_file(files[i]);
	now->name[0] = 0;
	until = rig_now() + (uint64_t)(seconds * 1e9);
	for (unsigned long k = 0; k < inputs || rig_now() < until; k++) {
		now->size = target_make_up(now->input, roll);
		run_input();
	}
	_exit(0);
}

static int tell(int status, uint64_t seed)
{
	char path[64];
	FILE *f;

	if (now->name[0]) {
		fprintf(stderr, "%s: status %#x%s\n", now->name, (unsigned)status,
			WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ", it hangs" : "");
		return 1;
	}
	snprintf(path, sizeof path, "/tmp/bt-fuse-fuzz-%llx-%lu", (unsigned long long)seed, now->runs);
	f = fopen(path, "wb");
	if (f) {
		fwrite(now->input, 1, now->size, f);
		fclose(f);
	}
	fprintf(stderr, "seed %llu, input %lu: status %#x%s; it is in %s\n", (unsigned long long)seed, now->runs,
		(unsigned)status, WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ", it hangs" : "", path);
	return 1;
}

int main(int argc, char **argv)
{
	uint64_t seed = rig_now() ^ (uint64_t)getpid() << 32;
	unsigned long inputs = 0;
	double seconds = 0;
	int status, i = 1;
	pid_t pid;

	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (!strcmp(argv[i], "--seconds"))
			seconds = atof(argv[i + 1]);
		else if (!strcmp(argv[i], "--inputs"))
			inputs = strtoul(argv[i + 1], NULL, 0);
		else
			seed = strtoull(argv[i + 1], NULL, 0);
	}
	dice = seed * 2 + 1;
	now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(now != MAP_FAILED);
	printf("seed %llu\n", (unsigned long long)seed);
	fflush(NULL);
	pid = (pid_t)must(fork());
	if (pid == 0)
		child(argv + i, argc - i, seconds, inputs);
	expect_is(waitpid(pid, &status, 0), pid);
	printf("%lu inputs\n", now->runs);
	return status == 0 ? 0 : tell(status, seed);
}
