/*
 * bt-fuse top: what goes on in this user's mounts, anew every two seconds. On a
 * terminal the screen is drawn over, and q ends it; elsewhere it is plain text,
 * a block a look, or with --json an object a line.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/units.h"
#include "metrics/names.h"
#include "watch/watch.h"

#define INTERVAL_MS 2000
#define INTERVAL_LEAST_MS 10
#define PROCESSES 512

struct process {
	uint32_t pid;
	bool daemon;
	uint32_t threads;
	uint64_t ops, bypassed, bytes, handed;
};

/* What went on between two looks. */
struct activity {
	struct metrics_seat sum;
	struct process process[PROCESSES];
	size_t nprocesses;
	double seconds;
	uint64_t memory, used, inodes, invals;
	size_t mounts;
	struct watch_bpf bpf; /* as it is now; its count: what went on. Its maps are the look's */
};

enum format {
	SCREEN,
	PLAIN,
	JSON,
};

/* ---- Looking ------------------------------------------------------------------- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The same mount in an earlier look. NULL: it is new, or another of the same name. */
static const struct watch_mount *before(const struct watch *old, const struct watch_mount *m)
{
	for (size_t i = 0; i < old->n; i++)
		if (strcmp(old->mount[i]->info.name, m->info.name) == 0 &&
		    old->mount[i]->info.started == m->info.started)
			return old->mount[i];
	return NULL;
}

static struct process *process_of(struct activity *a, const struct watch_seat *s)
{
	for (size_t i = 0; i < a->nprocesses; i++)
		if (a->process[i].pid == s->pid)
			return &a->process[i];
	if (a->nprocesses == PROCESSES)
		return NULL;
	a->process[a->nprocesses] = (struct process){.pid = s->pid, .daemon = s->daemon};
	return &a->process[a->nprocesses++];
}

static void add_seat(struct activity *a, const struct watch_seat *s, const struct watch_seat *old)
{
	static const struct watch_seat none;
	struct process *p = s->pid ? process_of(a, s) : NULL;

	if (!p)
		return;
	old = old ? old : &none;
	p->threads++;
	for (unsigned k = 0; k < METRICS_PATHS; k++) {
		p->ops += s->ops[k] - old->ops[k];
		p->bypassed += k == METRICS_KERNEL ? 0 : s->ops[k] - old->ops[k];
	}
	p->bytes += s->bytes[0] + s->bytes[1] - old->bytes[0] - old->bytes[1];
	p->handed += s->handed - old->handed;
}

static void add_mount(struct activity *a, const struct watch_mount *m, const struct watch_mount *old)
{
	uint64_t *to = (uint64_t *)&a->sum;
	const uint64_t *from = (const uint64_t *)&m->sum, *minus = (const uint64_t *)&old->sum;
	size_t k = 0;

	for (size_t i = 0; i < sizeof(a->sum) / 8; i++)
		to[i] += from[i] - minus[i];
	for (size_t i = 0; i < m->nseats; i++) {
		while (k < old->nseats && old->seats[k].index < m->seats[i].index)
			k++;
		add_seat(a, &m->seats[i],
			 k < old->nseats && old->seats[k].index == m->seats[i].index ? &old->seats[k] : NULL);
	}
	for (unsigned i = 0; i < METRICS_INVALS; i++)
		a->invals += m->shared.invals[i] - old->shared.invals[i];
}

static int by_ops(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return x->ops < y->ops ? 1 : x->ops > y->ops ? -1 : (int)(x->pid > y->pid) - (int)(x->pid < y->pid);
}

static void add_bpf(struct activity *a, const struct watch_bpf *b, const struct watch_bpf *old)
{
	uint64_t *n = (uint64_t *)&a->bpf.count;
	const uint64_t *minus = (const uint64_t *)&old->count;

	a->bpf = *b;
	for (size_t i = 0; i < sizeof(b->count) / 8; i++)
		n[i] -= n[i] >= minus[i] ? minus[i] : 0; /* another file of the same name begins at 0 */
}

/* `dir`: the mount point that is wanted, NULL: all. */
static void compare(struct activity *a, const struct watch *old, const struct watch *new, double seconds,
		    const char *dir)
{
	memset(a, 0, sizeof(*a));
	a->seconds = seconds;
	for (size_t i = 0; i < new->n; i++) {
		const struct watch_mount *m = new->mount[i], *was = before(old, m);

		if (dir && strcmp(m->info.mountpoint, dir) != 0)
			continue;
		a->mounts++;
		a->memory += m->stats.memory;
		a->used += (m->stats.blocks - m->stats.blocks_free) * FS_BLOCK_SIZE;
		a->inodes += m->stats.inodes - m->stats.inodes_free;
		if (was)
			add_mount(a, m, was);
	}
	add_bpf(a, &new->bpf, &old->bpf);
	qsort(a->process, a->nprocesses, sizeof(a->process[0]), by_ops);
}

/* ---- Showing --------------------------------------------------------------------- */

static double rate(const struct activity *a, uint64_t n)
{
	return (double)n / a->seconds;
}

static double part(uint64_t n, uint64_t of)
{
	return of ? (double)n / (double)of : 0;
}

static uint64_t all_of(const struct metrics_seat *m, unsigned op)
{
	uint64_t n = 0;

	for (unsigned p = 0; p < METRICS_PATHS; p++)
		n += metrics_ops_of(m, p, op);
	return n;
}

static uint64_t failed_of(const struct metrics_seat *m, unsigned op)
{
	uint64_t n = 0;

	for (unsigned p = 0; p < METRICS_PATHS; p++)
		n += m->ops[p][op][METRICS_ERROR];
	return n;
}

/* The kinds that occurred, the most frequent first. */
static unsigned rank(const struct metrics_seat *m, unsigned *op)
{
	unsigned n = 0;

	for (unsigned i = 0; i < METRICS_OPS_USED; i++) {
		unsigned at = n;

		if (!all_of(m, i))
			continue;
		for (; at > 0 && all_of(m, op[at - 1]) < all_of(m, i); at--)
			op[at] = op[at - 1];
		op[at] = i;
		n++;
	}
	return n;
}

static void name_of(uint32_t pid, char *name, size_t size)
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	f = fopen(path, "re");
	if (!f || !fgets(name, (int)size, f))
		snprintf(name, size, "?");
	name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* Ends a line: on a screen what was there before is wiped. */
static const char *eol(enum format f)
{
	return f == SCREEN ? "\033[K\n" : "\n";
}

static void show_latency(const struct metrics_seat *m, unsigned path, unsigned op)
{
	const struct metrics_latency *l = &m->latency[path].op[op];

	if (metrics_samples(l))
		printf(" %9s %9s", units_time(metrics_quantile(l, 0.5)).s, units_time(metrics_quantile(l, 0.99)).s);
	else
		printf(" %9s %9s", "-", "-");
}

static void show_ops(const struct activity *a, enum format f, int rows)
{
	unsigned op[METRICS_OPS], n = rank(&a->sum, op);

	printf("%-12s %9s %7s %9s %9s %9s %9s %9s%s", "operation", "a second", "failed", "bypassed", "median", "99 %",
	       "kernel", "99 %", eol(f));
	for (unsigned i = 0; i < n && (int)i < rows; i++) {
		uint64_t all = all_of(&a->sum, op[i]);

		printf("%-12s %9s %6.1f%% %8.1f%%", metrics_op_name(op[i]), units_count(rate(a, all)).s,
		       100 * part(failed_of(&a->sum, op[i]), all),
		       100 * (1 - part(metrics_ops_of(&a->sum, METRICS_KERNEL, op[i]), all)));
		show_latency(&a->sum, METRICS_PROCESS, op[i]);
		show_latency(&a->sum, METRICS_KERNEL, op[i]);
		fputs(eol(f), stdout);
	}
}

static void show_processes(const struct activity *a, enum format f, int rows)
{
	printf("%-8s %-16s %7s %9s %9s %9s %9s%s", "process", "", "threads", "a second", "bypassed", "bytes/s",
	       "handed", eol(f));
	for (size_t i = 0; i < a->nprocesses && (int)i < rows; i++) {
		const struct process *p = &a->process[i];
		char name[32];

		name_of(p->pid, name, sizeof(name));
		printf("%-8u %-16.16s %7u %9s %8.1f%% %9s %9s%s%s", p->pid, name, p->threads,
		       units_count(rate(a, p->ops)).s, 100 * part(p->bypassed, p->ops),
		       units_bytes(rate(a, p->bytes)).s, units_count(rate(a, p->handed)).s, p->daemon ? "  daemon" : "",
		       eol(f));
	}
}

static uint64_t effects_of(const struct watch_bpf *b)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < WORLD_EFFECTS; i++)
		n += b->count.effects[i];
	return n;
}

/* Only where something is loaded: most have nothing to do with it. */
static void show_bpf(const struct activity *a, enum format f)
{
	const struct watch_bpf *b = &a->bpf;
	double maps = 0;

	if (!b->objects[OBJECT_PROG])
		return;
	for (size_t i = 0; i < b->nmaps; i++)
		maps += (double)b->maps[i].bytes;
	printf("eBPF: %u program%s, %s runs a second, %s calls affected a second; %u map%s of %s%s",
	       b->objects[OBJECT_PROG], b->objects[OBJECT_PROG] == 1 ? "" : "s",
	       units_count(rate(a, b->count.runs[0] + b->count.runs[1])).s, units_count(rate(a, effects_of(b))).s,
	       b->objects[OBJECT_MAP], b->objects[OBJECT_MAP] == 1 ? "" : "s", units_bytes(maps).s, eol(f));
}

/* What is no row of the two tables; the last line of a screen stays free, or it scrolls. */
#define OTHER_LINES 8

static void show_text(const struct activity *a, enum format f)
{
	struct winsize size = {.ws_row = 50};
	struct watch_share s = watch_share_of(&a->sum);
	int rows;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row)
		size.ws_row = 24;
	rows = f == SCREEN ? max_of(size.ws_row - OTHER_LINES, 2) : 1000;
	if (f == SCREEN)
		fputs("\033[H", stdout);
	printf("bt-fuse: %zu mount%s, %s operations a second, %.1f %% without the kernel, %s invalidations a second%s",
	       a->mounts, a->mounts == 1 ? "" : "s", units_count(rate(a, s.all)).s, 100 * part(s.bypassed, s.all),
	       units_count(rate(a, a->invals)).s, eol(f));
	printf("memory %s, data %s, %llu inodes; read %s/s, written %s/s%s", units_bytes((double)a->memory).s,
	       units_bytes((double)a->used).s, (unsigned long long)a->inodes,
	       units_bytes(rate(a, a->sum.bytes[0][0] + a->sum.bytes[1][0] + a->sum.bytes[2][0])).s,
	       units_bytes(rate(a, a->sum.bytes[0][1] + a->sum.bytes[1][1] + a->sum.bytes[2][1])).s, eol(f));
	show_bpf(a, f);
	fputs(eol(f), stdout);
	show_ops(a, f, f == SCREEN ? rows * 3 / 5 : rows);
	fputs(eol(f), stdout);
	show_processes(a, f, f == SCREEN ? rows * 2 / 5 : rows);
	fputs(f == SCREEN ? "\033[J" : "\n", stdout);
}

static void json_latency(const struct activity *a, unsigned path, unsigned op)
{
	const struct metrics_latency *l = &a->sum.latency[path].op[op];

	if (metrics_samples(l))
		printf(",\"%s_p50_ns\":%.1f,\"%s_p99_ns\":%.1f", metrics_path_name(path), metrics_quantile(l, 0.5),
		       metrics_path_name(path), metrics_quantile(l, 0.99));
}

static void json_bpf(const struct activity *a)
{
	const struct watch_bpf *b = &a->bpf;

	printf("\"bpf\":{\"programs\":%u,\"maps\":%u,\"runs\":%llu,\"overridden\":%llu,\"affected\":%llu,\"memory_"
	       "bytes\":%llu}",
	       b->objects[OBJECT_PROG], b->objects[OBJECT_MAP],
	       (unsigned long long)(b->count.runs[0] + b->count.runs[1]),
	       (unsigned long long)b->count.effects[EFFECT_OVERRIDE], (unsigned long long)effects_of(b),
	       (unsigned long long)b->memory);
}

static void show_json(const struct activity *a)
{
	unsigned op[METRICS_OPS], n = rank(&a->sum, op);
	struct watch_share s = watch_share_of(&a->sum);

	printf(
	    "{\"seconds\":%.3f,\"mounts\":%zu,\"operations_per_second\":%.1f,\"bypassed\":%.4f,\"memory_bytes\":%llu,"
	    "\"data_bytes\":%llu,\"inodes\":%llu,\"operations\":[",
	    a->seconds, a->mounts, rate(a, s.all), part(s.bypassed, s.all), (unsigned long long)a->memory,
	    (unsigned long long)a->used, (unsigned long long)a->inodes);
	for (unsigned i = 0; i < n; i++) {
		uint64_t all = all_of(&a->sum, op[i]);

		printf("%s{\"operation\":\"%s\",\"count\":%llu,\"per_second\":%.1f,\"failed\":%llu,\"bypassed\":%.4f",
		       i ? "," : "", metrics_op_name(op[i]), (unsigned long long)all, rate(a, all),
		       (unsigned long long)failed_of(&a->sum, op[i]),
		       1 - part(metrics_ops_of(&a->sum, METRICS_KERNEL, op[i]), all));
		for (unsigned p = 0; p < METRICS_PATHS; p++)
			json_latency(a, p, op[i]);
		putchar('}');
	}
	printf("],\"processes\":[");
	for (size_t i = 0; i < a->nprocesses; i++) {
		const struct process *p = &a->process[i];

		printf("%s{\"pid\":%u,\"daemon\":%s,\"threads\":%u,\"per_second\":%.1f,\"bypassed\":%.4f,"
		       "\"bytes_per_second\":%.1f,\"handed_per_second\":%.1f}",
		       i ? "," : "", p->pid, p->daemon ? "true" : "false", p->threads, rate(a, p->ops),
		       part(p->bypassed, p->ops), rate(a, p->bytes), rate(a, p->handed));
	}
	printf("],");
	json_bpf(a);
	printf("}\n");
}

/* ---- Going on -------------------------------------------------------------------- */

static volatile sig_atomic_t ended;

static void on_signal(int sig)
{
	ended = 1;
}

/* Keys come at once and unseen; put back at the end. */
static bool terminal(struct termios *saved)
{
	struct termios raw;

	if (!isatty(STDOUT_FILENO))
		return false;
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, saved) < 0)
		return true;
	raw = *saved;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	return true;
}

/* Waits; true: it is to end. */
static bool wait_for(int ms, enum format f)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	double until = now() + ms / 1e3;
	char key;

	while (!ended && now() < until) {
		int left = (int)((until - now()) * 1e3) + 1;

		if (poll(&in, f == SCREEN && isatty(STDIN_FILENO) ? 1 : 0, left) > 0 &&
		    (read(STDIN_FILENO, &key, 1) != 1 || key == 'q'))
			return true;
	}
	return ended;
}

struct options {
	enum format format;
	bool once;
	int ms;
	const char *dir;
};

static int run(const struct options *o, struct activity *a)
{
	enum format f = o->format;
	struct watch old, new;
	double then = now(), t;
	int ret = watch_take(&old);

	while (ret == 0 && !wait_for(o->ms, f)) {
		ret = watch_take(&new);
		t = now();
		compare(a, &old, &new, t - then, o->dir);
		watch_free(&old);
		old = new;
		then = t;
		if (ret == 0 && o->once && o->dir && !a->mounts)
			ret = -ENXIO;
		if (ret < 0)
			break;
		if (f == JSON)
			show_json(a);
		else
			show_text(a, f);
		if (fflush(stdout) != 0 || o->once)
			break;
	}
	watch_free(&old);
	return ret;
}

static int read_options(int argc, char **argv, struct options *o, char **dir, struct err *err)
{
	static const struct option longs[] = {{"json", no_argument, NULL, 'j'},
					      {"once", no_argument, NULL, 'o'},
					      {"interval", required_argument, NULL, 'i'},
					      {"mount", required_argument, NULL, 'm'},
					      {NULL, 0, NULL, 0}};
	uint64_t ms = INTERVAL_MS;
	int c;

	while ((c = args_next(argc, argv, ":", longs, err)) != -1) {
		if (c == 'j')
			o->format = JSON;
		else if (c == 'o')
			o->once = true;
		else if (c == 'm') {
			free(*dir);
			o->dir = *dir = realpath(optarg, NULL);
			if (!*dir)
				return err_set(err, -errno, "%s: %s", optarg, strerror(errno));
		} else if (c != 'i' || args_number("interval in ms", optarg, 10, 3600000, &ms, err) < 0)
			return -EINVAL;
	}
	if (ms < INTERVAL_LEAST_MS)
		return err_set(err, -EINVAL, "top: an interval of %llu ms is too short; %d is the least",
			       (unsigned long long)ms, INTERVAL_LEAST_MS);
	o->ms = (int)ms;
	if (optind != argc)
		return err_set(err, -EINVAL, "top: %s: takes no argument; see --mount", argv[optind]);
	return 0;
}

int cmd_top(int argc, char **argv, struct err *err)
{
	struct sigaction act = {.sa_handler = on_signal};
	autofree struct activity *a = malloc(sizeof(*a));
	struct options o = {.format = PLAIN};
	autofree char *dir = NULL;
	struct termios saved = {0};
	int ret = a ? read_options(argc, argv, &o, &dir, err) : err_set(err, -ENOMEM, "out of memory");

	if (ret < 0)
		return ret;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	if (o.format == PLAIN && !o.once && terminal(&saved))
		o.format = SCREEN;
	if (o.format == SCREEN)
		fputs("\033[?1049h\033[?25l\033[?7l\033[H\033[J", stdout); /* what is too wide is cut, not wrapped */
	ret = run(&o, a);
	if (o.format == SCREEN) {
		fputs("\033[?7h\033[?25h\033[?1049l", stdout);
		if (isatty(STDIN_FILENO))
			tcsetattr(STDIN_FILENO, TCSANOW, &saved);
	}
	if (ret == -ENXIO)
		return err_set(err, ret, "%s: no mount of bt-fuse is here; see bt-fuse status", o.dir);
	return ret < 0 ? err_set(err, ret, "top: %s", strerror(-ret)) : 0;
}
