/*
 * The operations. Each works on names below the place's directory, and finds
 * and leaves the place as ops_prepare made it.
 */
#include "ops.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"

#define ENTRIES 10000
#define FILE_SIZE (4u << 20) /* of the file that is read and written */
#define PAGE 4096u
#define MIB (1u << 20)

static char buffer[MIB] __attribute__((aligned(4096)));
static const char *current = "preparing"; /* the operation, for error messages */

static void must(struct place *p, long ret)
{
	if (ret < 0)
		err(1, "%s on %s", current, p->label);
}

/* The i-th name with a prefix. Made beforehand: printing one takes as long as the calls that are measured. */
static const char *name(char prefix, unsigned i)
{
	static char names[2][ENTRIES][8];
	char(*n)[8] = names[prefix == 'd'];

	for (unsigned k = 0; !n[ENTRIES - 1][0] && k < ENTRIES; k++)
		snprintf(n[k], sizeof(n[k]), "%c%u", prefix, k);
	return n[i];
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

/* As `ls -l` does it. */
static void do_list(struct place *p, unsigned i)
{
	int fd = openat(p->fd, "many", O_RDONLY | O_DIRECTORY);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	struct stat st;
	int n = 0;

	must(p, d ? 0 : -1);
	for (; (e = readdir(d)); n++)
		must(p, fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW));
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

static void do_read_byte(struct place *p, unsigned i)
{
	char byte;

	must(p, lseek(p->data, i & 1023, SEEK_SET));
	must(p, read(p->data, &byte, 1) == 1 ? 0 : -1);
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

const struct operation operations[] = {
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
    {"readdir+stat 10000", 1, NULL, do_list, NULL},
    {"lseek+read 1", 1000, NULL, do_read_byte, NULL},
    {"pread 4K", 1000, NULL, do_read_page, NULL},
    {"pread 4K cold", FILE_SIZE / PAGE, drop_pages, do_read_page, NULL},
    {"pread 1M", FILE_SIZE / MIB, NULL, do_read_mib, NULL},
    {"pread 1M cold", FILE_SIZE / MIB, drop_pages, do_read_mib, NULL},
    {"pwrite 4K", 1000, NULL, do_write_page, NULL},
    {"pwrite 4K cold", FILE_SIZE / PAGE, drop_blocks, do_write_page, fill},
    {"pwrite 1M", FILE_SIZE / MIB, NULL, do_write_mib, NULL},
    {"pwrite 1M cold", FILE_SIZE / MIB, drop_blocks, do_write_mib, fill},
    {0},
};

/* ---- Places ----------------------------------------------------------------- */

void ops_name(struct place *p, const char *arg)
{
	const char *equals = strchr(arg, '=');
	const char *dir = equals ? equals + 1 : arg;
	size_t len = strlen(dir);

	if (equals)
		snprintf(p->label, sizeof(p->label), "%.*s", (int)(equals - arg), arg);
	else
		snprintf(p->label, sizeof(p->label), "%s",
			 dir + (len < sizeof(p->label) ? 0 : len - sizeof(p->label) + 1));
	snprintf(p->root, sizeof(p->root), "%s/fsbench.XXXXXX", dir);
}

void ops_prepare(struct place *p)
{
	int many;

	memset(buffer, 'b', sizeof(buffer));
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

void ops_remove(struct place *p)
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

/* ---- Timing ------------------------------------------------------------------- */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

double ops_batch(const struct operation *op, struct place *p)
{
	double start, end;

	current = op->name;
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
