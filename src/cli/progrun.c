/*
 * A program on its own: see progrun.h. For one that comes in hex helpers do nothing
 * and return 0; one that is loaded is run by a loader, for which they are all there.
 */
#include "cli/progrun.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scope.h"
#include "bpf/interp.h"
#include "bpf/jit.h"
#include "cli/args.h"
#include "cli/loader.h"

#define HELPERS 256u

static int nibble(int c)
{
	return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* Bytes written in hex, blanks and line ends between them or not. -1: something else is there. */
static long unhex(const char *s, unsigned char *out, size_t room)
{
	size_t n = 0;
	int high = -1;

	for (; *s; s++) {
		int v = nibble((unsigned char)*s);

		if (isspace((unsigned char)*s))
			continue;
		if (v < 0 || n == room)
			return -1;
		if (high < 0) {
			high = v;
			continue;
		}
		out[n++] = (unsigned char)(high << 4 | v);
		high = -1;
	}
	return high < 0 ? (long)n : -1;
}

static char *read_all(FILE *f)
{
	size_t n = 0, cap = 0;
	char *buf = NULL;

	for (;;) {
		char *more = n + 1 >= cap ? realloc(buf, cap = cap ? 2 * cap : 65536) : buf;
		size_t k;

		if (!more) {
			free(buf);
			return NULL;
		}
		buf = more;
		k = fread(buf + n, 1, cap - n - 1, f);
		n += k;
		if (k == 0)
			break;
	}
	buf[n] = 0;
	return buf;
}

static uint64_t nothing(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, struct run *run)
{
	return 0;
}

static int interpret(const struct prog *p, struct run *run, unsigned char *mem, size_t len, uint64_t *r0,
		     struct err *err)
{
	const struct interp_mem region = {.start = (uintptr_t)mem, .len = len, .writable = true};
	const struct interp_env env = {.mem = &region, .nmem = 1};
	const uint64_t args[2] = {len ? (uintptr_t)mem : 0, len};
	struct interp_fault fault;
	int ret = interp_run(p, run, &env, args, 2, r0, &fault);

	return ret ? err_set(err, ret, "prog run: instruction %u: %s (0x%llx)", fault.pc, fault.what,
			     (unsigned long long)fault.addr)
		   : 0;
}

static int compile(const struct prog *p, struct run *run, unsigned char *mem, size_t len, uint64_t *r0, struct err *err)
{
	struct jit_code code;
	struct jit_map map;
	int ret = jit_compile(p, 0, &code);

	if (ret == 0) {
		ret = jit_map(&code, &map);
		jit_free(&code);
	}
	if (ret)
		return err_set(err, ret, "prog run: compile: %s", strerror(-ret));
	*r0 = map.entry(len ? (uintptr_t)mem : 0, len, 0, 0, 0, run);
	jit_unmap(&map);
	return 0;
}

/* How it is run, and how its result is printed. */
struct manner {
	bool interp, json;
};

static int execute(const struct bpf_insn *insns, uint32_t n, unsigned char *mem, size_t len, const struct manner *how,
		   struct err *err)
{
	run_fn helpers[HELPERS];
	struct run run = {.helpers = helpers, .nhelpers = HELPERS, .tail_left = INSN_TAIL_CALLS};
	char why[256] = "";
	struct log log = {.buf = why, .size = sizeof(why)};
	struct prog prog;
	uint64_t r0 = 0;
	int ret = prog_decode(insns, n, &prog, &log);

	for (unsigned i = 0; i < HELPERS; i++)
		helpers[i] = nothing;
	if (ret)
		return err_set(err, ret, "prog run: %s", why);
	ret = how->interp ? interpret(&prog, &run, mem, len, &r0, err) : compile(&prog, &run, mem, len, &r0, err);
	prog_free(&prog);
	if (ret == 0)
		printf(how->json ? "{\"r0\":\"0x%llx\"}\n" : "%llx\n", (unsigned long long)r0);
	return ret;
}

int progrun(int argc, char **argv, struct err *err)
{
	static const struct option longs[] = {
	    {"raw", no_argument, NULL, 'r'}, {"interp", no_argument, NULL, 'i'}, {"json", no_argument, NULL, 'j'}, {0}};
	autofree char *text = NULL;
	autofree unsigned char *insns = NULL, *mem = NULL;
	struct manner how = {0};
	long n, len = 0;
	int c;

	optind = 1;
	while ((c = args_next(argc, argv, ":j", longs, err)) != -1) {
		if (c != 'r' && c != 'i' && c != 'j')
			return -EINVAL;
		how.interp |= c == 'i';
		how.json |= c == 'j';
	}
	optind++; /* "run" itself: options have gone before */
	text = read_all(stdin);
	insns = text ? aligned_alloc(16, round_up(strlen(text) / 2 + 16, 16u)) : NULL;
	mem = aligned_alloc(16, round_up((argv[optind] ? strlen(argv[optind]) : 0) / 2 + 16, 16u));
	if (!insns || !mem)
		return err_set(err, -ENOMEM, "prog run: no memory");
	n = unhex(text, insns, strlen(text) / 2 + 1);
	if (argv[optind])
		len = unhex(argv[optind], mem, strlen(argv[optind]) / 2 + 1);
	if (n <= 0 || n % 8 || len < 0)
		return err_set(err, -EINVAL, "prog run: %s: not bytes in hex", len < 0 ? argv[optind] : "the program");
	return execute((const struct bpf_insn *)(const void *)insns, (uint32_t)(n / 8), mem, (size_t)len, &how, err);
}

static int wait_end(struct bpfd *s, pid_t pid)
{
	autoclose int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int status;

	bpfd_run(s, pidfd, -1);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return 126;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

int progrun_loaded(uint32_t id, char **argv, bool json, struct err *err)
{
	struct loader_object o;
	struct bpfd s;
	char text[16];
	pid_t pid;
	int ret;

	if (argv[0] && (strcmp(argv[0], "ctx_in") != 0 || !argv[1] || argv[2]))
		return err_set(err, -EINVAL, "prog run: %s: ctx_in and a file are expected", argv[0]);
	ret = loader_object(&o, err);
	if (ret)
		return ret;
	snprintf(text, sizeof(text), "%u", id);
	loader_add(&o, "--run", text);
	if (json)
		loader_add(&o, NULL, "--json");
	if (argv[0])
		loader_add(&o, NULL, argv[1]);
	ret = bpfd_start(&s, NULL, err);
	if (ret == 0) {
		pid = loader_spawn(&s, o.argv, -1);
		ret = pid < 0 ? err_set(err, pid, "prog run: %s", strerror(-pid)) : wait_end(&s, pid);
	}
	bpfd_end(&s);
	free(o.argv[0]);
	return ret;
}
