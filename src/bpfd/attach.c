/*
 * bt-fuse-attach: what `bt-fuse load x.bpf.o` runs as loader. Loads all programs
 * of an object file, attaches each as its section says, and stays until it is
 * told to go. Nothing here knows of bt-fuse: with the kernel it does the same.
 *
 *	--set NAME=VALUE	gives a constant of the object (const volatile, in .rodata) a value:
 *				a number, or for an array of char a text
 *	--at CATEGORY/NAME	attaches to this tracepoint instead
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
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

static int attach_all(const char *file, struct bpf_object *obj, const char *at)
{
	struct bpf_program *prog;
	int n = 0;

	bpf_object__for_each_program(prog, obj)
	{
		if (!bpf_program__autoload(prog))
			continue;
		if (!attach(prog, at))
			return say(file, bpf_program__section_name(prog), -errno);
		n++;
	}
	printf("%s: %d program%s attached\n", file, n, n == 1 ? "" : "s");
	fflush(stdout);
	return 0;
}

static int load(const char *file, char **sets, int nsets, const char *at)
{
	struct bpf_object *obj = bpf_object__open_file(file, NULL);
	int ret;

	if (!obj)
		return say(file, "open", -errno);
	for (int i = 0; i < nsets; i++) {
		ret = set(obj, sets[i]);
		if (ret)
			return say(file, sets[i], ret);
	}
	ret = bpf_object__load(obj);
	return ret ? say(file, "load", ret) : attach_all(file, obj, at);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"set", required_argument, NULL, 's'}, {"at", required_argument, NULL, 'a'}, {0}};
	const char *at = NULL;
	char *sets[SETS];
	int c, sig, ret, nsets = 0;
	sigset_t ends;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 's' && nsets < SETS)
			sets[nsets++] = optarg;
		else if (c == 'a')
			at = optarg;
		else
			return 2;
	}
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
	/* Links go with the process. */
	return ret;
}
