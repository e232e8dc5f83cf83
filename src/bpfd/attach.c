/*
 * bt-fuse-attach: what `bt-fuse load x.bpf.o` runs as loader. Loads all programs
 * of an object file, attaches each as its section says, and stays until it is
 * told to go. Nothing here knows of bt-fuse: with the kernel it does the same.
 *
 *	--set NAME=VALUE	gives a constant of the object (const volatile, in .rodata) a value:
 *				a number, or for an array of char a text
 *	--at CATEGORY/NAME	attaches to this tracepoint instead
 *	--run ID [--json]	runs a loaded program once, the file (if any) its context, and tells
 *				what it returned
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETS 64

static int say(const char *file, const char *what, int err)
{
	fprintf(stderr, "%s: %s: %s\n", file, what, strerror(-err));
	return 1;
}

/* ---- Constants ------------------------------------------------------------------------ */

static struct bpf_map *rodata_of(struct bpf_object *obj)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		if (strstr(bpf_map__name(map), ".rodata"))
			return map;
	}
	return NULL;
}

/* Where variable `name` of `n` bytes lies in .rodata. The file may name types and texts that are not there. */
static const struct btf_var_secinfo *find_var(const struct btf *btf, const char *name, size_t n)
{
	int id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -1;
	const struct btf_type *sec = id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);

	for (unsigned i = 0; sec && i < btf_vlen(sec); i++) {
		const struct btf_var_secinfo *v = btf_var_secinfos(sec) + i;
		const struct btf_type *var = btf__type_by_id(btf, v->type);
		const char *is = var ? btf__name_by_offset(btf, var->name_off) : NULL;

		if (is && strlen(is) == n && strncmp(is, name, n) == 0)
			return v;
	}
	return NULL;
}

static int set(struct bpf_object *obj, const char *setting)
{
	struct bpf_map *map = rodata_of(obj);
	size_t n = strcspn(setting, "="), size = 0;
	char *data = map ? (char *)(uintptr_t)bpf_map__initial_value(map, &size) : NULL;
	const struct btf_var_secinfo *v = find_var(bpf_object__btf(obj), setting, n);
	const char *value = setting + n + 1;
	long long number;
	char *end;

	if (!setting[n] || !v || !data || v->size > size || v->offset > size - v->size)
		return -ENOENT;
	if (v->size > 8) {
		if (strlen(value) >= v->size)
			return -ENAMETOOLONG;
		memset(data + v->offset, 0, v->size);
		memcpy(data + v->offset, value, strlen(value));
		return 0;
	}
	number = strtoll(value, &end, 0);
	if (*end || end == value)
		return -EINVAL;
	memcpy(data + v->offset, &number, v->size); /* the machine is little-endian */
	return 0;
}

/* ---- Attaching ------------------------------------------------------------------------- */

static struct bpf_link *attach(struct bpf_program *prog, const char *at)
{
	char category[64] = "";
	size_t n = at ? strcspn(at, "/") : 0;

	if (!at)
		return bpf_program__attach(prog);
	if (!at[n] || n >= sizeof(category)) {
		errno = EINVAL;
		return NULL;
	}
	memcpy(category, at, n);
	return bpf_program__attach_tracepoint(prog, category, at + n + 1);
}

/* What stays while the process does. Links go with it in any case, however it ends. */
static struct {
	struct bpf_object *obj;
	struct bpf_link **link;
	int n;
} loaded;

static void let_go(void)
{
	while (loaded.n > 0)
		bpf_link__destroy(loaded.link[--loaded.n]);
	free(loaded.link);
	loaded.link = NULL;
	bpf_object__close(loaded.obj);
	loaded.obj = NULL;
}

static int attach_one(struct bpf_program *prog, const char *at)
{
	struct bpf_link *link, **more = realloc(loaded.link, (size_t)(loaded.n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	loaded.link = more;
	link = attach(prog, at);
	if (!link)
		return -errno;
	loaded.link[loaded.n++] = link;
	return 0;
}

static int attach_all(const char *file, const char *at)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, loaded.obj)
	{
		int err = bpf_program__autoload(prog) ? attach_one(prog, at) : 0;

		if (err)
			return say(file, bpf_program__section_name(prog), err);
	}
	printf("%s: %d program%s attached\n", file, loaded.n, loaded.n == 1 ? "" : "s");
	fflush(stdout);
	return 0;
}

static int run(unsigned id, const char *file, bool json)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .flags = 0);
	unsigned char ctx[512];
	FILE *f = file ? fopen(file, "re") : NULL;
	int fd, ret;

	if (file && !f)
		return say(file, "open", -errno);
	if (f) {
		opts.ctx_in = ctx;
		opts.ctx_size_in = (unsigned)fread(ctx, 1, sizeof(ctx), f);
		fclose(f);
	}
	fd = bpf_prog_get_fd_by_id(id);
	ret = fd < 0 ? fd : bpf_prog_test_run_opts(fd, &opts);
	if (ret)
		return say("prog run", "it can't be run on its own", ret);
	printf(json ? "{\"retval\":%u,\"duration\":%u}\n" : "Return value: %u, duration: %uns\n", opts.retval,
	       opts.duration);
	return 0;
}

static int load(const char *file, char **sets, int nsets, const char *at)
{
	int ret;

	loaded.obj = bpf_object__open_file(file, NULL);
	if (!loaded.obj)
		return say(file, "open", -errno);
	for (int i = 0; i < nsets; i++) {
		ret = set(loaded.obj, sets[i]);
		if (ret)
			return say(file, sets[i], ret);
	}
	ret = bpf_object__load(loaded.obj);
	return ret ? say(file, "load", ret) : attach_all(file, at);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"set", required_argument, NULL, 's'},
					      {"at", required_argument, NULL, 'a'},
					      {"run", required_argument, NULL, 'r'},
					      {"json", no_argument, NULL, 'j'},
					      {0}};
	const char *at = NULL, *id = NULL;
	bool json = false;
	char *sets[SETS];
	int c, sig, ret, nsets = 0;
	sigset_t ends;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's' && nsets < SETS)
			sets[nsets++] = optarg;
		else if (c == 'a')
			at = optarg;
		else if (c == 'r')
			id = optarg;
		else if (c == 'j')
			json = true;
		else
			return 2;
	}
	if (id)
		return run((unsigned)strtoul(id, NULL, 10), argv[optind], json);
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: bt-fuse-attach [--set NAME=VALUE]... [--at CATEGORY/NAME] FILE\n");
		return 2;
	}
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	ret = load(argv[optind], sets, nsets, at);
	if (ret == 0)
		sigwait(&ends, &sig);
	let_go();
	return ret;
}
