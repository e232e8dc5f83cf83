/* The loader of points.bpf.o: attaches in an order of its own, feeds and reads the rings, and tells what was seen. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static struct bpf_object *obj;
static int nrecords;

static void give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static struct bpf_program *program(const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(obj, name);

	if (!p)
		give_up(name);
	return p;
}

static int record(void *arg, void *data, size_t size)
{
	printf("record %llu\n", *(unsigned long long *)data);
	nrecords++;
	return 0;
}

static void attach(const char *name, const char *point, unsigned long long cookie)
{
	LIBBPF_OPTS(bpf_tracepoint_opts, opts, .bpf_cookie = cookie);

	if (!(point ? bpf_program__attach_tracepoint_opts(program(name), "syscalls", point, &opts)
		    : bpf_program__attach(program(name))))
		give_up(name);
}

static void feed(int map)
{
	struct user_ring_buffer *r = user_ring_buffer__new(map, NULL);

	for (unsigned v = 1; r && v <= 4; v++) {
		unsigned *sample = user_ring_buffer__reserve(r, sizeof(v));

		if (!sample)
			give_up("reserve");
		*sample = v;
		user_ring_buffer__submit(r, sample);
	}
	if (!r)
		give_up("user_ring_buffer__new");
	user_ring_buffer__free(r);
}

/* As skeletons do it: the map's memory in place of what it was made from. */
static unsigned long long *mapped(const char *section)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj)
	{
		const char *name = bpf_map__name(map);
		size_t size, n = strlen(name), k = strlen(section);
		void *at;

		if (n < k || strcmp(name + n - k, section) != 0)
			continue;
		at = (void *)(unsigned long)bpf_map__initial_value(map, &size);
		at = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, bpf_map__fd(map), 0);
		if (at == MAP_FAILED)
			give_up(section);
		return at;
	}
	give_up(section);
	return NULL;
}

int main(int argc, char **argv)
{
	static const char *const rest[] = {"raw_enter", "raw_exit", "all_enter", "all_exit",
					   "note",	"helpers",  "retval",	 "path"};
	struct ring_buffer *ring;
	unsigned zero = 0;
	int tail;

	setvbuf(stdout, NULL, _IOLBF, 0);
	obj = argc == 2 ? bpf_object__open_file(argv[1], NULL) : NULL;
	if (!obj || bpf_object__load(obj) != 0)
		give_up("load");
	for (unsigned i = 0; i < sizeof(rest) / sizeof(*rest); i++)
		attach(rest[i], NULL, 0);
	attach("entry_first", "sys_enter_getpriority", 0x1111);
	attach("entry_second", "sys_enter_getpriority", 0x2222);
	attach("exit_first", "sys_exit_getpriority", 0);
	attach("exit_second", "sys_exit_getpriority", 0);
	tail = bpf_program__fd(program("tail"));
	if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(obj, "next"), &zero, &tail, 0) != 0)
		give_up("next");
	feed(bpf_object__find_map_fd_by_name(obj, "in"));
	*mapped(".data") = 77;
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(obj, "out"), record, NULL, NULL);
	if (!ring)
		give_up("ring_buffer__new");
	puts("attached");
	while (nrecords < 2)
		if (ring_buffer__poll(ring, 20000) <= 0)
			give_up("poll");
	if (!fgets((char[16]){0}, 16, stdin)) /* until the work is done */
		give_up("stdin");
	for (unsigned i = 0; i < 16; i++)
		printf("%llx%c", mapped(".bss")[i], i == 15 ? '\n' : ' ');
	printf("path %.7s\n", (char *)(mapped(".bss") + 16));
	return 0;
}
