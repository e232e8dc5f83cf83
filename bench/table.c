/*
 * table [-n ROUNDS] [--only NAME,...] [--json FILE] BT-FUSE TMPFS-DIR MOUNT-DIR: the calls of a
 * program under `bt-fuse run` beside the same on tmpfs, with the goal of each.
 *
 * The operations run in workers, which are this program again: one without the
 * agent on tmpfs, two with it on the mount. The parent has them do one batch
 * after the other, in turn, so that whatever disturbs the machine meets both
 * alike, and takes medians. Workers hear the number of an operation on standard
 * input and answer with nanoseconds a call on standard output.
 */
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/sys.h"
#include "ops.h"

#define ROUNDS_MAX 1000
#define PAGE 4096u

extern char **environ;

/* ---- Operations of the workers beyond those of ops.h ------------------------------ */

static char from[1024][PAGE], to[PAGE]; /* as much as a file of the others has: the caches see the same */
static int shared = -1, null = -1;

static void do_copy(struct place *p, unsigned i)
{
	memcpy(to, from[i % array_len(from)], PAGE);
	__asm__ volatile("" : : "r"(to) : "memory");
}

/* The other way, as a write does: into pages that are in no near cache. */
static void do_copy_back(struct place *p, unsigned i)
{
	memcpy(from[i % array_len(from)], to, PAGE);
	__asm__ volatile("" : : "r"(from) : "memory");
}

/* One file for all workers of a directory, beside their own. */
static void open_shared(struct place *p, unsigned n)
{
	if (shared >= 0)
		return;
	shared = openat(p->fd, "../shared", O_CREAT | O_RDWR, 0600);
	if (shared < 0 || pwrite(shared, from, sizeof(from), 0) != sizeof(from))
		err(1, "shared file on %s", p->label);
}

static void do_read_shared(struct place *p, unsigned i)
{
	if (pread(shared, to, PAGE, (off_t)(i % array_len(from)) * PAGE) != PAGE)
		err(1, "pread of the shared file on %s", p->label);
}

static void open_null(struct place *p, unsigned n)
{
	if (null < 0)
		null = open("/dev/null", O_RDONLY);
}

/* Caught and handed on, by libc's instruction; and by one that nothing catches. */
static void do_other(struct place *p, unsigned i)
{
	if (pread(null, to, 1, 0) != 0)
		err(1, "/dev/null");
}

static void do_other_bare(struct place *p, unsigned i)
{
	sys_call4(SYS_pread64, null, (long)to, 1, 0);
}

static void do_exec(struct place *p, unsigned i)
{
	char *argv[] = {"/bin/true", NULL};
	int status;
	pid_t pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 || waitpid(pid, &status, 0) < 0)
		err(1, "%s", argv[0]);
}

enum extra { COPY, COPY_BACK, SHARED, OTHER, OTHER_BARE, EXEC, MEMORY, EXTRAS };

static const struct operation extras[EXTRAS] = {
    [COPY] = {"memcpy 4K", 1000, NULL, do_copy, NULL},
    [COPY_BACK] = {"memcpy 4K back", 1000, NULL, do_copy_back, NULL},
    [SHARED] = {"pread 4K, one file", 20000, open_shared, do_read_shared, NULL},
    [OTHER] = {"pread of /dev/null", 2000, open_null, do_other, NULL},
    [OTHER_BARE] = {"the same, never caught", 2000, open_null, do_other_bare, NULL},
    [EXEC] = {"exec of /bin/true", 10, NULL, do_exec, NULL},
};

/* KiB that a program has for itself. Pages of its files that are not on the disk yet do not count. */
static double private_memory(void)
{
	FILE *f = popen("cat /proc/self/smaps", "r");
	char line[256];
	double sum = 0, n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Anonymous: %lf", &n) == 1)
			sum += n;
	if (!f || pclose(f) != 0)
		err(1, "smaps");
	return sum;
}

#define SHORTEST 4e6 /* ns that a measurement takes at least */

/*
 * Nanoseconds a call, over so many batches; 0: over as many as take some
 * milliseconds. The first one does not count then: who has just been woken finds
 * cold caches, and a hooked batch is over before they are warm.
 */
static double time_of(const struct operation *op, struct place *p, unsigned times)
{
	double sum = 0, took = 0;
	unsigned n = 0;

	for (unsigned k = 0; times ? k < times : n == 0 || took < SHORTEST; k++) {
		double ns = ops_batch(op, p);

		took += ns * op->batch;
		if (times || k > 0 || took >= SHORTEST) {
			sum += ns;
			n++;
		}
	}
	return sum / n;
}

static int work(const char *dir)
{
	struct place p;
	unsigned op, times;

	ops_name(&p, dir);
	ops_prepare(&p);
	memset(from, 'b', sizeof(from));
	printf("0\n");
	fflush(stdout);
	while (scanf("%u %u", &op, &times) == 2) {
		const struct operation *o = op < EXTRAS ? &extras[op] : &operations[op - EXTRAS];

		printf("%.2f\n", op == MEMORY ? private_memory() : time_of(o, &p, times));
		fflush(stdout);
	}
	if (shared >= 0)
		unlinkat(p.fd, "../shared", 0);
	ops_remove(&p);
	return 0;
}

/* ---- The parent --------------------------------------------------------------------- */

struct worker {
	FILE *in, *out;
	pid_t pid;
};

enum { TMPFS, HOOKED, SECOND, WORKERS };
static struct worker workers[WORKERS];

static double answer(struct worker *w)
{
	double ns;

	if (fscanf(w->out, "%lf", &ns) != 1)
		errx(1, "a worker has ended");
	return ns;
}

static void ask(struct worker *w, unsigned op, unsigned times)
{
	fprintf(w->in, "%u %u\n", op, times);
	fflush(w->in);
}

static double batch(struct worker *w, unsigned op)
{
	ask(w, op, 0);
	return answer(w);
}

static void start(struct worker *w, char *const argv[])
{
	posix_spawn_file_actions_t fa;
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		err(1, "pipe");
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_adddup2(&fa, in[0], 0);
	posix_spawn_file_actions_adddup2(&fa, out[1], 1);
	if (posix_spawnp(&w->pid, argv[0], &fa, NULL, argv, environ) != 0)
		err(1, "%s", argv[0]);
	posix_spawn_file_actions_destroy(&fa);
	close(in[0]);
	close(out[1]);
	w->in = fdopen(in[1], "w");
	w->out = fdopen(out[0], "r");
	answer(w);
}

static void finish(struct worker *w)
{
	int status;

	fclose(w->in);
	if (waitpid(w->pid, &status, 0) < 0 || status != 0)
		errx(1, "a worker did not end well");
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return v[n / 2];
}

/* Two operations, in turn, on two workers. */
static void measure(int rounds, struct worker *a, unsigned op_a, struct worker *b, unsigned op_b, double out[2])
{
	static double v[2][ROUNDS_MAX];

	for (int r = -1; r < rounds; r++) { /* one to get warm */
		v[0][max_of(r, 0)] = batch(a, op_a);
		v[1][max_of(r, 0)] = batch(b, op_b);
	}
	out[0] = median(v[0], rounds);
	out[1] = median(v[1], rounds);
}

/* How much more two workers get done than one. */
static double scaling(int rounds, unsigned op, unsigned times)
{
	static double v[ROUNDS_MAX];

	for (int r = -1; r < rounds; r++) {
		double alone, one, two;

		ask(&workers[HOOKED], op, times);
		alone = answer(&workers[HOOKED]);
		ask(&workers[HOOKED], op, times);
		ask(&workers[SECOND], op, times);
		one = answer(&workers[HOOKED]);
		two = answer(&workers[SECOND]);
		v[max_of(r, 0)] = alone / one + alone / two;
	}
	return median(v, rounds);
}

/* ---- The goals ------------------------------------------------------------------------ */

static const struct goal {
	const char *name;
	double times; /* at least so many times as fast as tmpfs */
} goals[] = {
    {"stat", 20},	  {"stat, 4 components", 20},
    {"stat, absent", 20}, {"open+close", 20},
    {"fstat", 20},	  {"access", 20},
    {"readlink", 20},	  {"lseek+read 1", 20},
    {"create+close", 10}, {"unlink", 10},
    {"mkdir", 10},	  {"rmdir", 10},
    {"rename", 10},	  {"link", 10},
    {"symlink", 10},	  {"chmod", 10},
    {"utimens", 10},	  {"readdir+stat 10000", 5},
    {"pread 4K", 6},	  {"pwrite 4K", 6},
    {"pread 1M", 2},	  {"pwrite 1M", 2},
    {"pread 1M cold", 1}, {"pwrite 1M cold", 1},
};

static FILE *json;
static int missed, rounds = 15;
static const char *only;

static bool wanted(const char *name)
{
	for (const char *s = only; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
		if (strncmp(name, s, strcspn(s, ",")) == 0)
			return true;
	return !only;
}

static unsigned operation_named(const char *name)
{
	for (unsigned i = 0; operations[i].name; i++)
		if (strcmp(operations[i].name, name) == 0)
			return EXTRAS + i;
	errx(1, "no operation %s", name);
}

static const char *human(double ns)
{
	static char text[4][16];
	static unsigned which;
	char *s = text[which++ & 3];

	if (ns < 1000)
		snprintf(s, sizeof(text[0]), "%.1f ns", ns);
	else if (ns < 1e6)
		snprintf(s, sizeof(text[0]), "%.2f us", ns / 1e3);
	else
		snprintf(s, sizeof(text[0]), "%.2f ms", ns / 1e6);
	return s;
}

static void record(const char *name, const char *unit, double value, double goal, bool reached)
{
	static bool any;

	missed += !reached;
	if (json)
		fprintf(json,
			"%s\n {\"row\": \"%s\", \"unit\": \"%s\", \"value\": %.3f, \"goal\": %.3f, \"reached\": %s}",
			any ? "," : "[", name, unit, value, goal, reached ? "true" : "false");
	any = true;
	fflush(stdout);
}

static void show_goal(const struct goal *g)
{
	unsigned op = operation_named(g->name);
	double t[2], ratio;

	measure(rounds, &workers[TMPFS], op, &workers[HOOKED], op, t);
	ratio = t[0] / t[1];
	printf("%-22s %10s %10s %7.1fx   at least %2.0fx  %s\n", g->name, human(t[0]), human(t[1]), ratio, g->times,
	       ratio >= g->times ? "yes" : "NO");
	record(g->name, "times tmpfs", ratio, g->times, ratio >= g->times);
}

/* A value in its own unit, with the most that it may be (or, with `least`, the least). */
static void show_value(const char *name, const char *unit, double value, double limit, bool least)
{
	bool ok = least ? value >= limit : value <= limit;

	printf("%-45s %8.1f %-7s %s %.1f  %s\n", name, value, unit, least ? "at least" : "at most ", limit,
	       ok ? "yes" : "NO");
	record(name, unit, value, limit, ok);
}

/* A page costs what copying it costs, and little more. */
static void show_copy(const char *name, enum extra bare)
{
	double t[2];

	measure(rounds, &workers[TMPFS], bare, &workers[HOOKED], operation_named(name), t);
	printf("%-22s (a bare memcpy takes %.0f ns)\n", name, t[0]);
	show_value(name, "ns", t[1], 1.5 * t[0] + 15, false);
}

static void show_rest(void)
{
	double t[2];

	if (wanted("copy")) {
		show_copy("pread 4K", COPY);
		show_copy("pwrite 4K", COPY_BACK);
	}
	if (wanted("two")) {
		show_value("two processes: create+close", "times", scaling(rounds, operation_named("create+close"), 50),
			   1.8, true);
		show_value("two processes: stat", "times", scaling(rounds, operation_named("stat"), 50), 1.8, true);
		show_value("two processes: pread of one file", "times", scaling(rounds, SHARED, 3), 1.8, true);
	}
	if (wanted("other")) {
		measure(rounds, &workers[HOOKED], OTHER_BARE, &workers[HOOKED], OTHER, t);
		show_value("added to a call that is not for us", "ns", t[1] - t[0], 15, false);
	}
	if (wanted("exec")) {
		measure(rounds, &workers[TMPFS], EXEC, &workers[HOOKED], EXEC, t);
		show_value("added to an exec (the build is known)", "us", (t[1] - t[0]) / 1e3, 300, false);
	}
	if (wanted("memory"))
		show_value("private memory of a program", "KiB",
			   batch(&workers[HOOKED], MEMORY) - batch(&workers[TMPFS], MEMORY), 256, false);
}

static void parse(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"only", required_argument, NULL, 'o'}, {"json", required_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "n:", longs, NULL)) != -1) {
		if (c == 'n')
			rounds = atoi(optarg);
		else if (c == 'o')
			only = optarg;
		else if (c != 'j' || !(json = fopen(optarg, "w")))
			errx(2, "usage: table [-n ROUNDS] [--only NAME,...] [--json FILE] BT-FUSE TMPFS-DIR MOUNT-DIR");
	}
	if (rounds < 1 || rounds > ROUNDS_MAX || argc - optind != 3)
		errx(2, "usage: table [-n 1 to %d] BT-FUSE TMPFS-DIR MOUNT-DIR", ROUNDS_MAX);
}

int main(int argc, char **argv)
{
	char **dirs;

	if (argc == 3 && strcmp(argv[1], "--worker") == 0)
		return work(argv[2]);
	parse(argc, argv);
	dirs = argv + optind;
	start(&workers[TMPFS], (char *[]){argv[0], "--worker", dirs[1], NULL});
	for (int k = HOOKED; k <= SECOND; k++)
		start(&workers[k],
		      (char *[]){dirs[0], "run", "--mount", dirs[2], "--", argv[0], "--worker", dirs[2], NULL});
	printf("%-22s %10s %10s %8s   %-13s reached\n", "", "tmpfs", "hooked", "", "goal");
	for (size_t i = 0; i < array_len(goals); i++)
		if (wanted(goals[i].name))
			show_goal(&goals[i]);
	show_rest();
	for (int k = 0; k < WORKERS; k++)
		finish(&workers[k]);
	printf("%d goals not reached\n", missed);
	return json && (fprintf(json, "\n]\n") < 0 || fclose(json) != 0);
}
