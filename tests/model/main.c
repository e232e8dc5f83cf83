/*
 * The model test: random operations on two file systems at once.
 *
 *	model --exec model --exec posix --dir /dev/shm --time 20
 */
#include "episode.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cred.h"
#include "prng.h"

struct options {
	struct episode e;
	int sides;
	uint64_t seed, episodes;
	int seconds;
	bool one_episode;
	bool hooked;
	bool replay; /* the traces that are the remaining arguments */
};

#define EXIT_SKIP 77 /* for meson: there is no place to run on */

static const struct exec_kind *const kinds[] = {&exec_model, &exec_store, &exec_direct, &exec_posix, &exec_mixed};

/* Does it make system calls? */
static bool on_system(const struct exec_kind *k)
{
	return k == &exec_posix || k == &exec_mixed;
}

static int usage(void)
{
	fprintf(stderr, "usage: model --exec model|store|direct|posix|mixed [--exec ...] [options]\n"
			"  --dir DIR       where a posix executor works (/dev/shm); before its --exec\n"
			"  --hooked        an agent in this process answers, not the kernel\n"
			"  --mode MODE     own (a directory a thread), shared (own names) or melee (one --exec)\n"
			"  --threads N --users N --ops N (a thread and episode, at most)\n"
			"  --seed S        0: from the clock\n"
			"  --time SECONDS, --episodes N\n"
			"  --episode E     just this one, as a failure named it\n"
			"  --ticks         a clock tick of its own for each operation: exact times, slow\n"
			"  --no-probe      do not look at what operations named\n"
			"  --size BYTES, --inodes N  of the store's pool\n"
			"  --replay FILE...  run these traces\n");
	return 2;
}

static int add_exec(struct options *o, const char *name, const char *dir)
{
	struct lane_setup *s = &o->e.setup;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i]->name, name) != 0 || o->sides == LANE_SIDES)
			continue;
		s->kind[o->sides] = kinds[i];
		s->params[o->sides++].dir = dir;
		return 0;
	}
	return -1;
}

static int parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"exec", 1, NULL, 'e'},	{"dir", 1, NULL, 'd'},	   {"mode", 1, NULL, 'm'},   {"threads", 1, NULL, 't'},
	    {"users", 1, NULL, 'u'},	{"ops", 1, NULL, 'n'},	   {"seed", 1, NULL, 's'},   {"time", 1, NULL, 'T'},
	    {"episodes", 1, NULL, 'N'}, {"episode", 1, NULL, 'E'}, {"ticks", 0, NULL, 'k'},  {"no-probe", 0, NULL, 'p'},
	    {"size", 1, NULL, 'S'},	{"inodes", 1, NULL, 'I'},  {"replay", 0, NULL, 'r'}, {"hooked", 0, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	static const char *const modes[] = {"own", "shared", "melee"};
	const char *dir = "/dev/shm";
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'e':
			if (add_exec(o, optarg, dir) < 0)
				return -1;
			break;
		case 'd':
			dir = optarg;
			break;
		case 'm':
			for (int i = 0; i < 3; i++)
				if (!strcmp(optarg, modes[i]))
					o->e.mode = (enum episode_mode)i;
			break;
		case 't':
			o->e.threads = atoi(optarg);
			break;
		case 'u':
			o->e.users = atoi(optarg);
			break;
		case 'n':
			o->e.ops = strtoull(optarg, NULL, 0);
			break;
		case 's':
			o->seed = strtoull(optarg, NULL, 0);
			break;
		case 'T':
			o->seconds = atoi(optarg);
			break;
		case 'N':
			o->episodes = strtoull(optarg, NULL, 0);
			break;
		case 'E':
			o->e.seed = strtoull(optarg, NULL, 0);
			o->one_episode = true;
			break;
		case 'h':
			o->hooked = true;
			break;
		case 'k':
			o->e.setup.ticking = true;
			break;
		case 'p':
			o->e.setup.probe = false;
			break;
		case 'I':
			o->e.setup.params[0].inodes = o->e.setup.params[1].inodes = strtoull(optarg, NULL, 0);
			break;
		case 'S':
			o->e.setup.params[0].size = o->e.setup.params[1].size = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			o->replay = true;
			break;
		default:
			return -1;
		}
	}
	if (o->e.threads < 1 || o->e.threads > 64 || o->e.ops < 1 || o->e.users < 1 || o->e.users > CRED_N)
		return -1;
	return o->sides == (o->e.mode == EPISODE_MELEE ? 1 : 2) ? 0 : -1;
}

/* What the file system of one side can do; the model and the generator follow the more limited one. */
static void limits_of(const struct exec_kind *k, const char *dir, struct exec_params *limit, unsigned *traits)
{
	struct statfs st = {0};

	*limit = (struct exec_params){.size_max = FS_SIZE_MAX, .zero_range = true};
	*traits = k == &exec_store || k == &exec_direct ? TRAIT_ALL & ~(unsigned)TRAIT_FIRST : TRAIT_ALL;
	if (!on_system(k))
		return;
	limit->link_policy = true;
	if (statfs(dir, &st) == 0 && st.f_type == TMPFS_MAGIC) {
		limit->size_max = INT64_MAX;
		limit->zero_range = false;
		limit->allocated_again_is_data = true;
		limit->same_size = SAME_SIZE_TOUCHES_PAGES;
	} else if (st.f_type == FUSE_SUPER_MAGIC) {
		/* The kernel answers reads from its cache: the daemon does not see them. */
		limit->unknown_max = true;
		*traits = TRAIT_ALL & ~(unsigned)(TRAIT_ATIME | TRAIT_BTIME | TRAIT_FIRST);
	} else {
		/* Blocks are allocated late and in other sizes; unwritten extents are holes or not. */
		*traits = TRAIT_BTIME;
	}
}

static bool has_tmpfile(const struct exec_kind *k, const char *dir)
{
	int fd = on_system(k) ? open(dir, O_TMPFILE | O_WRONLY, 0600) : -1;

	if (fd >= 0)
		close(fd);
	return fd >= 0 || !on_system(k) || errno != EOPNOTSUPP;
}

static void settle(struct options *o)
{
	struct lane_setup *s = &o->e.setup;
	struct exec_params limit[LANE_SIDES] = {{.size_max = FS_SIZE_MAX, .zero_range = true},
						{.size_max = FS_SIZE_MAX, .zero_range = true}};
	unsigned traits;
	bool modelled, alike, mixed;

	s->traits = TRAIT_ALL;
	o->e.tmpfile = true;
	for (int i = 0; i < o->sides; i++) {
		limits_of(s->kind[i], s->params[i].dir, &limit[i], &traits);
		s->traits &= traits;
		o->e.tmpfile &= has_tmpfile(s->kind[i], s->params[i].dir);
	}
	/* The kernel lets only root act for others; where there is no kernel in between, credentials are just data. */
	if ((on_system(s->kind[0]) || on_system(s->kind[1])) && !cred_multiuser())
		o->e.users = 1;
	for (int i = 0; i < o->sides; i++) {
		const struct exec_params *other = &limit[!i];

		s->params[i].size_max = other->size_max;
		s->params[i].unknown_max = other->unknown_max && !o->hooked;
		s->params[i].zero_range = other->zero_range;
		s->params[i].allocated_again_is_data = other->allocated_again_is_data;
		s->params[i].same_size = other->same_size;
		s->params[i].link_policy = limit[0].link_policy || limit[1].link_policy;
		s->params[i].multiuser = o->e.users > 1;
	}
	s->shared = o->e.mode != EPISODE_OWN;
	/* Two real file systems with different limits meet below both; who answers in a mixed one is not known. */
	modelled = s->kind[0] == &exec_model || s->kind[1] == &exec_model;
	alike = limit[0].size_max == limit[1].size_max && limit[0].unknown_max == limit[1].unknown_max;
	mixed = s->kind[0] == &exec_mixed || s->kind[1] == &exec_mixed;
	o->e.far = (alike || modelled) && !mixed ? FS_SIZE_MAX : FS_SIZE_MAX / 2;
	o->e.zero_range = (limit[0].zero_range && limit[1].zero_range) || modelled;
	if (!modelled && limit[0].allocated_again_is_data != limit[1].allocated_again_is_data)
		s->traits &= ~(unsigned)TRAIT_HOLES;
	o->e.truncate = limit[0].same_size == limit[1].same_size || modelled;
}

static void print_minimal(struct options *o, struct op_list *ops)
{
	episode_shrink(&o->e.setup, ops);
	episode_replay(&o->e.setup, ops, stderr);
	fprintf(stderr, "# %zu operations; save them to replay:\n", ops->n);
	for (size_t i = 0; i < ops->n; i++)
		op_print(stderr, &ops->v[i]);
}

/* Does one of the threads' sequences fail alone? Then its shortest form is printed. */
static bool report_alone(struct options *o)
{
	for (int t = 0; t < o->e.threads; t++) {
		struct op_list ops = {0};
		bool failed;

		episode_ops(&o->e, t, &ops);
		failed = episode_replay(&o->e.setup, &ops, NULL);
		if (failed)
			print_minimal(o, &ops);
		op_list_free(&ops);
		if (failed)
			return true;
	}
	return false;
}

static void report(struct options *o)
{
	bool found;

	fprintf(stderr, "FAILED: episode %llu of seed %llu\n", (unsigned long long)o->e.seed,
		(unsigned long long)o->seed);
	if (o->e.mode == EPISODE_MELEE)
		return;
	found = report_alone(o);
	if (!found && !o->e.setup.ticking) { /* a time that is wrong only after a tick of the clock */
		o->e.setup.ticking = true;
		found = report_alone(o);
	}
	if (!found)
		fprintf(stderr, "fails only with %d threads at once, or not each time: --episode %llu\n", o->e.threads,
			(unsigned long long)o->e.seed);
}

/* One episode in a process of its own. */
static int episode_forked(struct options *o, struct episode_count *count)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(o->e.setup.ticking ? 10 * EPISODE_SECONDS : EPISODE_SECONDS);
		_exit(episode_run(&o->e, count));
	}
	waitpid(pid, &status, 0);
	count->episodes++;
	if (WIFSIGNALED(status))
		fprintf(stderr, "died: %s\n", strsignal(WTERMSIG(status)));
	if (status && !(WIFEXITED(status) && WEXITSTATUS(status) == 2))
		report(o);
	return status != 0;
}

static int run_episodes(struct options *o)
{
	struct episode_count *count =
	    mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	time_t end = time(NULL) + o->seconds;
	uint64_t state = o->seed;
	int failed = 0;

	while (!failed) {
		if (!o->one_episode)
			o->e.seed = prng_mix(&state) >> 8;
		failed = episode_forked(o, count);
		if (o->one_episode || (o->episodes && count->episodes >= o->episodes))
			break;
		if (!o->episodes && time(NULL) >= end)
			break;
	}
	printf("%s%s%s: seed %llu, %llu episodes, %llu operations%s\n", o->e.setup.kind[0]->name,
	       o->sides > 1 ? " and " : "", o->sides > 1 ? o->e.setup.kind[1]->name : "", (unsigned long long)o->seed,
	       (unsigned long long)count->episodes, (unsigned long long)count->ops, failed ? ", FAILED" : "");
	munmap(count, sizeof(*count));
	return failed;
}

static int replay_file(const struct options *o, const char *path)
{
	FILE *f = fopen(path, "r");
	struct op_list ops = {0};
	struct op op;
	int ret, failed;

	if (!f) {
		perror(path);
		return 1;
	}
	while ((ret = op_parse(f, &op)) > 0)
		op_list_add(&ops, op);
	fclose(f);
	if (ret < 0)
		fprintf(stderr, "%s: operation %zu is not one\n", path, ops.n + 1);
	failed = ret < 0 || episode_replay(&o->e.setup, &ops, stderr);
	printf("%s: %s\n", path, failed ? "FAILED" : "ok");
	op_list_free(&ops);
	return failed;
}

static int run_replay(const struct options *o, char **paths, int n)
{
	int failed = 0;

	for (int i = 0; i < n; i++)
		failed |= replay_file(o, paths[i]);
	return failed;
}

/* Can file systems be made at all? */
static bool usable(const struct lane_setup *s)
{
	struct exec_fs *fs[LANE_SIDES];

	for (int i = 0; i < LANE_SIDES; i++) {
		if (!on_system(s->kind[i]))
			continue;
		fs[i] = s->kind[i]->open(&s->params[i]);
		if (!fs[i])
			return false;
		s->kind[i]->close(fs[i]);
	}
	return true;
}

int main(int argc, char **argv)
{
	struct options o = {
	    .e = {.threads = 1, .users = 1, .ops = 1000, .setup.probe = true},
	    .seconds = 10,
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (parse(&o, argc, argv) < 0)
		return usage();
	settle(&o);
	if (!usable(&o.e.setup))
		return EXIT_SKIP;
	if (o.replay)
		return run_replay(&o, argv + optind, argc - optind);
	if (o.seed == 0)
		o.seed = ((uint64_t)time(NULL) << 20) ^ (uint64_t)getpid();
	printf("seed %llu\n", (unsigned long long)o.seed);
	return run_episodes(&o);
}
