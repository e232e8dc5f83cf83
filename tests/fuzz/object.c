/*
 * Object files that are not what they say. libbpf reads them; what is ours is
 * before it (bt-fuse-attach, which looks into .rodata and its BTF) and behind it
 * (what answers bpf(2)). The input damages some bytes of a good object, in a
 * section each; a child loads that as bt-fuse-attach would, with its system
 * calls answered in the process. It may fail, but not crash or hang, and leaves
 * nothing in the world. A crash of libbpf itself is libbpf's.
 *
 * Environment: OBJECTS, paths of good objects, separated by colons; SHOW: what the loader says.
 */
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent.h"
#include "agent/world.h"
#include "base/sys.h"
#include "rig.h"
#include "target.h"
#include "world/object.h"

#define OBJECTS 8
#define OBJECT_BYTES (1u << 18)
#define THEIRS 76 /* status: libbpf has crashed */

struct change {
	uint8_t section, width, how, pad;
	uint32_t where, value;
};

static struct good {
	char bytes[OBJECT_BYTES];
	size_t size;
} good[OBJECTS];
static unsigned ngood;
static volatile sig_atomic_t answering; /* code of ours runs, below libbpf */

/* bt-fuse-attach's main, and what it does when all is attached. */
int attach_main(int argc, char **argv);
int attach_wait(const sigset_t *set, int *sig);

int attach_wait(const sigset_t *set, int *sig)
{
	fflush(stdout);
	_exit(0);
}

/* ---- System calls of libbpf -------------------------------------------------------------- */

static long answer(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;

	answering = 1;
	ret = agent_call(nr, a, b, c, d, e, f);
	answering = 0;
	if (nr == SYS_bpf && ret == -ENOTCONN)
		kill(getpid(), SIGKILL); /* the server has died */
	if (ret < 0 && ret > -4096) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

#define EXPORT __attribute__((visibility("default")))

/* Takes six arguments also from who gives fewer. */
EXPORT __attribute__((no_sanitize_address)) long syscall(long nr, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == SYS_bpf || nr == SYS_perf_event_open)
		return answer(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	a[0] = sys_call6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (a[0] < 0 && a[0] > -4096) {
		errno = (int)-a[0];
		return -1;
	}
	return a[0];
}

EXPORT int ioctl(int fd, unsigned long cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	return (int)answer(SYS_ioctl, fd, (long)cmd, arg, 0, 0, 0);
}

/* Ids of tracepoints. */
EXPORT FILE *fopen(const char *path, const char *mode)
{
	bool ours = strncmp(path, "/sys/", 5) == 0;
	int flags = mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT;
	long fd = ours ? answer(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0)
		       : open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? NULL : fdopen((int)fd, mode);
}

/* ---- Objects --------------------------------------------------------------------------------- */

static void read_object(const char *path)
{
	struct good *g = &good[ngood];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	must(fd);
	g->size = (size_t)read(fd, g->bytes, sizeof(g->bytes));
	must(g->size > sizeof(Elf64_Ehdr) && g->size < sizeof(g->bytes) ? 0 : -1);
	close(fd);
	ngood++;
}

/* The bytes of section `i`; one more than there are: the table of sections; and then the file's header. */
static void part(const struct good *g, unsigned i, size_t *off, size_t *len)
{
	const Elf64_Ehdr *h = (const void *)g->bytes;
	const Elf64_Shdr *s = (const void *)(g->bytes + h->e_shoff);

	i %= h->e_shnum + 2u;
	*off = i < h->e_shnum ? s[i].sh_offset : i == h->e_shnum ? h->e_shoff : 0;
	*len = i < h->e_shnum ? s[i].sh_size : i == h->e_shnum ? h->e_shnum * sizeof(*s) : sizeof(*h);
	if (*len == 0 || *off >= g->size || *len > g->size - *off) {
		*off = 0;
		*len = g->size;
	}
}

static void damage(const struct good *g, char *bytes, const struct change *c)
{
	size_t width = 1u << c->width % 3, off, len;
	uint32_t v = 0;

	part(g, c->section, &off, &len);
	off = min_of(off + c->where % len / width * width, g->size - width);
	memcpy(&v, bytes + off, width);
	v = c->how % 3 == 0 ? c->value : c->how % 3 == 1 ? v + c->value % 16 - 8 : v ^ 1u << c->value % (8 * width);
	memcpy(bytes + off, &v, width);
}

/* ---- A loader --------------------------------------------------------------------------------- */

static void crashed(int sig)
{
	void *at[64];
	int n = backtrace(at, 64);
	bool theirs = false;
	Dl_info info;

	for (int i = 0; i < n; i++)
		theirs |= dladdr(at[i], &info) &&
			  (strstr(info.dli_fname, "/libbpf.so") || strstr(info.dli_fname, "/libelf.so"));
	if (theirs && !answering)
		_exit(THEIRS);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void as_loader(const char *bytes, size_t size, unsigned set)
{
	static const char *const sets[] = {"nth=7", "pattern=/x", "root=/y"};
	static const int sigs[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
	char path[64];
	int fd = memfd_create("object", 0);
	char *argv[] = {(char *)"bt-fuse-attach", path, (char *)"--set", NULL, NULL};

	for (unsigned i = 0; i < array_len(sigs); i++)
		signal(sigs[i], crashed);
	alarm(4);
	must(agent_forked());
	must(write(fd, bytes, size));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!getenv("SHOW")) {
		stdout = stderr = fdopen(open("/dev/null", O_WRONLY), "w");
		libbpf_set_print(NULL);
	}
	if (set < array_len(sets))
		argv[3] = (char *)(uintptr_t)sets[set];
	_exit(attach_main(argv[3] ? 4 : 2, argv));
}

static void look_for_leavings(void)
{
	struct world *w = agent_world();
	struct object o;

	world_clear_up(w, agent_task());
	if (object_next(w, agent_task(), 0, 0, &o) == 0) {
		fprintf(stderr, "left: object %u of kind %u, type %u\n", o.id, o.kind, o.type);
		abort();
	}
	must(arena_check(&w->arena.pool));
}

static int load(const char *bytes, size_t size, unsigned set)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	must(pid);
	if (pid == 0)
		as_loader(bytes, size, set);
	must(waitpid(pid, &status, 0));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > THEIRS) {
		fprintf(stderr, "the loader: status %#x\n", (unsigned)status);
		abort();
	}
	look_for_leavings();
	return WEXITSTATUS(status);
}

static void start(void)
{
	char *rest = getenv("OBJECTS"), *path;

	if (ngood)
		return;
	must(rest ? 0 : -ENOENT);
	rest = strdup(rest);
	while (ngood < OBJECTS && (path = strsep(&rest, ":")))
		read_object(path);
	agent_start();
	for (unsigned i = 0; i < ngood; i++)
		must(load(good[i].bytes, good[i].size, UINT_MAX) == 0 ? 0 : -ENOEXEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char bytes[OBJECT_BYTES];
	const struct good *g;
	struct change c;

	start();
	if (size < 1)
		return 0;
	g = &good[data[0] % OBJECTS % ngood];
	memcpy(bytes, g->bytes, g->size);
	for (size_t at = 1; at + sizeof(c) <= size; at += sizeof(c)) {
		memcpy(&c, data + at, sizeof(c));
		damage(g, bytes, &c);
	}
	load(bytes, g->size, data[0] / OBJECTS % 4);
	return 0;
}

size_t target_make_up(uint8_t *input, uint64_t (*roll)(uint64_t n))
{
	static const uint32_t odd[] = {0, 1, 2, 255, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffe, 4096, 64};
	size_t n = 1 + roll(roll(2) ? 2 : 6);

	input[0] = (uint8_t)roll(256);
	for (size_t i = 0; i < n; i++) {
		struct change c = {.section = (uint8_t)roll(256),
				   .width = (uint8_t)roll(3),
				   .how = (uint8_t)roll(3),
				   .where = (uint32_t)roll(1ull << 32),
				   .value = roll(2) ? odd[roll(array_len(odd))] : (uint32_t)roll(1ull << 32)};

		memcpy(input + 1 + i * sizeof(c), &c, sizeof(c));
	}
	return 1 + n * sizeof(struct change);
}

const char *target_find_name(unsigned k)
{
	return NULL;
}

const char *target_find(unsigned k)
{
	return NULL;
}
