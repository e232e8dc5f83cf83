/*
 * bt-fuse trace: runs a program as `bt-fuse run` does and prints its file calls
 * as strace does, each with who answered it and how long that took. The
 * processes write records to shared memory (launch/trace_file.h), this one
 * reads, puts them into words and waits for the program.
 */
#include "launch/trace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/scope.h"
#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/units.h"
#include "base/call_names.h"

#define NAP_MS 2
#define PATIENCE 500 /* naps for a record that was begun and does not come */

/* ---- Words ---------------------------------------------------------------------- */

/*
 * How a call's arguments are shown, a letter each: d descriptor or AT_FDCWD, i
 * number, o octal, p and q the first and second path, f flags of open, x flags
 * in hexadecimal, a address.
 */
static const struct {
	uint16_t nr;
	const char *args;
} shapes[] = {
    {SYS_open, "pfo"},	      {SYS_openat, "dpfo"},	{SYS_openat2, "dpai"},
    {SYS_creat, "po"},	      {SYS_close, "d"},		{SYS_close_range, "iix"},
    {SYS_read, "dai"},	      {SYS_write, "dai"},	{SYS_pread64, "daii"},
    {SYS_pwrite64, "daii"},   {SYS_readv, "dai"},	{SYS_writev, "dai"},
    {SYS_preadv, "daii"},     {SYS_pwritev, "daii"},	{SYS_lseek, "dii"},
    {SYS_getdents64, "dai"},  {SYS_stat, "pa"},		{SYS_lstat, "pa"},
    {SYS_fstat, "da"},	      {SYS_newfstatat, "dpax"}, {SYS_statx, "dpxxa"},
    {SYS_access, "px"},	      {SYS_faccessat, "dpx"},	{SYS_faccessat2, "dpxx"},
    {SYS_readlink, "pai"},    {SYS_readlinkat, "dpai"}, {SYS_truncate, "pi"},
    {SYS_ftruncate, "di"},    {SYS_fallocate, "dxii"},	{SYS_fsync, "d"},
    {SYS_fdatasync, "d"},     {SYS_syncfs, "d"},	{SYS_fadvise64, "diii"},
    {SYS_ioctl, "dxa"},	      {SYS_fcntl, "dii"},	{SYS_dup, "d"},
    {SYS_dup2, "dd"},	      {SYS_dup3, "ddx"},	{SYS_flock, "dx"},
    {SYS_mkdir, "po"},	      {SYS_mkdirat, "dpo"},	{SYS_rmdir, "p"},
    {SYS_unlink, "p"},	      {SYS_unlinkat, "dpx"},	{SYS_rename, "pq"},
    {SYS_renameat, "dpdq"},   {SYS_renameat2, "dpdqx"}, {SYS_link, "pq"},
    {SYS_linkat, "dpdqx"},    {SYS_symlink, "pq"},	{SYS_symlinkat, "pdq"},
    {SYS_mknod, "poi"},	      {SYS_mknodat, "dpoi"},	{SYS_chmod, "po"},
    {SYS_fchmod, "do"},	      {SYS_fchmodat, "dpo"},	{SYS_chown, "pii"},
    {SYS_lchown, "pii"},      {SYS_fchown, "dii"},	{SYS_fchownat, "dpiix"},
    {SYS_utimensat, "dpax"},  {SYS_umask, "o"},		{SYS_chdir, "p"},
    {SYS_fchdir, "d"},	      {SYS_getcwd, "pi"},	{SYS_statfs, "pa"},
    {SYS_fstatfs, "da"},      {SYS_mmap, "aixxdi"},	{SYS_getxattr, "paai"},
    {SYS_lgetxattr, "paai"},  {SYS_fgetxattr, "daai"},	{SYS_setxattr, "paaix"},
    {SYS_lsetxattr, "paaix"}, {SYS_fsetxattr, "daaix"}, {SYS_listxattr, "pai"},
    {SYS_flistxattr, "dai"},  {SYS_sendfile, "ddai"},	{SYS_copy_file_range, "dadaix"},
};

static const char *shape_of(unsigned nr)
{
	for (size_t i = 0; i < array_len(shapes); i++)
		if (shapes[i].nr == nr)
			return shapes[i].args;
	return "xxx";
}

static void put_text(FILE *out, const char *s)
{
	size_t n = strlen(s);

	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if ((unsigned char)*s < 32 || *s == 127)
			fprintf(out, "\\%03o", (unsigned char)*s);
		else
			fputc(*s, out);
	}
	fputs(n >= TRACE_PATH - 1 ? "\"..." : "\"", out);
}

static void put_open_flags(FILE *out, int flags)
{
	static const struct {
		int flag;
		const char *name;
	} names[] = {{O_CREAT, "O_CREAT"},	 {O_EXCL, "O_EXCL"},	     {O_TRUNC, "O_TRUNC"},
		     {O_APPEND, "O_APPEND"},	 {O_NONBLOCK, "O_NONBLOCK"}, {O_DIRECTORY, "O_DIRECTORY"},
		     {O_NOFOLLOW, "O_NOFOLLOW"}, {O_CLOEXEC, "O_CLOEXEC"},   {O_NOATIME, "O_NOATIME"},
		     {O_PATH, "O_PATH"},	 {O_NOCTTY, "O_NOCTTY"},     {O_DIRECT, "O_DIRECT"},
		     {0100000, "O_LARGEFILE"}};
	static const char *const modes[] = {"O_RDONLY", "O_WRONLY", "O_RDWR", "3"};
	int rest = flags & ~O_ACCMODE;

	fputs(modes[flags & O_ACCMODE], out);
	for (size_t i = 0; i < array_len(names); i++) {
		if ((rest & names[i].flag) != names[i].flag)
			continue;
		fprintf(out, "|%s", names[i].name);
		rest &= ~names[i].flag;
	}
	if (rest)
		fprintf(out, "|0x%x", (unsigned)rest);
}

static void put_arg(FILE *out, char shape, const struct trace_record *t, int64_t value)
{
	switch (shape) {
	case 'd':
		if ((int)value == AT_FDCWD)
			fputs("AT_FDCWD", out);
		else
			fprintf(out, "%d", (int)value);
		break;
	case 'i':
		fprintf(out, "%" PRId64, value);
		break;
	case 'o':
		fprintf(out, "%#o", (unsigned)value);
		break;
	case 'p':
	case 'q':
		put_text(out, t->path[shape == 'q']);
		break;
	case 'f':
		put_open_flags(out, (int)value);
		break;
	case 'a':
		if (value)
			fprintf(out, "%#" PRIx64, (uint64_t)value);
		else
			fputs("NULL", out);
		break;
	default:
		fprintf(out, "%#x", (unsigned)value);
	}
}

static void put_result(FILE *out, const struct trace_record *t)
{
	const char *name = t->ret < 0 && t->ret > -4096 ? strerrorname_np((int)-t->ret) : NULL;

	if (t->flags & TRACE_NO_RESULT)
		fputs(" = ?", out);
	else if (t->ret < 0 && t->ret > -4096)
		fprintf(out, " = -1 %s", name ? name : "?");
	else if (t->nr == SYS_mmap)
		fprintf(out, " = %#" PRIx64, (uint64_t)t->ret);
	else
		fprintf(out, " = %" PRId64, t->ret);
}

static void put_record(FILE *out, const struct trace_record *t)
{
	const char *shape = shape_of(t->nr);
	time_t second = (time_t)(t->start / 1000000000);
	struct tm tm;
	char clock[16];

	localtime_r(&second, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(out, "%u %s.%06u %s(", t->tid, clock, (unsigned)(t->start % 1000000000 / 1000), call_name(t->nr));
	for (int i = 0; shape[i]; i++) {
		fputs(i ? ", " : "", out);
		/* Where open makes nothing it has no mode. */
		if (shape[i] == 'o' && i && shape[i - 1] == 'f' && !(t->a[i - 1] & (O_CREAT | O_TMPFILE)))
			fputs("0", out);
		else
			put_arg(out, shape[i], t, t->a[i]);
	}
	fputc(')', out);
	put_result(out, t);
	fprintf(out, " <%s, %s>\n", t->flags & TRACE_HANDED ? "kernel" : "process", units_time((double)t->took).s);
}

/* ---- Reading ---------------------------------------------------------------------- */

struct tracer {
	struct trace_file *file;
	FILE *out;
	unsigned naps; /* for the record that is due */
	uint64_t lost;
};

/* A copy, so that the room can be given back at once. */
static bool read_one(struct tracer *t)
{
	uint64_t tail = load_relaxed(&t->file->tail);
	const struct trace_record *r = &t->file->record[tail % TRACE_RECORDS];
	struct trace_record copy;

	if (load_acquire(&r->turn) == tail + 1) {
		copy = *r;
		copy.path[0][TRACE_PATH - 1] = copy.path[1][TRACE_PATH - 1] = '\0';
		put_record(t->out, &copy);
	} else if (load_relaxed(&t->file->head) == tail || ++t->naps < PATIENCE) {
		return false;
	} else {
		t->lost++; /* its writer has died */
	}
	t->naps = 0;
	store_release(&t->file->tail, tail + 1);
	return true;
}

static int follow(struct tracer *t, pid_t child)
{
	const struct timespec nap = {.tv_nsec = NAP_MS * 1000000};
	int status = 0;
	bool over = false;

	for (;;) {
		/* Before reading: what it did is in the ring when it has ended. */
		if (!over)
			over = waitpid(child, &status, WNOHANG) != 0;
		while (read_one(t))
			;
		if (over && load_relaxed(&t->file->head) == load_relaxed(&t->file->tail))
			break;
		fflush(t->out);
		nanosleep(&nap, NULL);
	}
	store_relaxed(&t->file->closed, 1);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static struct trace_file *make_file(char *path, size_t size)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	void *p;
	int fd;

	snprintf(path, size, "%s/bt-fuse-trace.XXXXXX", dir && dir[0] == '/' ? dir : "/tmp");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return NULL;
	p = ftruncate(fd, sizeof(struct trace_file)) < 0
		? MAP_FAILED
		: mmap(NULL, sizeof(struct trace_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		return p;
	unlink(path);
	return NULL;
}

/* In the child: becomes `bt-fuse run` with the same arguments. */
static void become_run(const char *path, char **mounts, int nmounts, char **command)
{
	int n = 0, count = 0;
	char **argv;

	while (command[count])
		count++;
	argv = calloc((size_t)(nmounts * 2 + count + 6), sizeof(*argv));
	if (!argv)
		_exit(126);
	argv[n++] = "bt-fuse";
	argv[n++] = "run";
	argv[n++] = "--trace-to";
	argv[n++] = strdup(path);
	for (int i = 0; i < nmounts; i++) {
		argv[n++] = "--mount";
		argv[n++] = mounts[i];
	}
	argv[n++] = "--";
	memcpy(argv + n, command, (size_t)count * sizeof(*argv));
	execv("/proc/self/exe", argv);
	_exit(126);
}

static int trace(struct tracer *t, const char *path, char **mounts, int nmounts, char **command)
{
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (child == 0)
		become_run(path, mounts, nmounts, command);
	/* The terminal's signals are for the program; this ends when that does. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	return follow(t, child);
}

int cmd_trace(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {
	    {"mount", required_argument, NULL, 'm'}, {"output", required_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	struct tracer t = {.out = stderr};
	char path[256], *mounts[8];
	int c, nmounts = 0, ret;

	while ((c = args_next(argc, argv, "+:o:", longs, err)) != -1) {
		if (c == 'm' && nmounts < (int)array_len(mounts))
			mounts[nmounts++] = optarg;
		else if (c == 'o')
			t.out = fopen(optarg, "we");
		else
			return c == 'm' ? err_set(err, -EINVAL, "trace: too many mounts") : -EINVAL;
		if (!t.out)
			return err_set(err, -errno, "%s: %s", optarg, strerror(errno));
	}
	if (!argv[optind])
		return err_set(err, -EINVAL, "trace: no command given; see bt-fuse-trace(1)");
	t.file = make_file(path, sizeof(path));
	if (!t.file)
		return err_set(err, -errno, "trace: %s: %s", path, strerror(errno));
	ret = trace(&t, path, mounts, nmounts, argv + optind);
	unlink(path);
	if (t.lost)
		fprintf(stderr, "bt-fuse: trace: %llu calls of killed processes are missing\n",
			(unsigned long long)t.lost);
	if (t.out != stderr && fclose(t.out) != 0)
		return err_set(err, -errno, "trace: %s", strerror(errno));
	return ret < 0 ? err_set(err, ret, "trace: %s", strerror(-ret)) : ret;
}
