/*
 * fsbench [-n ROUNDS] [--only NAME,...] [--json FILE] [LABEL=]DIR...: what the calls of
 * a file system cost, side by side for several directories.
 *
 * Each operation is timed in batches of some milliseconds, on one directory
 * after the other (A B C, A B C, ...), so that whatever disturbs the machine
 * meets all of them alike. Shown is the median of the rounds for one call, its
 * spread (half the distance of the quartiles), and the ratio to the first
 * directory. One thread: what is asked is latency.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"

#define DIRS_MAX 8
#define ROUNDS_MAX 1000
#define ENTRIES 10000
#define FILE_SIZE (4u << 20) /* of the file that is read and written */
#define PAGE 4096u
#define MIB (1u << 20)

/* A directory under test, and what every operation finds prepared in it. */
struct place {
	char label[24];	 /* as given, or the end of the path */
	char root[4096]; /* made for this run, removed at its end */
	int fd;		 /* of root: names are looked up from here */
	int data;	 /* `data` in it, FILE_SIZE bytes, open for both */
};

/*
 * An operation on one place. `prepare` and `tidy` (may be NULL) are not timed;
 * `call` is, `batch` times with i from 0 on. All end the program on an error.
 */
struct operation {
	const char *name;
	unsigned batch;
	void (*prepare)(struct place *p, unsigned n);
	void (*call)(struct place *p, unsigned i);
	void (*tidy)(struct place *p, unsigned n);
};

static char buffer[MIB] __attribute__((aligned(4096)));
static const char *current; /* the operation, for error messages */

static void must(struct place *p, long ret)
{
	if (ret < 0)
		err(1, "%s on %s", current, p->label);
}

/* The i-th name with a prefix; valid until the next call but one. */
static const char *name(char prefix, unsigned i)
{
	static char text[2][16];
	static unsigned which;
	char *s = text[which++ & 1];

	snprintf(s, sizeof(text[0]), "%c%u", prefix, i);
	return s;
}

/* ---- What has nothing to prepare ------------------------------------------ */

static void do_stat1(struct place *p, unsigned i)
{
	struct stat st;

	must(p, fstatat(p->fd, "data", &st, 0));
}

static void do_stat4(struct place *p, unsigned i)
{
	struct stat st;

	must(p, fstatat(p->fd, "a/b/c/file", &st, 0));
}

static void do_stat_none(struct place *p, unsigned i)
{
	struct stat st;

	if (fstatat(p->fd, "none", &st, 0) == 0 || errno != ENOENT)
		errx(1, "%s on %s: not ENOENT", current, p->label);
}

static void do_open(struct place *p, unsigned i)
{
	int fd = openat(p->fd, "data", O_RDONLY);

	must(p, fd);
	close(fd);
}

static void do_fstat(struct place *p, unsigned i)
{
	struct stat st;

	must(p, fstat(p->data, &st));
}

static void do_access(struct place *p, unsigned i)
{
	must(p, faccessat(p->fd, "data", R_OK, 0));
}

static void do_readlink(struct place *p, unsigned i)
{
	char to[64];

	must(p, readlinkat(p->fd, "link", to, sizeof(to)));
}

static void do_chmod(struct place *p, unsigned i)
{
	must(p, fchmodat(p->fd, "data", i & 1 ? 0600 : 0640, 0));
}

static void do_utimens(struct place *p, unsigned i)
{
	must(p, utimensat(p->fd, "data", NULL, 0));
}

static void do_rename(struct place *p, unsigned i)
{
	must(p, renameat(p->fd, i & 1 ? "moved" : "mover", p->fd, i & 1 ? "mover" : "moved"));
}

/* ---- What makes and removes names ------------------------------------------ */

static void do_create(struct place *p, unsigned i)
{
	int fd = openat(p->fd, name('f', i), O_CREAT | O_EXCL | O_WRONLY, 0600);

	must(p, fd);
	close(fd);
}

static void do_unlink(struct place *p, unsigned i)
{
	must(p, unlinkat(p->fd, name('f', i), 0));
}

static void do_mkdir(struct place *p, unsigned i)
{
	must(p, mkdirat(p->fd, name('d', i), 0700));
}

static void do_rmdir(struct place *p, unsigned i)
{
	must(p, unlinkat(p->fd, name('d', i), AT_REMOVEDIR));
}

static void do_link(struct place *p, unsigned i)
{
	must(p, linkat(p->fd, "data", p->fd, name('f', i), 0));
}

static void do_symlink(struct place *p, unsigned i)
{
	must(p, symlinkat("data", p->fd, name('f', i)));
}

static void make_files(struct place *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		do_create(p, i);
}

static void remove_files(struct place *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		do_unlink(p, i);
}

static void make_dirs(struct place *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		do_mkdir(p, i);
}

static void remove_dirs(struct place *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		do_rmdir(p, i);
}

static void do_readdir(struct place *p, unsigned i)
{
	int fd = openat(p->fd, "many", O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int n = 0;

	must(p, d ? 0 : -1);
	while (readdir(d))
		n++;
	closedir(d);
	if (n != ENTRIES + 2)
		errx(1, "%s on %s: %d entries", current, p->label, n);
}

/* ---- Data ------------------------------------------------------------------ */

static void transfer(struct place *p, size_t len, unsigned i, bool write)
{
	off_t off = (off_t)(i * (uint64_t)len % FILE_SIZE);
	ssize_t n = write ? pwrite(p->data, buffer, len, off) : pread(p->data, buffer, len, off);

	must(p, n);
	if ((size_t)n != len)
		errx(1, "%s on %s: %zd bytes instead of %zu", current, p->label, n, len);
}

static void do_read_page(struct place *p, unsigned i)
{
	transfer(p, PAGE, i, false);
}

static void do_read_mib(struct place *p, unsigned i)
{
	transfer(p, MIB, i, false);
}

static void do_write_page(struct place *p, unsigned i)
{
	transfer(p, PAGE, i, true);
}

static void do_write_mib(struct place *p, unsigned i)
{
	transfer(p, MIB, i, true);
}

/*
 * Cold: reads what this kernel holds no pages of (tmpfs has nothing else, and
 * stays as it is), writes where the file has no blocks yet.
 */
static void drop_pages(struct place *p, unsigned n)
{
	must(p, fsync(p->data));
	must(p, posix_fadvise(p->data, 0, 0, POSIX_FADV_DONTNEED));
}

static void drop_blocks(struct place *p, unsigned n)
{
	must(p, ftruncate(p->data, 0));
}

static void fill(struct place *p, unsigned n)
{
	for (unsigned i = 0; i < FILE_SIZE / MIB; i++)
		do_write_mib(p, i);
}

static const struct operation operations[] = {
    {"stat", 2000, NULL, do_stat1, NULL},
    {"stat, 4 components", 2000, NULL, do_stat4, NULL},
    {"stat, absent", 2000, NULL, do_stat_none, NULL},
    {"fstat", 2000, NULL, do_fstat, NULL},
    {"access", 2000, NULL, do_access, NULL},
    {"readlink", 1000, NULL, do_readlink, NULL},
    {"open+close", 500, NULL, do_open, NULL},
    {"create+close", 200, NULL, do_create, remove_files},
    {"unlink", 200, make_files, do_unlink, NULL},
    {"mkdir", 200, NULL, do_mkdir, remove_dirs},
    {"rmdir", 200, make_dirs, do_rmdir, NULL},
    {"link", 200, NULL, do_link, remove_files},
    {"symlink", 200, NULL, do_symlink, remove_files},
    {"rename", 200, NULL, do_rename, NULL},
    {"chmod", 200, NULL, do_chmod, NULL},
    {"utimens", 200, NULL, do_utimens, NULL},
    {"readdir 10000", 1, NULL, do_readdir, NULL},
    {"pread 4K", 1000, NULL, do_read_page, NULL},
    {"pread 4K cold", FILE_SIZE / PAGE, drop_pages, do_read_page, NULL},
    {"pread 1M", FILE_SIZE / MIB, NULL, do_read_mib, NULL},
    {"pread 1M cold", FILE_SIZE / MIB, drop_pages, do_read_mib, NULL},
    {"pwrite 4K", 1000, NULL, do_write_page, NULL},
    {"pwrite 4K cold", FILE_SIZE / PAGE, drop_blocks, do_write_page, fill},
    {"pwrite 1M", FILE_SIZE / MIB, NULL, do_write_mib, NULL},
    {"pwrite 1M cold", FILE_SIZE / MIB, drop_blocks, do_write_mib, fill},
};

/* ---- Places ----------------------------------------------------------------- */

static void name_place(struct place *p, const char *arg)
{
	const char *equals = strchr(arg, '=');
	const char *dir = equals ? equals + 1 : arg;
	size_t len = strlen(dir);

	current = "preparing";
	if (equals)
		snprintf(p->label, sizeof(p->label), "%.*s", (int)(equals - arg), arg);
	else
		snprintf(p->label, sizeof(p->label), "%s",
			 dir + (len < sizeof(p->label) ? 0 : len - sizeof(p->label) + 1));
	snprintf(p->root, sizeof(p->root), "%s/fsbench.XXXXXX", dir);
}

static void prepare_place(struct place *p)
{
	int many;

	must(p, mkdtemp(p->root) ? 0 : -1);
	p->fd = open(p->root, O_RDONLY | O_DIRECTORY);
	must(p, p->fd);
	p->data = openat(p->fd, "data", O_CREAT | O_RDWR, 0600);
	must(p, p->data);
	fill(p, 0);
	must(p, mkdirat(p->fd, "a", 0700));
	must(p, mkdirat(p->fd, "a/b", 0700));
	must(p, mkdirat(p->fd, "a/b/c", 0700));
	must(p, close(openat(p->fd, "a/b/c/file", O_CREAT | O_WRONLY, 0600)));
	must(p, close(openat(p->fd, "mover", O_CREAT | O_WRONLY, 0600)));
	must(p, symlinkat("data", p->fd, "link"));
	must(p, mkdirat(p->fd, "many", 0700));
	many = openat(p->fd, "many", O_RDONLY | O_DIRECTORY);
	must(p, many);
	for (unsigned i = 0; i < ENTRIES; i++)
		must(p, mknodat(many, name('f', i), S_IFREG | 0600, 0));
	close(many);
}

static void remove_place(struct place *p)
{
	char path[32];

	current = "removing";
	for (unsigned i = 0; i < ENTRIES; i++) {
		snprintf(path, sizeof(path), "many/f%u", i);
		must(p, unlinkat(p->fd, path, 0));
	}
	must(p, unlinkat(p->fd, "many", AT_REMOVEDIR));
	must(p, unlinkat(p->fd, "a/b/c/file", 0));
	must(p, unlinkat(p->fd, "a/b/c", AT_REMOVEDIR));
	must(p, unlinkat(p->fd, "a/b", AT_REMOVEDIR));
	must(p, unlinkat(p->fd, "a", AT_REMOVEDIR));
	must(p, unlinkat(p->fd, "data", 0));
	must(p, unlinkat(p->fd, "mover", 0));
	must(p, unlinkat(p->fd, "link", 0));
	must(p, rmdir(p->root));
}

/* ---- Measuring ---------------------------------------------------------------- */

struct result {
	double median, spread; /* nanoseconds a call */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Nanoseconds a call, over one batch. */
static double run_batch(const struct operation *op, struct place *p)
{
	double start, end;

	if (op->prepare)
		op->prepare(p, op->batch);
	start = now();
	for (unsigned i = 0; i < op->batch; i++)
		op->call(p, i);
	end = now();
	if (op->tidy)
		op->tidy(p, op->batch);
	return (end - start) / op->batch;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct result summary(double *times, int n)
{
	qsort(times, (size_t)n, sizeof(*times), compare);
	return (struct result){times[n / 2], (times[n * 3 / 4] - times[n / 4]) / 2};
}

static void measure(const struct operation *op, struct place *places, int n, int rounds, struct result *out)
{
	static double times[DIRS_MAX][ROUNDS_MAX];

	current = op->name;
	for (int k = 0; k < n; k++)
		run_batch(op, &places[k]); /* to get warm */
	for (int r = 0; r < rounds; r++)
		for (int k = 0; k < n; k++)
			times[k][r] = run_batch(op, &places[k]);
	for (int k = 0; k < n; k++)
		out[k] = summary(times[k], rounds);
}

/* ---- Showing ------------------------------------------------------------------- */

/* In the unit that suits: 123 ns, 1.23 us, 1.23 ms. */
static const char *human(double ns)
{
	static char text[4][16];
	static unsigned which;
	char *s = text[which++ & 3];

	if (ns < 1000)
		snprintf(s, sizeof(text[0]), "%.0f ns", ns);
	else if (ns < 1e6)
		snprintf(s, sizeof(text[0]), "%.2f us", ns / 1e3);
	else
		snprintf(s, sizeof(text[0]), "%.2f ms", ns / 1e6);
	return s;
}

static void show_head(const struct place *places, int n)
{
	printf("%-20s", "");
	for (int k = 0; k < n; k++)
		printf("%-*s", k ? 28 : 18, places[k].label);
	printf("\n");
}

static void show_row(const struct operation *op, const struct result *res, int n)
{
	printf("%-20s", op->name);
	for (int k = 0; k < n; k++) {
		printf("%-9s +-%2.0f%%  ", human(res[k].median), 100 * res[k].spread / res[k].median);
		if (k)
			printf("%7.2fx  ", res[k].median / res[0].median);
	}
	printf("\n");
	fflush(stdout);
}

/* Labels are paths; what JSON does not take literally is written as an escape. */
static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\' || (unsigned char)*s < ' ')
			fprintf(f, "\\u%04x", (unsigned char)*s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static void json_row(FILE *f, const struct operation *op, const struct place *places, const struct result *res, int n)
{
	static bool any;

	fprintf(f, "%s\n {\"operation\": \"%s\", \"ns\": {", any ? "," : "", op->name);
	for (int k = 0; k < n; k++) {
		fprintf(f, k ? ", " : "");
		json_string(f, places[k].label);
		fprintf(f, ": {\"median\": %.1f, \"spread\": %.1f}", res[k].median, res[k].spread);
	}
	fprintf(f, "}}");
	any = true;
}

/* ---- Command line ----------------------------------------------------------------- */

struct options {
	int rounds;
	const char *only; /* comma-separated beginnings of names, or NULL: all */
	FILE *json;
};

static bool wanted(const struct operation *op, const char *only)
{
	while (only && *only) {
		size_t len = strcspn(only, ",");

		if (len && strncmp(op->name, only, len) == 0)
			return true;
		only += len + (only[len] == ',');
		if (!*only)
			return false;
	}
	return true;
}

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
	    {"only", required_argument, NULL, 'o'}, {"json", required_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	int c;

	while ((c = getopt_long(argc, argv, "n:", longs, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->rounds = atoi(optarg);
			break;
		case 'o':
			o->only = optarg;
			break;
		case 'j':
			o->json = fopen(optarg, "w");
			if (!o->json)
				err(1, "%s", optarg);
			break;
		default:
			exit(2);
		}
	}
	if (o->rounds < 1 || o->rounds > ROUNDS_MAX)
		errx(2, "-n: from 1 to %d rounds", ROUNDS_MAX);
	if (optind == argc || argc - optind > DIRS_MAX)
		errx(2, "usage: fsbench [-n ROUNDS] [--only NAME,...] [--json FILE] DIR... (up to %d)", DIRS_MAX);
}

int main(int argc, char **argv)
{
	static struct place places[DIRS_MAX];
	struct options o = {.rounds = 21};
	struct result res[DIRS_MAX];
	int n;

	parse(argc, argv, &o);
	n = argc - optind;
	memset(buffer, 'b', sizeof(buffer));
	for (int k = 0; k < n; k++)
		name_place(&places[k], argv[optind + k]);
	for (int k = 0; k < n; k++)
		prepare_place(&places[k]);
	show_head(places, n);
	if (o.json)
		fprintf(o.json, "[");
	for (size_t i = 0; i < array_len(operations); i++) {
		if (!wanted(&operations[i], o.only))
			continue;
		measure(&operations[i], places, n, o.rounds, res);
		show_row(&operations[i], res, n);
		if (o.json)
			json_row(o.json, &operations[i], places, res, n);
	}
	if (o.json && (fprintf(o.json, "\n]\n") < 0 || fclose(o.json) != 0))
		err(1, "--json");
	for (int k = 0; k < n; k++)
		remove_place(&places[k]);
	return 0;
}
